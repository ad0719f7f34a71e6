#!/usr/bin/python
# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The operation is in plugins/action/polaris_variables.py.

from __future__ import annotations

DOCUMENTATION = r"""
module: polaris_variables
short_description: Check the variables of a runbook (internal)
version_added: 1.0.0
description:
  - Internal to the playbooks of this collection; it may change at any time.
  - Checks the variables of a playbook, as users and surveys write them, before any server is asked, and reports
    everything that is wrong in one message. An empty or null variable counts as not given.
  - Runs on the controller.
extends_documentation_fragment:
  - polarismesh.maintenance.attributes.internal
options:
  variables:
    description:
      - The name of each variable, and its rule.
      - A rule has a C(type) (V(text), V(choice), V(name), V(names), V(bool), V(int), V(float), V(size), V(ipv4),
        V(path), V(mode), V(list), V(levels), V(undo), V(new_file)). It may have C(required), C(default), C(aliases),
        C(example), and the limits of its type, which are C(min), C(max) and C(choices).
    type: dict
    required: true
  one_of:
    description: The names of variables of which exactly one must be given.
    type: list
    elements: str
    default: []
  whole:
    description:
      - Why the playbook must not run as a slice of a sliced AWX job, as the end of a sentence. If it is given, a slice
        is refused.
    type: str
author:
  - PolarisMesh Maintenance contributors (@polarismesh)
"""

EXAMPLES = r"""
- name: Check the variables
  polarismesh.maintenance.polaris_variables:
    variables:
      levels: {type: levels, required: true}
      seconds: {type: int, min: 1, max: 86400, default: 300}
  register: polaris_variables
  run_once: true
"""

RETURN = r"""
given:
  description: The value of each variable, with its type; null where it is not given and has no default.
  type: dict
  returned: success
  sample: {levels: {naming: debug}, seconds: 300}
hosts:
  description: The hosts that are part of the play when it begins.
  type: list
  elements: str
  returned: success
  sample: [node1, node2]
moment:
  description: The time in UTC, for the names of files.
  type: str
  returned: success
  sample: 20260101T120000Z
"""
