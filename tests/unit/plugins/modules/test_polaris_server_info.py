# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server is and can do, as far as this is known."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from ansible_collections.polarismesh.maintenance.plugins.module_utils._addresses import address_among, sibling_url
from ansible_collections.polarismesh.maintenance.plugins.module_utils._api import account, server
from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import Client
from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import PolarisError
from ansible_collections.polarismesh.maintenance.plugins.module_utils._model import ConnStats, HostConnections, Instance
from ansible_collections.polarismesh.maintenance.plugins.modules import (
    polaris_conn_info,
    polaris_leader_info,
    polaris_log_level_info,
    polaris_memory_info,
)
from ansible_collections.polarismesh.maintenance.plugins.modules.polaris_server_info import (
    RETURN,
    credible,
    node_list,
    oldest_version,
    own_connections,
    run,
    version_key,
    version_of,
)
from tests.simulator import Fault, Fleet

MakeFleet = Callable[..., Fleet]
MakeClient = Callable[..., Client]


def instance(host: str, version: str | None = "v1.18.1", port: int = 8091, protocol: str = "grpc") -> Instance:
    return Instance(
        id=f"{host}:{port}",
        service="polaris.checker",
        namespace="Polaris",
        vpc_id=None,
        host=host,
        port=port,
        protocol=protocol,
        version=version,
        priority=0,
        weight=100,
        healthy=True,
        isolated=False,
        health_check=True,
        ttl=5,
        location={},
        metadata={"build-revision": "x"},
    )


def look(client: Client, *gather: str, probe_defaults: bool = False, nodes_share: str | None = None) -> dict[str, Any]:
    return run(client, {"gather": list(gather), "probe_defaults": probe_defaults, "nodes_share": nodes_share}, False)


@pytest.mark.parametrize(
    ("version", "key"),
    [
        ("v1.18.1", (1, 18, 1)),
        ("1.9.0", (1, 9, 0)),
        ("v1.19.0-alpha.0", (1, 19, 0)),
        ("master", None),
        ("", None),
        (None, None),
    ],
)
def test_versions_compare_as_numbers(version: str | None, key: tuple[int, ...] | None) -> None:
    assert version_key(version) == key


@pytest.mark.parametrize(
    ("features", "switches", "shown", "oldest"),
    [
        ({}, None, None, "v1.8.0"),
        ({"memory_free": True, "leader_info": None}, {"auth": True}, "go_memstats_sys_bytes 1", "v1.8.0"),
        ({"instance_batch_clean": False}, None, "go_memory_classes_total_bytes 1", "v1.11.0"),
        ({"instance_batch_clean": True}, None, None, "v1.13.0"),
        ({"instance_batch_clean": True, "leader_info": True}, None, None, "v1.14.0"),
        ({"client_info": True, "leader_info": True}, {"auth": True}, None, "v1.16.0"),
        ({"client_info": True}, {"auth": True, "consoleOpen": False}, None, "v1.17.2"),
        ({"pprof": True}, {"consoleOpen": True}, None, "v1.19.0"),
        # Not a kind of route.
        ({"metrics": True, "profile": True}, None, None, "v1.8.0"),
    ],
)
def test_the_oldest_version_that_has_it_all(
    features: dict[str, bool | None], switches: dict[str, bool] | None, shown: str | None, oldest: str
) -> None:
    assert oldest_version(features, switches, shown) == oldest


def test_the_version_is_that_of_the_own_entry() -> None:
    mixed = [instance("10.0.0.1", "v1.17.9"), instance("10.0.0.2", "v1.18.1")]
    assert version_of(mixed, "10.0.0.2") == "v1.18.1"
    assert version_of(mixed, None) is None
    assert version_of(mixed, "10.0.0.3") is None
    assert version_of(mixed[:1], None) == "v1.17.9"
    assert version_of([instance("10.0.0.1", None)], "10.0.0.1") is None
    assert version_of([], None) is None


def test_a_version_older_than_the_features_is_not_credible() -> None:
    assert not credible("v0.1.0", "v1.17.2")
    assert credible("v1.19.0-alpha.0", "v1.19.0")
    assert credible("v1.18.1", "v1.17.2")
    assert credible("of our own", "v1.17.2")


