#!/usr/bin/python
# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The operation is in plugins/action/polaris_summary.py.

from __future__ import annotations

DOCUMENTATION = r"""
module: polaris_summary
short_description: Print the summary of a runbook (internal)
version_added: 1.0.0
description:
  - Internal to the playbooks of this collection; it may change at any time.
  - Prints what a playbook did on all its hosts, and sets the same as custom stats, under the key C(polaris).
  - Runs on the controller, once for all hosts.
extends_documentation_fragment:
  - polarismesh.maintenance.attributes.internal
options:
  runbook:
    description: The name of the playbook.
    type: str
    required: true
  given:
    description: Its variables, as M(polarismesh.maintenance.polaris_variables) returns them.
    type: dict
    default: {}
  target:
    description: The pattern of hosts of the playbook, if the summary has to name those that C(--limit) left out.
    type: raw
  verdict:
    description:
      - Print nothing, and fail if the run must fail although no host did, for example because instances are overdue.
      - This is a separate task before the summary, because Ansible discards the custom stats of a failed task.
    type: bool
    default: false
author:
  - PolarisMesh Maintenance contributors (@polarismesh)
"""

EXAMPLES = r"""
- name: Summary
  polarismesh.maintenance.polaris_summary:
    runbook: log_level
  run_once: true
"""

RETURN = r"""
lines:
  description: What was printed.
  type: list
  elements: str
  returned: always
  sample: ["Polaris log levels: 1 node", "unchanged on 1 (node1)"]
"""
