# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin, in real ansible-inventory and ansible-playbook processes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import forks
from tests.simulator import Fleet, Node
from tests.support import PlaybookRun, environment_of

pytestmark = pytest.mark.core

PLUGIN = "polarismesh.maintenance.polaris"
Playbook = Callable[..., PlaybookRun]
LOCAL = {"ansible_connection": "'local'"}


@dataclass(frozen=True)
class Listed:
    """The result of ansible-inventory; ``messages`` is everything else that it printed, on one line."""

    returncode: int
    result: str
    messages: str

    @property
    def data(self) -> dict[str, Any]:
        assert self.returncode == 0, self.messages
        return dict(json.loads(self.result))

    @property
    def hosts(self) -> dict[str, dict[str, Any]]:
        return dict(self.data["_meta"]["hostvars"])

    def group(self, name: str) -> list[str]:
        return list(self.data.get(name, {}).get("hosts", []))


@dataclass
class Inventory:
    """A directory of inventory files, and ansible-inventory there."""

    folder: Path
    fleet: Fleet

    def write(self, name: str = "polaris.yml", **options: Any) -> str:
        """Write a configuration of the plugin, by default for the first node of the fleet. JSON is YAML."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        wanted = {"plugin": PLUGIN, "url": self.fleet.url, **options}
        path.write_text(json.dumps({key: value for key, value in wanted.items() if value is not None}))
        return name

    def list(
        self,
        *sources: str,
        program: str = "ansible-inventory",
        args: tuple[str, ...] = ("--list",),
        token: str | None = "",
        **environment: str | None,
    ) -> Listed:
        """With the owner's token in the environment, or another, or none."""
        account = self.fleet.tokens.owner if token == "" else token
        extra = {"POLARIS_TOKEN": account, "ANSIBLE_INVENTORY_UNPARSED_FAILED": "true", **environment}
        done = forks.run(
            [program, *(part for source in sources or ("polaris.yml",) for part in ("-i", source)), *args],
            self.folder,
            environment_of(self.folder / "results.jsonl", extra),
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Listed(done.returncode, done.stdout, " ".join(done.stderr.split()))


@pytest.fixture
def cluster(make_fleet: Callable[..., Fleet]) -> Fleet:
    return make_fleet(nodes=3)


@pytest.fixture
def inventory(tmp_path: Path, cluster: Fleet) -> Inventory:
    return Inventory(tmp_path, cluster)


def register(node: Node, service: str = "orders", *, host: str = "10.1.0.1", port: int = 8080, **values: Any) -> str:
    return node.store.register(service, "production", host, port, **values).id


# --- server nodes ----------------------------------------------------------------------------------------------------


def test_graph(inventory: Inventory) -> None:
    inventory.write()
    graph = inventory.list(args=("--graph",))
    assert graph.returncode == 0
    assert graph.result.split("|--@polaris_servers:")[1].split() == [
        *("|", "|--127.0.1.1"),
        *("|", "|--127.0.1.2"),
        *("|", "|--127.0.1.3"),
    ]
    assert "WARNING" not in graph.messages


def test_variables_of_a_node(inventory: Inventory, cluster: Fleet) -> None:
    inventory.write()
    second = inventory.list().hosts["127.0.1.2"]
    # Stores differ in how they represent a missing value.
    assert not second.pop("polaris_priority")
    assert not second.pop("polaris_vpc_id")
    row = next(row for row in cluster.store.rows.values() if row.host == "127.0.1.2")
    assert second == {
        "ansible_host": "127.0.1.2",
        "polaris_cluster": "127.0.1.1",
        "polaris_healthy": True,
        "polaris_id": row.id,
        "polaris_isolated": False,
        "polaris_location": {},
        "polaris_metadata": row.metadata,
        "polaris_port": cluster.nodes[1].grpc_port,
        "polaris_protocol": "grpc",
        "polaris_service": "polaris.checker",
        "polaris_url": cluster.nodes[1].url,
        "polaris_version": row.version,
        "polaris_weight": 100,
    }


@pytest.mark.sample
@pytest.mark.parametrize("profile", ["v1.8.0", "v1.14.1", "v1.17.1", "head", "documented"])
def test_every_version(make_fleet: Callable[..., Fleet], tmp_path: Path, profile: str) -> None:
    inventory = Inventory(tmp_path, make_fleet(nodes=2, profile=profile))
    inventory.write(service=["polaris.checker", "polaris.config"])
    listed = inventory.list()
    assert listed.group("polaris_servers") == ["127.0.1.1", "127.0.1.2"]
    assert listed.hosts["127.0.1.2"]["polaris_url"] == inventory.fleet.nodes[1].url


def test_a_playbook_of_the_collection_reaches_all_nodes_by_it(
    inventory: Inventory, cluster: Fleet, playbook: Playbook
) -> None:
    inventory.write(compose=LOCAL)
    env = {"POLARIS_TOKEN": cluster.tokens.owner}
    run = playbook(
        "polarismesh.maintenance.log_level", "polaris.yml", extra_vars={"levels": {"naming": "debug"}}, env=env
    ).ok()
    assert [node.levels["naming"] for node in cluster.nodes] == ["debug"] * 3
    assert "changed on 3 (127.0.1.1, 127.0.1.2, 127.0.1.3)" in run.output


def test_unhealthy_and_isolated_nodes_stay(inventory: Inventory, cluster: Fleet) -> None:
    first, second, _third = cluster.store.rows.values()
    first.healthy, second.isolate = False, True
    inventory.write()
    hosts = inventory.list().hosts
    assert len(hosts) == 3
    assert hosts[first.host]["polaris_healthy"] is False
    assert hosts[second.host]["polaris_isolated"] is True


def test_http_port(inventory: Inventory) -> None:
    inventory.write(http_port=18090)
    assert inventory.list().hosts["127.0.1.3"]["polaris_url"] == "http://127.0.1.3:18090"


def test_loopback_of_a_default_installation_becomes_the_host_of_the_url(
    make_fleet: Callable[..., Fleet], tmp_path: Path
) -> None:
    inventory = Inventory(tmp_path, make_fleet(nodes=1, loopback=True))
    inventory.write()
    listed = inventory.list()
    assert list(listed.hosts) == ["127.0.1.1"]
    assert listed.hosts["127.0.1.1"]["polaris_url"] == inventory.fleet.url
    assert "registered with a loopback address" in listed.messages
    assert "self_address" in listed.messages


# --- other services --------------------------------------------------------------------------------------------------


def test_services_become_groups_and_instances_hosts(inventory: Inventory, cluster: Fleet) -> None:
    node = cluster.nodes[0]
    register(node, "order-service", metadata={"stage": "canary"}, location={"zone": "z1"})
    register(node, "order-service", host="10.1.0.2", weight=0)
    register(node, "payments", host="10.1.0.2", port=9090)
    register(node, "other", host="10.1.0.3")
    inventory.write(namespace="production", service=["order-service", "payments"])
    listed = inventory.list()
    assert listed.group("order_service") == ["10.1.0.1", "10.1.0.2_8080"]
    assert listed.group("payments") == ["10.1.0.2_9090"]
    assert "polaris_servers" not in listed.data
    first = listed.hosts["10.1.0.1"]
    assert first["polaris_metadata"] == {"stage": "canary"}
    assert first["polaris_location"] == {"zone": "z1"}
    assert "polaris_url" not in first
    assert listed.hosts["10.1.0.2_8080"]["polaris_weight"] == 0
    assert listed.hosts["10.1.0.2_9090"]["ansible_host"] == "10.1.0.2"


def test_all_pages_are_read(make_fleet: Callable[..., Fleet], tmp_path: Path) -> None:
    inventory = Inventory(tmp_path, make_fleet(nodes=1, seed_instances=1050))
    inventory.write(namespace="default", service="seeded")
    assert len(inventory.list().group("seeded")) == 1050
    assert len(inventory.fleet.requests) < 20


def test_a_service_without_instances_is_warned_about(inventory: Inventory) -> None:
    inventory.write(namespace="production", service="nosuch")
    listed = inventory.list()
    assert listed.hosts == {}
    assert "has no instances of nosuch in the namespace production" in listed.messages


@pytest.mark.sample
@pytest.mark.parametrize("service", ["polaris-servers", "all", "ungrouped"])
def test_a_service_cannot_have_the_name_of_a_special_group(inventory: Inventory, service: str) -> None:
    register(inventory.fleet.nodes[0], service)
    inventory.write(namespace="production", service=["orders", service])
    listed = inventory.list()
    assert listed.returncode != 0
    assert f"service {service!r} would create a group whose name has another meaning" in listed.messages


# --- constructed, filters --------------------------------------------------------------------------------------------


def test_constructed(inventory: Inventory, cluster: Fleet) -> None:
    rows = list(cluster.store.rows.values())
    rows[0].location, rows[1].location = {"zone": "a"}, {"zone": "b"}
    inventory.write(
        cluster="eu",
        compose={"next_port": "polaris_port + 1", "from_extra": "extra | default('none')"},
        groups={"second": "ansible_host == '127.0.1.2'", "has_zone": "polaris_location.zone is defined"},
        keyed_groups=[
            {"key": "polaris_cluster", "prefix": "cluster"},
            {"key": "polaris_location.zone", "prefix": "zone"},
            {"key": "polaris_protocol"},
        ],
        leading_separator=False,
        use_extra_vars=True,
    )
    listed = inventory.list(args=("--list", "-e", "extra=given"))
    # Before ansible-core 2.19, values composed of numbers are text.
    assert str(listed.hosts["127.0.1.1"]["next_port"]) == str(cluster.nodes[0].grpc_port + 1)
    assert listed.hosts["127.0.1.1"]["from_extra"] == "given"
    assert listed.group("second") == ["127.0.1.2"]
    assert listed.group("has_zone") == ["127.0.1.1", "127.0.1.2"]
    assert len(listed.group("cluster_eu")) == len(listed.group("grpc")) == 3
    assert listed.group("zone_b") == ["127.0.1.2"]


def test_strict_makes_a_template_that_fails_fatal(inventory: Inventory) -> None:
    inventory.write(compose={"zone": "polaris_location.zone"})
    assert "zone" not in inventory.list().hosts["127.0.1.1"]
    inventory.write(compose={"zone": "polaris_location.zone"}, strict=True)
    listed = inventory.list()
    assert listed.returncode != 0
    assert "Could not set zone for host 127.0.1.1" in listed.messages


def test_filters_decide_in_their_order(inventory: Inventory, cluster: Fleet) -> None:
    first, second, _third = cluster.store.rows.values()
    first.isolate, second.healthy = True, False
    inventory.write(
        filters=[{"include": "ansible_host == '127.0.1.1'"}, {"exclude": "polaris_isolated or not polaris_healthy"}]
    )
    assert sorted(inventory.list().hosts) == ["127.0.1.1", "127.0.1.3"]
    inventory.write(filters=[{"include": "polaris_isolated"}, {"exclude": True}])
    assert list(inventory.list().hosts) == ["127.0.1.1"]


@pytest.mark.sample
@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("polaris_metadata.zone == 'a'", "filters[0] failed for 127.0.1.1: "),
        ("polaris_service", "which is neither true nor false"),
        ("polaris_service ==", "filters[0] failed for 127.0.1.1: "),
    ],
)
def test_a_filter_that_cannot_decide_fails_the_inventory(inventory: Inventory, condition: str, words: str) -> None:
    inventory.write(filters=[{"exclude": condition}])
    listed = inventory.list()
    assert listed.returncode != 0
    assert words in listed.messages


