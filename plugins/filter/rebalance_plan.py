# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: rebalance_plan
short_description: Which connections to close so that they spread evenly over the nodes of a Polaris cluster
version_added: 1.0.0
author:
  - PolarisMesh Maintenance contributors (@polarismesh)
description:
  - Takes what M(polarismesh.maintenance.polaris_conn_info) found on every node, and returns the connections to close,
    for O(polarismesh.maintenance.polaris_conn_close#module:connections). Clients whose connection is closed connect
    again, to any node.
  - A node is overloaded if it has more connections than the mean of all nodes plus O(tolerance) of the mean. An
    overloaded node closes as many connections as it has above the mean, but not more than O(max_share) of its
    connections. Both numbers are rounded down. Other nodes close none.
  - The closed connections are spread over the clients. The next one is always taken from a client address that has lost
    the fewest so far, in the whole cluster; among these, from one that has the most connections to that node.
  - The same input always gives the same plan.
positional: _input
options:
  _input:
    description:
      - The name of each node, and the result of M(polarismesh.maintenance.polaris_conn_info) there. The filter uses
        C(protocol) and C(stats).
      - It must contain B(all) nodes of a cluster; an average over part of the cluster is misleading.
    type: dict
    required: true
  tolerance:
    description: How far above the mean a node may be, as a share of the mean. V(0.1) is 10 %.
    type: float
    default: 0.1
  max_share:
    description: The largest share of its connections that a node may lose at once. V(0.2) is 20 %.
    type: float
    default: 0.2
  spare:
    description:
      - Client addresses whose connections are neither counted nor closed, because they cannot move.
      - Name the addresses of all nodes here. With the heartbeat checker C(heartbeatLeader), nodes forward heartbeats
        to the leader over connections that they never reopen. If one of them is closed, heartbeats are lost until that
        node is restarted, and healthy instances become unhealthy.
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

- name: Close the surplus connections of this node
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
      description: The average number of connections of a node.
      type: float
      sample: 180.0
    limit:
      description: A node with more connections than this is overloaded.
      type: float
      sample: 198.0
    count:
      description: How many connections to close.
      type: int
      sample: 180
    runs:
      description:
        - How many runs, including this one, it takes until no node is overloaded, if the clients reconnect to all nodes
          evenly. As they choose a node at random, it may take a few more.
        - V(null) if this never happens, because the numbers are too small for O(max_share).
      type: int
      sample: 6
    nodes:
      description: The plan for each node, by its name.
      type: dict
      contains:
        count:
          description: How many connections it has.
          type: int
          sample: 300
        spared:
          description: How many more it has from the addresses in O(spare).
          type: int
          sample: 4
        surplus:
          description: How many it has above the mean, if it is overloaded; otherwise V(0).
          type: int
          sample: 120
        close:
          description: Which connections to close, with C(protocol), C(host) and C(port).
          type: list
          elements: dict
          sample: [{protocol: grpc, host: 10.0.0.7, port: 51324}]
"""

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._rebalance import (
    RefusedError,
    Rules,
    make_plan,
    open_ports,
)


def rebalance_plan(
    nodes: t.Any, tolerance: t.Any = 0.1, max_share: t.Any = 0.2, spare: t.Any = ()
) -> t.Dict[str, t.Any]:
    """The filter."""
    if not isinstance(nodes, t.Mapping) or not nodes or not all(isinstance(each, t.Mapping) for each in nodes.values()):
        raise AnsibleFilterError(
            "rebalance_plan needs a dictionary of the nodes: name, and result of polaris_conn_info."
        )
    if isinstance(spare, str) or not isinstance(spare, t.Iterable):
        raise AnsibleFilterError("rebalance_plan: spare must be a list of addresses.")
    for node, result in nodes.items():
        if not isinstance(result.get("stats"), t.Iterable) or not result.get("limit_enabled", True):
            raise AnsibleFilterError(
                f"rebalance_plan needs the connections of every node, and those of {node} are unknown: an average over "
                f"part of the cluster is misleading."
            )
    try:
        rules = Rules.of(tolerance, max_share, spare)
    except RefusedError as refused:
        raise AnsibleFilterError(f"rebalance_plan: {refused}") from refused
    plan = make_plan({str(name): open_ports(result["stats"]) for name, result in nodes.items()}, rules)
    return plan.as_dict({str(name): str(result.get("protocol")) for name, result in nodes.items()})


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> t.Dict[str, t.Callable[..., t.Any]]:
        return {"rebalance_plan": rebalance_plan}
