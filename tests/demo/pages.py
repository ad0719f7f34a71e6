# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the page of each runbook: the text is the comment of the playbook, the example is a run on a simulated fleet.

`make docs-pages` writes all pages; with ARGS=--text it keeps the examples. To keep them up to date,
tests/unit/test_pages.py compares the text with the playbooks, and tests/integration/test_pages.py the examples with new
runs.
"""

from __future__ import annotations

import io
import re
import shlex
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import CAUSES
from tests.clients import Clients
from tests.demo.__main__ import SDK_CLIENTS, Applications, Shell
from tests.simulator import Fleet
from tools import collection_tree

ROOT = collection_tree.ROOT
PAGES = ROOT / "docs" / "docsite" / "rst"
COLLECTION = "polarismesh.maintenance"
MIB = 1 << 20
LICENCE = """\
..
  Copyright (c) 2026, PolarisMesh Maintenance contributors
  GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
  SPDX-License-Identifier: GPL-3.0-or-later
"""
BEFORE_EXAMPLE = "The output of a run on a simulated fleet:\n\n.. code-block:: text\n\n"
MESSAGES = "Messages of the connection\n--------------------------\n\n"
BEFORE_MESSAGES = (
    "URL stands for the URL of the server, CALL for the method and the path, REASON for the message of the system.\n"
)
#: The variables of each example; `dest` is a directory that is removed afterwards.
EXAMPLES: dict[str, list[str]] = {
    "log_level": ["levels=naming=debug"],
    "debug_window": ['{"levels": {"naming": "debug"}}', "seconds=2"],
    "conn_drain": ["protocol=grpc", f"client_host={SDK_CLIENTS[0]}"],
    "conn_rebalance": ["settle_seconds=1"],
    "instance_clean": ["batch=true"],
    "heartbeat_audit": ["service=payments"],
    "memory_free": [],
    "memory_incident": ["min_size=1G", "dest=profiles"],
    "fleet_report": ["dest=report.html", "probe_defaults=false"],
}


@dataclass
class Header:
    """The comment at the top of a playbook."""

    #: Paragraphs; those of commands are indented by two spaces.
    paragraphs: list[str] = field(default_factory=list)
    #: The names of one row -> its text.
    variables: dict[str, str] = field(default_factory=dict)


def header(playbook: Path) -> Header:
    lines = []
    for line in playbook.read_text().splitlines()[4:]:
        if not line.startswith("#"):
            break
        lines.append(line[2:])
    text = "\n".join(lines).strip("\n")
    prose, _heading, table = text.partition("\nVariables\n")
    result = Header(paragraphs=[paragraph for paragraph in re.split(r"\n\s*\n", prose) if paragraph.strip()])
    name = ""
    for line in table.splitlines():
        row = re.fullmatch(r"  (\S.*?)(?:\s{2,}(\S.*))?", line)
        if row and not line.startswith("    "):
            name = row[1]
            result.variables[name] = row[2] or ""
        elif name:
            result.variables[name] = f"{result.variables[name]} {line.strip()}".strip()
    return result


def escaped(text: str) -> str:
    """The text of a comment as reStructuredText; options as code, because a site makes a dash of two hyphens."""
    text = re.sub(r"([\\*`|]|(?<=http):|(?<=https):)", r"\\\1", text)
    return re.sub(r"(?<!\S)--[a-z-]*[a-z]", r"``\g<0>``", text)


def page(name: str, output: str) -> str:
    parsed = header(ROOT / "playbooks" / f"{name}.yml")
    parts = [LICENCE, f".. _ansible_collections.{COLLECTION}.docsite.runbook_{name}:\n", f"{name}\n{'=' * len(name)}\n"]
    for paragraph in parsed.paragraphs:
        if paragraph.startswith("  "):
            commands = "\n".join(f"    $ {line.strip()}" for line in paragraph.splitlines())
            parts.append(f".. code-block:: console\n\n{commands}\n")
        else:
            parts.append(textwrap.fill(escaped(" ".join(paragraph.split())), 120, break_long_words=False) + "\n")
    parts.append("Variables\n---------\n")
    for names, text in parsed.variables.items():
        term = ", ".join(f"``{name}``" for name in re.split(r",\s*", names))
        parts.append(
            f"{term}\n" + textwrap.indent(textwrap.fill(escaped(text), 116, break_long_words=False), "    ") + "\n"
        )
    parts.append("Example\n-------\n")
    parts.append(BEFORE_EXAMPLE + textwrap.indent(output, "    "))
    return "\n".join(parts)


def troubleshooting() -> str:
    """The troubleshooting guide, with all messages about connections from the code."""
    path = PAGES / "guide_troubleshooting.rst"
    written = "".join(path.read_text().partition(MESSAGES)[:2])
    placeholders = {"url": "URL", "call": "CALL", "timeout": 30, "detail": "REASON", "variables": "http_proxy"}
    parts = [written.rstrip("\n") + "\n\n" + BEFORE_MESSAGES.rstrip("\n") + "\n"]
    for kind in dict.fromkeys(cause.kind for cause in CAUSES.values()):
        sentences = [cause.sentence.format(**placeholders) for cause in CAUSES.values() if cause.kind == kind]
        items = [
            textwrap.fill(
                escaped(sentence), 120, initial_indent="    * ", subsequent_indent="      ", break_long_words=False
            )
            for sentence in sentences
        ]
        parts.append(f"``{kind}``\n" + "\n".join(items) + "\n")
    return "\n".join(parts)


def example_of(name: str) -> str:
    """The output that the page currently shows."""
    path = PAGES / f"runbook_{name}.rst"
    shown = path.read_text().partition(BEFORE_EXAMPLE)[2] if path.exists() else ""
    return textwrap.dedent(shown)


@contextmanager
def fleet_for(name: str) -> Iterator[Fleet]:
    """A fleet in which the runbook finds something to do."""
    with Fleet(nodes=3) as fleet, Clients() as clients:
        if name == "conn_drain":
            for node in fleet.nodes:
                clients.connect((node.host, node.grpc_port), SDK_CLIENTS[0], count=2)
                clients.connect((node.host, node.grpc_port), SDK_CLIENTS[1], count=3)
        if name == "conn_rebalance":
            applications = clients.enter_context(Applications(fleet.nodes[:2]))
            applications.serve(fleet.nodes)
        for number in range(1, 4):
            row = fleet.store.register("payments", "default", f"10.1.0.{number}", 8080, ttl=60)
            if name == "instance_clean":
                fleet.store.deregister(row.id, ago=3600)
            elif number < 3:
                node = fleet.nodes[number]
                node.beat(row.id, node.now() - (1 if number == 1 else 600))
        for number, node in enumerate(fleet.nodes):
            large = number == 0
            node.heap.live, node.heap.free = (900 if large else 100) * MIB, (600 if large else 10) * MIB
            node.heap.garbage, node.heap.released = 0, 0
        fleet.nodes[2].levels["naming"] = "warn"
        yield fleet


@contextmanager
def shown_if_it_fails(shown: io.StringIO) -> Iterator[None]:
    try:
        yield
    except SystemExit:
        print(shown.getvalue(), file=sys.stderr)
        raise


def run_example(name: str) -> str:
    variables = [argument for pair in EXAMPLES[name] for argument in ("-e", pair)]
    with tempfile.TemporaryDirectory(prefix="polaris-docs-") as folder, fleet_for(name) as fleet:
        shell = Shell(Path(folder), fleet)
        shell.environment |= {"COLUMNS": "80", "ANSIBLE_NOCOLOR": "true", "ANSIBLE_PYTHON_INTERPRETER": sys.executable}
        with redirect_stdout(io.StringIO()) as shown, shown_if_it_fails(shown):
            output = shell.run("ansible-playbook", f"{COLLECTION}.{name}", *variables)
        command = shlex.join(["ansible-playbook", f"{COLLECTION}.{name}", "-i", "polaris.yml", *variables])
        output = output.replace(folder, "/home/ops").replace(str(collection_tree.COLLECTIONS), "/home/ops/collections")
        lines = [line.rstrip() for line in output.splitlines()]
        return f"$ {command}\n\n" + "\n".join(lines).strip("\n") + "\n"


def main(*arguments: str) -> None:
    examples = "--text" not in arguments
    names = [argument for argument in arguments if argument != "--text"]
    (PAGES / "guide_troubleshooting.rst").write_text(troubleshooting())
    for name in names or EXAMPLES:
        (PAGES / f"runbook_{name}.rst").write_text(page(name, run_example(name) if examples else example_of(name)))
        print(f"docs/docsite/rst/runbook_{name}.rst")


if __name__ == "__main__":
    main(*sys.argv[1:])
