# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections: real sockets, counted and really closed."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.simulator import Fleet, Node
from tests.simulator.connections import Host, Listener

from .conftest import Ask

CONN = "/maintain/v1/apiserver/conn"
CLOSE = CONN + "/close"
STATS = CONN + "/stats"
A, B = "127.0.2.1", "127.0.2.2"

Dial = Callable[..., socket.socket]
Open = Callable[[socket.socket], bool]
Eventually = Callable[[Callable[[], bool]], None]


def counts(ask: Ask, node: Node, protocol: str = "grpc") -> dict[str, int]:
    found: dict[str, int] = ask(node, "GET", f"{CONN}?protocol={protocol}").json()["Host"]
    return found


def three_and_two(node: Node, dial: Dial, eventually: Eventually) -> tuple[list[socket.socket], list[socket.socket]]:
    first = [dial(node.host, node.grpc_port, A) for _dummy in range(3)]
    second = [dial(node.host, node.grpc_port, B) for _dummy in range(2)]
    eventually(lambda: len(node.connections["grpc"]) == 5)
    return first, second


def address(connection: socket.socket) -> str:
    host, port = connection.getsockname()
    return f"{host}:{port}"


def test_connections_are_counted_per_host(fleet: Fleet, ask: Ask, dial: Dial, eventually: Eventually) -> None:
    node = fleet.nodes[0]
    first, second = three_and_two(node, dial, eventually)
    assert ask(node, "GET", f"{CONN}?protocol=grpc").json() == {"Protocol": "grpc", "Total": 5, "Host": {A: 3, B: 2}}
    assert ask(node, "GET", f"{CONN}?protocol=grpc&host={A}").json() == {"Protocol": "grpc", "Total": 5, "Host": {A: 3}}
    assert counts(ask, node, "grpc&host=10.9.9.9") == {"10.9.9.9": 0}
    stats = ask(node, "GET", f"{STATS}?protocol=grpc&amount=3").json()
    assert (stats["ActiveConnTotal"], stats["StatsTotal"], stats["StatsSize"]) == (5, 2, 1)
    assert stats["Stats"][0]["Host"] == A
    assert set(stats["Stats"][0]["Actives"]) == {address(each) for each in first}
    assert stats["Stats"][0]["LastAccess"].endswith("Z")
    everything = ask(node, "GET", f"{STATS}?protocol=grpc&amount=nonsense").json()
    assert {each["Host"]: each["Amount"] for each in everything["Stats"]} == {A: 3, B: 2}
    assert len(second) == 2


def test_the_caller_is_counted_for_http(fleet: Fleet, ask: Ask) -> None:
    assert counts(ask, fleet.nodes[0], "http") == {"127.0.0.1": 1}


def test_an_exact_port_closes_one_connection(
    fleet: Fleet, ask: Ask, dial: Dial, still_open: Open, eventually: Eventually
) -> None:
    node = fleet.nodes[0]
    first, second = three_and_two(node, dial, eventually)
    wanted = {"Protocol": "grpc", "Host": A, "Port": first[0].getsockname()[1]}
    answer = ask(node, "POST", CLOSE, [wanted])
    assert (answer.status, answer.text) == (200, "")
    assert [still_open(each) for each in first + second] == [False, True, True, True, True]
    assert counts(ask, node) == {A: 2, B: 2}


@pytest.mark.parametrize("port", [{}, {"Port": 0}, {"Port": 1}, {"Port": -5}, {"Port": 70000}])
def test_any_other_port_closes_the_whole_host_and_no_bystander(
    fleet: Fleet, ask: Ask, dial: Dial, still_open: Open, eventually: Eventually, port: dict[str, int]
) -> None:
    node = fleet.nodes[0]
    first, second = three_and_two(node, dial, eventually)
    assert ask(node, "POST", CLOSE, [{"Protocol": "grpc", "Host": A, **port}]).status == 200
    assert [still_open(each) for each in first + second] == [False, False, False, True, True]
    # The host stays listed with 0 until the counter is purged.
    assert counts(ask, node) == {A: 0, B: 2}


def test_a_purge_forgets_hosts_without_connections(
    make_fleet: Callable[..., Fleet], ask: Ask, dial: Dial, eventually: Eventually
) -> None:
    node = make_fleet(purge_interval=0.05, purge_expire=0.0).nodes[0]
    connection = dial(node.host, node.grpc_port, A)
    eventually(lambda: counts(ask, node) == {A: 1})
    connection.close()
    eventually(lambda: counts(ask, node) == {})


def test_a_host_that_was_busy_at_the_last_purge_stays_until_the_next() -> None:
    now = time.time()
    listener = Listener("grpc", purge_interval=1000, purge_expire=5, started=now - 1500)  # last purged 500 s ago
    listener.hosts = {A: Host(last_access=now - 600, emptied=now), B: Host(last_access=now - 600, emptied=now - 550)}
    assert listener.counts() == {A: 0}


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ("", 400, "EOF"),
        ("null", 200, ""),
        ("[]", 200, ""),
        ("{}", 400, "json: cannot unmarshal object into Go value of type []admin.ConnReq"),
        ('[{"Protocol": "grpc"}]', 400, "missing host"),
        ('[{"Host": "127.0.2.1"}]', 400, "missing protocol"),
        ('[{"Protocol": "nothing", "Host": "127.0.2.1"}]', 200, ""),
        ('[{"Protocol": "grpc", "Host": "127.0.2.1"}, {"Protocol": "grpc"}]', 400, "missing host"),
        (
            '[{"Protocol": "grpc", "Host": "127.0.2.1", "Port": "80"}]',
            400,
            "json: cannot unmarshal string into Go struct field ConnReq.Port of type int",
        ),
    ],
)
def test_a_close_that_names_nothing_closes_nothing(
    fleet: Fleet, ask: Ask, dial: Dial, still_open: Open, eventually: Eventually, body: str, status: int, text: str
) -> None:
    node = fleet.nodes[0]
    first, _dummy = three_and_two(node, dial, eventually)
    answer = ask(node, "POST", CLOSE, body)
    assert (answer.status, answer.text) == (status, text)
    assert all(still_open(each) for each in first)


