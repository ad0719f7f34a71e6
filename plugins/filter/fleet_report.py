# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet_report
short_description: Combine what the nodes of a Polaris fleet report
version_added: 1.0.0
description:
  - Makes the report of the playbook C(polarismesh.maintenance.fleet_report) from the results that its tasks registered.
  - If a node could not be read, the report says why.
  - Compares the nodes to find log levels that deviate, versions that differ, and what needs attention.
author:
  - PolarisMesh Maintenance contributors (@polarismesh)
options:
  _input:
    description:
      - The variables of each host. The filter uses C(inventory_hostname) and, if they exist, the registered results
        C(polaris_fleet_server) and C(polaris_fleet_heartbeats).
    type: list
    elements: dict
    required: true
  generated:
    description: When the nodes were read, in UTC.
    type: str
    default: ""
  namespace:
    description: The namespace whose heartbeats were read. Empty if none were read.
    type: str
    default: ""
  service:
    description: The service whose heartbeats were read. Empty for the whole namespace.
    type: str
    default: ""
  limit:
    description: What the play was limited to. Empty if it ran on the whole fleet.
    type: str
    default: ""
  target:
    description: The target of the play, for the commands in the report.
    type: str
    default: ""
  inventory:
    description: The inventories of the play, for the commands in the report.
    type: list
    elements: str
    default: []
  compare:
    description: The JSON file of an earlier report on the same fleet. Empty to compare with none.
    type: str
    default: ""
  playing:
    description: The names of the hosts that are part of the play. Results of other hosts are of an earlier play. Leave
      it out if all are.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Show what needs attention
  ansible.builtin.debug:
    msg: "{{ (ansible_play_hosts_all | map('extract', hostvars) | polarismesh.maintenance.fleet_report).warnings }}"
"""

RETURN = r"""
_value:
  description:
    - The report. It has C(schema), C(generated), C(limit), C(summary), C(nodes), C(versions), C(connections),
      C(memory), C(log_levels), C(heartbeats), C(leaders), C(warnings), C(registered) (the addresses under which
      servers registered themselves), and C(changes) since O(compare).
    - Memory is in bytes, times are epoch seconds.
  type: dict
"""

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._play import LEFT_OUT
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._report import Fleet, read_node
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._summaries.fleet_report import made

#: The registered results of the playbook, without their prefix.
RESULTS = ("server", "heartbeats")


def fleet_report(
    hosts: t.Iterable[t.Mapping[str, t.Any]],
    generated: str = "",
    namespace: str = "",
    service: str = "",
    limit: str = "",
    target: str = "",
    inventory: t.Sequence[str] = (),
    compare: str = "",
    playing: t.Optional[t.Sequence[str]] = None,
) -> t.Dict[str, t.Any]:
    """The report; ``hosts`` are the variables of each, ``playing`` the names of those that are part of this play."""
    nodes = tuple(
        read_node(
            str(host.get("inventory_hostname")),
            str(host.get("ansible_host") or ""),
            {name: host.get("polaris_fleet_" + name) for name in RESULTS}
            if playing is None or host.get("inventory_hostname") in playing
            else {"server": LEFT_OUT},
        )
        for host in hosts
    )
    try:
        return made(Fleet(nodes, generated, namespace, service, limit, target, tuple(map(str, inventory))), compare)
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> t.Dict[str, t.Callable[..., t.Any]]:
        return {"fleet_report": fleet_report}
