# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances: registering, listing, cleaning one and many, per store and version."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.simulator import Fleet, Node

from .conftest import Answer, Ask

LIST = "/naming/v1/instances"
DELETE = LIST + "/delete"
CLEAN = "/maintain/v1/instance/clean"
BATCH = "/maintain/v1/instance/batchclean"

Make = Callable[..., Fleet]


def listed(ask: Ask, node: Node, query: str) -> list[str]:
    """The hosts that a query finds."""
    answer = ask(node, "GET", f"{LIST}?{query}")
    assert answer.status == 200, answer.text
    return [each["host"] for each in answer.json()["instances"]]


# Registering


def test_an_id_is_computed_from_the_namespace_on(fleet: Fleet, ask: Ask) -> None:
    node = fleet.nodes[0]
    tetrad = {"service": "s", "namespace": "n", "host": "10.0.0.1", "port": 80}
    created = ask(node, "POST", LIST, [tetrad, {**tetrad, "vpc_id": "v"}, {**tetrad, "id": "its-own"}]).json()
    assert (created["code"], created["size"]) == (200000, 3)
    ids = [each["instance"]["id"] for each in created["responses"]]
    hashed = [hashlib.sha1(text).hexdigest() for text in (b"n##s##10.0.0.1##80", b"n##s##v##10.0.0.1##80")]
    assert ids == [*hashed, "its-own"]
    assert set(fleet.store.rows) >= set(ids)


def test_registered_instances_are_listed(fleet: Fleet, ask: Ask) -> None:
    instance = {
        "service": "s",
        "namespace": "n",
        "host": "10.0.0.1",
        "port": "80",
        "protocol": "http",
        "version": "1",
        "weight": 7,
        "healthy": False,
        "isolate": True,
        "metadata": {"a": "b", "region": "hidden"},
        "location": {"region": "r", "zone": "z", "campus": "c"},
        "enable_health_check": True,
        "health_check": {"type": 1, "heartbeat": {"ttl": 9}},
    }
    ask(fleet.nodes[0], "POST", LIST, [instance])
    found = ask(fleet.nodes[0], "GET", f"{LIST}?service=s").json()["instances"][0]
    expected = {**instance, "port": 80, "metadata": {"a": "b"}, "enableHealthCheck": True}
    expected["healthCheck"] = {"type": "HEARTBEAT", "heartbeat": {"ttl": 9}}
    del expected["enable_health_check"], expected["health_check"]
    assert {key: found[key] for key in expected} == expected
    assert found["service_token"]


@pytest.mark.parametrize(("store", "unset"), [("boltdb", None), ("mysql", "")])
def test_what_is_unset_is_null_or_empty(make_fleet: Make, ask: Ask, store: str, unset: str | None) -> None:
    fleet = make_fleet(store=store)
    fleet.store.register("s", ttl=None)
    found = ask(fleet.nodes[0], "GET", f"{LIST}?service=s").json()["instances"][0]
    assert [found[key] for key in ("vpc_id", "protocol", "version", "logic_set")] == [unset] * 4
    assert (found["enableHealthCheck"], found["healthCheck"]) == (None if store == "boltdb" else False, None)


def test_old_versions_show_no_service_token(make_fleet: Make, ask: Ask) -> None:
    fleet = make_fleet(profile="v1.17.1")
    fleet.store.register("s")
    assert ask(fleet.nodes[0], "GET", f"{LIST}?service=s").json()["instances"][0]["service_token"] is None


def test_each_of_many_has_its_own_answer(fleet: Fleet, ask: Ask) -> None:
    node = fleet.nodes[0]
    good = {"service": "s", "namespace": "n", "host": "10.0.0.1", "port": 80}
    mixed = ask(node, "POST", LIST, [{**good, "host": ""}, good])
    assert (mixed.status, mixed.json()["code"]) == (400, 400000)
    assert [each["code"] for each in mixed.json()["responses"]] == [400131, 200000]
    assert ask(node, "POST", LIST, []).json()["code"] == 400002
    assert ask(node, "POST", LIST, good).json()["info"] == "request decode failed: not at beginning of value"
    assert ask(node, "POST", LIST, [good], token=fleet.tokens.sub).status == 401
    assert ask(node, "POST", DELETE, [{"id": "nobody's"}]).json()["code"] == 200000


