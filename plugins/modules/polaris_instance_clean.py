#!/usr/bin/python
# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: polaris_instance_clean
short_description: Remove deleted instances from the store of Polaris for good
version_added: 0.1.0
description:
  - A deregistered instance stays in the store of Polaris, marked as deleted, until the server tidies up. This module
    removes such instances at once.
  - A live instance, that is one which the server lists as registered, is never cleaned unless O(on_live=clean) says so.
    All instances are looked up before the first one is cleaned. The server itself would remove a live instance (on a
    boltdb store) or strip it of its metadata and its health check (on a MySQL store, from v1.17.3 on), and would answer
    the same.
  - The nodes of a cluster share the store. Run this task on one node only, or use the playbook
    C(polarismesh.maintenance.instance_clean).
  - To remove all deleted instances, whichever they are, use M(polarismesh.maintenance.polaris_instance_batch_clean).
extends_documentation_fragment:
  - polarismesh.maintenance.connection
  - polarismesh.maintenance.connection.parallel
  - polarismesh.maintenance.instance
  - polarismesh.maintenance.attributes
  - polarismesh.maintenance.attributes.action_group
  - polarismesh.maintenance.attributes.in_process
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details:
      - No server tells what it has marked as deleted.
  idempotent:
    support: none
    details:
      - A server answers the same whether there was such an instance or not, so that a clean which was sent counts as a
        change. To clean again what is gone does no harm.
options:
  protocol: &protocol
    description: The protocol that the instance speaks.
    type: str
  version: &version
    description: The version of the instance.
    type: str
  priority: &priority
    description: The priority of the instance, a whole number of V(0) or more.
    type: raw
  weight: &weight
    description: The weight of the instance, a whole number of V(0) or more.
    type: raw
  enable_health_check: &enable_health_check
    description: Whether the instance has a health check, V(true) or V(false).
    type: raw
  health_check: &health_check
    description: The health check of the instance.
    type: dict
    suboptions:
      type:
        description: V(HEARTBEAT) or V(UNKNOWN), or the number of it in the API, V(1) or V(0).
        type: str
      heartbeat:
        description: What goes with V(HEARTBEAT).
        type: dict
        suboptions:
          ttl:
            description: How many seconds may pass between two heartbeats.
            type: raw
  healthy: &healthy
    description: Whether the instance is healthy, V(true) or V(false).
    type: raw
  isolate: &isolate
    description: Whether the instance is isolated, V(true) or V(false).
    type: raw
  location: &location
    description: Where the instance is.
    type: dict
    suboptions:
      region:
        description: The region.
        type: str
      zone:
        description: The zone in the region.
        type: str
      campus:
        description: The campus in the zone.
        type: str
  metadata: &metadata
    description: The metadata of the instance, a dictionary of text.
    type: dict
  service_token: &service_token
    description: The token of the service. It is in no result.
    type: str
  instances:
    suboptions:
      id:
        description: As O(id).
        type: str
      service:
        description: As O(service).
        type: str
      namespace:
        description: As O(namespace).
        type: str
      host:
        description: As O(host).
        type: str
      port:
        description: As O(port).
        type: raw
      vpc_id:
        description: As O(vpc_id).
        type: str
      protocol: *protocol
      version: *version
      priority: *priority
      weight: *weight
      enable_health_check: *enable_health_check
      health_check: *health_check
      healthy: *healthy
      isolate: *isolate
      location: *location
      metadata: *metadata
      service_token: *service_token
  on_live:
    description:
      - What to do about instances that are live.
      - V(fail) fails with RV(error.kind=guard), with nothing cleaned.
      - V(skip) cleans the others. RV(live) lists those that were left alone.
      - V(clean) cleans them as well, which breaks them. It is meant for what a server goes on listing although it is
        gone.
    type: str
    choices: [fail, skip, clean]
    default: fail
  settle:
    description:
      - How many seconds to wait before the first clean, and then to look again.
      - An instance must not leave the store before all nodes have noticed that it was deregistered. A node that has
        not goes on naming it to clients until that node restarts. Nodes look every second.
      - There is no wait with a boltdb store from v1.17.2 on, because such a node is the only one, and looking up
        instances lets it notice.
      - V(0) saves the time where nothing was deregistered in the last few seconds.
    type: float
    default: 3
