#!/usr/bin/python
# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: polaris_server_info
short_description: Tell what a Polaris server is and can do
version_added: 0.1.0
description:
  - Tells whether a URL is that of a Polaris server, which version it has or at least must have, which calls of the
    maintenance API it knows, which nodes its cluster has, which authentication is switched on, and which connections it
    counts.
  - The calls are found by looking at the routes of the server, without running any of them.
  - Works as far as the account allows. What could not be read is V(null), with a warning.
extends_documentation_fragment:
  - polarismesh.maintenance.connection
  - polarismesh.maintenance.connection.parallel
  - polarismesh.maintenance.attributes
  - polarismesh.maintenance.attributes.info_module
  - polarismesh.maintenance.attributes.action_group
  - polarismesh.maintenance.attributes.in_process
seealso:
  - plugin: polarismesh.maintenance.polaris
    plugin_type: inventory
    description: Makes hosts of the nodes.
author:
  - PolarisMesh Maintenance contributors (@polarismesh)
"""

EXAMPLES = r"""
- name: Look at a server
  polarismesh.maintenance.polaris_server_info:
    url: http://127.0.0.1:8090
    token: "{{ polaris_token }}"
  register: server

- name: Stop here when it is no Polaris server
  ansible.builtin.assert:
    that: server.is_polaris

- name: Read the leaders where there are any
  polarismesh.maintenance.polaris_leader_info:
    url: http://127.0.0.1:8090
    token: "{{ polaris_token }}"
  when: server.features.leader_info
"""

RETURN = r"""
url:
  description: The server.
  type: str
  returned: always
  sample: http://127.0.0.1:8090
is_polaris:
  description: Whether this is a Polaris server. If not, everything else is V(null).
  type: bool
  returned: success
  sample: true
version:
  description:
    - The version that the node registered itself with, or that all nodes of the cluster have.
    - V(null) where that cannot be told, or where it cannot be right. The released servers from v1.13.0 to v1.18.1 call
      themselves v0.1.0, so for them RV(oldest_version) is what can be told.
  type: str
  returned: success
  sample: v1.18.1
oldest_version:
  description: The oldest version that has all that was found.
  type: str
  returned: success
  sample: v1.17.2
features:
  description:
    - What the server can do, as name and V(true) or V(false); V(null) where it could not be found out.
    - The names are those of the modules, without their prefix.
  type: dict
  returned: success
  contains:
    conn_info:
      description: It can tell of connections, see RV(protocols) for which.
      type: bool
    conn_close:
      description: It can close connections.
      type: bool
    memory_free:
      description: It can give memory back.
      type: bool
    instance_clean:
      description: It can clean an instance.
      type: bool
    instance_batch_clean:
      description: It can clean all soft-deleted instances. From v1.13.0 on.
      type: bool
    heartbeat_info:
      description: It can tell of heartbeats.
      type: bool
    log_level:
      description: It can change log levels.
      type: bool
    leader_info:
      description: It can tell who leads. From v1.14.0 on.
      type: bool
    leader_release:
      description: It can give up a leadership. From v1.14.0 on.
      type: bool
    cmdb_info:
      description: It can tell where hosts are. From v1.14.0 on.
      type: bool
    client_info:
      description: It can tell which clients report themselves. From v1.16.0 on.
      type: bool
    pprof:
      description: Profiles can be switched on and off while it runs. In no release up to v1.18.1.
      type: bool
    server_functions:
      description: It can list the functions that its access policies know. In no release up to v1.18.1.
      type: bool
    metrics:
      description: It shows metrics (C(/metrics)).
      type: bool
    profile:
      description: Profiles are switched on, so that M(polarismesh.maintenance.polaris_profile) can save one.
      type: bool
  sample: {conn_info: true, conn_close: true, pprof: false}
own_host:
  description:
    - The address under which the node knows itself, in RV(nodes) and as a leader.
    - V(null) where that cannot be told, for instance behind a load balancer.
  type: str
  returned: success
  sample: 10.0.0.1
