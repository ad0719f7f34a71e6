# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What works on pole-io/pole-server, a fork of Polaris; its profile says what was seen on a running one."""

from __future__ import annotations

import pytest

from ansible_collections.polarismesh.maintenance.plugins.module_utils._api import (
    account,
    cleaning,
    connections,
    elections,
    instances,
    log_levels,
    memory,
    routes,
)
from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import PolarisError
from tests.contract.server import NAMESPACE, Server

pytestmark = pytest.mark.profiles("pole", real=False)


def test_with_authentication_no_token_is_accepted(server: Server) -> None:
    with pytest.raises(PolarisError) as caught:
        log_levels.read(server.client())
    assert caught.value.kind == "auth"


def test_a_login_is_at_another_path(server: Server) -> None:
    with pytest.raises(PolarisError) as caught:
        account.login(server.client(None), "polaris", "polaris")
    assert caught.value.kind == "unsupported"
    assert account.switches(server.client(None)) is None


def test_without_authentication_the_maintenance_calls_work(server: Server) -> None:
    assert server.node is not None
    server.node.set("auth", "open")
    client = server.client(None)
    assert routes.is_polaris(client)
    log_levels.write(client, "naming", "debug")
    assert log_levels.read(client)["naming"] == "debug"
    memory.free(client)
    assert [leader.elect_key for leader in elections.leaders(client)] == ["MaintainJob"]
    assert cleaning.clean_batch(client, 10) == 0
    cleaning.clean(client, {"id": "no-such-id"})
    # Not even with connLimit switched on.
    assert connections.stats(client, "grpc") is None


def test_an_empty_list_is_omitted(server: Server) -> None:
    client = server.client()
    assert instances.find(client, namespace=NAMESPACE, service="nosuch").instances == ()
    assert "instances" not in server.call("GET", "/naming/v1/instances", params={"host": "10.99.99.99"}).json()


def test_its_nodes_are_registered_under_another_name(server: Server) -> None:
    client = server.client()
    assert instances.find(client, namespace="Polaris", service="polaris.checker").instances == ()
    assert len(instances.find(client, namespace="pole-system", service="pole.checker").instances) == 1
