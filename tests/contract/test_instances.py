# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of instances, cleaning, and heartbeats: what the lookup of live instances relies on, and the pitfalls.

A real server keeps its data from test to test, so every test has its own service.
"""

from __future__ import annotations

import time

import pytest
import requests

from ansible_collections.polarismesh.maintenance.plugins.module_utils._api import cleaning, heartbeats, instances
from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import Client
from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import PolarisError
from ansible_collections.polarismesh.maintenance.plugins.module_utils._identity import instance_id
from ansible_collections.polarismesh.maintenance.plugins.modules import polaris_instance_clean
from tests.contract.server import NAMESPACE, Server

LIST = "/naming/v1/instances"
CLEAN = "/maintain/v1/instance/clean"
CRASH_IN_HEARTBEAT = ("v1.8.0", "v1.12.2", "v1.14.1")


def register_many(server: Server, service: str, count: int) -> list[str]:
    """The ids of this many instances, once the server lists them."""
    ids = []
    for start in range(0, count, 50):
        bodies = [
            {"service": service, "namespace": NAMESPACE, "host": f"10.8.{number >> 8}.{number & 255}", "port": 80}
            for number in range(start, min(start + 50, count))
        ]
        reply = server.call("POST", LIST, bodies).json()
        assert reply["code"] == 200000, reply
        ids += [answer["instance"]["id"] for answer in reply["responses"]]
    query = {"namespace": NAMESPACE, "service": service}
    server.until(lambda: server.call("GET", LIST, params=query).json()["amount"] == count, f"{count} to be listed")
    return ids


def crashes(server: Server, instance: str) -> bool:
    """Whether the server closes the connection, once its health check knows the instance."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            reply = server.call("GET", "/maintain/v1/instance/heartbeat", params={"id": instance})
        except requests.ConnectionError:
            return True
        if reply.status_code == 200:
            return False
        time.sleep(0.1)
    return False


def searches_ids(server: Server) -> bool:
    return bool(server.call("GET", LIST, params={"id": "no-such-id"}).status_code == 200)


def test_the_id_is_computed_as_the_server_does(server: Server, service: str) -> None:
    plain = server.register(service, "10.1.0.1", 8080)
    assert plain == instance_id(NAMESPACE, service, "10.1.0.1", 8080)
    in_vpc = server.register(service, "10.1.0.1", 8080, vpc_id="vpc-1")
    assert in_vpc == instance_id(NAMESPACE, service, "10.1.0.1", 8080, "vpc-1")
    assert server.register(service, "10.1.0.1", 8080, id=f"own-{service}") == f"own-{service}"


def test_the_fields_of_a_listed_instance(server: Server, service: str) -> None:
    values = {
        "protocol": "grpc",
        "version": "1.2",
        "weight": 50,
        "metadata": {"a": "b"},
        "isolate": True,
        "vpc_id": "v1",
    }
    first = server.register(service, "10.1.0.1", 8080, ttl=7, **values)
    second = server.register(service, "10.1.0.2", 8081)
    listing = instances.find(server.client(), namespace=NAMESPACE, service=service)
    assert (listing.amount, listing.complete) == (2, True)
    by_id = {entry.id: entry for entry in listing.instances}
    one, other = by_id[first], by_id[second]
    assert (one.service, one.namespace, one.host, one.port, one.vpc_id) == (service, NAMESPACE, "10.1.0.1", 8080, "v1")
    assert (one.protocol, one.version, one.weight, one.isolated, one.metadata) == ("grpc", "1.2", 50, True, {"a": "b"})
    assert (one.health_check, one.ttl) == (True, 7)
    assert not other.health_check
    assert (other.ttl, other.vpc_id, other.metadata) == (None, None, {})


def test_a_list_by_address_and_by_id(server: Server, service: str) -> None:
    one = server.register(service, "10.1.0.1", 8080)
    server.register(service, "10.1.0.1", 8081)
    client = server.client()
    found = instances.find(client, host="10.1.0.1", port=8080).instances
    assert one in {entry.id for entry in found}
    assert {(entry.host, entry.port) for entry in found} == {("10.1.0.1", 8080)}
    if searches_ids(server):
        assert [entry.id for entry in instances.find(client, instance_id=one).instances] == [one]
        assert instances.find(client, instance_id="no-such-id").instances == ()
    else:
        with pytest.raises(PolarisError) as caught:
            instances.find(client, instance_id=one)
        assert caught.value.kind == "unsupported"


def test_a_list_of_several_pages_is_complete(server: Server, service: str) -> None:
    ids = register_many(server, service, 230)
    client = server.client()
    listing = instances.find(client, namespace=NAMESPACE, service=service)
    assert sorted(entry.id for entry in listing.instances) == sorted(ids)
    assert (listing.amount, listing.complete) == (230, True)
    first = instances.find(client, namespace=NAMESPACE, service=service, most_requests=1)
    assert (len(first.instances), first.amount, first.complete) == (instances.PAGE, 230, False)