@pytest.mark.parametrize(
    ("label", "addresses", "nodes", "host"),
    [
        # The label is correct from v1.17.0 on ...
        ("10.0.0.2", {"cluster.example", "10.0.0.99"}, ["10.0.0.1", "10.0.0.2"], "10.0.0.2"),
        # ... and says nothing before, or on a node that does not know its address.
        ("127.0.0.1", {"10.0.0.1"}, ["10.0.0.1", "10.0.0.2"], "10.0.0.1"),
        (None, {"node1.example", "10.0.0.1"}, ["10.0.0.1", "10.0.0.2"], "10.0.0.1"),
        (None, {"127.0.0.1", "localhost"}, ["127.0.0.1"], "127.0.0.1"),
        # A name for the whole cluster.
        (None, {"10.0.0.1", "10.0.0.2"}, ["10.0.0.1", "10.0.0.2"], None),
        ("127.0.0.1", {"10.0.0.99"}, ["10.0.0.1", "10.0.0.2"], None),
        (None, {"10.0.0.1"}, [], None),
    ],
)
def test_which_of_the_nodes_a_server_is(
    label: str | None, addresses: set[str], nodes: list[str], host: str | None
) -> None:
    assert address_among(label, addresses, nodes) == host


def test_one_entry_for_each_address_with_the_url_that_is_known() -> None:
    nodes = [
        instance("10.0.0.1", port=8080, protocol="http"),
        instance("10.0.0.1"),
        instance("10.0.0.2"),
        instance("2001:db8::1"),
    ]
    listed = node_list(nodes, "https://polaris.example:8443", "10.0.0.2")
    assert [(node["host"], node["port"], node["url"]) for node in listed] == [
        ("10.0.0.1", 8091, "https://10.0.0.1:8080"),
        ("10.0.0.2", 8091, "https://polaris.example:8443"),
        ("2001:db8::1", 8091, "https://[2001:db8::1]:8443"),
    ]
    # A default installation, seen from another machine.
    assert node_list([instance("127.0.0.1")], "http://10.0.0.5:8090", None)[0]["url"] == "http://10.0.0.5:8090"
    assert sibling_url("http://polaris.example/api", "10.0.0.2") == "http://10.0.0.2:80/api"


@pytest.mark.parametrize(
    ("profile", "missing", "oldest", "switches"),
    [
        (
            "v1.12.2",
            [
                "instance_batch_clean",
                "leader_info",
                "leader_release",
                "cmdb_info",
                "client_info",
                "pprof",
                "server_functions",
            ],
            "v1.11.0",
            {"auth"},
        ),
        ("v1.14.2", ["client_info", "pprof", "server_functions"], "v1.14.0", {"auth"}),
        ("v1.17.1", ["pprof", "server_functions"], "v1.16.0", {"auth"}),
        ("v1.18.1", ["pprof", "server_functions"], "v1.17.2", {"auth", "clientOpen", "consoleOpen"}),
        ("head", [], "v1.19.0", {"auth", "clientOpen", "consoleOpen"}),
    ],
)
def test_what_is_found_by_version_without_running_anything(
    profile: str, missing: list[str], oldest: str, switches: set[str], make_fleet: MakeFleet, make_client: MakeClient
) -> None:
    fleet = make_fleet(nodes=2, profile=profile, version="v1.99.0", seed_instances=3)
    node = fleet.nodes[1]
    fleet.clear_requests()
    result = look(make_client(node, token=fleet.tokens.owner))
    assert result["is_polaris"]
    assert not result["changed"]
    assert sorted(name for name, there in result["features"].items() if not there) == sorted(missing)
    assert set(result["features"]) == {*server.FEATURES, "metrics", "profile"}
    assert set(yaml.safe_load(RETURN)["features"]["contains"]) == set(result["features"])
    assert result["oldest_version"] == oldest
    assert result["version"] == "v1.99.0"
    assert result["own_host"] == node.host
    assert [(entry["host"], entry["url"]) for entry in result["nodes"]] == [
        (each.host, each.url) for each in fleet.nodes
    ]
    assert set(result["auth"]) == switches
    assert result["auth"]["auth"] is True
    assert result["protocols"] == ["grpc", "http"]
    assert not result["warnings"]
    # No calls that write, and none that list all clients, leaders or locations.
    assert {request.method for request in fleet.requests} == {"GET"}
    ran = [request.path for request in fleet.requests if request.status == 200]
    assert not [path for path in ran if path.startswith("/maintain") and not path.startswith("/maintain/v1/apiserver")]
    assert "service_token" not in str(result)


