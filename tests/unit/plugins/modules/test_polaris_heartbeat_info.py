# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The age of an instance's last heartbeat, in any time zone and with any clock of the server."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.polarismesh.maintenance.plugins.module_utils._api import instances
from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import Client
from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import PolarisError
from ansible_collections.polarismesh.maintenance.plugins.module_utils._model import overdue
from ansible_collections.polarismesh.maintenance.plugins.module_utils._runner import Result
from ansible_collections.polarismesh.maintenance.plugins.modules.polaris_heartbeat_info import SPEC, run
from tests.simulator import Fault, Fleet, Node
from tests.simulator.store import Row
from tests.unit.options import params_of

MakeFleet = Callable[..., Fleet]
MakeClient = Callable[..., Client]
HEARTBEAT = "/maintain/v1/instance/heartbeat"
KEYS = {
    "id",
    "service",
    "namespace",
    "host",
    "port",
    "found",
    "health_check",
    "last_heartbeat",
    "age_seconds",
    "ttl",
    "overdue",
}


params = functools.partial(params_of, SPEC)


@pytest.fixture
def read(make_client: MakeClient) -> Callable[..., list[dict[str, Any]]]:
    def run_it(node: Node, **options: Any) -> list[dict[str, Any]]:
        client = make_client(node, token=node.fleet.tokens.owner, parallel=4)
        result: Result = run(client, params(**options), False)
        assert result["changed"] is False
        found: list[dict[str, Any]] = result["instances"]
        assert all(set(entry) == KEYS for entry in found)
        return found

    return run_it


Read = Callable[..., list[dict[str, Any]]]


def payments(fleet: Fleet, host: str = "10.0.0.1", **values: Any) -> Row:
    return fleet.store.register("payments", "default", host, 8080, **{"ttl": 5, **values})


@pytest.mark.parametrize(
    ("age", "ttl", "expected"),
    [(0, 5, False), (15, 5, False), (16, 5, True), (None, 5, None), (5, None, None), (None, None, None), (1, 0, True)],
)
def test_overdue_after_three_times_the_ttl(age: int | None, ttl: int | None, expected: bool | None) -> None:
    assert overdue(age, ttl) is expected


@pytest.mark.parametrize("zone", ["+00:00", "+08:00", "-09:30"])
@pytest.mark.parametrize("offset", [0.0, 7 * 3600.0, -86400.0])
def test_the_age_is_that_on_the_clock_of_the_server(
    zone: str, offset: float, make_fleet: MakeFleet, read: Read
) -> None:
    fleet = make_fleet(timezone=zone, clock_offset=offset)
    node = fleet.nodes[0]
    row = payments(fleet)
    node.beat(row.id, node.now() - 100)
    [entry] = read(node, id=row.id)
    assert 99 <= entry["age_seconds"] <= 103
    assert abs(entry["last_heartbeat"] - (node.now() - 100)) <= 2
    assert (entry["found"], entry["ttl"], entry["overdue"]) == (True, 5, True)


@pytest.mark.parametrize("profile", ["v1.14.2", "v1.17.1", "v1.18.1", "head"])
def test_one_by_its_address_and_by_its_id(profile: str, make_fleet: MakeFleet, read: Read) -> None:
    """v1.14.2 and v1.17.1 omit service and namespace in the answer."""
    fleet = make_fleet(profile=profile)
    node = fleet.nodes[0]
    row = payments(fleet, ttl=7)
    node.beat(row.id)
    [by_address] = read(node, **row.tetrad)
    [by_id] = read(node, id=row.id)
    assert {key: by_address[key] for key in row.tetrad} == row.tetrad
    assert by_address["id"] == by_id["id"] == row.id
    assert (by_id["host"], by_id["port"], by_id["ttl"], by_id["overdue"]) == (row.host, row.port, 7, False)


def test_an_instance_in_a_virtual_network(fleet: Fleet, read: Read) -> None:
    row = payments(fleet, vpc_id="v1")
    fleet.nodes[0].beat(row.id)
    assert read(fleet.nodes[0], **row.tetrad, vpc_id="v1")[0]["found"]
    assert not read(fleet.nodes[0], **row.tetrad)[0]["found"]


def test_no_heartbeat_on_this_node_is_not_known_to_be_overdue(make_fleet: MakeFleet, read: Read) -> None:
    fleet = make_fleet(nodes=2)
    row = payments(fleet)
    fleet.nodes[1].beat(row.id)
    [entry] = read(fleet.nodes[0], id=row.id)
    assert entry["found"]
    assert (entry["last_heartbeat"], entry["age_seconds"], entry["overdue"]) == (None, None, None)
    assert read(fleet.nodes[1], id=row.id)[0]["overdue"] is False


def test_not_found_is_a_result(fleet: Fleet, read: Read) -> None:
    unchecked, gone = payments(fleet, ttl=None), payments(fleet, "10.0.0.9")
    fleet.store.deregister(gone.id)
    found = read(fleet.nodes[0], instances=[unchecked.tetrad, gone.tetrad, {"id": "no-such"}])
    assert [entry["found"] for entry in found] == [False] * 3
    assert [entry["health_check"] for entry in found] == [None] * 3
    assert [entry["overdue"] for entry in found] == [None] * 3
    assert [entry["host"] for entry in found] == [unchecked.host, gone.host, None]


