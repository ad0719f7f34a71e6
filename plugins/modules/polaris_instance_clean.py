#!/usr/bin/python
# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: polaris_instance_clean
short_description: Permanently remove deleted instances from the store of Polaris
version_added: 1.0.0
description:
  - A deregistered instance stays in the store of Polaris, marked as deleted, until the server removes it. This module
    removes such instances at once.
  - A live instance, one that the server lists as registered, is cleaned only with O(on_live=clean). All instances are
    looked up before the first one is cleaned. The server itself would remove a live instance (on a boltdb store) or
    delete its metadata and health check (on a MySQL store, from v1.17.3 on), with the same response.
  - The nodes of a cluster share the store. Run this task on one node only, or use the playbook
    C(polarismesh.maintenance.instance_clean).
  - To remove all deleted instances, use M(polarismesh.maintenance.polaris_instance_batch_clean).
extends_documentation_fragment:
  - polarismesh.maintenance.connection
  - polarismesh.maintenance.connection.parallel
  - polarismesh.maintenance.instance
  - polarismesh.maintenance.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details:
      - Servers do not show what they have marked as deleted.
  idempotent:
    support: none
    details:
      - The response is the same whether the instance existed or not, so every clean that was sent counts as a change.
        Cleaning an instance again does no harm.
options:
  protocol: &protocol
    description: The protocol of the instance.
    type: str
  version: &version
    description: The version of the instance.
    type: str
  priority:
    description: The priority of the instance, a whole number of V(0) or more.
    type: int
  weight:
    description: The weight of the instance, a whole number of V(0) or more.
    type: int
  enable_health_check:
    description: Whether the instance has a health check.
    type: bool
  health_check:
    description: The health check of the instance.
    type: dict
    suboptions:
      type:
        description: V(HEARTBEAT) or V(UNKNOWN), or its number in the API, V(1) or V(0).
        type: str
      heartbeat:
        description: The settings of V(HEARTBEAT).
        type: dict
        suboptions:
          ttl:
            description: The maximum number of seconds between two heartbeats.
            type: int
  healthy:
    description: Whether the instance is healthy.
    type: bool
  isolate:
    description: Whether the instance is isolated.
    type: bool
  location: &location
    description: The location of the instance.
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
    description: The metadata of the instance. Keys and values are text.
    type: dict
  service_token: &service_token
    description: The token of the service. It is never part of a result.
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
      priority:
        description: As O(priority).
        type: raw
      weight:
        description: As O(weight).
        type: raw
      enable_health_check:
        description: As O(enable_health_check).
        type: raw
      health_check:
        description: As O(health_check).
        type: dict
        suboptions:
          type:
            description: As O(health_check.type).
            type: str
          heartbeat:
            description: As O(health_check.heartbeat).
            type: dict
            suboptions:
              ttl:
                description: As O(health_check.heartbeat.ttl).
                type: raw
      healthy:
        description: As O(healthy).
        type: raw
      isolate:
        description: As O(isolate).
        type: raw
      location: *location
      metadata: *metadata
      service_token: *service_token
  on_live:
    description:
      - What to do about live instances.
      - V(fail) fails with C(error.kind=guard) and cleans nothing.
      - V(skip) cleans the others. RV(live) lists the instances that were left alone.
      - V(clean) cleans them as well, which damages them. It is meant for instances that a server still lists although
        they are gone.
      - On a MySQL store, from v1.17.3 on, a live instance that is cleaned stays registered without its metadata and its
        health check; before, nothing happens. On a boltdb store, from v1.13 on, it leaves the store, but its node still
        returns it to clients, and from v1.17.2 on also lists it, until that node restarts; up to v1.12 it is only
        marked as deleted. The response is always the same.
    type: str
    choices: [fail, skip, clean]
    default: fail
  settle:
    description:
      - How many seconds to wait before the first clean. After the wait, the instances are looked up again.
      - An instance must not leave the store before all nodes have noticed that it was deregistered. Otherwise a node
        returns it to clients until that node restarts. Nodes check every second.
      - With a boltdb store, from v1.17.2 on, the module does not wait, because the node is the only one, and it notices
        deregistrations during the look-up.
      - V(0) disables the wait. Use it if nothing was deregistered in the last few seconds.
    type: float
    default: 3
