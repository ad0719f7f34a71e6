#!/usr/bin/python
# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The operation is in plugins/action/polaris_report.py.

from __future__ import annotations

DOCUMENTATION = r"""
module: polaris_report
short_description: Read a server for the report on a fleet (internal)
version_added: 1.0.0
description:
  - Internal to the playbook C(polarismesh.maintenance.fleet_report); it may change at any time.
  - Reads everything about a server that the report shows. If the server leads the health checks of its cluster, also
    reads the heartbeats.
extends_documentation_fragment:
  - polarismesh.maintenance.attributes.internal
options:
  given:
    description: The variables of the playbook, as M(polarismesh.maintenance.polaris_variables) returns them.
    type: dict
    required: true
seealso:
  - module: polarismesh.maintenance.polaris_server_info
  - module: polarismesh.maintenance.polaris_heartbeat_info
author:
  - PolarisMesh Maintenance contributors (@polarismesh)
"""

EXAMPLES = r"""
- name: Read the node
  polarismesh.maintenance.polaris_report:
    given: "{{ polaris_variables.given }}"
"""

RETURN = r"""
is_polaris:
  description: This and more from M(polarismesh.maintenance.polaris_server_info).
  type: bool
  returned: success
  sample: true
heartbeats:
  description:
    - The result of M(polarismesh.maintenance.polaris_heartbeat_info) with its option C(leader_only), which may be a
      failure.
    - V(null) if the report does not show them, or this is not a Polaris server.
  type: dict
  returned: success
  sample: {leads: false, instances: []}
"""