notes:
  - An instance is live when the server lists one with the same id, or with the same service, namespace, host and port
    (and O(vpc_id), if one is given), whatever its id. O(id) is looked for in all services.
  - Service, namespace, host and port make up the id that the server computes for an instance without an id of its own.
    They do not reach a deleted instance that has one, and the answer of the server does not tell. Name it by its O(id).
  - A node with a boltdb store, from v1.17.2 on, whose local time is not ahead of UTC, does not notice that an instance
    was deregistered which had not changed for some seconds, and lists it as live until the node restarts. Where a node
    lists more than its store holds, the message about live instances says so.
  - Before every further thousand of instances those are looked up again, where that was done more than 10 seconds ago.
    One that registers again in the time between the look and its clean is not noticed.
  - Large lists are looked up a service at a time. On servers up to v1.16, which cannot search for an id, all services
    are read to find one.
  - A server of v1.14 or older answers about 1000 calls in the first minute after its start, and the next ones only when
    the minute of its clock is full. Do not clean large lists then, or raise O(timeout) to 90 seconds.
  - A clean is never repeated. After a failure, run the task again, as it was or with RV(not_cleaned) and RV(unknown).
seealso:
  - module: polarismesh.maintenance.polaris_instance_batch_clean
author:
  - PolarisMesh Maintenance contributors (@polarismesh)
"""

EXAMPLES = r"""
- name: Remove one deleted instance
  polarismesh.maintenance.polaris_instance_clean:
    url: http://127.0.0.1:8090
    token: "{{ polaris_token }}"
    service: payments
    namespace: default
    host: 10.0.0.7
    port: 8080

- name: Remove one by its id
  polarismesh.maintenance.polaris_instance_clean:
    url: http://127.0.0.1:8090
    token: "{{ polaris_token }}"
    id: 9d6a1f3a3c1f4d0d9f1f4a0e5c1d2b3a4f5e6d7c

- name: Remove many, and leave alone those that are live again
  polarismesh.maintenance.polaris_instance_clean:
    url: http://127.0.0.1:8090
    token: "{{ polaris_token }}"
    instances:
      - {service: payments, namespace: default, host: 10.0.0.7, port: 8080}
      - {service: payments, namespace: default, host: 10.0.0.8, port: 8080}
      - {id: payments-9}
    on_live: skip
  register: clean

- name: Show those that are live
  ansible.builtin.debug:
    var: clean.live
"""

RETURN = r"""
url:
  description: The server.
  type: str
  returned: always
  sample: http://127.0.0.1:8090
cleaned:
  description:
    - The instances for which a clean was sent, and answered, in the order of the task.
    - In check mode, those that would be.
    - This tells nothing about whether there was anything to remove.
  type: list
  elements: dict
  returned: success, and a failure after the look-up
  contains: &identity
    id:
      description: The id of the instance, given or computed.
      type: str
      sample: 5a3c5ee4a1e4fb1f7f9c1f0b3e35b1a0a9a2a7d4
    service:
      description:
        - The service. It is V(null), as are the following, where the task names the instance by its id alone and it is
          not live.
      type: str
      sample: payments
    namespace:
      description: The namespace of the service.
      type: str
      sample: default
    host:
      description: The host.
      type: str
      sample: 10.0.0.7
    port:
      description: The port.
      type: int
      sample: 8080
    vpc_id:
      description: The id of the virtual private cloud.
      type: str
      returned: if there is one
      sample: vpc-1
live:
  description:
    - The instances of the task that are live, as the server lists them.
    - They were left alone, or, with O(on_live=clean), cleaned.
  type: list
  elements: dict
  returned: success, and a failure after the look-up
  contains: *identity
count:
  description: How many instances RV(cleaned) has.
  type: int
  returned: success, and a failure after the look-up
  sample: 1
not_cleaned:
  description:
    - The instances that were certainly not cleaned, without those in RV(live). O(instances) takes them as they are.
  type: list
  elements: dict
  returned: failure after the look-up
  contains: *identity
unknown:
  description:
    - The instances of which nobody knows whether they were cleaned, because the answer of the server was lost.
      O(instances) takes them as they are.
  type: list
  elements: dict
  returned: failure after the look-up
  contains: *identity
error:
  description: What failed.
  type: dict
  returned: failure
  contains:
    kind:
      description: One of the kinds listed in the README.
      type: str
      returned: failure
      sample: guard
  sample: {kind: guard, status: null, code: null, info: null, method: null, path: null}
