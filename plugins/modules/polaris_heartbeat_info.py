#!/usr/bin/python
# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: polaris_heartbeat_info
short_description: See when instances sent their last heartbeat to a Polaris server
version_added: 1.0.0
description:
  - Reads the last heartbeat that one Polaris server has received from one instance, from many, or from all instances of
    a service.
  - Ages are measured on the clock of the server, regardless of its time zone.
  - With the health checker C(heartbeatMemory) of the shipped configuration, only the node that a client sends its
    heartbeats to knows them. The playbook C(polarismesh.maintenance.heartbeat_audit) asks all nodes.
extends_documentation_fragment:
  - polarismesh.maintenance.connection
  - polarismesh.maintenance.connection.parallel
  - polarismesh.maintenance.instance
  - polarismesh.maintenance.attributes
  - polarismesh.maintenance.attributes.info_module
options:
  service:
    description:
      - The service that the instance belongs to.
      - With O(namespace) but neither O(host) nor O(port), all instances of the service are read.
    type: str
  namespace:
    description:
      - The namespace of O(service).
      - If it is given alone, all instances of the namespace are read.
    type: str
  leader_only:
    description:
      - Whether to read the heartbeats only if the server leads the health checks of its cluster (C(polaris.checker)).
        If it does not, RV(instances) is empty.
      - With the health checker C(heartbeatLeader), the leader knows all heartbeats. A play that asks it first needs to
        ask the other nodes only about the instances that the leader has not heard from.
      - With a boltdb store, each server leads only itself, so nothing is read.
    type: bool
    default: false
notes:
  - Servers up to v1.14.1 crash in this call, and close the connection, for every instance that they watch. The error
    says so.
  - A server writes its local time without the time zone. If its clock was set back by an hour (the end of summer time)
    after the last heartbeat, an age of more than an hour is one hour too short. If it was set forward, the age is one
    hour too long.
  - A server knows a newly registered instance only after a second or two.
author:
  - PolarisMesh Maintenance contributors (@polarismesh)
"""

EXAMPLES = r"""
- name: Read the last heartbeat of an instance
  polarismesh.maintenance.polaris_heartbeat_info:
    url: http://127.0.0.1:8090
    token: "{{ polaris_token }}"
    service: payments
    namespace: default
    host: 10.0.0.7
    port: 8080

- name: Read all instances of a service
  polarismesh.maintenance.polaris_heartbeat_info:
    url: http://127.0.0.1:8090
    token: "{{ polaris_token }}"
    service: payments
    namespace: default
  register: heartbeats

- name: Show the overdue ones
  ansible.builtin.debug:
    msg: "{{ heartbeats.instances | selectattr('overdue') | map(attribute='host') }}"
"""

RETURN = r"""
url:
  description: The server.
  type: str
  returned: always
  sample: http://127.0.0.1:8090
leads:
  description:
    - Whether this server leads the health checks of its cluster.
    - V(null) if this is unknown, and without O(leader_only).
  type: bool
  returned: success
  sample: true
leader:
  description:
    - The C(host) that leads the health checks of the cluster, and since when (C(ctime), in epoch seconds).
    - V(null) if no node leads, if this is unknown, and without O(leader_only).
  type: dict
  returned: success
  sample: {host: 10.0.0.1, ctime: 1704135845}
complete:
  description:
    - Whether no instance of the service can be missing. If V(false), there is a warning.
    - V(true) if the task names the instances.
  type: bool
  returned: success
  sample: true
instances:
  description:
    - The instances, in the order of the task.
    - The instances of a service are sorted by service, host and port.
  type: list
  elements: dict
  returned: success
  contains:
    id:
      description: The id of the instance, given, listed or computed.
      type: str
      sample: 5a3c5ee4a1e4fb1f7f9c1f0b3e35b1a0a9a2a7d4
    service:
      description: The service. V(null) if the task names the instance by its id and the server does not return it.
      type: str
      sample: payments
    namespace:
      description: The namespace of the service. V(null) if RV(instances[].service) is.
      type: str
      sample: default
    host:
      description: The host. V(null) if the task names the instance by its id and it is not found.
      type: str
      sample: 10.0.0.7
    port:
      description: The port. V(null) if RV(instances[].host) is.
      type: int
      sample: 8080
    found:
      description:
        - Whether this server watches the heartbeats of this instance.
        - It does not if there is no such instance, or if the instance has no health check. From v1.14.0 on, servers
          also do not watch each other in this way.
      type: bool
      sample: true
    health_check:
      description:
        - Whether the instance has a health check.
        - V(null) if the task names an instance that is not found.
      type: bool
      sample: true
    last_heartbeat:
      description:
        - The time of the last heartbeat, in epoch seconds on the clock of the server.
        - V(null) if this server has received none. Another node may have.
      type: int
      sample: 1700000000
    age_seconds:
      description:
        - The age of the last heartbeat in seconds, on the clock of the server.
        - V(null) if RV(instances[].last_heartbeat) is.
      type: int
      sample: 5
    ttl:
      description: The maximum number of seconds between two heartbeats. V(null) if that is unknown.
      type: int
      sample: 5
    overdue:
      description:
        - Whether the last heartbeat is older than three times RV(instances[].ttl).
        - V(null) if one of the two is unknown.
      type: bool
      sample: false
