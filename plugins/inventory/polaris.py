# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: polaris
short_description: The nodes of a Polaris cluster, or the instances of any services registered there, as hosts
version_added: 1.0.0
author:
  - PolarisMesh Maintenance contributors (@polarismesh)
description:
  - Asks one Polaris server which nodes its cluster has, or which instances are registered for some services, and makes
    them hosts of the inventory.
  - Its configuration is a file whose name ends in C(polaris.yml) or C(polaris.yaml). For several clusters, write one
    file for each, all in one directory or each given with C(-i).
  - A server node is named by its address and is in the group C(polaris_servers). It is one host, no matter how many of
    its ports are registered.
  - An instance of another service is named by its address if no other host of this file has that address, else
    C(address_port), else C(address_port_service), else the same with a part of the digest of its id. It is in a group
    with the name of its service, in which everything but letters, digits and underscores becomes an underscore.
  - If a different instance from another file has the same name, the name gets the prefix O(cluster) and an underscore,
    with a warning.
  - In host names, the colons of an IPv6 address become hyphens. C(ansible_host) is the address itself.
  - A server node that registered a loopback address, as default installations do, gets the host of O(url) as its
    address, with a warning. If that host is also a loopback address, only V(127.0.0.1), V(::1), V(localhost),
    V(0.0.0.0) and V(::) are replaced.
  - An instance of another service that registered such an address is left out, with a warning, because its machine is
    unknown. Otherwise a play for its group would run on the Polaris server.
  - Values from the registry are never evaluated as templates. An instance whose address is neither an IP address
    nor a host name is left out, with a warning.
  - The variables of a server node are C(ansible_host), C(polaris_url) (its HTTP API, which the playbooks of this
    collection use), C(polaris_cluster), and its registered properties C(polaris_id), C(polaris_service),
    C(polaris_namespace), C(polaris_vpc_id), C(polaris_port), C(polaris_protocol), C(polaris_version),
    C(polaris_weight), C(polaris_priority), C(polaris_healthy), C(polaris_isolated), C(polaris_location) and
    C(polaris_metadata). An instance of another service has the same variables except C(polaris_url).
  - Servers from v1.13.0 to v1.18.1 may register V(v0.1.0) as their version, if the build did not set it.
extends_documentation_fragment:
  - polarismesh.maintenance.connection
  - polarismesh.maintenance.connection.plugin
  - polarismesh.maintenance.connection.parallel
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
options:
  plugin:
    description: Marks the file as a configuration of this plugin.
    type: str
    required: true
    choices: [polarismesh.maintenance.polaris]
  namespace:
    description: The namespace of the services.
    type: str
    default: Polaris
  service:
    description:
      - The services whose instances become hosts.
      - The instances of V(polaris.checker), in the namespace V(Polaris), are the server nodes themselves.
    type: list
    elements: str
    default: [polaris.checker]
  http_port:
    description:
      - The port of the HTTP API of all server nodes, for C(polaris_url).
      - The registry does not contain it, unless C(api-http) is among the protocols that a node registers. Without this
        option, the port registered for C(api-http) is used, else the port of O(url).
    type: int
  cluster:
    description:
      - The value of the variable C(polaris_cluster), of letters, digits, hyphens, underscores and dots.
      - Without this option, it is the host of O(url).
    type: str
  filters:
    description:
      - Which instances become hosts. The first condition that is true decides. If none is true, the instance is
        included.
      - A condition can use the variables of the host, and must result in V(true) or V(false). If it fails, for example
        because a variable is not defined, the inventory fails, regardless of O(strict).
      - Do not rely on C(polaris_healthy) of server nodes. With C(heartbeatMemory), the health checker of the shipped
        configuration, each node of a cluster knows only its own heartbeats, so a healthy node may be marked unhealthy.
    type: list
    elements: dict
    default: []
    suboptions:
      include:
        description: If this condition is true, the instance is included.
        type: raw
      exclude:
        description: If this condition is true, the instance is left out.
        type: raw