def test_an_account_without_rights_still_learns_most(fleet: Fleet, make_client: MakeClient) -> None:
    result = look(make_client(fleet.nodes[0], token="no-such-token"))
    assert result["is_polaris"]
    assert result["features"]["leader_info"] is True
    assert result["features"]["pprof"] is False
    assert result["oldest_version"] == "v1.17.2"
    assert result["auth"]["consoleOpen"] is True
    assert result["nodes"] is None
    assert result["version"] is None
    assert result["protocols"] is None
    assert len(result["warnings"]) == 2
    assert all("could not be read" in warning for warning in result["warnings"])
    assert {(entry["what"], entry["kind"]) for entry in result["not_read"]} == {
        ("nodes", "auth"),
        ("connections", "auth"),
    }


def test_a_build_without_a_version_gives_no_warning(make_fleet: MakeFleet, make_client: MakeClient) -> None:
    fleet = make_fleet(version="v0.1.0")
    result = look(make_client(fleet.nodes[0], token=fleet.tokens.owner))
    assert result["version"] is None
    assert result["nodes"][0]["version"] == "v0.1.0"
    assert result["warnings"] == []


def test_a_version_that_cannot_be_right(make_fleet: MakeFleet, make_client: MakeClient) -> None:
    fleet = make_fleet(version="v1.2.3")
    result = look(make_client(fleet.nodes[0], token=fleet.tokens.owner))
    assert result["version"] is None
    assert "registered itself as v1.2.3" in result["warnings"][0]


def test_parts_of_the_api_that_are_switched_off(make_fleet: MakeFleet, make_client: MakeClient) -> None:
    fleet = make_fleet(nodes=2, conn_limit=False)
    first, second = fleet.nodes
    first.set("console", False)
    second.set("admin", False)
    result = look(make_client(first, token=fleet.tokens.owner))
    assert result["is_polaris"]
    assert result["auth"] is None
    assert result["nodes"] is None
    assert result["protocols"] == []
    assert result["features"]["memory_free"] is True
    assert any("console API switched off" in warning for warning in result["warnings"])
    result = look(make_client(second, token=fleet.tokens.owner))
    assert result["is_polaris"]
    assert result["features"]["memory_free"] is False
    assert result["features"]["metrics"] is True
    assert result["protocols"] is None
    assert any("maintenance API switched off" in warning for warning in result["warnings"])


def enlarged(fleet: Fleet, size: int) -> list[str]:
    """Register other nodes until the cluster has this size, all in the same second; the addresses of all."""
    for row in fleet.store.rows.values():
        row.modified = 1e9
    for number in range(size - len(fleet.nodes)):
        fleet.store.register(
            "polaris.checker", "Polaris", f"10.{number // 250}.0.{number % 250}", 8091, version="v1.18.1", modified=1e9
        )
    return sorted(f"{row.host}:{row.port}" for row in fleet.store.rows.values() if row.service == "polaris.checker")


def test_many_tasks_read_the_nodes_of_a_large_cluster_together(make_fleet: MakeFleet, make_client: MakeClient) -> None:
    fleet = make_fleet(nodes=2, store="mysql", version="v1.18.1")
    everything = enlarged(fleet, 250)
    found: set[str] = set()
    for number in range(1, 71):
        node = fleet.nodes[number % 2]
        fleet.clear_requests()
        result = look(make_client(node, token=fleet.tokens.owner), nodes_share=f"{number}/70")
        # Two pages, and one look for its own entry if it is on neither; the whole list needs 20 requests.
        assert len([one for one in fleet.requests if one.path == "/naming/v1/instances"]) <= 3
        assert result["node_count"] == 250
        assert result["nodes"] is None
        assert (result["own_host"], result["version"]) == (node.host, "v1.18.1")
        found.update(result["node_addresses"])
    assert sorted(found) == everything