nodes:
  description: The nodes of the cluster as they registered themselves, one for each address, sorted.
  type: list
  elements: dict
  returned: success
  contains:
    host:
      description: The address. A default installation registers itself as 127.0.0.1.
      type: str
      sample: 10.0.0.1
    port:
      description: The port that is registered, mostly that of gRPC.
      type: int
      sample: 8091
    url:
      description:
        - The URL of its HTTP API, by guess. Servers do not register their HTTP port; it is taken to be that of O(url).
        - For a node that registered itself as 127.0.0.1, O(url) itself.
      type: str
      sample: http://10.0.0.1:8090
    version:
      description: Its version.
      type: str
      sample: v1.18.1
    healthy:
      description: Whether it sends heartbeats.
      type: bool
      sample: true
    isolated:
      description: Whether it is isolated.
      type: bool
      sample: false
    metadata:
      description: Its metadata.
      type: dict
      sample: {build-revision: v1.18.1.20240101.000000, polaris_service: polaris.checker}
auth:
  description:
    - Which authentication is switched on, by the names of polaris-server.yaml.
    - Servers up to v1.17.1 only have C(auth).
  type: dict
  returned: success
  sample: {auth: true, clientOpen: false, consoleOpen: true}
protocols:
  description: The protocols whose connections the server counts, and only those can be read and closed.
  type: list
  elements: str
  returned: success
  sample: [grpc, http]
error:
  description: What failed. C(error.kind) is one of the kinds listed in the README.
  type: dict
  returned: failure
  sample: {kind: unreachable, status: null, code: null, info: null, method: GET, path: /}
"""

import re
import typing as t

from ansible_collections.polarismesh.maintenance.plugins.module_utils._addresses import DEFAULT_HOST, sibling_url
from ansible_collections.polarismesh.maintenance.plugins.module_utils._advice import COUNTED_BY
from ansible_collections.polarismesh.maintenance.plugins.module_utils._api import (
    account,
    connections,
    memory,
    profiles,
    routes,
    server,
)
from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import Client
from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import PolarisError
from ansible_collections.polarismesh.maintenance.plugins.module_utils._model import Instance
from ansible_collections.polarismesh.maintenance.plugins.module_utils._options import PARALLEL, Params, spec
from ansible_collections.polarismesh.maintenance.plugins.module_utils._runner import Result, run_module

Features = t.Dict[str, t.Optional[bool]]
Answer = t.TypeVar("Answer")

SPEC = spec(dict(PARALLEL))

#: What every release from v1.13.0 to v1.18.1 calls itself: its build.sh sets the version in a package that has moved,
#: so that the default of polaris v1.18.1 version/version.go stays.
BUILT_WITHOUT = "v0.1.0"


def version_key(version: t.Optional[str]) -> t.Optional[t.Tuple[int, ...]]:
    """v1.19.0-alpha.0 -> (1, 19, 0); None for what is no such version."""
    match = re.match(r"^v?(\d+)\.(\d+)\.(\d+)", version or "")
    return tuple(int(number) for number in match.groups()) if match else None


def oldest_version(
    features: Features, switches: t.Optional[t.Mapping[str, bool]], shown: t.Optional[str] = None
) -> str:
    """The oldest release that has these features, these switches of authentication, and these metrics."""
    evidence = ["v1.8.0"]
    evidence += [server.FEATURES[name].since for name, there in features.items() if there and name in server.FEATURES]
    if switches and "consoleOpen" in switches:
        evidence.append(account.CONSOLE_SWITCH_SINCE)
    if shown and "go_memory_classes_" in shown:
        evidence.append(memory.RUNTIME_METRICS_SINCE)
    return max(evidence, key=lambda version: version_key(version) or ())


def version_of(nodes: t.Sequence[Instance], own: t.Optional[str]) -> t.Optional[str]:
    """The version of one server: of its own entry, or else the one that all entries share."""
    versions = {node.version for node in nodes if own is None or node.host == own}
    return versions.pop() if len(versions) == 1 else None


def credible(version: str, oldest: str) -> bool:
    """Whether a version can be right, by what the server can do."""
    key, least = version_key(version), version_key(oldest)
    return key is None or least is None or key >= least


def node_list(nodes: t.Sequence[Instance], url: str, own: t.Optional[str]) -> t.List[Result]:
    """One entry for each address. A node that registered its HTTP port as well is known by that."""
    http_ports = {node.host: node.port for node in nodes if node.protocol == "http"}
    listed: t.Dict[str, Result] = {}
    for node in nodes:
        if node.host in listed or (
            node.protocol == "http" and any(other.host == node.host and other.protocol != "http" for other in nodes)
        ):
            continue
        listed[node.host] = {
            "host": node.host,
            "port": node.port,
            "url": url if node.host in (own, DEFAULT_HOST) else sibling_url(url, node.host, http_ports.get(node.host)),
            "version": node.version,
            "healthy": node.healthy,
            "isolated": node.isolated,
            "metadata": node.metadata,
        }
    return list(listed.values())


class Reader:
    """Reads what it may, and keeps a warning about what it may not."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.warnings: t.List[str] = []

    def read(self, what: str, call: t.Callable[[], Answer]) -> t.Optional[Answer]:
        try:
            return call()
        except PolarisError as error:
            self.warnings.append(f"{what} could not be read: {error.msg}")
            return None