notes:
  - O(url), O(token), O(username), O(password), O(owner) and O(cluster) may be templates. They can use extra variables
    (C(-e)), but no others, because these are not loaded yet.
  - O(token) and O(password) may be encrypted with vault (C(!vault)), and so may the whole file (C(ansible-vault
    encrypt)).
  - Do not give O(url) as the extra variable C(polaris_url), which would be the URL of all hosts in a playbook.
  - The cache contains the data of the registry, so changes to O(filters), O(compose), O(groups) and O(keyed_groups)
    take effect immediately. It never contains a token.
  - C(ansible_connection) is not set, so tasks run on the hosts over SSH. To run the tasks of this collection on the
    controller and reach the nodes over HTTP, which is many times faster, set it with O(compose), as in the first
    example. But then B(every) task for these hosts runs on the controller, including C(ansible -m reboot).
seealso:
  - module: polarismesh.maintenance.polaris_server_info
"""

EXAMPLES = r"""
# polaris.yml: all nodes of a cluster. The token is in the environment, as POLARIS_TOKEN.
plugin: polarismesh.maintenance.polaris
url: http://127.0.0.1:8090
compose:
  ansible_connection: "'local'"

# eu.polaris.yml: one of several clusters, grouped by cluster, version and zone.
# Run playbooks for one of them with: -e target=cluster_eu
# plugin: polarismesh.maintenance.polaris
# url: https://polaris-eu.example.com:8090
# ca_path: /etc/pki/polaris-ca.pem
# token: "{{ lookup('ansible.builtin.file', '~/.polaris/eu.token') }}"
# cluster: eu
# keyed_groups:
#   - {key: polaris_cluster, prefix: cluster}
#   - {key: polaris_version, prefix: version}
#   - {key: polaris_location.zone | default(''), prefix: zone}
# compose:
#   # The playbooks take their options from host variables, not from this file.
#   polaris_ca_path: "'/etc/pki/polaris-ca.pem'"
# cache: true
# cache_plugin: ansible.builtin.jsonfile
# cache_connection: ~/.cache/polaris-inventory
# cache_timeout: 300

