# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The decisions of the inventory plugin: names, addresses, URLs, filters."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.polarismesh.maintenance.plugins.inventory import polaris
from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import PolarisError
from ansible_collections.polarismesh.maintenance.plugins.module_utils._model import Instance

URL = "http://10.0.0.1:8090"


def instance(service: str = "orders", host: str = "10.1.0.1", port: int = 8080, **values: Any) -> Instance:
    fields: dict[str, Any] = {
        "id": f"{service}-{host}-{port}",
        "namespace": "Polaris",
        "vpc_id": None,
        "protocol": None,
        "version": None,
        "priority": 0,
        "weight": 100,
        "healthy": True,
        "isolated": False,
        "health_check": True,
        "ttl": 5,
        "location": {},
        "metadata": {},
        **values,
    }
    return Instance(service=service, host=host, port=port, **fields)


def node(host: str, port: int = 8091, protocol: str = "grpc", **values: Any) -> Instance:
    return instance(polaris.NODES, host, port, protocol=protocol, **values)


def hosts(*instances: Instance, url: str = URL, http_port: int | None = None) -> dict[str, polaris.Host]:
    found = polaris.hosts_of(instances, url, http_port, "eu").hosts
    named = {host.name: host for host in found}
    assert len(named) == len(found), "two hosts of one name"
    return named


# --- names -----------------------------------------------------------------------------------------------------------


def test_hosts_are_named_by_address_and_sorted_nodes_first() -> None:
    found = hosts(instance(host="10.1.0.2"), instance(host="10.1.0.1"), node("10.0.0.10"), node("10.0.0.9"))
    assert list(found) == ["10.0.0.9", "10.0.0.10", "10.1.0.1", "10.1.0.2"]


def test_a_node_is_one_host_however_many_ports_it_registers() -> None:
    found = hosts(node("10.0.0.1", 8090, "http"), node("10.0.0.1"), node("10.0.0.1", 8093, "config-grpc"))
    assert list(found) == ["10.0.0.1"]
    assert found["10.0.0.1"].variables["polaris_port"] == 8091
    assert found["10.0.0.1"].variables["polaris_protocol"] == "grpc"


def test_an_address_of_several_instances_needs_the_port() -> None:
    found = hosts(instance(port=8080), instance(port=8081), instance(host="10.1.0.2"))
    assert list(found) == ["10.1.0.1_8080", "10.1.0.1_8081", "10.1.0.2"]


def test_a_port_of_several_services_needs_the_service() -> None:
    found = hosts(instance("a/b:c"), instance("payments"))
    assert list(found) == ["10.1.0.1_8080_a_b_c", "10.1.0.1_8080_payments"]


def test_a_node_keeps_its_address_where_another_service_runs_there_too() -> None:
    found = hosts(instance(host="10.0.0.1"), node("10.0.0.1"))
    assert found["10.0.0.1"].is_node
    assert list(found) == ["10.0.0.1", "10.0.0.1_8080"]


def test_equal_addresses_in_different_networks_are_distinguished_by_id() -> None:
    found = hosts(instance(id="one", vpc_id="blue"), instance(id="two", vpc_id="green"))
    assert len(found) == 2
    assert all(name.startswith("10.1.0.1_8080_orders_") for name in found)


def test_names_contain_no_colon() -> None:
    found = hosts(node("2001:db8::1"), instance(host="2001:db8::2"))
    assert list(found) == ["2001-db8--1", "2001-db8--2"]
    assert found["2001-db8--1"].variables["ansible_host"] == "2001:db8::1"
    assert found["2001-db8--1"].variables["polaris_url"] == "http://[2001:db8::1]:8090"


hosts_registered = st.sampled_from(["10.0.0.1", "10.0.0.1_8080", "10.0.0.2", "127.0.0.1", "localhost", "::1", "web"])
registered = st.lists(
    st.tuples(
        st.sampled_from([polaris.NODES, "orders", "or/ders", "or_ders"]), hosts_registered, st.sampled_from([80, 8080])
    ),
    max_size=20,
    unique=True,
)


@given(registered)
def test_no_two_hosts_ever_have_one_name(triples: list[tuple[str, str, int]]) -> None:
    instances = [instance(service, host, port) for service, host, port in triples]
    found = hosts(*instances)
    nodes = {polaris.reachable(host, "10.0.0.1") for service, host, _port in triples if service == polaris.NODES}
    # An application that registered a loopback address is left out.
    others = [host for service, host, _port in triples if service != polaris.NODES]
    assert len(found) == len(nodes) + sum(host not in ("127.0.0.1", "localhost", "::1") for host in others)
    assert nodes <= set(found)


