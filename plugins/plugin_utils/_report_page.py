# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. The report as one page of HTML.

Text from servers is not trusted. Jinja escapes it here, which Ansible's own templates do not do. The page loads
nothing, and runs only its own script, which its policy allows by its hash.
"""

from __future__ import annotations

import base64
import hashlib
import typing as t
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..module_utils._errors import listed
from ._report_rules import RULES
from ._report_zh import ZH
from ._text import age, number, share, size, time_of

TEMPLATES = Path(__file__).resolve().parents[2] / "playbooks" / "templates"

#: How many rows of a table are shown. If there are more than a few others, these are folded.
ROWS = 20
#: With more nodes than this, a chart of all of them comes before the table.
SMALL_FLEET = 24


def environment(language: str = "en") -> Environment:
    """Jinja with the texts of one language.

    In a template, ``_("text {x}", x=1)`` is the text with x filled in, and ``n_(2, "{n} node", "{n} nodes")`` the form
    for that number.
    """
    texts = ZH if language == "zh" else {}

    def translated(text: str, **values: t.Any) -> str:
        found = texts.get(text, text)
        for name, value in values.items():
            found = found.replace("{" + name + "}", str(value))
        return found

    def counted(count: int, one: str, many: str, **values: t.Any) -> str:
        return translated(one if count == 1 else many, n=number(count), **values)

    made = Environment(
        autoescape=True,
        loader=FileSystemLoader(str(TEMPLATES)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(_=translated, n_=counted)
    made.filters.update(size=size, number=number, age=age, time=time_of, share=share, listed=listed)
    return made


def render(report: t.Mapping[str, t.Any], data_file: str = "", language: str = "en") -> str:
    """The page.

    :param data_file: the name of the JSON file with the same data, next to the page; empty for none.
    """
    style = (TEMPLATES / "fleet_report.css").read_text(encoding="utf-8")
    script = (TEMPLATES / "fleet_report.js").read_text(encoding="utf-8")
    page = (
        environment(language)
        .get_template("fleet_report.html.j2")
        .render(
            report=report,
            language=language,
            data_file=data_file,
            style=style,
            script=script,
            style_hash=digest(style),
            script_hash=digest(script),
            by_connections=by_connections(report["nodes"]),
            by_memory=by_memory(report["nodes"]),
            by_state=by_state(report["nodes"]),
            anchors={node["name"]: f"node-{number}" for number, node in enumerate(report["nodes"], 1)},
            overview=len(report["nodes"]) > SMALL_FLEET,
            split=split,
            rules={rule.id: rule.advice for rule in RULES},
        )
    )
    # A plain str: Markup would escape what is added to it.
    return str(page)


def digest(text: str) -> str:
    """The hash by which the page's policy allows this text."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


# --- the order of the rows: what matters comes first -----------------------------------------------------------------

Nodes = t.Sequence[t.Mapping[str, t.Any]]


def split(entries: Nodes) -> t.Tuple[Nodes, Nodes]:
    """The rows to show, and the rows to fold. A few more rows are not worth a fold."""
    return (entries, []) if len(entries) <= ROWS + 4 else (entries[:ROWS], entries[ROWS:])


def by_connections(nodes: Nodes) -> Nodes:
    """The most loaded first; nodes that do not count, or could not be read, last. Equal nodes keep their order."""
    return sorted(nodes, key=lambda node: (node["connections"] is None, -(node["connections_total"] or 0)))


def by_memory(nodes: Nodes) -> Nodes:
    """The node with the most releasable memory first."""
    return sorted(nodes, key=lambda node: (node["memory"] is None, -(node["memory"] or {}).get("releasable", 0)))


def by_state(nodes: Nodes) -> Nodes:
    """What could not be read first."""
    return sorted(nodes, key=lambda node: ("failed", "partial", "ok").index(node["status"]))
