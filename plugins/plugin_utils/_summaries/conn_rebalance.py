# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. The summary of conn_rebalance: the spread, what was closed, and how many more runs."""

from __future__ import annotations

import math
import typing as t

from .._rebalance import Rules, runs_needed
from .._summary import OWN_LINES, Line, Result, Run, Summarizer, Summary, dry, failed_data, failures, plan_of
from .._text import counted

#: The length of the longest bar.
BAR = 20

#: Node -> its connections when they were counted again; None if that failed. Nodes that are not local are not in it.
After = t.Mapping[str, t.Optional[int]]


def summarize(run: Run) -> Summary:
    protocol = run.given.get("protocol")
    head = f"Polaris connections ({protocol}){dry(run, 'closed')}: "
    read = [node for node, _answer in run.answers("polaris_before")]
    plan, refusal = plan_of(read)
    unread = run.unanswered("polaris_before")
    if plan is None:
        lines = [Line(f"{head}{counted(len(run.nodes), 'node')}, nothing was closed")]
        lines += [Line(f"REFUSED: {refusal}", failure=True)] if refusal else []
        lines += failures("FAILED", unread)
        return Summary(lines, {"count": 0, "closed": {}, "refused": refusal, "failed": failed_data(unread)})
    chosen = [node for node in read if node.name in plan["close"]]
    done = {node: answer for node, answer in ((node, node.answer("polaris_closed")) for node in chosen) if answer}
    failed = {node: node.reason("polaris_closed") for node in chosen if node not in done}
    closed = {node.name: len(answer["connections"]) for node, answer in done.items()}
    again = (answer["counts"] for _node, answer in run.answers("polaris_counted_again"))
    after: t.Optional[After] = next(again, {}) if plan["settle_seconds"] else None
    more, runs = from_now_on(run, plan, after)
    total = sum(closed.values())
    lines = [
        Line(
            f"{head}{counted(len(plan['nodes']), 'node')}, {counted(plan['total'], 'connection')}, {plan['mean']} on "
            f"average, up to {plan['limit']} are tolerated"
        ),
        *map(Line, table(run, plan, closed, after)),
        *map(Line, notes(run, plan)),
        Line(outcome(run, plan, total, runs, more)),
        *failures("FAILED", failed),
    ]
    data = {
        **{key: plan[key] for key in ("total", "mean", "limit")},
        "before": {name: node["count"] for name, node in plan["nodes"].items()},
        "after": None if after is None else {name: count for name, count in after.items() if count is not None},
        "planned": plan["count"],
        "closed": closed,
        "count": total,
        "runs": runs,
        "refused": None,
        "failed": failed_data(failed),
    }
    return Summary(lines, data)


def table(run: Run, plan: Result, closed: t.Mapping[str, int], after: t.Optional[After]) -> t.List[str]:
    """A line for each node; in a larger cluster for those with most connections, and one for the others."""
    nodes: t.Mapping[str, Result] = plan["nodes"]
    shown = list(nodes)
    if len(shown) > OWN_LINES:
        shown = sorted(nodes, key=lambda name: -nodes[name]["count"])[:OWN_LINES]
    width = max(map(len, shown))
    peak = max([node["count"] for node in nodes.values()] + [count or 0 for count in (after or {}).values()] + [1])
    lines = []
    for name in shown:
        count, surplus = nodes[name]["count"], nodes[name]["surplus"]
        line = f"{name:<{width}} {count:>7} {strokes(count, peak):<{BAR}}"
        if after is not None:
            now = after.get(name)
            unknown = "could not be read" if name in after else "not counted again"
            line += f" -> {'?' if now is None else now:>7} {unknown if now is None else strokes(now, peak):<{BAR}}"
        if name in plan["close"]:
            line += f" {verb(run)} {closed.get(name, 0)} of a surplus of {surplus}"
        lines.append(line.rstrip())
    others = [node["count"] for name, node in nodes.items() if name not in shown]
    if others:
        lines.append(f"and {counted(len(others), 'other node')} with {min(others)} to {max(others)} connections")
    return lines


def strokes(count: int, peak: int) -> str:
    return "#" * math.ceil(BAR * count / peak)


def notes(run: Run, plan: Result) -> t.Iterator[str]:
    spared = sum(node["spared"] for node in plan["nodes"].values())
    if spared:
        more = " and of spare_hosts" if run.given["spare_hosts"] else ""
        yield f"not counted: {spared} of the nodes themselves{more}"
    if not plan["whole"]:
        yield "NOT CHECKED whether these are all nodes of the cluster: no node is registered there"


def from_now_on(run: Run, plan: Result, after: t.Optional[After]) -> t.Tuple[bool, t.Optional[int]]:
    """Whether all nodes were counted again, and how many runs are needed: after this one if they were, else with it."""
    counts = [(after or {}).get(name) for name in plan["nodes"]]
    known = [count for count in counts if count is not None]
    if len(known) < len(counts):
        return False, plan["runs"]
    return True, runs_needed(known, Rules.of(run.given["tolerance"], run.given["max_share"]))


def outcome(run: Run, plan: Result, total: int, runs: t.Optional[int], more: bool) -> str:
    if runs is None:
        outlook = "max_share of the connections left there is less than one, so it will not even out"
    elif runs == 0:
        outlook = f"no node has too many{' any more' if plan['count'] else ''}"
    elif more:
        outlook = f"it takes about {counted(runs, 'more run')}"
    else:
        outlook = f"it takes about {counted(runs, 'run')} like this"
    if not plan["count"]:
        return f"nothing to close: {outlook}"
    planned = f" of {plan['count']} planned" if total != plan["count"] else ""
    return f"{verb(run)} {total}{planned}; {outlook}"


def verb(run: Run) -> str:
    return "would close" if run.check_mode else "closed"


SUMMARY = Summarizer(("polaris_before", "polaris_plan", "polaris_closed", "polaris_counted_again"), summarize)
