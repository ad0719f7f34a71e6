# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet as a cluster: its registry, elections, reports, limits."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from ansible_collections.polarismesh.maintenance.plugins.module_utils._api import account, log_levels
from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import Client, Settings
from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import PolarisError
from tests.simulator import PROFILES, Fleet, PortInUseError

from .conftest import Ask

CHECKER = "/naming/v1/instances?namespace=Polaris&service=polaris.checker"
LEADERS = "/maintain/v1/leaders"
LEVELS = "/maintain/v1/log/outputlevel"
CONN = "/maintain/v1/apiserver/conn?protocol=grpc"
RELEASE = LEADERS + "/release"

Make = Callable[..., Fleet]
Eventually = Callable[[Callable[[], bool]], None]


def test_every_node_registers_its_grpc_port(make_fleet: Make, ask: Ask) -> None:
    fleet = make_fleet(nodes=3)
    found = ask(fleet.nodes[2], "GET", CHECKER).json()["instances"]
    assert {each["host"] for each in found} == {node.host for node in fleet.nodes}
    assert {(each["port"], each["protocol"]) for each in found} == {(fleet.nodes[0].grpc_port, "grpc")}
    assert {each["metadata"]["polaris_service"] for each in found} == {"polaris.checker"}
    # Builds of v1.13.0 to v1.18.1 do not know their own version.
    assert {each["version"] for each in found} == {"v0.1.0"}


def test_a_default_installation_registers_loopback(make_fleet: Make, ask: Ask) -> None:
    fleet = make_fleet(loopback=True, version="v1.18.1")
    found = ask(fleet.nodes[0], "GET", CHECKER).json()["instances"]
    assert [(each["host"], each["version"]) for each in found] == [("127.0.0.1", "v1.18.1")]


def test_the_report_gives_every_node_the_port_of_the_one_asked(make_fleet: Make, ask: Ask) -> None:
    fleet = make_fleet(nodes=2)
    fleet.store.clients.append({"id": "sdk", "host": "10.0.0.1", "port": 9100, "path": "/m"})
    report = ask(fleet.nodes[0], "GET", "/maintain/v1/report/clients", token=None).json()
    assert report["Code"] == 200000
    targets = {each["targets"][0]: each["labels"] for each in report["Response"]}
    assert set(targets) == {"10.0.0.1:9100", *(f"{node.host}:{node.port}" for node in fleet.nodes)}
    assert targets["10.0.0.1:9100"]["__metrics_path__"] == "/m"
    assert ask(fleet.nodes[0], "GET", "/prometheus/v1/clients").json() == report["Response"]


def test_locations(fleet: Fleet, ask: Ask) -> None:
    assert ask(fleet.nodes[0], "GET", "/maintain/v1/cmdb/info").json() == []
    fleet.store.locations.append({"IP": "10.0.0.1", "Region": "r", "Zone": "z", "Campus": "c"})
    found = ask(fleet.nodes[0], "GET", "/maintain/v1/cmdb/info").json()
    assert (found[0]["IP"], found[0]["Region"], found[0]["RegionID"]) == ("10.0.0.1", "r", 0)


def leaders(ask: Ask, fleet: Fleet, node: int = 0) -> dict[str, tuple[str, bool]]:
    found = ask(fleet.nodes[node], "GET", LEADERS).json()
    return {each["ElectKey"]: (each["Host"], each["Valid"]) for each in found}


@pytest.mark.parametrize(
    ("profile", "keys"), [(name, PROFILES[name].elections) for name in ("v1.14.2", "v1.18.1", "head")]
)
def test_elections_per_version(make_fleet: Make, ask: Ask, profile: str, keys: tuple[str, ...]) -> None:
    assert set(leaders(ask, make_fleet(profile=profile))) == set(keys)


def test_on_boltdb_a_released_leadership_never_comes_back(make_fleet: Make, ask: Ask) -> None:
    fleet = make_fleet(nodes=2, election_tick=0.01)
    key = "MaintainJob.CleanDeletedInstances"
    assert leaders(ask, fleet)[key] == (fleet.nodes[0].host, True)
    assert leaders(ask, fleet, 1)[key] == (fleet.nodes[1].host, True)
    assert ask(fleet.nodes[0], "POST", RELEASE, {"ElectKey": key}).text == '"ok"'
    time.sleep(0.3)
    assert leaders(ask, fleet)[key] == (fleet.nodes[0].host, False)
    assert leaders(ask, fleet, 1)[key] == (fleet.nodes[1].host, True)
    assert ask(fleet.nodes[0], "POST", RELEASE, {"electKey": key}).text == '"ok"'


def test_on_mysql_only_the_leader_can_release(make_fleet: Make, ask: Ask, eventually: Eventually) -> None:
    fleet = make_fleet(nodes=2, store="mysql", election_tick=0.02)
    key = "polaris.checker"
    first = leaders(ask, fleet)[key][0]
    leader = [node.host for node in fleet.nodes].index(first)
    assert leaders(ask, fleet, 1) == leaders(ask, fleet, 0)
    assert ask(fleet.nodes[1 - leader], "POST", RELEASE, {"electKey": key}).text == '"ok"'
    time.sleep(0.4)
    assert leaders(ask, fleet)[key] == (first, True)
    assert ask(fleet.nodes[leader], "POST", RELEASE, {"electKey": key}).text == '"ok"'
    eventually(lambda: leaders(ask, fleet)[key] == (fleet.nodes[1 - leader].host, True))


@pytest.mark.parametrize("store", ["boltdb", "mysql"])
def test_an_unknown_election(make_fleet: Make, ask: Ask, store: str) -> None:
    answer = ask(make_fleet(store=store).nodes[0], "POST", RELEASE, {"electKey": "nothing"})
    assert (answer.status, answer.text) == (400, "LeaderElection(nothing) not started")


