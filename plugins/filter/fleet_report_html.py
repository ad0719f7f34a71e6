# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet_report_html
short_description: Show the report of a Polaris fleet as one page of HTML
version_added: 1.0.0
description:
  - Renders what P(polarismesh.maintenance.fleet_report#filter) made.
  - The page brings along all it needs, and loads nothing when it is opened. It has no script.
  - All that comes from a server is text that nobody vouches for. It is escaped, which Ansible's own templates do not
    do.
author:
  - PolarisMesh Maintenance contributors (@polarismesh)
options:
  _input:
    description: The report.
    type: dict
    required: true
  data_file:
    description: The name of the file that holds the same as JSON, beside the page. Empty for none.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Write the page
  ansible.builtin.copy:
    content: >-
      {{ ansible_play_hosts_all | map('extract', hostvars) | polarismesh.maintenance.fleet_report
      | polarismesh.maintenance.fleet_report_html }}
    dest: report.html
    mode: "0640"
"""

RETURN = r"""
_value:
  description: The page.
  type: str
"""

import base64
import hashlib
import typing as t
from datetime import datetime, timezone
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).resolve().parents[2] / "playbooks" / "templates"

#: So many rows of a table are open; from a few more on, the others are folded away.
ROWS = 20
#: Above so many nodes a chart of all of them stands before the table.
SMALL_FLEET = 24


def fleet_report_html(report: t.Mapping[str, t.Any], data_file: str = "") -> str:
    """The page."""
    environment = Environment(
        autoescape=True,
        loader=FileSystemLoader(str(TEMPLATES)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        size=size, number=number, age=age, time=time_of, share=share, plural=plural, shortened=shortened
    )
    style = (TEMPLATES / "fleet_report.css").read_text(encoding="utf-8")
    page = environment.get_template("fleet_report.html.j2").render(
        report=report,
        data_file=data_file,
        style=style,
        # The style sheet may stand in the page by this hash, and nothing else may stand or load there.
        style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        by_connections=by_connections(report["nodes"]),
        by_memory=by_memory(report["nodes"]),
        by_state=by_state(report["nodes"]),
        overview=len(report["nodes"]) > SMALL_FLEET,
        split=split,
    )
    # A plain str: Markup would escape what is added to it.
    return str(page)


# --- the order of the rows: what matters comes first -----------------------------------------------------------------

Nodes = t.Sequence[t.Mapping[str, t.Any]]


def split(entries: Nodes) -> t.Tuple[Nodes, Nodes]:
    """The rows in the open, and those folded away. A few more are not worth a fold."""
    return (entries, []) if len(entries) <= ROWS + 4 else (entries[:ROWS], entries[ROWS:])


def by_connections(nodes: Nodes) -> Nodes:
    """The most loaded first; those that do not count, or could not be read, at the end. Equals stay in their order."""
    return sorted(nodes, key=lambda node: (node["connections"] is None, -(node["connections_total"] or 0)))


def by_memory(nodes: Nodes) -> Nodes:
    """The one with the most to give back first."""
    return sorted(nodes, key=lambda node: (node["memory"] is None, -(node["memory"] or {}).get("releasable", 0)))


def by_state(nodes: Nodes) -> Nodes:
    """What could not be read first."""
    return sorted(nodes, key=lambda node: ("failed", "partial", "ok").index(node["status"]))


# --- how figures are written -----------------------------------------------------------------------------------------


def size(count: t.Optional[float]) -> str:
    """1610612736 -> 1.5 GiB."""
    if count is None:
        return "\u2013"
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(value) < 1000:
            return f"{value:.0f} {unit}" if value >= 100 or unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def number(count: t.Optional[float]) -> str:
    """12345 -> 12,345."""
    if count is None:
        return "\u2013"
    return f"{count:,.0f}" if count == int(count) else f"{count:,.1f}"


def age(seconds: t.Optional[float]) -> str:
    """7300 -> 2 h 1 min."""
    if seconds is None:
        return "\u2013"
    whole = int(seconds)
    days, hours, minutes = whole // 86400, whole // 3600 % 24, whole // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"


def time_of(epoch: t.Optional[float]) -> str:
    """Epoch seconds in UTC; what is no time is left out."""
    try:
        return "\u2013" if epoch is None else datetime.fromtimestamp(epoch, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, OSError, ValueError):
        return "\u2013"


def share(part: t.Optional[float], whole: t.Optional[float]) -> str:
    """A length in percent, as SVG takes it."""
    return f"{100 * part / whole if part and whole else 0:.2f}%"


def plural(count: int, one: str, many: str = "") -> str:
    """1 node, 2 nodes."""
    return "{} {}".format(number(count), one if count == 1 else many or one + ("es" if one.endswith("s") else "s"))


def shortened(names: t.Sequence[str], most: int = 4) -> str:
    """The first names, and how many more there are."""
    rest = len(names) - most
    return ", ".join(names) if rest <= 1 else "{} and {} more".format(", ".join(names[:most]), rest)


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> t.Dict[str, t.Callable[..., t.Any]]:
        return {"fleet_report_html": fleet_report_html}
