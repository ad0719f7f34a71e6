# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rulebook `alerts` in a real ansible-rulebook that gets alerts as Alertmanager sends them.

One process serves all tests of this file, because starting takes seconds. What it does depends on what it did within
the last minutes, so each test uses its own nodes, and the tests run in this order. Runs follow the order of their
alerts: when the last of several alerts has had its effect, the earlier ones have had theirs, or none.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.clients import Clients, until
from tests.eda.running import (
    CONNECTIONS,
    MEMORY,
    Listening,
    alert,
    command,
    environment,
    listening,
    skip_without_ansible_rulebook,
)
from tests.simulator import Fleet, Node
from tests.support import owners_inventory, read_results

skip_without_ansible_rulebook()

MIB = 1024 * 1024
INVENTORY = ("--inventory", "inventory.yml")
# The address of the last node, as far as alerts and the inventory know, and its name in the inventory.
IPV6, IPV6_NAME = "2001:db8::5", "2001-db8--5"


@dataclass
class Rulebook(Listening):
    """A running ansible-rulebook, and the fleet whose alerts it gets."""

    fleet: Fleet

    def wait_until_freed(self, node: Node, name: str = "") -> None:
        assert until(lambda: node.heap.forced > 0 or self.process.poll() is not None, 90), self.log
        # The run that freed it reports this at its end.
        assert until(lambda: self.summaries[-1:] == [name or node.host], 30), self.log

    @property
    def summaries(self) -> list[str]:
        """The hosts on which runbooks have finished, in order."""
        return [entry.host for entry in read_results(self.folder / "results.jsonl") if entry.task == "Summary"]

    @property
    def tasks(self) -> set[str]:
        return {entry.task for entry in read_results(self.folder / "results.jsonl")}

    @property
    def freed(self) -> list[int]:
        return [node.heap.forced for node in self.fleet.nodes]


@pytest.fixture(scope="module")
def rulebook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rulebook]:
    folder = tmp_path_factory.mktemp("eda")
    with Fleet(nodes=5) as fleet:
        for node in fleet.nodes:
            node.heap.live, node.heap.free = 900 * MIB, 600 * MIB
        # As the inventory plugin names them.
        inventory = owners_inventory(fleet)
        names = [*(node.host for node in fleet.nodes[:4]), IPV6_NAME]
        inventory["polaris_servers"]["hosts"] = {
            name: {"polaris_url": node.url} for name, node in zip(names, fleet.nodes, strict=True)
        }
        inventory["others"] = {"hosts": {"127.0.0.9": {"polaris_url": fleet.nodes[1].url}}, "vars": {}}
        (folder / "inventory.yml").write_text(json.dumps(inventory))
        variables = {"polaris_incident_dest": str(folder / "incidents")}
        with listening(folder, "alerts", INVENTORY, variables, {}) as running:
            yield Rulebook(running.url, folder, running.process, fleet)


def of(node: Node) -> str:
    """The label "instance" of a node, as Prometheus derives it from the target."""
    return f"{node.host}:{node.port}"


def spellings(node: Node) -> list[str]:
    """Other values of "instance", if another port is scraped or the label is set."""
    return [node.host, f"{node.host}:9100", f"{node.host}:{node.port}"]


def template(ran: Path) -> str:
    """Text that would create this file if ansible-playbook evaluated it as a template."""
    return f"{{{{ lookup('ansible.builtin.pipe', 'touch {ran}') }}}}"


