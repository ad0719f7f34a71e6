# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults on demand, directly and through /_simulator."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable

import pytest

from tests.simulator import Fault, Fleet

from .conftest import Ask

LEVELS = "/maintain/v1/log/outputlevel"
SET = {"scope": "naming", "level": "debug"}


def test_a_status_is_answered_instead_of_the_work(fleet: Fleet, ask: Ask) -> None:
    node = fleet.nodes[0]
    node.fault(
        "PUT", LEVELS, Fault("status", status=502, body="<html>", headers={"Content-Type": "text/html"}), times=1
    )
    answer = ask(node, "PUT", LEVELS, SET)
    assert (answer.status, answer.text, answer.headers["Content-Type"]) == (502, "<html>", "text/html")
    assert node.levels["naming"] == "info"
    assert fleet.requests[0].status == 502
    assert ask(node, "PUT", LEVELS, SET).status == 200


def test_a_redirect(fleet: Fleet, ask: Ask) -> None:
    fleet.nodes[0].fault("*", "/maintain/*", Fault("redirect", location="http://elsewhere.example/"))
    answer = ask(fleet.nodes[0], "GET", LEVELS)
    assert (answer.status, answer.headers["Location"]) == (302, "http://elsewhere.example/")
    assert ask(fleet.nodes[0], "GET", "/").status == 200


@pytest.mark.parametrize(
    ("kind", "error", "done"),
    [
        ("cut", ConnectionError, False),
        ("garbage", http.client.BadStatusLine, False),
        ("drop", ConnectionError, True),
        ("truncate", http.client.IncompleteRead, True),
    ],
)
def test_broken_answers(fleet: Fleet, ask: Ask, kind: str, error: type[Exception], done: bool) -> None:
    node = fleet.nodes[0]
    node.fault("PUT", LEVELS, Fault(kind))  # type: ignore[arg-type]
    with pytest.raises(error):
        ask(node, "PUT", LEVELS, SET)
    assert node.levels["naming"] == ("debug" if done else "info")
    assert fleet.requests[0].status == 0
    node.clear_faults()
    assert ask(node, "GET", LEVELS).status == 200


def test_a_delay_and_a_hang(fleet: Fleet, ask: Ask) -> None:
    node = fleet.nodes[0]
    node.fault("GET", "/", Fault("delay", seconds=0.2))
    started = time.monotonic()
    assert ask(node, "GET", "/").status == 200
    assert time.monotonic() - started >= 0.2
    node.fault("GET", LEVELS, Fault("hang"))
    with pytest.raises(TimeoutError):
        ask(node, "GET", LEVELS, timeout=0.2)


def test_a_hanging_request_does_not_keep_the_fleet_from_stopping(make_fleet: Callable[..., Fleet], ask: Ask) -> None:
    started = time.monotonic()
    with Fleet() as fleet:
        fleet.nodes[0].fault("GET", "/", Fault("hang"))
        failures: list[Exception] = []

        def wait() -> None:
            try:
                ask(fleet.nodes[0], "GET", "/", timeout=60)
            except (ConnectionError, http.client.HTTPException) as problem:
                failures.append(problem)

        thread = threading.Thread(target=wait)
        thread.start()
        while not fleet.requests:
            time.sleep(0.01)
    thread.join(10)
    assert len(failures) == 1
    assert time.monotonic() - started < 30


def test_which_requests_a_fault_affects(fleet: Fleet, ask: Ask) -> None:
    node = fleet.nodes[0]
    node.fault("PUT", LEVELS, Fault("status", status=503), containing='"cache"', skip=1, times=1)
    statuses = []
    for scope in ("naming", "cache", "naming", "cache", "cache"):
        statuses.append(ask(node, "PUT", LEVELS, {"scope": scope, "level": "warn"}).status)
    assert statuses == [200, 200, 200, 503, 200]


def test_an_unknown_kind() -> None:
    with pytest.raises(ValueError, match="truncate"):
        Fault("explode")  # type: ignore[arg-type]


# /_simulator