notes:
  - An instance is live if the server lists one with the same id, or with the same service, namespace, host and port
    (and O(vpc_id), if one is given), whatever its id. O(id) is searched for in all services.
  - If an instance has no id of its own, the server computes the id from service, namespace, host and port. These do not
    identify a deleted instance with an id of its own, and the response does not say so. Name it by its O(id).
  - A node with a boltdb store, from v1.17.2 on, whose local time is not ahead of UTC, misses the deregistration of an
    instance that had not changed for some seconds, and lists it as live until the node restarts. If a node lists more
    instances than its store holds, the message about live instances says so.
  - Instances are cleaned in parts of 100. Each part is looked up again right before it is sent, unless it was looked up
    in the last second. At the end, all instances that were cleaned are looked up once more. Those that registered
    between the look-up and the clean are in RV(live_again), and the task fails, because the server has damaged them.
    With O(on_live=clean) there are no such look-ups. With a boltdb store, a server up to v1.17.1 no longer lists a
    damaged instance, so RV(live_again) cannot name it.
  - Large lists are looked up a service at a time. On servers up to v1.16, which cannot search for an id, all services
    are read to find one.
  - In the first minute after its start, a server up to v1.14 answers about 1000 calls, and delays the others until the
    next full minute of its clock. Do not clean large lists during that time, or raise O(timeout) to 90 seconds.
  - A clean is never repeated. After a failure, run the task again, either unchanged or with RV(not_cleaned) and
    RV(unknown).
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

- name: Remove many, but not those that are live again
  polarismesh.maintenance.polaris_instance_clean:
    url: http://127.0.0.1:8090
    token: "{{ polaris_token }}"
    instances:
      - {service: payments, namespace: default, host: 10.0.0.7, port: 8080}
      - {service: payments, namespace: default, host: 10.0.0.8, port: 8080}
      - {id: payments-9}
    on_live: skip
  register: clean

- name: Show the live ones
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
    - The instances for which a clean was sent and answered, in the order of the task.
    - In check mode, the instances for which one would be sent.
    - It is unknown whether the store contained them.
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
        - The service. It is V(null), like the following, if the task names the instance by its id alone and it is not
          live.
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
    - They were left alone or, with O(on_live=clean), cleaned.
  type: list
  elements: dict
  returned: success, and a failure after the look-up
  contains: *identity
live_again:
  description:
    - The instances that were cleaned, or may have been, and are live at the end of the task. The server may have
      deleted their metadata and health check, or the whole instance. Register them again.
    - If there are any, the task fails with C(error.kind=guard).
    - V(null) if this is unknown because the last look-up failed.
  type: list
  elements: dict
  returned: success, and a failure after the look-up
  contains: *identity
count:
  description: The number of instances in RV(cleaned).
  type: int
  returned: success, and a failure after the look-up
  sample: 1
not_cleaned:
  description:
    - The instances that were certainly not cleaned, except those in RV(live). You can pass this list to O(instances).
  type: list
  elements: dict
  returned: failure after the look-up
  contains: *identity
unknown:
  description:
    - The instances whose outcome is unknown, because the response of the server was lost. You can pass this list to
      O(instances).
  type: list
  elements: dict
  returned: failure after the look-up
  contains: *identity
error:
  description: What failed. The notes describe its keys and kinds.
  type: dict
  returned: failure
  sample: {kind: guard, status: null, code: null, info: null, method: null, path: null}