"""

import math
import time
import typing as t

from ansible_collections.polarismesh.maintenance.plugins.module_utils import _identity
from ansible_collections.polarismesh.maintenance.plugins.module_utils._api import (
    account,
    cleaning,
    elections,
    instances,
)
from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import Client, Progress
from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import PolarisError
from ansible_collections.polarismesh.maintenance.plugins.module_utils._identity import (
    INSTANCE_FIELDS,
    Target,
    instance_rules,
    instance_spec,
)
from ansible_collections.polarismesh.maintenance.plugins.module_utils._model import Instance, Listing
from ansible_collections.polarismesh.maintenance.plugins.module_utils._options import PARALLEL, Params, spec
from ansible_collections.polarismesh.maintenance.plugins.module_utils._runner import Result, run_module

SPEC = spec(
    {
        **instance_spec(INSTANCE_FIELDS),
        "on_live": {"type": "str", "choices": ["fail", "skip", "clean"], "default": "fail"},
        "settle": {"type": "float", "default": 3},
        **PARALLEL,
    },
    **instance_rules(*INSTANCE_FIELDS),
)

#: How many are cleaned, and how many seconds a look-up counts, before those that follow are looked up again.
SLICE = 1000
FRESH = 10.0

#: For so many ids the list of all instances is read, if that takes fewer requests.
MANY_IDS = 20

#: How many live instances a message names, and in how many services it is worth while to look for a misspelt name.
SHOWN = 5
SERVICES_CHECKED = 20

LONGEST_WAIT = 600

#: The kinds of failure after which running the task again, as it is, may help.
PASSING = ("unreachable", "timeout", "server")

#: Position of a target -> the registered instance that it names.
Live = t.Dict[int, Instance]


def run(client: Client, params: Params, check_mode: bool) -> Result:
    targets = _identity.targets(params)
    on_live, settle = params["on_live"], params["settle"]
    if not 0 <= settle <= LONGEST_WAIT:
        raise PolarisError("refused", f"settle must be from 0 to {LONGEST_WAIT} seconds; got {settle:g}.")
    clean = Clean(client, targets, spare_live=on_live != "clean", fail_on_live=on_live == "fail")
    clean.look_up(range(len(targets)))
    if not check_mode:
        clean.send(settle)
    warnings = [*unreached(client.url, targets, clean.live), *unknown_services(client, targets, clean.live)]
    return {**clean.report(assume_done=check_mode), "warnings": warnings}


class Clean:
    """What is known of each target, while they are being cleaned. Positions are those of ``targets``."""

    def __init__(self, client: Client, targets: t.Sequence[Target], *, spare_live: bool, fail_on_live: bool) -> None:
        self.client = client
        self.targets = targets
        self.spare_live = spare_live
        self.fail_on_live = fail_on_live
        self.live: Live = {}
        self.cleaned: t.Set[int] = set()
        self.unknown: t.Set[int] = set()

    def pending(self) -> t.List[int]:
        """What is to be cleaned, and was not sent."""
        spared = self.live if self.spare_live else {}
        over = self.cleaned | self.unknown
        return [at for at in range(len(self.targets)) if at not in over and at not in spared]

    def send(self, settle: float) -> None:
        """Clean what is to be cleaned, after so many seconds."""
        pending = self.pending()
        progress = Progress(self.client.progress, "instances cleaned", len(pending))
        try:
            if pending and settle and not is_aware(self.client):
                time.sleep(settle)
                if self.spare_live:
                    self.look_up(pending)
            looked = time.monotonic()
            for start in range(0, len(pending), SLICE):
                part = pending[start : start + SLICE]
                if self.spare_live and time.monotonic() - looked > FRESH:
                    self.look_up(part)
                self.send_part([at for at in part if not (self.spare_live and at in self.live)], progress)
        except PolarisError as error:
            if not error.partial:
                again = " Run it again: to clean one twice does no harm." if error.kind in PASSING else ""
                error.msg = f"{error.msg.rstrip('.')}. {self.tally()}{again}"
                error.partial = self.report(failed=True)
            raise

    def look_up(self, part: t.Sequence[int]) -> None:
        """Find out which of ``part`` are live (again), and fail if that is what the task wants."""
        found = find_live(self.client, [self.targets[at] for at in part])
        self.live.update((part[at], instance) for at, instance in found.items())
        if found and self.fail_on_live:
            raise self.guard()

    def send_part(self, part: t.List[int], progress: Progress) -> None:
        first: t.Optional[PolarisError] = None
        requests = [self.targets[at].request() for at in part]
        for index, answer in self.client.each(lambda request: cleaning.clean(self.client, request), requests):
            if not isinstance(answer, PolarisError):
                self.cleaned.add(part[index])
                progress.step()
                continue
            if answer.outcome_unknown:
                self.unknown.add(part[index])
            first = first or answer
        if first is not None:
            raise first

    def guard(self) -> PolarisError:
        names = [described(instance) for _at, instance in sorted(self.live.items())]
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        return PolarisError(
            "guard",
            f"{len(names)} of {len(self.targets)} instances {'is' if len(names) == 1 else 'are'} live at "
            f"{self.client.url} ({', '.join(names[:SHOWN])}{more}). {self.tally()} Deregister "
            f"{'it' if len(names) == 1 else 'them'} first, or set on_live to skip, which cleans the others."
            f"{unnoticed(self.client)}",
            partial=self.report(failed=True),
        )

    def tally(self) -> str:
        if not self.cleaned and not self.unknown:
            return "Nothing was cleaned."
        unknown = f", and of {len(self.unknown)} nobody knows" if self.unknown else ""
        return f"{len(self.cleaned)} were cleaned, {len(self.pending())} were not{unknown}."

    def report(self, *, failed: bool = False, assume_done: bool = False) -> Result:
        """The result. ``assume_done``: as if all that is to be cleaned had been."""
        cleaned = self.pending() if assume_done else sorted(self.cleaned)
        result: Result = {
            "changed": bool(cleaned or self.unknown),
            "cleaned": [identity(self.targets[at]) for at in cleaned],
            "live": [identity(instance) for _at, instance in sorted(self.live.items())],
            "count": len(cleaned),
        }
        if failed:
            result["not_cleaned"] = [identity(self.targets[at]) for at in self.pending()]
            result["unknown"] = [identity(self.targets[at]) for at in sorted(self.unknown)]
        return result


def identity(named: t.Union[Target, Instance]) -> t.Dict[str, t.Any]:
    """What names an instance, in the keys of a result."""
    keys = {
        "id": named.id,
        "service": named.service,
        "namespace": named.namespace,
        "host": named.host,
        "port": named.port,
    }
    return {**keys, "vpc_id": named.vpc_id} if named.vpc_id else keys


def described(instance: Instance) -> str:
    return f"{instance.namespace}/{instance.service} {instance.host}:{instance.port}"


# --- which of them are live ------------------------------------------------------------------------------------------


class Names:
    """Finds the targets that a registered instance is: by id, and by service, namespace, host and port."""

    def __init__(self, targets: t.Sequence[Target]) -> None:
        self.targets = targets
        self.by_id = {target.id: at for at, target in enumerate(targets)}
        self.by_address: t.Dict[t.Tuple[t.Any, ...], t.List[int]] = {}
        for at, target in enumerate(targets):
            if target.service is not None:
                self.by_address.setdefault(address(target), []).append(at)

    def meant_by(self, listing: Listing) -> Live:
        found: Live = {}
        for instance in listing.instances:
            for at in self.by_address.get(address(instance), ()):
                # Two networks may use the same address. Without a vpc_id, any of them is meant.
                if self.targets[at].vpc_id in (None, instance.vpc_id):
                    found[at] = instance
            if instance.id in self.by_id:
                found[self.by_id[instance.id]] = instance
        return found


def address(named: t.Union[Target, Instance]) -> t.Tuple[t.Any, ...]:
    return (named.namespace, named.service, named.host, named.port)


def find_live(client: Client, targets: t.Sequence[Target]) -> Live:
    """Which targets are live, by as few requests as that takes."""
    names = Names(targets)
    live: Live = {}
    services: t.Dict[t.Tuple[str, str], t.List[int]] = {}
    for at, target in enumerate(targets):
        if target.service is not None and target.namespace is not None:
            services.setdefault((target.namespace, target.service), []).append(at)

    # A service at a time, where that takes fewer requests than its instances one by one.
    several = [name for name, members in services.items() if len(members) > 1]
    one_by_one = [members[0] for members in services.values() if len(members) == 1]
    first_pages = client.collect(
        lambda name: instances.find(client, namespace=name[0], service=name[1], most_requests=1),
        several,
        "services looked up",
    )
    for (namespace, service), listing in zip(several, first_pages):
        live.update(names.meant_by(listing))
        if not listing.complete and pages(listing) <= len(services[namespace, service]):
            listing = instances.find(client, namespace=namespace, service=service)
            live.update(names.meant_by(listing))
        if not listing.complete:
            one_by_one += [at for at in services[namespace, service] if at not in live]

    for listing in client.collect(
        lambda at: instances.find(client, host=targets[at].host, port=targets[at].port),
        one_by_one,
        "instances looked up",
    ):
        live.update(names.meant_by(certain(client, listing)))

    # An id may have been registered again, for another address. (In a list of a service that was seen already.)
    own = [target.id for at, target in enumerate(targets) if target.own_id and at not in live]
    computed = [targets[at].id for at in one_by_one if not targets[at].own_id and at not in live]
    for listing in find_ids(client, own, computed):
        live.update(names.meant_by(listing))
    return live


def find_ids(client: Client, own: t.Sequence[str], computed: t.Sequence[str]) -> t.List[Listing]:
    """The instances with these ids, one by one or out of the list of all, whichever takes fewer requests.

    Servers that cannot search for an id have all their services read, if there are ``own`` ones to find.
    """
    ids = [*own, *computed]
    if not ids:
        return []
    try:
        found = [instances.find(client, instance_id=ids[0])]
    except PolarisError as error:
        if error.kind != "unsupported" or error.status != 400:
            raise
        return [certain(client, instances.find(client))] if own else []
    rest = ids[1:]
    everything = all_instances(client, len(rest)) if len(rest) >= MANY_IDS else None
    if everything is not None:
        return [*found, everything]
    found += client.collect(lambda one: instances.find(client, instance_id=one), rest, "instances looked up")
    return [certain(client, listing) for listing in found]


def all_instances(client: Client, most_requests: int) -> t.Optional[Listing]:
    """All instances there are, in fewer requests than that; None where that cannot be, or may not be all of them."""
    try:
        everything = instances.find(client, most_requests=1)
        if not everything.complete and pages(everything) < most_requests:
            everything = instances.find(client)
    except PolarisError as error:
        if error.kind in ("refused", "unsupported", "server"):
            return None
        raise
    # Every server registers itself: an empty list is an answer to another question.
    return everything if everything.complete and everything.instances else None


def pages(listing: Listing) -> int:
    return math.ceil(listing.amount / instances.PAGE)


def certain(client: Client, listing: Listing) -> Listing:
    if not listing.complete:
        raise PolarisError(
            "guard",
            f"{client.url} lists other instances from moment to moment, so that nobody can tell which are live: run "
            f"this again when fewer of them register at the same time.",
        )
    return listing


def is_aware(client: Client) -> bool:
    """Whether every node has noticed what was deregistered before the look-up, because there is only this one.

    That is certain with a boltdb store, whose leaderships have no time of creation. (A registry of nodes with one entry
    is no proof: by default all register as 127.0.0.1.) And the list of instances is that of its cache, brought up to
    date, from the release on that has one switch of authentication more; most do not know the name of their release.
    """
    try:
        leaders = elections.leaders(client)
        alone = bool(leaders) and all(leader.ctime is None for leader in leaders)
        return alone and "consoleOpen" in (account.switches(client) or {})
    except PolarisError:
        return False


# --- what the server does not say ------------------------------------------------------------------------------------


def unnoticed(client: Client) -> str:
    """The sentence about a node that lists instances which its store has not any more."""
    more = instances.unnoticed_deletions(client)
    if not more:
        return ""
    return (
        f" This node lists {more} instances more than its store holds, so that these may be deleted ones, and the node "
        f"has not noticed: restart it, or ask another node."
    )


def unreached(url: str, targets: t.Sequence[Target], live: Live) -> t.List[str]:
    """The warning about live instances that have another id than the one the task names or makes up."""
    others = [described(instance) for at, instance in sorted(live.items()) if instance.id != targets[at].id]
    if not others:
        return []
    return [
        (
            f"{len(others)} instances are live at {url} with an id of their own ({', '.join(others[:SHOWN])}): "
            f"service, namespace, host and port do not reach them, neither live nor deleted; name them by their id."
        )
    ]


def unknown_services(client: Client, targets: t.Sequence[Target], live: Live) -> t.List[str]:
    """The warning about services that do not exist, because a clean of what never was succeeds like any other."""
    names = {(target.namespace, target.service) for target in targets if target.service is not None}
    empty = sorted(names - {(instance.namespace, instance.service) for instance in live.values()})
    if len(empty) > SERVICES_CHECKED:
        return []
    try:
        missing = [f"{of}/{name}" for of, name in empty if not instances.services(client, of, name)]
    except PolarisError:
        return []  # It would have been no more than advice.
    if not missing:
        return []
    return [f"{client.url} has no service {', '.join(missing)}: if that is not what you expect, look at the names."]


def main() -> None:
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
