# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cases that run through both doors: for every module at least one success and one failure."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from tests.clients import ALICE, BOB, Clients, until
from tests.simulator import Fleet


@dataclass(frozen=True)
class Subject:
    """One module.

    ``cases``: name -> options, run in this order against one fresh node; a name that starts with "fail" must fail,
    the others must not, and the first of those changes something if the module can. ``fleet``: options of the
    simulator. ``prepare``: prepares the server for the first case.
    ``volatile``: result keys that differ from run to run, whatever the door.
    """

    cases: dict[str, dict[str, Any]]
    fleet: dict[str, Any] = field(default_factory=dict)
    prepare: Callable[[Fleet], AbstractContextManager[Any]] = contextlib.nullcontext
    volatile: frozenset[str] = frozenset()


WRONG_TOKEN = {"token": "no-such-token"}
NOBODY = {"url": "http://127.0.0.1:1"}

#: Fixed ports that the system gives to no other client, so that both doors see the same addresses.
CLIENTS = ((ALICE, 9101), (ALICE, 9102), (ALICE, 9103), (BOB, 9101), (BOB, 9102))


@contextlib.contextmanager
def connected(fleet: Fleet) -> Iterator[None]:
    """CLIENTS, connected over gRPC."""
    node = fleet.nodes[0]
    with Clients() as clients:
        for host, port in CLIENTS:
            clients.connect((node.host, node.grpc_port), host, port=port)
        assert until(lambda: len(node.connections["grpc"]) == len(CLIENTS))
        yield


def payment(number: int) -> dict[str, Any]:
    """One of the instances that :func:`registered` has deleted."""
    return {"service": "payments", "namespace": "default", "host": f"10.0.1.{number}", "port": 8080}


@contextlib.contextmanager
def registered(fleet: Fleet) -> Iterator[None]:
    """A live instance, one with its own id, and 150 that were deleted an hour ago."""
    fleet.store.register("payments", "default", "10.0.0.1", 8080)
    fleet.store.register("payments", "default", "10.0.0.2", 8080, id="own-live")
    for number in range(150):
        row = fleet.store.register("payments", "default", f"10.0.1.{number}", 8080)
        fleet.store.deregister(row.id, ago=3600)
    yield


