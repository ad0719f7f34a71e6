# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Heartbeats: what a node knows, and by which clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

import pytest

from tests.simulator import Fleet, Node

from .conftest import Answer, Ask

BEAT = "/maintain/v1/instance/heartbeat"

Make = Callable[..., Fleet]


def metadata(ask: Ask, node: Node, row_id: str) -> dict[str, str]:
    answer = ask(node, "GET", f"{BEAT}?id={row_id}")
    assert answer.json()["code"] == 200000
    found: dict[str, str] = answer.json()["instance"]["metadata"]
    return found


def test_a_heartbeat_is_known_only_where_it_arrived(make_fleet: Make, ask: Ask) -> None:
    fleet = make_fleet(nodes=2)
    row = fleet.store.register("s", "n", "10.0.0.1", 80, ttl=7)
    fleet.nodes[0].beat(row.id, at=1_700_000_000)
    found = metadata(ask, fleet.nodes[0], row.id)
    assert found["last-heartbeat-timestamp"] == "1700000000"
    assert found["last-heartbeat-time"] == "2023-11-14 22:13:20"
    assert metadata(ask, fleet.nodes[1], row.id)["last-heartbeat-timestamp"] == "0"
    assert metadata(ask, fleet.nodes[1], row.id)["last-heartbeat-time"] == "1970-01-01 00:00:00"
    instance = ask(fleet.nodes[0], "GET", f"{BEAT}?service=s&namespace=n&host=10.0.0.1&port=80").json()["instance"]
    assert (instance["id"], instance["service"]) == (row.id, "s")
    assert instance["healthCheck"] == {"type": "HEARTBEAT", "heartbeat": {"ttl": 7}}


def test_shared_beats_are_known_everywhere_and_in_the_list(make_fleet: Make, ask: Ask) -> None:
    fleet = make_fleet(nodes=2, heartbeat_shared=True)
    row = fleet.store.register("s", "n", "10.0.0.1")
    fleet.nodes[0].beat(row.id, at=1_700_000_000)
    assert metadata(ask, fleet.nodes[1], row.id)["last-heartbeat-timestamp"] == "1700000000"
    listed = ask(fleet.nodes[1], "GET", "/naming/v1/instances?service=s&show_last_heartbeat=true").json()
    assert listed["instances"][0]["metadata"]["last-heartbeat-timestamp"] == "1700000000"
    plain = ask(fleet.nodes[1], "GET", "/naming/v1/instances?service=s").json()
    assert plain["instances"][0]["metadata"] == {}


def test_times_are_the_nodes_own(make_fleet: Make, ask: Ask) -> None:
    fleet = make_fleet(clock_offset=-7200.0, timezone="+08:00")
    row = fleet.store.register("s", "n", "10.0.0.1")
    fleet.nodes[0].beat(row.id)
    found = metadata(ask, fleet.nodes[0], row.id)
    assert abs(int(found["last-heartbeat-timestamp"]) - (time.time() - 7200)) < 60
    there = datetime.strptime(found["last-heartbeat-time"] + " +0800", "%Y-%m-%d %H:%M:%S %z")
    assert there.timestamp() == int(found["last-heartbeat-timestamp"])
    age = datetime.fromisoformat(found["system-time"]) - datetime.fromisoformat(found["last-heartbeat-time"])
    assert 0 <= age.total_seconds() < 60


def code(answer: Answer) -> tuple[int, int]:
    return answer.status, answer.json()["code"]


def test_not_found_has_many_reasons(fleet: Fleet, ask: Ask) -> None:
    node = fleet.nodes[0]
    unchecked = fleet.store.register("s", "n", "10.0.0.1", ttl=None)
    gone = fleet.store.register("s", "n", "10.0.0.2")
    fleet.store.deregister(gone.id)
    own = next(iter(fleet.store.by_service["Polaris", "polaris.checker"]))
    for row_id in ("nothing", unchecked.id, gone.id, own):
        assert code(ask(node, "GET", f"{BEAT}?id={row_id}")) == (400, 400202)
    # A port that is not a number counts as 0.
    answer = ask(node, "GET", f"{BEAT}?service=s&namespace=n&host=10.0.0.1&port=x")
    assert code(answer) == (400, 400202)
    assert (answer.json()["instance"]["port"], len(answer.json()["instance"]["id"])) == (0, 40)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", 400120),
        ("id=", 400120),
        ("service=s", 400110),
        ("service=s&namespace=n", 400131),
        ("service=s%20s&namespace=n&host=h&port=1", 400120),
    ],
)
def test_missing_parts(fleet: Fleet, ask: Ask, query: str, expected: int) -> None:
    assert code(ask(fleet.nodes[0], "GET", f"{BEAT}?{query}")) == (400, expected)


@pytest.mark.parametrize("profile", ["v1.8.0", "v1.12.2", "v1.14.1"])
def test_old_versions_cut_the_connection_for_a_found_instance_only(make_fleet: Make, ask: Ask, profile: str) -> None:
    fleet = make_fleet(profile=profile)
    row = fleet.store.register("s", "n", "10.0.0.1")
    assert code(ask(fleet.nodes[0], "GET", f"{BEAT}?id=nothing")) == (400, 400202)
    with pytest.raises(ConnectionError):
        ask(fleet.nodes[0], "GET", f"{BEAT}?id={row.id}")


def test_their_own_instances_too_before_v1_14(make_fleet: Make, ask: Ask) -> None:
    fleet = make_fleet(profile="v1.13.0")
    own = next(iter(fleet.store.by_service["Polaris", "polaris.checker"]))
    with pytest.raises(ConnectionError):
        ask(fleet.nodes[0], "GET", f"{BEAT}?id={own}")


def test_middle_versions_leave_the_names_out(make_fleet: Make, ask: Ask) -> None:
    fleet = make_fleet(profile="v1.17.1")
    row = fleet.store.register("s", "n", "10.0.0.1")
    instance = ask(fleet.nodes[0], "GET", f"{BEAT}?id={row.id}").json()["instance"]
    assert (instance["service"], instance["namespace"], instance["host"]) == (None, None, "10.0.0.1")


@pytest.mark.parametrize(
    ("profile", "setting", "expected"),
    [("v1.18.1", "none", 400140), ("v1.8.0", "closed", 400140), ("v1.18.1", "closed", 400202)],
)
def test_health_check_switched_off(make_fleet: Make, ask: Ask, profile: str, setting: str, expected: int) -> None:
    node = make_fleet(profile=profile, health_check=setting).nodes[0]
    assert code(ask(node, "GET", f"{BEAT}?id=nothing")) == (400, expected)


def test_a_new_instance_is_unknown_until_the_cache_syncs(make_fleet: Make, ask: Ask) -> None:
    fleet = make_fleet(cache_interval=3600.0)
    row = fleet.store.register("s", "n", "10.0.0.1")
    assert code(ask(fleet.nodes[0], "GET", f"{BEAT}?id={row.id}")) == (400, 400202)
    fleet.configure(cache_interval=0.0)
    assert code(ask(fleet.nodes[0], "GET", f"{BEAT}?id={row.id}")) == (200, 200000)


def test_sdks_can_beat_over_http(fleet: Fleet, ask: Ask) -> None:
    row = fleet.store.register("s", "n", "10.0.0.1", 80)
    tetrad = {"service": "s", "namespace": "n", "host": "10.0.0.1", "port": 80}
    assert code(ask(fleet.nodes[0], "POST", "/v1/Heartbeat", tetrad, token=None)) == (200, 200000)
    assert metadata(ask, fleet.nodes[0], row.id)["last-heartbeat-timestamp"] != "0"
