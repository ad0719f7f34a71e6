# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rebalance plan: what it must never do, whatever the connections are, and when there is no plan."""

from __future__ import annotations

import random
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._rebalance import (
    Answer,
    Plan,
    Ports,
    RefusedError,
    Rules,
    check_hosts,
    decide,
    make_plan,
)
from tests.support import refused_variables

shares = st.sampled_from([Fraction(1, 100), Fraction(1, 10), Fraction(1, 5), Fraction(29, 100), Fraction(1)])
tolerances = st.sampled_from([Fraction(0), Fraction(1, 20), Fraction(1, 10), Fraction(29, 100), Fraction(1)])
clients = st.dictionaries(st.integers(0, 30).map("10.0.0.{}".format), st.integers(0, 40), max_size=12)
clusters = st.lists(clients, min_size=1, max_size=6).map(
    lambda nodes: {
        f"node{number}": {host: [9000 + port for port in range(count)] for host, count in held.items()}
        for number, held in enumerate(nodes)
    }
)


def size(held: Ports) -> int:
    return sum(map(len, held.values()))


def losses(plan: Plan, node: str) -> dict[str, int]:
    """Client address -> the number of its connections to that node that are closed."""
    lost: dict[str, int] = {}
    for host, _port in plan.nodes[node].close:
        lost[host] = lost.get(host, 0) + 1
    return lost


def rules(tolerance: Any = 0, max_share: Any = "0.2", spare: Sequence[str] = ()) -> Rules:
    return Rules.of(tolerance, max_share, spare)


# --- the plan --------------------------------------------------------------------------------------------------------


@given(clusters, tolerances, shares)
def test_never_more_than_the_surplus_nor_than_the_share_and_no_less(
    cluster: dict[str, Ports], tolerance: Fraction, max_share: Fraction
) -> None:
    plan = make_plan(cluster, Rules(tolerance, max_share))
    mean = Fraction(sum(map(size, cluster.values())), len(cluster))
    for node, held in cluster.items():
        closed, count = len(plan.nodes[node].close), size(held)
        assert plan.nodes[node].count == count
        if count <= mean * (1 + tolerance):
            assert closed == 0
        else:
            assert closed <= count - mean
            assert closed <= count * max_share
            assert closed + 1 > min(count - mean, count * max_share)


@given(clusters, shares)
def test_closes_what_is_open_and_each_once(cluster: dict[str, Ports], max_share: Fraction) -> None:
    plan = make_plan(cluster, Rules(Fraction(0), max_share))
    for node, held in cluster.items():
        closed = plan.nodes[node].close
        assert len(set(closed)) == len(closed)
        assert set(closed) <= {(host, port) for host, ports in held.items() for port in ports}
    assert plan.count == sum(len(node.close) for node in plan.nodes.values())


@given(clients, shares)
def test_no_client_loses_two_more_than_another_that_has_one_left(held: dict[str, int], max_share: Fraction) -> None:
    cluster: dict[str, Ports] = {"full": {host: list(range(count)) for host, count in held.items()}, "empty": {}}
    lost = losses(make_plan(cluster, Rules(Fraction(0), max_share)), "full")
    could_lose_more = [lost.get(host, 0) for host, count in held.items() if lost.get(host, 0) < count]
    assert not could_lose_more or max(lost.values(), default=0) <= min(could_lose_more) + 1


def test_a_client_that_lost_one_at_a_node_is_spared_at_the_next() -> None:
    held = {f"10.0.0.{number}": [9000] for number in range(10)}
    plan = make_plan({"a": held, "b": held, "c": {}, "d": {}}, rules(max_share="0.5"))
    lost = [losses(plan, node) for node in ("a", "b")]
    assert [sum(each.values()) for each in lost] == [5, 5]
    assert not set(lost[0]) & set(lost[1])


def test_of_equals_the_client_with_most_connections_loses_the_first() -> None:
    cluster: dict[str, Ports] = {"a": {"10.0.0.1": [1], "10.0.0.2": [1, 2, 3], "10.0.0.3": [1, 2]}, "b": {}}
    assert losses(make_plan(cluster, rules(max_share="0.34")), "a") == {"10.0.0.2": 1, "10.0.0.3": 1}


@given(clusters, shares, st.integers(0, 1000))
def test_the_order_of_the_nodes_and_clients_does_not_matter(
    cluster: dict[str, Ports], max_share: Fraction, seed: int
) -> None:
    chance = random.Random(seed)

    def shuffled(things: Sequence[str]) -> list[str]:
        return chance.sample(things, len(things))

    other = {
        node: {host: cluster[node][host] for host in shuffled(list(cluster[node]))} for node in shuffled(list(cluster))
    }
    assert make_plan(other, Rules(Fraction(0), max_share)) == make_plan(cluster, Rules(Fraction(0), max_share))


