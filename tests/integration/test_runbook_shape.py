# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of all runbooks, with sick fleets: short, the summary last, each failure once, no false success."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clients import Clients
from tests.simulator import Fault, Fleet
from tests.support import PlaybookRun, flaky, inventory_of, owners_inventory

Playbook = Callable[..., PlaybookRun]

#: Runbook -> variables with which it does something on every node.
RUNBOOKS: dict[str, dict[str, Any]] = {
    "conn_drain": {"protocol": "grpc", "client_host": "127.0.0.21"},
    "conn_rebalance": {},
    "debug_window": {"levels": {"naming": "debug"}, "seconds": 3},
    "fleet_report": {"dest": "report.html"},
    "heartbeat_audit": {},
    "instance_clean": {"batch": True},
    "log_level": {"levels": {"naming": "debug"}},
    "memory_free": {"min_releasable": 0},
    "memory_incident": {"dest": "profiles"},
}

#: Settings in an operator's ansible.cfg, none of which changes what a runbook does.
HOSTILE = {"ANSIBLE_STRATEGY": "free", "ANSIBLE_ANY_ERRORS_FATAL": "true", "ANSIBLE_TASK_TIMEOUT": "2"}
UNREACHABLE = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}


def sick(fleet: Fleet, failing: int) -> dict[str, Any]:
    """An inventory of the fleet, whose last nodes answer 500 to everything."""
    for node in fleet.nodes[-failing:]:
        node.fault("*", "*", Fault("status", status=500, body="disk full"))
    return owners_inventory(fleet)


def before_recap(run: PlaybookRun) -> list[str]:
    output, recap, _rest = run.output.partition("PLAY RECAP")
    assert recap, run.output
    return output.splitlines()


@pytest.mark.sample
@pytest.mark.parametrize("runbook", RUNBOOKS)
def test_a_sick_fleet(runbook: str, make_fleet: Callable[..., Fleet], playbook: Playbook) -> None:
    hosts, failing = 12, 4
    fleet = make_fleet(nodes=hosts)
    inventory = sick(fleet, failing)
    run = playbook(f"polarismesh.maintenance.{runbook}", inventory, extra_vars=RUNBOOKS[runbook], env=HOSTILE)
    lines = before_recap(run)
    assert len(lines) <= 2 * hosts + 12 * failing + 40, run.output
    assert not [line for line in lines if line.startswith("skipping")]
    assert "Traceback" not in run.output
    assert [entry.task for entry in run.results].count("Summary") == 1
    assert run.results[-1].task == "Summary"
    summary = run.one("Summary")["lines"]
    where = [
        line
        for line in summary
        if "node9, node10, node11, node12" in line and not line.startswith(("never raised", "CRITICAL: "))
    ]
    assert len(where) == 1, "equal failures are one line"
    # The summary is printed as plain lines, and is also available as data.
    assert all(line in lines for line in summary)
    assert run.one("Summary")["ansible_stats"]["data"]["polaris"]["runbook"] == runbook
    # A node that does not answer is not a failure of instance_clean, which needs only one that does.
    assert (run.returncode != 0) == (runbook != "instance_clean")


def busy(runbook: str, fleet: Fleet, clients: Clients) -> dict[str, Any]:
    """Give every node something to do in every task, and return the variables with which the runbook does it."""
    late = [fleet.store.register("payments", "default", f"10.0.0.{number}", 8080, ttl=5) for number in range(30)]
    gone = fleet.store.register("payments", "default", "10.0.1.1", 8080)
    fleet.store.deregister(gone.id, ago=3600)
    for number, node in enumerate(fleet.nodes):
        for row in late:
            node.beat(row.id, node.now() - 600)
        node.levels["store"] = ("info", "warn", "error")[number % 3]
        if runbook.startswith("conn_"):
            # Three of four nodes have more connections than the average.
            clients.connect((node.host, node.grpc_port), "127.0.0.21", 6 if number % 4 else 1)
    instance = {"service": gone.service, "namespace": gone.namespace, "host": gone.host, "port": gone.port}
    changes: dict[str, dict[str, Any]] = {
        "conn_rebalance": {"tolerance": 0, "max_share": 1, "settle_seconds": 1},
        "debug_window": {"levels": "*=debug", "seconds": 1},
        "heartbeat_audit": {"fail_on_overdue": True},
        "instance_clean": {"batch": False, "instances": [instance]},
        "log_level": {"levels": "*=debug", "save": "before.json"},
        "memory_incident": {"min_size": 1},
    }
    return {**RUNBOOKS[runbook], **changes.get(runbook, {})}


