# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lists of clients and locations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import Client
from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import PolarisError
from ansible_collections.polarismesh.maintenance.plugins.module_utils._model import ReportedClient
from ansible_collections.polarismesh.maintenance.plugins.modules import polaris_client_info, polaris_cmdb_info
from tests.simulator import Fault, Fleet

MakeFleet = Callable[..., Fleet]
MakeClient = Callable[..., Client]


@pytest.mark.parametrize(
    ("target", "labels", "expected"),
    [
        (
            "10.0.0.7:28080",
            {
                "__meta_polaris_client_id": "abc",
                "__metrics_path__": "/metrics",
                "__scheme__": "http",
                "app": "checkout",
            },
            ("abc", "10.0.0.7", 28080, "http://10.0.0.7:28080/metrics", {"app": "checkout"}),
        ),
        (
            "[2001:db8::7]:443",
            {"__scheme__": "https", "__metrics_path__": "my/metrics"},
            (None, "2001:db8::7", 443, "https://[2001:db8::7]:443/my/metrics", {}),
        ),
    ],
)
def test_the_labels_of_prometheus_get_their_places(
    target: str, labels: dict[str, str], expected: tuple[object, ...]
) -> None:
    described = polaris_client_info.described(ReportedClient(target, labels))
    assert tuple(described[key] for key in ("id", "host", "port", "url", "labels")) == expected


def test_clients_and_servers_sorted_without_an_account(make_fleet: MakeFleet, make_client: MakeClient) -> None:
    fleet = make_fleet(nodes=2)
    fleet.store.clients += [
        {"id": "b", "host": "10.0.0.11", "port": 28080},
        {"id": "a", "host": "10.0.0.9", "port": 28080, "path": "/x", "scheme": "https"},
    ]
    found = polaris_client_info.run(make_client(fleet.nodes[0]), {}, False)
    assert [entry["host"] for entry in found["clients"]] == ["10.0.0.9", "10.0.0.11", *(n.host for n in fleet.nodes)]
    assert found["clients"][0]["url"] == "https://10.0.0.9:28080/x"
    assert not found["changed"]


def test_a_failure_in_an_answer_of_200(fleet: Fleet, make_client: MakeClient) -> None:
    fault = Fault("status", status=200, body='{"Code": 500000, "Response": null}')
    fleet.nodes[0].fault("GET", "/maintain/v1/report/clients", fault)
    with pytest.raises(PolarisError) as caught:
        polaris_client_info.run(make_client(fleet.nodes[0]), {}, False)
    assert caught.value.kind == "server"
    assert "500000" in caught.value.msg


def test_locations_sorted_by_address(fleet: Fleet, make_client: MakeClient) -> None:
    rows: list[Any] = [
        {"IP": "10.0.0.11", "Region": "south", "RegionID": 2},
        {"IP": "10.0.0.9", "Region": "north", "Zone": "north-1", "Campus": "north-1a", "CampusID": 111},
    ]
    fleet.store.locations.extend(rows)
    found = polaris_cmdb_info.run(make_client(fleet.nodes[0], token=fleet.tokens.sub), {}, False)
    assert found["locations"] == [
        {
            "ip": "10.0.0.9",
            "region": "north",
            "zone": "north-1",
            "campus": "north-1a",
            "region_id": 0,
            "zone_id": 0,
            "campus_id": 111,
        },
        {
            "ip": "10.0.0.11",
            "region": "south",
            "zone": "",
            "campus": "",
            "region_id": 2,
            "zone_id": 0,
            "campus_id": 0,
        },
    ]


def test_without_a_plugin_there_are_none(fleet: Fleet, make_client: MakeClient) -> None:
    assert polaris_cmdb_info.run(make_client(fleet.nodes[0], token=fleet.tokens.sub), {}, False)["locations"] == []


@pytest.mark.parametrize(
    ("module", "profile", "since"),
    [(polaris_client_info, "v1.14.2", "v1.16.0"), (polaris_cmdb_info, "v1.13.0", "v1.14.0")],
)
def test_servers_without_the_call_name_the_version_that_brought_it(
    module: Any, profile: str, since: str, make_fleet: MakeFleet, make_client: MakeClient
) -> None:
    fleet = make_fleet(profile=profile)
    with pytest.raises(PolarisError) as caught:
        module.run(make_client(fleet.nodes[0], token=fleet.tokens.owner), {}, False)
    assert caught.value.kind == "unsupported"
    assert f"needs Polaris {since} or later" in caught.value.msg


@pytest.mark.parametrize("body", ["<html></html>", "[1]", '{"Code": 200000, "Response": [1]}', "null"])
def test_a_page_of_something_else(body: str, fleet: Fleet, make_client: MakeClient) -> None:
    fleet.nodes[0].fault("GET", "/maintain/*", Fault("status", status=200, body=body))
    for module in (polaris_client_info, polaris_cmdb_info):
        with pytest.raises(PolarisError) as caught:
            module.run(make_client(fleet.nodes[0]), {}, False)
        assert caught.value.kind in ("protocol", "server")
