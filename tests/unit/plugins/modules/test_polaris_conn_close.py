# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is closed and, above all, what is not: decisions with plain values, the rest with real connections."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.polarismesh.maintenance.plugins.module_utils._api import connections
from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import Client
from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import PolarisError
from ansible_collections.polarismesh.maintenance.plugins.module_utils._model import HostConnections
from ansible_collections.polarismesh.maintenance.plugins.module_utils._options import validated
from ansible_collections.polarismesh.maintenance.plugins.modules import polaris_conn_close
from ansible_collections.polarismesh.maintenance.plugins.modules.polaris_conn_close import (
    BATCH,
    FEW_HOSTS,
    SPEC,
    Plan,
    Ports,
    Selection,
    View,
    addresses,
    check_limit,
    may_have_hit_bystanders,
    planned,
    run,
    selected,
)
from ansible_collections.polarismesh.maintenance.plugins.modules.polaris_conn_close import (
    Connection as Listed,
)
from tests.clients import ALICE, BOB, CAROL, Clients, Connection, Translator, ended, until
from tests.simulator import Fault, Fleet, Node
from tests.simulator.node import Recorded
from tests.unit.options import params_of

MakeClient = Callable[..., Client]
CLOSE = "/maintain/v1/apiserver/conn/close"


params = functools.partial(params_of, SPEC)


# --- decisions -------------------------------------------------------------------------------------------------------


def selection(host: str = "10.0.0.7", port: int | None = None, least: int = 0, protocol: str = "grpc") -> Selection:
    return Selection(protocol, host, port, least)


def view(listed: dict[str, set[int]], own: int | None = None, protocol: str = "grpc") -> View:
    hosts = {
        (protocol, host): HostConnections(host, len(ports), None, tuple(f"{host}:{port}" for port in sorted(ports)))
        for host, ports in listed.items()
    }
    return View(hosts, Listed(protocol, "10.0.0.7", own) if own else None)


def closing(plan: Plan) -> list[tuple[str, int]]:
    return [(connection.host, connection.port) for connection in plan.close]


def reasons(plan: Plan) -> list[tuple[str, int | None, str]]:
    return [(entry.host, entry.port, entry.reason) for entry in plan.left_out]


def test_one_form_and_the_list_mean_the_same() -> None:
    one = {"protocol": "grpc", "host": "10.0.0.7", "port": 51324, "amount": 2}
    assert selected(params(**one)) == selected(params(connections=[one])) == [selection(port=51324, least=2)]


def test_numbers_may_be_text_because_templates_make_them_so() -> None:
    item = {"protocol": "grpc", "host": "10.0.0.7", "port": "51324", "min_connections": "2"}
    assert selected(params(connections=[item])) == [selection(port=51324, least=2)]


GOOD = {"protocol": "grpc", "host": "10.0.0.7", "port": 1}
MANY = [{"protocol": "grpc", "host": "10.0.0.7", "port": port} for port in range(1, 4001)]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"connections": []}, "connections is empty"),
        ({"connections": [GOOD, {**GOOD, "port": 0}]}, "connections[1].port must be a whole number from 1 to 65535"),
        ({"connections": [GOOD, {**GOOD, "port": 70000}]}, "connections[1].port must be"),
        ({"connections": [GOOD, {**GOOD, "port": -1}]}, "connections[1].port must be"),
        ({"connections": [GOOD, {**GOOD, "port": "http"}]}, "connections[1].port must be"),
        ({"connections": [GOOD, {**GOOD, "port": ""}]}, "connections[1].port must be"),
        ({"connections": [GOOD, {**GOOD, "port": True}]}, "connections[1].port must be"),
        ({"connections": [GOOD, {**GOOD, "port": [2]}]}, "connections[1].port must be"),
        ({"connections": [GOOD, {**GOOD, "host": "::1"}]}, "connections[1].host is ::1, an IPv6 address: Polaris"),
        ({"connections": [GOOD, {**GOOD, "host": "client"}]}, "connections[1].host is 'client', which is not an IPv4"),
        ({"connections": [GOOD, {"protocol": "grpc", "port": 2}]}, "connections[1].host is missing"),
        ({"connections": [GOOD, {"host": "10.0.0.7", "port": 2}]}, "connections[1].protocol is missing"),
        ({"connections": [GOOD, {**GOOD, "port": 2, "amount": -1}]}, "connections[1].min_connections must be"),
        ({"connections": [*MANY, {**GOOD, "port": 65536}]}, "connections[4000].port must be"),
        ({**GOOD, "port": 0}, "port must be a whole number from 1 to 65535, or be omitted; got '0'"),
        ({**GOOD, "host": ""}, "host is missing or empty"),
        ({**GOOD, "protocol": " "}, "protocol is missing or empty"),
        ({**GOOD, "max_connections": -1}, "max_connections must be a whole number of 0 or more"),
    ],
)
def test_bad_input_is_named_by_its_position_and_nothing_is_sent(
    options: dict[str, Any], sentence: str, fleet: Fleet, make_client: MakeClient
) -> None:
    with pytest.raises(PolarisError) as caught:
        run(make_client(fleet.nodes[0], token=fleet.tokens.owner), params(**options), False)
    assert caught.value.kind == "refused"
    assert sentence in caught.value.msg
    assert fleet.requests == []


