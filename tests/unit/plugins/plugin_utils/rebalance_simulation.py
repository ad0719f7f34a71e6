# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The number of runs of the rebalance plan that balance a cluster.

`python -m tests.unit.plugins.plugin_utils.rebalance_simulation` shows a table.

Clients behave like SDKs: one whose connection is closed connects again immediately, to a random node.
"""

from __future__ import annotations

import functools
import importlib
import itertools
import random
from dataclasses import dataclass
from fractions import Fraction

# This makes the collection importable.
importlib.import_module("tests.conftest")

from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._rebalance import Rules, make_plan  # noqa: E402

#: What happened -> the number of connections of each node.
SCENARIOS: dict[str, tuple[int, ...]] = {
    "3 nodes become 5": (300,) * 3 + (0,) * 2,
    "3 nodes become 5, many clients": (3000,) * 3 + (0,) * 2,
    "3 nodes become 6": (1000,) * 3 + (0,) * 3,
    "1 node becomes 2": (1000, 0),
    "1 node becomes 5": (1000, 0, 0, 0, 0),
    "9 nodes become 10": (1000,) * 9 + (0,),
    "one of 5 nodes was restarted": (400, 400, 400, 400, 0),
    "20 nodes become 30": (600,) * 20 + (0,) * 10,
}


@dataclass(frozen=True)
class Outcome:
    """One simulation: expected and needed runs, and the connections of each node after each run."""

    expected: int | None
    course: list[list[int]]
    most_lost: Fraction
    """The largest share of its connections that a node lost in one run."""

    @property
    def runs(self) -> int:
        return len(self.course) - 1


@functools.cache
def simulate(
    counts: tuple[int, ...],
    seed: int = 0,
    tolerance: Fraction = Fraction(1, 10),
    max_share: Fraction = Fraction(1, 5),
    most_runs: int = 50,
) -> Outcome:
    """Run the plan until it closes nothing more."""
    chance = random.Random(seed)
    ports = itertools.count(1024)
    nodes: list[dict[str, list[int]]] = [{} for _count in counts]

    def connect(node: int, host: str) -> None:
        nodes[node].setdefault(host, []).append(next(ports))

    for node, count in enumerate(counts):
        for number in range(count):
            # Some clients have many connections, most have one or two.
            connect(
                node,
                f"10.{node}.{number % 7}.{number % 11}" if number % 3 == 0 else f"10.1.{number // 250}.{number % 250}",
            )
    rules = Rules(tolerance, max_share)
    expected, course, most_lost = None, [list(counts)], Fraction(0)
    for run in range(most_runs + 1):
        plan = make_plan({str(number): node for number, node in enumerate(nodes)}, rules)
        if run == 0:
            expected = plan.runs
        if plan.count == 0:
            return Outcome(expected, course, most_lost)
        closed = [plan.nodes[str(number)].close for number in range(len(nodes))]
        most_lost = max(
            most_lost, *(Fraction(len(gone), max(1, now)) for gone, now in zip(closed, course[-1], strict=True))
        )
        for node, gone in enumerate(closed):
            for host, port in gone:
                nodes[node][host].remove(port)
                connect(chance.randrange(len(nodes)), host)
        course.append([sum(map(len, node.values())) for node in nodes])
    raise AssertionError(f"not even after {most_runs} runs: {course[-1]}")


def main() -> None:
    print(
        f"{'what happened':<32} {'expected':>8} {'runs':>8}   most connections on a node, run by run, in % of the mean"
    )
    for name, counts in SCENARIOS.items():
        outcomes = [simulate(counts, seed) for seed in range(10)]
        runs = sorted(outcome.runs for outcome in outcomes)
        mean = sum(counts) / len(counts)
        course = " ".join(f"{100 * max(loads) / mean:.0f}" for loads in outcomes[0].course)
        print(f"{name:<32} {outcomes[0].expected:>8} {f'{runs[0]}-{runs[-1]}':>8}   {course}")


if __name__ == "__main__":
    main()
