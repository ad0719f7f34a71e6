# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. How the report and the summaries write figures and lists."""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone


def size(count: t.Optional[float]) -> str:
    """1610612736 -> 1.5 GiB."""
    if count is None:
        return "\u2013"
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(value) < 1024:
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
    """Epoch seconds as a time in UTC; a dash if they are not a time."""
    try:
        return "\u2013" if epoch is None else datetime.fromtimestamp(epoch, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, OSError, ValueError):
        return "\u2013"


def share(part: t.Optional[float], whole: t.Optional[float]) -> str:
    """A length in percent, as SVG takes it."""
    return f"{100 * part / whole if part and whole else 0:.2f}%"


def counted(count: int, one: str, many: t.Optional[str] = None) -> str:
    """1 node, 2 nodes."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"
