# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. The summary of heartbeat_audit: what all nodes together know about heartbeats."""

from __future__ import annotations

import typing as t

from ...module_utils._errors import listed
from .._heartbeats import REGISTERS, Entry, final_result, instances_of, named, newest_heartbeats
from .._summary import Line, Run, Summarizer, Summary, failed_data, failures, is_answer, reason
from .._text import counted

#: How many overdue instances have a line of their own, and how many of the others are named on one line.
SHOWN_OVERDUE = 5
NAMED_OVERDUE = 50
SHOWN_SILENT = 20


def summarize(run: Run) -> Summary:
    results = {node: final_result(node) for node in run.nodes}
    answers = {node.name: result for node, result in results.items() if is_answer(result)}
    failed = {node: reason(result) for node, result in results.items() if node.name not in answers}
    known = newest_heartbeats(instances_of(answers))
    overdue = sorted((one for one in known if one["overdue"]), key=lambda one: -int(one["age_seconds"]))
    watched = [one for one in known if one["found"]]
    silent = [one for one in watched if one["node"] is None]
    unwatched = [one for one in known if not one["found"]]

    namespace, service = run.given["polaris_namespace"], run.given["service"] or "*"
    lines = [
        Line(
            f"Polaris heartbeats of {namespace}/{service}: {len(overdue)} of {len(watched)} watched instances overdue, "
            f"according to {len(answers)} of {counted(len(run.nodes), 'node')}"
        )
    ]
    lines += [
        Line(
            f"OVERDUE {named(one)}: last heartbeat {one['age_seconds']} s ago ({one['node']}), ttl {one['ttl']} s",
            failure=True,
        )
        for one in overdue[:SHOWN_OVERDUE]
    ]
    further = [f"{named(one)} ({one['age_seconds']} s)" for one in overdue[SHOWN_OVERDUE:]]
    if further:
        lines.append(
            Line(f"OVERDUE and {counted(len(further), 'other')}: {listed(further, NAMED_OVERDUE)}", failure=True)
        )
    if answers and not known:
        lines.append(Line("NO INSTANCES are registered there: check the names of the namespace and the service"))
    if silent:
        names = listed([named(one) for one in silent], SHOWN_SILENT)
        lines.append(Line(f"no heartbeat on any node ({len(silent)}): {names}"))
    for health_check, text in (
        (False, "without a health check"),
        (True, "with a health check, but not watched (just registered, or servers themselves)"),
    ):
        number = sum(bool(one["health_check"]) is health_check for one in unwatched)
        if number:
            lines.append(Line(f"{text}: {number}"))
    plan: t.Mapping[str, t.Any] = next(
        (node.result("polaris_ask")["plan"] for node in run.nodes if node.answer("polaris_ask")), {}
    )
    if plan.get("led_by") and len(run.nodes) > 1:
        rest = len(plan["rest"])
        leads, was, it = ("leads", "was", "it") if len(plan["led_by"]) == 1 else ("lead", "were", "they")
        others = f"asked for the {rest} that {it} had not heard from lately"
        others = others if rest else f"not asked: {it} had heard from all"
        leaders = ", ".join(plan["led_by"])
        lines.append(Line(f"{leaders} {leads} the health checks and {was} asked first; the others were {others}"))
    lines += failures("FAILED", failed)
    if overdue or silent:
        if failed:
            lines.append(Line("Heartbeats on nodes that failed are missing here."))
        if run.left_out:
            lines.append(
                Line(
                    f"Heartbeats on {counted(len(run.left_out), 'other node')} of {run.target} are missing here, "
                    f"because of --limit."
                )
            )
    data = {
        "namespace": namespace,
        "service": run.given["service"],
        "watched": len(watched),
        "overdue": [shown(one) for one in overdue],
        "never_heard": [shown(one) for one in silent],
        "left_out": list(run.left_out),
        "failed": failed_data(failed),
    }
    failure = None
    if overdue and run.given["fail_on_overdue"]:
        failure = f"{counted(len(overdue), 'instance')} {'is' if len(overdue) == 1 else 'are'} overdue."
    return Summary(lines, data, failure)


def shown(instance: Entry) -> t.Dict[str, t.Any]:
    keys = ("id", "service", "namespace", "host", "port", "age_seconds", "ttl", "node")
    return {key: instance[key] for key in keys}


SUMMARY = Summarizer(("polaris_led", *REGISTERS), summarize)
