# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Breaks the modules in small ways and checks that random operations notice each: `make mutants`.

A mutant is a module whose result is wrong, or which does what it must not. To save time, only the operations of that
module run. If they do not fail within SEQUENCES sequences, they are too weak: extend
tests/unit/test_random_operations.py.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import hypothesis
from hypothesis.stateful import run_state_machine_as_test

from tests.unit.test_random_operations import OPERATIONS, PACKAGE, STEPS, Operations

PLUGINS = PACKAGE.rpartition(".")[0]
SEQUENCES = 150
#: The rules of the state machine that run a module, if their name is another.
RULES = {
    "_levels": "log_level",
    "instance_clean": "clean",
    "instance_batch_clean": "batch_clean",
    "heartbeat_info": "heartbeats",
}
#: The modules that import names of a file, and so keep its old functions.
USERS = {"_levels": ["polaris_log_level"]}


class Mutant(NamedTuple):
    """One change of a module, or of a file of module_utils that it imports; ``old`` occurs once in the text."""

    name: str
    file: str
    old: str
    new: str


LEVELS = "module_utils/_levels"
MUTANTS = [
    Mutant("changed without a change", "log_level", '"changed": bool(todo)', '"changed": True'),
    Mutant("check mode sets levels", "log_level", "if todo and not check_mode else", "if todo else"),
    Mutant("an unknown outcome is reported as not set", LEVELS, "rest[:1] if error.outcome_unknown else []", "[]"),
    Mutant(
        "all scopes are reported as set after a failure",
        LEVELS,
        "changed = [scope for scope in todo if after.get(scope) != before[scope]]",
        "changed = list(todo)",
    ),
    Mutant("'*' overrules a named scope", LEVELS, "wanted.get(scope, rest) for", "(rest or wanted.get(scope)) for"),
    Mutant("no read after the write", LEVELS, "after = log_levels.read(client)\n", "after = {**before, **todo}\n"),
    Mutant("previous is the new level", "log_level", "{scope: before[scope] for scope in todo}", "dict(todo)"),
    Mutant(
        "an unexpected level is overwritten",
        LEVELS,
        "current[scope] != expected[scope]}",
        "current[scope] != expected[scope] and False}",
    ),
    Mutant(
        "an unknown scope is ignored unasked",
        "log_level",
        'if unknown and not params["ignore_unknown_scopes"]',
        "if False",
    ),
    Mutant("the count is one too many", "conn_close", '"count": len(self.closed)', '"count": len(self.closed) + 1'),
    Mutant("a port that has closed is sent", "conn_close", "        waiting &= view.ports(key)\n", ""),
    Mutant("a lost answer counts as closed", "conn_close", "        if left:\n            raise\n", ""),
    Mutant(
        "what is unknown is reported as not closed",
        "conn_close",
        '"unknown" if connection in report.unknown else "failed"',
        '"failed"',
    ),
    Mutant("max_connections counts hosts", "conn_close", "len(close) <= limit:", "len(close.hosts()) <= limit:"),
    Mutant("min_connections is one higher", "conn_close", ".amount < each.min_conn", ".amount <= each.min_conn"),
    Mutant("no warning about bystanders", "conn_close", "in may_have_hit_bystanders(bystanders, after)", "in ()"),
    Mutant("nothing remains", "conn_close", "remaining = after.listed(report.closed)", "remaining = Ports()"),
    Mutant(
        "all connections of the host are closed for one port",
        "conn_close",
        "close.add(each.key, {each.port})",
        "close.add(each.key, ports)",
    ),
    Mutant("changed without a change", "conn_close", '"changed": bool(self.closed or self.unknown)', '"changed": True'),
    Mutant(
        "unknown is unchanged",
        "conn_close",
        '"changed": bool(self.closed or self.unknown)',
        '"changed": bool(self.closed)',
    ),
    Mutant("named twice, the smaller limit counts", "conn_close", "same.min_connections <", "same.min_connections >"),
    Mutant(
        "a live instance is cleaned",
        "instance_clean",
        "(set(self.live) if self.spares_live else set())",
        "set()",
    ),
    Mutant(
        "one live instance is no reason to fail", "instance_clean", "if found and state", "if len(found) > 1 and state"
    ),
    Mutant(
        "no look at the end",
        "instance_clean",
        "        state.live_again = {sent[at]: instance for at, instance in found.items()}",
        "        state.live_again = {}",
    ),
    Mutant(
        "no look after the wait",
        "instance_clean",
        "        if state.spares_live:\n            look_up(client, state, pending)\n",
        "",
    ),
    Mutant(
        "a lost answer counts as cleaned",
        "instance_clean",
        "state.unknown.add(part[index])",
        "state.cleaned.add(part[index])",
    ),
    Mutant(
        "a lost answer counts as not cleaned",
        "instance_clean",
        "        if answer.outcome_unknown:\n            state.unknown.add(part[index])\n",
        "",
    ),
    Mutant("the count is one too many", "instance_clean", '"count": len(done)', '"count": len(done) + 1'),
    Mutant("changed without a change", "instance_clean", '"changed": bool(done or state.unknown)', '"changed": True'),
    Mutant(
        "an instance with its own id is not looked up",
        "instance_clean",
        "if target.own_id and at not in live]",
        "if False]",
    ),
    Mutant("unknown is unchanged", "instance_clean", '"changed": bool(done or state.unknown)', '"changed": bool(done)'),
    Mutant("changed without a change", "memory_free", '"changed": wanted', '"changed": True'),
    Mutant(
        "an unknown outcome is reported as a failure",
        "memory_free",
        "        if not error.outcome_unknown:\n            raise\n",
        "        raise\n",
    ),
    Mutant(
        "a refusal is reported as unknown",
        "memory_free",
        "        if not error.outcome_unknown:\n            raise\n",
        "",
    ),
    Mutant(
        "min_releasable is a lower limit that is never met", "memory_free", ".releasable >= min", ".releasable > min"
    ),
    Mutant("force is ignored", "memory_free", "return force or memory", "return memory"),
    Mutant("check mode frees", "memory_free", "if wanted and check_mode:", "if False:"),
    Mutant(
        "released counts what was released before",
        "memory_free",
        "after.heap_released - before.heap_released",
        "after.heap_released",
    ),
    Mutant(
        "a failed look afterwards fails the task",
        "memory_free",
        '        warnings.append(f"Memory was freed, but the figures',
        '        raise\n        warnings.append(f"Memory was freed, but the figures',
    ),
    Mutant(
        "unknown is unchanged",
        "memory_free",
        '{"changed": True, "outcome_unknown"',
        '{"changed": False, "outcome_unknown"',
    ),
    Mutant("no heartbeat is ever known", "heartbeat_info", "= heartbeat.last_heartbeat", "= None"),
    Mutant(
        "the age is a minute too high",
        "heartbeat_info",
        "age = heartbeat.age_seconds",
        "age = (heartbeat.age_seconds or 0) + 60",
    ),
    Mutant("the heartbeats of others", "heartbeat_info", "zip(watched, beats)", "zip(watched, reversed(beats))"),
    Mutant("overdue is never true", "heartbeat_info", "overdue(age, ttl)}", "False}"),
    Mutant("an incomplete list", "heartbeat_info", "one in asked if not (", "one in list(asked)[1:] if not ("),
    Mutant("a batch too many", "instance_batch_clean", "min(batch_size, max_rows - rows)", "min(batch_size, max_rows)"),
    Mutant("one batch is enough", "instance_batch_clean", "if affected >= size else 0", "if False else 0"),
    Mutant("the size of the batch is what was removed", "instance_batch_clean", "rows += affected", "rows += size"),
    Mutant(
        "an unknown outcome is reported as a failure",
        "instance_batch_clean",
        "    if error.outcome_unknown:\n        error.partial[",
        "    if False:\n        error.partial[",
    ),
    Mutant("unknown is unchanged", "instance_batch_clean", "rows > 0 or error.outcome_unknown", "rows > 0"),
    Mutant("no guard of the health checks", "leader_release", '    if not params["force"]:\n', "    if False:\n"),
    Mutant("check mode releases", "leader_release", "if wanted and not check_mode:", "if wanted:"),
    Mutant("changed without a change", "leader_release", '"changed": wanted', '"changed": True'),
    Mutant("unknown is unchanged", "leader_release", '{"changed": True, "outcome', '{"changed": False, "outcome'),
]


