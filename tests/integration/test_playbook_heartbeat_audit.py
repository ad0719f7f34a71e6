# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runbook heartbeat_audit, as an operator runs it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.simulator import Fault, Fleet
from tests.simulator.store import Row
from tests.support import PlaybookRun, inventory_of

NAME = "polarismesh.maintenance.heartbeat_audit"
Playbook = Callable[..., PlaybookRun]


@pytest.fixture
def trio(make_fleet: Callable[..., Fleet]) -> Fleet:
    """Three nodes that do not share heartbeats; the clock of the second is a day ahead and in another zone."""
    fleet = make_fleet(nodes=3)
    fleet.nodes[1].config.set("clock_offset", 86400.0)
    fleet.nodes[1].config.set("timezone", "+08:00")
    return fleet


def inventory(fleet: Fleet) -> dict[str, Any]:
    return inventory_of(fleet, polaris_token=fleet.tokens.sub)  # any account may read


def payments(fleet: Fleet, host: str, **values: Any) -> Row:
    return fleet.store.register("payments", "default", host, 8080, **{"ttl": 60, **values})


def beat(fleet: Fleet, row: Row, node: int, seconds_ago: float) -> None:
    at = fleet.nodes[node]
    at.beat(row.id, at.now() - seconds_ago)


def test_the_newest_that_any_node_knows_counts(trio: Fleet, playbook: Playbook) -> None:
    fresh, overdue, silent = (payments(trio, f"10.0.0.{number}") for number in (1, 2, 3))
    payments(trio, "10.0.0.4", ttl=None)
    beat(trio, fresh, 0, 600)
    beat(trio, fresh, 1, 1)
    beat(trio, overdue, 1, 600)
    beat(trio, overdue, 2, 500)
    run = playbook(NAME, inventory(trio), extra_vars={"polaris_namespace": "default", "service": "payments"}).ok()
    assert (
        "Polaris heartbeats of default/payments: 1 of 3 watched instances overdue, according to 3 of 3 nodes"
        in run.output
    )
    assert re.search(r"OVERDUE payments 10.0.0.2:8080: last heartbeat 5\d\d s ago \(node3\), ttl 60 s", run.output)
    assert f"no heartbeat on any node (1): payments {silent.host}:8080" in run.output
    assert "without a health check: 1" in run.output
    assert fresh.host + ":8080" not in run.output
    assert {request.method for request in trio.requests} == {"GET"}


@pytest.mark.parametrize("fail_on_overdue", [True, "yes", False])
def test_fail_on_overdue(fail_on_overdue: Any, trio: Fleet, playbook: Playbook) -> None:
    beat(trio, payments(trio, "10.0.0.1"), 0, 600)
    variables = {"service": "payments", "fail_on_overdue": fail_on_overdue}
    run = playbook(NAME, inventory(trio), extra_vars=variables)
    assert run.returncode == (2 if fail_on_overdue else 0)
    assert run.results[-1].task == "Summary"
    assert "OVERDUE payments 10.0.0.1:8080" in run.output
    if fail_on_overdue:
        assert run.one("Fail when instances are overdue")["msg"] == "1 instance is overdue."


def test_nothing_overdue_does_not_fail(trio: Fleet, playbook: Playbook) -> None:
    beat(trio, payments(trio, "10.0.0.1"), 2, 1)
    run = playbook(NAME, inventory(trio), extra_vars={"service": "payments", "fail_on_overdue": True}).ok()
    assert "0 of 1 watched instances overdue" in run.output


def test_an_unknown_name_is_reported(trio: Fleet, playbook: Playbook) -> None:
    payments(trio, "10.0.0.1")
    run = playbook(NAME, inventory(trio), extra_vars={"service": "payment"}).ok()
    assert "NO INSTANCES are registered there: check the names of the namespace and the service" in run.output


def test_all_services_of_the_namespace(trio: Fleet, playbook: Playbook) -> None:
    beat(trio, payments(trio, "10.0.0.1"), 0, 600)
    other = trio.store.register("refunds", "default", "10.0.1.1", 80, ttl=5)
    beat(trio, other, 1, 700)
    trio.store.register("refunds", "elsewhere", "10.0.2.1", 80, ttl=5)
    run = playbook(NAME, inventory(trio)).ok()
    assert "Polaris heartbeats of default/*: 2 of 2 watched instances overdue" in run.output
    assert run.output.index("OVERDUE refunds 10.0.1.1:80") < run.output.index("OVERDUE payments 10.0.0.1:8080")


def test_a_node_that_fails_is_named_and_what_it_knows_is_missing(trio: Fleet, playbook: Playbook) -> None:
    beat(trio, payments(trio, "10.0.0.1"), 0, 600)
    hosts = inventory(trio)
    hosts["polaris_servers"]["hosts"]["gone"] = {"polaris_url": "http://127.0.0.1:1"}
    run = playbook(NAME, hosts, extra_vars={"service": "payments"})
    assert run.returncode == 2
    assert "according to 3 of 4 nodes" in run.output
    assert "FAILED on gone: nothing listens at http://127.0.0.1:1" in run.output
    assert "Heartbeats on nodes that failed are missing here." in run.output


