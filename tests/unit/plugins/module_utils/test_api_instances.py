# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of instances, combined from pages while the instances change."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.polarismesh.maintenance.plugins.module_utils._answers import Reply, Request
from ansible_collections.polarismesh.maintenance.plugins.module_utils._api import heartbeats, instances
from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import Client
from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import PolarisError
from ansible_collections.polarismesh.maintenance.plugins.module_utils._model import Listing
from tests.simulator import Fault, Fleet

MakeFleet = Callable[..., Fleet]
MakeClient = Callable[..., Client]


class Restless:
    """The part of a client that a list needs, for a server whose instances change after every answer.

    ``order``: the order of the list in each answer. ``change``: how the ids change after an answer.
    """

    def __init__(
        self,
        ids: list[str],
        order: Callable[[list[str]], list[str]] = list,
        change: Callable[[list[str]], None] = lambda ids: None,
        wildcards: bool = True,
    ) -> None:
        self.url = "http://restless"
        self.ids = ids
        self.order = order
        self.change = change
        self.wildcards = wildcards
        self.requests = 0

    def send(self, request: Request) -> Reply:
        self.requests += 1
        query: dict[str, Any] = request.query or {}
        beginning = query.get("id", "*")
        if beginning != "*" and not self.wildcards:
            found: list[str] = []
        else:
            found = [one for one in self.order(self.ids) if one.startswith(beginning.rstrip("*"))]
        offset = query.get("offset", 0)
        entries = [
            {"id": one, "service": "s", "namespace": "n", "host": one, "port": 1}
            for one in found[offset : offset + min(query["limit"], 100)]
        ]
        body = json.dumps({"code": 200000, "amount": len(found), "instances": entries}).encode()
        self.change(self.ids)
        return Reply("GET", request.path, 200, {}, body)

    def collect(self, call: Callable[[Any], Any], items: list[Any], _what: str = "") -> list[Any]:
        return [call(item) for item in items]


def listing(server: Restless) -> Listing:
    return instances.find(server, namespace="n", service="s")  # type: ignore[arg-type]


def some_ids(count: int) -> list[str]:
    """Ids of both kinds: computed ones, and some that clients chose."""
    return [f"{random.randrange(16**8):08x}-{n}" if n % 10 else f"own-{n}" for n in range(count)]


