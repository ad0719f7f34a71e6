# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. The summary of fleet_report: the report in a few lines, and where the rest is."""

from __future__ import annotations

import json
import typing as t
from functools import partial
from pathlib import PurePath

from ...module_utils._errors import listed
from .._heartbeats import REGISTERS, final_result, leader_result
from .._report import Fleet, Values, read_node, report_of
from .._report_changes import changes_of, read_earlier
from .._report_page import render
from .._report_rules import warnings_of
from .._summary import Line, Node, Result, Run, Summarizer, Summary, dry, failures
from .._text import age, counted, size

#: How many findings are shown, and how many places of each are named.
FINDINGS = 8
PLACES = 5


def report_of_run(run: Run) -> Values:
    given = run.given
    nodes = tuple(
        read_node(
            node.name,
            str(node.results.get("ansible_host") or ""),
            {
                "server": node.results.get("polaris_fleet_server"),
                "heartbeats": final_result(node) if leader_result(node) else None,
            },
        )
        for node in run.nodes
    )
    fleet = Fleet(
        nodes,
        generated=given["generated"],
        namespace=given["polaris_namespace"] if given["heartbeats"] else "",
        service=given["service"] or "",
        limit=given["limit"],
        target=run.target,
        inventory=tuple(map(str, given["inventory"])),
    )
    report = report_of(fleet, warnings_of(fleet))
    if given["compare"]:
        report["changes"] = changes_of(report, read_earlier(given["compare"], [node.name for node in nodes]))
    return report


def summarize(run: Run) -> Summary:
    report = report_of_run(run)
    summary = report["summary"]
    lines = [
        Line(f"Polaris fleet report{dry(run, 'written')}: {counted(summary['nodes'], 'node')}, {read(summary)}"),
        *map(Line, figures(report)),
    ]
    lines += [
        Line(
            f"{entry['severity'].upper() if entry['severity'] == 'critical' else entry['severity']}: {entry['title']} "
            f"({listed(entry['where'], PLACES)})",
            failure=entry["severity"] == "critical",
        )
        for entry in report["warnings"][:FINDINGS]
    ]
    more = len(report["warnings"]) - FINDINGS
    if more > 0:
        lines.append(Line(f"and {counted(more, 'more finding')}, on the page"))
    lines += map(Line, changed(report["changes"])) if report["changes"] else []
    unread = {
        Node(node["name"], own=tuple(filter(None, [node["url"]]))): each["msg"]
        for node in report["nodes"]
        for each in node["failures"][:1]
    }
    lines += failures("FAILED", unread)
    page, data_file = run.given["page"], run.given["data"]
    lines.append(Line(f"{'would write' if run.check_mode else 'written'}: {page} and {data_file}"))
    in_part = [node["name"] for node in report["nodes"] if node["status"] == "partial" and node["failures"]]
    not_read = [node["name"] for node in report["nodes"] if node["status"] == "failed"]
    failure = None
    if in_part or not_read:
        names = in_part + not_read
        failure = f"{counted(len(names), 'node')} could not be read in full: {listed(names, PLACES)}."
    data = {
        "summary": summary,
        "warnings": [{key: entry[key] for key in ("severity", "id", "title", "where")} for entry in report["warnings"]],
        "changes": report["changes"],
        "page": page,
        "data": data_file,
    }
    pages = {
        page: partial(render, report, PurePath(data_file).name, run.given["language"]),
        data_file: partial(json.dumps, report, indent=4, sort_keys=True),
    }
    return Summary(lines, data, failure, pages=pages, mode=int(run.given["mode"], 8))


def read(summary: Result) -> str:
    text = f"{summary['read']} read in full"
    text += f", {summary['partial']} in part" if summary["partial"] else ""
    return text + (f", {summary['failed']} NOT READ" if summary["failed"] else "")


def figures(report: Result) -> t.Iterator[str]:
    summary, connections = report["summary"], report["connections"]
    if summary["connections"] is not None:
        # Behind NAT or a proxy, the report cannot tell which of those over http carry its own requests.
        asking = {"http": " with those of this report"} if connections["with_own"] else {}
        by_protocol = ", ".join(
            f"{name} {connections['totals'][name]}{asking.get(name, '')}" for name in connections["protocols"]
        )
        yield f"connections: {summary['connections']} ({by_protocol})"
    if summary["memory_in_use"] is not None:
        yield f"memory: {size(summary['memory_in_use'])} in use, {size(summary['memory_releasable'])} releasable"
    if summary["deviating_levels"] is not None:
        yield f"log levels that deviate: {summary['deviating_levels']}"
    if summary["overdue"] is not None:
        heartbeats = report["heartbeats"]
        overdue = heartbeats["overdue"]
        more = f", silent for up to {age(overdue[0]['age_seconds'])}" if overdue else ""
        if not heartbeats["instances"]:
            # Mostly because a name is misspelled.
            more = f", because no instances are listed in {heartbeats['namespace']}/{heartbeats['service'] or '*'}"
        yield f"overdue heartbeats: {summary['overdue']}{more}"


def changed(changes: Result) -> t.Iterator[str]:
    """What has changed, in a few lines."""
    yield f"since {changes['since'] or 'the earlier report'}:"
    parts = [
        f"{name.replace('_', ' ')} {shown(name, each['before'])} -> {shown(name, each['now'])}"
        for name, each in changes["figures"].items()
        if each["before"] != each["now"]
    ]
    yield f"  {', '.join(parts)}" if parts else "  all figures are the same"
    for what, names in (("new nodes", changes["nodes_came"]), ("nodes gone", changes["nodes_gone"])):
        if names:
            yield f"  {what}: {listed(names, PLACES)}"
    if changes["levels"]:
        nodes = list(dict.fromkeys(each["node"] for each in changes["levels"]))
        yield f"  {counted(len(changes['levels']), 'log level')} changed ({listed(nodes, PLACES)})"
    for key, what in (("new", "new"), ("gone", "gone"), ("unchecked", "not checked again")):
        for entry in changes[f"warnings_{key}"]:
            yield f"  {what}: {entry['title']} ({listed(entry['where'], PLACES)})"


def shown(name: str, value: t.Any) -> str:
    if value is None:
        return "?"
    return size(value) if name.startswith("memory") else str(value)


SUMMARY = Summarizer(("polaris_fleet_server", "ansible_host", *REGISTERS), summarize)
