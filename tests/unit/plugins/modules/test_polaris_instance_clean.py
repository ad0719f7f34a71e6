# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is cleaned and, above all, what is not: a live instance must never be cleaned."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.polarismesh.maintenance.plugins.module_utils._api import cleaning, instances, routes
from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import Client, Progress
from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import PolarisError
from ansible_collections.polarismesh.maintenance.plugins.module_utils._identity import Target
from ansible_collections.polarismesh.maintenance.plugins.module_utils._runner import Result
from ansible_collections.polarismesh.maintenance.plugins.modules import polaris_instance_clean
from ansible_collections.polarismesh.maintenance.plugins.modules.polaris_instance_clean import SPEC, run
from tests.simulator import Fault, Fleet, Node
from tests.simulator.store import Row
from tests.unit.options import params_of

MakeFleet = Callable[..., Fleet]
MakeClient = Callable[..., Client]
CLEAN = "/maintain/v1/instance/clean"
LIST = "/naming/v1/instances"


# Nothing waits, unless a test is about waiting.
params = functools.partial(params_of, SPEC, settle=0)


class Site:
    """A simulated node with a service, and the module run against it."""

    def __init__(self, fleet: Fleet, make_client: MakeClient) -> None:
        self.fleet = fleet
        self.node: Node = fleet.nodes[0]
        self.make_client = make_client

    def live(self, host: str = "10.0.0.1", **values: Any) -> Row:
        return self.fleet.store.register("payments", "default", host, 8080, **values)

    def dead(self, host: str = "10.0.0.2", **values: Any) -> Row:
        row = self.live(host, **values)
        self.fleet.store.deregister(row.id, ago=60)
        return row

    def clean(self, check_mode: bool = False, retries: int = 2, token: str = "", **options: Any) -> Result:
        client = self.make_client(self.node, token=token or self.fleet.tokens.owner, retries=retries, parallel=4)
        return run(client, params(**options), check_mode)

    def refused(self, **options: Any) -> PolarisError:
        with pytest.raises(PolarisError) as caught:
            self.clean(**options)
        return caught.value

    @property
    def gets(self) -> int:
        return sum(request.method == "GET" for request in self.fleet.requests)

    @property
    def sent(self) -> list[dict[str, Any]]:
        return [json.loads(request.body) for request in self.fleet.requests if request.path == CLEAN]


@pytest.fixture
def site(fleet: Fleet, make_client: MakeClient) -> Site:
    return Site(fleet, make_client)


def hosts(identities: list[dict[str, Any]]) -> list[str]:
    return [identity["host"] for identity in identities]


# --- deleted and live instances --------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", ["v1.8.0", "v1.12.2", "v1.14.1", "v1.16.0", "v1.17.1", "v1.18.1", "head"])
@pytest.mark.parametrize("store", ["boltdb", "mysql"])
def test_deleted_instances_go_and_live_ones_stay(
    profile: str, store: str, make_fleet: MakeFleet, make_client: MakeClient
) -> None:
    site = Site(make_fleet(profile=profile, store=store), make_client)
    live = [site.live("10.0.0.1"), site.live("10.0.0.2", id="own-2"), site.live("10.0.0.3", vpc_id="v1")]
    dead = [site.dead("10.0.1.1"), site.dead("10.0.1.2", id="own-4")]
    result = site.clean(
        instances=[*(row.tetrad for row in live), dead[0].tetrad, {"id": dead[1].id}, {"id": live[1].id}],
        on_live="skip",
    )
    assert result["changed"]
    assert result["count"] == 2
    assert [identity["id"] for identity in result["cleaned"]] == [row.id for row in dead]
    assert {identity["id"] for identity in result["live"]} == {row.id for row in live}
    assert sorted(site.sent, key=len) == [{"id": "own-4"}, dead[0].tetrad]
    assert all(row.live and not row.stripped for row in live)