def test_faults_over_http(fleet: Fleet, ask: Ask) -> None:
    node = fleet.nodes[0]
    fault = {"method": "GET", "path": LEVELS, "kind": "status", "status": 503, "times": 1}
    assert ask(node, "POST", "/_simulator/faults", fault, token=None).status == 200
    assert [ask(node, "GET", LEVELS).status for _dummy in range(2)] == [503, 200]
    ask(node, "POST", "/_simulator/faults", {"kind": "cut"})
    ask(node, "DELETE", "/_simulator/faults")
    assert ask(node, "GET", LEVELS).status == 200
    assert ask(node, "POST", "/_simulator/faults", {"kind": "explode"}).status == 400


def test_state_requests_and_settings_over_http(make_fleet: Callable[..., Fleet], ask: Ask) -> None:
    fleet = make_fleet(nodes=2)
    node = fleet.nodes[0]
    ask(node, "GET", "/", token=None)
    requests = ask(node, "GET", "/_simulator/requests", token=None).json()
    assert [(each["method"], each["path"], each["status"]) for each in requests] == [("GET", "/", 200)]
    ask(node, "DELETE", "/_simulator/requests?all=true")
    assert fleet.requests == []
    assert ask(node, "PATCH", "/_simulator/config", {"auth": "open", "clock_offset": "60"}).json()["auth"] == "open"
    assert (node.config.clock_offset, fleet.nodes[1].config.auth) == (60.0, "strict")
    ask(node, "PATCH", "/_simulator/config?all=true", {"auth": "open"})
    assert fleet.nodes[1].config.auth == "open"
    wrong = ask(node, "PATCH", "/_simulator/config", {"auth": "maybe"})
    assert (wrong.status, "strict, open, non-strict" in wrong.text) == (400, True)
    ask(node, "PUT", "/_simulator/levels", {"naming": "fatal", "new": "warn"})
    state = ask(node, "GET", "/_simulator/state").json()
    assert (state["levels"]["naming"], state["levels"]["new"], state["profile"]) == ("fatal", "warn", "v1.18.1")
    assert ask(node, "GET", "/_simulator/nothing").status == 404


def test_instances_over_http(fleet: Fleet, ask: Ask) -> None:
    node = fleet.nodes[0]
    wanted = {
        "register": [
            {"service": "s", "host": "10.9.9.1", "port": 80, "beat_ago": 100},
            {"service": "s", "host": "10.9.9.2", "port": 80, "deleted_ago": 3600},
            {"service": "many", "port": 80, "repeat": 300},
        ]
    }
    ids = ask(node, "POST", "/_simulator/instances", wanted).json()["ids"]
    assert len(set(ids)) == 302
    beat = ask(node, "GET", f"/maintain/v1/instance/heartbeat?id={ids[0]}").json()["instance"]["metadata"]
    assert 99 <= time.time() - int(beat["last-heartbeat-timestamp"]) < 160
    assert not fleet.store.rows[ids[1]].live
    assert ask(node, "GET", "/naming/v1/instances?service=many").json()["amount"] == 300
    changes = {"deregister": [ids[2], {"id": ids[3], "ago": 700}], "remove": [ids[4]], "beats": {ids[5]: 5}}
    ask(node, "POST", "/_simulator/instances", changes)
    assert ask(node, "GET", "/naming/v1/instances?service=many").json()["amount"] == 297
    assert ask(node, "POST", "/maintain/v1/instance/batchclean", {"batch_size": 100}).json()["rows_affected"] == 2
    assert len(ask(node, "POST", "/_simulator/instances", [{"service": "one"}]).json()["ids"]) == 1
    rows = ask(node, "GET", "/_simulator/instances").json()
    assert len(rows) == len(fleet.store.rows)


def test_heap_clients_locations_and_restart_over_http(fleet: Fleet, ask: Ask) -> None:
    node = fleet.nodes[0]
    assert ask(node, "PUT", "/_simulator/heap", {"free": 7}).json()["free"] == 7
    assert node.heap.free == 7
    ask(node, "POST", "/_simulator/clients", [{"id": "sdk", "host": "10.0.0.1", "port": 1}])
    ask(node, "POST", "/_simulator/locations", [{"IP": "10.0.0.1"}])
    assert (len(fleet.store.clients), len(fleet.store.locations)) == (1, 1)
    node.levels["naming"] = "none"
    assert ask(node, "POST", "/_simulator/restart").status == 200
    assert node.levels["naming"] == "info"
    assert node.heap.free > 7
