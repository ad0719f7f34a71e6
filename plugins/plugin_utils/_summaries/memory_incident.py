# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. The summary of memory_incident: the large nodes, their profiles, and what was freed."""

from __future__ import annotations

import os
import typing as t

from .._host_variables import is_local
from .._summary import Line, Node, Result, Run, Summarizer, Summary, dry, failed_data, failures, plan_of
from .._text import counted, size


def summarize(run: Run) -> Summary:
    looked = run.answers("polaris_memory")
    plan, _refusal = plan_of([node for node, _answer in looked])
    files: t.Mapping[str, t.Mapping[str, str]] = (plan or {}).get("files", {})
    heaps: t.Dict[Node, t.Any] = {node: (answer["memory"] or {}).get("heap") for node, answer in looked}
    large = [node for node in heaps if node.name in files]
    saved = [node for node in large if is_saved(node, run.check_mode)]
    freed = {node: answer for node, answer in ((node, node.answer("polaris_freed")) for node in saved) if answer}

    failed = run.unanswered("polaris_memory")
    unsaved = {node: saving_failed(node, run.check_mode) for node in large if node not in saved}
    unfreed = {node: node.reason("polaris_freed") for node in saved if node not in freed}
    unknown = {node: why for node, why in unfreed.items() if outcome_unknown(node)}
    for node in unknown:
        del unfreed[node]

    released = sum(answer["released"] or 0 for answer in freed.values())
    would = run.check_mode
    lines = [
        Line(
            f"Polaris memory incident{dry(run, 'saved or freed')}: {len(large)} of {counted(len(run.nodes), 'node')} "
            f"with a heap of {run.given.get('min_size')} or more, {size(released)} "
            f"{'would be returned at least' if would else 'returned to the system'}"
        )
    ]
    lines += [
        Line(f"{'would free' if would else 'freed'} on {node.name}: {story(heaps[node], answer, would)}")
        for node, answer in freed.items()
    ]
    lines += failures("FAILED", failed)
    lines += failures(
        "FAILED", {node: f"profiles not saved, nothing was freed: {why}" for node, why in unsaved.items()}
    )
    lines += failures("FAILED", {node: f"profiles saved, nothing was freed: {why}" for node, why in unfreed.items()})
    lines += failures("OUTCOME UNKNOWN", {node: f"profiles saved: {why}" for node, why in unknown.items()})
    blind = [node.name for node, heap in heaps.items() if heap is None]
    small = {node.name: heap for node, heap in heaps.items() if heap is not None and node.name not in files}
    if blind:
        lines.append(Line(f"left alone, they show no memory figures: {', '.join(blind)}"))
    if small:
        lines.append(Line(f"left alone, smaller: {', '.join(f'{name} {size(heap)}' for name, heap in small.items())}"))
    written = [name for node in saved for name in files[node.name].values()]
    if written:
        folder = folder_of(run)
        lines.append(Line(f"profiles {'would be' if would else 'are'} in {folder} (go tool pprof -top FILE):"))
        lines += [Line("  " + "  ".join(files[node.name].values())) for node in saved]
    data = {
        "large": [node.name for node in large],
        "released": released,
        "freed": {node.name: answer["released"] for node, answer in freed.items()},
        "profiles": {node.name: dict(files[node.name]) for node in saved},
        "outcome_unknown": failed_data(unknown),
        "failed": failed_data({**failed, **unsaved, **unfreed}),
    }
    return Summary(lines, data)


def is_saved(node: Node, check_mode: bool) -> bool:
    """Whether both profiles are here: saved and, if that was on another machine, fetched."""
    return all(node.answer(register) is not None for register in saving(node, check_mode))


def saving(node: Node, check_mode: bool) -> t.Tuple[str, ...]:
    """The results of the tasks that save. In check mode, nothing is made or fetched on another machine."""
    here = check_mode or is_local(node.results.get("ansible_connection"))
    return ("polaris_saved",) if here else ("polaris_place", "polaris_saved", "polaris_fetched")


def saving_failed(node: Node, check_mode: bool) -> str:
    return next(node.reason(register) for register in saving(node, check_mode) if node.answer(register) is None)


def outcome_unknown(node: Node) -> bool:
    """Whether the server may have run the call: it did not answer, or could no longer be reached."""
    result = node.result("polaris_freed")
    return bool(result.get("outcome_unknown") or result.get("unreachable"))


def story(heap: int, answer: Result, would: bool) -> str:
    if answer["released"] is None:
        return f"its heap took {size(heap)}; how much was returned is unknown"
    # (Saving the profiles has made the heap larger than ``heap``, which was read first.)
    before, after = answer["memory_before"]["heap"], answer["memory_after"]["heap"]
    returned = "would be returned" if would else "returned"
    return f"{size(answer['released'])} {returned}, heap {size(before)} -> {size(after)}"


def folder_of(run: Run) -> str:
    return os.path.realpath(os.path.expanduser(str(run.given.get("dest"))))


SUMMARY = Summarizer(
    (
        "polaris_memory",
        "polaris_plan",
        "polaris_place",
        "polaris_saved",
        "polaris_fetched",
        "polaris_freed",
        "ansible_connection",
    ),
    summarize,
)
