#!/usr/bin/python
# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: polaris_cmdb_info
short_description: List the locations of hosts that a Polaris server knows
version_added: 1.0.0
description:
  - Lists the locations of hosts that the CMDB plugin of one Polaris server has loaded, for routing by location.
  - Without such a plugin the list is empty.
  - Servers up to v1.13 do not have this call.
extends_documentation_fragment:
  - polarismesh.maintenance.connection
  - polarismesh.maintenance.attributes
  - polarismesh.maintenance.attributes.info_module
author:
  - PolarisMesh Maintenance contributors (@polarismesh)
"""

EXAMPLES = r"""
- name: List the locations
  polarismesh.maintenance.polaris_cmdb_info:
    url: http://127.0.0.1:8090
    token: "{{ polaris_token }}"
  register: cmdb

- name: Count the hosts of each zone
  ansible.builtin.debug:
    msg: "{{ cmdb.locations | groupby('zone') | map('last') | map('length') | list }}"
"""

RETURN = r"""
url:
  description: The server.
  type: str
  returned: always
  sample: http://127.0.0.1:8090
locations:
  description: The hosts, sorted by address.
  type: list
  elements: dict
  returned: success
  contains:
    ip:
      description: The address of the host.
      type: str
      sample: 10.0.0.7
    region:
      description: Its region.
      type: str
      sample: north
    zone:
      description: Its zone.
      type: str
      sample: north-1
    campus:
      description: Its campus.
      type: str
      sample: north-1a
    region_id:
      description: The number of the region; V(0) if it has none.
      type: int
      sample: 1
    zone_id:
      description: The number of the zone; V(0) if it has none.
      type: int
      sample: 11
    campus_id:
      description: The number of the campus; V(0) if it has none.
      type: int
      sample: 111
error:
  description: What failed. The notes describe its keys and kinds.
  type: dict
  returned: failure
  sample: {kind: unsupported, status: 404, code: null, info: Not Found, method: GET, path: /maintain/v1/cmdb/info}
"""

from dataclasses import asdict

from ansible_collections.polarismesh.maintenance.plugins.module_utils._api import server
from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import Client
from ansible_collections.polarismesh.maintenance.plugins.module_utils._options import Params, spec
from ansible_collections.polarismesh.maintenance.plugins.module_utils._runner import Result, run_module

SPEC = spec()


def run(client: Client, params: Params, check_mode: bool) -> Result:
    return {"changed": False, "locations": [asdict(location) for location in server.cmdb_locations(client)]}


def main() -> None:
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