def test_a_whole_namespace(server: Server, service: str) -> None:
    ids = {server.register(service, "10.1.0.1"), server.register(f"{service}-2", "10.1.0.2")}
    listing = instances.find(server.client(), namespace=NAMESPACE)
    assert ids <= {entry.id for entry in listing.instances}
    assert {entry.namespace for entry in listing.instances} == {NAMESPACE}


def test_an_unknown_service_has_no_instances(server: Server, service: str) -> None:
    client = server.client()
    assert instances.find(client, namespace=NAMESPACE, service=service).instances == ()
    assert instances.find(client, namespace=service, service=service).instances == ()
    assert instances.services(client, NAMESPACE, service) == []


def test_services(server: Server, service: str) -> None:
    server.register(service, "10.1.0.1")
    client = server.client()
    server.until(lambda: bool(instances.services(client, NAMESPACE, service)), "the service to be listed")
    assert instances.services(client, NAMESPACE, service) == [(NAMESPACE, service)]
    assert (NAMESPACE, service) in instances.services(client)


def test_registrations_and_deregistrations_are_listed_at_once(server: Server, service: str) -> None:
    """Looking up live instances takes one request, without waiting for caches."""
    client = server.client()
    body = {"service": service, "namespace": NAMESPACE, "host": "10.1.0.1", "port": 8080}
    registered = server.call("POST", LIST, [body]).json()["responses"][0]["instance"]["id"]
    assert [
        entry.id for entry in instances.find(client, host="10.1.0.1", port=8080).instances if entry.service == service
    ]
    server.call("POST", f"{LIST}/delete", [{"id": registered}])
    assert instances.find(client, namespace=NAMESPACE, service=service).instances == ()


def test_every_field_of_the_published_request_is_accepted(server: Server, service: str) -> None:
    fields = {
        "protocol": "grpc",
        "version": "1.0",
        "priority": 1,
        "weight": 100,
        "enable_health_check": True,
        "health_check": {"type": "HEARTBEAT", "heartbeat": {"ttl": 5}},
        "healthy": True,
        "isolate": False,
        "location": {"region": "r", "zone": "z", "campus": "c"},
        "metadata": {"a": "b"},
        "service_token": "token",
        "vpc_id": "vpc-1",
    }
    address = {"service": service, "namespace": NAMESPACE, "host": "10.1.0.1", "port": 8080}
    cleaning.clean(server.client(), {**address, **fields})
    cleaning.clean(server.client(), {"id": "no-such-id", **address})


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, 400120),
        ({"service": "s"}, 400110),
        ({"service": "s", "namespace": "n"}, 400131),
        ({"service": "s", "namespace": "n", "host": "h"}, 400132),
        ({"id": ""}, 400130),
        ({"id": "x", "weight": -1}, 400001),
    ],
)
def test_what_a_clean_refuses(body: dict[str, object], code: int, server: Server) -> None:
    with pytest.raises(PolarisError) as caught:
        cleaning.clean(server.client(), body)
    assert (caught.value.kind, caught.value.code) == ("refused", code)


def run_clean(server: Server, **options: object) -> dict[str, object]:
    names = polaris_instance_clean.SPEC["argument_spec"]
    params = {name: rule.get("default") for name, rule in names.items()} | {"settle": 3.0 if server.real else 0.0}
    return polaris_instance_clean.run(server.client(), {**params, **options}, False)


def test_a_deleted_instance_is_cleaned_and_a_live_one_is_not(server: Server, service: str) -> None:
    """The whole module; the answer of the server is the same, whatever it removed."""
    dead = server.register(service, "10.1.0.1", 8080)
    server.register(service, "10.1.0.2", 8080)
    own = server.register(service, "10.1.0.3", 8080, id=f"own-{service}")
    server.deregister(dead, service)
    common = {"service": service, "namespace": NAMESPACE, "port": 8080}
    result = run_clean(server, **common, host="10.1.0.1")
    assert (result["changed"], result["count"]) == (True, 1)
    for live in ("10.1.0.2", "10.1.0.3"):
        with pytest.raises(PolarisError) as caught:
            run_clean(server, **common, host=live)
        assert caught.value.kind == "guard"
    with pytest.raises(PolarisError) as caught:
        run_clean(server, id=own)
    assert caught.value.kind == "guard"
    assert server.lists(own, service)
    assert run_clean(server, id="no-such-id")["count"] == 1


