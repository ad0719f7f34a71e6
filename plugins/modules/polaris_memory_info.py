#!/usr/bin/python
# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: polaris_memory_info
short_description: Read the memory figures of a Polaris server
version_added: 1.0.0
description:
  - Reads how much memory the heap of one Polaris server has, and how much of it could be returned to the operating
    system.
  - The figures come from the metrics of the server (C(/metrics)), or else from its heap profile
    (C(/debug/pprof/heap)). Both need no account. Reading them does not start a collection.
extends_documentation_fragment:
  - polarismesh.maintenance.connection
  - polarismesh.maintenance.attributes
  - polarismesh.maintenance.attributes.info_module
seealso:
  - module: polarismesh.maintenance.polaris_memory_free
  - module: polarismesh.maintenance.polaris_profile
author:
  - PolarisMesh Maintenance contributors (@polarismesh)
"""

EXAMPLES = r"""
- name: Read the memory figures
  polarismesh.maintenance.polaris_memory_info:
    url: http://127.0.0.1:8090
  register: node

- name: Show how much could be returned to the system
  ansible.builtin.debug:
    msg: "{{ node.memory.releasable | human_readable }}"
  when: node.memory is not none
"""

RETURN = r"""
url:
  description: The server.
  type: str
  returned: always
  sample: http://127.0.0.1:8090
memory:
  description: The heap of the server, in bytes. V(null) if the server shows no figures.
  type: dict
  returned: success
  contains:
    heap:
      description: The memory of the machine that the heap takes up, in use or not.
      type: int
      sample: 1048576000
    heap_idle:
      description: The part of the heap without objects, including what was already returned to the system.
      type: int
      sample: 734003200
    heap_released:
      description: The part of RV(memory.heap_idle) that was already returned to the system.
      type: int
      sample: 104857600
    releasable:
      description: What could be returned to the system, RV(memory.heap_idle) minus RV(memory.heap_released).
      type: int
      sample: 629145600
    heap_in_use:
      description:
        - The part of the heap with objects.
        - If the server does not show it, everything that it has mapped except RV(memory.heap_idle).
      type: int
      sample: 419430400
    sys:
      description: Everything that the server has mapped, released parts included.
      type: int
      sample: 1181116006
error:
  description: What failed. The notes describe its keys and kinds.
  type: dict
  returned: failure
  sample: {kind: unreachable, status: null, code: null, info: null, method: GET, path: /metrics}
"""

from ansible_collections.polarismesh.maintenance.plugins.module_utils._api import memory, routes
from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import Client
from ansible_collections.polarismesh.maintenance.plugins.module_utils._options import Params, spec
from ansible_collections.polarismesh.maintenance.plugins.module_utils._runner import Result, run_module

SPEC = spec()


def run(client: Client, params: Params, check_mode: bool) -> Result:
    found = memory.read(client)
    if found is None:
        routes.require_polaris(client)
    return {"changed": False, "memory": found.as_dict() if found else None}


def main() -> None:
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
