# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections: what servers list, what they close, and the pitfalls that the client code avoids."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ansible_collections.polarismesh.maintenance.plugins.module_utils._api import connections
from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import PolarisError
from ansible_collections.polarismesh.maintenance.plugins.modules import polaris_conn_close
from tests.clients import ALICE, BOB, CAROL, Clients, Connection, ended, until
from tests.contract.server import Server

STATS = "/maintain/v1/apiserver/conn/stats"
CLOSE = "/maintain/v1/apiserver/conn/close"


@pytest.fixture
def clients(server: Server) -> Iterator[Clients]:
    if not server.grpc[0].startswith("127."):
        pytest.skip("clients with other addresses need a server on loopback")
    with Clients() as opened:
        yield opened


def listed(server: Server, host: str, protocol: str = "grpc") -> set[str]:
    """Use a request that shares no code with the code under test."""
    reply = server.call("GET", STATS, params={"protocol": protocol, "host": host})
    return {address for entry in reply.json()["Stats"] for address in entry["Actives"]}


def connect(server: Server, clients: Clients, source: str, count: int = 1) -> list[Connection]:
    """New gRPC connections, once the server lists them."""
    made = clients.connect(server.grpc, source, count)
    assert until(lambda: {each.address for each in made} <= listed(server, source))
    return made


def test_what_is_listed(server: Server, clients: Clients) -> None:
    alice, bob = connect(server, clients, ALICE, 2), connect(server, clients, BOB)
    stats = connections.stats(server.client(), "grpc")
    assert stats is not None
    assert stats.listener_total >= 3
    by_host = {entry.host: entry for entry in stats.hosts}
    assert by_host[ALICE].actives == tuple(each.address for each in alice)
    assert by_host[ALICE].amount == 2
    assert by_host[ALICE].last_access is not None
    assert by_host[BOB].ports == {bob[0].port}
    one = connections.stats(server.client(), "grpc", ALICE)
    assert one is not None
    assert [entry.host for entry in one.hosts] == [ALICE]
    large = connections.stats(server.client(), "grpc", None, 2)
    assert large is not None
    assert BOB not in [entry.host for entry in large.hosts]
    assert ALICE in [entry.host for entry in large.hosts]
    none = connections.stats(server.client(), "grpc", "10.9.9.9")
    assert none is not None
    assert none.hosts == ()


def test_our_end_of_the_connection_is_what_the_server_lists(server: Server) -> None:
    stats = connections.stats(server.client(), "http")
    assert stats is not None
    assert stats.own in {address for entry in stats.hosts for address in entry.actives}


@pytest.mark.parametrize("protocol", ["l5pb", "GRPC", "service-grpc"])
def test_a_protocol_that_is_not_counted(server: Server, protocol: str) -> None:
    """No server has these names, whatever its configuration: l5pb has no connection limit."""
    assert connections.stats(server.client(), protocol) is None


def test_the_named_ports_and_no_others(server: Server, clients: Clients) -> None:
    alice, bob = connect(server, clients, ALICE, 4), connect(server, clients, BOB)
    connections.close(server.client(), "grpc", ALICE, [alice[0].port, alice[2].port])
    assert ended([alice[0], alice[2]])
    assert all(each.open for each in [alice[1], alice[3], *bob])
    assert listed(server, ALICE) == {alice[1].address, alice[3].address}


# All but the published dialect, in which the close has another path.
RELEASES = ("v1.8.0", "v1.12.2", "v1.14.1", "v1.16.0", "v1.17.1", "v1.18.1", "head")


@pytest.mark.profiles(*RELEASES)
@pytest.mark.parametrize("entries", ["gone", "twice"])
def test_why_the_module_reads_before_it_closes(server: Server, clients: Clients, entries: str) -> None:
    """A port that is not open, or is named twice, closes every connection of the host, with the same answer."""
    alice, bob = connect(server, clients, ALICE, 3), connect(server, clients, BOB)
    entry = {"Protocol": "grpc", "Host": ALICE, "Port": alice[0].port}
    if entries == "gone":
        alice[0].close()
        assert until(lambda: len(listed(server, ALICE)) == 2)
    reply = server.call("POST", CLOSE, [entry] * (2 if entries == "twice" else 1))
    assert (reply.status_code, reply.content) == (200, b"")
    assert ended(alice[1:])
    assert bob[0].open


def test_a_close_for_an_uncounted_protocol_is_ignored(server: Server) -> None:
    """This is why the module reads the statistics first."""
    connections.close(server.client(), "l5pb", ALICE, [1])


def test_an_account_that_is_not_the_owner_closes_nothing(server: Server, clients: Clients) -> None:
    alice = connect(server, clients, ALICE)
    client = server.client(server.sub_token())
    if server.has("GET", "/maintain/v1/server/functions"):  # HEAD: without a policy it may not even read
        with pytest.raises(PolarisError) as refused:
            connections.stats(client, "grpc", ALICE)
        assert refused.value.kind == "permission"
    else:
        assert connections.stats(client, "grpc", ALICE) is not None
    with pytest.raises(PolarisError) as caught:
        connections.close(client, "grpc", ALICE, [alice[0].port])
    assert caught.value.kind == "permission"
    assert alice[0].open


def test_without_a_token(server: Server) -> None:
    with pytest.raises(PolarisError) as caught:
        connections.stats(server.client(None), "grpc")
    assert caught.value.kind == "auth"


def test_the_module_closes_a_host_and_a_port_and_spares_the_rest(server: Server, clients: Clients) -> None:
    alice, bob, carol = (connect(server, clients, host, 3) for host in (ALICE, BOB, CAROL))
    item = {"protocol": "grpc", "port": None, "min_connections": None}
    options = {
        "connections": [{**item, "host": ALICE}, {**item, "host": BOB, "port": bob[1].port}],
        "max_connections": 4,
    }
    result = polaris_conn_close.run(server.client(), options, False)
    assert ended([*alice, bob[1]])
    assert all(each.open for each in [bob[0], bob[2], *carol])
    assert result["count"] == 4
    assert result["remaining"] == result["not_closed"] == result["warnings"] == []
    assert polaris_conn_close.run(server.client(), options, False)["changed"] is False
    assert all(each.open for each in [bob[0], bob[2], *carol])


def test_the_module_leaves_its_own_connection_open(server: Server, clients: Clients) -> None:
    host, port = server.url.rpartition("//")[2].split(":")
    if not host.startswith("127.") or not server.disposable:
        pytest.skip("closes all HTTP connections of this machine")
    me = clients.connect((host, int(port)), "127.0.0.1", 2)
    assert until(lambda: {each.address for each in me} <= listed(server, "127.0.0.1", "http"))
    options = {
        "connections": None,
        "protocol": "http",
        "host": "127.0.0.1",
        "port": None,
        "min_connections": None,
        "max_connections": None,
    }
    result = polaris_conn_close.run(server.client(), options, False)
    assert ended(me)
    assert result["remaining"] == []
    # The first answer may still list a connection of this test itself, which the second does not.
    left = [entry["reason"] for entry in result["not_closed"] if entry["reason"] != "not_open"]
    assert left == ["own_connection"]
