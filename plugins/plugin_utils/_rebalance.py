# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. Which connections to close, so that they spread evenly, and whether that is safe."""

from __future__ import annotations

import heapq
import typing as t
from dataclasses import dataclass, replace
from fractions import Fraction

from ..module_utils._addresses import PLACEHOLDERS, address_order
from ..module_utils._errors import listed
from ._text import counted

#: More runs than anyone would wait for.
MOST_RUNS = 1000
#: How many names or reasons a message lists; the others are counted.
SHOWN = 5

#: Client address -> its open ports, on one node.
Ports = t.Dict[str, t.List[int]]


class RefusedError(ValueError):
    """No plan can be made, or a value is not valid. The text is a sentence for the user."""


# --- the plan --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rules:
    """The limits of a plan.

    :param tolerance: how far above the mean a node may be, as a share of the mean.
    :param max_share: the largest share of its connections that a node may lose in one run.
    :param spare: client addresses whose connections are neither counted nor closed.
    """

    tolerance: Fraction = Fraction(1, 10)
    max_share: Fraction = Fraction(1, 5)
    spare: t.FrozenSet[str] = frozenset()

    @classmethod
    def of(cls, tolerance: float, max_share: float, spare: t.Iterable[t.Any] = ()) -> Rules:
        """Rules from the variables of the runbook, with exact shares: 0.29 of 100 is 29, unlike with floats."""
        return cls(Fraction(str(tolerance)), Fraction(str(max_share)), frozenset(map(str, spare)))


@dataclass(frozen=True)
class NodePlan:
    """One node: its connections, those of spared clients, and what to close, as pairs of client address and port."""

    count: int
    spared: int
    surplus: int
    close: t.Tuple[t.Tuple[str, int], ...]


@dataclass(frozen=True)
class Plan:
    """What to close on which node.

    :param limit: a node with more connections than this is overloaded.
    :param runs: how many runs it takes, including this one; None if it never evens out.
    """

    nodes: t.Dict[str, NodePlan]
    mean: Fraction
    limit: Fraction
    runs: t.Optional[int]

    @property
    def total(self) -> int:
        return sum(node.count for node in self.nodes.values())

    @property
    def count(self) -> int:
        return sum(len(node.close) for node in self.nodes.values())

    def figures(self) -> t.Dict[str, t.Any]:
        """The figures of the whole cluster."""
        return {
            "total": self.total,
            "mean": round(float(self.mean), 1),
            "limit": round(float(self.limit), 1),
            "count": self.count,
            "runs": self.runs,
        }


def open_ports(stats: t.Iterable[t.Mapping[str, t.Any]]) -> Ports:
    """The open connections of one node, from the ``stats`` of polaris_conn_info."""
    ports: Ports = {}
    for entry in stats:
        for address in entry["actives"]:
            host, _colon, port = str(address).rpartition(":")
            if port.isdecimal():
                ports.setdefault(host, []).append(int(port))
    return {host: sorted(found) for host, found in ports.items()}


def counted_in(result: t.Mapping[str, t.Any], spare: t.Container[str]) -> t.Optional[int]:
    """How many connections of one node a plan counts, from a result of polaris_conn_info; None if it counts none."""
    if not result["limit_enabled"]:
        return None
    return sum(len(found) for host, found in open_ports(result["stats"]).items() if host not in spare)


def make_plan(nodes: t.Mapping[str, Ports], rules: Rules) -> Plan:
    """The plan for all nodes of one cluster. The same input, in whatever order, gives the same plan."""
    moving = {
        name: {host: found for host, found in ports.items() if host not in rules.spare} for name, ports in nodes.items()
    }
    counts = {name: sum(map(len, ports.values())) for name, ports in moving.items()}
    mean, limit = bounds(counts.values(), rules.tolerance)
    to_close = {name: closing(count, mean, limit, rules.max_share) for name, count in counts.items()}
    chosen = spread(moving, to_close)
    return Plan(
        nodes={
            name: NodePlan(
                count=count,
                spared=sum(map(len, nodes[name].values())) - count,
                surplus=int(count - mean) if count > limit else 0,
                close=tuple(chosen[name]),
            )
            for name, count in counts.items()
        },
        mean=mean,
        limit=limit,
        runs=runs_needed(list(counts.values()), rules),
    )