def test_only_the_node_named_is_freed_whatever_else_an_alert_says(rulebook: Rulebook, tmp_path: Path) -> None:
    first, second, third, *_others = rulebook.fleet.nodes
    ran = tmp_path / "ran"
    command = template(ran)
    hostile = [
        *("all", "all:8090", "*", "*.*", "~.*[.].*", "polaris_servers", "!127.0.0.1", "127.0.1.*", "127.0.1.[1:6]", ""),
        *(
            f"{second.host},{third.host}",
            f"{second.host}:&all",
            f"{second.host}\n",
            f" {of(second)}",
            f"{of(second)}000",
        ),
        # A host, but not a Polaris server; one that is not a host; and values that are never in JSON from Alertmanager.
        *("127.0.0.9:8090", "[2001:db8::6]:8090", 8090, {"a": second.host}, None),
        *([second.host], [second.host, command], [command, second.host], [[second.host]]),
        *(command, f"{of(second)}{command}", f"{command}.x:8090", f"x.{command}"),
    ]
    assert rulebook.post({"alerts": [alert(MEMORY, of(second))]}, token=None) == 401
    assert rulebook.post({"alerts": [alert(MEMORY, of(second))]}, token="another") == 401
    for odd in ([], [alert(MEMORY, of(second))], {"alerts": None}, {"alerts": "x"}, {"alerts": [None, 1]}, "x", None):
        rulebook.post(odd)
    rulebook.send(
        alert(MEMORY, of(second), "resolved"),
        alert(CONNECTIONS, None, "resolved"),
        alert("SomethingElse", of(second)),
        alert([MEMORY, command], of(second)),
        *(alert(MEMORY, instance) for instance in hostile),
        # The sender cannot influence the hosts or the variables of a run.
        alert(MEMORY, of(first), annotations={"x": command}, more=command, meta={"hosts": [second.host]}),
    )
    rulebook.send(alert(MEMORY, of(third), meta={"hosts": "all"}))
    rulebook.wait_until_freed(third)
    assert rulebook.freed == [1, 0, 1, 0, 0]
    assert rulebook.summaries == [first.host, third.host]
    assert not ran.exists()
    # A run of the other runbook begins with this task.
    assert "Read the connections" not in rulebook.tasks
    names = {re.sub(r"\d{8}T\d{6}Z", "TIME", path.name) for path in (rulebook.folder / "incidents").iterdir()}
    assert names == {f"{node.host}-{kind}-TIME.pb.gz" for node in (first, third) for kind in ("heap", "goroutine")}


def test_an_alert_that_keeps_firing_frees_memory_once(rulebook: Rulebook) -> None:
    third, fourth = rulebook.fleet.nodes[2:4]
    for spelling in spellings(third):
        rulebook.send(alert(MEMORY, spelling))
    # This does not delay the alert about another node.
    rulebook.send(alert(MEMORY, of(third)), alert(MEMORY, of(fourth)))
    rulebook.wait_until_freed(fourth)
    assert rulebook.freed == [1, 0, 1, 1, 0]


def test_uneven_connections_are_rebalanced_once(rulebook: Rulebook, tmp_path: Path) -> None:
    full, last = rulebook.fleet.nodes[0], rulebook.fleet.nodes[4]
    with Clients() as clients:
        connections = [
            each
            for host in range(21, 31)
            for each in clients.connect((full.host, full.grpc_port), f"127.0.0.{host}", 3)
        ]
        assert until(lambda: len(full.connections["grpc"]) == 30)
        # An alert about all nodes has no "instance"; one about the fullest node may have it. It is ignored.
        rulebook.send(alert(CONNECTIONS, template(tmp_path / "ran")), alert(CONNECTIONS, None))
        rulebook.send(alert(CONNECTIONS, of(full)), alert(MEMORY, f"[{IPV6}]:8090"))
        rulebook.wait_until_freed(last, IPV6_NAME)
        # As in the runbook: a fifth of the node's connections. Two runs would have closed more.
        assert [each.open for each in connections].count(False) == 6
    assert "Read the connections" in rulebook.tasks
    assert not (tmp_path / "ran").exists()


def test_an_ipv6_node_is_one_node_in_all_spellings(rulebook: Rulebook) -> None:
    second, last = rulebook.fleet.nodes[1], rulebook.fleet.nodes[4]
    for spelling in (f"[{IPV6}]:9100", IPV6, "[2001:DB8:0:0:0:0:0:5]:8090", IPV6_NAME):
        rulebook.send(alert(MEMORY, spelling))
    rulebook.send(alert(MEMORY, of(second)))
    rulebook.wait_until_freed(second)
    assert last.heap.forced == 1
    assert rulebook.freed == [1] * 5


def test_without_a_token_it_does_not_start(rulebook: Rulebook, tmp_path: Path) -> None:
    done = subprocess.run(
        command("alerts", *INVENTORY),
        check=False,
        cwd=rulebook.folder,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode != 0
    assert "'POLARIS_ALERTS_TOKEN' is undefined" in done.stderr
