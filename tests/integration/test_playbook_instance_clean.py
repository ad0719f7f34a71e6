# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runbook instance_clean, as an operator runs it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.simulator import Fault, Fleet
from tests.simulator.store import Row
from tests.support import PlaybookRun, owners_inventory

NAME = "polarismesh.maintenance.instance_clean"
CLEAN = "/maintain/v1/instance/clean"
BATCH = "/maintain/v1/instance/batchclean"
Playbook = Callable[..., PlaybookRun]


@pytest.fixture
def trio(make_fleet: Callable[..., Fleet]) -> Fleet:
    return make_fleet(nodes=3)


def live(fleet: Fleet, host: str) -> Row:
    return fleet.store.register("payments", "default", host, 8080)


def dead(fleet: Fleet, host: str) -> Row:
    row = live(fleet, host)
    fleet.store.deregister(row.id, ago=3600)
    return row


def named(*rows: Row) -> list[dict[str, Any]]:
    return [row.tetrad for row in rows]


def sent(fleet: Fleet, path: str = CLEAN) -> list[int]:
    """The nodes that got a clean request, one entry per request."""
    return [request.node for request in fleet.requests if request.path == path and request.method == "POST"]


def test_cleans_once_and_not_on_every_node(trio: Fleet, playbook: Playbook) -> None:
    rows = [dead(trio, "10.0.0.1"), dead(trio, "10.0.0.2")]
    run = playbook(NAME, owners_inventory(trio), extra_vars={"instances": named(*rows)}).ok()
    assert sent(trio) == [0, 0]
    assert "Polaris instances: cleaned 2 of 2 at node1" in run.output
    assert not any(row.id in trio.store.rows for row in rows)


def test_check_mode_sends_nothing(trio: Fleet, playbook: Playbook) -> None:
    rows = [dead(trio, "10.0.0.1"), dead(trio, "10.0.0.2")]
    variables = {"instances": named(*rows)}
    run = playbook(NAME, owners_inventory(trio), extra_vars=variables, args=["--check", "--diff"]).ok()
    assert "Polaris instances (check mode: nothing was cleaned): would clean 2 of 2 at node1" in run.output
    assert {request.method for request in trio.requests} == {"GET"}


def test_the_first_node_that_answers(trio: Fleet, playbook: Playbook) -> None:
    hosts = owners_inventory(trio)
    hosts["polaris_servers"]["hosts"] = {"gone": {"polaris_url": "http://127.0.0.1:1"}} | hosts["polaris_servers"][
        "hosts"
    ]
    run = playbook(NAME, hosts, extra_vars={"instances": named(dead(trio, "10.0.0.1"))}).ok()
    assert "cleaned 1 of 1 at node1" in run.output
    assert "no answer from gone: nothing listens at http://127.0.0.1:1" in run.output


def test_a_node_that_fails_at_something_else_cleans(trio: Fleet, playbook: Playbook) -> None:
    """The answer of one endpoint says nothing about the whole node."""
    trio.nodes[0].fault("*", "/maintain/v1/log/outputlevel", Fault("status", status=500, body="disk full"))
    run = playbook(NAME, owners_inventory(trio), extra_vars={"instances": named(dead(trio, "10.0.0.1"))}).ok()
    assert "cleaned 1 of 1 at node1" in run.output


def test_no_node_answers(trio: Fleet, playbook: Playbook) -> None:
    hosts = owners_inventory(trio)
    hosts["polaris_servers"]["hosts"] = {"gone": {"polaris_url": "http://127.0.0.1:1"}}
    run = playbook(NAME, hosts, extra_vars={"instances": [{"id": "abc"}]})
    assert run.returncode == 2
    assert "NOTHING CLEANED, no node answers" in run.output
    assert run.one("Clean the instances")["msg"].startswith("nothing listens")


def test_a_live_instance_fails_the_run(trio: Fleet, playbook: Playbook) -> None:
    rows = [dead(trio, "10.0.0.1"), live(trio, "10.0.0.2")]
    run = playbook(NAME, owners_inventory(trio), extra_vars={"instances": named(*rows)})
    assert run.returncode == 2
    assert sent(trio) == []
    assert "cleaned 0 of 2 at node1" in run.output
    assert "live, left alone (1): default/payments 10.0.0.2:8080" in run.output
    assert "NOT CLEANED (1): default/payments 10.0.0.1:8080" in run.output
    assert "FAILED at node1: 1 of 2 instances is live" in run.output