"""

import contextlib
import math
import time
import typing as t
from dataclasses import dataclass, field

from ansible_collections.polarismesh.maintenance.plugins.module_utils import _identity
from ansible_collections.polarismesh.maintenance.plugins.module_utils._api import (
    account,
    cleaning,
    elections,
    instances,
)
from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import Client, Progress
from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import PolarisError, listed
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

#: Instances are cleaned in parts of this size. A part is looked up again before it is sent if the look-up of one of its
#: instances is older than FRESH seconds. On v1.18.1 with MySQL, 100 cleans took one second, and a look-up 20 ms.
PART = 100
FRESH = 1.0

#: From this number of ids on, the list of all instances is read instead if that takes fewer requests.
MANY_IDS = 20

#: How many live instances a message names, and how many services are checked for misspelled names.
SHOWN = 5
SERVICES_CHECKED = 20

LONGEST_WAIT = 600

#: The kinds of failure after which running the task again, unchanged, may help.
PASSING = ("unreachable", "timeout", "server")

#: Position of a target -> the registered instance that it names.
Live = t.Dict[int, Instance]


# --- the state of each target ----------------------------------------------------------------------------------------


@dataclass
class State:
    """The state of each target, by its position in ``targets``.

    :param live: what the server listed in any look-up before the clean.
    :param unknown: sent, but the answer was lost.
    :param looked: when the last look-up of a target began, in seconds of the monotonic clock.
    :param live_again: the cleaned instances that the server lists at the end; None until the last look-up.
    """

    targets: t.Sequence[Target]
    on_live: str
    live: Live = field(default_factory=dict)
    cleaned: t.Set[int] = field(default_factory=set)
    unknown: t.Set[int] = field(default_factory=set)
    looked: t.Dict[int, float] = field(default_factory=dict)
    live_again: t.Optional[Live] = None

    @property
    def spares_live(self) -> bool:
        return self.on_live != "clean"

    @property
    def sent(self) -> t.Set[int]:
        return self.cleaned | self.unknown

    @property
    def unsure(self) -> bool:
        """Whether it is unknown which of the cleaned instances are live again."""
        return self.live_again is None and bool(self.sent) and self.spares_live

    def pending(self) -> t.List[int]:
        """The targets that still have to be sent."""
        left_out = self.sent | (set(self.live) if self.spares_live else set())
        return [at for at in range(len(self.targets)) if at not in left_out]

    def stale(self, part: t.Iterable[int], now: float) -> bool:
        """Whether the last look-up of one of these targets is too old to clean it now."""
        return any(now - self.looked[at] > FRESH for at in part)


def parts(state: State) -> t.List[t.List[int]]:
    """The pending targets, in parts with few services each, because a look-up takes a request for each service."""
    ordered = sorted(
        state.pending(), key=lambda at: (state.targets[at].namespace or "", state.targets[at].service or "")
    )
    return [ordered[start : start + PART] for start in range(0, len(ordered), PART)]


def success(state: State, cleaned: t.Iterable[int]) -> Result:
    """The result of a task in which these targets were cleaned."""
    done = sorted(cleaned)
    return {
        "changed": bool(done or state.unknown),
        "cleaned": [identity(state.targets[at]) for at in done],
        "live": identities(state.live),
        "live_again": identities(state.live_again or {}),
        "count": len(done),
    }


def failure(state: State) -> Result:
    """The result of a task that stopped halfway."""
    return {
        **success(state, state.cleaned),
        **({"live_again": None} if state.unsure else {}),
        "not_cleaned": [identity(state.targets[at]) for at in state.pending()],
        "unknown": [identity(state.targets[at]) for at in sorted(state.unknown)],
    }


def identities(live: Live) -> t.List[t.Dict[str, t.Any]]:
    return [identity(instance) for _at, instance in sorted(live.items())]


def tally(state: State) -> str:
    """How far a task got, as a sentence."""
    if not state.cleaned and not state.unknown:
        return "Nothing was cleaned."
    unknown = f", and the outcome is unknown for {len(state.unknown)}" if state.unknown else ""
    return f"{len(state.cleaned)} were cleaned, {len(state.pending())} were not{unknown}."


def live_error(state: State, url: str, unnoticed: int) -> PolarisError:
    """The error about live instances.

    :param unnoticed: how many deleted instances the node may still list, see :func:`.instances.unnoticed_deletions`.
    """
    one = len(state.live) == 1
    stale = (
        f" This node lists {unnoticed} more instances than its store holds, so these may be deleted instances that the "
        f"node has not noticed: restart it, or ask another node."
    )
    return PolarisError(
        "guard",
        f"{len(state.live)} of {len(state.targets)} instances {'is' if one else 'are'} live at {url} "
        f"({some_of(state.live)}). {tally(state)} Deregister {'it' if one else 'them'} first, or set "
        f"on_live to skip, which cleans the others.{stale if unnoticed else ''}",
        partial=failure(state),
    )


def some_of(live: Live) -> str:
    """The first few instances, as messages name them."""
    found = (instance for _at, instance in sorted(live.items()))
    return listed([f"{each.namespace}/{each.service} {each.host}:{each.port}" for each in found], SHOWN)


def damage(state: State, url: str) -> str:
    """The sentence about instances that are live again; empty if there are none."""
    if not state.live_again:
        return ""
    return (
        f"{len(state.live_again)} of {len(state.sent)} cleaned instances are live again at {url} "
        f"({some_of(state.live_again)}): they registered while this task ran, and the server may have deleted what it "
        f"stores of them (metadata and health check on MySQL, all of it on boltdb). Register them again."
    )


def unreached(state: State, url: str) -> t.List[str]:
    """The warning about live instances whose id differs from the one that the task names or computes."""
    others = {at: found for at, found in state.live.items() if found.id != state.targets[at].id}
    if not others:
        return []
    warning = (
        f"{len(others)} instances are live at {url} with an id of their own ({some_of(others)}): service, namespace, "
        f"host and port do not identify them, live or deleted; name them by their id."
    )
    return [warning]


def services_without_live(state: State) -> t.List[t.Tuple[str, str]]:
    """The services (namespace, name) that the task names and that have no live instance among its targets."""
    named = {(target.namespace, target.service) for target in state.targets if target.namespace and target.service}
    return sorted(named - {(found.namespace, found.service) for found in state.live.values()})


def identity(named: t.Union[Target, Instance]) -> t.Dict[str, t.Any]:
    """The parts that name an instance, in the keys of a result."""
    keys = {
        "id": named.id,
        "service": named.service,
        "namespace": named.namespace,
        "host": named.host,
        "port": named.port,
    }
    return {**keys, "vpc_id": named.vpc_id} if named.vpc_id else keys


# --- which of them are live ------------------------------------------------------------------------------------------


class Names:
    """Finds the targets that name a registered instance: by id, or by service, namespace, host and port."""

    def __init__(self, targets: t.Sequence[Target]) -> None:
        self.targets = targets
        self.by_id = {target.id: at for at, target in enumerate(targets)}
        self.by_tetrad: t.Dict[t.Tuple[t.Any, ...], t.List[int]] = {}
        for at, target in enumerate(targets):
            if target.service is not None:
                self.by_tetrad.setdefault(tetrad(target), []).append(at)

    def meant_by(self, listing: Listing) -> Live:
        found: Live = {}
        for instance in listing.instances:
            for at in self.by_tetrad.get(tetrad(instance), ()):
                # Two networks may use the same address. A target without a vpc_id matches in every network.
                if self.targets[at].vpc_id in (None, instance.vpc_id):
                    found[at] = instance
            if instance.id in self.by_id:
                found[self.by_id[instance.id]] = instance
        return found


def tetrad(named: t.Union[Target, Instance]) -> t.Tuple[t.Any, ...]:
    return (named.namespace, named.service, named.host, named.port)


def find_live(client: Client, targets: t.Sequence[Target]) -> Live:
    """Which targets are live, in as few requests as possible."""
    names = Names(targets)
    live: Live = {}
    services: t.Dict[t.Tuple[str, str], t.List[int]] = {}
    for at, target in enumerate(targets):
        if target.service is not None and target.namespace is not None:
            services.setdefault((target.namespace, target.service), []).append(at)

    # A service at a time, if that takes fewer requests than its instances one by one.
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

    # An id may have been registered again for another address. For other computed ids, the lists above would show that.
    own = [target.id for at, target in enumerate(targets) if target.own_id and at not in live]
    computed = [targets[at].id for at in one_by_one if not targets[at].own_id and at not in live]
    for listing in find_ids(client, own, computed):
        live.update(names.meant_by(listing))
    return live


def find_ids(client: Client, own: t.Sequence[str], computed: t.Sequence[str]) -> t.List[Listing]:
    """The instances with these ids, one by one or from the list of all, whichever takes fewer requests.

    On servers that cannot search for an id, all services are read if there are ``own`` ids to find.
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
    """All instances, in fewer than ``most_requests``; None if that is impossible, or the list may be incomplete."""
    try:
        everything = instances.find(client, most_requests=1)
        if not everything.complete and pages(everything) < most_requests:
            everything = instances.find(client)
    except PolarisError as error:
        if error.kind in ("refused", "unsupported", "server"):
            return None
        raise
    # Every server registers itself, so an empty list cannot be the list of all instances.
    return everything if everything.complete and everything.instances else None