error:
  description: What failed. The notes describe its keys and kinds.
  type: dict
  returned: failure
  sample: {kind: server, status: null, code: null, info: null, method: GET, path: /maintain/v1/instance/heartbeat}
"""

import typing as t

from ansible_collections.polarismesh.maintenance.plugins.module_utils import _identity
from ansible_collections.polarismesh.maintenance.plugins.module_utils._api import (
    elections,
    heartbeats,
    instances,
    server,
)
from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import Client
from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import PolarisError
from ansible_collections.polarismesh.maintenance.plugins.module_utils._identity import (
    Target,
    instance_group,
    instance_rules,
    instance_spec,
)
from ansible_collections.polarismesh.maintenance.plugins.module_utils._model import Heartbeat, Instance, overdue
from ansible_collections.polarismesh.maintenance.plugins.module_utils._options import PARALLEL, Params, spec
from ansible_collections.polarismesh.maintenance.plugins.module_utils._runner import Result, run_module

SPEC = spec(
    {**instance_spec(), "leader_only": {"type": "bool", "default": False}, **PARALLEL},
    mutually_exclusive=instance_rules()["mutually_exclusive"],
    required_one_of=[("id", "namespace", "instances")],
)

Asked = t.Union[Target, Instance]


def described(asked: Asked, heartbeat: t.Optional[Heartbeat]) -> Result:
    """What is known about an instance. Some versions omit parts of its name in the answer."""
    ttl = asked.ttl if isinstance(asked, Instance) else None
    age = None
    result = {
        "id": asked.id,
        "service": asked.service,
        "namespace": asked.namespace,
        "host": asked.host,
        "port": asked.port,
        "found": heartbeat is not None,
        "health_check": bool(asked.health_check) if isinstance(asked, Instance) else None,
        "last_heartbeat": None,
    }
    if heartbeat is not None:
        for part in ("service", "namespace", "host", "port"):
            result[part] = getattr(asked, part) if getattr(asked, part) is not None else getattr(heartbeat, part)
        result["health_check"] = True
        result["last_heartbeat"] = heartbeat.last_heartbeat
        ttl = heartbeat.ttl if heartbeat.ttl is not None else ttl
        age = heartbeat.age_seconds
    return {**result, "age_seconds": age, "ttl": ttl, "overdue": overdue(age, ttl)}


def leadership(client: Client) -> t.Tuple[t.Optional[bool], t.Optional[t.Dict[str, t.Any]]]:
    """Whether this node leads the health checks of its whole cluster (None if that is unknown), and who leads them."""
    try:
        found = elections.leaders(client)
        leader = next((one for one in found if one.elect_key == elections.HEALTH_CHECKS), None)
        # On boltdb each node leads only itself.
        if leader is None or not leader.valid or leader.ctime is None:
            return False, None
        named = {"host": leader.host, "ctime": leader.ctime}
        return elections.leads(leader, server.address_beside(client, leader.host)), named
    except PolarisError as error:
        # A server that does not say who leads may still know heartbeats.
        if error.kind not in ("unsupported", "permission", "server"):
            raise
        return None, None


def run(client: Client, params: Params, check_mode: bool) -> Result:
    leads, leader = leadership(client) if params["leader_only"] else (None, None)
    if params["leader_only"] and not leads:
        return {"changed": False, "leads": leads, "leader": leader, "complete": True, "instances": []}
    warnings: t.List[str] = []
    complete = True
    asked: t.Sequence[Asked]
    group = instance_group(params)
    if group is not None:
        listing = instances.find(client, namespace=group[0], service=group[1])
        asked = sorted(listing.instances, key=lambda one: (one.namespace, one.service, one.host, one.port, one.id))
        complete = listing.complete
        if not complete:
            warnings.append(
                f"{client.url} returned a different list of instances on each read: {len(asked)} of about "
                f"{listing.amount} were read; try again when fewer instances are registering."
            )
    else:
        asked = _identity.targets(params)
    # Some servers omit the flag, and all omit it for an instance that was registered without it.
    watched = [one for one in asked if not (isinstance(one, Instance) and one.health_check is False)]
    beats = client.collect(lambda one: heartbeats.last(client, one.id), watched, "heartbeats read")
    known = {one.id: heartbeat for one, heartbeat in zip(watched, beats)}
    return {
        "changed": False,
        "leads": leads,
        "leader": leader,
        "complete": complete,
        "instances": [described(one, known.get(one.id)) for one in asked],
        "warnings": warnings,
    }


def main() -> None:
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
