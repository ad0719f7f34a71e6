# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several runbooks in one ansible-playbook: what an earlier one registered is not a result of a later one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.simulator import Fault, Fleet
from tests.support import PlaybookRun, owners_inventory

FIRST: dict[str, dict[str, Any]] = {
    "log_level": {"levels": "naming=debug"},
    "memory_free": {"min_releasable": 0},
    "debug_window": {"levels": "auth=debug", "seconds": 1},
    "conn_drain": {"protocol": "grpc", "client_host": "127.0.0.21"},
    # It fails on all hosts when a node is missing, and then no host is left.
    "fleet_report": {"dest": "report.html", "heartbeats": False},
}


@pytest.mark.core
def test_a_node_that_failed_in_an_earlier_runbook_is_not_reported_with_its_old_results(
    make_fleet: Callable[..., Fleet], playbook: Callable[..., PlaybookRun]
) -> None:
    fleet = make_fleet(nodes=2)
    # Only the audit fails on the second node, which leaves all later plays.
    fleet.nodes[1].fault("GET", "/naming/v1/instances", Fault("status", status=500, body="no"), containing="payments")
    name = "polarismesh.maintenance."
    again = {**FIRST, "log_level": {"levels": "naming=error"}}
    plays = [
        *({"import_playbook": name + runbook, "vars": variables} for runbook, variables in FIRST.items()),
        {"import_playbook": name + "heartbeat_audit", "vars": {"service": "payments"}},
        *({"import_playbook": name + runbook, "vars": variables} for runbook, variables in again.items()),
    ]
    run = playbook(plays, owners_inventory(fleet))
    summaries = run.of("Summary")
    assert len(summaries) == 2 * len(FIRST) + 1
    for first, later, runbook in zip(summaries, summaries[len(FIRST) + 1 :], FIRST, strict=False):
        assert not first.get("failed"), runbook
        text = "\n".join(later["lines"])
        assert "it failed in an earlier play of this run" in text, f"{runbook}: {text}"
        data = later["ansible_stats"]["data"]["polaris"]
        for claim in ("changed", "unchanged", "freed", "large", "restored", "closed", "before", "open"):
            assert "node2" not in data.get(claim, ()), f"{runbook}: {claim}"
    assert fleet.nodes[1].levels["naming"] == "debug"
