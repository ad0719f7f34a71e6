# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: rebalance_plan
short_description: Which connections to close so that they spread evenly over the nodes of a Polaris cluster
version_added: 0.1.0
author:
  - PolarisMesh Maintenance contributors (@polarismesh)
description:
  - Takes what M(polarismesh.maintenance.polaris_conn_info) found on every node, and names the connections to close,
    for O(polarismesh.maintenance.polaris_conn_close#module:connections). Clients whose connection is closed connect
    again, to any node.
  - A node is overloaded when it has more connections than the mean of all nodes and O(tolerance) of that. Of an
    overloaded node, as many are closed as it has above the mean, but not more than O(max_share) of what it has. Both
    are rounded down. Of other nodes, none is closed.
  - What is closed is spread over the clients. Always the next connection is one of a client address that loses the
    fewest so far, in the whole cluster; among these, of one that holds most connections to that node.
  - The same input always gives the same plan.
positional: _input
options:
  _input:
    description:
      - For each node its name, and the result of M(polarismesh.maintenance.polaris_conn_info) there. Of that,
        C(protocol) and C(stats) are used.
      - It has to be B(all) nodes of a cluster, since the mean over some of them is a wrong one.
    type: dict
    required: true
  tolerance:
    description: How far above the mean a node may be, as a share of the mean. V(0.1) is 10 %.
    type: float
    default: 0.1
  max_share:
    description: How many of its connections a node may lose at once, as a share of them. V(0.2) is 20 %.
    type: float
    default: 0.2
  spare:
    description:
      - Client addresses whose connections are neither counted nor closed, because they cannot move.
      - Name the addresses of all nodes here. With the heartbeat checker C(heartbeatLeader), nodes pass on heartbeats
        to the leader by connections of their own, and never open them again. When one of them is closed, heartbeats
        get lost until that node is restarted, and healthy instances become unhealthy.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Read the connections
  polarismesh.maintenance.polaris_conn_info:
    url: "{{ polaris_url }}"
    protocol: grpc
  register: found

- name: Close the surplus of this node
  polarismesh.maintenance.polaris_conn_close:
    url: "{{ polaris_url }}"
    connections: "{{ plan.nodes[inventory_hostname].close }}"
  when: plan.nodes[inventory_hostname].close | length > 0
  vars:
    results: "{{ dict(ansible_play_hosts_all | zip(ansible_play_hosts_all | map('extract', hostvars, 'found'))) }}"
    plan: "{{ results | polarismesh.maintenance.rebalance_plan(max_share=0.1, spare=['10.0.0.1', '10.0.0.2']) }}"
"""

RETURN = r"""
_value:
  description: The plan.
  type: dict
  contains:
    total:
      description: How many connections there are on all nodes.
      type: int
      sample: 900
    mean:
      description: How many of them a node has on average.
      type: float
      sample: 180.0
    limit:
      description: With more than these, a node is overloaded.
      type: float
      sample: 198.0
    count:
      description: How many are to be closed.
      type: int
      sample: 180
    runs:
      description:
        - How many times, this one included, connections have to be closed like this until no node is overloaded, if
          what is closed comes back to all nodes alike. As clients choose a node by chance, it may take some more.
        - V(null) where this never comes about, because the numbers are too small for O(max_share).
      type: int
      sample: 6
    nodes:
      description: What is on each node, by its name.
      type: dict
      contains:
        count:
          description: How many connections it has.
          type: int
          sample: 300
        spared:
          description: How many more it has, of O(spare).
          type: int
          sample: 4
        surplus:
          description: How many it has above the mean, if it is overloaded; else V(0).
          type: int
          sample: 120
        close:
          description: Which connections to close, with C(protocol), C(host) and C(port).
          type: list
          elements: dict
          sample: [{protocol: grpc, host: 10.0.0.7, port: 51324}]
"""

import heapq
import typing as t
from fractions import Fraction

from ansible.errors import AnsibleFilterError

from ansible_collections.polarismesh.maintenance.plugins.module_utils.model import address_order

#: So many runs are as good as infinitely many to whoever waits for them.
MOST_RUNS = 1000

#: Client address -> its open ports, on one node.
Ports = t.Dict[str, t.List[int]]


def rebalance_plan(
    nodes: t.Any, tolerance: t.Any = 0.1, max_share: t.Any = 0.2, spare: t.Any = ()
) -> t.Dict[str, t.Any]:
    """The filter."""
    tolerated = share_of(tolerance, "tolerance", least=Fraction(0), most=Fraction(100))
    allowed = share_of(max_share, "max_share", least=Fraction(1, 10**6), most=Fraction(1))
    if not isinstance(nodes, t.Mapping) or not nodes or not all(isinstance(each, t.Mapping) for each in nodes.values()):
        raise AnsibleFilterError(
            "rebalance_plan needs a dictionary of the nodes: name, and result of polaris_conn_info."
        )
    if isinstance(spare, str) or not isinstance(spare, t.Iterable):
        raise AnsibleFilterError("rebalance_plan: spare must be a list of addresses.")
    kept_out = frozenset(map(str, spare))
    protocols = {str(name): str(result.get("protocol")) for name, result in nodes.items()}
    ports = {str(name): ports_of(str(name), result) for name, result in nodes.items()}
    spared = {name: sum(len(ports[name].pop(host, ())) for host in kept_out) for name in ports}
    counts = {name: sum(map(len, found.values())) for name, found in ports.items()}
    mean, limit = bounds(counts.values(), tolerated)
    to_close = {name: closing(count, mean, limit, allowed) for name, count in counts.items()}
    chosen = spread(ports, to_close)
    return {
        "total": sum(counts.values()),
        "mean": round(float(mean), 1),
        "limit": round(float(limit), 1),
        "count": sum(to_close.values()),
        "runs": runs_needed(list(counts.values()), tolerated, allowed),
        "nodes": {
            name: {
                "count": count,
                "spared": spared[name],
                "surplus": int(count - mean) if count > limit else 0,
                "close": [{"protocol": protocols[name], "host": host, "port": port} for host, port in chosen[name]],
            }
            for name, count in counts.items()
        },
    }


def share_of(value: t.Any, name: str, least: Fraction, most: Fraction) -> Fraction:
    """An exact share: 0.29 of 100 is 29, which it is not for a float."""
    try:
        share = Fraction(str(value).strip())
    except (ValueError, ZeroDivisionError):
        share = Fraction(-1)
    if isinstance(value, bool) or not least <= share <= most:
        raise AnsibleFilterError(
            f"rebalance_plan: {name} must be a number from {float(least):g} to {float(most):g} (0.1 is 10 %); "
            f"got {value!r}."
        )
    return share


def ports_of(node: str, result: t.Mapping[str, t.Any]) -> Ports:
    """The open connections of one node, by its result of polaris_conn_info."""
    stats = result.get("stats")
    if not isinstance(stats, t.Iterable) or not result.get("limit_enabled", True):
        raise AnsibleFilterError(
            f"rebalance_plan needs the connections of every node, and those of {node} are not known: a mean over some "
            f"nodes is a wrong one."
        )
    ports: Ports = {}
    for entry in stats:
        for address in entry["actives"]:
            host, _colon, port = str(address).rpartition(":")
            if port.isdecimal():
                ports.setdefault(host, []).append(int(port))
    return {host: sorted(found) for host, found in ports.items()}


def bounds(counts: t.Collection[int], tolerance: Fraction) -> t.Tuple[Fraction, Fraction]:
    """The mean, and what a node may have without being overloaded."""
    mean = Fraction(sum(counts), len(counts))
    return mean, mean * (1 + tolerance)


def closing(count: int, mean: Fraction, limit: Fraction, max_share: Fraction) -> int:
    """How many connections of a node to close."""
    return min(int(count - mean), int(count * max_share)) if count > limit else 0


def spread(ports: t.Mapping[str, Ports], to_close: t.Mapping[str, int]) -> t.Dict[str, t.List[t.Tuple[str, int]]]:
    """Choose as many connections of each node, so that no client address loses more than it has to."""
    order = {host: address_order(host) for found in ports.values() for host in found}
    lost: t.Dict[str, int] = {}
    chosen: t.Dict[str, t.List[t.Tuple[str, int]]] = {}
    for node in sorted(ports):
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


def runs_needed(counts: t.Sequence[int], tolerance: Fraction, max_share: Fraction) -> t.Optional[int]:
    """How many runs it takes when what is closed comes back to all nodes alike, as it does on average."""
    mean, limit = bounds(counts, tolerance)
    loads = list(counts)
    for run in range(MOST_RUNS):
        closed = [closing(load, mean, limit, max_share) for load in loads]
        if not any(closed):
            return None if max(loads) > limit else run
        each, rest = divmod(sum(closed), len(loads))
        loads = sorted(load - gone + each for load, gone in zip(loads, closed))
        loads[:rest] = [load + 1 for load in loads[:rest]]
    return None


class FilterModule:
    def filters(self) -> t.Dict[str, t.Callable[..., t.Any]]:
        return {"rebalance_plan": rebalance_plan}