@pytest.mark.sample
@pytest.mark.parametrize("runbook", sorted(RUNBOOKS, reverse=True))
def test_a_busy_fleet(runbook: str, make_fleet: Callable[..., Fleet], playbook: Playbook) -> None:
    """Two lines for each node, although each has something to do in every task."""
    hosts = 24
    fleet = make_fleet(nodes=hosts)
    with Clients() as clients:
        variables = busy(runbook, fleet, clients)
        inventory = owners_inventory(fleet)
        run = playbook(f"polarismesh.maintenance.{runbook}", inventory, extra_vars=variables)
    lines = before_recap(run)
    assert len(lines) <= 2 * hosts + 40, run.output
    assert not [line for line in lines if line.startswith("skipping")]
    # The play was as busy as it can be.
    tasks = [entry.task for entry in run.results if entry.status != "failed"]
    assert max(map(tasks.count, tasks)) == hosts


@pytest.mark.parametrize("how", ["failed", "unreachable"])
@pytest.mark.parametrize("runbook", RUNBOOKS)
def test_every_node_fails(runbook: str, how: str, fleet: Fleet, playbook: Playbook) -> None:
    inventory = sick(fleet, 1)
    if how == "unreachable":
        inventory["polaris_servers"]["hosts"]["node1"].update(UNREACHABLE)
    run = playbook(f"polarismesh.maintenance.{runbook}", inventory, extra_vars=RUNBOOKS[runbook])
    assert run.returncode != 0
    assert run.results[-1].task == "Summary"
    assert "FAILED " in "\n".join(run.one("Summary")["lines"])
    assert "Traceback" not in run.output


@pytest.mark.parametrize(
    "arguments",
    [["-e", "target=nobody"], pytest.param(["--limit", "other"], marks=pytest.mark.slow)],
    ids=["target", "limit"],
)
@pytest.mark.parametrize("runbook", RUNBOOKS)
def test_no_host_is_a_failure(runbook: str, arguments: list[str], fleet: Fleet, playbook: Playbook) -> None:
    inventory = {**inventory_of(fleet), "others": {"hosts": {"other": {}}}}
    run = playbook(f"polarismesh.maintenance.{runbook}", inventory, extra_vars=RUNBOOKS[runbook], args=arguments)
    assert run.returncode != 0
    assert "matches no host" in run.output
    assert "Traceback" not in run.output
    assert fleet.requests == []


def lost(fleet: Fleet, folder: Path, after: int) -> tuple[dict[str, Any], dict[str, str]]:
    """An inventory whose second host is lost after as many modules, and the environment that this takes."""
    inventory = owners_inventory(fleet)
    inventory["polaris_servers"]["hosts"]["node2"].update(ansible_connection="flaky", flaky_after=after)
    return inventory, flaky(folder)


def test_a_node_that_is_lost_before_a_level_is_set_has_failed(
    make_fleet: Callable[..., Fleet], playbook: Playbook, tmp_path: Path
) -> None:
    fleet = make_fleet(nodes=2)
    inventory, env = lost(fleet, tmp_path, 0)
    run = playbook("polarismesh.maintenance.log_level", inventory, extra_vars={"levels": "naming=debug"}, env=env)
    assert run.returncode != 0
    assert "changed on 1 (node1)" in run.output
    assert "FAILED on node2: the host could not be reached" in run.output
    assert "unchanged" not in run.output


@pytest.mark.sample
@pytest.mark.parametrize(("after", "words"), [(1, "MAY BE RAISED"), (4, "STILL RAISED")])
def test_a_node_that_is_lost_while_its_window_is_open_is_not_called_restored(
    after: int, words: str, make_fleet: Callable[..., Fleet], playbook: Playbook, tmp_path: Path
) -> None:
    """Lost after it was read, so that it is unknown whether it was raised; or after it was raised."""
    fleet = make_fleet(nodes=2)
    inventory, env = lost(fleet, tmp_path, after)
    variables = {"levels": "naming=debug", "seconds": 1}
    run = playbook("polarismesh.maintenance.debug_window", inventory, extra_vars=variables, env=env)
    assert run.returncode != 0
    assert "restored on 1 (node1)" in run.output
    assert f"{words} on node2: the host could not be reached" in run.output
    assert '"naming": "info"' in run.output
    assert fleet.nodes[0].levels["naming"] == "info"
