# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What log_level saves for an undo."""

from __future__ import annotations

from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._summaries import log_level


def test_a_run_that_is_repeated_keeps_what_the_earlier_one_has_saved() -> None:
    first = {
        "a": {"url": "u-a", "time": 1, "levels": {"naming": "info"}, "set": {"naming": "debug"}},
        "b": {"url": "u-b", "time": 1, "levels": {"store": "warn"}, "set": {"store": "debug"}},
        "c": {"url": "old", "time": 1, "levels": {"store": "warn"}, "set": {"store": "debug"}},
    }
    second = {
        "b": {
            "url": "u-b",
            "time": 2,
            "levels": {"store": "debug", "naming": "info"},
            "set": {"store": "error", "naming": "debug"},
        },
        "c": {"url": "new", "time": 2, "levels": {"auth": "warn"}, "set": {"auth": "debug"}},
    }
    assert log_level.merged(first, second) == {
        "a": first["a"],
        # From warn to debug to error: warn is what the node had.
        "b": {
            "url": "u-b",
            "time": 2,
            "levels": {"store": "warn", "naming": "info"},
            "set": {"store": "error", "naming": "debug"},
        },
        # Another server now: nothing of the old one counts.
        "c": second["c"],
    }
    # Somebody else has set it in between: what this run found is what to restore.
    between = {"a": {"url": "u-a", "time": 2, "levels": {"naming": "error"}, "set": {"naming": "debug"}}}
    assert log_level.merged(first, between)["a"]["levels"] == {"naming": "error"}