def pages(listing: Listing) -> int:
    return math.ceil(listing.amount / instances.PAGE)


def certain(client: Client, listing: Listing) -> Listing:
    if not listing.complete:
        raise PolarisError(
            "guard",
            f"{client.url} returned a different list of instances on each read, so it is unknown which are live: try "
            f"again when fewer instances are registering.",
        )
    return listing


def is_aware(client: Client) -> bool:
    """Whether every node has noticed all deregistrations before the look-up, because there is only this node.

    That is certain with a boltdb store, whose leaderships have no time of creation. (A registry of nodes with one entry
    is no proof: by default all register as 127.0.0.1.) The list of instances comes from the node's cache, which is
    brought up to date for it, from the release on that has a third authentication switch; most releases do not report
    their version.
    """
    try:
        leaders = elections.leaders(client)
        alone = bool(leaders) and all(leader.ctime is None for leader in leaders)
        return alone and "consoleOpen" in (account.switches(client) or {})
    except PolarisError:
        return False


def unknown_services(client: Client, state: State) -> t.List[str]:
    """The warning about services that do not exist: cleaning what never existed succeeds like any other clean."""
    unproven = services_without_live(state)
    if len(unproven) > SERVICES_CHECKED:
        return []
    try:
        missing = [f"{of}/{name}" for of, name in unproven if not instances.services(client, of, name)]
    except PolarisError:
        return []  # The warning is only advice.
    return [f"{client.url} has no service {', '.join(missing)}: check the names."] if missing else []