def test_old_versions_name_their_own_package(make_fleet: Callable[..., Fleet], ask: Ask) -> None:
    node = make_fleet(profile="v1.14.2").nodes[0]
    assert ask(node, "POST", CLOSE, "{}").text.endswith("[]maintain.ConnReq")


def test_closing_ones_own_connection_cuts_the_answer_off(fleet: Fleet, ask: Ask) -> None:
    with pytest.raises(ConnectionError):
        ask(fleet.nodes[0], "POST", CLOSE, [{"Protocol": "http", "Host": "127.0.0.1"}])


def test_a_switched_off_limit_counts_no_protocol(
    make_fleet: Callable[..., Fleet], ask: Ask, dial: Dial, still_open: Open
) -> None:
    node = make_fleet(conn_limit=False).nodes[0]
    connection = dial(node.host, node.grpc_port, A)
    for path in (CONN, STATS):
        answer = ask(node, "GET", f"{path}?protocol=grpc")
        assert (answer.status, answer.text) == (400, "not found the protocol")
    assert ask(node, "POST", CLOSE, [{"Protocol": "grpc", "Host": A}]).status == 200
    assert still_open(connection)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("", "missing param protocol"),
        ("?protocol=HTTP", "not found the protocol"),
        ("?protocol=eureka", "not found the protocol"),
    ],
)
def test_protocols(fleet: Fleet, ask: Ask, query: str, text: str) -> None:
    answer = ask(fleet.nodes[0], "GET", CONN + query)
    assert (answer.status, answer.text) == (400, text)


def test_without_a_total_limit_the_total_is_zero(
    make_fleet: Callable[..., Fleet], ask: Ask, dial: Dial, eventually: Eventually
) -> None:
    node = make_fleet(max_conn_limit=0).nodes[0]
    dial(node.host, node.grpc_port, A)
    eventually(lambda: counts(ask, node) == {A: 1})
    assert ask(node, "GET", f"{CONN}?protocol=grpc").json()["Total"] == 0


def test_limits_refuse_by_closing(
    make_fleet: Callable[..., Fleet], dial: Dial, still_open: Open, eventually: Eventually
) -> None:
    node = make_fleet(max_conn_per_host=2, max_conn_limit=3).nodes[0]
    connections = [dial(node.host, node.grpc_port, A) for _dummy in range(3)]
    eventually(lambda: not still_open(connections[2]))
    assert [still_open(each) for each in connections] == [True, True, False]
    others = [dial(node.host, node.grpc_port, B), dial(node.host, node.grpc_port, "127.0.2.3")]
    assert [still_open(each) for each in others] == [True, False]


def test_ipv6_peers_are_not_counted(make_fleet: Callable[..., Fleet], ask: Ask, dial: Dial, still_open: Open) -> None:
    try:
        node = make_fleet(ipv6=True).nodes[0]
    except OSError:
        pytest.skip("This machine has no IPv6 loopback.")
    connection = dial("::1", node.grpc_port)
    assert still_open(connection)
    assert counts(ask, node) == {}
    ask(node, "POST", CLOSE, [{"Protocol": "grpc", "Host": "::1"}])
    assert still_open(connection)


def test_each_node_has_its_own_connections(
    make_fleet: Callable[..., Fleet], ask: Ask, dial: Dial, eventually: Eventually
) -> None:
    fleet = make_fleet(nodes=2)
    dial(fleet.nodes[0].host, fleet.nodes[0].grpc_port, A)
    eventually(lambda: counts(ask, fleet.nodes[0]) == {A: 1})
    assert counts(ask, fleet.nodes[1]) == {}


def test_the_grpc_port_keeps_anything_open_but_http(fleet: Fleet, dial: Dial, still_open: Open) -> None:
    node = fleet.nodes[0]
    preface = dial(node.host, node.grpc_port)
    preface.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert still_open(preface)
    http = dial(node.host, node.grpc_port)
    http.sendall(b"GET / HTTP/1.1\r\n\r\n")
    received: list[Any] = []
    with pytest.raises(ConnectionResetError):
        while True:
            received.append(http.recv(100))
    assert b"".join(received)[3:4] in (b"\x04", b"")


def test_last_access_is_in_the_zone_of_the_node(
    make_fleet: Callable[..., Fleet], ask: Ask, dial: Dial, eventually: Eventually
) -> None:
    node = make_fleet(timezone="+08:00").nodes[0]
    dial(node.host, node.grpc_port, A)
    eventually(lambda: bool(counts(ask, node)))
    stats = ask(node, "GET", f"{STATS}?protocol=grpc").json()
    assert stats["Stats"][0]["LastAccess"].endswith("+08:00")
