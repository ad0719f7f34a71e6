# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts: of a runbook."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.polarismesh.maintenance.plugins.filter.target_hosts import target_hosts

GROUPS = {"all": ["a", "b", "c"], "ungrouped": ["c"], "polaris_servers": ["a", "b"], "empty": []}


@pytest.mark.parametrize(
    ("pattern", "limit"),
    [
        ("polaris_servers", ""),
        (["a", "b"], ""),
        ("a,c", "c"),
        ("polaris_servers:!a", "b"),
        ("~^[ab]$", ""),
        ("polaris_servers", "all:!a"),
        ("localhost", ""),
    ],
)
def test_a_pattern_with_hosts_stays(pattern: Any, limit: str) -> None:
    assert target_hosts(pattern, GROUPS, limit) is pattern


@pytest.mark.parametrize(
    ("pattern", "limit", "text"),
    [
        ("empty", "", "The target empty matches no host: nothing was done"),
        ("nobody", "", "The target nobody matches no host: nothing was done"),
        ("nobody", "a", "The target nobody matches no host: nothing was done"),
        ("polaris_servers", "c", "The target polaris_servers matches no host that --limit c leaves: nothing was done"),
    ],
)
def test_a_pattern_without_hosts_is_a_failure(pattern: str, limit: str, text: str) -> None:
    with pytest.raises(AnsibleFilterError, match=text):
        target_hosts(pattern, GROUPS, limit)