# --- addresses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("registered_host", "url_host", "expected"),
    [
        ("10.0.0.7", "10.0.0.1", "10.0.0.7"),
        ("127.0.0.1", "10.0.0.1", "10.0.0.1"),
        ("127.8.9.10", "10.0.0.1", "10.0.0.1"),
        ("::1", "polaris.example", "polaris.example"),
        ("localhost", "10.0.0.1", "10.0.0.1"),
        ("0.0.0.0", "10.0.0.1", "10.0.0.1"),
        # All of 127.0.0.0/8 is this machine, if this machine was asked.
        ("127.0.1.2", "127.0.1.1", "127.0.1.2"),
        ("127.0.1.2", "localhost", "127.0.1.2"),
        ("127.0.0.1", "127.0.1.1", "127.0.1.1"),
        ("127.0.0.1", "127.0.0.1", "127.0.0.1"),
    ],
)
def test_loopback_is_the_host_that_was_asked(registered_host: str, url_host: str, expected: str) -> None:
    assert polaris.reachable(registered_host, url_host) == expected


def test_only_replaced_addresses_are_warned_about() -> None:
    found = polaris.hosts_of([node("127.0.0.1"), node("10.0.0.2")], URL, None, "eu")
    assert [each.host for each in found.loopback] == ["127.0.0.1"]
    assert [host.name for host in found.hosts] == ["10.0.0.1", "10.0.0.2"]


def test_an_application_that_registered_a_loopback_address_never_becomes_the_server() -> None:
    lost, here = instance("orders", "127.0.0.1"), instance("orders", "10.0.0.7")
    found = polaris.hosts_of([lost, here], URL, None, "eu")
    assert [host.address for host in found.hosts] == ["10.0.0.7"]
    assert found.unknown == [lost]
    assert found.loopback == []


def test_a_cached_entry_counts_only_in_the_current_format() -> None:
    entry = dict(vars(node("10.0.0.1")))
    assert polaris.cached_instances({"format": polaris.FORMAT, "instances": [entry]}) == [entry]
    others: list[Any] = [
        None,
        [],
        {"instances": [entry]},
        {"format": polaris.FORMAT, "instances": None},
        {"format": polaris.FORMAT, "instances": [{"id": "a"}]},
        {"format": [*polaris.FORMAT, "colour"], "instances": [entry]},
    ]
    for other in others:
        assert polaris.cached_instances(other) is None


@pytest.mark.parametrize("host", ["10.0.0.1", "polaris-1.example.com", "a", "node_1", "2001:db8::1", "::ffff:10.0.0.1"])
def test_addresses(host: str) -> None:
    assert polaris.is_address(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        " ",
        "-oProxyCommand=touch x",
        "10.0.0.1,10.0.0.2",
        "10.0.0.1\n",
        "{{ lookup('pipe', 'id') }}",
        "a b",
        "a/b",
        "user@host",
        "host:8090",
        "fe80::1%$(id)",
        "web-",
        "all:!x",
    ],
)
def test_an_invalid_address_makes_no_host(host: str) -> None:
    assert not polaris.is_address(host)
    found = polaris.hosts_of([instance(host=host), node(host)], URL, None, "eu")
    assert found.hosts == []
    assert len(found.unusable) == 2


# --- variables -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "http_port", "expected"),
    [
        ("http://10.0.0.1:8090", None, "http://10.0.0.9:8090"),
        ("https://polaris.example", None, "https://10.0.0.9:443"),
        ("http://polaris.example/behind/a/path", None, "http://10.0.0.9:80/behind/a/path"),
        ("https://10.0.0.1:8443", 9000, "https://10.0.0.9:9000"),
    ],
)
def test_the_url_of_a_node(url: str, http_port: int | None, expected: str) -> None:
    assert hosts(node("10.0.0.9"), url=url, http_port=http_port)["10.0.0.9"].variables["polaris_url"] == expected


def test_a_registered_http_port_counts_unless_another_is_given() -> None:
    registered_ports = (node("10.0.0.9"), node("10.0.0.9", 18090, "http"))
    assert hosts(*registered_ports)["10.0.0.9"].variables["polaris_url"] == "http://10.0.0.9:18090"
    given = hosts(*registered_ports, http_port=28090)
    assert given["10.0.0.9"].variables["polaris_url"] == "http://10.0.0.9:28090"


def test_instances_of_other_services_have_no_polaris_url() -> None:
    assert "polaris_url" not in hosts(instance())["10.1.0.1"].variables


@given(st.text())
def test_text_that_could_be_a_template_is_never_taken_for_harmless(text: str) -> None:
    if polaris._HARMLESS.match(text):
        assert not set(text) & set("{}#%()[]|'\"`$;&<>\\\n")


def test_keys_and_nested_values_are_made_inert_too() -> None:
    metadata = {"{{ key }}": {"deep": "{{ value }}"}, "zone": "a-1", "number": 5}
    assert polaris.inert(metadata) == metadata


# --- options ---------------------------------------------------------------------------------------------------------


def test_filters() -> None:
    assert polaris.check_filters([{"include": "a == b"}, {"exclude": True}]) == [(True, "a == b"), (False, True)]


@pytest.mark.parametrize(
    "entry",
    [{}, {"include": "a", "exclude": "b"}, {"only": "a"}, {"include": ""}, {"include": None}, {"exclude": ["a"]}],
)
def test_a_wrong_filter_is_named_by_its_position(entry: dict[str, Any]) -> None:
    with pytest.raises(PolarisError, match=r"filters\[1\]"):
        polaris.check_filters([{"include": "a"}, entry])