# orders.polaris.yml: the instances of two services, without those that are isolated or not healthy.
# plugin: polarismesh.maintenance.polaris
# url: http://127.0.0.1:8090
# namespace: production
# service: [orders, payments]
# filters:
#   - exclude: polaris_isolated
#   - include: polaris_healthy
#   - exclude: true
# groups:
#   canary: polaris_metadata.stage | default('') == 'canary'
"""

import contextlib
import functools
import hashlib
import ipaddress
import json
import os
import re
import typing as t
from collections import Counter
from dataclasses import dataclass, field, fields
from urllib.parse import urlsplit

from ansible.errors import AnsibleError, AnsibleParserError
from ansible.module_utils.basic import missing_required_lib
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible.utils.vars import combine_vars

from ansible_collections.polarismesh.maintenance.plugins.module_utils._addresses import (
    PLACEHOLDERS,
    address_order,
    is_loopback,
    normalized_url,
    sibling_url,
)
from ansible_collections.polarismesh.maintenance.plugins.module_utils._api import instances
from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import HAS_REQUESTS, Client
from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import PolarisError, shorten
from ansible_collections.polarismesh.maintenance.plugins.module_utils._model import Instance
from ansible_collections.polarismesh.maintenance.plugins.module_utils._options import ACCOUNT, COMMON, Params
from ansible_collections.polarismesh.maintenance.plugins.module_utils._runner import connected, secrets_in
from ansible_collections.polarismesh.maintenance.plugins.module_utils._secrets import Scrubber
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._host_variables import completed, is_given


def _unmarked(value: str) -> str:
    return value


# How to mark harmless text, and text that could be evaluated.
_MARKS: t.Tuple[t.Callable[[str], t.Any], t.Callable[[str], t.Any]]
try:
    # Text is used literally unless it is marked as a template.
    from ansible.template import trust_as_template
except ImportError:
    # Up to ansible-core 2.18, text is a template unless it is marked as unsafe.
    from ansible.utils.unsafe_proxy import wrap_var

    _MARKS = (_unmarked, wrap_var)
else:
    _MARKS = (trust_as_template, _unmarked)

SERVERS_GROUP = "polaris_servers"
NODES = "polaris.checker"

_HOST_NAME = re.compile(r"^[0-9A-Za-z]([0-9A-Za-z._-]*[0-9A-Za-z])?\Z")
_CLUSTER = re.compile(r"^[0-9A-Za-z][0-9A-Za-z._-]*\Z")
_ODD = re.compile(r"[^0-9A-Za-z._-]")
# Text that cannot contain a template, nor an expression that has any effect.
_HARMLESS = re.compile(r"^[\w .:/@+,=-]*\Z")

_SETTINGS = (*(row.name for row in COMMON if row.name not in (*ACCOUNT, "url")), "parallel")

Variables = t.Dict[str, t.Any]
Entry = t.Dict[str, t.Any]

#: The format of a cached entry: the parts of an instance.
FORMAT = sorted(part.name for part in fields(Instance))


@dataclass
class Host:
    """A future host: the instance, its address, variables and name."""

    instance: Instance
    address: str
    variables: Variables
    name: str = ""

    @property
    def is_node(self) -> bool:
        return self.instance.service == NODES


@dataclass
class Found:
    """The hosts for the instances of a registry, and the instances with problems.

    :param loopback: server nodes whose loopback address was replaced.
    :param unknown: instances left out because of a loopback address.
    :param unusable: instances left out because of an invalid address.
    """

    hosts: t.List[Host] = field(default_factory=list)
    loopback: t.List[Instance] = field(default_factory=list)
    unknown: t.List[Instance] = field(default_factory=list)
    unusable: t.List[Instance] = field(default_factory=list)


# --- decisions -------------------------------------------------------------------------------------------------------


def hosts_of(found_instances: t.Iterable[Instance], url: str, http_port: t.Optional[int], cluster: str) -> Found:
    """The hosts for these instances, named and sorted."""
    url_host = str(urlsplit(url).hostname)
    found = Found()
    nodes: t.Dict[str, t.List[Instance]] = {}
    for instance in found_instances:
        address = reachable(instance.host, url_host)
        if address != instance.host and instance.service != NODES:
            # Its machine is unknown: the host of url is that of the server.
            found.unknown.append(instance)
            continue
        if address != instance.host:
            found.loopback.append(instance)
        if not is_address(address):
            found.unusable.append(instance)
        elif instance.service == NODES:
            nodes.setdefault(address, []).append(instance)
        else:
            found.hosts.append(Host(instance, address, variables_of(instance, address, cluster)))
    for address, ports in nodes.items():
        # The port that clients use comes first. The HTTP API is registered only if this was configured.
        ports.sort(key=lambda instance: (instance.protocol != "grpc", instance.protocol == "http", instance.port))
        registered = next((instance.port for instance in ports if instance.protocol == "http"), None)
        variables = variables_of(ports[0], address, cluster)
        variables["polaris_url"] = sibling_url(url, address, http_port or registered)
        found.hosts.append(Host(ports[0], address, variables))
    found.hosts.sort(key=lambda host: (not host.is_node, address_order(host.address), host.instance.port))
    for host, name in zip(found.hosts, names_of(found.hosts)):
        host.name = name
    return found


def reachable(registered: str, url_host: str) -> str:
    """The address at which an instance can be reached from here.

    A loopback address is presumed to mean the machine of the server that was asked. It is kept only if that is this
    machine, to which all of 127.0.0.0/8 belongs, and even then not if default installations register it.
    """
    if not is_loopback(registered) or (is_loopback(url_host) and registered.lower() not in PLACEHOLDERS):
        return registered
    return url_host


def is_address(host: str) -> bool:
    """Whether this is safe in a command line and a URL: clients can register any text."""
    if _HOST_NAME.match(host):
        return True
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return "%" not in host


def variables_of(instance: Instance, address: str, cluster: str) -> Variables:
    return {
        "ansible_host": address,
        "polaris_cluster": cluster,
        "polaris_id": instance.id,
        "polaris_service": instance.service,
        "polaris_vpc_id": instance.vpc_id,
        "polaris_port": instance.port,
        "polaris_protocol": instance.protocol,
        "polaris_version": instance.version,
        "polaris_weight": instance.weight,
        "polaris_priority": instance.priority,
        "polaris_healthy": instance.healthy,
        "polaris_isolated": instance.isolated,
        "polaris_location": instance.location,
        "polaris_metadata": instance.metadata,
        # On the servers, runbooks would take this variable for the namespace that they should audit.
        **({} if instance.service == NODES else {"polaris_namespace": instance.namespace}),
    }


def names_of(hosts: t.Sequence[Host]) -> t.List[str]:
    """The name of each host: the shortest one that no other host could get, but for a node always its address."""
    choices = [_choices(host) for host in hosts]
    claims = Counter(name for names in choices for name in names)
    return [
        names[0] if host.is_node else next((name for name in names if claims[name] == 1), names[-1])
        for host, names in zip(hosts, choices)
    ]


def _choices(host: Host) -> t.List[str]:
    # A colon would separate host patterns.
    names = [host.address.replace(":", "-")]
    if not host.is_node:
        digest = hashlib.sha256(host.instance.id.encode()).hexdigest()[:12]
        for part in (str(host.instance.port), _ODD.sub("_", host.instance.service), digest):
            names.append(f"{names[-1]}_{part}")
    return names


def inert(value: t.Any) -> t.Any:
    """``value`` from the registry, where clients can write anything, marked so that Ansible never evaluates it.

    Only text that could be evaluated is marked unsafe (before 2.19) or left untrusted (from 2.19 on), because
    ansible-inventory prints such text in a form that other programs do not understand.
    """
    if isinstance(value, str):
        return _marked(value)
    if isinstance(value, dict):
        return {inert(key): inert(item) for key, item in value.items()}
    return value


# Most text is the same for all instances of a service.
@functools.lru_cache(maxsize=1000)
def _marked(text: str) -> t.Any:
    return _MARKS[0 if _HARMLESS.match(text) else 1](text)


def legible(value: t.Any) -> t.Any:
    """``value`` from a template, with harmless text marked as such, for the same reason."""
    if isinstance(value, dict):
        return {legible(key): legible(item) for key, item in value.items()}
    if isinstance(value, list):
        return [legible(item) for item in value]
    return _MARKS[0](value) if isinstance(value, str) and _HARMLESS.match(value) else value


def check_filters(filters: t.Sequence[t.Any]) -> t.List[t.Tuple[bool, t.Any]]:
    """Each filter as (whether it includes, condition)."""
    checked = []
    for index, entry in enumerate(filters):
        if len(entry) != 1 or not set(entry) <= {"include", "exclude"}:
            raise PolarisError("refused", f"filters[{index}] must have one key, which is include or exclude.")
        ((verb, condition),) = entry.items()
        if not isinstance(condition, (bool, str)) or condition == "":
            raise PolarisError(
                "refused", f"filters[{index}].{verb} must be a condition, such as polaris_isolated, or true or false."
            )
        checked.append((verb == "include", condition))
    return checked


def cached_instances(entry: t.Any) -> t.Optional[t.List[Entry]]:
    """The instances of a cache entry; None if another version of this plugin, or another program, wrote it."""
    if not isinstance(entry, dict) or entry.get("format") != FORMAT or not isinstance(entry.get("instances"), list):
        return None
    listed: t.List[t.Any] = entry["instances"]
    return listed if all(isinstance(one, dict) and sorted(one) == FORMAT for one in listed) else None


def read_instances(client: Client, namespace: str, services: t.Sequence[str]) -> t.Tuple[t.List[Entry], t.List[str]]:
    """The instances of these services, in a form that can be cached, and warnings about them."""
    listed: t.Dict[str, Entry] = {}
    warnings = []
    for service in services:
        found = instances.find(client, namespace=namespace, service=service)
        if not found.instances:
            warnings.append(
                f"{client.url} has no instances of {service} in the namespace {namespace}: check the options service "
                f"and namespace."
            )
        elif not found.complete:
            warnings.append(
                f"the instances of {service} changed while they were read, so some may be missing from the inventory "
                f"({len(found.instances)} of {found.amount} were read)."
            )
        listed.update((instance.id, dict(vars(instance))) for instance in found.instances)
    return list(listed.values()), warnings


# --- the plugin ------------------------------------------------------------------------------------------------------


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    NAME = "polarismesh.maintenance.polaris"

    def verify_file(self, path: str) -> bool:
        valid: bool = super().verify_file(path)  # type: ignore[no-untyped-call]
        return valid and path.endswith(("polaris.yml", "polaris.yaml"))

    def parse(self, inventory: t.Any, loader: t.Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        config = self._read_config_data(path)
        try:
            self._parse(inventory, config, path, cache)
        except PolarisError as error:
            raise AnsibleParserError(error.msg) from None

    def _parse(self, inventory: t.Any, config: t.Mapping[str, t.Any], path: str, cache: bool) -> None:
        filters = self._checked_filters(config)
        url = normalized_url(str(self._value("url") or ""))
        cluster = self._value("cluster") or str(urlsplit(url).hostname)
        if not _CLUSTER.match(cluster):
            raise PolarisError(
                "refused",
                f"cluster must consist of letters, digits, hyphens, underscores and dots; got {shorten(cluster)!r}.",
            )
        listed = [Instance(**entry) for entry in self._instances(config, url, path, cache)]
        found = hosts_of(listed, url, self.get_option("http_port"), cluster)
        for host in found.hosts:
            host.variables = {name: inert(value) for name, value in host.variables.items()}
        self._warn_of_addresses(found, url)
        self._add(inventory, [host for host in found.hosts if self._wanted(host, filters)], cluster)

    def _checked_filters(self, config: t.Mapping[str, t.Any]) -> t.List[t.Tuple[bool, t.Any]]:
        """Refuse invalid options before anything is sent, and return the filters."""
        if not HAS_REQUESTS:
            raise AnsibleParserError(missing_required_lib("requests"))
        unknown = sorted(set(map(str, config)) - set(self.option_definitions))
        if unknown:
            raise PolarisError(
                "refused", f"unknown option {', '.join(unknown)}: ansible-doc -t inventory {self.NAME} lists them all."
            )
        port = self.get_option("http_port")
        if port is not None and not 1 <= port <= 65535:
            raise PolarisError("refused", f"http_port must be from 1 to 65535; got {port}.")
        if not self.get_option("service"):
            raise PolarisError("refused", "service is empty: name at least one, or omit the option.")
        for service in self.get_option("service"):
            if service != NODES and self._sanitize_group_name(service) in (SERVERS_GROUP, "all", "ungrouped"):
                raise PolarisError(
                    "refused", f"service {service!r} would create a group whose name has another meaning in Ansible."
                )
        return check_filters(self.get_option("filters"))

    def _value(self, option: str) -> t.Any:
        """An option that may be a template."""
        value = self.get_option(option)
        if not isinstance(value, str):
            return value
        self.templar.available_variables = self._vars or {}
        try:
            value = self.templar.template(value)
        except AnsibleError as error:
            raise PolarisError("refused", f"the template of {option} failed: {error}") from None
        return None if value is None else str(value)

    def _instances(self, config: t.Mapping[str, t.Any], url: str, path: str, cache: bool) -> t.List[Entry]:
        """The instances, from the cache if it may be used and contains them."""
        namespace, services = str(self.get_option("namespace")), list(self.get_option("service"))
        if not self.get_option("cache"):
            return self._fetch(config, url, namespace, services)
        # The query is part of the key, so that a file that is changed to another cluster does not get the old hosts.
        asked = hashlib.sha256(json.dumps([url, namespace, services]).encode()).hexdigest()[:12]
        key = f"{self.get_cache_key(path)}_{asked}"
        if cache:
            with contextlib.suppress(KeyError):
                known = cached_instances(self._cache[key])
                if known is not None:
                    return known
        listed = self._fetch(config, url, namespace, services)
        self._cache[key] = {"format": FORMAT, "instances": listed}
        return listed

    def _fetch(self, config: t.Mapping[str, t.Any], url: str, namespace: str, services: t.List[str]) -> t.List[Entry]:
        params = {**{name: self.get_option(name) for name in _SETTINGS}, **self._account(config), "url": url}
        secrets = secrets_in(params)
        warnings: t.List[str] = []
        try:
            with connected(params, secrets, warnings, self.display.vvv) as client:
                listed, of_reading = read_instances(client, namespace, services)
        except PolarisError as error:
            raise AnsibleParserError(Scrubber(secrets).text(error.msg)) from None
        for warning in warnings + of_reading:
            self.display.warning(Scrubber(secrets).text(warning))
        return listed

    def _account(self, config: t.Mapping[str, t.Any]) -> Params:
        """The account from the file and variables or, if they give none, from the environment."""
        of_file = {
            row.name: self._value(row.name)
            for row in COMMON
            if row.name in ACCOUNT
            and (config.get(row.name) is not None or is_given((self._vars or {}).get(row.variable)))
        }
        options = completed({"url": "", **of_file}, {}, {}, os.environ).options
        return {name: options.get(name) for name in ACCOUNT}

    def _warn_of_addresses(self, found: Found, url: str) -> None:
        if found.loopback:
            first = found.loopback[0]
            self.display.warning(
                f"{len(found.loopback)} server instances that registered with a loopback address (such as "
                f"{first.host}:{first.port} of {first.service}) got the address {urlsplit(url).hostname} instead, the "
                f"host of {url}. In polaris-server.yaml of each node, set self_address (from Polaris v1.17.2 on) or "
                f"probe_address under bootstrap.polaris_service, and restart that node."
            )
        if found.unknown:
            first = found.unknown[0]
            self.display.warning(
                f"{len(found.unknown)} instances were left out, because they registered with a loopback address (such "
                f"as {first.host}:{first.port} of {first.service}), so their machine is unknown: configure these "
                f"clients to register the address of their host."
            )
        if found.unusable:
            first = found.unusable[0]
            self.display.warning(
                f"{len(found.unusable)} instances were left out, because their address is neither an IP address nor a "
                f"host name (such as {shorten(repr(first.host))} of {first.service}): configure these clients to "
                f"register one."
            )

    def _wanted(self, host: Host, filters: t.Sequence[t.Tuple[bool, t.Any]]) -> bool:
        for index, (include, condition) in enumerate(filters):
            met = condition
            if isinstance(condition, str):
                try:
                    met = self._compose(condition, host.variables)
                except AnsibleError as error:
                    raise AnsibleParserError(f"filters[{index}] failed for {host.name}: {error}") from None
            if not isinstance(met, bool):
                raise PolarisError(
                    "refused",
                    f"filters[{index}] results in {shorten(repr(met))} for {host.name}, which is neither true nor "
                    f"false: write a comparison, or add | bool.",
                )
            if met:
                return include
        return True

    def _add(self, inventory: t.Any, hosts: t.Sequence[Host], cluster: str) -> None:
        """Add all hosts before constructing any group: a group with the name of a host would get its variables."""
        for service in self.get_option("service"):
            inventory.add_group(self._group(service))
        for host in hosts:
            host.name = self._free_name(inventory, host, cluster)
            inventory.add_host(host.name, group=self._group(host.instance.service))
            # inventory.set_variable() would copy and tag each value, although it is already marked. For 10,000 hosts,
            # that would take as long as everything else, and a quarter of the memory.
            added = inventory.get_host(host.name)
            if added.vars.keys() & host.variables.keys():
                added.vars = combine_vars(added.vars, host.variables)
            else:
                added.vars.update(host.variables)
        self._construct(inventory, [host.name for host in hosts])

    def _group(self, service: str) -> str:
        return SERVERS_GROUP if service == NODES else str(self._sanitize_group_name(service))

    def _free_name(self, inventory: t.Any, host: Host, cluster: str) -> str:
        """The name of a host, with the cluster as a prefix if another instance has that name."""
        own = {name: host.variables[name] for name in ("polaris_id", "polaris_cluster")}
        for name in (host.name, f"{cluster}_{host.name}"):
            known = inventory.hosts.get(name)
            # A host without these variables is from a static inventory, which may add some of its own.
            if name not in inventory.groups and (
                known is None or all(known.vars.get(key, value) == value for key, value in own.items())
            ):
                return name
            self.display.warning(
                f"{name} is already the name of another host or a group, so {host.instance.host}:{host.instance.port} "
                f"of {host.instance.service} in the cluster {cluster} gets a different name."
            )
        raise PolarisError(
            "refused",
            f"{host.name} of {host.instance.service} cannot get a unique name: give the clusters different names with "
            f"the option cluster, and name all services of a cluster in one file.",
        )

    def _construct(self, inventory: t.Any, names: t.Sequence[str]) -> None:
        strict, compose = self.get_option("strict"), self.get_option("compose")
        groups, keyed_groups = self.get_option("groups"), self.get_option("keyed_groups")
        if compose:
            for name in names:
                self._set_composite_vars(compose, inventory.get_host(name).get_vars(), name, strict=strict)
                composed = inventory.get_host(name).vars
                for variable in compose.keys() & composed.keys():
                    inventory.set_variable(name, variable, legible(composed[variable]))
        if groups or keyed_groups:
            for name in names:
                variables = inventory.get_host(name).get_vars()
                self._add_host_to_composed_groups(groups, variables, name, strict=strict, fetch_hostvars=False)
                self._add_host_to_keyed_groups(keyed_groups, variables, name, strict=strict, fetch_hostvars=False)
