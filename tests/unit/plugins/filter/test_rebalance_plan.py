# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter rebalance_plan: its input from a playbook and its output. The plan itself is tested in plugin_utils."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.polarismesh.maintenance.plugins.filter.rebalance_plan import rebalance_plan


def results(**nodes: dict[str, list[int]]) -> dict[str, Any]:
    """Results as polaris_conn_info returns them; keywords are node -> client address -> ports."""
    return {
        node: {
            "protocol": "grpc",
            "limit_enabled": True,
            "stats": [{"host": host, "actives": [f"{host}:{port}" for port in ports]} for host, ports in held.items()],
        }
        for node, held in nodes.items()
    }


def test_figures() -> None:
    # Ports in any order: a server lists them in the order of its map.
    held = {f"10.0.0.{number}": list(range(10, 0, -1)) for number in range(30)}
    plan = rebalance_plan(results(old0=held, old1=held, old2=held, new1={}, new2={}), spare=["10.0.0.99"])
    assert {key: plan[key] for key in ("total", "mean", "limit", "count", "runs")} == {
        "total": 900,
        "mean": 180.0,
        "limit": 198.0,
        "count": 180,
        "runs": 6,
    }
    old = plan["nodes"]["old1"]
    assert (old["count"], old["surplus"], len(old["close"])) == (300, 120, 60)
    assert old["close"][0] == {"protocol": "grpc", "host": "10.0.0.0", "port": 1}
    assert plan["nodes"]["new1"] == {"count": 0, "spared": 0, "surplus": 0, "close": []}


@pytest.mark.parametrize(
    "unknown",
    [
        {"failed": True, "msg": "no answer"},
        {},
        {"protocol": "grpc", "limit_enabled": False, "stats": []},
    ],
)
def test_an_average_without_a_node_is_refused(unknown: dict[str, Any]) -> None:
    with pytest.raises(AnsibleFilterError, match=r"those of node7 are unknown"):
        rebalance_plan({**results(a={"10.0.0.1": [1]}), "node7": unknown})


@pytest.mark.parametrize("nodes", [{}, [], None, "a", {"a": None}])
def test_no_nodes_are_refused(nodes: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="needs a dictionary of the nodes"):
        rebalance_plan(nodes)


def test_wrong_options_are_refused_in_one_sentence() -> None:
    with pytest.raises(AnsibleFilterError, match="spare must be a list"):
        rebalance_plan(results(a={}), spare="10.0.0.1")
    with pytest.raises(AnsibleFilterError, match=r"^rebalance_plan: max_share must be a number from 1e-06 to 1"):
        rebalance_plan(results(a={}), max_share=2)