@pytest.mark.parametrize(
    ("profile", "status", "of_ip", "of_api"),
    [("v1.12.2", 403, 403001, 403002), ("v1.14.2", 429, 429002, 403003), ("v1.18.1", 429, 429002, 403003)],
)
def test_rate_limits(make_fleet: Make, ask: Ask, profile: str, status: int, of_ip: int, of_api: int) -> None:
    fleet = make_fleet(profile=profile, rate_limit="ip", rate_limit_quota=2, rate_limit_refill=0.0)
    node = fleet.nodes[0]
    statuses = [ask(node, "GET", LEVELS).status for _dummy in range(3)]
    assert statuses == [200, 200, status]
    answer = ask(node, "GET", LEVELS)
    assert answer.json()["code"] == of_ip
    assert ask(node, "GET", "/metrics").status == 200
    client = Client(Settings(url=node.url, token=fleet.tokens.owner, retries=0))
    for ask_again in (lambda: log_levels.read(client), lambda: account.login(client, "polaris", "polaris")):
        with pytest.raises(PolarisError, match=r"limits the request rate \(server limit the ip access\)") as caught:
            ask_again()
        assert caught.value.kind == "refused"
    node.set("rate_limit", "api")
    assert ask(node, "GET", LEVELS).status == 200
    assert [ask(node, "GET", CONN).json() for _dummy in range(3)][2]["code"] == of_api
    client.close()


def test_requests_are_recorded(make_fleet: Make, ask: Ask) -> None:
    fleet = make_fleet(nodes=2)
    ask(fleet.nodes[1], "PUT", "/maintain/v1/log/outputlevel?a=1&a=2", {"scope": "x"})
    ask(fleet.nodes[0], "GET", "/nothing", headers={"X-Mine": "1"})
    first, second = fleet.requests
    assert (first.node, first.method, first.path, first.query) == (1, "PUT", "/maintain/v1/log/outputlevel", {"a": "1"})
    assert (first.body, first.status) == ('{"scope": "x"}', 400)
    assert (second.status, second.headers["x-mine"], second.peer.partition(":")[0]) == (404, "1", "127.0.0.1")
    assert len(fleet.nodes[0].requests) == 1
    fleet.clear_requests()
    assert fleet.requests == []


def test_latency(make_fleet: Make, ask: Ask) -> None:
    node = make_fleet(latency=0.2).nodes[0]
    started = time.monotonic()
    ask(node, "GET", "/")
    assert time.monotonic() - started >= 0.2


@pytest.mark.parametrize("how", ["python", "http"])
def test_a_node_can_be_down_for_a_while(make_fleet: Make, ask: Ask, eventually: Eventually, how: str) -> None:
    fleet = make_fleet(nodes=2)
    first, second = fleet.nodes
    first.levels["naming"] = "debug"
    if how == "python":
        first.stop()
    else:
        assert ask(first, "POST", "/_simulator/stop").status == 200
    with pytest.raises(ConnectionRefusedError):
        ask(first, "GET", "/")
    assert ask(second, "GET", "/").status == 200
    if how == "python":
        first.start()
    else:
        ask(second, "POST", "/_simulator/start")
        eventually(lambda: bool(first.listening))
    assert ask(first, "GET", "/").status == 200
    assert first.levels["naming"] == "info"


def test_a_huge_batch_kills_a_boltdb_server_that_has_something_to_clean(make_fleet: Make, ask: Ask) -> None:
    fleet = make_fleet()
    node, path, body = fleet.nodes[0], "/maintain/v1/instance/batchclean", {"batch_size": 4294967295}
    assert ask(node, "POST", path, body).json() == {"rows_affected": 0}
    fleet.store.deregister(fleet.store.register("s").id, ago=700)
    with pytest.raises(ConnectionError):
        ask(node, "POST", path, body)
    with pytest.raises(ConnectionRefusedError):
        ask(node, "GET", "/")
    mysql = make_fleet(store="mysql")
    mysql.store.deregister(mysql.store.register("s").id, ago=700)
    assert ask(mysql.nodes[0], "POST", path, body).json() == {"rows_affected": 1}


def test_two_fleets_do_not_share_a_port_unless_told_to(make_fleet: Make) -> None:
    fleet = make_fleet(nodes=2)
    assert len({node.port for node in fleet.nodes} | {node.grpc_port for node in fleet.nodes}) == 2
    assert make_fleet(nodes=2).nodes[0].port != fleet.nodes[0].port
    with pytest.raises(PortInUseError, match=f"Port {fleet.nodes[0].port} on 127.0.1.1 is in use"):
        make_fleet(port=fleet.nodes[0].port)


@pytest.mark.parametrize(
    "options",
    [
        {"profile": "v0"},
        {"store": "redis"},
        {"nodes": 0},
        {"auth": "maybe"},
        {"timezone": "Berlin"},
        {"nonsense": 1},
        {"address": "localhost"},
        {"conn_limit": "perhaps"},
    ],
)
def test_wrong_options_are_named(options: dict[str, object]) -> None:
    name, value = next(iter(options.items()))
    with pytest.raises(ValueError, match=rf"(?s){name}|{value}|one node"):
        Fleet(**options)  # type: ignore[arg-type]


def test_a_thousand_nodes(make_fleet: Make, ask: Ask) -> None:
    fleet = make_fleet(nodes=1000)
    assert fleet.nodes[999].host == "127.0.4.232"
    assert ask(fleet.nodes[999], "GET", CHECKER + "&offset=950").json()["size"] == 50
