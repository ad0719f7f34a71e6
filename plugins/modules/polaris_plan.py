#!/usr/bin/python
# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The operation is in plugins/action/polaris_plan.py.

from __future__ import annotations

DOCUMENTATION = r"""
module: polaris_plan
short_description: Decide what a runbook may do (internal)
version_added: 1.0.0
description:
  - Internal to the playbooks of this collection; it may change at any time.
  - Decides what a playbook does after it has read all its hosts, or fails with the reason why nothing may be done.
  - Runs on the controller, once for all hosts, and sends no requests.
extends_documentation_fragment:
  - polarismesh.maintenance.attributes.internal
options:
  plan:
    description: The name of the plan.
    type: str
    required: true
  given:
    description: The variables of the playbook, as M(polarismesh.maintenance.polaris_variables) returns them.
    type: dict
    default: {}
  target:
    description: The pattern of hosts of the playbook, if all of these hosts must be part of the run.
    type: raw
author:
  - PolarisMesh Maintenance contributors (@polarismesh)
"""

EXAMPLES = r"""
- name: Make the plan
  polarismesh.maintenance.polaris_plan:
    plan: conn_drain
    given: "{{ polaris_variables.given }}"
  run_once: true
  register: polaris_plan
"""

RETURN = r"""
plan:
  description: The plan.
  type: dict
  returned: success
  sample: {large: [node1]}
"""