def test_what_is_listed_twice_counts_once() -> None:
    two = {**GOOD, "port": 2}
    assert selected(params(connections=[GOOD, two, GOOD])) == [selection(port=1), selection(port=2)]
    host = {"protocol": "grpc", "host": "10.0.0.7"}
    both = [{**host, "amount": 2}, {**host, "amount": "3"}, host]
    assert selected(params(connections=both)) == [selection(least=3)]


@pytest.mark.parametrize("option", ["port", "min_connections", "max_connections"])
def test_text_that_is_not_a_number_is_refused_by_the_spec(option: str) -> None:
    result = validated(SPEC, {"url": "u", **GOOD, option: "all"})
    assert result.error is not None
    assert f"'{option}'" in result.error
    assert result.params


def test_a_port_means_this_connection_and_no_port_all_that_were_seen() -> None:
    seen = view({"10.0.0.7": {1, 2, 3}, "10.0.0.8": {1}})
    assert closing(planned([selection(port=2)], seen)) == [("10.0.0.7", 2)]
    assert closing(planned([selection()], seen)) == [("10.0.0.7", 1), ("10.0.0.7", 2), ("10.0.0.7", 3)]
    assert closing(planned([selection(port=2), selection("10.0.0.8")], seen)) == [("10.0.0.7", 2), ("10.0.0.8", 1)]


def test_a_port_that_is_not_listed_is_left_out() -> None:
    seen = view({"10.0.0.7": {1, 2}, "10.0.0.9": set()})
    asked = [
        selection(port=3),
        selection("10.0.0.8", 1),
        selection("10.0.0.8"),
        selection("10.0.0.9"),
        selection(port=1, protocol="http"),
    ]
    plan = planned(asked, seen)
    assert not plan.close
    assert reasons(plan) == [
        ("10.0.0.7", 3, "not_open"),
        ("10.0.0.8", 1, "not_open"),
        ("10.0.0.8", None, "not_open"),
        ("10.0.0.9", None, "not_open"),
        ("10.0.0.7", 1, "not_open"),
    ]


def test_too_few_connections_of_the_host() -> None:
    seen = view({"10.0.0.7": {1, 2}})
    plan = planned([selection(least=3), selection(port=1, least=3)], seen)
    assert not plan.close
    assert reasons(plan) == [("10.0.0.7", None, "below_min_connections"), ("10.0.0.7", 1, "below_min_connections")]
    assert closing(planned([selection(least=2)], seen)) == [("10.0.0.7", 1), ("10.0.0.7", 2)]


def test_our_own_connection_is_spared_unless_its_port_is_named() -> None:
    seen = view({"10.0.0.7": {1, 2}}, own=2)
    plan = planned([selection()], seen)
    assert closing(plan) == [("10.0.0.7", 1)]
    assert reasons(plan) == [("10.0.0.7", 2, "own_connection")]
    assert "10.0.0.7:2 is the connection of this task itself" in plan.warnings[0]

    for named in ([selection(port=2)], [selection(), selection(port=2)], [selection(port=2), selection()]):
        plan = planned(named, seen)
        assert closing(plan)[-1] == ("10.0.0.7", 2)
        assert (plan.left_out, plan.warnings) == ([], [])


