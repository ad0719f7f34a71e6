# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What servers report about themselves: routes, switches, nodes, leaders, clients, locations, profiles."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ansible_collections.polarismesh.maintenance.plugins.module_utils._advice import COUNTED_BY
from ansible_collections.polarismesh.maintenance.plugins.module_utils._api import (
    elections,
    memory,
    profiles,
    routes,
)
from ansible_collections.polarismesh.maintenance.plugins.module_utils._api import (
    server as server_api,
)
from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import PolarisError
from ansible_collections.polarismesh.maintenance.plugins.modules import (
    polaris_leader_release,
    polaris_pprof,
    polaris_profile,
    polaris_server_info,
)
from tests.clients import Clients
from tests.contract.server import Server

KEY = "polaris.checker"


def has_leaders(server: Server) -> bool:
    return server.has("GET", "/maintain/v1/leaders")


def test_the_banner(server: Server) -> None:
    assert routes.is_polaris(server.client(token=None))
    # This is why it is requested with a different Accept header.
    assert server.call("GET", "/", token=None).status_code == 406


def test_routes_are_found_without_running_them(server: Server) -> None:
    client = server.client(token=None)
    for route in server_api.FEATURES.values():
        assert routes.has_route(client, route) is server.has(route.method, route.path), route
    assert routes.has_route(client, routes.Route("GET", "/maintain/v1/nonsense")) is False


def test_the_facts_of_the_module(server: Server) -> None:
    result = polaris_server_info.run(server.client(), {"gather": [], "probe_defaults": False}, False)
    assert result["is_polaris"]
    assert result["features"]["conn_info"] is True
    assert result["features"]["leader_info"] is has_leaders(server)
    assert result["features"]["profile"] is True
    oldest = result["oldest_version"]
    assert ((polaris_server_info.version_key(oldest) or ()) >= (1, 17, 2)) is server.levels_as_list
    assert result["version"] is None or polaris_server_info.credible(result["version"], oldest)
    assert result["auth"]["auth"] is True
    assert {"grpc", "http"} <= set(result["protocols"]) <= set(COUNTED_BY)
    listed = server.call("GET", "/naming/v1/instances?namespace=Polaris&service=polaris.checker").json()["instances"]
    assert {node["host"] for node in result["nodes"]} == {entry["host"] for entry in listed}
    assert result["own_host"] in {node["host"] for node in result["nodes"]}
    tokens = [entry["service_token"] for entry in listed if entry.get("service_token")]
    assert not [token for token in tokens if token in str(result)]


@pytest.mark.profiles("v1.12.2", "v1.18.1")
def test_the_connections_of_the_task_itself_can_be_told_apart(server: Server) -> None:
    """Also those of the probes, which use separate clients."""
    client = server.client()

    def others() -> int:
        result = polaris_server_info.run(client, {"gather": ["connections"], "probe_defaults": True}, False)
        assert result["own_connections"] >= 1
        return int(result["connections"]["http"]["total"] - result["own_connections"])

    with Clients() as clients:
        url = urlsplit(server.url)
        clients.connect((str(url.hostname), int(url.port or 80)), "127.0.0.77", 3)
        server.until(lambda: others() == 3, "earlier connections to be gone")


def test_a_caller_without_an_account_learns_what_needs_none(server: Server) -> None:
    known = polaris_server_info.run(server.client(), {"gather": [], "probe_defaults": False}, False)
    result = polaris_server_info.run(server.client("no-such-token"), {"gather": [], "probe_defaults": False}, False)
    for key in ("is_polaris", "features", "oldest_version", "auth"):
        assert result[key] == known[key]
    assert result["nodes"] is None
    assert result["protocols"] is None


def test_the_server_knows_its_address(server: Server) -> None:
    nodes = [node.host for node in server_api.nodes(server.client())]
    assert server_api.own_address(server.client(), memory.metrics(server.client(token=None)), nodes) in nodes


def test_leaders(server: Server) -> None:
    if not has_leaders(server):
        with pytest.raises(PolarisError) as caught:
            elections.leaders(server.client())
        assert caught.value.kind == "unsupported"
        assert "needs Polaris v1.14.0 or later" in caught.value.msg
        return
    found = {leader.elect_key: leader for leader in elections.leaders(server.client())}
    raw = {entry["ElectKey"]: entry for entry in server.call("GET", "/maintain/v1/leaders").json()}
    assert found.keys() == raw.keys()
    assert KEY in found
    for key, leader in found.items():
        assert (leader.host, leader.valid) == (raw[key]["Host"], raw[key]["Valid"])
        assert leader.ctime == (raw[key]["Ctime"] or None)


