#!/usr/bin/python
# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: polaris_server_info
short_description: Read the version, features and state of a Polaris server
version_added: 1.0.0
description:
  - Reads whether a URL is that of a Polaris server, its version or the oldest version that it can have, which calls of
    the maintenance API it has, the nodes of its cluster, which authentication is switched on, and the protocols whose
    connections it counts.
  - With O(gather), the task also reads the state of the node, so that one task reads everything about it.
  - To find out which calls the server has, its routes are checked, without running any of them.
  - Values that could not be read, for example because the account may not read them, are V(null), and RV(not_read)
    lists them.
extends_documentation_fragment:
  - polarismesh.maintenance.connection
  - polarismesh.maintenance.connection.parallel
  - polarismesh.maintenance.attributes
  - polarismesh.maintenance.attributes.info_module
options:
  gather:
    description:
      - What else to read, each into the key of this name. V(all) means all of them.
    type: list
    elements: str
    choices: [levels, connections, memory, leaders, functions, all]
    default: []
  probe_defaults:
    description:
      - Whether to test if the server accepts the published password or the published token of the default account, or
        requests without a valid token. The result is in RV(lets_in).
      - These are three attempts, one of them a login, which may appear in the log of the server. None of them uses the
        account of this task.
    type: bool
    default: false
  nodes_share:
    description:
      - The share of this task in reading the list of the cluster's nodes, for a play that reads every node of a large
        cluster. V(3/200) is the third of 200 tasks.
      - Each task returns the addresses of some nodes, in RV(node_addresses), so that all tasks together know all nodes,
        and RV(nodes) is V(null). If there are too few tasks for that, each reads the whole list.
      - Without this option, each task reads the whole list. In a cluster of 200 nodes, that takes up to 20 requests per
        task, and each result contains 200 nodes in full.
    type: str
seealso:
  - module: polarismesh.maintenance.polaris_log_level_info
  - module: polarismesh.maintenance.polaris_conn_info
  - module: polarismesh.maintenance.polaris_memory_info
  - module: polarismesh.maintenance.polaris_leader_info
  - plugin: polarismesh.maintenance.polaris
    plugin_type: inventory
    description: Makes the nodes inventory hosts.
author:
  - PolarisMesh Maintenance contributors (@polarismesh)
"""

EXAMPLES = r"""
- name: Read what the server is and can do
  polarismesh.maintenance.polaris_server_info:
    url: http://127.0.0.1:8090
    token: "{{ polaris_token }}"
  register: server

- name: Stop here if it is not a Polaris server
  ansible.builtin.assert:
    that: server.is_polaris

- name: Read everything about the node
  polarismesh.maintenance.polaris_server_info:
    url: http://127.0.0.1:8090
    token: "{{ polaris_token }}"
    gather: [all]
  register: node

- name: Show what could not be read
  ansible.builtin.debug:
    msg: "{{ node.not_read | map(attribute='msg') }}"
"""

RETURN = r"""
url:
  description: The server.
  type: str
  returned: always
  sample: http://127.0.0.1:8090
is_polaris:
  description: Whether this is a Polaris server. If not, all other values are V(null).
  type: bool
  returned: success
  sample: true
version:
  description:
    - The version with which the node registered itself, or the version that all nodes of the cluster have.
    - V(null) if the version is unknown or cannot be right. The released servers from v1.13.0 to v1.18.1 call themselves
      v0.1.0; use RV(oldest_version) for them.
  type: str
  returned: success
  sample: v1.18.1
oldest_version:
  description: The oldest version that has everything that was found.
  type: str
  returned: success
  sample: v1.17.2
features:
  description:
    - Whether the server has each feature. V(null) if this is unknown.
    - The names are those of the modules, without their prefix.
  type: dict
  returned: success
  contains:
    conn_info:
      description: It can list the connections of RV(protocols).
      type: bool
    conn_close:
      description: It can close connections.
      type: bool
    memory_free:
      description: It can return memory to the operating system.
      type: bool
    instance_clean:
      description: It can clean an instance.
      type: bool
    instance_batch_clean:
      description: It can clean all soft-deleted instances. From v1.13.0 on.
      type: bool
    heartbeat_info:
      description: It can list heartbeats.
      type: bool
    log_level:
      description: It can change log levels.
      type: bool
    leader_info:
      description: It can list leaders. From v1.14.0 on.
      type: bool
    leader_release:
      description: It can release a leadership. From v1.14.0 on.
      type: bool
    cmdb_info:
      description: It can list the locations of hosts. From v1.14.0 on.
      type: bool
    client_info:
      description: It can list the clients that report themselves. From v1.16.0 on.
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
      description:
        - Profiles are switched on, so that M(polarismesh.maintenance.polaris_profile) can save one. V(null) if a proxy
          in front of the server answers instead.
      type: bool
  sample: {conn_info: true, conn_close: true, pprof: false}