def test_each_page_has_its_tasks(make_fleet: MakeFleet, make_client: MakeClient) -> None:
    fleet = make_fleet(profile="v1.17.1")
    everything = enlarged(fleet, 250)
    client = make_client(fleet.nodes[0], token=fleet.tokens.owner)
    # This version always returns the same order.
    found = {address for number in (1, 2) for address in look(client, nodes_share=f"{number}/60")["node_addresses"]}
    assert sorted(found) == everything


@pytest.mark.parametrize(("size", "tasks"), [(250, 59), (99, 1)])
def test_too_few_tasks_read_all_nodes_each(
    size: int, tasks: int, make_fleet: MakeFleet, make_client: MakeClient
) -> None:
    fleet = make_fleet(nodes=2)
    fleet.store.register("polaris.checker", "Polaris", "fd00::5", 8091, version="v1.18.1")
    everything = {address.replace("fd00::5", "[fd00::5]") for address in enlarged(fleet, size - 1)}
    result = look(make_client(fleet.nodes[0], token=fleet.tokens.owner), nodes_share=f"1/{tasks}")
    assert set(result["node_addresses"]) == everything
    assert result["node_count"] == size == len(everything)


def test_without_its_own_entry_the_version_of_a_node_is_unknown(make_fleet: MakeFleet, make_client: MakeClient) -> None:
    fleet = make_fleet(nodes=2, store="mysql", version="v1.18.1")
    enlarged(fleet, 250)
    for row in list(fleet.store.rows.values()):
        if row.service == "polaris.checker" and row.host == fleet.nodes[0].host:
            fleet.store.remove(row.id)
    fleet.nodes[0].fault("GET", "/metrics", Fault("status", status=404))
    result = look(make_client(fleet.nodes[0], token=fleet.tokens.owner), nodes_share="1/70")
    assert (result["own_host"], result["version"]) == (None, None)


@pytest.mark.parametrize("wrong", ["", "3", "0/5", "6/5", "1/5/9", "a/b"])
def test_an_invalid_share_is_refused_before_anything_is_sent(wrong: str, fleet: Fleet, make_client: MakeClient) -> None:
    client = make_client(fleet.nodes[0], token=fleet.tokens.owner)
    fleet.clear_requests()
    with pytest.raises(PolarisError, match="such as 3/200"):
        look(client, nodes_share=wrong)
    assert not fleet.requests


def test_another_server_is_a_result_and_not_a_failure(fleet: Fleet, make_client: MakeClient) -> None:
    fleet.nodes[0].fault("*", "*", Fault("status", status=200, body="<html>Welcome</html>"))
    client = make_client(fleet.nodes[0], token=fleet.tokens.owner)
    nothing: dict[str, Any] = {
        "changed": False,
        "is_polaris": False,
        **dict.fromkeys(["version", "oldest_version", "features", "own_host", "nodes", "auth", "protocols", "lets_in"]),
        "not_read": [],
    }
    assert look(client) == nothing
    more = dict.fromkeys(["connections", "own_connections", "node_addresses", "node_count"])
    assert look(client, "connections", nodes_share="1/2") == {**nothing, **more}


def test_a_gateway_that_hides_calls_leaves_them_open(fleet: Fleet, make_client: MakeClient) -> None:
    fleet.nodes[0].fault("*", "/maintain/v1/leaders*", Fault("status", status=403, body="forbidden by the gateway"))
    result = look(make_client(fleet.nodes[0], token=fleet.tokens.owner))
    assert result["features"]["leader_info"] is None
    assert result["features"]["leader_release"] is None
    assert result["features"]["cmdb_info"] is True


def test_nothing_listens_is_a_failure(make_client: MakeClient) -> None:
    with pytest.raises(PolarisError) as caught:
        look(make_client("http://127.0.0.1:1"))
    assert caught.value.kind == "unreachable"