def test_no_node_answers(trio: Fleet, playbook: Playbook) -> None:
    hosts = inventory(trio)
    hosts["polaris_servers"]["hosts"] = {"gone": {"polaris_url": "http://127.0.0.1:1"}}
    run = playbook(NAME, hosts, extra_vars={"fail_on_overdue": True})
    assert run.returncode == 2
    assert "according to 0 of 1 node" in run.output
    assert "Traceback" not in run.output


def test_limit(trio: Fleet, playbook: Playbook) -> None:
    row = payments(trio, "10.0.0.1")
    beat(trio, row, 0, 600)
    beat(trio, row, 1, 1)
    run = playbook(NAME, inventory(trio), extra_vars={"service": "payments"}, args=["--limit", "node1", "--check"]).ok()
    assert "1 of 1 watched instances overdue, according to 1 of 1 node" in run.output
    assert "Heartbeats on 2 other nodes of polaris_servers are missing here, because of --limit." in run.output


@pytest.mark.sample
@pytest.mark.parametrize("variables", [{"service": "pay ments"}, {"namespace": "a b"}])
def test_bad_variables_are_one_sentence_and_no_request(
    variables: dict[str, Any], trio: Fleet, playbook: Playbook
) -> None:
    run = playbook(NAME, inventory(trio), extra_vars=variables)
    assert run.returncode == 2
    assert " must be a name of letters, digits and" in run.one("Check the variables")["msg"]
    assert trio.requests == []


def test_empty_answers_of_a_survey(trio: Fleet, playbook: Playbook) -> None:
    payments(trio, "10.0.0.1")
    variables = {"namespace": "", "polaris_namespace": "", "service": "", "fail_on_overdue": ""}
    assert "Polaris heartbeats of default/*" in playbook(NAME, inventory(trio), extra_vars=variables).ok().output


def asked(fleet: Fleet) -> list[int]:
    """How often each node was asked for a heartbeat."""
    return [sum(one.path.endswith("/heartbeat") and "id" in one.query for one in node.requests) for node in fleet.nodes]


def led(make_fleet: Callable[..., Fleet], shared: bool) -> tuple[Fleet, list[Row]]:
    """Four nodes, the second of which leads; of 40 instances 3 are overdue, 1 is late, 2 have never been heard of."""
    fleet = make_fleet(nodes=4, store="mysql", heartbeat_shared=shared)
    fleet.elections.shared["polaris.checker"].leader = 1
    rows = [payments(fleet, f"10.0.1.{number}") for number in range(40)]
    for number, row in enumerate(rows[2:]):
        beat(fleet, row, number % 4, 600 if number < 3 else 100 if number == 3 else 1)
    return fleet, rows


def test_the_leader_is_asked_first_and_the_others_only_for_the_rest(
    make_fleet: Callable[..., Fleet], playbook: Playbook, tmp_path: Path
) -> None:
    fleet, _rows = led(make_fleet, shared=True)
    variables = {"service": "payments"}
    run = playbook(NAME, inventory(fleet), extra_vars=variables).ok()
    assert "3 of 40 watched instances overdue, according to 4 of 4 nodes" in run.output
    assert "no heartbeat on any node (2)" in run.output
    assert "node2 leads the health checks and was asked first" in run.output
    # The overdue ones and those of which the leader has never heard; 40 + 5 * (4 - 1).
    assert asked(fleet) == [5, 40, 5, 5]

    fleet.clear_requests()
    report = {"dest": str(tmp_path / "report.html"), "probe_defaults": False, **variables}
    run = playbook("polarismesh.maintenance.fleet_report", inventory(fleet), extra_vars=report).ok()
    assert "overdue heartbeats: 3, silent for up to 1" in run.output
    assert asked(fleet) == [5, 40, 5, 5]


def test_a_leader_that_keeps_only_its_own_heartbeats_hides_nothing(
    make_fleet: Callable[..., Fleet], playbook: Playbook
) -> None:
    fleet, rows = led(make_fleet, shared=False)
    beat(fleet, rows[2], 3, 1)  # overdue for the leader's neighbour only
    run = playbook(NAME, inventory(fleet), extra_vars={"service": "payments"}).ok()
    assert "2 of 40 watched instances overdue, according to 4 of 4 nodes" in run.output
    assert rows[2].host + ":8080" not in run.output
    assert max(asked(fleet)) == 40
    assert sum(asked(fleet)) < 4 * 40


@pytest.mark.parametrize("how", ["fails", "left out", "unknown"])
def test_without_an_answer_of_the_leader_all_are_asked_for_everything(
    how: str, make_fleet: Callable[..., Fleet], playbook: Playbook
) -> None:
    fleet, _rows = led(make_fleet, shared=True)
    arguments = []
    if how == "fails":
        fleet.nodes[1].fault("GET", "/maintain/v1/instance/heartbeat", Fault("status", status=500, body="disk full"))
    elif how == "left out":
        arguments = ["--limit", "!node2"]
    else:
        for node in fleet.nodes:
            node.fault("GET", "/maintain/v1/leaders", Fault("status", status=500, body="no store"))
    run = playbook(NAME, inventory(fleet), extra_vars={"service": "payments"}, args=arguments)
    assert "3 of 40 watched instances overdue, according to " in run.output
    assert "was asked first" not in run.output
    assert [number for index, number in enumerate(asked(fleet)) if index != 1] == [40, 40, 40]
    assert (run.returncode == 0) == (how != "fails")
    assert sum("disk full" in line for line in run.one("Summary")["lines"]) == (how == "fails")