def test_live_ones_are_skipped(trio: Fleet, playbook: Playbook) -> None:
    rows = [dead(trio, "10.0.0.1"), live(trio, "10.0.0.2")]
    run = playbook(NAME, owners_inventory(trio), extra_vars={"instances": named(*rows), "on_live": "skip"}).ok()
    assert "cleaned 1 of 2 at node1" in run.output
    assert "live, left alone (1): default/payments 10.0.0.2:8080" in run.output
    assert rows[1].live


def test_instances_as_text(trio: Fleet, playbook: Playbook) -> None:
    """As a survey passes them."""
    rows = [dead(trio, "10.0.0.1"), dead(trio, "10.0.0.2")]
    variables = {"instances": json.dumps(named(*rows)), "on_live": "", "batch": "false"}
    assert "cleaned 2 of 2" in playbook(NAME, owners_inventory(trio), extra_vars=variables).ok().output


def test_a_failure_half_way(trio: Fleet, playbook: Playbook) -> None:
    rows = [dead(trio, f"10.0.1.{number}") for number in range(40)]
    trio.nodes[0].fault("POST", CLEAN, Fault("drop"), 1, skip=20)
    run = playbook(NAME, owners_inventory(trio), extra_vars={"instances": named(*rows)})
    assert run.returncode == 2
    result = run.one("Clean the instances", "node1")
    assert f"cleaned {result['count']} of 40 at node1" in run.output
    assert f"NOT CLEANED ({len(result['not_cleaned'])}): " in run.output
    assert "UNKNOWN (1): default/payments 10.0.1." in run.output
    rest = playbook(
        NAME, owners_inventory(trio), extra_vars={"instances": result["not_cleaned"] + result["unknown"]}
    ).ok()
    assert f"cleaned {40 - result['count']} of" in rest.output
    assert not any(row.id in trio.store.rows for row in rows)


def test_everything_deleted_by_batches(trio: Fleet, playbook: Playbook) -> None:
    for number in range(25):
        dead(trio, f"10.0.1.{number}")
    keep = live(trio, "10.0.2.1")
    run = playbook(NAME, owners_inventory(trio), extra_vars={"batch": "yes", "batch_size": "10", "max_rows": ""}).ok()
    assert "Polaris instances: removed 25 deleted instances in 3 batches at node1" in run.output
    assert sent(trio, BATCH) == [0, 0, 0]
    assert keep.live
    assert "there was nothing to remove" not in run.output
    again = playbook(NAME, owners_inventory(trio), extra_vars={"batch": True}).ok()
    assert (
        "there was nothing to remove (from v1.17.0 on, servers keep deleted instances for 10 minutes)" in again.output
    )
    assert "removed 0 deleted instances" in again.output
    assert again.one("Remove all deleted instances", "node1")["changed"] is False


def test_by_batches_in_check_mode(trio: Fleet, playbook: Playbook) -> None:
    dead(trio, "10.0.0.1")
    run = playbook(NAME, owners_inventory(trio), extra_vars={"batch": True}, args=["--check"]).ok()
    assert "(check mode: nothing was cleaned): how many would be removed is unknown at node1" in run.output
    assert sent(trio, BATCH) == []


def test_by_batches_on_an_older_server(make_fleet: Callable[..., Fleet], playbook: Playbook) -> None:
    run = playbook(NAME, owners_inventory(make_fleet(profile="v1.12.2")), extra_vars={"batch": True})
    assert run.returncode == 2
    assert "v1.13.0" in run.one("Remove all deleted instances")["msg"]


def test_limit(trio: Fleet, playbook: Playbook) -> None:
    playbook(
        NAME, owners_inventory(trio), extra_vars={"instances": named(dead(trio, "10.0.0.1"))}, args=["--limit", "node3"]
    ).ok()
    assert sent(trio) == [2]


@pytest.mark.sample
@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"instances": [{"id": "abc"}], "batch": True},
        {"instances": [{"id": "abc"}], "on_live": "kill"},
    ],
)
def test_bad_variables_are_one_sentence_and_no_request(
    variables: dict[str, Any], trio: Fleet, playbook: Playbook
) -> None:
    run = playbook(NAME, owners_inventory(trio), extra_vars=variables)
    assert run.returncode == 2
    text = "on_live must be fail, skip or clean" if "on_live" in variables else "Give exactly one of these variables"
    assert text in run.one("Check the variables")["msg"]
    assert trio.requests == []