@given(clusters, shares, st.sets(st.integers(0, 30).map("10.0.0.{}".format), max_size=5))
def test_spared_clients_are_as_if_they_were_not_there(
    cluster: dict[str, Ports], max_share: Fraction, spare: set[str]
) -> None:
    plan = make_plan(cluster, Rules(Fraction(0), max_share, frozenset(spare)))
    without = {
        node: {host: ports for host, ports in held.items() if host not in spare} for node, held in cluster.items()
    }
    alone = make_plan(without, Rules(Fraction(0), max_share))
    assert {node: found.spared for node, found in plan.nodes.items()} == {
        node: size(held) - size(without[node]) for node, held in cluster.items()
    }
    assert {node: found.close for node, found in plan.nodes.items()} == {
        node: found.close for node, found in alone.nodes.items()
    }
    assert (plan.mean, plan.limit, plan.total, plan.runs) == (alone.mean, alone.limit, alone.total, alone.runs)


@pytest.mark.parametrize(
    ("counts", "runs"),
    [([5], 0), ([0, 0], 0), ([10, 10, 10], 0), ([100, 0], 6), ([4, 0], None), ([2, 0, 0], None)],
)
def test_how_many_runs_it_takes(counts: list[int], runs: int | None) -> None:
    cluster: dict[str, Ports] = {
        f"node{number}": {"10.0.0.1": list(range(count))} for number, count in enumerate(counts)
    }
    assert make_plan(cluster, Rules()).runs == runs


def test_an_exact_share_is_not_lost_to_binary_fractions() -> None:
    cluster: dict[str, Ports] = {"a": {"10.0.0.1": list(range(100))}, "b": {}}
    assert make_plan(cluster, rules(0, 0.29)).count == 29


@pytest.mark.parametrize("value", [-0.1, "ten", True, float("nan"), float("inf"), "1/0", []])
@pytest.mark.parametrize("option", ["tolerance", "max_share"])
def test_wrong_shares_are_refused_in_one_sentence(option: str, value: Any) -> None:
    assert refused_variables("conn_rebalance", {option: value}).startswith(f"The variable {option} must be a number")


@pytest.mark.parametrize("max_share", [0, 1.1])
def test_a_share_is_more_than_nothing_and_not_more_than_all(max_share: float) -> None:
    assert "max_share must be a number" in refused_variables("conn_rebalance", {"max_share": max_share})


# --- whether it may be carried out -----------------------------------------------------------------------------------

CLUSTER = frozenset(("10.0.0.1", "10.0.0.2", "10.0.0.3"))


def answer(number: int, **changes: Any) -> Answer:
    """A node with ten connections of one client, in a cluster of three."""
    told: dict[str, Any] = {
        "name": f"node{number}",
        "place": f"http://10.0.0.{number}:8090",
        "address": f"10.0.0.{number}",
        "ports": {"10.9.9.9": list(range(1, 11))},
        "registered": CLUSTER,
    }
    return Answer(**{**told, **changes})


def three(first: Answer | None = None, **changes: Any) -> list[Answer]:
    return [first or answer(1), answer(2, **changes), answer(3)]


def refusal(answers: list[Answer], fleet_size: int | None = None) -> str:
    with pytest.raises(RefusedError) as refused:
        decide(answers, Rules(), "grpc", fleet_size)
    assert str(refused.value).endswith(". Nothing was closed.")
    return str(refused.value)


def test_all_nodes_of_one_cluster_get_a_plan() -> None:
    full = answer(1, ports={"10.9.9.9": list(range(1, 101))})
    decision = decide(three(full), Rules(), "grpc")
    assert {name: len(node.close) for name, node in decision.plan.nodes.items()} == {
        "node1": 20,
        "node2": 0,
        "node3": 0,
    }


def test_the_nodes_themselves_are_spared_by_their_registered_address_and_that_of_the_url() -> None:
    held = {"10.0.0.2": [1, 2], "192.168.0.3": [3], "10.0.0.77": [4], "127.0.0.1": [5], "10.9.9.9": [6]}
    answers = [answer(1, ports=held), answer(2), answer(3, address="192.168.0.3")]
    decision = decide(answers, Rules(spare=frozenset(("10.0.0.77",))), "grpc")
    assert decision.plan.nodes["node1"].spared == 4
    assert decision.plan.nodes["node1"].count == 2, "127.0.0.1 is every machine's own address: a client there moves"
    assert decision.rules.spare == CLUSTER | {"192.168.0.3", "10.0.0.77"}


