# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. The summary of memory_free: how much memory each node returned to its system."""

from __future__ import annotations

from .._summary import Line, Result, Run, Summarizer, Summary, dry, failed_data, failures
from .._text import counted, size


def summarize(run: Run) -> Summary:
    answers = run.answers("polaris_freed")
    freed = [(node, answer) for node, answer in answers if answer["changed"]]
    enough = [(node, answer) for node, answer in answers if not answer["changed"]]
    reasons = run.unanswered("polaris_freed")
    unknown = {node: why for node, why in reasons.items() if node.result("polaris_freed").get("outcome_unknown")}
    failed = {node: why for node, why in reasons.items() if node not in unknown}
    released = sum(answer["released"] or 0 for _node, answer in freed)
    verb = "would free" if run.check_mode else "freed"
    lines = [
        Line(
            f"Polaris memory{dry(run, 'freed')}: {verb} on {len(freed)} of {counted(len(run.nodes), 'node')}, "
            f"{all_returned(released, run.check_mode)}"
        )
    ]
    lines += [Line(f"{verb} on {node.name}: {story(answer, run.check_mode)}") for node, answer in freed]
    if enough:
        names = ", ".join(f"{node.name} {size(answer['memory_before']['releasable'])}" for node, answer in enough)
        lines.append(Line(f"less than {run.given['min_releasable']} to free on {len(enough)} ({names})"))
    lines += failures("OUTCOME UNKNOWN", unknown)
    lines += failures("FAILED", failed)
    data = {
        "freed": {node.name: answer["released"] for node, answer in freed},
        "released": released,
        "left_alone": [node.name for node, _answer in enough],
        "unknown": failed_data(unknown),
        "failed": failed_data(failed),
    }
    return Summary(lines, data)


def all_returned(released: int, check_mode: bool) -> str:
    """How much memory all nodes returned. A real collection finds more than check mode can know."""
    return f"at least {size(released)} would be returned" if check_mode else f"{size(released)} returned to the system"


def story(answer: Result, check_mode: bool) -> str:
    """How much memory one node returned to its system."""
    if answer["released"] is None:
        return "how much was returned is unknown"
    returned = "would be returned" if check_mode else "returned"
    before, after = answer["memory_before"]["heap"], answer["memory_after"]["heap"]
    return f"{size(answer['released'])} {returned}, heap {size(before)} -> {size(after)}"


SUMMARY = Summarizer(("polaris_freed",), summarize)