def bounds(counts: t.Collection[int], tolerance: Fraction) -> t.Tuple[Fraction, Fraction]:
    """The mean, and what a node may have without being overloaded."""
    mean = Fraction(sum(counts), len(counts))
    return mean, mean * (1 + tolerance)


def closing(count: int, mean: Fraction, limit: Fraction, max_share: Fraction) -> int:
    """How many connections of a node to close."""
    return min(int(count - mean), int(count * max_share)) if count > limit else 0


def spread(ports: t.Mapping[str, Ports], to_close: t.Mapping[str, int]) -> t.Dict[str, t.List[t.Tuple[str, int]]]:
    """Choose that many connections of each node, so that no client address loses more than necessary."""
    hosts = set().union(*(found for name, found in ports.items() if to_close[name]))
    order = {host: address_order(host) for host in hosts}
    lost: t.Dict[str, int] = {}
    chosen: t.Dict[str, t.List[t.Tuple[str, int]]] = {name: [] for name in ports}
    for node in sorted(name for name, number in to_close.items() if number):
        left = {host: list(found) for host, found in ports[node].items()}
        queue = [(lost.get(host, 0), -len(found), order[host], host) for host, found in left.items() if found]
        heapq.heapify(queue)
        picked = []
        for _number in range(to_close[node]):
            host = heapq.heappop(queue)[-1]
            picked.append((host, left[host].pop(0)))
            lost[host] = lost.get(host, 0) + 1
            if left[host]:
                heapq.heappush(queue, (lost[host], -len(left[host]), order[host], host))
        chosen[node] = sorted(picked, key=lambda each: (order[each[0]], each[1]))
    return chosen


def runs_needed(counts: t.Sequence[int], rules: Rules) -> t.Optional[int]:
    """How many runs it takes if clients reconnect to all nodes evenly, as they do on average."""
    mean, limit = bounds(counts, rules.tolerance)
    loads = list(counts)
    for run in range(MOST_RUNS):
        closed = [closing(load, mean, limit, rules.max_share) for load in loads]
        if not any(closed):
            return None if max(loads) > limit else run
        each, rest = divmod(sum(closed), len(loads))
        loads = sorted(load - gone + each for load, gone in zip(loads, closed))
        loads[:rest] = [load + 1 for load in loads[:rest]]
    return None