# --- accounts --------------------------------------------------------------------------------------------------------


def encrypted(folder: Path, text: str, password: str) -> str:
    """The text as `ansible-vault encrypt_string` writes it."""
    (folder / "vault-password").write_text(password)
    done = subprocess.run(
        ["ansible-vault", "encrypt_string", "--vault-password-file", "vault-password", text],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_the_token_in_all_its_places(inventory: Inventory, cluster: Fleet) -> None:
    token = cluster.tokens.sub
    folder = inventory.folder
    inventory.write()
    assert inventory.list(token=None).returncode != 0
    by_variable = inventory.list(token=None, args=("--list", "-e", f"polaris_token={token}"))
    assert len(by_variable.group("polaris_servers")) == 3
    assert len(inventory.list(token=token).group("polaris_servers")) == 3

    (folder / "token").write_text(token)
    inventory.write("template.polaris.yml", token="{{ lookup('ansible.builtin.file', 'token') }}")
    assert len(inventory.list("template.polaris.yml", token=None).group("polaris_servers")) == 3

    vaulted = encrypted(folder, token, "a vault password")
    (folder / "vault.polaris.yml").write_text(f"plugin: {PLUGIN}\nurl: {cluster.url}\ntoken: {vaulted}")
    args = ("--list", "--vault-password-file", "vault-password")
    assert len(inventory.list("vault.polaris.yml", token=None, args=args).group("polaris_servers")) == 3


def test_login_with_the_default_account_leaves_its_name_in_the_names_of_services(inventory: Inventory) -> None:
    """Its password, polaris, is a part of polaris.checker; passwords are removed from output, but not from facts."""
    inventory.write(username="polaris", password="polaris")
    listed = inventory.list()  # the token in the environment must not mix with the account of the file
    assert listed.hosts["127.0.1.1"]["polaris_service"] == "polaris.checker"
    assert inventory.fleet.requests[0].path == "/core/v1/user/login"
    assert "still accepts the published password" in listed.messages


def test_no_secret_is_shown_at_any_verbosity(inventory: Inventory, cluster: Fleet) -> None:
    wrong = "bm90LWEtdG9rZW4tb2YtdGhpcy1zZXJ2ZXI="
    cluster.nodes[0].store.register("polaris.checker", "Polaris", "127.0.1.9", 1, service_token="the-service-token")
    inventory.write(cache=True, cache_plugin="ansible.builtin.jsonfile", cache_connection="cache")
    good = inventory.list(args=("--list", "-vvvvv"))
    assert good.returncode == 0
    inventory.write(token=wrong)
    bad = inventory.list(args=("--list", "-vvvvv"), token=None)
    assert bad.returncode != 0
    assert "does not accept the token" in bad.messages
    cached = "".join(path.read_text() for path in (inventory.folder / "cache").iterdir())
    assert "127.0.1.9" in cached
    for secret in (cluster.tokens.owner, wrong, "the-service-token"):
        assert secret not in good.result + good.messages + bad.result + bad.messages + cached


# --- several files ---------------------------------------------------------------------------------------------------


def test_several_clusters_in_one_folder(inventory: Inventory, make_fleet: Callable[..., Fleet], cluster: Fleet) -> None:
    other = make_fleet(nodes=2, address="127.0.2.1", owner_token=cluster.tokens.owner)
    by_cluster: dict[str, Any] = {"keyed_groups": [{"key": "polaris_cluster", "prefix": "cluster"}]}
    inventory.write("hosts/eu.polaris.yml", cluster="eu", **by_cluster)
    inventory.write("hosts/us.polaris.yaml", cluster="us", url=other.url, **by_cluster)
    listed = inventory.list("hosts")
    assert len(listed.group("polaris_servers")) == 5
    assert listed.group("cluster_us") == ["127.0.2.1", "127.0.2.2"]
    assert listed.hosts["127.0.2.1"]["polaris_url"] == other.url
    assert "WARNING" not in listed.messages


def test_the_same_address_in_two_clusters_makes_two_hosts_and_a_warning(
    inventory: Inventory, make_fleet: Callable[..., Fleet], cluster: Fleet
) -> None:
    other = make_fleet(nodes=1, owner_token=cluster.tokens.owner)
    inventory.write("hosts/eu.polaris.yml", cluster="eu")
    inventory.write("hosts/us.polaris.yml", cluster="us", url=other.url)
    listed = inventory.list("hosts")
    assert sorted(listed.hosts) == ["127.0.1.1", "127.0.1.2", "127.0.1.3", "us_127.0.1.1"]
    assert listed.hosts["127.0.1.1"]["polaris_url"] == cluster.url
    assert listed.hosts["us_127.0.1.1"]["polaris_url"] == other.url
    assert "127.0.1.1 is already the name of another host or a group" in listed.messages


def test_the_same_file_twice_is_the_same_inventory(inventory: Inventory) -> None:
    inventory.write("hosts/polaris.yml")
    listed = inventory.list("hosts", "hosts/polaris.yml")
    assert sorted(listed.hosts) == ["127.0.1.1", "127.0.1.2", "127.0.1.3"]
    assert "WARNING" not in listed.messages


def test_a_static_inventory_adds_variables_to_the_same_hosts(inventory: Inventory) -> None:
    (inventory.folder / "hosts").mkdir()
    (inventory.folder / "hosts" / "static").write_text("127.0.1.2 rack=7\n")
    inventory.write("hosts/polaris.yml")
    second = inventory.list("hosts").hosts["127.0.1.2"]
    assert second["rack"] == 7
    assert second["polaris_service"] == "polaris.checker"


def test_other_file_names_are_left_to_other_plugins(inventory: Inventory) -> None:
    inventory.write("nodes.yml")
    listed = inventory.list("nodes.yml")
    assert listed.returncode != 0
    assert "could not be verified by inventory plugin" in listed.messages
    assert inventory.fleet.requests == []


# --- cache -----------------------------------------------------------------------------------------------------------


def test_cache(inventory: Inventory, cluster: Fleet) -> None:
    cached: dict[str, Any] = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": "cache"}
    inventory.write(**cached)
    fresh = inventory.list().data
    cluster.clear_requests()
    assert inventory.list().data == fresh
    assert cluster.requests == []

    # The hosts are constructed again ...
    inventory.write(**cached, filters=[{"exclude": "ansible_host == '127.0.1.1'"}])
    assert sorted(inventory.list().hosts) == ["127.0.1.2", "127.0.1.3"]
    assert cluster.requests == []
    # ... and a different query is sent again.
    register(cluster.nodes[0])
    inventory.write(**cached, namespace="production", service="orders")
    assert list(inventory.list().hosts) == ["10.1.0.1"]

    # The data are read again if another version of the plugin wrote the entry.
    inventory.write(**cached)
    (entry,) = [path for path in (inventory.folder / "cache").iterdir() if "127.0.1.1" in path.read_text()]
    entry.write_text(entry.read_text().replace('"vpc_id"', '"vpc"'))
    assert inventory.list().data == fresh

    cluster.clear_requests()
    (inventory.folder / "play.yml").write_text('[{"hosts": "all", "gather_facts": false, "tasks": []}]')
    flushed = inventory.list(program="ansible-playbook", args=("play.yml", "--flush-cache"))
    assert flushed.returncode == 0
    assert cluster.requests != []


# --- untrusted registry ----------------------------------------------------------------------------------------------


def test_nothing_from_the_registry_is_evaluated(inventory: Inventory, cluster: Fleet, playbook: Playbook) -> None:
    (inventory.folder / "proof").write_text("EVALUATED")
    evil = "{{ lookup('ansible.builtin.file', 'proof') }}"
    header = (
        "#jinja2: variable_start_string: '[%', variable_end_string: '%]'\n[% lookup('ansible.builtin.file', 'proof') %]"
    )
    row = next(iter(cluster.store.rows.values()))
    row.metadata = {
        "expression": evil,
        evil: "key",
        "header": header,
        "call": "lookup('ansible.builtin.file', 'proof')",
    }
    row.version = row.protocol = evil
    inventory.write(
        compose={**LOCAL, "composed": "polaris_metadata.expression", "whole": "polaris_metadata"},
        keyed_groups=[{"key": "polaris_version", "prefix": "version"}],
    )
    play = {
        "hosts": "127.0.1.1",
        "gather_facts": False,
        "tasks": [
            {
                "name": "Show",
                "ansible.builtin.debug": {
                    "msg": "{{ [polaris_metadata, polaris_version, polaris_protocol, composed, whole, group_names] }}"
                },
            },
            {"name": "Once more", "ansible.builtin.debug": {"var": "polaris_metadata"}},
        ],
    }
    run = playbook([play], "polaris.yml", env={"POLARIS_TOKEN": cluster.tokens.owner}).ok()
    assert "EVALUATED" not in run.output
    shown = run.one("Show")["msg"]
    assert shown[0]["expression"] == shown[1] == shown[3] == evil
    assert shown[0]["header"] == header
    listed = inventory.list()
    assert "EVALUATED" not in listed.result


def test_invalid_addresses_are_left_out(inventory: Inventory, cluster: Fleet) -> None:
    for number, host in enumerate(["-oProxyCommand=id", "10.0.0.1 ansible_connection=local", "{{ 1 }}"]):
        register(cluster.nodes[0], host=host, port=number + 1)
    register(cluster.nodes[0], host="10.1.0.7")
    inventory.write(namespace="production", service="orders")
    listed = inventory.list()
    assert list(listed.hosts) == ["10.1.0.7"]
    assert (
        "3 instances were left out, because their address is neither an IP address nor a host name" in listed.messages
    )


def test_a_host_with_the_name_of_a_group_sets_no_variable_of_the_group(inventory: Inventory, cluster: Fleet) -> None:
    register(cluster.nodes[0], host="all")
    register(cluster.nodes[0], host="orders", port=81)
    register(cluster.nodes[0], host="10.1.0.7")
    inventory.write(namespace="production", service="orders", cluster="eu")
    listed = inventory.list()
    assert sorted(listed.hosts) == ["10.1.0.7", "eu_all", "eu_orders"]
    assert listed.hosts["10.1.0.7"]["ansible_host"] == "10.1.0.7"
    assert "all is already the name of another host or a group" in listed.messages


# --- failures --------------------------------------------------------------------------------------------------------


@pytest.mark.sample
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"url": "http://127.0.0.1:1"}, "nothing listens at http://127.0.0.1:1 (connection refused)"),
        ({"url": "http://me:hidden@127.0.0.1:8090"}, "url must not contain credentials"),
        ({"url": "127.0.0.1:8090"}, "url must be http://HOST:PORT or https://HOST:PORT"),
        ({"url": None}, "url"),
        ({"token": "not-a-token"}, "does not accept the token"),
        ({"token": "one-token", "username": "me", "password": "one-password"}, "token and username are both given"),
        ({"filter": []}, "unknown option filter: ansible-doc -t inventory polarismesh.maintenance.polaris"),
        ({"http_port": 70000}, "http_port must be from 1 to 65535; got 70000"),
        ({"service": []}, "service is empty"),
        ({"cluster": "a b"}, "cluster must consist of letters, digits, hyphens, underscores and dots; got 'a b'"),
        ({"filters": [{"only": "a"}]}, "filters[0] must have one key, which is include or exclude"),
        ({"url": "{{ nosuch }}"}, "the template of url failed"),
    ],
)
def test_failures_are_one_sentence(inventory: Inventory, options: dict[str, Any], words: str) -> None:
    inventory.write(**options)
    listed = inventory.list()
    assert listed.returncode != 0
    assert words in listed.messages
    assert "hidden" not in listed.messages


def test_a_switched_off_console_api_is_explained(inventory: Inventory, cluster: Fleet) -> None:
    cluster.configure(console=False)
    inventory.write()
    assert "switch on its console API (api.console.enable" in inventory.list().messages


def test_a_failure_leaves_no_partial_inventory(inventory: Inventory, cluster: Fleet) -> None:
    inventory.write(service=["polaris.checker", "orders"], filters=[{"exclude": "polaris_metadata.zone == 'a'"}])
    listed = inventory.list(ANSIBLE_INVENTORY_UNPARSED_FAILED="false")
    assert listed.hosts == {}
    assert "polaris_servers" not in listed.data
