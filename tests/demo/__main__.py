# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make demo`: the main job of the collection, on a simulated fleet, by the commands that an operator would type."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

from tests.simulator import Fleet
from tests.support import inventory_of
from tools import collection_tree

HERE = Path(__file__).parent
WIDTH = 96
# Two releases side by side, as in the middle of an upgrade: they answer in different forms.
PROFILES = ["v1.18.1", "v1.18.1", "v1.18.1", "v1.17.1", "v1.17.1"]


def heading(number: int, text: str) -> None:
    print(f"\n\n{'=' * WIDTH}")
    print(textwrap.fill(f"{number}. {text}", WIDTH, subsequent_indent="   "))
    print("=" * WIDTH, flush=True)


class Shell:
    """Runs commands as an operator would, and shows them."""

    def __init__(self, folder: Path, fleet: Fleet) -> None:
        (folder / "inventory.yml").write_text(json.dumps(inventory_of(fleet), indent=2))
        (folder / "ansible.cfg").write_text("[defaults]\n")
        shutil.copy(HERE / "levels.yml", folder)
        self.folder = folder
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "POLARIS_"))},
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
            "ANSIBLE_COLLECTIONS_PATH": str(collection_tree.link()),
            "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
            "ANSIBLE_HOME": str(folder / "ansible"),
            "ANSIBLE_INVENTORY": "inventory.yml",
            "ANSIBLE_DISPLAY_SKIPPED_HOSTS": "false",
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml",
            "POLARIS_TOKEN": fleet.tokens.owner,
            "NO_PROXY": "*",
            "no_proxy": "*",
        }

    def run(self, *command: str) -> str:
        print(f"\n$ {shlex.join(command)}", flush=True)
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout
        output = ""
        for line in process.stdout:
            output += line
            print(f"  {line.rstrip()}".rstrip(), flush=True)
        if process.wait() != 0:
            raise SystemExit(f"The demo stopped: the command above ended with exit code {process.returncode}.")
        return output


def expect(condition: bool, what: str) -> None:
    if not condition:
        raise SystemExit(f"The demo stopped: {what}")


def main() -> None:
    change = ("-e", '{"levels": {"naming": "debug", "store": "warn"}}')
    with (
        tempfile.TemporaryDirectory(prefix="polaris-demo-") as folder,
        Fleet(nodes=len(PROFILES), profile=PROFILES) as fleet,
    ):
        shell = Shell(Path(folder), fleet)
        before = [dict(node.levels) for node in fleet.nodes]

        print("A simulated fleet of five Polaris servers runs now, in the middle of an upgrade:")
        for number, node in enumerate(fleet.nodes, 1):
            print(f"  node{number}  {node.url}  {PROFILES[number - 1]}")
        print("Only the main account may change anything; its token is in POLARIS_TOKEN.")

        heading(1, "The levels now")
        shell.run("ansible-playbook", "levels.yml")

        heading(2, "What would a change do? --check asks the server, --diff shows it, --limit takes one node")
        log_level = ("ansible-playbook", "polarismesh.maintenance.log_level", *change)
        shell.run(*log_level, "--check", "--diff", "--limit", "node1")
        expect([node.levels for node in fleet.nodes] == before, "check mode changed something.")

        heading(3, "Change the whole fleet; both forms of the server's answers are understood")
        shell.run(*log_level)
        expect(all(node.levels["naming"] == "debug" for node in fleet.nodes), "a node was not changed.")

        heading(4, "The same again: nothing differs, so nothing is sent; changed=0")
        output = shell.run(*log_level)
        expect(output.count("changed=0") == len(PROFILES), "the second run changed something.")

        heading(5, "A debug window of 3 seconds: raise, wait, put back exactly what each node had, come what may")
        changed = [dict(node.levels) for node in fleet.nodes]
        shell.run(
            "ansible-playbook",
            "polarismesh.maintenance.debug_window",
            "-e",
            '{"levels": {"*": "debug"}}',
            "-e",
            "seconds=3",
        )
        expect([node.levels for node in fleet.nodes] == changed, "the window did not put the levels back.")

    print("\n\nDone: the fleet is stopped and nothing is left behind. For your own servers, see README.md.")


if __name__ == "__main__":
    main()
