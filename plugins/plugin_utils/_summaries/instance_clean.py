# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. The summary of instance_clean: what the node that cleaned did with the instances."""

from __future__ import annotations

import typing as t

from ...module_utils._errors import listed
from .._summary import Line, Node, Result, Run, Summarizer, Summary, dry, failed_data, failures, is_answer
from .._text import counted

SHOWN = 10


def summarize(run: Run) -> Summary:
    """Every node was asked whether it answers; the first that did (or else the first node) had to clean."""
    failed = run.unanswered("polaris_probe")
    node = next((node for node in run.nodes if node not in failed), run.nodes[0])
    by_batch = run.given["batch"]
    register = "polaris_removed" if by_batch else "polaris_cleaned"
    result = node.result(register)
    lines, data = (batches if by_batch else instances)(run, node, result)
    sent = result.get("changed") or result.get("unknown")
    if len(failed) == len(run.nodes) and not is_answer(result) and not sent:
        dry = " (check mode)" if run.check_mode else ""
        lines = [Line(f"Polaris instances{dry}: NOTHING CLEANED, no node answers", failure=True), *lines[1:]]
    lines += [Line(f"note: {warning}") for warning in result.get("warnings") or ()]
    if not is_answer(result):
        failed = {other: why for other, why in failed.items() if other is not node}
        lines.append(Line(f"FAILED at {node.name}: {node.reason(register)}", failure=True))
        data["failed"] = {node.name: node.reason(register)}
    lines += failures("no answer", failed, where="from")
    return Summary(lines, {"at": node.name, "failed": {}, **data, "no_answer": failed_data(failed)})


def batches(run: Run, node: Node, result: Result) -> t.Tuple[t.List[Line], t.Dict[str, t.Any]]:
    rows, number = result.get("rows_affected", 0), result.get("batches", 0)
    if run.check_mode:
        what = "how many would be removed is unknown"
    else:
        what = f"removed {rows} deleted instances in {counted(number, 'batch', 'batches')}"
    lines = [Line(f"Polaris instances{dry(run, 'cleaned')}: {what} at {node.name}")]
    if rows == 0 and is_answer(result) and not run.check_mode:
        lines.append(
            Line("there was nothing to remove (from v1.17.0 on, servers keep deleted instances for 10 minutes)")
        )
    if result.get("outcome_unknown"):
        lines.append(Line("UNKNOWN whether the last batch was removed", failure=True))
    return lines, {"rows_affected": rows, "batches": number}


def instances(run: Run, node: Node, result: Result) -> t.Tuple[t.List[Line], t.Dict[str, t.Any]]:
    verb = "would clean" if run.check_mode else "cleaned"
    number = result.get("count", 0)
    # What is named twice counts once, as in the result.
    parts = ["not_cleaned", "unknown", *(["live"] if run.given["on_live"] != "clean" else [])]
    total = number + sum(len(result.get(part) or []) for part in parts) or len(run.given["instances"])
    head = f"Polaris instances{dry(run, 'cleaned')}: {verb} {number} of {total} at {node.name}"
    lines = [Line(head)]
    data: t.Dict[str, t.Any] = {"count": number}
    cleaned_live = "live" if run.check_mode else "live, and a clean was sent"
    live = cleaned_live if run.given["on_live"] == "clean" else "live, left alone"
    for key, what, failure in (
        ("live", live, False),
        ("live_again", "LIVE AGAIN, PERHAPS DAMAGED", True),
        ("not_cleaned", "NOT CLEANED", True),
        ("unknown", "UNKNOWN", True),
    ):
        found = result.get(key) or []
        data[key] = list(found)
        if found:
            names = listed([named(one) for one in found], SHOWN)
            lines.append(Line(f"{what} ({len(found)}): {names}", failure))
    return lines, data


def named(instance: t.Mapping[str, t.Any]) -> str:
    if not instance.get("service"):
        return str(instance["id"])
    return f"{instance['namespace']}/{instance['service']} {instance['host']}:{instance['port']}"


SUMMARY = Summarizer(("polaris_probe", "polaris_cleaned", "polaris_removed"), summarize)
