# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The summary of log_level: what changed where."""

from __future__ import annotations

import typing as t

from .._summary import Line, Result, Run, Summarizer, Summary, counted, failed_data, failures, grouped, on


def summarize(run: Run) -> Summary:
    answers = run.answers("polaris_set")
    changed = grouped((node, steps(answer)) for node, answer in answers if answer["changed"])
    unchanged = [node.name for node, answer in answers if not answer["changed"]]
    failed = run.unanswered("polaris_set")
    lines = [Line(f"Polaris log levels{dry(run)}: {counted(len(run.nodes), 'node')}")]
    verb = "would change" if run.check_mode else "changed"
    lines += [Line(f"{verb} {on(names)}: {story}") for story, names in changed.items()]
    if unchanged:
        lines.append(Line(f"unchanged {on(unchanged)}"))
    lines += failures("FAILED", failed)
    data = {
        "changed": [node.name for node, answer in answers if answer["changed"]],
        "unchanged": unchanged,
        "failed": failed_data(failed),
    }
    return Summary(lines, data)


def steps(answer: Result) -> str:
    """``naming, store info -> debug``: the scopes that changed, those with the same step together."""
    scopes: t.Dict[str, t.List[str]] = {}
    for scope in answer["changed_scopes"]:
        scopes.setdefault(f"{answer['previous'][scope]} -> {answer['levels'][scope]}", []).append(scope)
    return "; ".join(f"{', '.join(names)} {step}" for step, names in scopes.items())


def dry(run: Run) -> str:
    return " (check mode: nothing was changed)" if run.check_mode else ""


SUMMARY = Summarizer(("polaris_set",), summarize)