# --- the task --------------------------------------------------------------------------------------------------------


def look_up(client: Client, state: State, part: t.Sequence[int]) -> None:
    """Find out which targets of ``part`` are live. Fails if one is, and on_live says so."""
    state.looked.update(dict.fromkeys(part, time.monotonic()))
    found = find_live(client, [state.targets[at] for at in part])
    state.live.update((part[at], instance) for at, instance in found.items())
    if found and state.on_live == "fail":
        raise live_error(state, client.url, instances.unnoticed_deletions(client))


def look_back(client: Client, state: State) -> None:
    """Find out which of the cleaned instances are live now."""
    if state.spares_live and state.sent:
        sent = sorted(state.sent)
        found = find_live(client, [state.targets[at] for at in sent])
        state.live_again = {sent[at]: instance for at, instance in found.items()}


def clean_all(client: Client, state: State, settle: float) -> None:
    """Clean what is pending, after ``settle`` seconds; a failure says how far it got."""
    try:
        clean_parts(client, state, settle)
        look_back(client, state)
    except PolarisError as error:
        if state.live_again is None:
            with contextlib.suppress(PolarisError):
                look_back(client, state)
        raise interrupted(error, state, client.url) from error
    if state.live_again:
        raise PolarisError("guard", damage(state, client.url), partial=failure(state))


def clean_parts(client: Client, state: State, settle: float) -> None:
    pending = state.pending()
    progress = Progress(client.progress, "instances cleaned", len(pending))
    if pending and settle and not is_aware(client):
        time.sleep(settle)
        if state.spares_live:
            look_up(client, state, pending)
    for part in parts(state):
        if state.spares_live and state.stale(part, time.monotonic()):
            look_up(client, state, part)
        send(client, state, [at for at in part if not (state.spares_live and at in state.live)], progress)


def interrupted(error: PolarisError, state: State, url: str) -> PolarisError:
    """The error that stopped a task, with how far it got."""
    sentences = [error.msg.rstrip(".") + "."]
    if not error.partial:
        sentences.append(tally(state))
    if state.unsure:
        sentences.append("It is unknown whether any of them is live again.")
    sentences.append(damage(state, url))
    if not error.partial and error.kind in PASSING:
        sentences.append("Run it again: cleaning an instance twice does no harm.")
    error.msg = " ".join(filter(None, sentences))
    error.partial = failure(state)
    return error


def send(client: Client, state: State, part: t.Sequence[int], progress: Progress) -> None:
    """Clean these, each by one request that is never repeated; after the first failure no more are sent."""
    first: t.Optional[PolarisError] = None
    requests = [state.targets[at].request() for at in part]
    for index, answer in client.each(lambda request: cleaning.clean(client, request), requests):
        if not isinstance(answer, PolarisError):
            state.cleaned.add(part[index])
            progress.step()
            continue
        if answer.outcome_unknown:
            state.unknown.add(part[index])
        first = first or answer
    if first is not None:
        raise first


def run(client: Client, params: Params, check_mode: bool) -> Result:
    state = State(_identity.targets(params), params["on_live"])
    settle: float = params["settle"]
    if not 0 <= settle <= LONGEST_WAIT:
        raise PolarisError("refused", f"settle must be from 0 to {LONGEST_WAIT} seconds; got {settle:g}.")
    look_up(client, state, range(len(state.targets)))
    if not check_mode:
        clean_all(client, state, settle)
    warnings = [*unreached(state, client.url), *unknown_services(client, state)]
    return {**success(state, state.pending() if check_mode else state.cleaned), "warnings": warnings}


def main() -> None:
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