@contextmanager
def applied(mutant: Mutant) -> Iterator[None]:
    """The module with that change, for the time of the block."""
    path = mutant.file if "/" in mutant.file else f"modules/polaris_{mutant.file}"
    module = importlib.import_module(f"{PLUGINS}.{path.replace('/', '.')}")
    file = Path(str(module.__file__))
    text = file.read_text(encoding="utf-8")
    if text.count(mutant.old) != 1:
        raise SystemExit(f"{path} has changed: {mutant.old!r} occurs {text.count(mutant.old)} times.")
    try:
        execute(module, text.replace(mutant.old, mutant.new))
        yield
    finally:
        execute(module, text)


def execute(module: ModuleType, text: str) -> None:
    """Execute this text as the module, and again the modules that have imported names from it."""
    exec(compile(text, str(module.__file__), "exec"), vars(module))
    for name in USERS.get(module.__name__.rpartition(".")[2], ()):
        user = importlib.import_module(f"{PLUGINS}.modules.{name}")
        exec(compile(Path(str(user.__file__)).read_text(encoding="utf-8"), str(user.__file__), "exec"), vars(user))


def noticed(mutant: Mutant, sequences: int, seed: int) -> tuple[str, int]:
    """The claim that failed, empty if none did, and after how many sequences."""
    made = 0

    def counted(self: Operations) -> None:
        nonlocal made
        made += 1
        Operations.__init__(self)

    settings = hypothesis.settings(
        max_examples=sequences,
        stateful_step_count=STEPS,
        database=None,
        deadline=None,
        # Any failure is enough here; only people need a short one.
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
        report_multiple_bugs=False,
    )
    name = mutant.file.rpartition("/")[2]
    own = RULES.get(name, name)
    others = [each for each in OPERATIONS if each != own]
    machine = hypothesis.seed(seed)(type("Mutated", (Operations,), {**dict.fromkeys(others), "__init__": counted}))
    with applied(mutant):
        try:
            run_state_machine_as_test(machine, settings=settings)
        except Exception as failure:
            last = traceback.extract_tb(failure.__traceback__)[-1]
            return f"{type(failure).__name__} in {last.name}: {last.line}", made
    return "", made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", help="only mutants whose module or name contains one of these")
    parser.add_argument("--sequences", type=int, default=SEQUENCES)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    missed = 0
    for mutant in MUTANTS:
        title = f"{mutant.file.rpartition('/')[2].strip('_')}: {mutant.name}"
        if options.words and not any(word in title for word in options.words):
            continue
        started = time.monotonic()
        found, made = noticed(mutant, options.sequences, options.seed)
        missed += not found
        verdict = f"found  {title}  {found[:150]}" if found else f"MISSED  {title}"
        print(
            f"{made:4} sequences, {time.monotonic() - started:5.1f} s  {verdict}",
            flush=True,
        )
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
