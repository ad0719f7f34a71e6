# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Combines what several nodes know about the same instances."""

from __future__ import annotations

DOCUMENTATION = r"""
name: newest_heartbeats
short_description: Combine what several Polaris servers know about heartbeats
version_added: 1.0.0
author:
  - PolarisMesh Maintenance contributors (@polarismesh)
description:
  - A Polaris server may not share the heartbeats that it receives. So the newest heartbeat that any server has is the
    one that counts.
  - Ages are compared, and not times, because the clocks of the nodes may differ.
positional: _input
options:
  _input:
    description:
      - Node -> the RV(polarismesh.maintenance.polaris_heartbeat_info#module:instances) that
        M(polarismesh.maintenance.polaris_heartbeat_info) returned there.
    type: dict
    required: true
seealso:
  - module: polarismesh.maintenance.polaris_heartbeat_info
"""

EXAMPLES = r"""
- name: Name the instances without a recent heartbeat on any node
  ansible.builtin.debug:
    msg: "{{ known | polarismesh.maintenance.newest_heartbeats | selectattr('overdue') | map(attribute='host') }}"
  vars:
    known:
      node1:
        - {id: a, host: 10.0.0.7, found: true, health_check: true, last_heartbeat: 1700000000, age_seconds: 60, ttl: 5}
      node2:
        - {id: a, host: 10.0.0.7, found: true, health_check: true, last_heartbeat: null, age_seconds: null, ttl: 5}
"""

RETURN = r"""
_value:
  description:
    - Each instance once, in the order of the first node, with the keys that
      M(polarismesh.maintenance.polaris_heartbeat_info) returns.
    - C(age_seconds) and C(last_heartbeat) are those of the node with the newest heartbeat, and C(node) is its name. The
      three are null if no node has one.
    - C(found) and C(health_check) are true if they are true on any node. C(overdue) is computed from these values.
  type: list
  elements: dict
"""

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.polarismesh.maintenance.plugins.plugin_utils import _heartbeats


def newest_heartbeats(known: t.Mapping[str, t.Sequence[t.Mapping[str, t.Any]]]) -> t.List[t.Dict[str, t.Any]]:
    """The filter."""
    if not isinstance(known, t.Mapping):
        raise AnsibleFilterError("newest_heartbeats needs a dictionary: node -> its list of instances.")
    try:
        return _heartbeats.newest_heartbeats(known)
    except ValueError as error:
        raise AnsibleFilterError(f"newest_heartbeats: {error}") from error


class FilterModule:
    """Filters for playbooks."""

    def filters(self) -> t.Dict[str, t.Callable[..., t.Any]]:
        """Name -> filter."""
        return {"newest_heartbeats": newest_heartbeats}