@pytest.mark.parametrize("names", ["tetrad", "id", "both"])
def test_a_live_instance_fails_the_task_with_nothing_cleaned(names: str, site: Site) -> None:
    live, dead = site.live(), site.dead()
    named = {"tetrad": live.tetrad, "id": {"id": live.id}, "both": {"id": live.id, **live.tetrad}}[names]
    error = site.refused(instances=[dead.tetrad, named])
    assert error.kind == "guard"
    assert error.msg.startswith("1 of 2 instances is live at http://")
    assert "default/payments 10.0.0.1:8080" in error.msg
    assert "Nothing was cleaned." in error.msg
    assert site.sent == []
    assert error.partial["changed"] is False
    assert error.partial["cleaned"] == error.partial["unknown"] == []
    assert hosts(error.partial["live"]) == [live.host]
    assert hosts(error.partial["not_cleaned"]) == [dead.host]


def test_a_live_instance_with_an_id_of_its_own_is_found_by_its_address(site: Site) -> None:
    own = site.live(id="own-id")
    error = site.refused(**own.tetrad)
    assert error.kind == "guard"
    assert error.partial["live"][0]["id"] == "own-id"


def test_a_live_instance_that_took_over_the_id_of_another_address(site: Site) -> None:
    """The server would clean the id computed from the old address."""
    old = site.dead("10.0.0.9")
    moved = site.live("10.0.0.10", id=old.id)
    error = site.refused(**old.tetrad)
    assert error.kind == "guard"
    assert hosts(error.partial["live"]) == [moved.host]


def test_networks_with_the_same_addresses(site: Site) -> None:
    one, other = site.live(vpc_id="v1"), site.dead(host="10.0.0.1", vpc_id="v2")
    assert site.refused(**one.tetrad).kind == "guard"  # without a vpc_id, it may mean any of them
    assert site.refused(**one.tetrad, vpc_id="v1").partial["live"][0]["vpc_id"] == "v1"
    result = site.clean(**other.tetrad, vpc_id="v2")
    assert result["cleaned"][0]["id"] == other.id
    assert result["cleaned"][0]["vpc_id"] == "v2"


def test_live_ones_are_cleaned_when_the_task_says_so(site: Site) -> None:
    live = site.live()
    result = site.clean(**live.tetrad, on_live="clean")
    assert result["count"] == 1
    assert hosts(result["live"]) == hosts(result["cleaned"]) == [live.host]
    assert site.sent == [live.tetrad]


def test_an_id_of_its_own_is_not_reached_by_the_address(site: Site) -> None:
    own = site.live(id="own-id")
    result = site.clean(**own.tetrad, on_live="clean")
    assert "id of their own (default/payments 10.0.0.1:8080)" in result["warnings"][0]
    assert own.live


def test_all_are_looked_up_before_the_first_is_cleaned(site: Site) -> None:
    rows = [site.dead(f"10.0.2.{n}") for n in range(20)]
    other = site.fleet.store.register("refunds", "default", "10.0.3.1", 80)
    site.fleet.store.deregister(other.id, ago=60)
    site.clean(instances=[*(row.tetrad for row in rows), other.tetrad, {"id": "no-such-id"}])
    methods = [request.method for request in site.fleet.requests if request.path in (CLEAN, LIST)]
    assert methods.count("POST") == 22
    first, last = methods.index("POST"), len(methods) - methods[::-1].index("POST")
    assert methods[first:last] == ["POST"] * 22
    assert methods[:first]
    assert methods[last:]  # once more, at the end


def test_check_mode_sends_nothing_and_says_the_same(site: Site) -> None:
    live, dead = site.live(), site.dead()
    options: dict[str, Any] = {"instances": [live.tetrad, dead.tetrad], "on_live": "skip"}
    dry = site.clean(check_mode=True, **options)
    assert site.sent == []
    assert dry == site.clean(**options)


