# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ``hosts:`` of a runbook."""

from __future__ import annotations

DOCUMENTATION = r"""
name: target_hosts
short_description: Fail when the target of a play matches no host
version_added: 1.0.0
author:
  - PolarisMesh Maintenance contributors (@polarismesh)
description:
  - Returns its input pattern, for C(hosts) of a play, and fails if the pattern matches no host of this run.
  - Ansible ends a play without hosts with success, so a scheduled audit could stay green without checking anything.
positional: _input, groups, limit
options:
  _input:
    description: A host pattern, or a list of them.
    type: raw
    required: true
  groups:
    description: The groups of the inventory with their hosts, which is the variable C(groups).
    type: dict
    required: true
  limit:
    description: The value of C(--limit), which is the variable C(ansible_limit).
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Do something on all Polaris servers, and fail when there are none
  hosts: "{{ pattern | polarismesh.maintenance.target_hosts(groups, ansible_limit | default('')) }}"
  vars:
    pattern: polaris_servers
  tasks: []
"""

RETURN = r"""
_value:
  description: The pattern, unchanged.
  type: raw
"""

import typing as t

from ansible import context
from ansible.errors import AnsibleFilterError

from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._play import matched

#: The options of ansible-playbook that run no task.
LOOKING = ("syntax", "listhosts", "listtasks", "listtags")


def target_hosts(pattern: t.Any, groups: t.Mapping[str, t.Sequence[str]], limit: str = "") -> t.Any:
    if any(context.CLIARGS.get(option) for option in LOOKING) or matched(pattern, groups, limit):
        return pattern
    left = f" that --limit {limit} leaves" if limit and matched(pattern, groups) else ""
    raise AnsibleFilterError(
        f"The target {pattern} matches no host{left}: nothing was done. Name an inventory that has it (-i), or other "
        f"hosts in the variable target."
    )


class FilterModule:
    def filters(self) -> t.Dict[str, t.Callable[..., t.Any]]:
        return {"target_hosts": target_hosts}
