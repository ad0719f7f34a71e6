# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the report, the summaries and messages write figures and lists."""

from __future__ import annotations

import pytest

from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import listed
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._text import age, counted, number, size

DASH = "\u2013"


@pytest.mark.parametrize(
    ("bytes_", "text"),
    [(None, DASH), (0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (1610612736, "1.5 GiB"), (1024**5, "1024.0 TiB")],
)
def test_sizes(bytes_: int | None, text: str) -> None:
    assert size(bytes_) == text


def test_other_figures() -> None:
    assert [age(seconds) for seconds in (None, 5, 65, 7300, 90000)] == [
        DASH,
        "5 s",
        "1 min 5 s",
        "2 h 1 min",
        "1 d 1 h",
    ]
    assert [number(count) for count in (None, 12345, 2.5)] == [DASH, "12,345", "2.5"]
    assert [counted(1, "node"), counted(2, "node"), counted(2, "address", "addresses")] == [
        "1 node",
        "2 nodes",
        "2 addresses",
    ]


def test_lists() -> None:
    assert listed([1, 2, 3], 3) == "1, 2, 3"
    assert listed([1, 2, 3], 2) == "1, 2 and 1 more"
    assert listed("abcd", 2, "; ") == "a; b and 2 more"