def run(client: Client, params: Params, check_mode: bool) -> Result:
    switches = account.switches(client)
    if not routes.is_polaris(client) and switches is None:
        nothing = ("version", "oldest_version", "features", "own_host", "nodes", "auth", "protocols")
        return {"changed": False, "is_polaris": False, **dict.fromkeys(nothing)}
    reader = Reader(client)
    if switches is None:
        reader.warnings.append(
            f"The switches of authentication could not be read: {client.url} has its console API switched off "
            f"(api.console.enable under the api-http apiserver)."
        )
    shown = reader.read("The metrics", lambda: memory.metrics(client))
    features = reader.read("What the server can do", lambda: look(client))
    if features is not None:
        features["metrics"] = shown is not None
    nodes = reader.read("The nodes of the cluster", lambda: server.nodes(client))
    own = server.own_address(client, shown, [node.host for node in nodes or ()])
    oldest = oldest_version(features or {}, switches, shown)
    version = version_of(nodes or (), own)
    if version is not None and not credible(version, oldest):
        if version != BUILT_WITHOUT:
            reader.warnings.append(
                f"{client.url} registered itself as {version}, but can do what came with {oldest}: that version is "
                f"wrong."
            )
        version = None
    return {
        "changed": False,
        "is_polaris": True,
        "version": version,
        "oldest_version": oldest,
        "features": features,
        "own_host": own,
        "nodes": None if nodes is None else node_list(nodes, client.url, own),
        "auth": switches,
        "protocols": reader.read("The protocols that are counted", lambda: counted(client)),
        "warnings": reader.warnings,
    }


def look(client: Client) -> Features:
    """Which features the server has."""
    names = list(server.FEATURES)
    found: t.Dict[str, t.Optional[bool]] = dict.fromkeys(names)
    for index, answer in client.each(lambda name: routes.has_route(client, server.FEATURES[name]), names):
        if isinstance(answer, PolarisError):
            raise answer
        found[names[index]] = answer
    found["profile"] = profiles.enabled(client)
    return found


def counted(client: Client) -> t.List[str]:
    """The protocols whose connections the server counts."""
    names = list(COUNTED_BY)
    found = []
    # Asked for one host only, the answer is short however many connections there are.
    for index, answer in client.each(lambda name: connections.stats(client, name, DEFAULT_HOST), names):
        if isinstance(answer, PolarisError):
            raise answer
        if answer is not None:
            found.append(names[index])
    return sorted(found)


def main() -> None:
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
