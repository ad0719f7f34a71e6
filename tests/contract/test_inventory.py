# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory of what a server really registers: its own node and instances of services."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests import forks
from tests.contract.server import NAMESPACE, Server
from tests.support import environment_of


def ansible_inventory(folder: Path, server: Server, *args: str, **options: Any) -> str:
    """The output of ansible-inventory with the plugin for that server."""
    wanted = {"plugin": "polarismesh.maintenance.polaris", "url": server.url, **options}
    (folder / "polaris.yml").write_text(json.dumps(wanted))
    environment = environment_of(folder / "results.jsonl", {"POLARIS_TOKEN": server.token})
    done = forks.run(["ansible-inventory", "-i", "polaris.yml", *args], folder, environment)
    assert done.returncode == 0, done.stderr
    assert "Unable to parse" not in done.stderr, done.stderr
    return done.stdout


def test_the_server_finds_itself(server: Server, tmp_path: Path) -> None:
    listed = json.loads(ansible_inventory(tmp_path, server, "--list"))
    nodes = listed["polaris_servers"]["hosts"]
    found = [listed["_meta"]["hostvars"][node] for node in nodes]
    assert server.url in [node["polaris_url"] for node in found]
    own = next(node for node in found if node["polaris_url"] == server.url)
    assert own["ansible_host"] == urlsplit(server.url).hostname
    assert own["polaris_service"] == "polaris.checker"
    # A variable of the runbooks, which look at the applications' instances.
    assert "polaris_namespace" not in own
    assert own["polaris_isolated"] is False
    assert own["polaris_metadata"]["polaris_service"] == "polaris.checker"


@pytest.mark.profiles("v1.12.2", "v1.16.0", "v1.17.1", "v1.18.1", "head")
def test_instances_of_services(server: Server, tmp_path: Path) -> None:
    first = server.register("inventory-one", "10.7.0.1", 8080, metadata={"stage": "灰度", "odd": "{{ 1 + 1 }}"})
    second = server.register("inventory-one", "10.7.0.1", 8081, isolate=True, weight=7)
    third = server.register("inventory-two", "10.7.0.2", 9090)
    try:
        services = ["inventory-one", "inventory-two", "inventory-nosuch"]
        listed = json.loads(ansible_inventory(tmp_path, server, "--list", namespace=NAMESPACE, service=services))
        assert listed["inventory_one"]["hosts"] == ["10.7.0.1_8080", "10.7.0.1_8081"]
        assert listed["inventory_two"]["hosts"] == ["10.7.0.2"]
        hosts = listed["_meta"]["hostvars"]
        assert hosts["10.7.0.1_8080"]["polaris_id"] == first
        assert hosts["10.7.0.1_8080"]["polaris_metadata"]["stage"] == "灰度"
        assert hosts["10.7.0.1_8080"]["polaris_metadata"]["odd"] == {"__ansible_unsafe": "{{ 1 + 1 }}"}
        assert (hosts["10.7.0.1_8081"]["polaris_isolated"], hosts["10.7.0.1_8081"]["polaris_weight"]) == (True, 7)
        assert "service_token" not in json.dumps(listed)
    finally:
        # Without waiting: a node with a boltdb store does not notice a deletion if nothing changed for 5 seconds.
        server.call("POST", "/naming/v1/instances/delete", [{"id": each} for each in (first, second, third)])
