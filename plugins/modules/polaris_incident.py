#!/usr/bin/python
# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: polaris_incident
short_description: Save the profiles of a server whose heap is large (internal)
version_added: 1.0.0
description:
  - Internal to the playbook C(polarismesh.maintenance.memory_incident); it may change at any time.
  - Reads the size of the heap. If it is large, saves the profiles of the server in a folder of the controller. Where
    the connection of the host is not local, they are first saved there in a temporary folder, which is removed.
extends_documentation_fragment:
  - polarismesh.maintenance.attributes.internal
options:
  dest:
    description: The folder for the profiles, on the controller. It is created if it does not exist.
    type: path
    required: true
  min_size:
    description: A heap is large if it takes at least this much memory, such as V(1G).
    type: str
    required: true
  moment:
    description: The time in the names of the files.
    type: str
    required: true
seealso:
  - module: polarismesh.maintenance.polaris_profile
author:
  - PolarisMesh Maintenance contributors (@polarismesh)
"""

EXAMPLES = r"""
- name: Save the profiles where the heap is large
  polarismesh.maintenance.polaris_incident:
    dest: /tmp/incident
    min_size: 1G
    moment: 20260101T120000Z
"""

RETURN = r"""
memory:
  description: The figures of M(polarismesh.maintenance.polaris_memory_info).
  type: dict
  returned: if they could be read
  sample: {heap: 1610612736}
files:
  description: The file name of each profile, by kind. Empty if the heap is not large, or unknown.
  type: dict
  returned: if the figures could be read, even if the profiles could not be saved
  sample: {heap: node1-heap-20260101T120000Z.pb.gz}
folder:
  description: The folder for them, as an absolute path.
  type: str
  returned: if the figures could be read
  sample: /tmp/incident
saved:
  description: The profiles that are in that folder now. In check mode, those that would be.
  type: list
  elements: str
  returned: if the figures could be read
  sample: [node1-heap-20260101T120000Z.pb.gz]
"""
