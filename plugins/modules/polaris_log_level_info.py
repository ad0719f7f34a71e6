#!/usr/bin/python
# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: polaris_log_level_info
short_description: Read the log levels of a Polaris server
version_added: 1.0.0
description:
  - Reads the level of every log scope of one Polaris server.
extends_documentation_fragment:
  - polarismesh.maintenance.connection
  - polarismesh.maintenance.attributes
  - polarismesh.maintenance.attributes.info_module
seealso:
  - module: polarismesh.maintenance.polaris_log_level
author:
  - PolarisMesh Maintenance contributors (@polarismesh)
"""

EXAMPLES = r"""
- name: Read the levels
  polarismesh.maintenance.polaris_log_level_info:
    url: http://127.0.0.1:8090
    token: "{{ polaris_token }}"
  register: log

- name: Show the scopes at debug
  ansible.builtin.debug:
    msg: "{{ log.levels | dict2items | selectattr('value', 'equalto', 'debug') | map(attribute='key') }}"
"""

RETURN = r"""
url:
  description: The server.
  type: str
  returned: always
  sample: http://127.0.0.1:8090
levels:
  description: The level of every scope of the server, by scope.
  type: dict
  returned: success
  sample: {auth: info, cache: info, naming: debug}
error:
  description: What failed. The notes describe its keys and kinds.
  type: dict
  returned: failure
  sample: {kind: auth, status: 400, code: null, info: invalid token, method: GET, path: /maintain/v1/log/outputlevel}
"""

from ansible_collections.polarismesh.maintenance.plugins.module_utils._api import log_levels
from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import Client
from ansible_collections.polarismesh.maintenance.plugins.module_utils._options import Params, spec
from ansible_collections.polarismesh.maintenance.plugins.module_utils._runner import Result, run_module

SPEC = spec()


def run(client: Client, params: Params, check_mode: bool) -> Result:
    return {"changed": False, "levels": log_levels.read(client)}


def main() -> None:
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