def test_all_fields_are_sent_and_the_token_of_the_service_is_in_no_result(site: Site) -> None:
    live, dead = site.live(), site.dead()
    secret = {"service_token": "the-secret-word", "weight": "50", "metadata": {"a": 1}}
    options: dict[str, Any] = {"instances": [{**live.tetrad, **secret}, {**dead.tetrad, **secret}]}
    result = site.clean(on_live="skip", **options)
    assert site.sent == [{**dead.tetrad, "service_token": "the-secret-word", "weight": 50, "metadata": {"a": "1"}}]
    assert "the-secret-word" not in str(result)
    error = site.refused(**options)
    assert "the-secret-word" not in str(error) + str(error.partial)
    assert live.service_token not in str(result) + str(error.partial)


@pytest.mark.parametrize("profile", ["v1.12.2", "v1.17.1", "v1.18.1"])
def test_a_service_that_does_not_exist(profile: str, make_fleet: MakeFleet, make_client: MakeClient) -> None:
    """It cannot have live instances; v1.12.2 closes the connection. A clean succeeds, so a warning says this."""
    site = Site(make_fleet(profile=profile), make_client)
    many = [{"service": "paymnets", "namespace": "default", "host": "10.0.0.7", "port": port} for port in (1, 2)]
    forms: list[dict[str, Any]] = [{"instances": many}, many[0]]
    for options in forms:
        result = site.clean(retries=0, **options)
        assert result["changed"]
        assert result["warnings"] == [f"{site.node.url} has no service default/paymnets: check the names."]


# --- no more requests than needed ------------------------------------------------------------------------------------


def test_large_lists_are_looked_up_a_service_at_a_time(site: Site) -> None:
    dead = [site.dead(f"10.1.{n >> 8}.{n & 255}") for n in range(400)]
    for n in range(150):
        site.live(f"10.2.0.{n}")
    site.clean(check_mode=True, instances=[row.tetrad for row in dead])
    assert site.gets <= 1 + 2 + 1  # the first page, both pages, is there such a service


def test_a_few_of_a_large_service_are_looked_up_one_by_one(site: Site) -> None:
    for n in range(1000):
        site.live(f"10.2.{n >> 8}.{n & 255}")
    live, dead = site.live(), [site.dead("10.3.0.1"), site.dead("10.3.0.2")]
    result = site.clean(check_mode=True, on_live="skip", instances=[live.tetrad, *(row.tetrad for row in dead)])
    assert hosts(result["live"]) == [live.host]
    assert site.gets <= 1 + 3 + 2


def test_many_ids_are_looked_for_in_the_list_of_all_where_that_is_short(site: Site) -> None:
    live = site.live(id="own-live")
    ids = [{"id": f"own-{n}"} for n in range(50)]
    result = site.clean(check_mode=True, on_live="skip", instances=[*ids, {"id": live.id}])
    assert hosts(result["live"]) == [live.host]
    assert result["cleaned"][0] == {"id": "own-0", "service": None, "namespace": None, "host": None, "port": None}
    assert site.gets <= 3


def test_a_few_ids_are_looked_for_one_by_one_where_the_list_is_long(site: Site) -> None:
    for n in range(500):
        site.live(f"10.2.{n >> 8}.{n & 255}")
    live = site.live(id="own-live")
    result = site.clean(check_mode=True, on_live="skip", instances=[{"id": "a"}, {"id": "b"}, {"id": live.id}])
    assert hosts(result["live"]) == [live.host]
    assert site.gets <= 4


# --- lists that change while they are read ---------------------------------------------------------------------------


@pytest.mark.parametrize("store", ["boltdb", "mysql"])
def test_no_live_one_is_missed_where_pages_overlap(store: str, make_fleet: MakeFleet, make_client: MakeClient) -> None:
    """With a MySQL store, rows that changed in the same second are in a different order on each page."""
    site = Site(make_fleet(store=store), make_client)
    live = [site.live(f"10.2.{n >> 8}.{n & 255}") for n in range(350)]
    own = [site.live(f"10.3.0.{n}", id=f"own-{n}") for n in range(20)]
    dead = [site.dead(f"10.4.0.{n}") for n in range(20)]
    result = site.clean(check_mode=True, on_live="skip", instances=[row.tetrad for row in (*live, *own, *dead)])
    assert set(hosts(result["live"])) == {row.host for row in (*live, *own)}
    assert set(hosts(result["cleaned"])) == {row.host for row in dead}


