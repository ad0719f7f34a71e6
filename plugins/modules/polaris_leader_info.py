#!/usr/bin/python
# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: polaris_leader_info
short_description: List which node of a Polaris cluster leads what
version_added: 1.0.0
description:
  - Lists the jobs that only one node of a cluster does at a time, such as health checks and cleaning, and the node that
    leads each.
  - With a MySQL store all nodes return the same list. With a boltdb store each node is alone and leads everything.
  - Servers up to v1.13 do not have this call.
extends_documentation_fragment:
  - polarismesh.maintenance.connection
  - polarismesh.maintenance.attributes
  - polarismesh.maintenance.attributes.info_module
seealso:
  - module: polarismesh.maintenance.polaris_leader_release
author:
  - PolarisMesh Maintenance contributors (@polarismesh)
"""

EXAMPLES = r"""
- name: Read who leads
  polarismesh.maintenance.polaris_leader_info:
    url: http://127.0.0.1:8090
    token: "{{ polaris_token }}"
  register: election

- name: Name the jobs without a leader
  ansible.builtin.debug:
    msg: "No leader for {{ election.leaders | rejectattr('valid') | map(attribute='elect_key') | join(', ') }}"
  when: election.leaders | rejectattr('valid') | length > 0
"""

RETURN = r"""
url:
  description: The server.
  type: str
  returned: always
  sample: http://127.0.0.1:8090
leaders:
  description: The leaders, sorted by key.
  type: list
  elements: dict
  returned: success
  contains:
    elect_key:
      description: The job.
      type: str
      sample: polaris.checker
    host:
      description: The address of the node that leads it, as known to that node.
      type: str
      sample: 10.0.0.1
    valid:
      description:
        - Whether that node leads now. If not, it has released the leadership or has been silent for a while, or no node
          has taken the job yet (RV(leaders[].host) is then empty).
      type: bool
      sample: true
    ctime:
      description: When the key was created, in epoch seconds. V(null) on a boltdb store.
      type: int
      sample: 1700000000
    mtime:
      description: When the leader last renewed it, in epoch seconds.
      type: int
      sample: 1700000123
error:
  description: What failed. The notes describe its keys and kinds.
  type: dict
  returned: failure
  sample: {kind: unsupported, status: 404, code: null, info: Not Found, method: GET, path: /maintain/v1/leaders}
"""

from dataclasses import asdict

from ansible_collections.polarismesh.maintenance.plugins.module_utils._api import elections
from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import Client
from ansible_collections.polarismesh.maintenance.plugins.module_utils._options import Params, spec
from ansible_collections.polarismesh.maintenance.plugins.module_utils._runner import Result, run_module

SPEC = spec()


def run(client: Client, params: Params, check_mode: bool) -> Result:
    return {"changed": False, "leaders": [asdict(leader) for leader in elections.leaders(client)]}


def main() -> None:
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
