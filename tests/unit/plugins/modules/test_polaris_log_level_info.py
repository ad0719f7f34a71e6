# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the levels."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import Client
from ansible_collections.polarismesh.maintenance.plugins.modules.polaris_log_level_info import run
from tests.simulator import Fleet


@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize("profile", ["v1.17.1", "v1.18.1"])
def test_levels_by_scope(
    make_fleet: Callable[..., Fleet], make_client: Callable[..., Client], profile: str, check_mode: bool
) -> None:
    fleet = make_fleet(profile=profile)
    fleet.nodes[0].levels["naming"] = "debug"
    # A sub-account is enough for reading.
    result = run(make_client(fleet.nodes[0], token=fleet.tokens.sub), {}, check_mode)
    assert result == {"changed": False, "levels": dict(sorted(fleet.nodes[0].levels.items()))}
    assert [entry.method for entry in fleet.requests] == ["GET"]