def shuffled(ids: list[str]) -> list[str]:
    return random.sample(ids, len(ids))


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 250, 1000])
def test_a_list_that_does_not_change(count: int) -> None:
    server = Restless(some_ids(count))
    found = listing(server)
    assert sorted(entry.id for entry in found.instances) == sorted(server.ids)
    assert (found.amount, found.complete) == (count, True)
    assert server.requests == max(1, -(-count // 100))


@pytest.mark.parametrize("count", [101, 250, 2000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_pages_in_another_order_each_time(count: int) -> None:
    """As on a MySQL store, from v1.17.2 on, if all changed in the same second. Ids chosen by clients may be missing."""
    server = Restless([one for one in some_ids(count) if not one.startswith("own")], shuffled)
    found = listing(server)
    assert found.complete
    assert sorted(entry.id for entry in found.instances) == sorted(server.ids)
    # The first pages show it, so the others are not read.
    assert server.requests <= 1 + min(count // 100, 8) + 16 + 256 + 1


def test_pages_in_another_order_each_time_without_wildcards() -> None:
    """Then the result is uncertain, and says so."""
    found = listing(Restless(some_ids(1000), shuffled, wildcards=False))
    assert not found.complete


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_complete_list_has_every_instance_that_stayed(data: st.DataObject) -> None:
    ids = some_ids(data.draw(st.integers(90, 420), label="count"))
    staying = set(ids)
    moves = data.draw(st.floats(0, 0.5), label="moves")
    comes = data.draw(st.floats(0, 0.1), label="comes")
    chance = random.Random(data.draw(st.integers(0, 1000), label="seed"))

    def change(ids: list[str]) -> None:
        if chance.random() < moves:  # one changes, and is at the top of the list from now on
            ids.insert(0, ids.pop(chance.randrange(len(ids))))
        if chance.random() < comes:
            ids.insert(0, f"{chance.randrange(16**8):08x}-new")

    found = listing(Restless(ids, change=change))
    if found.complete:
        assert staying <= {entry.id for entry in found.instances}


def test_most_requests() -> None:
    server = Restless(some_ids(450))
    found = instances.find(server, namespace="n", service="s", most_requests=4)  # type: ignore[arg-type]
    assert (len(found.instances), found.amount, found.complete, server.requests) == (100, 450, False, 1)
    found = instances.find(server, namespace="n", service="s", most_requests=5)  # type: ignore[arg-type]
    assert (len(found.instances), found.complete) == (450, True)


def test_a_wildcard_of_the_server_is_taken_literally(fleet: Fleet, make_client: MakeClient) -> None:
    fleet.store.register("payments", host="10.0.0.1", id="abc")
    fleet.store.register("payments", host="10.0.0.2", id="ab*")
    client = make_client(fleet.nodes[0], token=fleet.tokens.owner)
    assert [entry.host for entry in instances.find(client, instance_id="ab*").instances] == ["10.0.0.2"]
    assert instances.find(client, namespace="default", service="pay*").instances == ()


def test_the_token_of_the_service_is_dropped(fleet: Fleet, make_client: MakeClient) -> None:
    row = fleet.store.register("payments", service_token="the-secret-word")
    found = instances.find(make_client(fleet.nodes[0], token=fleet.tokens.owner), instance_id=row.id)
    assert len(found.instances) == 1
    assert "the-secret-word" not in repr(found)


@pytest.mark.parametrize("profile", ["v1.8.0", "v1.14.1", "v1.16.0", "v1.17.1", "v1.18.1", "head"])
def test_a_namespace_and_all_of_it_on_every_version(
    profile: str, make_fleet: MakeFleet, make_client: MakeClient
) -> None:
    """Older servers list only the instances of one service, so all services are read."""
    fleet = make_fleet(profile=profile)
    for number in range(130):
        fleet.store.register("payments", host=f"10.0.0.{number}")
    fleet.store.register("refunds", host="10.0.1.1")
    fleet.store.register("refunds", "other", host="10.0.1.2")
    client = make_client(fleet.nodes[0], token=fleet.tokens.owner)
    of_default = instances.find(client, namespace="default")
    assert (len(of_default.instances), of_default.complete) == (131, True)
    everything = instances.find(client)
    assert {entry.namespace for entry in everything.instances} == {"default", "other", "Polaris"}
    assert [entry.host for entry in instances.find(client, host="10.0.1.2", port=8080).instances] == ["10.0.1.2"]
    assert [entry.namespace for entry in instances.find(client, service="refunds", namespace="other").instances] == [
        "other"
    ]


@pytest.mark.parametrize("profile", ["v1.8.0", "v1.14.1", "v1.16.0"])
def test_older_servers_cannot_search_for_an_id(profile: str, make_fleet: MakeFleet, make_client: MakeClient) -> None:
    fleet = make_fleet(profile=profile)
    with pytest.raises(PolarisError) as caught:
        instances.find(make_client(fleet.nodes[0], token=fleet.tokens.owner), instance_id="abc")
    assert caught.value.kind == "unsupported"
    assert "v1.17.0" in caught.value.msg


@pytest.mark.parametrize("profile", ["v1.8.0", "v1.12.2", "v1.14.1", "v1.17.1", "v1.18.1"])
def test_an_unknown_service_has_no_instances(profile: str, make_fleet: MakeFleet, make_client: MakeClient) -> None:
    fleet = make_fleet(profile=profile)
    client = make_client(fleet.nodes[0], token=fleet.tokens.owner)
    found = instances.find(client, namespace="default", service="no-such")
    assert (found.instances, found.complete) == ((), True)


def test_a_cut_connection_is_not_an_unknown_service(make_fleet: MakeFleet, make_client: MakeClient) -> None:
    fleet = make_fleet(profile="v1.14.1")
    fleet.store.register("payments")
    fleet.nodes[0].fault("GET", "/naming/v1/instances", Fault("cut"))
    with pytest.raises(PolarisError) as caught:
        instances.find(make_client(fleet.nodes[0], token=fleet.tokens.owner), namespace="default", service="payments")
    assert caught.value.kind == "server"


@pytest.mark.parametrize(
    "body",
    [
        b"<html></html>",
        b"[]",
        b'{"code":200000}',
        b'{"amount":"1","instances":[]}',
        b'{"amount":1,"instances":["x"]}',
        b'{"amount":1,"instances":[{"id":"x"}]}',
        b'{"amount":1,"instances":[{"id":"x","service":"s","namespace":"n","host":"h","port":"1"}]}',
        b'{"amount":1,"instances":[{"id":"x","service":"s","namespace":"n","host":"h","port":1,"location":"x"}]}',
        b'{"amount":2000000000,"instances":[]}',
        b"[" * 100000,
    ],
)
def test_a_foreign_answer(body: bytes, fleet: Fleet, make_client: MakeClient) -> None:
    fleet.nodes[0].fault("GET", "/naming/v1/instances", Fault("status", 200, body.decode()))
    with pytest.raises(PolarisError) as caught:
        instances.find(make_client(fleet.nodes[0], token=fleet.tokens.owner), namespace="default")
    assert caught.value.kind == "protocol"


@pytest.mark.parametrize(
    ("earlier", "later", "seconds"),
    [
        ("2024-01-02 03:04:05", "2024-01-02 03:04:05", 0),
        ("2024-01-02 03:04:05", "2024-01-02 03:04:20", 15),
        ("2023-12-31 23:59:58", "2024-01-01 00:00:03", 5),
        ("2024-02-28 12:00:00", "2024-03-01 12:00:00", 2 * 86400),
        # The server's clock was set back a little, or its two times were rounded differently.
        ("2024-01-02 03:04:05", "2024-01-02 03:04:04", 0),
        # The night in which summer time ends: 02:59:58 is followed by 02:00:00.
        ("2024-10-27 02:59:58", "2024-10-27 02:00:03", 5),
        # ... and the one in which it begins: the skipped hour is counted.
        ("2024-03-31 01:59:58", "2024-03-31 03:00:03", 3605),
    ],
)
def test_the_time_between_two_local_times(earlier: str, later: str, seconds: int) -> None:
    assert heartbeats.seconds_between(earlier, later) == seconds


def test_an_odd_health_check_has_no_ttl(fleet: Fleet, make_client: MakeClient) -> None:
    entry = {"id": "x", "service": "s", "namespace": "n", "host": "h", "port": 1, "healthCheck": "x"}
    body = json.dumps({"amount": 1, "instances": [entry]})
    fleet.nodes[0].fault("GET", "/naming/v1/instances", Fault("status", 200, body))
    (found,) = instances.find(make_client(fleet.nodes[0], token=fleet.tokens.owner), namespace="n").instances
    assert found.ttl is None
