# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Batches until nothing is left, and never more than allowed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import Client
from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import PolarisError
from ansible_collections.polarismesh.maintenance.plugins.module_utils._runner import Result
from ansible_collections.polarismesh.maintenance.plugins.modules.polaris_instance_batch_clean import (
    CHECK_MODE_WARNING,
    next_size,
    run,
)
from tests.simulator import Fault, Fleet

MakeFleet = Callable[..., Fleet]
MakeClient = Callable[..., Client]
BATCH = "/maintain/v1/instance/batchclean"


@pytest.fixture
def clean(make_client: MakeClient) -> Callable[..., Result]:
    def run_it(fleet: Fleet, check_mode: bool = False, **options: Any) -> Result:
        client = make_client(fleet.nodes[0], token=fleet.tokens.owner, retries=3)
        return run(client, {"batch_size": 100, "max_rows": None, **options}, check_mode)

    return run_it


def with_dead(fleet: Fleet, count: int, *, ago: float = 3600) -> Fleet:
    for number in range(count):
        row = fleet.store.register("payments", host=f"10.0.{number >> 8}.{number & 255}")
        fleet.store.deregister(row.id, ago=ago)
    return fleet


def sizes(fleet: Fleet) -> list[int]:
    return [
        json.loads(request.body)["batch_size"]
        for request in fleet.requests
        if (request.method, request.path) == ("POST", BATCH)
    ]


@pytest.mark.parametrize(
    ("batch_size", "max_rows", "rows", "expected"),
    [
        (100, None, 0, 100),
        (100, None, 900, 100),
        (100, 250, 200, 50),
        (100, 250, 250, 0),
        (100, 250, 251, 0),
        (9, 5, 0, 5),
    ],
)
def test_the_size_of_the_next_batch(batch_size: int, max_rows: int | None, rows: int, expected: int) -> None:
    assert next_size(batch_size, max_rows, rows) == expected


@pytest.mark.parametrize("store", ["boltdb", "mysql"])
@pytest.mark.parametrize(
    ("dead", "options", "rows", "batches"),
    [
        (0, {}, 0, 1),
        (1, {}, 1, 1),
        (99, {}, 99, 1),
        (100, {}, 100, 2),
        (250, {}, 250, 3),
        (250, {"batch_size": 1000}, 250, 1),
        (3, {"batch_size": 1}, 3, 4),
        (250, {"max_rows": 250}, 250, 3),
        (250, {"max_rows": 120}, 120, 2),
        (250, {"max_rows": 1}, 1, 1),
        (50, {"max_rows": 120}, 50, 1),
    ],
)
def test_until_nothing_is_left(
    dead: int,
    options: dict[str, Any],
    rows: int,
    batches: int,
    store: str,
    make_fleet: MakeFleet,
    clean: Callable[..., Result],
) -> None:
    fleet = with_dead(make_fleet(store=store), dead)
    living = fleet.store.register("payments", host="10.9.9.9")
    assert clean(fleet, **options) == {"changed": rows > 0, "rows_affected": rows, "batches": batches}
    assert sum(not row.live for row in fleet.store.rows.values()) == dead - rows
    assert living.id in fleet.store.rows
    assert sum(sizes(fleet)) >= rows
    assert max(sizes(fleet)) <= options.get("batch_size", 100)


def test_what_was_deleted_a_moment_ago_stays(fleet: Fleet, clean: Callable[..., Result]) -> None:
    with_dead(fleet, 5, ago=60)
    assert clean(fleet)["rows_affected"] == 0


def test_check_mode_cannot_know_and_sends_nothing(fleet: Fleet, clean: Callable[..., Result]) -> None:
    with_dead(fleet, 5)
    assert clean(fleet, check_mode=True) == {
        "changed": False,
        "rows_affected": 0,
        "batches": 0,
        "warnings": [CHECK_MODE_WARNING],
    }
    assert sizes(fleet) == []