def test_an_instance_that_moves_to_a_page_that_was_read(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [site.live(f"10.2.{n >> 8}.{n & 255}", modified=1700000000.0 + n) for n in range(250)]
    page, moves = instances._page, iter(rows[:40])

    def moving(client: Client, wanted: Any) -> Any:
        found = page(client, wanted)
        if wanted.get("offset"):
            next(moves).modified = 1800000000.0  # for example by a heartbeat, which moves it to the top of the list
        return found

    monkeypatch.setattr(instances, "_page", moving)
    result = site.clean(check_mode=True, on_live="skip", instances=[row.tetrad for row in rows])
    assert len(result["live"]) == len(rows)
    assert result["cleaned"] == []


def test_a_list_that_never_stops_changing_is_looked_up_one_by_one(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [site.live(f"10.2.{n >> 8}.{n & 255}") for n in range(150)]
    listing = instances.find

    def incomplete(client: Client, **wanted: Any) -> Any:
        found = listing(client, **wanted)
        if wanted.get("service") is None:
            return found
        return type(found)(found.instances[:70], found.amount, False)

    monkeypatch.setattr(instances, "find", incomplete)
    result = site.clean(check_mode=True, on_live="skip", instances=[row.tetrad for row in rows])
    assert len(result["live"]) == len(rows)


def test_with_an_uncertain_list_nothing_is_cleaned(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    dead = site.dead()
    listing = instances.find
    monkeypatch.setattr(
        instances,
        "find",
        lambda client, **wanted: type(found := listing(client, **wanted))(found.instances, found.amount, False),
    )
    error = site.refused(**dead.tetrad)
    assert error.kind == "guard"
    assert "it is unknown which are live" in error.msg
    assert site.sent == []


# --- time ------------------------------------------------------------------------------------------------------------


def test_nodes_get_time_to_notice_a_deregistration(make_fleet: MakeFleet, make_client: MakeClient) -> None:
    """If a row leaves the store before a node has noticed its deletion, that node lists it until it restarts."""
    site = Site(make_fleet(nodes=2, cache_interval=0.5, store="mysql"), make_client)
    row = site.live()
    site.fleet.store.deregister(row.id)
    site.clean(**row.tetrad, settle=1.2)
    assert site.sent == [row.tetrad]
    assert site.fleet.store.ghosts == {}

    # No sync can happen in between, however slow the machine is.
    site.fleet.configure(cache_interval=3600.0)
    other = site.live("10.0.0.9")
    site.fleet.store.deregister(other.id)
    site.clean(**other.tetrad, settle=0)  # the reason for the waiting
    assert site.fleet.store.ghosts != {}


@pytest.mark.parametrize(
    ("profile", "store", "waits"),
    [
        ("v1.12.2", "boltdb", True),
        ("v1.17.1", "boltdb", True),
        ("v1.17.1", "mysql", True),
        ("v1.18.1", "boltdb", False),
        ("v1.18.1", "mysql", True),
        ("head", "boltdb", False),
        ("head", "mysql", True),
    ],
)
def test_the_wait_is_for_nodes_that_were_not_asked(
    profile: str,
    store: str,
    waits: bool,
    make_fleet: MakeFleet,
    make_client: MakeClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The lookup makes the node that is asked notice, from v1.17.2 on; with a boltdb store it is the only node."""
    site = Site(make_fleet(profile=profile, store=store, cache_interval=60), make_client)
    row = site.live()
    site.fleet.store.deregister(row.id)
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    site.clean(settle=SPEC["argument_spec"]["settle"]["default"], **row.tetrad)
    assert slept == ([3] if waits else [])
    assert site.sent == [row.tetrad]
    if not waits:
        assert site.fleet.store.ghosts == {}


@pytest.mark.parametrize("path", ["/core/v1/auth/status", "/maintain/v1/leaders"])
def test_without_this_knowledge_the_module_waits(path: str, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    row = site.dead()
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    site.node.fault("GET", path, Fault("status", 404))
    site.clean(settle=3, **row.tetrad)
    assert slept == [3]


@pytest.mark.parametrize("on_live", ["fail", "skip"])
def test_one_that_registers_during_the_wait_is_spared(
    on_live: str, make_fleet: MakeFleet, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(make_fleet(nodes=2, store="mysql"), make_client)
    rows = [site.dead("10.0.0.1"), site.dead("10.0.0.2")]
    monkeypatch.setattr(time, "sleep", lambda dummy: site.live("10.0.0.1"))
    options: dict[str, Any] = {"instances": [row.tetrad for row in rows], "on_live": on_live, "settle": 3}
    if on_live == "fail":
        assert site.refused(**options).kind == "guard"
        assert site.sent == []
    else:
        assert hosts(site.clean(**options)["live"]) == ["10.0.0.1"]
        assert site.sent == [rows[1].tetrad]


def test_check_mode_does_not_wait(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda dummy: pytest.fail("waited"))
    site.clean(check_mode=True, settle=3, **site.dead().tetrad)


@pytest.mark.parametrize("settle", [-1, 601])
def test_an_invalid_wait(settle: int, site: Site) -> None:
    assert "settle must be from 0 to 600" in site.refused(id="abc", settle=settle).msg
    assert site.fleet.requests == []


def test_one_that_registers_while_others_are_cleaned_is_spared(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lookup is valid for a second; there is another one before the next part."""
    rows = [site.dead(f"10.0.2.{n}") for n in range(6)]
    monkeypatch.setattr(polaris_instance_clean, "PART", 2)
    monkeypatch.setattr(polaris_instance_clean, "FRESH", -1.0)
    clean = cleaning.clean

    def then_register(client: Client, instance: dict[str, Any]) -> None:
        clean(client, instance)
        site.live(rows[5].host)

    monkeypatch.setattr(cleaning, "clean", then_register)
    result = site.clean(on_live="skip", instances=[row.tetrad for row in rows])
    assert hosts(result["live"]) == [rows[5].host]
    assert result["count"] == 5

    for row in rows[:5]:
        site.fleet.store.register("payments", "default", row.host, 8080)
        site.fleet.store.deregister(row.id, ago=60)
    rows.append(site.dead("10.0.2.9"))
    site.fleet.store.deregister(rows[5].id, ago=60)
    error = site.refused(instances=[row.tetrad for row in rows])
    assert error.kind == "guard"
    assert "were cleaned," in error.msg
    assert error.partial["changed"]
    assert hosts(error.partial["live"]) == [rows[5].host]
    together = error.partial["cleaned"] + error.partial["not_cleaned"] + error.partial["live"]
    assert sorted(hosts(together)) == sorted(row.host for row in rows)


@pytest.mark.parametrize(("store", "left"), [("mysql", True), ("boltdb", False)])
@pytest.mark.parametrize("on_live", ["fail", "skip"])
def test_one_that_registers_between_lookup_and_clean_is_named(
    on_live: str,
    store: str,
    left: bool,
    make_fleet: MakeFleet,
    make_client: MakeClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The server has damaged it and no answer says so, but the lookup at the end finds it."""
    site = Site(make_fleet(store=store), make_client)
    rows = [site.dead(f"10.0.2.{n}") for n in range(6)]
    clean = cleaning.clean

    def cleaned(client: Client, instance: dict[str, Any]) -> None:
        if instance["host"] == rows[5].host:
            site.live(rows[5].host)
        clean(client, instance)

    monkeypatch.setattr(cleaning, "clean", cleaned)
    error = site.refused(on_live=on_live, instances=[row.tetrad for row in rows])
    assert error.kind == "guard"
    assert "1 of 6 cleaned instances are live again" in error.msg
    assert error.msg.endswith("Register them again.")
    assert hosts(error.partial["live_again"]) == [rows[5].host]
    assert (error.partial["changed"], error.partial["count"], error.partial["live"]) == (True, 6, [])
    assert (rows[5].id in site.fleet.store.rows) is left


def test_a_part_has_few_services_and_a_recent_lookup() -> None:
    targets = [Target(str(n), False, f"s{n % 3}", "default", "10.0.0.1", n, None, {}) for n in range(250)]
    state = polaris_instance_clean.State(targets, "skip", looked=dict.fromkeys(range(250), 100.0))
    found = polaris_instance_clean.parts(state)
    assert [len(part) for part in found] == [100, 100, 50]
    assert sorted(at for part in found for at in part) == list(range(250))
    assert max(len({targets[at].service for at in part}) for part in found) == 2
    assert [state.stale(found[0], now) for now in (100.0, 100.9, 101.1)] == [False, False, True]


def test_without_the_last_lookup_it_is_unknown_what_is_live_again(site: Site) -> None:
    rows = [site.dead(f"10.0.2.{n}") for n in range(3)]
    site.node.fault("GET", LIST, Fault("status", 500, "oops"), skip=1)
    error = site.refused(instances=[row.tetrad for row in rows], retries=0)
    assert error.kind == "server"
    assert "3 were cleaned, 0 were not. It is unknown whether any of them is live again." in error.msg
    assert error.partial["live_again"] is None
    assert error.partial["count"] == 3


def test_what_is_cleaned_although_it_is_live_is_not_live_again(site: Site) -> None:
    result = site.clean(on_live="clean", **site.live().tetrad)
    assert (len(result["live"]), result["live_again"]) == (1, [])


def test_port_0_is_a_port(site: Site) -> None:
    """A server accepts and lists it; what it lists can be used as input."""
    row = site.fleet.store.register("payments", "default", "10.0.0.1", 0)
    assert hosts(site.refused(**row.tetrad).partial["live"]) == ["10.0.0.1"]
    site.fleet.store.deregister(row.id, ago=60)
    assert site.clean(**row.tetrad)["count"] == 1
    assert row.id not in site.fleet.store.rows


# --- failures --------------------------------------------------------------------------------------------------------


def test_a_failure_half_way_says_what_is_done_and_a_second_run_finishes(site: Site) -> None:
    rows = [site.dead(f"10.0.2.{n}") for n in range(50)]
    site.node.fault("POST", CLEAN, Fault("status", 500, '{"code":500001,"info":"store layer exception"}'), skip=20)
    error = site.refused(instances=[row.tetrad for row in rows])
    assert error.kind == "server"
    assert (error.status, error.code) == (500, 500001)
    done, left = hosts(error.partial["cleaned"]), hosts(error.partial["not_cleaned"])
    assert error.partial["changed"] is True
    assert error.partial["count"] == len(done) == 20
    assert error.partial["unknown"] == []
    assert sorted(done + left) == sorted(row.host for row in rows)
    assert f"20 were cleaned, {len(left)} were not" in error.msg
    assert "Run it again" in error.msg
    assert {row.host for row in rows if row.id not in site.fleet.store.rows} == set(done)

    site.node.clear_faults()
    rest = site.clean(instances=error.partial["not_cleaned"])
    assert hosts(rest["cleaned"]) == left
    assert not any(row.id in site.fleet.store.rows for row in rows)


@pytest.mark.parametrize("kind", ["cut", "drop"])
def test_a_lost_answer_is_unknown_and_nothing_is_sent_twice(kind: Any, site: Site) -> None:
    rows = [site.dead(f"10.0.2.{n}") for n in range(30)]
    site.node.fault("POST", CLEAN, Fault(kind), 1, skip=10)
    error = site.refused(instances=[row.tetrad for row in rows], retries=5)
    assert error.outcome_unknown
    assert "the outcome is unknown for 1." in error.msg
    assert len(error.partial["unknown"]) == 1
    parts = [error.partial[key] for key in ("cleaned", "not_cleaned", "unknown")]
    assert sorted(host for part in parts for host in hosts(part)) == sorted(row.host for row in rows)
    addresses = [body["host"] for body in site.sent]
    assert len(addresses) == len(set(addresses))
    again = site.clean(instances=error.partial["not_cleaned"] + error.partial["unknown"])
    assert again["count"] == 30 - len(error.partial["cleaned"])


def test_an_account_that_may_not_clean_is_not_told_to_try_again(site: Site) -> None:
    error = site.refused(**site.dead().tetrad, token=site.fleet.tokens.sub)
    assert error.kind == "permission"
    assert error.msg.endswith("give that account's token. Nothing was cleaned.")


def test_a_look_up_that_fails_sends_nothing(site: Site) -> None:
    rows = [site.dead(f"10.0.2.{n}") for n in range(3)]
    site.node.fault("GET", LIST, Fault("status", 500, "oops"))
    error = site.refused(instances=[row.tetrad for row in rows], retries=0)
    assert error.kind == "server"
    assert site.sent == []


@pytest.mark.parametrize(
    "bad", [{"host": ""}, {"port": -1}, {"port": 70000}, {"port": "http"}, {"service": ""}, {"id": ""}]
)
def test_a_bad_one_among_many_sends_nothing(bad: dict[str, Any], site: Site) -> None:
    rows = [{**site.dead().tetrad, "port": port} for port in range(1, 2001)]
    rows[1234] = {**rows[1234], **bad}
    error = site.refused(instances=rows)
    assert error.kind == "refused"
    assert error.msg.startswith("instances[1234].")
    assert site.fleet.requests == []


def test_without_the_console_api_live_instances_are_unknown(make_fleet: MakeFleet, make_client: MakeClient) -> None:
    site = Site(make_fleet(console=False), make_client)
    error = site.refused(**site.dead().tetrad)
    assert error.kind == "unsupported"
    assert "api.console.enable" in error.msg
    assert site.sent == []


def test_progress_is_reported(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Progress, "SECONDS", 1e9)  # a slow machine reports progress more often
    monkeypatch.setattr(Progress, "ITEMS", 100)
    rows = [site.dead(f"10.1.{n >> 8}.{n & 255}") for n in range(250)]
    lines: list[str] = []
    client = site.make_client(site.node, token=site.fleet.tokens.owner, parallel=4)
    client.progress = lines.append
    run(client, params(instances=[row.tetrad for row in rows]), False)
    told = [line for line in lines if line.endswith("instances cleaned")]
    assert told[0].startswith("100 of 250")
    assert told[-1].startswith("200 of 250")


@pytest.mark.parametrize("count", [3, 40])
@pytest.mark.parametrize(
    "everything",
    ['{"amount":0,"instances":[]}', '{"code":400103,"info":"invalid parameter"}', '{"code":400105,"info":"too wide"}'],
)
def test_a_wrong_list_of_all_hides_no_live_instance(
    everything: str, count: int, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [site.live(f"10.0.1.{number}") for number in range(count)]
    for row in rows[:-1]:
        site.fleet.store.deregister(row.id, ago=60)
    console_list = instances.page_of

    def answer(client: Client, route: routes.Route, query: Any, key: str) -> Any:
        if route is not instances.GET_INSTANCES or set(query) - {"limit", "offset"}:
            return console_list(client, route, query, key)
        body = json.loads(everything)
        if "code" in body:
            raise PolarisError("refused", body["info"], status=400, code=body["code"])
        return body["amount"], body["instances"]

    monkeypatch.setattr(instances, "page_of", answer)
    error = site.refused(instances=[{"id": row.id} for row in rows])
    assert error.kind == "guard"
    assert [entry["id"] for entry in error.partial["live"]] == [rows[-1].id]


def test_a_truncated_answer_does_not_prove_a_refusal(site: Site) -> None:
    dead = site.dead()
    site.node.fault("POST", CLEAN, Fault("status", 200, '{"code":200000,"in'))
    error = site.refused(id=dead.id)
    assert error.partial["changed"] is True
    assert [entry["id"] for entry in error.partial["unknown"]] == [dead.id]
    assert error.partial["not_cleaned"] == []