SUBJECTS: dict[str, Subject] = {
    "polaris_client_info": Subject({"read": {}, "fail: nothing listens": NOBODY}, volatile=frozenset({"id"})),
    "polaris_cmdb_info": Subject({"read": {}, "fail: wrong token": WRONG_TOKEN}),
    "polaris_conn_close": Subject(
        {
            "one": {"protocol": "grpc", "host": ALICE, "port": 9102},
            "not open": {"protocol": "grpc", "host": ALICE, "port": 9999},
            "too few": {"protocol": "grpc", "host": ALICE, "amount": 4},
            "fail: too many": {"protocol": "grpc", "host": ALICE, "max_connections": 1},
            "several": {
                "connections": [{"protocol": "grpc", "host": BOB, "port": "9101"}, {"protocol": "grpc", "host": ALICE}]
            },
            "fail: not counted": {"protocol": "eureka", "host": ALICE},
            "the same twice": {"connections": [{"protocol": "grpc", "host": BOB}] * 2},
            "fail: port": {"connections": [{"protocol": "grpc", "host": BOB, "port": 0}]},
            "fail: no host": {"protocol": "grpc"},
            "fail: text for a connection": {"connections": ["127.0.0.22:9101"]},
            "fail: both forms": {"protocol": "grpc", "host": BOB, "connections": []},
            "fail: wrong token": {"protocol": "grpc", "host": BOB, **WRONG_TOKEN},
        },
        prepare=connected,
    ),
    "polaris_conn_info": Subject(
        {
            "all": {"protocol": "grpc"},
            "large": {"protocol": "grpc", "amount": "3"},
            "one": {"protocol": "grpc", "host": BOB},
            "not counted": {"protocol": "eureka"},
            "and the nodes": {"protocol": "grpc", "node_hosts": True},
            "fail: IPv6": {"protocol": "grpc", "host": "::1"},
            "fail: wrong token": {"protocol": "grpc", **WRONG_TOKEN},
        },
        prepare=connected,
        volatile=frozenset({"last_access"}),
    ),
    "polaris_heartbeat_info": Subject(
        {
            "one": {"service": "payments", "namespace": "default", "host": "10.0.0.1", "port": 8080},
            "service": {"service": "payments", "namespace": "default"},
            "several": {"instances": [{"id": "own-live"}, {"id": "no-such"}]},
            "fail: nothing": {},
            "fail: half an address": {"service": "payments", "namespace": "default", "host": "10.0.0.1"},
            "fail: both forms": {"id": "own-live", "instances": []},
            "the same twice": {"instances": [{"id": "own-live"}, {"id": "own-live"}]},
            "fail: unknown part": {"instances": [{"idd": "own-live"}]},
            "fail: wrong token": {"id": "own-live", **WRONG_TOKEN},
        },
        prepare=registered,
    ),
    "polaris_instance_batch_clean": Subject(
        {
            "some": {"batch_size": 40, "max_rows": 100},
            "rest": {},
            "nothing left": {},
            "fail: batch_size": {"batch_size": 0},
            "fail: text for batch_size": {"batch_size": "many"},
            # In check mode a wrong token does not matter, because nothing is sent.
            "fail: max_rows": {"max_rows": 0},
        },
        prepare=registered,
    ),
    "polaris_instance_clean": Subject(
        {
            "one": {"settle": 0, **payment(0), "service_token": "the-secret-word", "metadata": {"a": 1}},
            "with a wait": {**payment(1), "settle": 0.1},
            "many": {"settle": 0, "instances": [payment(number) for number in range(2, 150)]},
            "live ones left alone": {"settle": 0, "on_live": "skip", "instances": [payment(0), {"id": "own-live"}]},
            "live one cleaned": {"settle": 0, "on_live": "clean", "id": "own-live"},
            "unknown service": {"settle": 0, **payment(0), "service": "paymnets"},
            "fail: live": {**payment(0), "host": "10.0.0.1"},
            "fail: nothing": {},
            "fail: half an address": {"service": "payments", "namespace": "default", "host": "10.0.0.1"},
            "fail: both forms": {"id": "own-live", "instances": []},
            "fail: port": {**payment(0), "port": "http"},
            "fail: one of many": {"instances": [payment(0), {**payment(1), "port": 70000}]},
            "the same twice": {"settle": 0, "instances": [payment(0), payment(0)]},
            "fail: empty": {"instances": []},
            "fail: unknown part": {"instances": [{**payment(0), "prot": 1}]},
            "fail: text for an instance": {"instances": ["10.0.0.1:8080"]},
            "fail: wrong token": {**payment(0), **WRONG_TOKEN},
        },
        prepare=registered,
    ),
    "polaris_leader_info": Subject(
        {"read": {}, "fail: wrong token": WRONG_TOKEN}, fleet={"store": "mysql"}, volatile=frozenset({"ctime", "mtime"})
    ),
    "polaris_leader_release": Subject(
        {
            "fail: health checks": {"elect_key": "polaris.checker"},
            "fail: boltdb": {"elect_key": "MaintainJob.CleanDeletedInstances"},
            "release": {"elect_key": "polaris.checker", "force": True},
            "no leader": {"elect_key": "polaris.checker", "force": True},
            "fail: unknown": {"elect_key": "nonsense"},
            "fail: empty": {"elect_key": ""},
            "fail: no key": {},
            "fail: wrong token": {"elect_key": "polaris.checker", **WRONG_TOKEN},
        }
    ),
    "polaris_log_level": Subject(
        {
            "change": {"levels": {"naming": "debug", "*": "warn"}},
            "no change": {"scope": "auth", "level": "warn"},
            "ignored scope": {"levels": {"nonsense": "debug"}, "ignore_unknown_scopes": True},
            "login": {"levels": {"naming": "info"}, "token": None, "username": "polaris", "password": "polaris"},
            "fail: unknown scope": {"levels": {"nonsense": "debug"}},
            "fail: bad level": {"levels": {"naming": "loud"}},
            "fail: empty": {"levels": {}},
            "fail: both forms": {"levels": {"naming": "info"}, "scope": "naming", "level": "info"},
            "fail: half a form": {"scope": "naming"},
            "fail: unknown option": {"levels": {"naming": "info"}, "ignore": True},
            "fail: wrong token": {"levels": {"naming": "error"}, **WRONG_TOKEN},
            "fail: two accounts": {"scope": "naming", "level": "info", "username": "me", "password": "secret"},
            "fail: password in url": {"scope": "naming", "level": "info", "url": "http://me:hidden@127.0.0.1:8090"},
            "fail: nothing listens": {"scope": "naming", "level": "info", "url": "http://127.0.0.1:1"},
        }
    ),
    "polaris_log_level_info": Subject({"read": {}, "fail: wrong token": WRONG_TOKEN}),
    "polaris_memory_free": Subject(
        {
            "free": {},
            "too little": {"min_releasable": "100G"},
            "nothing left": {},
            "force": {"force": True},
            "fail: no size": {"min_releasable": "much"},
            "fail: negative": {"min_releasable": "-1"},
            "fail: wrong token": {"force": True, **WRONG_TOKEN, "timeout": "5"},
        }
    ),
    "polaris_memory_info": Subject({"read": {}, "fail: nothing listens": NOBODY}),
    "polaris_pprof": Subject(
        {
            "off": {"enabled": False},
            "on": {"enabled": True},
            "as it is": {"enabled": True},
            "fail: not said": {},
        },
        fleet={"profile": "head"},
    ),
    "polaris_profile": Subject(
        {
            "heap": {"dest": "heap.pb.gz"},
            "once more": {"dest": "heap.pb.gz"},
            "in a folder": {"kind": "goroutine", "dest": "."},
            "for a while": {"kind": "profile", "seconds": 1, "dest": "cpu.pb.gz"},
            "fail: no trace": {"kind": "trace", "dest": "x.trace", "seconds": 1},
            "fail: no folder": {"dest": "nowhere/heap.pb.gz"},
            "fail: too long": {"kind": "profile", "seconds": 60, "dest": "cpu.pb.gz"},
            "threads": {"kind": "threadcreate", "dest": "threads.pb.gz"},
            "fail: a device": {"dest": "/dev/null"},
            "fail: unknown kind": {"kind": "weather", "dest": "x"},
        },
        volatile=frozenset({"dest", "size"}),
    ),
    "polaris_server_info": Subject(
        {
            "read": {},
            "whole node": {"gather": ["all"]},
            "two parts": {"gather": "levels,memory"},
            "who has access": {"probe_defaults": True},
            "wrong token": {"gather": ["levels", "leaders"], **WRONG_TOKEN},
            "fail: unknown part": {"gather": ["colours"]},
            "fail: nothing listens": NOBODY,
        },
        # The connections are those of the task itself.
        volatile=frozenset({"port", "connections", "own_connections", "ctime", "mtime"}),
    ),
}


