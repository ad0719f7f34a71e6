# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. The summary of conn_rebalance: the spread, what was closed, and how many more runs."""

from __future__ import annotations

import math
import typing as t

from .._rebalance import Plan, Rules, make_plan, open_ports
from .._summary import OWN_LINES, Line, Result, Run, Summarizer, Summary, dry, failed_data, failures, plan_of
from .._text import counted

#: The length of the longest bar.
BAR = 20


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
    after = second_look(run, plan) if plan["look_again"] else None
    total = sum(closed.values())
    lines = [
        Line(
            f"{head}{counted(len(plan['nodes']), 'node')}, {counted(plan['total'], 'connection')}, {plan['mean']} on "
            f"average, up to {plan['limit']} are tolerated"
        ),
        *map(Line, table(run, plan, closed, after)),
        *map(Line, notes(run, plan)),
        Line(outcome(run, plan, total, after)),
        *failures("FAILED", failed),
    ]
    data = {
        **{key: plan[key] for key in ("total", "mean", "limit")},
        "before": {name: node["count"] for name, node in plan["nodes"].items()},
        "after": None if after is None else {name: node.count for name, node in after.nodes.items()},
        "planned": plan["count"],
        "closed": closed,
        "count": total,
        "runs": more_runs(plan, after),
        "refused": None,
        "failed": failed_data(failed),
    }
    return Summary(lines, data)


def second_look(run: Run, plan: Result) -> Plan:
    """How the connections are spread afterwards, on the nodes that could be read again."""
    rules = Rules.of(run.given["tolerance"], run.given["max_share"], plan["spare"])
    answers = [(node, answer) for node, answer in run.answers("polaris_after") if node.name in plan["nodes"]]
    found = {node.name: open_ports(answer["stats"]) for node, answer in answers if answer["limit_enabled"]}
    return make_plan(found or {"": {}}, rules)


def table(run: Run, plan: Result, closed: t.Mapping[str, int], after: t.Optional[Plan]) -> t.List[str]:
    """A line for each node; in a larger cluster for those with most connections, and one for the others."""
    nodes: t.Mapping[str, Result] = plan["nodes"]
    shown = list(nodes)
    if len(shown) > OWN_LINES:
        shown = sorted(nodes, key=lambda name: -nodes[name]["count"])[:OWN_LINES]
    width = max(map(len, shown))
    now = {} if after is None else {name: node.count for name, node in after.nodes.items()}
    peak = max([node["count"] for node in nodes.values()] + [*now.values(), 1])
    lines = []
    for name in shown:
        count, surplus = nodes[name]["count"], nodes[name]["surplus"]
        line = f"{name:<{width}} {count:>7} {strokes(count, peak):<{BAR}}"
        if after is not None:
            line += f" -> {now.get(name, '?'):>7} "
            line += f"{strokes(now[name], peak) if name in now else 'could not be read':<{BAR}}"
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


def more_runs(plan: Result, after: t.Optional[Plan]) -> t.Optional[int]:
    """How many runs it takes: from now on, if all nodes were read again; otherwise including this one."""
    complete = after is not None and len(after.nodes) == len(plan["nodes"])
    return after.runs if after is not None and complete else plan["runs"]


def outcome(run: Run, plan: Result, total: int, after: t.Optional[Plan]) -> str:
    runs = more_runs(plan, after)
    more = after is not None and len(after.nodes) == len(plan["nodes"])
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


SUMMARY = Summarizer(("polaris_before", "polaris_plan", "polaris_closed", "polaris_after"), summarize)