def test_a_deregistered_instance_is_gone_from_the_list_but_not_from_the_store(fleet: Fleet, ask: Ask) -> None:
    row = fleet.store.register("s", "n", "10.0.0.1", 80)
    assert listed(ask, fleet.nodes[0], "service=s") == ["10.0.0.1"]
    ask(fleet.nodes[0], "POST", DELETE, [{"service": "s", "namespace": "n", "host": "10.0.0.1", "port": 80}])
    assert listed(ask, fleet.nodes[0], "service=s") == []
    assert not fleet.store.rows[row.id].live


# Listing


@pytest.fixture
def several(fleet: Fleet) -> Fleet:
    """Four instances of three services."""
    fleet.store.register("web", "default", "10.0.0.1", 80, metadata={"a": "1", "b": "2"}, version="1")
    fleet.store.register("web", "default", "10.0.0.2", 81, healthy=False, metadata={"a": "1"})
    fleet.store.register("web", "other", "10.0.0.3", 80, isolate=True, location={"region": "r"}, protocol="http")
    fleet.store.register("db", "default", "10.0.0.4", 80, weight=5)
    return fleet


@pytest.mark.parametrize(
    ("query", "hosts"),
    [
        ("service=web", "123"),
        ("service=web&namespace=default", "12"),
        ("service=we*", "123"),
        ("service=*b", "1234"),
        ("service=nothing&namespace=default", ""),
        ("host=10.0.0.1,10.0.0.4", "14"),
        ("host=10.0.0.*", ""),
        ("service=web&port=81", "2"),
        ("service=web&port=x", "123"),
        ("service=web&healthy=false", "2"),
        ("service=web&health_status=0", "2"),
        ("service=web&healthy=true&health_status=false", "13"),
        ("service=web&isolate=1", "3"),
        ("service=web&isolate=nonsense", "123"),
        ("service=web&protocol=http", "3"),
        ("service=web&version=1", "1"),
        ("weight=5", "4"),
        ("cmdb_region=r", "3"),
        ("service=web&keys=a&values=1", "12"),
        ("service=web&keys=a,b&values=1,2", "1"),
        ("service=web&limit=0", ""),
        ("service=web&logic_set=ignored&priority=9", "123"),
    ],
)
def test_filters(several: Fleet, ask: Ask, query: str, hosts: str) -> None:
    assert sorted(host[-1] for host in listed(ask, several.nodes[0], query)) == list(hosts)


def test_an_id_finds_one_instance(several: Fleet, ask: Ask) -> None:
    row = next(iter(several.store.by_service["default", "db"].values()))
    assert listed(ask, several.nodes[0], f"id={row.id}") == ["10.0.0.4"]
    assert listed(ask, several.nodes[0], f"id={row.id[:30]}*") == ["10.0.0.4"]
    assert listed(ask, several.nodes[0], f"id={row.id}&service=web") == []


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", 400104),
        ("nothing=1", 400103),
        ("vpc_id=v&service=web", 400103),
        ("service=", 400103),
        ("service=web&keys=a", 400105),
        ("service=web&keys=a,b&values=1", 400105),
        ("service=web&limit=x", 400103),
        ("service=web&limit=-1", 400103),
        ("service=web&offset=4294967296", 400103),
    ],
)
def test_wrong_queries(several: Fleet, ask: Ask, query: str, code: int) -> None:
    answer = ask(several.nodes[0], "GET", f"{LIST}?{query}")
    assert (answer.status, answer.json()["code"], answer.json()["instances"]) == (400, code, [])


@pytest.mark.parametrize(
    ("profile", "query", "expected"),
    [
        ("v1.16.0", "id=x", 400105),
        ("v1.16.0", "service=web&id=x", 400103),
        ("v1.16.0", "service=web", 200000),
        ("v1.14.2", "service=web", 400105),
        ("v1.14.2", "service=web&namespace=default", 200000),
        ("v1.14.2", "host=10.0.0.1", 200000),
        ("v1.17.0", "id=x", 200000),
        ("v1.17.1", "service=web&show_last_heartbeat=true", 400103),
        ("v1.18.1", "service=web&show_last_heartbeat=true", 200000),
        ("head", "service=web&show_last_heartbeat=true", 400103),
    ],
)
def test_the_queries_of_each_version(make_fleet: Make, ask: Ask, profile: str, query: str, expected: int) -> None:
    fleet = make_fleet(profile=profile)
    fleet.store.register("web", "default", "10.0.0.1", 80)
    assert ask(fleet.nodes[0], "GET", f"{LIST}?{query}").json()["code"] == expected


