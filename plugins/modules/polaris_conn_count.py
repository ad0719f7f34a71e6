#!/usr/bin/python
# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The operation is in plugins/action/polaris_conn_count.py.

from __future__ import annotations

DOCUMENTATION = r"""
module: polaris_conn_count
short_description: Count the connections of all servers in one task (internal)
version_added: 1.0.0
description:
  - Internal to the playbook C(polarismesh.maintenance.conn_rebalance); it may change at any time.
  - Runs on the controller, once for all hosts. It asks the servers of those hosts whose connection is local, with their
    variables.
extends_documentation_fragment:
  - polarismesh.maintenance.attributes.internal
options:
  after:
    description: How many seconds to wait first. V(0) counts nothing.
    type: int
    required: true
  protocol:
    description: The protocol.
    type: str
    required: true
  spare:
    description: Client addresses whose connections are not counted.
    type: list
    elements: str
    default: []
seealso:
  - module: polarismesh.maintenance.polaris_conn_info
author:
  - PolarisMesh Maintenance contributors (@polarismesh)
"""

EXAMPLES = r"""
- name: Count the connections
  polarismesh.maintenance.polaris_conn_count:
    after: 1
    protocol: grpc
  run_once: true
"""

RETURN = r"""
counts:
  description: Host -> the number of connections, or V(null) if they could not be counted. Other hosts are not in it.
  type: dict
  returned: success
  sample: {node1: 24, node2: 6, node3: null}
"""