def test_an_instance_cleaned_right_after_deregistration_is_not_served(server: Server, service: str) -> None:
    """A node lists a row until it restarts if the row left the store before the node noticed its deletion."""
    question = {"type": 1, "service": {"name": service, "namespace": NAMESPACE}}
    if server.call("POST", "/v1/Discover", question).status_code == 404:
        pytest.skip("a simulated server has no discovery")

    def served() -> set[str]:
        return {entry["host"] for entry in server.call("POST", "/v1/Discover", question).json().get("instances") or []}

    address = {"service": service, "namespace": NAMESPACE, "port": 8080}
    server.register(service, "10.1.0.1", 8080)
    server.register(service, "10.1.0.2", 8080)
    server.until(lambda: served() == {"10.1.0.1", "10.1.0.2"}, "both to be served")
    server.call("POST", f"{LIST}/delete", [{**address, "host": "10.1.0.1"}])
    assert run_clean(server, **address, host="10.1.0.1")["count"] == 1
    server.until(lambda: served() == {"10.1.0.2"}, "the one to be gone")


def test_an_instance_that_registers_between_lookup_and_clean_is_named(
    server: Server, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server has damaged it without a word. Old boltdb servers do not even list it any more."""
    body = {"service": service, "namespace": NAMESPACE, "host": "10.1.0.1", "port": 8080, "metadata": {"a": "b"}}
    server.deregister(server.register(service, "10.1.0.1", 8080, metadata={"a": "b"}), service)
    clean = cleaning.clean

    def comes_back(client: Client, instance: dict[str, object]) -> None:
        assert server.call("POST", LIST, [body]).json()["code"] == 200000
        server.until(
            lambda: server.lists(instance_id(NAMESPACE, service, "10.1.0.1", 8080), service), "it to be listed"
        )
        clean(client, instance)

    monkeypatch.setattr(cleaning, "clean", comes_back)
    address = {key: body[key] for key in ("service", "namespace", "host", "port")}
    if server.store == "boltdb" and not server.like.list_cached:
        assert run_clean(server, **address)["live_again"] == []
        return
    with pytest.raises(PolarisError) as caught:
        run_clean(server, **address)
    assert caught.value.kind == "guard"
    assert [entry["host"] for entry in caught.value.partial["live_again"]] == ["10.1.0.1"]


def test_clean_answers_the_same_for_an_unknown_instance(server: Server) -> None:
    reply = server.call("POST", CLEAN, {"id": "no-such-id"})
    assert (reply.status_code, reply.json()["code"]) == (200, 200000)


def test_batch_clean(server: Server, service: str) -> None:
    client = server.client()
    if not server.has("POST", "/maintain/v1/instance/batchclean"):
        with pytest.raises(PolarisError) as caught:
            cleaning.clean_batch(client, 100)
        assert caught.value.kind == "unsupported"
        assert "v1.13.0" in caught.value.msg
        return
    live = server.register(service, "10.1.0.1")
    assert cleaning.clean_batch(client, 100) >= 0
    assert server.lists(live, service)


def test_refusals_of_other_accounts(server: Server) -> None:
    """Cleaning needs the main account; refusals by text, by code and as a server failure are distinguished."""
    for call in (
        lambda client: cleaning.clean(client, {"id": "no-such-id"}),
        lambda client: cleaning.clean_batch(client, 1),
    ):
        with pytest.raises(PolarisError) as caught:
            call(server.client(token="no-such-token"))
        if caught.value.kind != "unsupported":  # batches came with v1.13.0
            assert caught.value.kind == "auth", caught.value.msg
    with pytest.raises(PolarisError) as caught:
        instances.find(server.client(token=None), namespace=NAMESPACE)
    assert caught.value.kind in ("auth", "permission")


def test_heartbeats(server: Server, service: str) -> None:
    client = server.client()
    watched = server.register(service, "10.1.0.1", 8080, ttl=5)
    unwatched = server.register(service, "10.1.0.2", 8080)
    assert heartbeats.last(client, "no-such-id") is None
    assert heartbeats.last(client, unwatched) is None
    if server.name in CRASH_IN_HEARTBEAT or (server.real and crashes(server, watched)):
        with pytest.raises(PolarisError) as caught:
            heartbeats.last(client, watched)
        assert "v1.14.2" in caught.value.msg
        return
    server.until(lambda: heartbeats.last(client, watched) is not None, "the health check to know the instance")
    silent = heartbeats.last(client, watched)
    assert silent is not None
    assert (silent.id, silent.host, silent.port, silent.ttl) == (watched, "10.1.0.1", 8080, 5)
    assert (silent.last_heartbeat, silent.age_seconds) == (None, None)

    address = {"service": service, "namespace": NAMESPACE, "host": "10.1.0.1", "port": 8080}
    beat = server.call("POST", "/v1/Heartbeat", address).json()
    assert beat["code"] == 200000, beat
    time.sleep(1.1)
    heard = heartbeats.last(client, watched)
    assert heard is not None
    assert heard.last_heartbeat is not None
    assert abs(time.time() - heard.last_heartbeat) < 30
    assert heard.age_seconds is not None
    assert 0 < heard.age_seconds < 30


@pytest.mark.profiles("v1.17.1", "v1.18.1", "head")
def test_a_deletion_that_the_cache_has_missed(server: Server) -> None:
    """0 on a healthy server; the two figures behind it exist on real servers of every version."""
    assert instances.unnoticed_deletions(server.client()) >= 0