def test_an_unknown_service_cuts_the_connection_of_old_boltdb_servers(make_fleet: Make, ask: Ask) -> None:
    query = f"{LIST}?service=nothing&namespace=default"
    with pytest.raises(ConnectionError):
        ask(make_fleet(profile="v1.14.2").nodes[0], "GET", query)
    assert ask(make_fleet(profile="v1.14.2", store="mysql").nodes[0], "GET", query).json()["amount"] == 0


def test_boltdb_accepts_no_list_of_hosts(make_fleet: Make, ask: Ask) -> None:
    for store, expected in (("boltdb", 0), ("mysql", 2)):
        fleet = make_fleet(profile="v1.17.1", store=store)
        fleet.store.register("s", "n", "10.0.0.1")
        fleet.store.register("s", "n", "10.0.0.2")
        assert len(listed(ask, fleet.nodes[0], "host=10.0.0.1,10.0.0.2")) == expected


def test_pages(make_fleet: Make, ask: Ask) -> None:
    fleet = make_fleet(seed_instances=250)
    node = fleet.nodes[0]
    found: list[str] = []
    for offset in (0, 100, 200, 300):
        answer = ask(node, "GET", f"{LIST}?service=seeded&namespace=default&offset={offset}&limit=1000").json()
        assert answer["amount"] == 250
        assert answer["size"] == len(answer["instances"]) == max(0, min(100, 250 - offset))
        found += [each["id"] for each in answer["instances"]]
    assert len(set(found)) == 250
    mtimes = [each["mtime"] for each in answer["instances"]]
    assert mtimes == sorted(mtimes, reverse=True)


def test_pages_of_rows_with_one_mtime_may_be_inconsistent(make_fleet: Make, ask: Ask) -> None:
    fleet = make_fleet(store="mysql")
    now = time.time()
    for number in range(60):
        fleet.store.register("s", "n", f"10.0.0.{number}", modified=now)
    query = "service=s&namespace=n&limit=30"
    orders = {tuple(listed(ask, fleet.nodes[0], query)) for _dummy in range(5)}
    assert len(orders) > 1


def test_a_page_shows_what_was_written(fleet: Fleet, ask: Ask) -> None:
    node = fleet.nodes[0]
    row = fleet.store.register("s", "n", "10.0.0.1")
    assert listed(ask, node, "service=s&healthy=true") == ["10.0.0.1"]
    row.healthy = False
    assert listed(ask, node, "service=s&healthy=true") == []
    assert ask(node, "GET", f"{LIST}?service=s").json()["instances"][0]["healthy"] is False


def test_services_and_namespaces(several: Fleet, ask: Ask) -> None:
    node = several.nodes[0]
    services = ask(node, "GET", "/naming/v1/services?namespace=default").json()
    assert services["amount"] == 2
    counts = {
        each["name"]: (each["total_instance_count"], each["healthy_instance_count"]) for each in services["services"]
    }
    assert counts == {"web": (2, 1), "db": (1, 1)}
    assert ask(node, "GET", "/naming/v1/services?offset=1&limit=1").json()["size"] == 1
    namespaces = ask(node, "GET", "/naming/v1/namespaces").json()["namespaces"]
    assert {each["name"]: each["total_instance_count"] for each in namespaces} == {
        "Polaris": 1,
        "default": 3,
        "other": 1,
    }
    assert ask(node, "POST", "/naming/v1/services", [{"name": "new", "namespace": "default"}]).status == 200
    assert ask(node, "POST", "/naming/v1/services", [{"name": "new", "namespace": "default"}]).json()["code"] == 400201


# Cleaning


def clean(ask: Ask, node: Node, instance: Any) -> Answer:
    answer = ask(node, "POST", CLEAN, instance)
    assert (answer.status, answer.json()["code"]) == (200, 200000)
    return answer


@pytest.mark.parametrize(
    ("profile", "store", "live", "deleted"),
    [
        ("v1.12.2", "boltdb", "deleted", "deleted"),
        ("v1.13.0", "boltdb", "gone", "gone"),
        ("v1.18.1", "boltdb", "gone", "gone"),
        ("v1.12.2", "mysql", "live", "gone"),
        ("v1.17.1", "mysql", "live", "gone"),
        ("v1.17.9", "mysql", "stripped", "gone"),
        ("head", "mysql", "stripped", "gone"),
    ],
)
def test_what_a_clean_does(make_fleet: Make, ask: Ask, profile: str, store: str, live: str, deleted: str) -> None:
    fleet = make_fleet(profile=profile, store=store)
    rows = [fleet.store.register("s", "n", host, metadata={"a": "b"}) for host in ("10.0.0.1", "10.0.0.2")]
    fleet.store.deregister(rows[1].id)
    states = []
    for row in rows:
        clean(ask, fleet.nodes[0], {"id": row.id})
        left = fleet.store.rows.get(row.id)
        if left is None:
            states.append("gone")
        elif not left.live:
            states.append("deleted")
        else:
            states.append("stripped" if left.stripped else "live")
    assert states == [live, deleted]