PORTS = st.sets(st.integers(1, 8))
HOSTS = st.sampled_from(["10.0.0.7", "10.0.0.8", "10.0.0.9"])
TARGETS = st.lists(
    st.builds(Selection, st.sampled_from(["grpc", "http"]), HOSTS, st.none() | st.integers(1, 8), st.integers(0, 3))
)


@settings(deadline=None)
@given(TARGETS, st.dictionaries(HOSTS, PORTS), st.none() | st.integers(1, 8))
def test_nothing_is_ever_planned_that_was_not_listed_and_asked_for(
    selections: list[Selection], listed: dict[str, set[int]], own: int | None
) -> None:
    seen = view(listed, own)
    close = planned(selections, seen).close
    for protocol, host in close.hosts():
        ports = close.of((protocol, host))
        meant = [each for each in selections if each.key == (protocol, host)]
        assert ports
        assert protocol == "grpc"
        assert ports <= listed[host]
        assert any(each.port is None for each in meant) or ports <= {each.port for each in meant}
        if host == "10.0.0.7" and own in ports:
            assert own in {each.port for each in meant}


def test_the_guard_counts_everything_together() -> None:
    todo = Ports({("grpc", "10.0.0.7"): {1, 2, 3}, ("grpc", "10.0.0.8"): {1}, ("http", "10.0.0.8"): {1}})
    check_limit(todo, None)
    check_limit(todo, 5)
    with pytest.raises(PolarisError) as caught:
        check_limit(todo, 4)
    assert caught.value.kind == "guard"
    assert caught.value.msg == (
        "5 connections would be closed, and max_connections allows 4: nothing was closed. They are 3 of 10.0.0.7 "
        "(grpc), 1 of 10.0.0.8 (grpc), 1 of 10.0.0.8 (http); name fewer, or raise max_connections if you mean all "
        "of them."
    )
    check_limit(Ports(), 0)
    with pytest.raises(PolarisError):
        check_limit(Ports({("grpc", "10.0.0.7"): {1}}), 0)


def test_bystanders_were_hit_only_where_none_of_them_is_left() -> None:
    key = ("grpc", "10.0.0.7")
    assert may_have_hit_bystanders(Ports({key: {1, 2}}), view({"10.0.0.7": {2}})) == []
    assert may_have_hit_bystanders(Ports({key: {1, 2}}), view({"10.0.0.7": {3}})) == [key]
    assert may_have_hit_bystanders(Ports({key: {1, 2}}), view({})) == [key]
    assert may_have_hit_bystanders(Ports({key: set()}), view({})) == []


def test_the_diff_shows_the_hosts_that_were_asked_for() -> None:
    seen = view({"10.0.0.10": {1}, "10.0.0.9": {1000, 99}, "10.0.0.8": {1}})
    keys = [("grpc", "10.0.0.10"), ("grpc", "10.0.0.9"), ("http", "10.0.0.9")]
    assert addresses(seen, keys) == {"grpc": ["10.0.0.9:99", "10.0.0.9:1000", "10.0.0.10:1"], "http": []}
    assert addresses(seen, keys[:1], without=Ports({keys[0]: {1}})) == {"grpc": []}


# --- with connections ------------------------------------------------------------------------------------------------


class Scene:
    """One simulated node, its clients, and the task under test."""

    def __init__(self, fleet: Fleet, client: Client, clients: Clients) -> None:
        self.fleet, self.client, self.clients = fleet, client, clients

    @property
    def node(self) -> Node:
        return self.fleet.nodes[0]

    def connect(self, source: str, count: int = 1, protocol: str = "grpc") -> list[Connection]:
        port = self.node.grpc_port if protocol == "grpc" else self.node.port
        made = self.clients.connect((self.node.host, port), source, count)
        assert until(lambda: {each.address for each in made} <= self.listed(protocol))
        return made

    def listed(self, protocol: str = "grpc") -> set[str]:
        return set(self.node.connections[protocol])

    def hang_up(self, *connections: Connection) -> None:
        """The client closes these, and the server has noticed."""
        for each in connections:
            each.close()
        assert until(lambda: not {each.address for each in connections} & self.listed())

    def close(self, check_mode: bool = False, **options: Any) -> dict[str, Any]:
        return run(self.client, params(**options), check_mode)

    @property
    def posts(self) -> list[Recorded]:
        return [request for request in self.fleet.requests if request.method == "POST"]

    @property
    def sent(self) -> list[str]:
        """The addresses in all close requests."""
        return [f"{entry['Host']}:{entry['Port']}" for request in self.posts for entry in json.loads(request.body)]