own_host:
  description:
    - The node's own address, as known to that node. RV(nodes) and RV(leaders) use it.
    - V(null) if this is unknown, for example behind a load balancer.
  type: str
  returned: success
  sample: 10.0.0.1
nodes:
  description:
    - The nodes of the cluster as they registered themselves, one for each address, sorted.
    - V(null) if they are unknown, and with O(nodes_share).
  type: list
  elements: dict
  returned: success
  contains:
    host:
      description: The address. A default installation registers itself as 127.0.0.1.
      type: str
      sample: 10.0.0.1
    port:
      description: The registered port, usually that of gRPC.
      type: int
      sample: 8091
    url:
      description:
        - The presumed URL of its HTTP API. Most nodes do not register their HTTP port; that of O(url) is then assumed.
        - For a node that registered itself as 127.0.0.1, O(url) itself.
      type: str
      sample: http://10.0.0.1:8090
    version:
      description: Its version.
      type: str
      sample: v1.18.1
    healthy:
      description: Whether the cluster receives its heartbeats.
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
node_addresses:
  description: The addresses of the nodes that this task has read, with ports, sorted. V(null) if they are unknown.
  type: list
  elements: str
  returned: success, if O(nodes_share)
  sample: ["10.0.0.1:8091", "10.0.0.2:8091"]
node_count:
  description:
    - The number of addresses in the whole list. V(null) if it is unknown.
    - If all tasks together have fewer addresses, the list is incomplete, usually because tasks failed.
  type: int
  returned: success, if O(nodes_share)
  sample: 2
auth:
  description:
    - Which authentication is switched on, by the names of polaris-server.yaml.
    - Servers up to v1.17.1 only have C(auth).
  type: dict
  returned: success
  sample: {auth: true, clientOpen: false, consoleOpen: true}
protocols:
  description: The protocols whose connections the server counts. Only these connections can be read and closed.
  type: list
  elements: str
  returned: success
  sample: [grpc, http]
