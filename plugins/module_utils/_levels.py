# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. A change of log levels: what it sets, and what it has set if it stops halfway."""

from __future__ import annotations

import typing as t

from ._api import log_levels
from ._client import Client
from ._errors import PolarisError

Levels = t.Dict[str, str]
Result = t.Dict[str, t.Any]

#: As a scope: every other scope that the server has.
ALL = "*"
#: A server may still make a change that it has not answered. How long after the restore to look again, in seconds.
LATE = (1.0, 5.0, 15.0)


def changes(wanted: Levels, current: Levels) -> Levels:
    """Scope -> new level of the scopes that differ, sorted. A scope that is named takes precedence over ``*``."""
    rest = wanted.get(ALL)
    target = {scope: wanted.get(scope, rest) for scope in current}
    return {scope: level for scope, level in sorted(target.items()) if level is not None and level != current[scope]}


def split(todo: Levels, current: Levels, expected: t.Mapping[str, t.Any]) -> t.Tuple[Levels, Levels]:
    """What is to be changed, and what is left alone because its level is not the expected one."""
    kept = {scope: current[scope] for scope in todo if scope in expected and current[scope] != expected[scope]}
    return {scope: level for scope, level in todo.items() if scope not in kept}, kept


def set_levels(client: Client, before: Levels, todo: Levels) -> Levels:
    """Set one scope after the other, and return all levels as read back."""
    done: t.List[str] = []
    try:
        for scope, level in todo.items():
            log_levels.write(client, scope, level)
            done.append(scope)
        after = log_levels.read(client)
    except PolarisError as error:
        raise interrupted(client, error, before, todo, done) from error
    wrong = [
        f"{scope} is {after.get(scope)}, not {level}" for scope, level in todo.items() if after.get(scope) != level
    ]
    if wrong:
        raise PolarisError(
            "server",
            f"{client.url} accepted the levels but now has others ({'; '.join(wrong)}): something else sets them "
            f"at the same time, or the server ignores the change; check, and run again.",
            partial=partial(before, todo, after),
        )
    return after


def interrupted(client: Client, error: PolarisError, before: Levels, todo: Levels, done: t.List[str]) -> PolarisError:
    """The error of a change that stopped halfway, with what is set and what is not, as the server shows if it can."""
    rest = [scope for scope in todo if scope not in done]
    # The server may still be working on a request that it did not answer in time.
    unknown = rest[:1] if error.outcome_unknown else []
    try:
        report = partial(before, todo, log_levels.read(client), unknown)
    except PolarisError:
        report = {
            "changed": bool(done),
            "changed_scopes": done,
            "unchanged_scopes": [scope for scope in rest if scope not in unknown],
            "unknown_scopes": unknown,
            "previous": {scope: before[scope] for scope in done + unknown},
        }
    parts = [
        f"{name}: {', '.join(report[key])}"
        for name, key in (("set", "changed_scopes"), ("not set", "unchanged_scopes"), ("unknown", "unknown_scopes"))
        if report[key]
    ]
    error.msg = f"{error.msg.rstrip('.')}; of the scopes asked for, {'; '.join(parts)}."
    error.partial = report
    return error


def partial(before: Levels, todo: Levels, after: Levels, unanswered: t.Sequence[str] = ()) -> Result:
    """What a failed change has done, judged by the levels that the server shows now."""
    changed = [scope for scope in todo if after.get(scope) != before[scope]]
    unknown = [scope for scope in unanswered if scope not in changed]
    return {
        "changed": bool(changed),
        "changed_scopes": changed,
        "unchanged_scopes": [scope for scope in todo if scope not in changed + unknown],
        "unknown_scopes": unknown,
        "previous": {scope: before[scope] for scope in changed + unknown},
        "levels": after,
    }