@pytest.fixture
def make_scene(make_fleet: Callable[..., Fleet], make_client: MakeClient) -> Iterator[Callable[..., Scene]]:
    with Clients() as clients:

        def make(token: str = "owner", timeout: float = 10.0, **options: Any) -> Scene:
            fleet = make_fleet(**options)
            return Scene(
                fleet, make_client(fleet.nodes[0], token=getattr(fleet.tokens, token), timeout=timeout), clients
            )

        yield make


@pytest.fixture
def scene(make_scene: Callable[..., Scene]) -> Scene:
    return make_scene()


def shown(result: dict[str, Any], key: str = "connections") -> list[str]:
    return [f"{entry['host']}:{entry['port']}" for entry in result[key]]


def test_one_connection_and_every_bystander_keeps_its_own(scene: Scene) -> None:
    alice, bob, web = scene.connect(ALICE, 3), scene.connect(BOB, 2), scene.connect(ALICE, 1, "http")
    result = scene.close(protocol="grpc", host=ALICE, port=alice[1].port)
    assert ended([alice[1]])
    assert all(each.open for each in [alice[0], alice[2], *bob, *web])
    assert scene.sent == [alice[1].address]
    assert result["changed"] is True
    assert result["connections"] == [{"protocol": "grpc", "host": ALICE, "port": alice[1].port}]
    assert (result["count"], result["remaining"], result["not_closed"], result["warnings"]) == (1, [], [], [])
    assert result["diff"] == {
        "before": {"grpc": [each.address for each in alice]},
        "after": {"grpc": [alice[0].address, alice[2].address]},
    }


def test_a_whole_host_and_no_other(scene: Scene) -> None:
    alice, bob, web = scene.connect(ALICE, 3), scene.connect(BOB, 2), scene.connect(ALICE, 1, "http")
    result = scene.close(protocol="grpc", host=ALICE)
    assert ended(alice)
    assert all(each.open for each in [*bob, *web])
    assert shown(result) == [each.address for each in alice]
    # Even then by port, so that the server can never be asked to close a whole host.
    assert scene.sent == [each.address for each in alice]


@pytest.mark.parametrize("port", [1, None])
def test_what_is_not_open_is_never_sent(port: int | None, scene: Scene) -> None:
    alice = scene.connect(ALICE, 2)
    host = ALICE if port else CAROL
    wanted_port: dict[str, Any] = {"port": port} if port else {}
    result = scene.close(protocol="grpc", host=host, **wanted_port)
    assert (result["changed"], result["connections"], result["count"]) == (False, [], 0)
    assert result["not_closed"] == [{"protocol": "grpc", "host": host, "port": port, "reason": "not_open"}]
    assert result["diff"]["before"] == result["diff"]["after"]
    assert scene.posts == []
    assert all(each.open for each in alice)


def test_a_second_run_sends_nothing(scene: Scene) -> None:
    port = scene.connect(ALICE, 2)[0].port
    assert scene.close(protocol="grpc", host=ALICE, port=port)["changed"] is True
    assert scene.close(protocol="grpc", host=ALICE, port=port)["changed"] is False
    assert len(scene.posts) == 1


