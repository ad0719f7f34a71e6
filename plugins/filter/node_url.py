# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The URL of a node, for the runbooks."""

from __future__ import annotations

DOCUMENTATION = r"""
name: node_url
short_description: The URL of the HTTP API of a Polaris server node
version_added: 1.0.0
author:
  - PolarisMesh Maintenance contributors (@polarismesh)
description:
  - Returns C(polaris_url) of a host or, without it, a URL of the host's address and port.
  - The latter always has a port, and brackets around an IPv6 address.
positional: _input, host, port
options:
  _input:
    description: C(polaris_url). Empty or null means that the host has none.
    type: str
    required: true
  host:
    description: The address of the host, C(ansible_host).
    type: str
    required: true
  port:
    description: The port of the HTTP API, C(polaris_http_port). Empty or null means V(8090).
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Ask every node, including those without polaris_url
  hosts: polaris_servers
  gather_facts: false
  tasks:
    - name: Read the log levels
      polarismesh.maintenance.polaris_log_level_info:
        url: "{{ polaris_url | default('') | polarismesh.maintenance.node_url(ansible_host) }}"
"""

RETURN = r"""
_value:
  description: The URL.
  type: str
"""

import typing as t

from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._host_variables import node_url


class FilterModule:
    def filters(self) -> t.Dict[str, t.Callable[..., str]]:
        return {"node_url": node_url}