@pytest.mark.parametrize("cause", ["token", "version", "nothing listens"])
def test_check_mode_checks_what_it_can(cause: str, make_fleet: MakeFleet, make_client: MakeClient) -> None:
    fleet = make_fleet(profile="v1.12.2" if cause == "version" else "v1.18.1")
    client = make_client(fleet.nodes[0], token="nonsense" if cause == "token" else fleet.tokens.owner, retries=0)
    if cause == "nothing listens":
        fleet.nodes[0].stop()
    kinds = []
    for check_mode in (True, False):
        with pytest.raises(PolarisError) as caught:
            run(client, {"batch_size": 100, "max_rows": None}, check_mode)
        kinds.append(caught.value.kind)
    assert kinds == [{"token": "auth", "version": "unsupported", "nothing listens": "unreachable"}[cause]] * 2
    assert len(sizes(fleet)) <= 1  # the one of the real run


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"batch_size": 0}, "batch_size must be from 1 to 1000; got 0."),
        ({"batch_size": -1}, "batch_size must be from 1 to 1000; got -1."),
        ({"batch_size": 1001}, "batch_size must be from 1 to 1000; got 1001."),
        ({"max_rows": 0}, "max_rows must be 1 or more, or be left out to remove all; got 0."),
    ],
)
@pytest.mark.parametrize("check_mode", [False, True])
def test_wrong_sizes(
    options: dict[str, Any], told: str, check_mode: bool, fleet: Fleet, clean: Callable[..., Result]
) -> None:
    with pytest.raises(PolarisError) as caught:
        clean(fleet, check_mode, **options)
    assert (caught.value.kind, caught.value.msg) == ("refused", told)
    assert fleet.requests == []


def test_an_older_server(make_fleet: MakeFleet, clean: Callable[..., Result]) -> None:
    with pytest.raises(PolarisError) as caught:
        clean(make_fleet(profile="v1.12.2"))
    assert caught.value.kind == "unsupported"
    assert "v1.13.0" in caught.value.msg


@pytest.mark.parametrize("token", ["no-such-token", "sub"])
def test_a_refusal_comes_as_a_failure_of_the_server(token: str, fleet: Fleet, make_client: MakeClient) -> None:
    """HTTP 500, which only the text distinguishes from a failing store."""
    client = make_client(fleet.nodes[0], token=fleet.tokens.sub if token == "sub" else token)
    with pytest.raises(PolarisError) as caught:
        run(client, {"batch_size": 100, "max_rows": None}, False)
    assert (caught.value.kind, caught.value.status) == ("permission" if token == "sub" else "auth", 500)
    assert caught.value.partial == {"changed": False, "rows_affected": 0, "batches": 0}


def test_a_failure_half_way_says_what_is_done(fleet: Fleet, clean: Callable[..., Result]) -> None:
    with_dead(fleet, 350)
    fleet.nodes[0].fault("POST", BATCH, Fault("status", 500, "store layer exception"), skip=2)
    with pytest.raises(PolarisError) as caught:
        clean(fleet)
    assert caught.value.kind == "server"
    assert caught.value.partial == {"changed": True, "rows_affected": 200, "batches": 2}
    assert "200 instances were removed before, in 2 batches." in caught.value.msg
    fleet.nodes[0].clear_faults()
    assert clean(fleet)["rows_affected"] == 150


@pytest.mark.parametrize("kind", ["cut", "drop"])
def test_a_lost_answer_is_unknown_and_not_sent_again(kind: Any, fleet: Fleet, clean: Callable[..., Result]) -> None:
    with_dead(fleet, 350)
    fleet.nodes[0].fault("POST", BATCH, Fault(kind), skip=1)
    with pytest.raises(PolarisError) as caught:
        clean(fleet)
    expected = {"changed": True, "rows_affected": 100, "batches": 1, "outcome_unknown": True}
    assert caught.value.partial == expected
    assert "Whether the last batch was removed is unknown" in caught.value.msg
    assert sizes(fleet) == [100, 100]


@pytest.mark.parametrize("body", ["", "[]", '{"rows_affected":"3"}', "<html>"])
def test_a_foreign_answer(body: str, fleet: Fleet, clean: Callable[..., Result]) -> None:
    fleet.nodes[0].fault("POST", BATCH, Fault("status", 200, body))
    with pytest.raises(PolarisError) as caught:
        clean(fleet)
    assert caught.value.kind == "protocol"
