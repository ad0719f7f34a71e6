# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every runbook on a fleet whose nodes fail in different ways, under different settings of an ansible.cfg.

One ansible-playbook runs them one after the other, each with all nodes. Then every claim of every summary is compared
with the state of the simulated servers: no live instance damaged, no bystander closed, no claim of work not done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.clients import ALICE, BOB, Clients, Connection, until
from tests.simulator import Fault, Fleet, Node
from tests.support import Play, PlaybookRun, owners_inventory, run_playbook

#: What is wrong with each node.
SICK = ("well", "well", "down", "lost", "slow", "older", "not allowed", "not Polaris")
PROFILES = ["v1.18.1"] * 5 + ["v1.12.2"] + ["v1.18.1"] * 2
WELL = {f"node{number}" for number, what in enumerate(SICK, 1) if what in ("well", "slow", "older")}
#: If a runbook runs one task on a node, the node that is lost after one module has completed it.
ONE_TASK = WELL | {f"node{SICK.index('lost') + 1}"}
ALL = {f"node{number}" for number in range(1, len(SICK) + 1)}
#: What an operator's ansible.cfg may say, none of which changes what a runbook does; and check mode.
MODES: dict[str, tuple[dict[str, str], list[str]]] = {
    "free, any_errors_fatal": (
        {"ANSIBLE_STRATEGY": "free", "ANSIBLE_ANY_ERRORS_FATAL": "true", "ANSIBLE_TASK_TIMEOUT": "1"},
        [],
    ),
    "check": ({}, ["--check"]),
    "linear": ({}, []),
}
GONE: dict[str, Any] = {"service": "payments", "namespace": "default", "host": "10.0.0.1", "port": 8080}
LIVE: dict[str, Any] = {**GONE, "host": "10.0.0.2"}
#: Runbook -> its variables. One that fails on all hosts ends ansible-playbook, so it is the last.
RUNBOOKS: dict[str, dict[str, Any]] = {
    "log_level": {"levels": {"naming": "debug"}},
    "debug_window": {"levels": {"auth": "debug"}, "seconds": 2},
    "heartbeat_audit": {"service": "payments"},
    "instance_clean": {"instances": [GONE, LIVE], "on_live": "skip"},
    "conn_drain": {"protocol": "grpc", "client_host": ALICE},
    "memory_free": {"min_releasable": 0},
    "memory_incident": {"dest": "profiles", "min_size": 1},
    "fleet_report": {"dest": "report.html", "heartbeats": False},
}


@dataclass
class Scene:
    """The fleet with its clients, before the first runbook."""

    fleet: Fleet
    alice: dict[str, list[Connection]]
    bystanders: list[Connection]

    def nodes(self) -> Iterator[tuple[str, Node]]:
        return ((f"node{number}", node) for number, node in enumerate(self.fleet.nodes, 1))

    def closed(self, name: str) -> list[int]:
        return sorted(each.port for each in self.alice.get(name, ()) if not each.open)


def between(flaky: Path) -> Play:
    """Nodes that failed in one runbook take part in the next, and the lost one is reachable again."""
    forget = {"path": str(flaky), "state": "absent"}
    return {
        "hosts": "localhost:polaris_servers",
        "gather_facts": False,
        "strategy": "linear",
        "any_errors_fatal": False,
        "tasks": [
            {"ansible.builtin.file": forget, "run_once": True, "check_mode": False, "timeout": 0},
            {"ansible.builtin.meta": "clear_host_errors"},
        ],
    }


@pytest.fixture
def scene(make_fleet: Callable[..., Fleet]) -> Iterator[Scene]:
    fleet = make_fleet(nodes=len(SICK), profile=PROFILES, store="mysql")
    gone = fleet.store.register(**GONE)
    fleet.store.deregister(gone.id, ago=3600)
    live = fleet.store.register(**LIVE, metadata={"a": "b"}, ttl=3600)
    with Clients() as clients:
        alice, bystanders = {}, []
        for number, node in enumerate(fleet.nodes, 1):
            address = (node.host, node.grpc_port)
            alice[f"node{number}"] = clients.connect(address, ALICE, 2)
            bystanders += clients.connect(address, BOB)
            node.beat(live.id)
        assert until(lambda: all(len(node.connections["grpc"]) == 3 for node in fleet.nodes))
        for node, what in zip(fleet.nodes, SICK, strict=True):
            if what == "down":
                node.stop()
                bystanders = [each for each in bystanders if each.open]
            elif what == "slow":
                node.set("latency", 0.3)
            elif what == "not Polaris":
                node.fault("*", "*", Fault("status", status=200, body="<html>Welcome</html>"))
        del alice[f"node{SICK.index('down') + 1}"]
        yield Scene(fleet, alice, bystanders)


def run(
    fleet: Fleet, mode: str, folder: Path, runbooks: dict[str, dict[str, Any]], sick: tuple[str, ...] = SICK
) -> PlaybookRun:
    env, args = MODES[mode]
    flaky = folder / "modules"
    inventory = owners_inventory(fleet, polaris_timeout=20)
    for host, what in zip(inventory["polaris_servers"]["hosts"].values(), sick, strict=True):
        if what == "lost":
            host.update(ansible_connection="flaky", flaky_after=1)
        elif what == "not allowed":
            host.update(polaris_token="wrong")
    plays: list[Play] = []
    for runbook, variables in runbooks.items():
        plays += [between(flaky), {"import_playbook": f"polarismesh.maintenance.{runbook}", "vars": variables}]
    plugins = str(Path(__file__).parents[1] / "connection")
    environment = {"ANSIBLE_CONNECTION_PLUGINS": plugins, "POLARIS_TEST_FLAKY": str(flaky), **env}
    return run_playbook(folder, plays, inventory, env=environment, args=args, timeout=500)


