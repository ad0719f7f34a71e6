# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. The summary of memory_incident: the large nodes, their profiles, and what was freed."""

from __future__ import annotations

import typing as t

from .._summary import (
    OWN_LINES,
    Line,
    Node,
    Result,
    Run,
    Summarizer,
    Summary,
    dry,
    failed_data,
    failures,
    is_answer,
    on,
)
from .._text import counted, size
from .memory_free import all_returned, story


def summarize(run: Run) -> Summary:
    saving = {node: node.result("polaris_saved") for node in run.nodes}
    heaps: t.Dict[Node, t.Any] = {
        node: (result["memory"] or {}).get("heap") for node, result in saving.items() if "memory" in result
    }
    large = [node for node in heaps if saving[node].get("files")]
    saved = [node for node in large if is_answer(saving[node])]
    freed = {node: answer for node, answer in ((node, node.answer("polaris_freed")) for node in saved) if answer}

    failed = {node: node.reason("polaris_saved") for node in run.nodes if node not in heaps}
    unsaved = {node: node.reason("polaris_saved") for node in large if node not in saved}
    reasons = {node: node.reason("polaris_freed") for node in saved if node not in freed}
    unknown = {node: why for node, why in reasons.items() if outcome_unknown(node)}
    unfreed = {node: why for node, why in reasons.items() if node not in unknown}

    released = sum(answer["released"] or 0 for answer in freed.values())
    would = run.check_mode
    lines = [
        Line(
            f"Polaris memory incident{dry(run, 'saved or freed')}: {len(large)} of {counted(len(run.nodes), 'node')} "
            f"with a heap of {run.given.get('min_size')} or more, {all_returned(released, would)}"
        )
    ]
    lines += map(Line, freed_lines(heaps, freed, would))
    lines += failures("FAILED", failed)
    lines += failures("FAILED", {node: not_saved(saving[node], why) for node, why in unsaved.items()})
    lines += failures("FAILED", {node: f"profiles saved, nothing was freed: {why}" for node, why in unfreed.items()})
    lines += failures("OUTCOME UNKNOWN", {node: f"profiles saved: {why}" for node, why in unknown.items()})
    blind = [node.name for node, heap in heaps.items() if heap is None]
    small = {node.name: heap for node, heap in heaps.items() if heap is not None and node not in large}
    if blind:
        lines.append(Line(f"left alone, they show no memory figures: {', '.join(blind)}"))
    if small:
        lines.append(Line(f"left alone, smaller: {', '.join(f'{name} {size(heap)}' for name, heap in small.items())}"))
    if saved:
        folder = saving[saved[0]]["folder"]
        lines.append(Line(f"profiles {'would be' if would else 'are'} in {folder} (go tool pprof -top FILE):"))
        lines += [Line(f"  {names}") for names in file_lines([saving[node]["files"] for node in saved])]
    data = {
        "large": [node.name for node in large],
        "released": released,
        "freed": {node.name: answer["released"] for node, answer in freed.items()},
        "profiles": {node.name: dict(saving[node]["files"]) for node in saved},
        "outcome_unknown": failed_data(unknown),
        "failed": failed_data({**failed, **unsaved, **unfreed}),
    }
    return Summary(lines, data)


def not_saved(saving: Result, why: str) -> str:
    only = f"only {saving['saved'][0]} is saved" if saving["saved"] else "profiles not saved"
    return f"{only}, nothing was freed: {why}"


def outcome_unknown(node: Node) -> bool:
    """Whether the server may have run the call: it did not answer, or could no longer be reached."""
    result = node.result("polaris_freed")
    return bool(result.get("outcome_unknown") or result.get("unreachable"))


def freed_lines(heaps: t.Mapping[Node, int], freed: t.Mapping[Node, Result], would: bool) -> t.List[str]:
    """How much memory each node returned: a line for each; if there are many, one for all."""
    verb = "would free" if would else "freed"
    lines = []
    if len(freed) <= OWN_LINES:
        for node, answer in freed.items():
            # Saving the profiles makes the heap larger, so this figure is shown only if there is no other.
            heap = f"its heap took {size(heaps[node])}; " if answer["released"] is None else ""
            lines.append(f"{verb} on {node.name}: {heap}{story(answer, would)}")
        return lines
    known = {node.name: answer["released"] for node, answer in freed.items() if answer["released"] is not None}
    unknown = [node.name for node in freed if node.name not in known]
    if known:
        each = ", ".join(f"{name} {size(released)}" for name, released in known.items())
        lines.append(f"{verb} on {len(known)}: {each}")
    if unknown:
        lines.append(f"{verb} {on(unknown)}: how much was returned is unknown")
    return lines


def file_lines(files: t.Sequence[t.Mapping[str, str]]) -> t.List[str]:
    """The names of all files: a line for each node; if there are many, one line that bash and zsh expand to all names.

    :param files: for each node: kind -> file name, ``NODE-KIND-MOMENT.pb.gz``.
    """
    if len(files) <= OWN_LINES:
        return ["  ".join(each.values()) for each in files]
    kind = next(iter(files[0]))
    names = [each[kind].rpartition(f"-{kind}-") for each in files]
    nodes, kinds, end = ",".join(name[0] for name in names), ",".join(files[0]), names[0][2]
    return [f"{{{nodes}}}-{{{kinds}}}-{end}"]


SUMMARY = Summarizer(("polaris_saved", "polaris_freed"), summarize)