def test_on_boltdb_a_leadership_never_comes_back(server: Server) -> None:
    if not has_leaders(server):
        pytest.skip("no such call")
    if not server.disposable:
        pytest.skip("would stop a job of a server that is not ours")
    client = server.client()
    # A cleaning job, if there is one: stopping it does less harm than stopping the health checks.
    key, ctime = min((leader.elect_key, leader.ctime) for leader in elections.leaders(client))
    if ctime is not None:
        pytest.skip("a MySQL store")
    wanted = {"elect_key": key, "force": False}
    with pytest.raises(PolarisError) as caught:
        polaris_leader_release.run(client, wanted, False)
    assert caught.value.kind == "guard"
    if polaris_leader_release.run(client, {**wanted, "force": True}, False)["changed"]:
        assert not next(leader for leader in elections.leaders(client) if leader.elect_key == key).valid
    assert not polaris_leader_release.run(client, {**wanted, "force": True}, False)["changed"]


def test_the_health_checks_are_not_given_up_by_accident(server: Server) -> None:
    if not has_leaders(server):
        pytest.skip("no such call")
    client = server.client()

    def of_checker() -> tuple[str, bool]:
        leader = next(leader for leader in elections.leaders(client) if leader.elect_key == KEY)
        return leader.host, leader.valid

    before = of_checker()
    try:
        # A node that does not lead has nothing to release.
        assert not polaris_leader_release.run(client, {"elect_key": KEY, "force": False}, False)["changed"]
    except PolarisError as error:
        assert error.kind == "guard"
    assert of_checker() == before


def test_what_the_server_says_to_a_wrong_key(server: Server) -> None:
    if not has_leaders(server):
        pytest.skip("no such call")
    with pytest.raises(PolarisError) as caught:
        elections.release(server.client(), "nonsense")
    assert caught.value.status == 400
    assert "LeaderElection(nonsense) not started" in str(caught.value.info)


def test_the_servers_are_among_the_clients(server: Server) -> None:
    if not server.has("GET", "/maintain/v1/report/clients"):
        with pytest.raises(PolarisError) as caught:
            server_api.reported_clients(server.client())
        assert caught.value.kind == "unsupported"
        return
    ids = {
        reported.labels.get("__meta_polaris_client_id") for reported in server_api.reported_clients(server.client(None))
    }
    nodes = server_api.nodes(server.client())
    assert {node.id for node in nodes} <= ids


def test_there_are_no_locations_without_a_plugin(server: Server) -> None:
    if not server.has("GET", "/maintain/v1/cmdb/info"):
        pytest.skip("no such call")
    assert isinstance(server_api.cmdb_locations(server.client()), list)


@pytest.mark.parametrize("kind", ["heap", "allocs", "goroutine", "profile", "trace"])
def test_profiles_are_saved(server: Server, kind: str, tmp_path: Path) -> None:
    options = {"kind": kind, "seconds": 1, "dest": str(tmp_path / "profile")}
    if kind == "trace" and not server.has("POST", "/maintain/v1/pprof/enable"):
        with pytest.raises(PolarisError) as caught:
            polaris_profile.run(server.client(None), options, False)
        assert caught.value.kind == "unsupported"
        return
    result = polaris_profile.run(server.client(None), options, False)
    content = Path(result["dest"]).read_bytes()
    assert len(content) == result["size"]
    assert polaris_profile.is_profile(io.BytesIO(content), kind)


@pytest.mark.sample
def test_go_opens_the_profiles(server: Server, tmp_path: Path) -> None:
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        pytest.skip("there is no Go")
    for kind in ("heap", "allocs", "goroutine", "profile"):
        options = {"kind": kind, "seconds": 1, "dest": str(tmp_path / kind)}
        saved = polaris_profile.run(server.client(None), options, False)["dest"]
        subprocess.run([go, "tool", "pprof", "-top", saved], capture_output=True, check=True)


def test_the_switch_of_profiles(server: Server) -> None:
    client = server.client(None)
    assert profiles.enabled(client)
    if not server.has("POST", "/maintain/v1/pprof/enable"):
        with pytest.raises(PolarisError) as caught:
            polaris_pprof.run(client, {"enabled": False}, False)
        assert caught.value.kind == "unsupported"
        assert "enablePprof" in caught.value.msg
        return
    try:
        assert polaris_pprof.run(client, {"enabled": False}, False)["changed"]
        assert not profiles.enabled(client)
        with pytest.raises(PolarisError) as caught:
            profiles.save(client, "heap", None, io.BytesIO())
        assert "polaris_pprof" in caught.value.msg
        # Memory figures still come from the metrics.
        assert memory.read(client) is not None
    finally:
        polaris_pprof.run(client, {"enabled": True}, False)
    assert profiles.enabled(client)