def without(value: Any, keys: frozenset[str]) -> Any:
    """A result without these keys, at any depth."""
    if isinstance(value, dict):
        return {key: without(item, keys) for key, item in value.items() if key not in keys}
    return [without(item, keys) for item in value] if isinstance(value, list) else value


SECRETS = ("the-secret-word", "hidden-word")


def calls_with_secrets(url: str, owner: str) -> list[dict[str, Any]]:
    """Tasks with one of SECRETS or the owner's token wherever a secret can be, or can end up by mistake."""
    module = "polarismesh.maintenance.polaris_log_level"
    levels = {"naming": "debug"}
    calls: dict[str, dict[str, Any]] = {
        "success": {"url": url, "token": owner, "levels": levels},
        "login": {"url": url, "username": "polaris", "password": "polaris", "levels": {"naming": "info"}},
        "wrong token": {"url": url, "token": SECRETS[0], "levels": levels},
        "wrong password": {"url": url, "username": "polaris", "password": SECRETS[0], "levels": levels},
        "token with a line break": {"url": url, "token": SECRETS[0] + "\n", "levels": levels},
        "password in the url": {"url": f"http://me:{SECRETS[1]}@127.0.0.1:8090", "levels": levels},
        "password in a url with a bad port": {"url": f"http://me:{SECRETS[1]}@127.0.0.1:x", "levels": levels},
        "token as a wrong option": {"url": url, "token": owner, "levels": levels, "tokn": "x"},
        "token as a scope": {"url": url, "token": SECRETS[0], "scope": SECRETS[0], "level": "debug"},
        "nothing listens": {"url": "http://127.0.0.1:1", "token": SECRETS[0], "retries": 0, "levels": levels},
    }
    return [{"name": name, module: options, "ignore_errors": True} for name, options in calls.items()]
