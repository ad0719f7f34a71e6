#!/usr/bin/python
# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: polaris_conn_info
short_description: See which clients are connected to a Polaris server
version_added: 1.0.0
description:
  - Reads how many connections each client address holds to one Polaris server, and from which ports.
  - A server counts a protocol only if its configuration says so. The shipped configuration does not. For a protocol
    that is not counted the task succeeds with RV(limit_enabled=false), and RV(hint) says what to configure.
  - Only IPv4 clients are counted. Servers do not list clients that connect by IPv6.
  - Behind a proxy or a load balancer, the server sees and counts the addresses of the proxy.
extends_documentation_fragment:
  - polarismesh.maintenance.connection
  - polarismesh.maintenance.attributes
  - polarismesh.maintenance.attributes.info_module
options:
  protocol:
    description:
      - The protocol, under the name that servers use for it. This is V(grpc) (SDK clients), V(http), V(eureka) or
        V(xdsv3), in lower case.
      - V(grpc) counts either the service-grpc or the config-grpc apiserver, whichever has its limit switched on.
      - V(http) includes the connection of this task itself.
    type: str
    required: true
  host:
    description:
      - Only the connections of this client, an IPv4 address.
      - On a large server this is much cheaper than reading all connections.
    type: str
  min_connections:
    description: Only clients with at least this many connections. V(0) disables this check.
    type: int
    aliases: [amount]
  node_hosts:
    description:
      - Whether to return the addresses of the nodes of the cluster as well, in RV(node_hosts).
      - Nodes are clients of each other. Their addresses distinguish them from other clients.
    type: bool
    default: false
seealso:
  - module: polarismesh.maintenance.polaris_conn_close
author:
  - PolarisMesh Maintenance contributors (@polarismesh)
"""

EXAMPLES = r"""
- name: Read which clients are connected by gRPC
  polarismesh.maintenance.polaris_conn_info:
    url: http://127.0.0.1:8090
    token: "{{ polaris_token }}"
    protocol: grpc
  register: grpc

- name: Show the five largest clients
  ansible.builtin.debug:
    msg: "{{ (grpc.hosts | dict2items | sort(attribute='value', reverse=true))[:5] }}"

- name: Read the ports from which one client is connected
  polarismesh.maintenance.polaris_conn_info:
    url: http://127.0.0.1:8090
    token: "{{ polaris_token }}"
    protocol: grpc
    host: 127.0.0.21
  register: client

- name: Find clients that hold suspiciously many connections
  polarismesh.maintenance.polaris_conn_info:
    url: http://127.0.0.1:8090
    token: "{{ polaris_token }}"
    protocol: http
    min_connections: 50
"""

RETURN = r"""
url:
  description: The server.
  type: str
  returned: always
  sample: http://127.0.0.1:8090
protocol:
  description: The protocol.
  type: str
  returned: success
  sample: grpc
limit_enabled:
  description: Whether this server counts the connections of the protocol.
  type: bool
  returned: success
  sample: true
hint:
  description:
    - What to configure on the server so that it counts the protocol.
    - If it already does, a reminder that IPv6 clients are not counted.
  type: str
  returned: success
  sample: "Servers count IPv4 clients only: they do not list a client that connects by IPv6."
total:
  description:
    - How many connections there are, as the sum of RV(hosts).
    - V(0) if the protocol is not counted.
  type: int
  returned: success
  sample: 3
listener_total:
  description:
    - The server's own total, regardless of O(host) and O(min_connections).
    - It is V(0) if the server's C(maxConnLimit) is V(0), however many there are.
    - V(null) if the protocol is not counted.
  type: int
  returned: success
  sample: 3
hosts:
  description:
    - How many connections each client address holds.
    - A client that disconnected a short while ago may still be listed with V(0).
  type: dict
  returned: success
  sample: {10.0.0.7: 2, 10.0.0.9: 1}
stats:
  description: The connections of each client address, in the order of the addresses.
  type: list
  elements: dict
  returned: success
  contains:
    host:
      description: The address of the client.
      type: str
      sample: 10.0.0.7
    amount:
      description: How many connections it holds.
      type: int
      sample: 2
    last_access:
      description:
        - When the server accepted the newest of its connections, on the clock and in the time zone of the server.
        - This is not the time of its last request.
      type: str
      sample: "2024-01-02T03:04:05+08:00"
    actives:
      description: The client's end of each connection.
      type: list
      elements: str
      sample: ["10.0.0.7:51324", "10.0.0.7:51326"]
node_hosts:
  description: The addresses of all nodes of the cluster as they registered themselves, sorted. V(null) if they could
    not be read.
  type: list
  elements: str
  returned: success, if O(node_hosts)
  sample: ["10.0.0.1", "10.0.0.2"]
error:
  description: What failed. The notes describe its keys and kinds.
  type: dict
  returned: failure
  sample: {kind: auth, status: 400, code: null, info: null, method: GET, path: /maintain/v1/apiserver/conn/stats}
"""

import typing as t

from ansible_collections.polarismesh.maintenance.plugins.module_utils._advice import how_to_count
from ansible_collections.polarismesh.maintenance.plugins.module_utils._api import connections, server
from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import Client
from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import PolarisError
from ansible_collections.polarismesh.maintenance.plugins.module_utils._model import ConnStats
from ansible_collections.polarismesh.maintenance.plugins.module_utils._options import (
    Params,
    at_least_zero,
    client_host,
    client_protocol,
    spec,
)
from ansible_collections.polarismesh.maintenance.plugins.module_utils._runner import Result, run_module

SPEC = spec(
    {
        "protocol": {"type": "str", "required": True},
        "host": {"type": "str"},
        "min_connections": {"type": "int", "aliases": ["amount"]},
        "node_hosts": {"type": "bool", "default": False},
    }
)

IPV4_ONLY = "Servers count IPv4 clients only: they do not list a client that connects by IPv6."


def described(stats: t.Optional[ConnStats], protocol: str) -> Result:
    """The statistics in the keys of a result; None means that the server does not count that protocol."""
    if stats is not None:
        return {**stats.as_dict(), "hint": IPV4_ONLY}
    nothing: Result = {"total": 0, "listener_total": None, "hosts": {}, "stats": []}
    return {"protocol": protocol, "limit_enabled": False, **nothing, "hint": how_to_count(protocol)}


def node_hosts(client: Client) -> t.Optional[t.List[str]]:
    """The addresses of all nodes of the cluster; None if they could not be read."""
    try:
        # A node may register itself with more than one port.
        return list(dict.fromkeys(node.host for node in server.nodes(client)))
    except PolarisError:
        return None


def run(client: Client, params: Params, check_mode: bool) -> Result:
    protocol = client_protocol(params["protocol"], "protocol")
    host = None if params["host"] is None else client_host(params["host"], "host")
    least = at_least_zero(params["min_connections"], "min_connections")
    result = {"changed": False, **described(connections.stats(client, protocol, host, least), protocol)}
    if params["node_hosts"]:
        result["node_hosts"] = node_hosts(client)
    return result


def main() -> None:
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
