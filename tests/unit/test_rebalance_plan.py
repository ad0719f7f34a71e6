# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rebalance plan: what it may never do, whatever the connections are."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.polarismesh.maintenance.plugins.filter.rebalance_plan import rebalance_plan

#: Node -> client address -> its ports.
Cluster = dict[str, dict[str, list[int]]]

shares = st.sampled_from([0.01, 0.1, 0.2, 0.25, 0.29, 0.5, 1, "0.2"])
tolerances = st.sampled_from([0, 0.05, 0.1, 0.29, 1, "0.1"])
clients = st.dictionaries(st.integers(0, 30).map("10.0.0.{}".format), st.integers(0, 40), max_size=12)
clusters = st.lists(clients, min_size=1, max_size=6).map(
    lambda nodes: {
        f"node{number}": {host: [9000 + port for port in range(count)] for host, count in held.items()}
        for number, held in enumerate(nodes)
    }
)


def results(cluster: Cluster) -> dict[str, Any]:
    """As polaris_conn_info gives them."""
    return {
        node: {
            "protocol": "grpc",
            "limit_enabled": True,
            "stats": [
                {"host": host, "amount": len(ports), "actives": [f"{host}:{port}" for port in ports]}
                for host, ports in held.items()
            ],
        }
        for node, held in cluster.items()
    }


def size(held: dict[str, list[int]]) -> int:
    return sum(map(len, held.values()))


def losses(plan: dict[str, Any], node: str) -> dict[str, int]:
    """Client address -> how many of its connections to that node are closed."""
    lost: dict[str, int] = {}
    for each in plan["nodes"][node]["close"]:
        lost[each["host"]] = lost.get(each["host"], 0) + 1
    return lost


@given(clusters, tolerances, shares)
def test_never_more_than_the_surplus_nor_than_the_share_and_no_less(
    cluster: Cluster, tolerance: float | str, max_share: float | str
) -> None:
    plan = rebalance_plan(results(cluster), tolerance, max_share)
    mean = Fraction(sum(map(size, cluster.values())), len(cluster))
    for node, held in cluster.items():
        closed, count = len(plan["nodes"][node]["close"]), size(held)
        assert plan["nodes"][node]["count"] == count
        if count <= mean * (1 + Fraction(str(tolerance))):
            assert closed == 0
        else:
            assert closed <= count - mean
            assert closed <= count * Fraction(str(max_share))
            assert closed + 1 > min(count - mean, count * Fraction(str(max_share)))


@given(clusters, shares)
def test_closes_what_is_open_and_each_once(cluster: Cluster, max_share: float | str) -> None:
    plan = rebalance_plan(results(cluster), 0, max_share)
    for node, held in cluster.items():
        closed = [(each["host"], each["port"]) for each in plan["nodes"][node]["close"]]
        assert len(set(closed)) == len(closed)
        assert set(closed) <= {(host, port) for host, ports in held.items() for port in ports}
    assert plan["count"] == sum(len(node["close"]) for node in plan["nodes"].values())


@given(clients, shares)
def test_no_client_loses_two_more_than_another_that_has_one_left(held: dict[str, int], max_share: float | str) -> None:
    cluster: Cluster = {"full": {host: list(range(count)) for host, count in held.items()}, "empty": {}}
    lost = losses(rebalance_plan(results(cluster), 0, max_share), "full")
    could_lose_more = [lost.get(host, 0) for host, count in held.items() if lost.get(host, 0) < count]
    assert not could_lose_more or max(lost.values(), default=0) <= min(could_lose_more) + 1


def test_a_client_that_lost_one_at_a_node_is_spared_at_the_next() -> None:
    held = {f"10.0.0.{number}": [9000] for number in range(10)}
    cluster: Cluster = {"a": held, "b": held, "c": {}, "d": {}}
    plan = rebalance_plan(results(cluster), 0, 0.5)
    lost = [losses(plan, node) for node in ("a", "b")]
    assert [sum(each.values()) for each in lost] == [5, 5]
    assert not set(lost[0]) & set(lost[1])


