# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make demo`: the main runbooks on a simulated fleet, with the commands that an operator would type."""

from __future__ import annotations

import os
import random
import shlex
import shutil
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Sequence
from pathlib import Path

from tests.clients import Clients
from tests.simulator import Fleet, Node
from tools import collection_tree

HERE = Path(__file__).parent
WIDTH = 96
# Two releases side by side, as in the middle of an upgrade: their answers have different forms.
PROFILES = ["v1.18.1", "v1.18.1", "v1.18.1", "v1.17.1", "v1.17.1"]
#: The inventory plugin finds all nodes of a cluster from the address of one.
INVENTORY = """\
plugin: polarismesh.maintenance.polaris
url: {url}
compose:
  ansible_connection: "'local'"
"""
SDK_CLIENTS = ["127.0.0.21", "127.0.0.22", "127.0.0.23", "127.0.0.24"]
#: Only the report is kept; everything else is removed at the end of the demo.
REPORT = collection_tree.ROOT / ".cache" / "demo" / "fleet.html"


def heading(number: int, text: str) -> None:
    print(f"\n\n{'=' * WIDTH}")
    print(textwrap.fill(f"{number}. {text}", WIDTH, subsequent_indent="   "))
    print("=" * WIDTH, flush=True)


def is_neutral(name: str) -> bool:
    """Whether a variable of the environment does not affect the demo."""
    return not name.startswith(("ANSIBLE_", "POLARIS_")) or name == "ANSIBLE_FORCE_COLOR"


class Shell:
    """Runs commands as an operator would, and shows them."""

    def __init__(self, folder: Path, fleet: Fleet) -> None:
        (folder / "polaris.yml").write_text(INVENTORY.format(url=fleet.nodes[0].url))
        (folder / "ansible.cfg").write_text("[defaults]\n")
        shutil.copy(HERE / "levels.yml", folder)
        self.folder = folder
        self.environment = {
            **{name: value for name, value in os.environ.items() if is_neutral(name)},
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
            "ANSIBLE_COLLECTIONS_PATH": str(collection_tree.link()),
            "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
            "ANSIBLE_HOME": str(folder / "ansible"),
            "ANSIBLE_INVENTORY": "polaris.yml",
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml",
            "POLARIS_TOKEN": fleet.tokens.owner,
            "NO_PROXY": "*",
            "no_proxy": "*",
        }

    def run(self, *command: str) -> str:
        print(f"\n$ {shlex.join(command)}", flush=True)
        with subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout
            output = ""
            for line in process.stdout:
                output += line
                print(f"  {line.rstrip()}".rstrip(), flush=True)
        if process.returncode != 0:
            raise SystemExit(f"The demo stopped: the command above ended with exit code {process.returncode}.")
        return output


class Applications(Clients):
    """Clients that behave like SDKs: one whose connection is closed connects again, to a random node."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        super().__init__()
        self.nodes = nodes
        self.stopped = threading.Event()
        self.connections = [
            self.connect((node.host, node.grpc_port), host)[0] for node in nodes for host in SDK_CLIENTS * 5
        ]

    def serve(self, nodes: Sequence[Node]) -> None:
        """From now on, reconnect to any of these nodes."""
        self.nodes = nodes
        thread = threading.Thread(target=self._connect_again)
        thread.start()
        self.callback(thread.join)
        self.callback(self.stopped.set)

    def _connect_again(self) -> None:
        while not self.stopped.wait(0.05):
            for index, connection in enumerate(self.connections):
                if not connection.open:
                    node = random.choice(self.nodes)
                    self.connections[index] = self.connect((node.host, node.grpc_port), connection.host)[0]


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
        first = fleet.nodes[0].host
        before = [dict(node.levels) for node in fleet.nodes]

        print("A simulated fleet of five Polaris servers is running, in the middle of an upgrade:")
        for profile, node in zip(PROFILES, fleet.nodes, strict=True):
            print(f"  {node.url}  {profile}")
        print("Only the main account may change anything; its token is in POLARIS_TOKEN.")

        heading(1, "You know one address; the inventory plugin finds the others")
        shell.run("cat", "polaris.yml")
        output = shell.run("ansible-inventory", "--graph")
        expect(all(node.host in output for node in fleet.nodes), "a node is missing from the inventory.")

        heading(2, "The current levels")
        shell.run("ansible-playbook", "levels.yml")

        heading(3, "What would a change do? --check asks the server, --diff shows it, --limit selects one node")
        log_level = ("ansible-playbook", "polarismesh.maintenance.log_level", *change)
        shell.run(*log_level, "--check", "--diff", "--limit", first)
        expect([node.levels for node in fleet.nodes] == before, "check mode changed something.")

        heading(4, "Change the whole fleet; both forms of the servers' answers work")
        shell.run(*log_level)
        expect(all(node.levels["naming"] == "debug" for node in fleet.nodes), "a node was not changed.")

        heading(5, "The same again: nothing differs, so nothing is sent; changed=0")
        output = shell.run(*log_level)
        expect(output.count("changed=0") == len(PROFILES), "the second run changed something.")

        heading(6, "A debug window of 3 seconds: raise, wait, restore exactly what each node had, whatever happens")
        changed = [dict(node.levels) for node in fleet.nodes]
        window = ("ansible-playbook", "polarismesh.maintenance.debug_window")
        shell.run(*window, "-e", '{"levels": {"*": "debug"}}', "-e", "seconds=3")
        expect([node.levels for node in fleet.nodes] == changed, "the window did not restore the levels.")

        heading(
            7, "Two nodes are new and have no clients yet: close the surplus of the others, one connection at a time"
        )
        with Applications(fleet.nodes[:3]) as applications:
            applications.serve(fleet.nodes)
            shell.run("ansible-playbook", "polarismesh.maintenance.conn_rebalance", "-e", "settle_seconds=1")
            # Each node lost a fifth of its connections, as max_share demands, and every client still has one.
            expect(all(connection.open for connection in applications.connections), "a client has no connection.")

            heading(8, "The whole fleet on one page")
            REPORT.parent.mkdir(parents=True, exist_ok=True)
            shell.run(
                "ansible-playbook",
                "polarismesh.maintenance.fleet_report",
                "-e",
                f"dest={REPORT}",
                "-e",
                "probe_defaults=false",
            )

    print(f"\n\nDone: the fleet is stopped, and only the report is left. Open it: {REPORT}")
    print("For your own servers, see README.md.")


if __name__ == "__main__":
    main()