def test_an_unknown_instance_is_cleaned_with_the_same_success(fleet: Fleet, ask: Ask) -> None:
    before = dict(fleet.store.rows)
    tetrad = {"service": "s", "namespace": "n", "host": "h", "port": 80}
    answer = clean(ask, fleet.nodes[0], tetrad)
    assert answer.json()["instance"]["id"] is None
    assert answer.json()["instance"]["port"] == 80
    clean(ask, fleet.nodes[0], {"id": "nothing"})
    assert fleet.store.rows == before


def test_a_tetrad_misses_an_instance_with_an_id_of_its_own(fleet: Fleet, ask: Ask) -> None:
    fleet.store.register("s", "n", "10.0.0.1", 80, id="its-own")
    clean(ask, fleet.nodes[0], {"service": "s", "namespace": "n", "host": "10.0.0.1", "port": 80})
    assert "its-own" in fleet.store.rows


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("", 400001),
        ("[]", 400001),
        ('{"nothing": 1}', 400001),
        ('{"id": 5}', 400001),
        ('{"port": -1}', 400001),
        ('{"port": "x"}', 400001),
        ("{}", 400120),
        ("null", 400120),
        ('{"id": ""}', 400130),
        ('{"id": null}', 400120),
        ('{"service": "s s"}', 400120),
        ('{"service": "a/b"}', 400110),
        ('{"service": "s", "namespace": "n"}', 400131),
        ('{"service": "s", "namespace": "n", "host": "h"}', 400132),
        ('{"service": "s", "namespace": "n", "host": "h", "port": 0}', 200000),
        ('{"service": "s", "namespace": "n", "host": "h", "port": "80"} and more', 200000),
        ('{"id": "x", "healthCheck": {"heartbeat": {"ttl": 5}}, "enable_health_check": true}', 200000),
    ],
)
def test_what_a_clean_refuses(fleet: Fleet, ask: Ask, body: str, code: int) -> None:
    answer = ask(fleet.nodes[0], "POST", CLEAN, body)
    assert (answer.status, answer.json()["code"]) == (code // 1000, code)
    assert answer.headers.get("X-Polaris-Code", "200000") == str(code)


def test_versions_differ_in_what_they_accept(make_fleet: Make, ask: Ask) -> None:
    body = {"nothing": 1, "service": "a/b"}
    assert ask(make_fleet(profile="head").nodes[0], "POST", CLEAN, body).json()["code"] == 400110
    assert ask(make_fleet(profile="v1.8.0").nodes[0], "POST", CLEAN, {"service": "a/b"}).json()["code"] == 400120


def test_a_failing_store_is_reported(make_fleet: Make, ask: Ask) -> None:
    node = make_fleet(store_fails=True).nodes[0]
    assert ask(node, "POST", CLEAN, {"id": "x"}).status == 500
    assert ask(node, "POST", BATCH, {"batch_size": 1}).status == 500


def test_a_live_instance_that_boltdb_removed_is_served_until_a_restart(make_fleet: Make, ask: Ask) -> None:
    fleet = make_fleet(nodes=2)
    row = fleet.store.register("s", "n", "10.0.0.1")
    clean(ask, fleet.nodes[0], {"id": row.id})
    assert row.id not in fleet.store.rows
    for node in fleet.nodes:
        assert listed(ask, node, "service=s&namespace=n") == ["10.0.0.1"]
        assert ask(node, "GET", f"/maintain/v1/instance/heartbeat?id={row.id}").status == 200
    ask(fleet.nodes[0], "POST", DELETE, [{"id": row.id}])
    fleet.nodes[0].restart()
    assert listed(ask, fleet.nodes[0], "service=s") == []
    assert listed(ask, fleet.nodes[1], "service=s") == ["10.0.0.1"]


def test_older_versions_list_from_the_store_and_see_no_ghost(make_fleet: Make, ask: Ask) -> None:
    fleet = make_fleet(profile="v1.17.1")
    row = fleet.store.register("s", "n", "10.0.0.1")
    clean(ask, fleet.nodes[0], {"id": row.id})
    assert listed(ask, fleet.nodes[0], "service=s") == []
    assert ask(fleet.nodes[0], "GET", f"/maintain/v1/instance/heartbeat?id={row.id}").status == 200


def test_a_clean_before_the_caches_synced_leaves_a_ghost(make_fleet: Make, ask: Ask) -> None:
    fleet = make_fleet(nodes=2, cache_interval=3600.0)
    row = fleet.store.register("s", "n", "10.0.0.1")
    fleet.store.deregister(row.id)
    assert listed(ask, fleet.nodes[0], "service=s") == []  # forces a sync of that node only
    clean(ask, fleet.nodes[0], {"id": row.id})
    assert listed(ask, fleet.nodes[0], "service=s") == []
    assert listed(ask, fleet.nodes[1], "service=s") == ["10.0.0.1"]
    fleet.store.register("s", "n", "10.0.0.1")
    fleet.store.deregister(row.id)
    assert listed(ask, fleet.nodes[1], "service=s") == []


@pytest.mark.parametrize(("age", "seen"), [(0, True), (60, False)])
def test_mysql_strips_a_live_instance_and_caches_see_it_when_the_row_is_young(
    make_fleet: Make, ask: Ask, age: int, seen: bool
) -> None:
    fleet = make_fleet(store="mysql")
    row = fleet.store.register("s", "n", "10.0.0.1", metadata={"a": "b"}, modified=time.time() - age)
    clean(ask, fleet.nodes[0], {"id": row.id})

    def shown() -> tuple[Any, Any, int]:
        found = ask(fleet.nodes[0], "GET", f"{LIST}?service=s").json()["instances"][0]
        beat = ask(fleet.nodes[0], "GET", f"/maintain/v1/instance/heartbeat?id={row.id}").status
        assert found["enableHealthCheck"] is True
        return found["metadata"], found["healthCheck"] is None, beat

    stripped: tuple[Any, Any, int] = ({}, True, 400)
    assert shown() == (stripped if seen else ({"a": "b"}, False, 200))
    fleet.nodes[0].restart()
    assert shown() == stripped


# Cleaning by batches


def batch(ask: Ask, node: Node, body: Any) -> int:
    answer = ask(node, "POST", BATCH, body)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    rows: int = answer.json()["rows_affected"]
    return rows


@pytest.mark.parametrize(("profile", "taken"), [("v1.13.0", 3), ("v1.16.0", 3), ("v1.17.0", 1), ("v1.18.1", 1)])
def test_a_batch_spares_the_young_from_v1_17_on(make_fleet: Make, ask: Ask, profile: str, taken: int) -> None:
    fleet = make_fleet(profile=profile)
    for number, ago in enumerate((0, 540, 660)):
        row = fleet.store.register("s", "n", f"10.0.0.{number}")
        fleet.store.deregister(row.id, ago=ago)
    fleet.store.register("s", "n", "10.0.0.9")
    assert batch(ask, fleet.nodes[0], {"batch_size": 100}) == taken
    assert batch(ask, fleet.nodes[0], {"batch_size": 100}) == 0
    assert listed(ask, fleet.nodes[0], "host=10.0.0.9") == ["10.0.0.9"]


@pytest.mark.parametrize(("store", "zero"), [("boltdb", 1), ("mysql", 0)])
def test_a_batch_of_size_0_removes_one_on_boltdb(make_fleet: Make, ask: Ask, store: str, zero: int) -> None:
    fleet = make_fleet(store=store)
    for number in range(7):
        row = fleet.store.register("s", "n", f"10.0.0.{number}")
        fleet.store.deregister(row.id, ago=3600)
    node = fleet.nodes[0]
    assert [batch(ask, node, body) for body in ({"batch_size": 0}, {}, {"batchSize": 5})] == [zero] * 3
    taken = [batch(ask, node, {"batch_size": 2}) for _dummy in range(5)]
    assert sum(taken) == 7 - 3 * zero
    assert taken[-1] == 0


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("", "unexpected end of JSON input"),
        ('{"batch_size": "1"}', "json: cannot unmarshal string into Go struct field .batch_size of type uint32"),
        ('{"batch_size": -1}', "json: cannot unmarshal number -1 into Go struct field .batch_size of type uint32"),
    ],
)
def test_what_a_batch_refuses(fleet: Fleet, ask: Ask, body: str, text: str) -> None:
    answer = ask(fleet.nodes[0], "POST", BATCH, body)
    assert (answer.status, answer.text) == (400, text)
