# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rebalancing converges, with clients that reconnect to a random node, in as many runs as it says."""

from __future__ import annotations

from fractions import Fraction

import pytest

from tests.unit.plugins.plugin_utils.rebalance_simulation import SCENARIOS, simulate

#: `make test` simulates each scenario once.
SEEDS = [pytest.param(seed, marks=[pytest.mark.slow] if seed else []) for seed in range(5)]

#: Where chance matters little, it takes as many runs as the plan says.
LITTLE_CHANCE = ("3 nodes become 5, many clients", "1 node becomes 2", "1 node becomes 5")


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_every_node_is_within_the_tolerance_after_few_runs_and_as_many_as_the_plan_says(name: str, seed: int) -> None:
    counts = SCENARIOS[name]
    outcome = simulate(counts, seed)
    assert max(outcome.course[-1]) <= 1.1 * sum(counts) / len(counts)
    assert all(sum(loads) == sum(counts) for loads in outcome.course)
    assert outcome.runs <= 20
    if name in LITTLE_CHANCE:
        assert outcome.expected is not None
        assert abs(outcome.runs - outcome.expected) <= 2


def test_no_node_loses_more_than_its_share_in_one_run() -> None:
    for max_share in (Fraction(1, 20), Fraction(1, 5), Fraction(1, 2)):
        assert simulate(SCENARIOS["3 nodes become 5"], max_share=max_share).most_lost <= max_share


def test_the_new_nodes_fill_up_from_run_to_run() -> None:
    course = simulate(SCENARIOS["3 nodes become 5, many clients"]).course
    new = [loads[3] + loads[4] for loads in course]
    assert new == sorted(new)


def test_an_even_cluster_is_left_alone() -> None:
    assert simulate((300, 310, 290)).runs == 0