def test_each_request_follows_a_look_at_that_very_host(scene: Scene) -> None:
    hosts = [f"127.0.0.{number}" for number in range(100, 100 + FEW_HOSTS + 4)]
    wanted_hosts = {host: scene.connect(host, 2) for host in hosts}
    connections = [{"protocol": "grpc", "host": host, "port": wanted_hosts[host][0].port} for host in hosts]
    result = scene.close(connections=connections)
    assert sorted(shown(result)) == sorted(wanted_hosts[host][0].address for host in hosts)
    assert ended([pair[0] for pair in wanted_hosts.values()])
    assert all(pair[1].open for pair in wanted_hosts.values())
    requests = scene.fleet.requests
    for number, request in enumerate(requests):
        if request.method == "POST":
            before = requests[number - 1]
            assert before.path == "/maintain/v1/apiserver/conn/stats"
            assert [before.query["host"]] == [entry["Host"] for entry in json.loads(request.body)]
    # The plan is based on one request for all hosts, not one per host.
    assert "host" not in requests[0].query
    assert len(requests) == 2 * len(hosts) + 2


def test_many_connections_of_a_host_go_by_batches_and_each_once(scene: Scene) -> None:
    alice, bob = scene.connect(ALICE, 2 * BATCH + 50), scene.connect(BOB)
    result = scene.close(protocol="grpc", host=ALICE)
    assert ended(alice)
    assert bob[0].open
    assert result["count"] == len(alice)
    assert sorted(scene.sent) == sorted(each.address for each in alice)
    assert [len(json.loads(request.body)) for request in scene.posts] == [BATCH, BATCH, 50]