# --- gather ----------------------------------------------------------------------------------------------------------

PARTS = {"levels", "connections", "memory", "leaders", "functions"}


def test_one_task_reads_a_whole_node_as_the_modules_do(make_fleet: MakeFleet, make_client: MakeClient) -> None:
    fleet = make_fleet(profile="head", store="mysql")
    client = make_client(fleet.nodes[0], token=fleet.tokens.owner, parallel=4)
    result = look(client, "all")
    assert result["levels"] == polaris_log_level_info.run(client, {}, False)["levels"]
    leaders = polaris_leader_info.run(client, {}, False)["leaders"]
    # A leader updates its mtime all the time.
    assert [{**one, "mtime": None} for one in result["leaders"]] == [{**one, "mtime": None} for one in leaders]
    assert result["memory"] == polaris_memory_info.run(client, {}, False)["memory"]
    assert result["functions"] == server.functions(client)
    protocol = {"protocol": "grpc", "host": None, "min_connections": None, "node_hosts": False}
    grpc = polaris_conn_info.run(client, protocol, False)
    assert result["connections"]["grpc"] == {key: grpc[key] for key in result["connections"]["grpc"]}
    assert result["connections"]["eureka"] is None
    assert result["not_read"] == []
    assert all(result[part] for part in PARTS)


def test_connections_of_the_probes_are_own_connections(fleet: Fleet, make_client: MakeClient) -> None:
    client = make_client(fleet.nodes[0], token=fleet.tokens.owner)
    fleet.clear_requests()
    look(client, "connections", probe_defaults=True)
    assert {request.peer for request in fleet.requests} == client.own_addresses


def test_connections_of_the_task_itself_that_have_other_names_there_are_unknown() -> None:
    entry = HostConnections("10.9.0.1", 2, None, ("10.9.0.1:7000", "10.9.0.1:7001"))
    stats = {"http": ConnStats("http", 2, (entry,), ""), "grpc": None}
    assert own_connections(stats, {"10.9.0.1:7000"}) == 1
    assert own_connections(stats, {"172.17.0.2:7000"}) is None
    assert own_connections({"http": None}, {"10.9.0.1:7000"}) is None


def test_only_what_is_asked_for_is_read(fleet: Fleet, make_client: MakeClient) -> None:
    client = make_client(fleet.nodes[0], token=fleet.tokens.owner)
    assert PARTS & set(look(client)) == set()
    fleet.clear_requests()
    assert PARTS & set(look(client, "levels", "memory")) == {"levels", "memory"}
    ran = [request.path for request in fleet.requests if request.status == 200]
    assert ran.count("/metrics") == 1
    assert "/maintain/v1/leaders" not in ran


@pytest.mark.parametrize("account", ["owner", "nobody"])
@pytest.mark.parametrize("profile", ["v1.12.2", "v1.18.1", "head"])
def test_what_is_read_shows_the_same_features_as_a_check_of_the_routes(
    profile: str, account: str, make_fleet: MakeFleet, make_client: MakeClient
) -> None:
    fleet = make_fleet(profile=profile)
    client = make_client(fleet.nodes[0], token=getattr(fleet.tokens, account, "no-such-token"))
    checked = look(client)["features"]
    fleet.clear_requests()
    assert look(client, "all")["features"] == checked
    calls = [request.path for request in fleet.requests]
    if account == "owner":
        assert calls.count("/maintain/v1/log/outputlevel") == 1


def test_what_a_server_does_not_have_is_null_and_not_a_failure(make_fleet: MakeFleet, make_client: MakeClient) -> None:
    fleet = make_fleet(profile="v1.12.2", metrics="none")
    fleet.nodes[0].set("pprof", False)
    result = look(make_client(fleet.nodes[0], token=fleet.tokens.owner), "all")
    assert (result["leaders"], result["functions"], result["memory"], result["not_read"]) == (None, None, None, [])
    assert result["levels"]


