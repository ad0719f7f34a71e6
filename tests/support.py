# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real ansible-playbook processes for the tests, and their results."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import forks
from tests.simulator import Fleet

CALLBACKS = Path(__file__).parent / "callback"
ROOT = Path(__file__).parent.parent
#: The environment variables for tests/interpreter/sitecustomize.py.
INTERPRETER = {"PYTHONPATH": str(ROOT / "tests/interpreter"), "POLARIS_TEST_CODE": str(ROOT / ".cache/code")}

Play = dict[str, Any]


@dataclass(frozen=True)
class TaskResult:
    """The result of one task on one host. ``status``: ok, failed, ignored (a failure), skipped, unreachable."""

    host: str
    task: str
    action: str
    status: str
    result: dict[str, Any]


@dataclass(frozen=True)
class PlaybookRun:
    """A finished ansible-playbook: its exit code, its whole output, and every task result in order."""

    returncode: int
    output: str
    results: list[TaskResult]

    def of(self, task: str, host: str | None = None) -> list[dict[str, Any]]:
        """The results of the task with this name (or FQCN, if it has no name), on all hosts or one."""
        return [entry.result for entry in self.results if entry.task == task and (host is None or entry.host == host)]

    def one(self, task: str, host: str | None = None) -> dict[str, Any]:
        """The only result of the task."""
        found = self.of(task, host)
        assert len(found) == 1, f"{len(found)} results of {task!r}:\n{self.output}"
        return found[0]

    def ok(self) -> PlaybookRun:
        """Return itself, after checking that ansible-playbook succeeded and printed no traceback."""
        assert self.returncode == 0, self.output
        assert "Traceback" not in self.output, self.output
        return self


def inventory_of(fleet: Fleet, **variables: Any) -> dict[str, Any]:
    """The nodes of a simulated fleet as inventory data: node1, node2, ... in the group polaris_servers."""
    hosts = {f"node{number}": {"polaris_url": node.url} for number, node in enumerate(fleet.nodes, 1)}
    common = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    return {"polaris_servers": {"hosts": hosts, "vars": {**common, **variables}}}


def owners_inventory(fleet: Fleet, **variables: Any) -> dict[str, Any]:
    """The same with the owner's token."""
    return inventory_of(fleet, polaris_token=fleet.tokens.owner, **variables)


def environment_of(results: Path, extra: Mapping[str, str | None] | None = None) -> dict[str, str]:
    """The environment of a playbook under test: the caller's, without Polaris accounts, with the results callback."""
    # Without PYTHONUNBUFFERED, output arrives at the time when users would see it.
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("POLARIS_") and name != "PYTHONUNBUFFERED"
    }
    environment |= {
        **INTERPRETER,
        "PYTHONPATH": os.pathsep.join(filter(None, [INTERPRETER["PYTHONPATH"], environment.get("PYTHONPATH")])),
        "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS),
        "ANSIBLE_CALLBACKS_ENABLED": "results",
        "POLARIS_TEST_RESULTS": str(results),
        "ANSIBLE_RETRY_FILES_ENABLED": "false",
        "COLUMNS": "250",
    }
    for name, value in (extra or {}).items():
        if value is None:
            environment.pop(name, None)
        else:
            environment[name] = value
    return environment


def flaky(folder: Path) -> dict[str, str]:
    """The environment in which tests/connection/flaky.py is a connection."""
    return {"ANSIBLE_CONNECTION_PLUGINS": str(ROOT / "tests/connection"), "POLARIS_TEST_FLAKY": str(folder / "modules")}


def run_playbook(
    folder: Path,
    playbook: str | Sequence[Play],
    inventory: Fleet | Mapping[str, Any] | str,
    *,
    args: Sequence[str] = (),
    extra_vars: Mapping[str, Any] | None = None,
    env: Mapping[str, str | None] | None = None,
    inside: Sequence[str] = (),
    timeout: float = 240,
) -> PlaybookRun:
    """Run ansible-playbook in ``folder``, which is created if necessary, and collect its results.

    :param playbook: the FQCN or path of a playbook, or plays as data.
    :param inventory: a fleet, inventory data, or anything that ``-i`` accepts.
    :param env: environment variables to add, or to remove (None).
    :param inside: a command to run it with, such as one that enters a namespace.
    """
    folder.mkdir(parents=True, exist_ok=True)
    results = folder / "results.jsonl"
    results.unlink(missing_ok=True)
    command = command_of(folder, playbook, inventory, args=args, extra_vars=extra_vars)
    process = forks.run([*inside, *command], folder, environment_of(results, env), merged=True, timeout=timeout)
    # Ansible prints this, for example, for a noop in the rescue of a block with a condition.
    assert "does not support when conditional" not in process.stdout, process.stdout
    return PlaybookRun(process.returncode, process.stdout, read_results(results))


def command_of(
    folder: Path,
    playbook: str | Sequence[Play],
    inventory: Fleet | Mapping[str, Any] | str,
    *,
    args: Sequence[str] = (),
    extra_vars: Mapping[str, Any] | None = None,
) -> list[str]:
    """The command line of :func:`run_playbook`, with its files written to ``folder``."""
    if not isinstance(playbook, str):
        (folder / "playbook.yml").write_text(json.dumps(list(playbook), indent=2))
        playbook = "playbook.yml"
    if not isinstance(inventory, str):
        data = inventory_of(inventory) if isinstance(inventory, Fleet) else inventory
        (folder / "inventory.yml").write_text(json.dumps(data, indent=2))
        inventory = "inventory.yml"
    command = ["ansible-playbook", "-i", inventory, playbook, *args]
    if extra_vars:
        command += ["-e", json.dumps(extra_vars)]
    return command


@contextlib.contextmanager
def in_background(
    folder: Path,
    playbook: str,
    inventory: Mapping[str, Any],
    extra_vars: Mapping[str, Any],
    *,
    env: Mapping[str, str | None] | None = None,
    own_session: bool = False,
) -> Iterator[subprocess.Popen[bytes]]:
    """A playbook without a terminal, as a job runner starts it, which writes to ``output`` in the folder.

    It is killed at the end of the block.
    """
    arguments = command_of(folder, playbook, inventory, extra_vars=extra_vars)
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            arguments,
            cwd=folder,
            env=environment_of(folder / "results.jsonl", env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=own_session,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def processes_in(folder: Path) -> list[str]:
    """The processes of the playbook in this folder, and those that it left, without zombies."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        # A zombie has no directory.
        with contextlib.suppress(OSError):
            if (process / "cwd").readlink() == folder:
                found.append(process.name)
    return found


def read_results(path: Path) -> list[TaskResult]:
    if not path.exists():
        return []
    return [TaskResult(**json.loads(line)) for line in path.read_text().splitlines()]


def refused_variables(runbook: str, variables: dict[str, Any]) -> str:
    """The runbook's refusal of these variables, by the rules of its first task. Fails if it accepts them."""
    # Imported here, because the collection can only be imported after tests.conftest.
    from ansible_collections.polarismesh.maintenance.plugins.plugin_utils import _variables

    (play,) = yaml.safe_load((ROOT / "playbooks" / f"{runbook}.yml").read_text(encoding="utf-8"))
    rules = play["tasks"][0]["polarismesh.maintenance.polaris_variables"]
    with pytest.raises(ValueError) as refused:
        _variables.check(variables, rules["variables"], rules.get("one_of", ()))
    return str(refused.value)