def test_a_connection_that_ends_before_the_close_is_not_sent(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    alice = scene.connect(ALICE, 3)

    def then_it_ends(todo: Any, limit: int | None) -> None:
        check_limit(todo, limit)
        scene.hang_up(alice[0])

    monkeypatch.setattr(polaris_conn_close, "check_limit", then_it_ends)
    result = scene.close(protocol="grpc", host=ALICE, port=alice[0].port)
    assert (result["changed"], result["count"]) == (False, 0)
    assert result["not_closed"][0]["reason"] == "not_open"
    assert scene.posts == []
    assert all(each.open for each in alice[1:])


def test_one_that_is_opened_meanwhile_is_left_alone(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    alice, late = scene.connect(ALICE, 2), []

    def then_one_more(todo: Any, limit: int | None) -> None:
        check_limit(todo, limit)
        late.extend(scene.connect(ALICE))

    monkeypatch.setattr(polaris_conn_close, "check_limit", then_one_more)
    result = scene.close(protocol="grpc", host=ALICE, max_connections=2)
    assert ended(alice)
    assert late[0].open
    assert shown(result) == [each.address for each in alice]
    assert result["diff"]["after"] == {"grpc": [late[0].address]}


def ending(scene: Scene, monkeypatch: pytest.MonkeyPatch, connection: Connection) -> None:
    """The client closes its connection in the only remaining gap, between the reading and the request."""
    send = connections.close

    def too_late(client: Client, protocol: str, host: str, ports: list[int]) -> None:
        scene.hang_up(connection)
        send(client, protocol, host, ports)

    monkeypatch.setattr(connections, "close", too_late)


def test_the_race_that_remains_is_reported(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    alice, bob = scene.connect(ALICE, 3), scene.connect(BOB)
    ending(scene, monkeypatch, alice[0])
    result = scene.close(protocol="grpc", host=ALICE, port=alice[0].port)
    assert ended(alice[1:])  # the server's reaction to an unknown port
    assert bob[0].open
    assert f"all other connections of {ALICE} (grpc, 2) ended at the same time" in result["warnings"][0]


def test_closing_a_whole_host_has_no_bystanders(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    alice, bob = scene.connect(ALICE, 3), scene.connect(BOB)
    ending(scene, monkeypatch, alice[0])
    result = scene.close(protocol="grpc", host=ALICE)
    assert ended(alice[1:])
    assert bob[0].open
    assert result["warnings"] == []


def test_check_mode_says_the_same_and_sends_nothing(scene: Scene) -> None:
    alice = scene.connect(ALICE, 2)
    asked: dict[str, Any] = {
        "connections": [
            {"protocol": "grpc", "host": ALICE},
            {"protocol": "grpc", "host": BOB},
        ],
        "max_connections": 2,
    }
    dry = scene.close(check_mode=True, **asked)
    assert scene.posts == []
    assert all(each.open for each in alice)
    assert scene.close(**asked) == dry
    with pytest.raises(PolarisError):
        scene.close(check_mode=True, protocol="grpc", host=scene.connect(ALICE)[0].host, max_connections=0)


def test_too_many_in_total_closes_none(scene: Scene) -> None:
    alice, bob = scene.connect(ALICE, 2), scene.connect(BOB, 2)
    with pytest.raises(PolarisError) as caught:
        scene.close(
            connections=[{"protocol": "grpc", "host": ALICE}, {"protocol": "grpc", "host": BOB, "port": bob[0].port}],
            max_connections=2,
        )
    assert caught.value.kind == "guard"
    assert scene.posts == []
    assert all(each.open for each in alice + bob)


def test_our_own_connection_is_left_open(scene: Scene) -> None:
    me = "127.0.0.1"  # connections to loopback come from this address
    others = scene.connect(me, 2, "http")
    result = scene.close(protocol="http", host=me)
    assert ended(others)
    assert shown(result) == [each.address for each in others]
    own = shown(result, "not_closed")
    assert result["not_closed"][0]["reason"] == "own_connection"
    assert result["diff"]["after"] == {"http": own}
    assert result["warnings"] == [
        f"{own[0]} is the connection of this task itself and was left open; it ends with the task."
    ]
    assert scene.listed("http") == set(own)


def test_our_own_connection_is_closed_where_its_port_is_named(scene: Scene) -> None:
    others = scene.connect("127.0.0.1", 2, "http")
    own = connections.stats(scene.client, "http")
    assert own is not None
    result = scene.close(protocol="http", host="127.0.0.1", port=own.own.rpartition(":")[2])
    assert shown(result) == [own.own]
    assert result["remaining"] == []
    assert "was the connection of this task itself, so the answer was cut off" in result["warnings"][0]
    assert all(each.open for each in others)
    assert own.own not in scene.listed("http")


def test_behind_an_address_translation_a_cut_answer_is_looked_up(scene: Scene, make_client: MakeClient) -> None:
    others, bob = scene.connect(ALICE, 3, "http"), scene.connect(BOB, 1, "http")
    with Translator((scene.node.host, scene.node.port), ALICE) as hop:
        scene.client = make_client(hop.url, token=scene.fleet.tokens.owner)
        result = scene.close(protocol="http", host=ALICE)
    assert ended(others)
    assert bob[0].open
    assert result["count"] == 4
    assert result["remaining"] == []
    assert "something on the way translates addresses" in result["warnings"][0]
    assert len(scene.posts) == 1


def test_a_lost_answer_is_looked_up_and_the_work_goes_on(scene: Scene) -> None:
    alice, bob, carol = scene.connect(ALICE, 2), scene.connect(BOB), scene.connect(CAROL)
    scene.node.fault("POST", CLOSE, Fault("drop"), times=1)
    result = scene.close(connections=[{"protocol": "grpc", "host": ALICE}, {"protocol": "grpc", "host": BOB}])
    assert ended(alice + bob)
    assert carol[0].open
    assert shown(result) == [each.address for each in alice + bob]
    assert "the answer to a request was lost" in result["warnings"][0]
    assert not any("may still close" in warning for warning in result["warnings"])
    assert len(scene.posts) == 2


def test_a_request_without_an_answer_may_still_close_the_bystanders(scene: Scene) -> None:
    alice = scene.connect(ALICE, 3)
    scene.node.fault("POST", CLOSE, Fault("drop"), times=1)
    result = scene.close(protocol="grpc", host=ALICE, port=alice[0].port)
    assert shown(result) == [alice[0].address]
    (warning,) = result["warnings"]
    assert warning.endswith(f"may still close all other connections of {ALICE} (grpc, 2).")


def test_after_a_time_out_it_says_what_is_still_open_and_stops(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene(timeout=2.0)
    alice, bob, carol = scene.connect(ALICE), scene.connect(BOB, 2), scene.connect(CAROL)
    scene.node.fault("POST", CLOSE, Fault("hang"), skip=1)
    hosts = [{"protocol": "grpc", "host": host} for host in (ALICE, BOB, CAROL)]
    with pytest.raises(PolarisError) as caught:
        scene.close(connections=hosts)
    error = caught.value
    assert error.kind == "timeout"
    assert error.msg.endswith(
        "Of the 4 connections to close: 1 closed, 3 not closed. A request whose answer was lost may still take effect."
    )
    assert error.partial["changed"] is True
    assert shown(error.partial) == [alice[0].address]
    assert shown(error.partial, "not_closed") == [each.address for each in bob + carol]
    assert {entry["reason"] for entry in error.partial["not_closed"]} == {"failed"}
    assert len(scene.posts) == 2
    assert all(each.open for each in bob + carol)


def test_without_a_last_read_the_outcome_is_unknown(scene: Scene) -> None:
    alice, bob = scene.connect(ALICE), scene.connect(BOB)
    scene.node.fault("POST", CLOSE, Fault("cut"))
    scene.node.fault("GET", "*", Fault("cut"), skip=3)
    with pytest.raises(PolarisError) as caught:
        scene.close(connections=[{"protocol": "grpc", "host": ALICE}, {"protocol": "grpc", "host": BOB}])
    assert caught.value.method == "POST"
    assert caught.value.msg.endswith(
        "Of the 2 connections to close: 1 not closed, 1 unknown. A request whose answer was lost may still take effect."
    )
    assert caught.value.partial["changed"] is True
    assert caught.value.partial["not_closed"] == [
        {"protocol": "grpc", "host": ALICE, "port": alice[0].port, "reason": "unknown"},
        {"protocol": "grpc", "host": BOB, "port": bob[0].port, "reason": "failed"},
    ]
    assert len(scene.posts) == 1


def test_a_failure_half_way_is_reported_item_by_item(scene: Scene) -> None:
    alice, bob, carol = scene.connect(ALICE, 2), scene.connect(BOB), scene.connect(CAROL)
    scene.node.fault("POST", CLOSE, Fault("status", status=500, body="boom"), containing=BOB)
    hosts = [{"protocol": "grpc", "host": host} for host in (ALICE, BOB, CAROL, "10.9.9.9")]
    with pytest.raises(PolarisError) as caught:
        scene.close(connections=hosts)
    assert caught.value.kind == "server"
    assert caught.value.msg.endswith("Of the 4 connections to close: 2 closed, 2 not closed.")
    assert shown(caught.value.partial) == [each.address for each in alice]
    assert [(entry["host"], entry["reason"]) for entry in caught.value.partial["not_closed"]] == [
        ("10.9.9.9", "not_open"),
        (BOB, "failed"),
        (CAROL, "failed"),
    ]
    assert all(each.open for each in bob + carol)
    # Running it again finishes the work.
    scene.node.clear_faults()
    assert shown(scene.close(connections=hosts)) == [each.address for each in bob + carol]


def test_an_account_that_may_only_read_closes_nothing(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene(token="sub")
    alice = scene.connect(ALICE)
    with pytest.raises(PolarisError) as caught:
        scene.close(protocol="grpc", host=ALICE)
    assert caught.value.kind == "permission"
    assert caught.value.partial["changed"] is False
    assert alice[0].open


def test_a_protocol_that_is_not_counted(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene(conn_protocols="http")
    with pytest.raises(PolarisError) as caught:
        scene.close(protocol="grpc", host=ALICE, port=1)
    assert caught.value.kind == "unsupported"
    for words in (
        "does not count the connections of 'grpc'",
        "openConnLimit: true",
        "purgeCounterExpired",
        "config-grpc",
    ):
        assert words in caught.value.msg
    assert scene.posts == []


def test_a_server_of_the_published_dialect(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene(profile="documented")
    alice, bob = scene.connect(ALICE, 2), scene.connect(BOB)
    result = scene.close(connections=[{"protocol": "grpc", "host": host} for host in (ALICE, BOB)])
    assert ended(alice + bob)
    assert result["count"] == 3
    paths = [request.path.rpartition("/")[2] for request in scene.posts]
    assert paths == ["close", "conn", "conn"]  # detected once
    # ... and with the published names.
    assert json.loads(scene.posts[2].body) == [{"protocol": "grpc", "host": BOB, "port": bob[0].port}]
