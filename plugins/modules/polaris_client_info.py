#!/usr/bin/python
# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: polaris_client_info
short_description: List the clients that report themselves to a Polaris server
version_added: 1.0.0
description:
  - Lists the SDK clients that reported an address for Prometheus to scrape, and the server nodes.
  - Clients without such an address are not listed; M(polarismesh.maintenance.polaris_conn_info) counts all clients
    that have a connection.
  - Servers up to v1.15 do not have this call. It needs no account.
extends_documentation_fragment:
  - polarismesh.maintenance.connection
  - polarismesh.maintenance.attributes
  - polarismesh.maintenance.attributes.info_module
seealso:
  - module: polarismesh.maintenance.polaris_conn_info
author:
  - PolarisMesh Maintenance contributors (@polarismesh)
"""

EXAMPLES = r"""
- name: List the clients
  polarismesh.maintenance.polaris_client_info:
    url: http://127.0.0.1:8090
  register: reported

- name: Count the hosts they run on
  ansible.builtin.debug:
    msg: "{{ reported.clients | map(attribute='host') | unique | length }} hosts"
"""

RETURN = r"""
url:
  description: The server.
  type: str
  returned: always
  sample: http://127.0.0.1:8090
clients:
  description: The clients, sorted by address.
  type: list
  elements: dict
  returned: success
  contains:
    id:
      description: The id of the client; of a server node, the id of its instance.
      type: str
      sample: 6ee00a4745051cac8eea18eea47ab9ab6e47b30c
    host:
      description: The host that serves its metrics.
      type: str
      sample: 10.0.0.7
    port:
      description: The port that serves its metrics.
      type: int
      sample: 28080
    url:
      description: The URL of its metrics.
      type: str
      sample: http://10.0.0.7:28080/metrics
    labels:
      description: Its other labels.
      type: dict
      sample: {app: checkout}
error:
  description: What failed. The notes describe its keys and kinds.
  type: dict
  returned: failure
  sample: {kind: unsupported, status: 404, code: null, info: Not Found, method: GET, path: /maintain/v1/report/clients}
"""

from ansible_collections.polarismesh.maintenance.plugins.module_utils._addresses import host_and_port
from ansible_collections.polarismesh.maintenance.plugins.module_utils._api import server
from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import Client
from ansible_collections.polarismesh.maintenance.plugins.module_utils._model import ReportedClient
from ansible_collections.polarismesh.maintenance.plugins.module_utils._options import Params, spec
from ansible_collections.polarismesh.maintenance.plugins.module_utils._runner import Result, run_module

SPEC = spec()


def described(reported: ReportedClient) -> Result:
    """One client in the keys of a result. Labels with a meaning in Prometheus get keys of their own."""
    labels = dict(reported.labels)
    host, port = host_and_port(reported.target)
    scheme, path = labels.pop("__scheme__", "http"), labels.pop("__metrics_path__", "/metrics")
    return {
        "id": labels.pop("__meta_polaris_client_id", None),
        "host": host,
        "port": int(port) if port.isdecimal() else None,
        "url": f"{scheme}://{reported.target}/{path.lstrip('/')}",
        "labels": labels,
    }


def run(client: Client, params: Params, check_mode: bool) -> Result:
    return {"changed": False, "clients": [described(reported) for reported in server.reported_clients(client)]}


def main() -> None:
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