def test_of_equals_the_client_with_most_connections_loses_the_first() -> None:
    cluster: Cluster = {"a": {"10.0.0.1": [1], "10.0.0.2": [1, 2, 3], "10.0.0.3": [1, 2]}, "b": {}}
    plan = rebalance_plan(results(cluster), 0, 0.34)
    assert losses(plan, "a") == {"10.0.0.2": 1, "10.0.0.3": 1}


@given(clusters, shares, st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(
    cluster: Cluster, max_share: float | str, chance: random.Random
) -> None:
    def shuffled(things: list[Any]) -> list[Any]:
        return chance.sample(things, len(things))

    other: Cluster = {
        node: {host: shuffled(cluster[node][host]) for host in shuffled(list(cluster[node]))}
        for node in shuffled(list(cluster))
    }
    assert rebalance_plan(results(other), 0, max_share) == rebalance_plan(results(cluster), 0, max_share)


@given(clusters, shares, st.sets(st.integers(0, 30).map("10.0.0.{}".format), max_size=5))
def test_spared_clients_are_as_if_they_were_not_there(
    cluster: Cluster, max_share: float | str, spare: set[str]
) -> None:
    plan = rebalance_plan(results(cluster), 0, max_share, sorted(spare))
    without: Cluster = {
        node: {host: ports for host, ports in held.items() if host not in spare} for node, held in cluster.items()
    }
    spared = {node: size(held) - size(without[node]) for node, held in cluster.items()}
    assert {node: found.pop("spared") for node, found in plan["nodes"].items()} == spared
    alone = rebalance_plan(results(without), 0, max_share)
    for found in alone["nodes"].values():
        found.pop("spared")
    assert plan == alone


def test_figures() -> None:
    plan = rebalance_plan(
        results(
            {f"old{n}": {f"10.0.0.{h}": list(range(1, 11)) for h in range(30)} for n in range(3)}
            | {"new1": {}, "new2": {}}
        )
    )
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
    ("counts", "runs"),
    [([5], 0), ([0, 0], 0), ([10, 10, 10], 0), ([100, 0], 6), ([4, 0], None), ([2, 0, 0], None)],
)
def test_how_many_runs_it_takes(counts: list[int], runs: int | None) -> None:
    cluster = {f"node{number}": {"10.0.0.1": list(range(count))} for number, count in enumerate(counts)}
    assert rebalance_plan(results(cluster))["runs"] == runs


def test_an_exact_share_is_not_lost_to_binary_fractions() -> None:
    cluster: Cluster = {"a": {"10.0.0.1": list(range(100))}, "b": {}}
    assert rebalance_plan(results(cluster), 0, 0.29)["count"] == 29


@pytest.mark.parametrize("value", [-0.1, "ten", "", None, True, float("nan"), float("inf"), "1/0", []])
@pytest.mark.parametrize("option", ["tolerance", "max_share"])
def test_wrong_shares_are_refused_in_one_sentence(option: str, value: Any) -> None:
    with pytest.raises(AnsibleFilterError, match=f"rebalance_plan: {option} must be a number from "):
        rebalance_plan(results({"a": {}}), **{option: value})


@pytest.mark.parametrize("max_share", [0, 1.1])
def test_a_share_is_more_than_nothing_and_not_more_than_all(max_share: float) -> None:
    with pytest.raises(AnsibleFilterError, match="max_share must be a number from"):
        rebalance_plan(results({"a": {}}), 0.1, max_share)


@pytest.mark.parametrize(
    "unknown",
    [
        {"failed": True, "msg": "no answer"},
        {},
        {"protocol": "grpc", "limit_enabled": False, "stats": []},
    ],
)
def test_a_mean_without_a_node_is_refused(unknown: dict[str, Any]) -> None:
    with pytest.raises(AnsibleFilterError, match=r"those of node7 are not known"):
        rebalance_plan({**results({"a": {"10.0.0.1": [1]}}), "node7": unknown})


@pytest.mark.parametrize("nodes", [{}, [], None, "a", {"a": None}])
def test_no_nodes_are_refused(nodes: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="needs a dictionary of the nodes"):
        rebalance_plan(nodes)


def test_spare_must_be_a_list() -> None:
    with pytest.raises(AnsibleFilterError, match="spare must be a list"):
        rebalance_plan(results({"a": {}}), spare="10.0.0.1")
