# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. The summary of log_level: what changed where."""

from __future__ import annotations

import typing as t

from .._summary import Line, Node, Result, Run, Summarizer, Summary, dry, failed_data, failures, grouped, on
from .._text import counted

#: What is saved for a node: its ``url``, the ``time``, the old ``levels``, and the levels that were ``set``.
Entry = t.Mapping[str, t.Any]


def summarize(run: Run) -> Summary:
    undo = run.given.get("undo")
    asked = [node for node in run.nodes if undo is None or node.name in undo]
    run_of_asked = Run(asked, run.check_mode)
    answers = run_of_asked.answers("polaris_set")
    failed = run_of_asked.unanswered("polaris_set")
    unchanged = [node.name for node, answer in answers if not answer["changed"]]
    kept = {node.name: answer["kept"] for node, answer in answers if answer.get("kept")}
    saved = {node.name: entry for node in asked for entry in [before(node, run)] if entry["levels"]}

    undoing = "" if undo is None else ", undo"
    lines = [Line(f"Polaris log levels{dry(run, 'changed')}: {counted(len(run.nodes), 'node')}{undoing}")]
    lines += change_lines(answers, run.check_mode)
    if unchanged:
        lines.append(Line(f"unchanged {on(unchanged)}"))
    lines += kept_lines(answers, " (force=true restores it)")
    data: t.Dict[str, t.Any] = {
        "changed": [node.name for node, answer in answers if answer["changed"]],
        "unchanged": unchanged,
        "kept": kept,
        "failed": failed_data(failed),
        "previous": saved,
    }
    if undo is not None:
        strangers = [node.name for node in run.nodes if node not in asked]
        missing = [name for name in undo if name not in {node.name for node in run.nodes}]
        if strangers:
            lines.append(Line(f"left alone {on(strangers)}: not in the data of undo"))
        if missing:
            lines.append(Line(f"NOT UNDONE {on(missing)}: not in this run", failure=True))
        data.update(not_in_undo=strangers, not_in_run=missing)
    lines += failures("FAILED", failed)
    path = run.given.get("save")
    files = {}
    if path and not run.check_mode and saved:
        files[path] = saved
        lines.append(Line(f"the old levels of {counted(len(saved), 'node')} are saved: undo with -e undo={path}"))
    elif path and not run.check_mode:
        lines.append(Line(f"nothing was changed, so {path} was not written"))
    return Summary(lines, data, files=files)


def merged(earlier: t.Mapping[str, Entry], saved: t.Mapping[str, Entry]) -> t.Dict[str, Entry]:
    """What to save if an earlier run has saved to the same file: the levels of every node before the first run.

    A run that is repeated because some nodes failed must not lose the old levels of the others.
    """
    together = dict(earlier)
    for name, entry in saved.items():
        old = earlier.get(name, {})
        if old.get("url") != entry["url"]:
            together[name] = entry
            continue
        levels, given = dict(old["levels"]), dict(old["set"])
        for scope, level in entry["levels"].items():
            # If this run found the level that the earlier one had set, the level before that is the one to restore.
            if scope not in levels or given.get(scope) != level:
                levels[scope] = level
            given[scope] = entry["set"][scope]
        together[name] = {**entry, "levels": levels, "set": given}
    return together


def change_lines(answers: t.Iterable[t.Tuple[Node, Result]], check_mode: bool) -> t.List[Line]:
    changed = grouped((node, steps(answer)) for node, answer in answers if answer["changed"])
    verb = "would change" if check_mode else "changed"
    return [Line(f"{verb} {on(names)}: {story}") for story, names in changed.items()]


def kept_lines(answers: t.Iterable[t.Tuple[Node, Result]], advice: str = "") -> t.List[Line]:
    """The scopes that were left alone because somebody has set them since."""
    stories = grouped(
        (node, ", ".join(f"{scope} is {level}" for scope, level in answer["kept"].items()))
        for node, answer in answers
        if answer.get("kept")
    )
    return [
        Line(f"LEFT ALONE {on(names)}: {story}, which somebody has set since{advice}", failure=True)
        for story, names in stories.items()
    ]


def steps(answer: Result) -> str:
    """``naming, store info -> debug``: the scopes that changed, grouped by change."""
    scopes: t.Dict[str, t.List[str]] = {}
    for scope in answer["changed_scopes"]:
        scopes.setdefault(f"{answer['previous'][scope]} -> {answer['levels'][scope]}", []).append(scope)
    return "; ".join(f"{', '.join(names)} {step}" for step, names in scopes.items())


def before(node: Node, run: Run) -> t.Dict[str, t.Any]:
    """The old levels of a node in the scopes that were changed or may have been, even if it failed halfway."""
    result = node.result("polaris_set")
    previous = result.get("previous") or {}
    wanted = run.given.get("levels") or (run.given.get("undo") or {}).get(node.name, {}).get("levels", {})
    given = {scope: wanted.get(scope, wanted.get("*")) for scope in previous}
    return {"url": result.get("url"), "time": run.now, "levels": dict(previous), "set": given}


SUMMARY = Summarizer(("polaris_set",), summarize)