def test_several_stay_in_the_order_of_the_task(fleet: Fleet, read: Read) -> None:
    rows = [payments(fleet, f"10.0.1.{number}") for number in range(40)]
    found = read(fleet.nodes[0], instances=[row.tetrad for row in reversed(rows)])
    assert [entry["id"] for entry in found] == [row.id for row in reversed(rows)]


@pytest.mark.parametrize("store", ["boltdb", "mysql"])
def test_a_whole_service_of_many_pages(store: str, make_fleet: MakeFleet, read: Read) -> None:
    fleet = make_fleet(store=store)
    node = fleet.nodes[0]
    rows = [payments(fleet, f"10.1.{number >> 8}.{number & 255}") for number in range(450)]
    for row in rows[:-1]:
        node.beat(row.id, time.time() - 60)
    unchecked = payments(fleet, "10.2.0.1", ttl=None)
    fleet.store.register("refunds", "default", "10.3.0.1", 80)
    found = read(node, service="payments", namespace="default")
    assert len(found) == 451
    assert sum(entry["overdue"] is True for entry in found) == 449
    by_id = {entry["id"]: entry for entry in found}
    assert by_id[unchecked.id]["health_check"] is False
    assert by_id[rows[0].id]["health_check"] is True
    asked = [request.query["id"] for request in fleet.requests if request.path == HEARTBEAT]
    # With a boltdb store the flag is null in the list, so only the heartbeat shows this.
    assert (unchecked.id in asked) is (store == "boltdb")
    assert len(asked) == (451 if store == "boltdb" else 450)


def test_a_whole_namespace(fleet: Fleet, read: Read) -> None:
    payments(fleet)
    fleet.store.register("refunds", "default", "10.3.0.1", 80, ttl=5)
    fleet.store.register("refunds", "other", "10.3.0.2", 80, ttl=5)
    found = read(fleet.nodes[0], namespace="default")
    assert [entry["service"] for entry in found] == ["payments", "refunds"]


def test_a_service_that_does_not_exist(fleet: Fleet, read: Read) -> None:
    assert read(fleet.nodes[0], service="no-such", namespace="default") == []


def test_an_incomplete_list_is_reported(fleet: Fleet, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    payments(fleet)
    listing = instances.find
    monkeypatch.setattr(
        instances,
        "find",
        lambda client, **wanted: type(found := listing(client, **wanted))(found.instances, 12, False),
    )
    client = make_client(fleet.nodes[0], token=fleet.tokens.owner)
    result = run(client, params(service="payments", namespace="default"), False)
    assert "1 of about 12 were read" in result["warnings"][0]


@pytest.mark.parametrize("profile", ["v1.8.0", "v1.12.2", "v1.14.1"])
def test_servers_that_crash_in_this_call(profile: str, make_fleet: MakeFleet, read: Read) -> None:
    fleet = make_fleet(profile=profile)
    row = payments(fleet)
    assert read(fleet.nodes[0], id="no-such")[0]["found"] is False  # those that they answer
    with pytest.raises(PolarisError) as caught:
        read(fleet.nodes[0], id=row.id)
    assert caught.value.kind == "server"
    assert "servers up to v1.14.1 have a bug that crashes this call" in caught.value.msg
    assert "v1.14.2" in caught.value.msg


def test_a_failing_server_is_not_said_to_have_that_bug(fleet: Fleet, read: Read) -> None:
    row = payments(fleet)
    fleet.nodes[0].fault("*", "*", Fault("cut"))
    with pytest.raises(PolarisError) as caught:
        read(fleet.nodes[0], id=row.id)
    assert "v1.14.1" not in caught.value.msg


def answer(timestamp: str, last: str, now: str) -> str:
    times = {"last-heartbeat-timestamp": timestamp, "last-heartbeat-time": last, "system-time": now}
    return json.dumps({"code": 200000, "instance": {"id": "x", "metadata": times}})


@pytest.mark.parametrize(
    "body",
    [
        "{}",
        '{"code":200000,"instance":null}',
        '{"code":200000,"instance":{"id":"x","metadata":{}}}',
        answer("soon", "2024-01-01 00:00:00", "2024-01-01 00:00:05"),
        answer("1700000000", "once upon a time", "2024-01-01 00:00:05"),
        answer("1700000000", "2024-01-01 00:00:00", "now"),
    ],
)
def test_a_foreign_answer(body: str, fleet: Fleet, read: Read) -> None:
    fleet.nodes[0].fault("GET", HEARTBEAT, Fault("status", 200, body))
    with pytest.raises(PolarisError) as caught:
        read(fleet.nodes[0], id="x")
    assert caught.value.kind == "protocol"


@pytest.mark.parametrize(
    "options",
    [
        {"service": "payments", "namespace": "default", "host": "10.0.0.1"},
        {"service": "payments", "namespace": "default", "port": 80},
        {"service": "pay ments", "namespace": "default"},
        {"namespace": ""},
        {"instances": []},
    ],
)
def test_wrong_identities(options: dict[str, Any], fleet: Fleet, read: Read) -> None:
    with pytest.raises(PolarisError) as caught:
        read(fleet.nodes[0], **options)
    assert caught.value.kind == "refused"
    assert fleet.requests == []


def test_an_instance_that_is_named_twice_is_asked_for_once(fleet: Fleet, read: Read) -> None:
    assert [entry["id"] for entry in read(fleet.nodes[0], instances=[{"id": "x"}, {"id": "x"}])] == ["x"]
    assert len(fleet.requests) == 1