# --- is it safe? -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """What one host of the run reported.

    :param place: the server that its URL means. Two hosts with the same place are the same node.
    :param address: the host of that URL.
    :param ports: its open connections; None if they are unknown.
    :param problem: why they are unknown.
    :param hint: what to configure, if the node does not count the protocol; otherwise None.
    :param registered: the addresses of all nodes of its cluster; None if it does not list them, empty if none is
        registered.
    """

    name: str
    place: str = ""
    address: str = ""
    ports: t.Optional[Ports] = None
    problem: str = ""
    hint: t.Optional[str] = None
    registered: t.Optional[t.FrozenSet[str]] = None


@dataclass(frozen=True)
class Decision:
    """A plan that may be carried out.

    :param rules: the rules it follows, with the addresses of the nodes spared.
    :param whole: whether these are known to be all nodes of the cluster.
    """

    plan: Plan
    rules: Rules
    whole: bool


def check_hosts(left_out: t.Sequence[str], target: str, clusters: t.Iterable[str]) -> None:
    """Raise RefusedError if the hosts cannot be all nodes of one cluster. Needs no answer from any node.

    :param left_out: hosts of ``target`` that are not part of this run.
    :param clusters: the clusters that the hosts belong to, by their variable polaris_cluster.
    """
    if left_out:
        raise RefusedError(
            f"{counted(len(left_out), 'host is', 'hosts are')} left out of {target} ({listed(left_out, SHOWN)}), and "
            f"an average over part of the cluster is misleading. Run it without --limit, for all nodes of the cluster. "
            f"Nothing was closed."
        )
    different = sorted(set(clusters))
    if len(different) > 1:
        raise several_clusters(f" ({', '.join(different)})")


def decide(answers: t.Sequence[Answer], rules: Rules, protocol: str, fleet_size: t.Optional[int] = None) -> Decision:
    """The plan, from the answers of all hosts of the run.

    :param fleet_size: the number of nodes in the cluster, if the registered number is wrong.
    :raises RefusedError: closing the surplus could be wrong.
    """
    known = known_ports(answers, protocol)
    registered = check_cluster(answers, fleet_size)
    nodes = registered | {answer.address for answer in answers}
    rules = replace(rules, spare=rules.spare | (nodes - PLACEHOLDERS))
    return Decision(make_plan(known, rules), rules, bool(registered or fleet_size))


def known_ports(answers: t.Sequence[Answer], protocol: str) -> t.Dict[str, Ports]:
    """The connections of every node. Raises RefusedError if those of one are unknown."""
    uncounted = [answer for answer in answers if answer.hint is not None]
    unread = [answer for answer in answers if answer.ports is None and answer.hint is None]
    if unread:
        reasons = " ".join(f"{answer.name}: {sentence(answer.problem or 'no answer')}" for answer in unread[:SHOWN])
        more = f" And {len(unread) - SHOWN} more." if len(unread) > SHOWN else ""
        raise RefusedError(
            f"{len(unread)} of {counted(len(answers), 'node')} could not be read, and an average over the others is "
            f"misleading. {reasons}{more} Nothing was closed."
        )
    if uncounted:
        raise RefusedError(
            f"{len(uncounted)} of {counted(len(answers), 'node')} {'does' if len(uncounted) == 1 else 'do'} not count "
            f"{protocol} ({listed([answer.name for answer in uncounted], SHOWN)}), and an average over the others is "
            f"misleading. {sentence(uncounted[0].hint or '')} Nothing was closed."
        )
    return {answer.name: answer.ports for answer in answers if answer.ports is not None}


def check_cluster(answers: t.Sequence[Answer], fleet_size: t.Optional[int]) -> t.FrozenSet[str]:
    """The registered addresses of all nodes. Raises RefusedError if the hosts are not the nodes of one cluster."""
    places = sorted(answer.place for answer in answers)
    if len(set(places)) < len(places):
        raise RefusedError(
            f"The hosts include the same node twice, according to their URLs: {', '.join(places)}. Name each node "
            f"once. Nothing was closed."
        )
    lists = [answer.registered for answer in answers if answer.registered is not None]
    registries = [found for found in lists if found]
    if fleet_size is None and not lists:
        raise RefusedError(
            "No node lists the nodes of the cluster, so these may not be all of them. Name the addresses of nodes "
            "that are not hosts of this run with spare_hosts, and give fleet_size, the number of nodes. Nothing was "
            "closed."
        )
    # All nodes of a cluster read the same registry, so every list shares nodes with the first.
    if fleet_size is None and not all(registries[0] & registry for registry in registries):
        raise several_clusters()
    registered: t.FrozenSet[str] = frozenset().union(*registries)
    size = fleet_size or len(registered)
    if size > len(answers):
        which = "" if fleet_size else f" ({listed(sorted(registered, key=address_order), 20)})"
        raise RefusedError(
            f"The cluster has {counted(size, 'node')}{which}, and only "
            f"{counted(len(answers), 'is a host', 'are hosts')} of this run. An average over part of the cluster is "
            f"misleading. Add all nodes to the inventory; in AWX, run it without slices. If a node was removed but is "
            f"still registered, set fleet_size to the right number of nodes. Nothing was closed."
        )
    return registered


def several_clusters(which: str = "") -> RefusedError:
    return RefusedError(
        f"The hosts belong to several clusters{which}, and clients do not move between clusters. Name the nodes of one "
        f"cluster with the variable target. Nothing was closed."
    )


def sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else text + "."
