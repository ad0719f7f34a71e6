# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random sequences of operations, with faults and other people's actions during them, compared with the simulator.

Each operation first arranges what it is about, connections or instances, so that none is wasted on an empty server.
After it, every claim of its result is compared with the state of the server: what was changed, what was not, what is
unknown. `make random` runs many more sequences than `make test`; `make mutants` shows that the claims are enough.
"""

from __future__ import annotations

import functools
import importlib
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

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
PROFILES = ("v1.18.1", "v1.18.1", "v1.17.1", "v1.12.2", "head", "documented")
LEVELS = ("debug", "info", "warn", "error")
#: The number of operations in a sequence.
STEPS = 25
#: One operation in four runs in check mode.
CHECK_MODE = st.sampled_from([False, False, False, True])
#: The time limit of a request that can hang or be late, in seconds.
TIMEOUT = 0.1
#: The delay of a late answer, in seconds: the server does the work after the task has given up.
LATE = 0.2
#: A request that a proxy can answer like the server, without asking it: its path, and the body of a success.
SWALLOWED = {
    "polaris_log_level": ("/maintain/v1/log/outputlevel", '"ok"'),
    "polaris_conn_close": ("/maintain/v1/apiserver/conn/close", ""),
}
#: What others do while the operation runs: something that concerns it.
OTHERS = {
    "polaris_log_level": ("level",),
    "polaris_conn_close": ("end",),
    "polaris_instance_clean": ("register", "register", "register", "deregister"),
}
ANYTHING = ("register", "deregister", "end", "level")
LEADERS = "/maintain/v1/leaders"
#: The status of an answer that leaves no doubt that the server refused.
REFUSALS = frozenset({302, 400, 500})
WRITES = frozenset({"POST", "PUT", "DELETE"})
Result = dict[str, Any]


class At(Rule):
    """A fault, or an action of somebody else, at one of the requests that ``when`` allows.

    With ``act``, somebody else acts just before the server handles the request, which is not changed.
    """

    # Not a dataclass: ansible-test does not find its base, and then takes these for its only fields.
    def __init__(self, *rule: Any, when: Callable[[], bool], act: Callable[[], None] | None = None) -> None:
        super().__init__(*rule)
        self.when, self.act = when, act

    def meets(self, method: str, path: str, text: str) -> bool:
        if not self.when() or not super().meets(method, path, text):
            return False
        if self.act is None:
            return True
        self.act()
        return False


class Trouble(NamedTuple):
    """What happens to some requests of an operation, or during them."""

    kind: str
    #: Which requests ``skip`` and ``times`` count: those that change something, all, those that read after the first
    #: change, or those from the last read before the change on.
    counted: Literal["writes", "all", "reads after", "last read"]
    skip: int
    times: int
    #: Whether reads fail after the first change.
    silent: bool
    number: int


TROUBLE = st.builds(
    Trouble,
    st.sampled_from(
        [
            *("cut", "drop", "drop", "truncate", "garbage", "500", "502", "400", "302", "hang", "late", "down"),
            *("swallow", *["others"] * 8),
        ]
    ),
    st.sampled_from(["writes", "writes", "writes", "all", "all", "reads after", "last read"]),
    st.sampled_from([0, 0, 0, 0, 1, 1, 2, 3]),
    st.integers(1, 3),
    st.sampled_from([False, False, False, True]),
    st.integers(0, 7),
)
#: A set of the numbers from 0 to 7.
NUMBERS = st.integers(0, 255).map(lambda bits: [number for number in range(8) if bits >> number & 1])
#: How many connections each client has.
AMOUNTS = st.tuples(*[st.sampled_from([0, 1, 2, 3, 3, 4])] * len(CLIENTS))


#: The names of the rules that run a module.
OPERATIONS: list[str] = []


def operation(**given: Any) -> Callable[[Callable[..., None]], Any]:
    """A rule that runs a module, often in trouble."""

    def decorate(method: Callable[..., None]) -> Any:
        OPERATIONS.append(method.__name__)

        @rule(troubles=st.lists(TROUBLE, max_size=2), retries=st.integers(0, 1), **given)
        @functools.wraps(method)
        def run(self: Operations, troubles: list[Trouble], retries: int, **values: Any) -> None:
            self.troubles, self.retries = troubles, retries
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
        store=st.sampled_from(["boltdb", "mysql", "mysql"]),
        clock=st.sampled_from([0.0, 0.0, 7200.0, -7200.0]),
    )
    def start(self, profile: str, store: Literal["boltdb", "mysql"], clock: float) -> None:
        self.fleet = self.stack.enter_context(Fleet(nodes=1, profile=profile, store=store))
        self.clients = self.stack.enter_context(Clients())
        self.folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.node = self.fleet.nodes[0]
        self.node.set("clock_offset", clock)
        self.arrange(live=[3], deleted=[0, 1, 2])
        self.connect((2, 1, 0))

    def teardown(self) -> None:
        self.stack.close()

    def connect(self, amounts: Sequence[int]) -> None:
        """Give each client this many connections."""
        self.held = [each for each in self.held if each.open]
        for host, amount in zip(CLIENTS, amounts, strict=True):
            its = [each for each in self.held if each.host == host]
            for each in its[amount:]:
                each.close()
                self.held.remove(each)
            if amount > len(its):
                self.held += self.clients.connect((self.node.host, self.node.grpc_port), host, amount - len(its))
        assert until(lambda: {each.address for each in self.held} == set(self.node.connections["grpc"]))

    def arrange(self, live: Sequence[int], deleted: Sequence[int]) -> None:
        """Make sure that these instances are live, and that those of the others are deleted."""
        there = {row.host: row.live for row in self.rows()}
        for number in {*live, *deleted}:
            state = there.get(f"10.0.0.{number}")
            if state is None or (number in live and not state):
                self.register(number)
            if number not in live:
                self.deregister(number)

    def register(self, number: int) -> None:
        own_id = "own-7" if number == 7 else ""
        address = f"10.0.0.{number}"
        row = self.fleet.store.register("payments", "default", address, 8080, id=own_id, metadata={"n": "1"})
        self.node.beat(row.id)

    def deregister(self, number: int) -> None:
        for row in self.rows():
            if row.host == f"10.0.0.{number}":
                self.fleet.store.deregister(row.id, ago=3600)

    def fault_of(self, kind: str) -> Fault:
        if kind == "302":
            return Fault("redirect", location="http://127.0.0.9/")
        if kind.isdigit():
            return Fault("status", int(kind))
        if kind == "late":
            self.late = True
            return Fault("delay", seconds=LATE)
        return Fault(kind)  # type: ignore[arg-type]

    def prepare(self, module: str, trouble: Trouble) -> list[Rule]:
        """The faults that cause this trouble during the operation."""
        kind, counted, skip, times, silent, number = trouble
        writes = "PUT" if module == "polaris_log_level" else "POST"
        method = {"writes": writes, "all": "*", "reads after": "GET", "last read": "GET"}[counted]
        # A clean reads the leaders before it waits; a close reads every host before it reads the first one again.
        path = LEADERS if counted == "last read" and module == "polaris_instance_clean" else "*"
        skip += self.hosts if counted == "last read" and module == "polaris_conn_close" else 0

        def written() -> bool:
            return any(request.method in WRITES for request in self.node.requests)

        when = written if counted == "reads after" else lambda: True
        rules: list[Rule] = [At("GET", "*", Fault("cut"), when=written)] if silent else []
        if kind == "down":
            self.node.stop()
            assert until(lambda: not any(each.open for each in self.held))
        elif kind == "swallow":
            if module in SWALLOWED:
                swallowed, body = SWALLOWED[module]
                self.swallowed = True
                rules.append(Rule(writes, swallowed, Fault("status", 200, body), times, skip))
        elif kind == "others":
            what = OTHERS.get(module, ANYTHING)
            act = functools.partial(self.meddle, what[number % len(what)], number)
            rules.append(At(method, path, Fault("delay"), 1, skip, when=when, act=act))
        else:
            rules.append(At(method, path, self.fault_of(kind), times, skip, when=when))
        return rules

    def meddle(self, what: str, number: int) -> None:
        """Do this as somebody else, just before the server handles a request of the operation."""
        self.touched.add(what)
        if what == "register":
            # If possible, the one that this request is about, otherwise one that the operation is about.
            request = self.node.requests[-1].body
            about = [one for one in self.aimed if f'"10.0.0.{one}"' in request] or self.aimed
            again = about[number % len(about)] if about else number
            self.registered[f"10.0.0.{again}"] = len(self.node.requests) - 1
            self.register(again)
        elif what == "deregister":
            self.deregister(number)
        elif what == "level":
            self.node.levels["naming"] = LEVELS[number % len(LEVELS)]
        elif self.held:
            # If possible, one that the operation is about, and then one that this request is about.
            query = str(self.node.requests[-1].query)
            connection = max(self.held, key=lambda each: (each.address in self.aim, each.host in query))
            self.held.remove(connection)
            self.ended_by_client[connection.address] = len(self.node.requests) - 1
            connection.close()

    #: Address -> the request of the operation during which the client itself ended that connection.
    ended_by_client: dict[str, int]
    #: Host -> the request during which an instance was registered again.
    registered: dict[str, int]
    aimed: Sequence[int] = ()
    aim: frozenset[str] = frozenset()
    hosts = 0
    troubles: Sequence[Trouble] = ()
    retries = 0

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
        self.swallowed = False
        self.node.requests.clear()
        self.node.rules[:] = [each for trouble in self.troubles for each in self.prepare(module, trouble)]
        hasty = self.late or any(each.fault.kind == "hang" for each in self.node.rules)
        given = {
            "url": self.node.url,
            "token": self.fleet.tokens.owner,
            "retries": self.retries,
            "timeout": TIMEOUT if hasty else 30.0,
            **options,
        }
        self.touched, self.ended_by_client, self.registered = set(), {}, {}
        before = self.truth()
        imported = importlib.import_module(f"{PACKAGE}.{module}")
        checked = validated(imported.SPEC, given, module)
        assert checked.error is None, checked.error
        outcome = perform(imported.run, checked.params, checked.secrets, check_mode=check_mode, diff_mode=True)
        result = {**outcome.result, "warnings": outcome.warnings}
        if hasty:
            self.until_idle()
        self.until_quiet()
        self.node.clear_faults()
        after = self.truth()
        if not self.node.listening:
            self.node.start()
        event(f"{module}: {result['error']['kind'] if result.get('failed') else 'ok'}")
        for other in self.touched:
            event(f"{module}: {other}")
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
        """Wait until server and clients agree about which connections are open."""
        if self.node.listening:
            until(lambda: {each.address for each in self.held if each.open} == set(self.node.connections["grpc"]), 2)

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
            # Even after a failure, what the result calls unchanged is unchanged; a scope without an answer is unknown.
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
            assert ignore or not nonesuch, "an unknown scope, and the result does not say so"
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
        named=st.lists(
            st.tuples(st.sampled_from(CLIENTS), st.integers(-1, 4), st.integers(0, 3)), min_size=1, max_size=4
        ),
        limit=st.one_of(st.none(), st.integers(0, 4)),
        amounts=AMOUNTS,
        check_mode=CHECK_MODE,
    )
    def conn_close(
        self,
        named: list[tuple[str, int, int]],
        limit: int | None,
        amounts: Sequence[int],
        check_mode: bool,
    ) -> None:
        self.connect(amounts)
        chosen: list[Result] = []
        for host, at, least in named:
            ports = sorted(each.port for each in self.held if each.host == host)
            # All ports, one that is not open, or one of those that are.
            port = None if at < 0 else 1 if at == 0 or not ports else ports[at % len(ports)]
            chosen.append({"protocol": "grpc", "host": host, "port": port, "min_connections": least})
        options = {} if limit is None else {"max_connections": limit}
        self.aim = frozenset(f"{each['host']}:{each['port']}" for each in chosen)
        self.hosts = len({each["host"] for each in chosen})
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
        assert claimed <= meant, "closed what the task did not name"
        if not result.get("failed") and not self.touched:
            counted = {
                (host, port)
                for host, port in meant
                if any(
                    each["host"] == host
                    and each["port"] in (None, port)
                    # A host that is listed twice counts once, with the larger number.
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
        assert result["changed"] or not gone, "closed, and said to be unchanged"
        sure = claimed if not (result.get("failed") and self.swallowed) else set()
        assert sure - remaining <= gone | {(host, port) for host in CLIENTS for port in self.ended(host)}, (
            "said to be closed"
        )
        assert self.touched or remaining == claimed - gone or result.get("failed")
        # If the answer is lost, that is a failure.
        assert self.touched or self.swallowed or not remaining, "said to be closed, and still open"
        assert not left & gone or self.touched or result["error"]["kind"] == "timeout", "said not to be closed"
        collateral = gone - meant
        # If a client ends its connection between the look and the close, the server closes all connections of the host.
        suspects = {host for host in CLIENTS if self.ended_too_late(host)}
        assert {host for host, _port in collateral} <= suspects, "a bystander was closed"
        if collateral and not result.get("failed"):
            assert any("all other connections of" in warning for warning in result["warnings"]), result
        assert gone & meant <= claimed | unsure | ({*meant} if self.ended_by_client else set()), (
            "closed, and the result does not say so"
        )
        if not result.get("failed"):
            assert result["count"] == len(claimed)
            assert remaining <= {(host, port) for host, ports in after.open.items() for port in ports}

    @operation(
        peak=st.integers(0, 300),
        least=st.sampled_from(["0", "32M", "100G", "exact"]),
        force=st.booleans(),
        check_mode=CHECK_MODE,
    )
    def memory_free(self, peak: int, least: str, force: bool, check_mode: bool) -> None:
        self.node.heap.surge(peak << 20)
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

    @operation(
        numbers=st.lists(st.integers(0, 8), min_size=1, max_size=5, unique=True),
        on_live=st.sampled_from(["fail", "skip", "skip", "clean"]),
        settle=st.sampled_from([0, 0.01, 0.01]),
        live=st.one_of(st.just([]), NUMBERS),
        deleted=NUMBERS,
        check_mode=CHECK_MODE,
    )
    def clean(
        self,
        numbers: list[int],
        on_live: str,
        settle: float,
        live: Sequence[int],
        deleted: Sequence[int],
        check_mode: bool,
    ) -> None:
        self.arrange(live, deleted)
        # 8 is the address of the instance with its own id. A clean by address does not find that instance.
        named = [{"id": "own-7"} if number == 7 else self.address(7 if number == 8 else number) for number in numbers]
        self.aimed = [7 if number == 8 else number for number in numbers]
        result, before, after = self.run(
            "polaris_instance_clean", check_mode, instances=named, on_live=on_live, settle=settle, parallel=2
        )
        cleaned = {each["id"] for each in result.get("cleaned", [])}
        unsure = {each["id"] for each in result.get("unknown", [])}
        again = result.get("live_again", [])
        if not result.get("failed") and not self.touched:
            # In this test, an address has at most one instance.
            hosts = {f"10.0.0.{7 if number == 8 else number}" for number in numbers}
            listed = {row.id for row in self.rows_listed(before) if row.host in hosts}
            assert {each["id"] for each in result["live"]} == listed
            assert on_live != "fail" or not listed, "cleaned, although one of them is live"
            assert (
                result["count"]
                == len(cleaned)
                == len(numbers)
                - (
                    sum(row.host in hosts for row in self.rows_listed(before))
                    + ({7, 8} <= {*numbers} and "own-7" in listed)
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
            # These requests precede the wait. After it, the task looks again.
            late = {one for one, at in self.registered.items() if self.node.requests[at].path == LEADERS}
            posts = [one.body for one in self.node.requests if one.path == "/maintain/v1/instance/clean"]
            assert not [host for host in late for body in posts if f'"{host}"' in body], "cleaned, although live again"
        if not self.touched:
            assert removed <= cleaned | unsure, "removed, and the result does not say so"
        for each in result.get("not_cleaned", []):
            assert self.touched or each["id"] in after.deleted or each["id"] not in before.deleted
        if on_live == "clean":
            return
        # An instance that somebody else has registered again is like a new one.
        damaged = {one for one, state in before.live.items() if after.live.get(one) not in (state, (0.0, True))}
        if "deregister" in self.touched:
            damaged -= after.deleted
        if not self.touched:
            assert not damaged, "a live instance was damaged"
        stripped = {row.id for row in self.rows() if row.live and row.stripped and row.id not in before.live}
        stripped |= {one for one in damaged if one in after.live}
        if stripped and again is not None:
            assert stripped <= {each["id"] for each in again}, "a live instance was damaged, and nobody says so"
            assert result["error"]["kind"] == "guard" or "live again" in result["msg"]

    def rows_listed(self, truth: Truth) -> list[Row]:
        ghosts = [ghost.row for ghost in self.fleet.store.ghosts.values()]
        return list({row.id: row for row in [*ghosts, *self.rows()] if row.id in truth.listed}.values())

    def address(self, number: int) -> Result:
        return {"service": "payments", "namespace": "default", "host": f"10.0.0.{number}", "port": 8080}

    @operation(
        size=st.integers(1, 3),
        most=st.one_of(st.none(), st.integers(1, 4)),
        deleted=NUMBERS,
        check_mode=CHECK_MODE,
    )
    def batch_clean(self, size: int, most: int | None, deleted: Sequence[int], check_mode: bool) -> None:
        self.arrange([], deleted)
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

    @operation(live=NUMBERS, ages=st.lists(st.sampled_from([3, 12, 17, 1000]), max_size=8))
    def heartbeats(self, live: Sequence[int], ages: Sequence[int]) -> None:
        self.arrange(live, [])
        for row, age in zip((row for row in self.rows() if row.service == "payments"), ages, strict=False):
            self.node.beat(row.id, self.node.now() - age)
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
            # The clock of the node moves on while the result is compared.
            assert 0 <= int(self.node.now()) - beat - each["age_seconds"] <= 1 + TIMEOUT + LATE
            assert each["overdue"] == (each["age_seconds"] > 3 * (watched.ttl or 0))

    @operation(
        key=st.sampled_from(["polaris.checker", "MaintainJob.CleanDeletedInstances"]),
        leads=st.booleans(),
        force=st.booleans(),
        check_mode=CHECK_MODE,
    )
    def leader_release(self, key: str, leads: bool, force: bool, check_mode: bool) -> None:
        store = self.fleet.elections
        if key in store.shared:
            store.local[0][key] = leads
            # A leader that was released 20 s ago is no longer shown, and stands for election again 12 s later.
            store.shared[key].released = 0.0 if leads else time.time() - 20
        led = self.led()
        result, _before, _after = self.run("polaris_leader_release", check_mode, elect_key=key, force=force)
        now = self.led()
        if not result["changed"] or check_mode:
            assert led == now, "released, and the result does not say so"
        elif not result.get("failed"):
            assert not now[key], "said to be released, and is not"
        # On MySQL, a node with a wrong clock does not know whether a leader is still there.
        if not result.get("failed") and (self.fleet.store.kind == "boltdb" or not self.node.config.clock_offset):
            assert result["changed"] == leads
        if not force and (key == "polaris.checker" or self.fleet.store.kind == "boltdb"):
            assert led == now, "the guard did not hold"

    def led(self) -> dict[str, bool]:
        """Job -> whether the node leads it."""
        if self.fleet.store.kind == "boltdb":
            return dict(self.fleet.elections.local[0])
        return {name: not each.released for name, each in self.fleet.elections.shared.items()}

    @operation(
        what=st.sampled_from(["connections", "memory", "server", "profile"]),
        amounts=AMOUNTS,
        least=st.integers(0, 3),
        kind=st.sampled_from(["heap", "goroutine"]),
    )
    def look(self, what: str, amounts: Sequence[int], least: int, kind: str) -> None:
        """One of the modules that only read. As a rule each, they would run more often than those that act."""
        if what == "connections":
            self.connect(amounts)
            self.conn_info(least)
        elif what == "memory":
            self.memory_info()
        elif what == "server":
            self.server_info()
        else:
            self.profile(kind)

    def conn_info(self, least: int) -> None:
        result, before, _after = self.run("polaris_conn_info", False, protocol="grpc", min_connections=least)
        if not result.get("failed") and not self.touched:
            expected = {host: len(ports) for host, ports in before.open.items() if len(ports) >= max(least, 0)}
            shown = {host: count for host, count in result["hosts"].items() if count}
            assert shown == expected
            assert result["total"] == sum(result["hosts"].values())

    def memory_info(self) -> None:
        result, before, _after = self.run("polaris_memory_info", False)
        if not result.get("failed") and result["memory"] is not None:
            assert result["memory"]["heap_released"] == before.released

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