def test_a_node_that_could_not_be_read_is_named_with_the_reason() -> None:
    said = refusal(three(ports=None, problem="nothing listens at http://10.0.0.2:8090"))
    assert said.startswith("1 of 3 nodes could not be read, and an average over the others is misleading.")
    assert "node2: nothing listens at http://10.0.0.2:8090. " in said


def test_the_absence_of_an_answer_is_not_an_answer() -> None:
    assert "node2: no answer." in refusal(three(ports=None))


def test_many_unread_nodes_are_not_all_listed() -> None:
    answers = [answer(number, ports=None, problem="cut.") for number in range(60)]
    said = refusal(answers)
    assert said.startswith("60 of 60 nodes could not be read")
    assert len(said) < 400


def test_a_node_that_does_not_count_is_named_with_what_to_configure() -> None:
    said = refusal(three(ports=None, hint="Set openConnLimit: true."))
    assert said.startswith("1 of 3 nodes does not count grpc (node2), and an average")
    assert "Set openConnLimit: true." in said


def test_a_node_that_is_two_hosts_is_refused() -> None:
    assert "the same node twice, according to their URLs" in refusal(three(place="http://10.0.0.1:8090"))


def test_hosts_of_two_clusters_are_refused_unless_the_size_is_given() -> None:
    others = three(registered=frozenset(("10.7.7.7",)))
    assert refusal(others).startswith("The hosts belong to several clusters")
    assert decide(others, Rules(), "grpc", fleet_size=3).plan.nodes


def test_lists_that_differ_while_a_node_joins_are_one_cluster() -> None:
    assert decide(three(registered=frozenset(("10.0.0.1", "10.0.0.2"))), Rules(), "grpc").plan.nodes


@pytest.mark.parametrize(("fleet_size", "cluster"), [(None, "3 nodes (10.0.0.1, 10.0.0.2, 10.0.0.3)"), (4, "4 nodes")])
def test_a_part_of_the_cluster_is_refused(fleet_size: int | None, cluster: str) -> None:
    said = refusal([answer(1), answer(2)], fleet_size)
    assert said.startswith(f"The cluster has {cluster}, and only 2 are hosts of this run.")


def test_a_node_that_is_gone_for_good_and_still_registered() -> None:
    assert decide([answer(1), answer(2)], Rules(), "grpc", fleet_size=2).plan.nodes


def test_where_no_node_lists_the_nodes_their_number_is_asked_for() -> None:
    silent = [answer(number, registered=None) for number in (1, 2, 3)]
    assert refusal(silent).startswith("No node lists the nodes of the cluster")
    assert decide(silent, Rules(), "grpc", fleet_size=3).plan.nodes


def test_a_cluster_that_registers_no_node_is_not_known_to_be_whole() -> None:
    assert not decide([answer(number, registered=frozenset()) for number in (1, 2, 3)], Rules(), "grpc").whole
    assert decide([answer(1), answer(2), answer(3)], Rules(), "grpc").whole


def test_hosts_that_were_left_out_are_refused_before_any_answer() -> None:
    with pytest.raises(
        RefusedError, match=r"^1 host is left out of polaris_servers \(node2\).* Run it without --limit"
    ):
        check_hosts(["node2"], "polaris_servers", [])
    with pytest.raises(RefusedError, match=r"^7 hosts are left out of all \(a, b, c, d, e and 2 more\)"):
        check_hosts(list("abcdefg"), "all", [])


def test_hosts_of_clusters_with_different_names_are_refused_before_any_answer() -> None:
    with pytest.raises(RefusedError, match=r"several clusters \(eu, us\).* Nothing was closed"):
        check_hosts([], "all", ["us", "eu", "us"])
    check_hosts([], "all", ["eu", "eu"])


def test_the_figures_of_a_cluster() -> None:
    held = {f"10.0.0.{number}": list(range(1, 11)) for number in range(30)}
    plan = make_plan({"old0": held, "old1": held, "old2": held, "new1": {}, "new2": {}}, rules("0.1"))
    assert plan.figures() == {"total": 900, "mean": 180.0, "limit": 198.0, "count": 180, "runs": 6}
    old = plan.nodes["old1"]
    assert (old.count, old.surplus, len(old.close), old.close[0]) == (300, 120, 60, ("10.0.0.0", 1))
    assert (plan.nodes["new1"].count, plan.nodes["new1"].surplus, plan.nodes["new1"].close) == (0, 0, ())