levels:
  description: The log levels, as RV(polarismesh.maintenance.polaris_log_level_info#module:levels).
  type: dict
  returned: success, if O(gather) has it
  sample: {naming: info}
connections:
  description:
    - The connections by protocol, each with the keys V(protocol), V(limit_enabled), V(total), V(listener_total),
      V(hosts) and V(stats) that M(polarismesh.maintenance.polaris_conn_info) returns.
    - V(null) for a protocol that the server does not count.
    - V(http) includes the connections of this task itself, whose number is RV(own_connections).
  type: dict
  returned: success, if O(gather) has it
  sample: {grpc: {protocol: grpc, limit_enabled: true, total: 0, listener_total: 0, hosts: {}, stats: []}, http: null}
own_connections:
  description:
    - How many of the C(http) connections in RV(connections) belong to this task itself.
    - V(null) if the server does not count C(http), or lists none of these connections under their own address, as
      behind a proxy or address translation.
  type: int
  returned: success, if O(gather) has V(connections)
  sample: 5
memory:
  description: The memory figures, as RV(polarismesh.maintenance.polaris_memory_info#module:memory).
  type: dict
  returned: success, if O(gather) has it
  sample: null
leaders:
  description:
    - The leaders, as RV(polarismesh.maintenance.polaris_leader_info#module:leaders).
    - V(null) if the server does not have that call (up to v1.13).
  type: list
  elements: dict
  returned: success, if O(gather) has it
  sample: []
functions:
  description:
    - The functions that access policies can allow, by group.
    - V(null) if the server does not have that call (all releases up to v1.18.1).
  type: dict
  returned: success, if O(gather) has it
  sample: {Client: [DiscoverInstances, RegisterInstance]}
lets_in:
  description:
    - Whether the server accepts each of these. V(null) if this is unknown.
    - The whole value is V(null) without O(probe_defaults).
  type: dict
  returned: success
  contains:
    anyone:
      description: Requests without a valid token.
      type: bool
    default_token:
      description: The published token of the default account. V(null) if requests without a valid token are accepted,
        because then the token proves nothing.
      type: bool
    default_password:
      description: A login with the published password of the default account.
      type: bool
  sample: {anyone: false, default_token: false, default_password: true}
not_read:
  description: What could not be read. This does not include values that this server does not have.
  type: list
  elements: dict
  returned: success
  contains:
    what:
      description:
        - V(levels), V(connections), V(memory), V(leaders), V(functions), V(metrics), V(features) or V(nodes).
        - With V(connections), RV(protocols) is V(null) as well.
      type: str
      sample: levels
    kind:
      description: The kind of the error.
      type: str
      sample: permission
    msg:
      description: The error.
      type: str
      sample: the account may not do that.
error:
  description: What failed. The notes describe its keys and kinds.
  type: dict
  returned: failure
  sample: {kind: unreachable, status: null, code: null, info: null, method: GET, path: /}
"""

import re
import typing as t
from dataclasses import asdict
from functools import partial

from ansible_collections.polarismesh.maintenance.plugins.module_utils._addresses import (
    DEFAULT_HOST,
    bracketed,
    sibling_url,
)
from ansible_collections.polarismesh.maintenance.plugins.module_utils._advice import COUNTED_BY
from ansible_collections.polarismesh.maintenance.plugins.module_utils._api import (
    account,
    connections,
    elections,
    log_levels,
    memory,
    profiles,
    routes,
    server,
)
from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import Client
from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import PolarisError, shorten
from ansible_collections.polarismesh.maintenance.plugins.module_utils._model import ConnStats, Instance, Listing
from ansible_collections.polarismesh.maintenance.plugins.module_utils._options import PARALLEL, Params, spec
from ansible_collections.polarismesh.maintenance.plugins.module_utils._runner import Result, run_module

Features = t.Dict[str, t.Optional[bool]]

#: The values of ``gather`` except ``all``, which are also keys of the result.
PARTS = ("levels", "connections", "memory", "leaders", "functions")
#: Those that not all releases have.
LATER_PARTS = ("leaders", "functions")
#: What is read -> the feature that the server has if this succeeds.
SHOWN_BY = {
    "connections": "conn_info",
    "levels": "log_level",
    "leaders": "leader_info",
    "functions": "server_functions",
}

SPEC = spec(
    {
        "gather": {"type": "list", "elements": "str", "choices": [*PARTS, "all"], "default": []},
        "probe_defaults": {"type": "bool", "default": False},
        "nodes_share": {"type": "str"},
        **PARALLEL,
    }
)

#: The version that every release from v1.13.0 to v1.18.1 reports: its build.sh sets the version in a package that has
#: moved, so the default in polaris v1.18.1 version/version.go stays.
BUILT_WITHOUT = "v0.1.0"


# --- decisions -------------------------------------------------------------------------------------------------------


def version_key(version: t.Optional[str]) -> t.Optional[t.Tuple[int, ...]]:
    """v1.19.0-alpha.0 -> (1, 19, 0); None for anything else."""
    match = re.match(r"^v?(\d+)\.(\d+)\.(\d+)", version or "")
    return tuple(int(number) for number in match.groups()) if match else None


def oldest_version(
    features: Features, switches: t.Optional[t.Mapping[str, bool]], shown: t.Optional[str] = None
) -> str:
    """The oldest release that has these features, these authentication switches, and these metrics."""
    evidence = ["v1.8.0"]
    evidence += [server.FEATURES[name].since for name, there in features.items() if there and name in server.FEATURES]
    if switches and "consoleOpen" in switches:
        evidence.append(account.CONSOLE_SWITCH_SINCE)
    if shown and "go_memory_classes_" in shown:
        evidence.append(memory.RUNTIME_METRICS_SINCE)
    return max(evidence, key=lambda version: version_key(version) or ())


def version_of(nodes: t.Sequence[Instance], own: t.Optional[str]) -> t.Optional[str]:
    """The version of one server: from its own entry, or else the version that all entries share."""
    versions = {node.version for node in nodes if own is None or node.host == own}
    return versions.pop() if len(versions) == 1 else None


def credible(version: str, oldest: str) -> bool:
    """Whether a version can be right, judged by what the server can do."""
    key, least = version_key(version), version_key(oldest)
    return key is None or least is None or key >= least


def node_list(nodes: t.Sequence[Instance], url: str, own: t.Optional[str]) -> t.List[Result]:
    """One entry for each address. If a node registered its HTTP port as well, its URL has that port."""
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


def wanted_parts(gather: t.Sequence[str]) -> t.List[str]:
    """The parts that a task asks for, in the order of PARTS."""
    return [part for part in PARTS if part in gather or "all" in gather]


def share(text: t.Optional[str]) -> t.Optional[t.Tuple[int, int]]:
    """3/200 -> (3, 200). Raises a ``refused`` error."""
    if text is None:
        return None
    match = re.match(r"^([0-9]{1,9})/([0-9]{1,9})$", text)
    number, tasks = map(int, match.groups()) if match else (0, 0)
    if not 1 <= number <= tasks:
        raise PolarisError(
            "refused",
            f"nodes_share must be the number of this task and the number of all tasks, such as 3/200; "
            f"got {shorten(text)!r}.",
        )
    return number, tasks


def own_connections(
    stats: t.Optional[t.Mapping[str, t.Optional[ConnStats]]], own: t.AbstractSet[str]
) -> t.Optional[int]:
    """How many of the listed connections over http are ours; None if none is: their addresses may be translated.

    :param own: our ends of them.
    """
    listed = (stats or {}).get("http")
    return (listed and sum(address in own for entry in listed.hosts for address in entry.actives)) or None


class Answers:
    """The answers of one server to many questions, and what could not be read.

    A question is a tuple of its subject and, if there are several about one subject, a name.
    """

    def __init__(self, answers: t.Mapping[t.Tuple[str, ...], t.Any]) -> None:
        self._answers = answers
        self.warnings: t.List[str] = []
        self.not_read: t.List[t.Dict[str, str]] = []

    def of(self, what: str, sentence: str = "") -> t.Optional[t.Dict[str, t.Any]]:
        """The answers about a subject, by name (or subject); None if one of them failed.

        :param sentence: the subject of a warning after a failure: "... could not be read".
        """
        found = {key[-1]: answer for key, answer in self._answers.items() if key[0] == what}
        error = next((answer for answer in found.values() if isinstance(answer, PolarisError)), None)
        if error is None:
            return found
        if error.kind != "unsupported" or what not in LATER_PARTS:
            self.not_read.append({"what": what, "kind": error.kind, "msg": error.msg})
        if sentence:
            self.warnings.append(f"{sentence} could not be read: {error.msg}")
        return None

    def one(self, what: str, sentence: str = "") -> t.Any:
        """The only answer about a subject."""
        found = self.of(what, sentence)
        return None if found is None else found[what]


# --- the task --------------------------------------------------------------------------------------------------------


def ask(
    client: Client, parts: t.Sequence[str], probe_defaults: bool, nodes_share: t.Optional[t.Tuple[int, int]]
) -> Answers:
    """Read everything about a node, in parallel. A question that fails does not stop the others."""
    questions: t.Dict[t.Tuple[str, ...], t.Callable[[], t.Any]] = {
        ("metrics",): partial(memory.metrics, client),
        ("nodes",): partial(server.node_listing, client, nodes_share),
        ("features", "profile"): partial(profiles.offered, client),
    }
    # If only the protocols are wanted, ask about one host: the answer is short even if there are many connections.
    host = None if "connections" in parts else DEFAULT_HOST
    for protocol in COUNTED_BY:
        questions["connections", protocol] = partial(connections.stats, client, protocol, host)
    readers = {"levels": log_levels.read, "leaders": elections.leaders, "functions": server.functions}
    questions.update({(part,): partial(readers[part], client) for part in parts if part in readers})
    checks = {name: partial(routes.has_route, client, route) for name, route in server.FEATURES.items()}
    # A call that succeeds anyway needs no check of its route.
    shown_by = {SHOWN_BY[key[0]]: key for key in questions if key[0] in SHOWN_BY}
    questions.update({("features", name): check for name, check in checks.items() if name not in shown_by})

    if probe_defaults:
        questions.update({("lets_in", who): partial(account.lets_in, client, who) for who in account.PROBES})

    def attempt(question: t.Callable[[], t.Any]) -> t.Any:
        try:
            return question()
        except PolarisError as error:
            return error

    keys = list(questions)
    answers = {keys[index]: answer for index, answer in client.each(attempt, list(questions.values()))}
    for name, key in shown_by.items():
        answers["features", name] = attempt(checks[name]) if isinstance(answers[key], PolarisError) else True
    # The metrics contain these figures. The server is asked again only if it has no metrics.
    if "memory" in parts:
        shown = answers["metrics",]
        answers["memory",] = shown if isinstance(shown, PolarisError) else attempt(partial(memory.read, client, shown))
    listed = answers["nodes",]
    if isinstance(listed, Listing) and not listed.complete:
        shown = None if isinstance(answers["metrics",], PolarisError) else answers["metrics",]
        answers["nodes",] = attempt(partial(server.with_own_entry, client, listed, shown))
    return Answers(answers)


def gathered(
    answers: Answers, parts: t.Sequence[str], stats: t.Optional[t.Mapping[str, t.Any]], own: t.AbstractSet[str]
) -> Result:
    """The parts of a result, each as the module of that name returns it.

    :param own: our ends of all connections to this server.
    """
    forms: t.Dict[str, t.Callable[[t.Any], t.Any]] = {
        "memory": lambda figures: figures.as_dict(),
        "leaders": lambda leaders: [asdict(leader) for leader in leaders],
    }
    result: Result = {}
    for part in parts:
        if part == "connections":
            found = stats and {name: entry and entry.as_dict() for name, entry in stats.items()}
            result["own_connections"] = own_connections(stats, own)
        else:
            found = answers.one(part)
            found = found if found is None or part not in forms else forms[part](found)
        result[part] = found
    return result


def let_in(found: t.Mapping[str, t.Optional[bool]]) -> t.Optional[Result]:
    """The value of ``lets_in``; None if nothing was probed."""
    if not found:
        return None
    # If the server accepts any token, the result for the published one proves nothing.
    return {**found, "default_token": None if found["anyone"] else found["default_token"]}


def run(client: Client, params: Params, check_mode: bool) -> Result:
    parts = wanted_parts(params["gather"])
    nodes_share = share(params.get("nodes_share"))
    switches = account.switches(client)
    if not routes.is_polaris(client) and switches is None:
        nothing = ["version", "oldest_version", "features", "own_host", "nodes", "auth", "protocols", "lets_in", *parts]
        nothing += ["node_addresses", "node_count"] if nodes_share else []
        nothing += ["own_connections"] if "connections" in parts else []
        return {"changed": False, "is_polaris": False, **dict.fromkeys(nothing), "not_read": []}
    answers = ask(client, parts, params["probe_defaults"], nodes_share)
    warnings = answers.warnings
    if switches is None:
        warnings.append(
            f"The authentication switches could not be read: {client.url} has its console API switched off "
            f"(api.console.enable under the api-http apiserver)."
        )
    shown = answers.one("metrics", "The metrics")
    features: t.Optional[Features] = answers.of("features", "What the server can do")
    if features is not None:
        features["metrics"] = shown is not None
    listing: t.Optional[Listing] = answers.one("nodes", "The nodes of the cluster")
    nodes = listing.instances if listing else ()
    own = server.own_address(client, shown, [node.host for node in nodes])
    oldest = oldest_version(features or {}, switches, shown)
    version = version_of(nodes, own) if own or (listing and listing.complete) else None
    if version is not None and not credible(version, oldest):
        if version != BUILT_WITHOUT:
            warnings.append(
                f"{client.url} registered itself as {version}, but has features that came with {oldest}: that version "
                f"is wrong."
            )
        version = None
    stats = answers.of("connections", "The protocols that are counted")
    of_nodes: Result = {"nodes": node_list(nodes, client.url, own) if listing else None}
    if nodes_share:
        addresses = [f"{bracketed(node.host)}:{node.port}" for node in nodes] if listing else None
        of_nodes = {"nodes": None, "node_addresses": addresses, "node_count": listing.amount if listing else None}
    return {
        "changed": False,
        "is_polaris": True,
        "version": version,
        "oldest_version": oldest,
        "features": features,
        "own_host": own,
        **of_nodes,
        "auth": switches,
        "protocols": None if stats is None else sorted(name for name, entry in stats.items() if entry is not None),
        "lets_in": let_in(answers.of("lets_in") or {}),
        **gathered(answers, parts, stats, client.own_addresses),
        "not_read": answers.not_read,
        "warnings": warnings,
    }


def main() -> None:
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