def test_a_part_that_cannot_be_read_hides_no_other(fleet: Fleet, make_client: MakeClient) -> None:
    fleet.nodes[0].fault("GET", "/maintain/v1/log/outputlevel", Fault("status", status=500, body="boom"))
    result = look(make_client(fleet.nodes[0], token=fleet.tokens.owner), "levels", "leaders", "connections")
    assert result["levels"] is None
    assert [(entry["what"], entry["kind"]) for entry in result["not_read"]] == [("levels", "server")]
    assert "boom" in result["not_read"][0]["msg"]
    assert result["leaders"]
    assert result["connections"]["grpc"]["limit_enabled"]


def test_no_more_requests_at_a_time_than_allowed(fleet: Fleet, make_client: MakeClient) -> None:
    client = make_client(fleet.nodes[0], token=fleet.tokens.owner, parallel=2)
    under_way, most, lock, send = 0, 0, threading.Lock(), client.send

    def counted(request: Any) -> Any:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        try:
            return send(request)
        finally:
            with lock:
                under_way -= 1

    client.send = counted  # type: ignore[method-assign]
    look(client, "all")
    assert most == 2


# --- who has access --------------------------------------------------------------------------------------------------


def test_access_is_only_tried_on_request(fleet: Fleet, make_client: MakeClient) -> None:
    assert look(make_client(fleet.nodes[0], token=fleet.tokens.owner))["lets_in"] is None
    assert {request.method for request in fleet.requests} == {"GET"}


def test_the_probes_never_send_the_account_of_the_task(fleet: Fleet, make_client: MakeClient) -> None:
    client = make_client(fleet.nodes[0], token="token-of-the-task")
    # A token from a login is in the session only, not in the settings.
    client.use_token(fleet.tokens.owner)
    before = account.switches(client)
    fleet.clear_requests()
    found = {who: account.lets_in(client, who) for who in account.PROBES}
    assert found == {"anyone": False, "default_token": False, "default_password": True}
    sent = [(request.method, request.headers.get("x-polaris-token")) for request in fleet.requests]
    assert sent == [("GET", token) if token else ("POST", None) for token in account.PROBES.values()]
    assert account.switches(client) == before


def test_who_has_access_to_a_new_server(fleet: Fleet, make_client: MakeClient) -> None:
    result = look(make_client(fleet.nodes[0], token=fleet.tokens.owner), probe_defaults=True)
    assert result["lets_in"] == {"anyone": False, "default_token": False, "default_password": True}
    assert result["not_read"] == result["warnings"] == []


def test_the_published_token(make_fleet: MakeFleet, make_client: MakeClient) -> None:
    fleet = make_fleet(owner_token=account.PROBES["default_token"])
    result = look(make_client(fleet.nodes[0], token=fleet.tokens.owner), probe_defaults=True)
    assert result["lets_in"]["default_token"] is True


def test_without_authentication_the_published_token_proves_nothing(
    make_fleet: MakeFleet, make_client: MakeClient
) -> None:
    result = look(make_client(make_fleet(auth="open").nodes[0]), probe_defaults=True)
    assert (result["lets_in"]["anyone"], result["lets_in"]["default_token"]) == (True, None)


def test_a_login_counts_where_the_maintenance_api_is_switched_off(fleet: Fleet, make_client: MakeClient) -> None:
    fleet.nodes[0].set("admin", False)
    result = look(make_client(fleet.nodes[0], token=fleet.tokens.owner), probe_defaults=True)
    assert result["lets_in"] == {"anyone": None, "default_token": None, "default_password": True}


@pytest.mark.parametrize(
    ("fault", "known"),
    [
        (Fault("status", status=401, body='{"code": 401001, "info": "wrong password"}'), False),
        (Fault("status", status=404, body="404: Page Not Found"), None),
        (Fault("status", status=500, body="boom"), None),
    ],
)
def test_a_login_that_failed(fault: Fault, known: bool | None, fleet: Fleet, make_client: MakeClient) -> None:
    fleet.nodes[0].fault("POST", "/core/v1/user/login", fault)
    result = look(make_client(fleet.nodes[0], token=fleet.tokens.owner), probe_defaults=True)
    assert result["lets_in"]["default_password"] is known
    assert result["not_read"] == []