def claims(done: PlaybookRun) -> dict[str, dict[str, Any]]:
    """Runbook -> the data of its one summary."""
    found = [result["ansible_stats"]["data"]["polaris"] for result in done.of("Summary")]
    assert [one["runbook"] for one in found] == list(dict.fromkeys(one["runbook"] for one in found)), done.output
    return {one["runbook"]: one for one in found}


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_every_runbook_on_a_sick_fleet(mode: str, scene: Scene, tmp_path: Path) -> None:
    done = run(scene.fleet, mode, tmp_path, RUNBOOKS)
    assert done.returncode != 0
    assert "Traceback" not in done.output, done.output
    data = claims(done)
    assert list(data) == list(RUNBOOKS), done.output
    check_mode = mode == "check"
    writes = [each for each in scene.fleet.requests if each.method != "GET" and "login" not in each.path]
    assert bool(writes) != check_mode, writes

    levels, window, drain = data["log_level"], data["debug_window"], data["conn_drain"]
    assert set(levels["changed"]) == ONE_TASK
    assert set(levels["failed"]) == ALL - ONE_TASK
    assert set(window["restored"]) == WELL
    assert set(drain["closed"]) == WELL
    freed, incident = data["memory_free"], data["memory_incident"]
    assert set(freed["freed"]) == ONE_TASK
    assert set(incident["freed"]) == WELL
    # Reading profiles and figures needs no account; freeing memory does.
    assert set(incident["profiles"]) == WELL | {f"node{SICK.index('not allowed') + 1}"}
    for name, node in scene.nodes():
        assert node.levels["naming"] == ("debug" if name in levels["changed"] and not check_mode else "info"), name
        assert node.levels["auth"] == "info", f"{name} is still raised"
        if name in scene.alice:
            assert scene.closed(name) == ([] if check_mode else sorted(drain["closed"].get(name, []))), name
        collected = 0 if check_mode else (name in freed["freed"]) + (name in incident["freed"])
        assert node.heap.forced == collected, name
    assert all(each.open for each in scene.bystanders), "a bystander was closed"
    assert set(drain["failed"]) == ALL - WELL
    files = {path.name for path in (tmp_path / "profiles").iterdir()} if not check_mode else set()
    claimed = {file for profiles in incident["profiles"].values() for file in profiles.values()}
    assert files == (set() if check_mode else claimed)

    rows = {row.host: row for row in scene.fleet.store.rows.values() if row.service == "payments"}
    assert rows["10.0.0.2"].live
    assert not rows["10.0.0.2"].stripped
    assert ("10.0.0.1" in rows) == check_mode
    assert [one["host"] for one in data["instance_clean"]["live"]] == ["10.0.0.2"]
    assert data["instance_clean"]["count"] == 1
    assert data["heartbeat_audit"]["overdue"] == []
    assert data["heartbeat_audit"]["watched"] == 1
    summary = data["fleet_report"]["summary"]
    # The node that does not accept the token was read in part.
    assert (summary["nodes"], summary["read"], summary["partial"]) == (len(SICK), len(ONE_TASK), 1)
    assert (tmp_path / "report.html").exists() != check_mode


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_no_average_over_a_sick_fleet(mode: str, scene: Scene, tmp_path: Path) -> None:
    done = run(scene.fleet, mode, tmp_path, {"conn_rebalance": {}})
    assert done.returncode != 0
    assert "Traceback" not in done.output, done.output
    data = claims(done)["conn_rebalance"]
    assert data["count"] == 0
    assert "could not be read" in data["refused"]
    assert all(each.open for each in scene.bystanders)
    assert not any(scene.closed(name) for name in scene.alice)


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_a_rebalance_that_loses_a_node(mode: str, make_fleet: Callable[..., Fleet], tmp_path: Path) -> None:
    """Two nodes have too many connections. One of them is lost after its connections were counted."""
    fleet = make_fleet(nodes=4, profile=["v1.18.1", "v1.18.1", "v1.18.1", "v1.12.2"])
    full, lost, slow, older = fleet.nodes
    slow.set("latency", 0.3)
    with Clients() as clients:
        held = {
            name: clients.connect((node.host, node.grpc_port), ALICE, count)
            for name, node, count in (("node1", full, 10), ("node2", lost, 10), ("node3", slow, 1), ("node4", older, 1))
        }
        assert until(lambda: sum(len(node.connections["grpc"]) for node in fleet.nodes) == 22)
        sick = ("well", "lost", "slow", "older")
        done = run(fleet, mode, tmp_path, {"conn_rebalance": {"settle_seconds": 1}}, sick)
        gone = {name: sorted(each.port for each in some if not each.open) for name, some in held.items()}
    assert "Traceback" not in done.output, done.output
    data = claims(done)["conn_rebalance"]
    if mode == "check":
        assert not any(gone.values())
        return
    assert done.returncode != 0
    assert len(gone["node1"]) == data["count"] == 2
    assert gone == {"node1": gone["node1"], "node2": [], "node3": [], "node4": []}
    assert set(data["failed"]) == {"node2"}
