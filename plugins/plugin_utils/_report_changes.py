# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. What has changed since an earlier report of the same fleet."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

from ._report import SCHEMA, Values
from ._report_rules import RULES, all_of_it

Report = t.Mapping[str, t.Any]

#: The figures of the summary whose changes are reported.
FIGURES = ("nodes", "read", "connections", "memory_in_use", "memory_releasable", "deviating_levels", "overdue")


def absolute(path: str) -> Path:
    """A path that a user gave, relative to the folder in which the playbook was started."""
    return Path(path).expanduser().resolve()


def is_data(file: Path) -> bool:
    """Whether a file is empty, or the data of a fleet report, of any version of this collection."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return not text.strip() or "schema" in (parsed(text) or ())


def parsed(text: str) -> t.Optional[Values]:
    """The report in this text; None if it is something else."""
    try:
        report = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return report if isinstance(report, dict) and isinstance(report.get("nodes"), list) else None


def read_earlier(path: str, names: t.Iterable[str]) -> Values:
    """The report in this file. Raises ValueError with a sentence."""
    try:
        text = absolute(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"compare: {path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    return earlier_report(text, path, names)


def earlier_report(text: str, path: str, names: t.Iterable[str]) -> Values:
    """The report in a file.

    :param names: the hosts of this run, to detect a report on another fleet.
    :raises ValueError: it cannot be compared; the text is a sentence.
    """
    report = parsed(text)
    foreign = ValueError(f"compare: {path} is not the JSON file of a fleet report.")
    if report is None:
        raise foreign
    if report.get("schema") != SCHEMA:
        raise ValueError(
            f"compare: {path} has schema {report.get('schema')!r}, and this version of the collection reads schema "
            f"{SCHEMA}. Compare with a report that this version wrote."
        )
    before = {str(node.get("name")) for node in report["nodes"] if isinstance(node, dict)}
    if before and not before & set(names):
        raise ValueError(f"compare: {path} is a report of another fleet: it has none of these hosts.")
    parts: t.Dict[str, t.Any] = {"warnings": list, "summary": dict, "generated": str, "heartbeats": dict}
    keys = {"name", "version", "oldest_version", "status", "connections_total", "memory", "levels"}
    if not all(isinstance(report.get(name), kind) for name, kind in parts.items()) or not all(
        isinstance(node, dict) and keys <= set(node) for node in report["nodes"]
    ):
        raise foreign
    figures = [report["summary"].get(figure) for figure in FIGURES]
    found = {"severity": str, "id": str, "title": str, "noun": str, "where": list}
    if not all(figure is None or isinstance(figure, (int, float)) for figure in figures) or not all(
        isinstance(one, dict) and all(isinstance(one.get(key), kind) for key, kind in found.items())
        for one in report["warnings"]
    ):
        raise foreign
    return report


def changes_of(now: Report, before: Report) -> Values:
    """What is different now."""
    old = {node["name"]: node for node in before["nodes"]}
    new = {node["name"]: node for node in now["nodes"]}
    both = [name for name in new if name in old]
    gone, unchecked = missing(now, before)
    return {
        "since": before["generated"],
        "figures": {
            figure: {"before": before["summary"].get(figure), "now": now["summary"].get(figure)} for figure in FIGURES
        },
        "nodes_came": [name for name in new if name not in old],
        "nodes_gone": [name for name in old if name not in new],
        "versions": different(both, old, new, lambda node: node["version"] or node["oldest_version"]),
        "status": different(both, old, new, lambda node: node["status"]),
        "connections": different(both, old, new, lambda node: node["connections_total"]),
        "memory": different(both, old, new, lambda node: (node["memory"] or {}).get("heap_in_use")),
        "levels": [
            {"node": name, "scope": scope, "before": levels.get(scope), "now": level}
            for name in both
            for levels in [old[name]["levels"] or {}]
            for scope, level in sorted((new[name]["levels"] or {}).items())
            if old[name]["levels"] is not None and levels.get(scope) != level
        ],
        "warnings_new": findings(now, before),
        "warnings_gone": gone,
        "warnings_unchecked": unchecked,
    }


def different(
    names: t.Iterable[str], old: t.Mapping[str, Report], new: t.Mapping[str, Report], read: t.Callable[[Report], t.Any]
) -> t.Dict[str, Values]:
    """Node -> its value before and now, if they differ. A value that is unknown is None."""
    pairs = ((name, read(old[name]), read(new[name])) for name in names)
    return {name: {"before": before, "now": now} for name, before, now in pairs if before != now}


def findings(these: Report, those: Report) -> t.List[Values]:
    """The warnings that only the first report has, with the places that only it names."""
    known = {(entry["id"], where) for entry in those["warnings"] for where in entry["where"]}
    found = []
    for entry in these["warnings"]:
        where = [place for place in entry["where"] if (entry["id"], place) not in known]
        if where:
            found.append({**{key: entry[key] for key in ("severity", "id", "title", "noun")}, "where": where})
    return found


def missing(now: Report, before: Report) -> t.Tuple[t.List[Values], t.List[Values]]:
    """The warnings that only the earlier report has: those that are gone, and those that were not checked again."""
    parts: t.Tuple[t.List[Values], t.List[Values]] = ([], [])
    for entry in findings(before, now):
        places = set(checked(entry, now, before))
        for found, wanted in zip(parts, (True, False)):
            where = [place for place in entry["where"] if (place in places) is wanted]
            if where:
                found.append({**entry, "where": where})
    return parts


def checked(entry: Report, now: Report, before: Report) -> t.List[str]:
    """The places of an earlier finding that this report would name again if it were still true."""
    nodes = {node["name"]: node for node in now["nodes"]}
    rule = next((rule for rule in RULES if rule.id == entry["id"]), None)
    if rule is not None and rule.alone:
        return [place for place in entry["where"] if place in nodes and rule.was_read(nodes[place])]
    if entry["id"] == "overdue_heartbeats":
        whole = now["heartbeats"]["complete"] and instances_of(now) == instances_of(before)
    else:
        # A rule of another version of this collection may need anything.
        whole = all(map(rule.was_read if rule is not None else all_of_it, now["nodes"]))
    return list(entry["where"]) if whole and not now["limit"] else []


def instances_of(report: Report) -> t.Tuple[t.Any, t.Any]:
    """The namespace and the service whose heartbeats were read."""
    return report["heartbeats"].get("namespace"), report["heartbeats"].get("service")
