# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random sequences of operations, with faults and other people's actions in between, compared with the simulator.

After each operation, every claim of its result is compared with the state of the server: what was changed, what was
not, what is unknown. `make random` runs many more sequences than `make test`.
"""

from __future__ import annotations

import functools
import importlib
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import hypothesis
from hypothesis import event
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import KINDS
from ansible_collections.polarismesh.maintenance.plugins.module_utils._options import validated
from ansible_collections.polarismesh.maintenance.plugins.module_utils._runner import perform
from tests.clients import ALICE, BOB, CAROL, Clients, Connection, until
from tests.simulator import Fault, Fleet
from tests.simulator.faults import Rule
from tests.simulator.store import Row

PACKAGE = "ansible_collections.polarismesh.maintenance.plugins.modules"
CLIENTS = (ALICE, BOB, CAROL)
PROFILES = ("v1.18.1", "v1.17.1", "v1.12.2", "head", "documented")
LEVELS = ("debug", "info", "warn", "error")
#: How many rules a sequence has.
STEPS = 50
#: Check mode is one of four.
CHECK_MODE = st.sampled_from([False, False, False, True])
#: The time limit of a request that can hang or be late, in seconds.
TIMEOUT = 0.2
#: How late an answer may be, so that the server does the work after the task has given up.
LATE = 0.4
PLACES = (
    "*",
    "/maintain/v1/apiserver/conn*",
    "/maintain/v1/apiserver/conn/stats",
    "/maintain/v1/instance/clean",
    "/maintain/v1/instance/*",
    "/maintain/v1/log/outputlevel",
    "/maintain/v1/memory/free",
    "/metrics",
    "/naming/v1/instances",
)
#: A request that a proxy can answer like the server, without asking it: its path, and the body of a success.
SWALLOWED = {"/maintain/v1/log/outputlevel": ("PUT", '"ok"'), "/maintain/v1/apiserver/conn/close": ("POST", "")}
LEADERS = "/maintain/v1/leaders"
#: The status of an answer that leaves no doubt that the server refused.
REFUSALS = frozenset({302, 400, 500})
WRITES = frozenset({"POST", "PUT", "DELETE"})
Result = dict[str, Any]


@dataclass
class Other(Rule):
    """Somebody else acts just before the server handles a request. The request itself is not changed."""

    act: Callable[[], None] = field(default=lambda: None)

    def meets(self, method: str, path: str, text: str) -> bool:
        if super().meets(method, path, text):
            self.act()
        return False


#: What happens to one or two requests of an operation, counted from its first, and who does it to whom.
TROUBLE = st.one_of(
    st.none(),
    st.tuples(
        st.sampled_from(
            [
                *("cut", "drop", "drop", "truncate", "garbage", "500", "502", "400", "302", "hang", "late", "late"),
                *("register", "register", "deregister", "end", "end", "level"),
            ]
        ),
        # (-1: the first request that changes something.)
        st.sampled_from([-1, -1, -1, 0, 0, 1, 1, 2, 3]),
        st.integers(1, 2),
        st.integers(0, 7),
    ),
)


def operation(**given: Any) -> Callable[[Callable[..., None]], Any]:
    """A rule that runs a module, half of the time in trouble."""

    def decorate(method: Callable[..., None]) -> Any:
        @rule(trouble=TROUBLE, **given)
        @functools.wraps(method)
        def run(self: Operations, trouble: tuple[str, int, int, int] | None, **values: Any) -> None:
            self.trouble = trouble
            method(self, **values)

        return run

    return decorate


@dataclass
class Truth:
    """The state of the server at one moment."""

    levels: dict[str, str]
    open: dict[str, set[int]]
    live: dict[str, tuple[float, bool]]
    deleted: set[str]
    #: The instances that this node lists. On boltdb a live one that was cleaned stays among them.
    listed: set[str]
    #: The heap figures that the node shows; ``freed`` is how often it freed memory.
    releasable: int
    released: int
    freed: int


def identity(row: Row) -> Result:
    return {"service": row.service, "namespace": row.namespace, "host": row.host, "port": row.port}


class Operations(RuleBasedStateMachine):
    """One server, its clients and instances, and the modules."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.held: list[Connection] = []
        #: What somebody else did while an operation ran.
        self.touched: set[str] = set()
        self.late = False
        #: Whether a proxy may have answered instead of the server, so that a success proves nothing.
        self.swallowed = False

    # --- the world ---

    @initialize(
        profile=st.sampled_from(PROFILES),
        store=st.sampled_from(["boltdb", "mysql"]),
        clock=st.sampled_from([0.0, 0.0, 7200.0, -7200.0]),
    )
    def start(self, profile: str, store: Literal["boltdb", "mysql"], clock: float) -> None:
        self.fleet = self.stack.enter_context(Fleet(nodes=1, profile=profile, store=store))
        self.clients = self.stack.enter_context(Clients())
        self.folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.node = self.fleet.nodes[0]
        self.node.set("clock_offset", clock)
        for number in range(4):
            self.register(number)
        for number in range(3):
            self.deregister(number)
        self.connect(ALICE, 2)

    def teardown(self) -> None:
        self.stack.close()

    @rule(host=st.sampled_from(CLIENTS), count=st.integers(1, 3))
    def connect(self, host: str, count: int) -> None:
        if not self.node.listening:
            return
        made = self.clients.connect((self.node.host, self.node.grpc_port), host, count)
        assert until(lambda: {each.address for each in made} <= set(self.node.connections["grpc"]))
        self.held += made

    @rule(number=st.integers(0, 7))
    def register(self, number: int) -> None:
        own_id = "own-7" if number == 7 else ""
        address = f"10.0.0.{number}"
        row = self.fleet.store.register("payments", "default", address, 8080, id=own_id, metadata={"n": "1"})
        self.node.beat(row.id)

    @rule(number=st.integers(0, 7))
    def deregister(self, number: int) -> None:
        for row in self.rows():
            if row.host == f"10.0.0.{number}":
                self.fleet.store.deregister(row.id, ago=3600)

    @rule(number=st.integers(0, 7), ago=st.sampled_from([3, 12, 17, 1000]))
    def beat(self, number: int, ago: int) -> None:
        for row in self.rows():
            if row.host == f"10.0.0.{number}":
                self.node.beat(row.id, self.node.now() - ago)

    @rule()
    def end_a_connection(self) -> None:
        mine = [each for each in self.held if each.open]
        if mine:
            self.end(mine[0])

    def end(self, connection: Connection) -> None:
        connection.close()
        self.held.remove(connection)
        until(lambda: connection.address not in self.node.connections["grpc"], 2)

    @rule()
    def stop(self) -> None:
        """The server is down during the next operation."""
        if self.node.listening:
            self.node.stop()

    @rule(
        method=st.sampled_from(["*", "GET", "POST", "PUT"]),
        path=st.sampled_from(PLACES),
        kind=st.sampled_from(
            ["cut", "drop", "drop", "truncate", "garbage", "500", "502", "400", "302", "hang", "late"]
        ),
        times=st.integers(1, 3),
        skip=st.sampled_from([0, 0, 0, 1, 2, 3]),
    )
    def fault(self, method: str, path: str, kind: str, times: int, skip: int) -> None:
        self.node.fault(method, path, self.fault_of(kind), times, skip=skip)

    def fault_of(self, kind: str) -> Fault:
        if kind == "302":
            return Fault("redirect", location="http://127.0.0.9/")
        if kind.isdigit():
            return Fault("status", int(kind))
        if kind == "late":
            self.late = True
            return Fault("delay", seconds=LATE)
        return Fault(kind)  # type: ignore[arg-type]

    @rule(path=st.sampled_from(sorted(SWALLOWED)), skip=st.integers(0, 1))
    def proxy_that_answers(self, path: str, skip: int) -> None:
        method, body = SWALLOWED[path]
        self.node.fault(method, path, Fault("status", 200, body), 1, skip=skip)
        self.swallowed = True

    @rule(
        what=st.sampled_from(["register", "deregister", "end", "level"]),
        number=st.integers(0, 7),
        path=st.sampled_from(PLACES),
        skip=st.integers(0, 4),
    )
    def somebody_else(self, what: str, number: int, path: str, skip: int) -> None:
        """Let somebody else do this during the next operation that sends such a request."""
        self.node.rules.append(self.other(what, number, path, skip))

    def other(self, what: str, number: int, path: str, skip: int, method: str = "*") -> Other:
        def act() -> None:
            self.touched.add(what)
            if what == "register":
                # (Rather one that the operation is about.)
                again = number if not self.aimed else self.aimed[number % len(self.aimed)]
                self.registered[f"10.0.0.{again}"] = len(self.node.requests) - 1
                self.register(again)
            elif what == "deregister":
                self.deregister(number)
            elif what == "level":
                self.node.levels["naming"] = LEVELS[number % len(LEVELS)]
            elif self.held:
                # (Rather one that the operation is about.)
                connection = next((each for each in self.held if each.address in self.aim), self.held[0])
                self.held.remove(connection)
                self.ended_by_client[connection.address] = len(self.node.requests) - 1
                connection.close()

        return Other(method, path, Fault("delay"), 1, skip, "", act)

    #: Address -> the request of the operation during which the client itself ended that connection.
    ended_by_client: dict[str, int]
    #: Host -> the request during which an instance was registered again.
    registered: dict[str, int]
    aimed: Sequence[int] = ()
    aim: frozenset[str] = frozenset()
    trouble: tuple[str, int, int, int] | None = None
    retries = 0

    @rule(retries=st.integers(0, 1))
    def repeat(self, retries: int) -> None:
        self.retries = retries

    @rule()
    def no_more_faults(self) -> None:
        self.node.clear_faults()
        self.swallowed = False

    # --- the truth ---

    def rows(self) -> list[Row]:
        return list(self.fleet.store.rows.values())

    def truth(self) -> Truth:
        opened: dict[str, set[int]] = {}
        for each in self.held:
            if each.open:
                opened.setdefault(each.host, set()).add(each.port)
        return Truth(
            dict(self.node.levels),
            opened,
            {row.id: (row.stripped, bool(row.metadata)) for row in self.rows() if row.live},
            {row.id for row in self.rows() if not row.live},
            {row.id for row in self.node.visible("payments", "default", "")},
            self.node.heap.free,
            self.node.heap.released,
            self.node.heap.forced,
        )

    def run(self, module: str, check_mode: bool, **options: Any) -> tuple[Result, Truth, Truth]:
        """Run a module. Return its result, and the truth before and after."""
        rules = list(self.node.rules)
        if self.trouble is not None:
            kind, skip, times, number = self.trouble
            method = "*" if skip >= 0 else "PUT" if module == "polaris_log_level" else "POST"
            if kind in ("register", "deregister", "end", "level"):
                self.node.rules.insert(0, self.other(kind, number, "*", max(skip, 0), method))
            else:
                self.node.rules.insert(0, Rule(method, "*", self.fault_of(kind), times, max(skip, 0)))
        hasty = self.late or any(each.fault.kind == "hang" for each in self.node.rules)
        given = {
            "url": self.node.url,
            "token": self.fleet.tokens.owner,
            "retries": self.retries,
            "timeout": TIMEOUT if hasty else 30.0,
            **options,
        }
        self.touched, self.ended_by_client, self.registered = set(), {}, {}
        self.node.requests.clear()
        before = self.truth()
        imported = importlib.import_module(f"{PACKAGE}.{module}")
        checked = validated(imported.SPEC, given, module)
        assert checked.error is None, checked.error
        outcome = perform(imported.run, checked.params, checked.secrets, check_mode=check_mode, diff_mode=True)
        result = {**outcome.result, "warnings": outcome.warnings}
        if hasty:
            self.until_idle()
        self.until_quiet()
        self.node.rules[:] = rules
        after = self.truth()
        if not self.node.listening:
            self.node.start()
        event(f"{module}: {result['error']['kind'] if result.get('failed') else 'ok'}")
        self.check_every_result(module, result, before, after, check_mode)
        return result, before, after

    def until_idle(self) -> None:
        """Wait until the server has finished what it got, also from requests that were given up."""
        work = 0.1 + (LATE if self.late else 0.0)
        self.late = False
        seen = -1
        while seen != len(self.node.requests):
            seen = len(self.node.requests)
            latest = max((request.time for request in self.node.requests), default=0.0)
            time.sleep(max(latest + work - time.time(), 0.02))

    def until_quiet(self) -> None:
        """Wait until the clients notice which connections the server closed."""
        if self.node.listening:
            until(lambda: {each.address for each in self.held if each.open} <= set(self.node.connections["grpc"]), 2)

    def check_every_result(self, module: str, result: Result, before: Truth, after: Truth, check_mode: bool) -> None:
        if result.get("failed"):
            assert result["error"]["kind"] in KINDS
            assert result["msg"].endswith("."), result["msg"]
            assert "Traceback" not in result["msg"]
        assert self.fleet.tokens.owner not in str(result)
        if check_mode:
            assert {request.method for request in self.node.requests} <= {"GET"}, module
        if result.get("outcome_unknown"):
            # A refusal is an answer.
            statuses = {request.status for request in self.node.requests if request.method in WRITES}
            assert statuses - REFUSALS, result
        writes = any(request.method in WRITES for request in self.node.requests)
        assert writes or check_mode or module == "polaris_profile" or not result["changed"], "changed, nothing sent"
        if not result["changed"] or check_mode:
            # Whatever failed: what the result calls unchanged is unchanged.
            # (A scope without an answer is said to be unknown.)
            sure = before.levels.keys() - {*result.get("unknown_scopes", [])}
            if "level" not in self.touched:
                assert {scope: before.levels[scope] for scope in sure} == {scope: after.levels[scope] for scope in sure}
            if not self.touched:
                assert before.live == after.live, result
                assert before.deleted == after.deleted, result
            assert before.freed == after.freed, result
        if module != "polaris_conn_close" or check_mode:
            assert {host: ports - self.ended(host) for host, ports in before.open.items()} == {
                host: after.open.get(host, set()) for host in before.open
            }, result
        if module != "polaris_log_level" and "level" not in self.touched:
            assert before.levels == after.levels

    def ended(self, host: str) -> set[int]:
        """The ports of the connections that a client itself ended during the operation."""
        ended = (address.rpartition(":") for address in self.ended_by_client)
        return {int(port) for name, _colon, port in ended if name == host}

    def ended_too_late(self, host: str) -> bool:
        """Whether a client ended a connection after the last look before the close of its host, or during that look."""
        closes = [at for at, one in enumerate(self.node.requests) if one.method == "POST" and f'"{host}"' in one.body]
        ends = [at for address, at in self.ended_by_client.items() if address.startswith(f"{host}:")]
        return bool(closes and ends) and max(ends) >= min(closes) - 1

    # --- the operations ---

    @operation(
        wanted=st.dictionaries(st.sampled_from(["naming", "auth", "store", "*"]), st.sampled_from(LEVELS), min_size=1),
        nonesuch=st.sampled_from([False, False, False, True]),
        expected=st.one_of(
            st.none(), st.dictionaries(st.sampled_from(["naming", "auth", "store"]), st.sampled_from(LEVELS))
        ),
        ignore=st.booleans(),
        check_mode=CHECK_MODE,
    )
    def log_level(
        self,
        wanted: dict[str, str],
        nonesuch: bool,
        expected: dict[str, str] | None,
        ignore: bool,
        check_mode: bool,
    ) -> None:
        wanted = {**wanted, "nonesuch": "debug"} if nonesuch else wanted
        options = {} if expected is None else {"expected": expected}
        result, before, after = self.run(
            "polaris_log_level", check_mode, levels=wanted, ignore_unknown_scopes=ignore, **options
        )
        kept = {
            scope: level
            for scope, level in before.levels.items()
            if expected and level != expected.get(scope, level) and level != wanted.get(scope, wanted.get("*", level))
        }
        meant = {
            scope: level if scope in kept else wanted.get(scope, wanted.get("*", level))
            for scope, level in before.levels.items()
        }
        # What somebody else sets meanwhile can be any of the levels before and after.
        ours = [scope for scope in meant if scope != "naming" or "level" not in self.touched]
        differ = {scope for scope in ours if meant[scope] != before.levels[scope]}
        moved = {scope for scope in ours if after.levels[scope] != before.levels[scope]}
        if not result.get("failed"):
            assert ignore or not nonesuch, "an unknown scope, and nobody says so"
            for scope in ours:
                assert result["levels"][scope] == meant[scope]
                assert after.levels[scope] == (before.levels if check_mode else meant)[scope]
            assert set(ours) & set(result["changed_scopes"]) == differ
            for scope in differ:
                assert result["previous"][scope] == before.levels[scope]
            assert {scope: level for scope, level in result.get("kept", {}).items() if scope in ours} == {
                scope: level for scope, level in kept.items() if scope in ours
            }
            return
        assert moved <= differ, "a scope was set that nobody named"
        told = set(result.get("changed_scopes", [])) | set(result.get("unknown_scopes", []))
        assert moved <= told, "a scope was set, and the result says neither that nor unknown"
        assert self.swallowed or set(ours) & set(result.get("changed_scopes", [])) <= moved, (
            "said to be set, and is not"
        )
        # What may have been set can be restored.
        assert {scope for scope in ours if scope in result.get("previous", {})} == told & set(ours)
        assert all(result["previous"][scope] == before.levels[scope] for scope in told & set(ours))

    @operation(
        named=st.lists(st.tuples(st.sampled_from(CLIENTS), st.integers(-1, 3)), min_size=1, max_size=4),
        least=st.integers(0, 2),
        limit=st.one_of(st.none(), st.integers(0, 4)),
        check_mode=CHECK_MODE,
    )
    def conn_close(self, named: list[tuple[str, int]], least: int, limit: int | None, check_mode: bool) -> None:
        chosen: list[Result] = []
        for host, at in named:
            ports = sorted(each.port for each in self.held if each.host == host)
            port = None if at < 0 else ports[at] if at < len(ports) else 1
            chosen.append({"protocol": "grpc", "host": host, "port": port, "min_connections": least})
        options = {} if limit is None else {"max_connections": limit}
        self.aim = frozenset(f"{each['host']}:{each['port']}" for each in chosen)
        result, before, after = self.run("polaris_conn_close", check_mode, connections=chosen, **options)
        gone = {
            (host, port)
            for host, ports in before.open.items()
            for port in ports - after.open.get(host, set()) - self.ended(host)
        }
        claimed = {(each["host"], each["port"]) for each in result.get("connections", [])}
        open_ones = {(host, port) for host, ports in before.open.items() for port in ports}
        meant = {
            (host, port)
            for host, port in open_ones
            if any(each["host"] == host and each["port"] in (None, port) for each in chosen)
        }
        unsure = {(each["host"], each["port"]) for each in result.get("not_closed", []) if each["reason"] == "unknown"}
        left = {(each["host"], each["port"]) for each in result.get("not_closed", []) if each["reason"] == "failed"}
        remaining = {(each["host"], each["port"]) for each in result.get("remaining", [])}
        assert claimed <= meant, "closed what nobody named"
        if not result.get("failed") and not self.touched:
            counted = {
                (host, port)
                for host, port in meant
                if any(
                    each["host"] == host
                    and each["port"] in (None, port)
                    # What is named twice counts once, with the larger number.
                    and len(before.open[host])
                    >= max(
                        one["min_connections"] for one in chosen if (one["host"], one["port"]) == (host, each["port"])
                    )
                    for each in chosen
                )
            }
            assert claimed == counted
            assert limit is None or len(counted) <= limit
            assert check_mode or result["count"] == len(claimed)
        if check_mode:
            assert not gone
            return
        assert limit is None or len(claimed) <= limit
        sure = claimed if not (result.get("failed") and self.swallowed) else set()
        assert sure - remaining <= gone | {(host, port) for host in CLIENTS for port in self.ended(host)}, (
            "said to be closed"
        )
        assert self.touched or remaining == claimed - gone or result.get("failed")
        assert not left & gone or self.touched or result["error"]["kind"] == "timeout", "said not to be closed"
        collateral = gone - meant
        # If a client ends its connection between the look and the close, the server closes all connections of the host.
        suspects = {host for host in CLIENTS if self.ended_too_late(host)}
        assert {host for host, _port in collateral} <= suspects, "a bystander was closed"
        if collateral and not result.get("failed"):
            assert any("all other connections of" in warning for warning in result["warnings"]), result
        assert gone & meant <= claimed | unsure | ({*meant} if self.ended_by_client else set()), (
            "closed, and nobody says so"
        )
        if not result.get("failed"):
            assert result["count"] == len(claimed)
            assert remaining <= {(host, port) for host, ports in after.open.items() for port in ports}

    @operation(least=st.integers(0, 3))
    def conn_info(self, least: int) -> None:
        result, before, _after = self.run("polaris_conn_info", False, protocol="grpc", min_connections=least)
        if not result.get("failed") and not self.touched:
            expected = {host: len(ports) for host, ports in before.open.items() if len(ports) >= max(least, 0)}
            shown = {host: count for host, count in result["hosts"].items() if count}
            assert shown == expected
            assert result["total"] == sum(result["hosts"].values())

    @operation(least=st.sampled_from(["0", "32M", "100G", "exact"]), force=st.booleans(), check_mode=CHECK_MODE)
    def memory_free(self, least: str, force: bool, check_mode: bool) -> None:
        least = str(self.node.heap.free) if least == "exact" else least
        result, before, after = self.run("polaris_memory_free", check_mode, min_releasable=least, force=force)
        freed = after.freed - before.freed
        assert freed <= 1
        if result.get("memory_before") is not None:
            assert result["memory_before"]["releasable"] == before.releasable
            assert result["memory_before"]["heap_released"] == before.released
        if result.get("failed"):
            assert not freed or result.get("outcome_unknown"), "freed, and the result says that it failed"
            return
        enough = {"0": 0, "32M": 32 << 20, "100G": 100 << 30}.get(least) or int(least.rstrip("MG"))
        known = result["memory_before"] is not None
        assert result["changed"] == (force or not known or before.releasable >= enough)
        assert freed == int(result["changed"] and not check_mode)
        if result["released"] is not None and not check_mode:
            assert result["released"] == after.released - before.released
            assert result["memory_after"]["heap_released"] == after.released

    @rule(size=st.integers(0, 300))
    def memory_peak(self, size: int) -> None:
        self.node.heap.surge(size << 20)

    @operation()
    def memory_info(self) -> None:
        result, before, _after = self.run("polaris_memory_info", False)
        if not result.get("failed") and result["memory"] is not None:
            assert result["memory"]["heap_released"] == before.released

    @operation(
        numbers=st.lists(st.integers(0, 8), min_size=1, max_size=5, unique=True),
        on_live=st.sampled_from(["fail", "skip", "skip", "clean"]),
        settle=st.sampled_from([0, 0, 0.05]),
        check_mode=CHECK_MODE,
    )
    def clean(self, numbers: list[int], on_live: str, settle: float, check_mode: bool) -> None:
        # (8 names the instance with an id of its own by its address, which a clean does not reach.)
        named = [{"id": "own-7"} if number == 7 else self.address(7 if number == 8 else number) for number in numbers]
        self.aimed = [7 if number == 8 else number for number in numbers]
        result, before, after = self.run(
            "polaris_instance_clean", check_mode, instances=named, on_live=on_live, settle=settle, parallel=2
        )
        cleaned = {each["id"] for each in result.get("cleaned", [])}
        unsure = {each["id"] for each in result.get("unknown", [])}
        again = result.get("live_again", [])
        if not result.get("failed") and not self.touched:
            # (Here, an address has one instance at most.)
            hosts = {f"10.0.0.{7 if number == 8 else number}" for number in numbers}
            live = {row.id for row in self.rows_listed(before) if row.host in hosts}
            assert {each["id"] for each in result["live"]} == live
            assert on_live != "fail" or not live, "cleaned, although one of them is live"
            assert (
                result["count"]
                == len(cleaned)
                == len(numbers)
                - (
                    sum(row.host in hosts for row in self.rows_listed(before))
                    + ({7, 8} <= {*numbers} and "own-7" in live)
                    if on_live == "skip"
                    else 0
                )
            )
        if check_mode:
            return
        sent = sum(request.path == "/maintain/v1/instance/clean" for request in self.node.requests)
        assert sent <= len(numbers), "a clean was repeated"
        removed = {one for one in before.deleted if one not in after.deleted and one not in after.live}
        marked_only = self.fleet.store.kind == "boltdb" and not self.node.profile.boltdb_removes
        if not self.touched and not marked_only:
            assert not cleaned & after.deleted, "said to be cleaned, and is still there"
        if settle and self.fleet.store.kind == "mysql" and on_live != "clean":
            # After the wait that these requests precede, the task looks again.
            late = {one for one, at in self.registered.items() if self.node.requests[at].path == LEADERS}
            posts = [one.body for one in self.node.requests if one.path == "/maintain/v1/instance/clean"]
            assert not [host for host in late for body in posts if f'"{host}"' in body], "cleaned, although live again"
        if not self.touched:
            assert removed <= cleaned | unsure, "removed, and the result does not say so"
        for each in result.get("not_cleaned", []):
            assert self.touched or each["id"] in after.deleted or each["id"] not in before.deleted
        if on_live == "clean":
            return
        hurt = {one for one, state in before.live.items() if after.live.get(one) != state}
        if "deregister" in self.touched:
            hurt -= after.deleted
        if not self.touched:
            assert not hurt, "a live instance was hurt"
        stripped = {row.id for row in self.rows() if row.live and row.stripped and row.id not in before.live}
        stripped |= {one for one in hurt if one in after.live}
        if stripped and again is not None:
            assert stripped <= {each["id"] for each in again}, "a live instance was damaged, and nobody says so"
            assert result["error"]["kind"] == "guard" or "live again" in result["msg"]

    def rows_listed(self, truth: Truth) -> list[Row]:
        ghosts = [ghost.row for ghost in self.fleet.store.ghosts.values()]
        return list({row.id: row for row in [*ghosts, *self.rows()] if row.id in truth.listed}.values())

    def address(self, number: int) -> Result:
        return {"service": "payments", "namespace": "default", "host": f"10.0.0.{number}", "port": 8080}

    @operation(size=st.integers(1, 3), most=st.one_of(st.none(), st.integers(1, 4)), check_mode=CHECK_MODE)
    def batch_clean(self, size: int, most: int | None, check_mode: bool) -> None:
        options = {} if most is None else {"max_rows": most}
        result, before, after = self.run("polaris_instance_batch_clean", check_mode, batch_size=size, **options)
        if check_mode:
            return
        removed = len({one for one in before.deleted if one not in after.deleted and one not in after.live})
        assert most is None or removed <= most
        if not self.touched:
            if result.get("outcome_unknown"):
                assert removed >= result["rows_affected"]
            else:
                assert removed == result.get("rows_affected", 0)
            assert before.live == after.live
        if not result.get("failed") and most is None and not self.touched:
            assert not after.deleted

    @operation()
    def heartbeats(self) -> None:
        result, before, _after = self.run(
            "polaris_heartbeat_info", False, service="payments", namespace="default", parallel=2
        )
        if result.get("failed") or self.touched:
            return
        assert {each["id"] for each in result["instances"]} == before.listed
        for each in result["instances"]:
            watched = self.node.checked_row(each["id"])
            beat = int(self.node.last_beat(each["id"])) or None
            assert each["found"] == (watched is not None)
            assert each["last_heartbeat"] == (beat if watched else None)
            if not watched or beat is None:
                assert (each["age_seconds"], each["overdue"]) == (None, None)
                continue
            # (By the clock of the node, which moves on while the result is compared.)
            assert 0 <= int(self.node.now()) - beat - each["age_seconds"] <= 1 + TIMEOUT + LATE
            assert each["overdue"] == (each["age_seconds"] > 3 * (watched.ttl or 0))

    @operation(check_mode=CHECK_MODE, force=st.booleans())
    def leader_release(self, check_mode: bool, force: bool) -> None:
        key = "polaris.checker"
        store = self.fleet.elections
        led = dict(store.local[0]), {name: each.released for name, each in store.shared.items()}
        result, _before, _after = self.run("polaris_leader_release", check_mode, elect_key=key, force=force)
        now = dict(store.local[0]), {name: each.released for name, each in store.shared.items()}
        if not result["changed"] or check_mode:
            assert led == now, "released, and the result does not say so"
        if not force:
            assert led == now, "the guard did not hold"

    @operation()
    def server_info(self) -> None:
        result, before, _after = self.run(
            "polaris_server_info", False, gather=["levels", "connections", "memory"], probe_defaults=False
        )
        if result.get("failed") or self.touched:
            return
        if result.get("levels") is not None:
            assert result["levels"] == before.levels
        if result.get("memory") is not None:
            assert result["memory"]["heap_released"] == before.released

    @operation(kind=st.sampled_from(["heap", "goroutine"]))
    def profile(self, kind: str) -> None:
        path = Path(self.folder) / f"{kind}.pb.gz"
        path.unlink(missing_ok=True)
        result, _before, _after = self.run("polaris_profile", False, kind=kind, dest=str(path))
        assert path.exists() == (not result.get("failed"))


TestOperations = Operations.TestCase
TestOperations.settings = hypothesis.settings(
    max_examples=int(os.environ.get("POLARIS_TEST_SEQUENCES", "15")),
    stateful_step_count=STEPS,
    # The same sequences each time, except in `make random`.
    derandomize="POLARIS_TEST_SEQUENCES" not in os.environ,
    # The failing sequence is short enough to read. Explaining it takes hypothesis longer than finding it.
    phases=[phase for phase in hypothesis.Phase if phase is not hypothesis.Phase.explain],
)
