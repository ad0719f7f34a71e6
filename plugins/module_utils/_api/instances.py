# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. Registered instances, and reading lists that are split into pages."""

from __future__ import annotations

import math
import typing as t
import zlib

from .._answers import Query, expect
from .._client import Client
from .._errors import PolarisError
from .._model import Instance, Listing, ttl_of
from .routes import Route, json_object, not_polaris

GET_INSTANCES = Route("GET", "/naming/v1/instances")
COUNT_INSTANCES = Route("GET", "/naming/v1/instances/count")
GET_SERVICES = Route("GET", "/naming/v1/services")

#: One answer contains at most this many entries (polaris v1.18.1 common/utils/common.go QueryMaxLimit).
PAGE = 100

#: No registry has more. Whatever reports more is not a Polaris server, and must not be asked for all the pages.
MOST_ENTRIES = 10_000_000

# The number of pages that show whether the order differs from answer to answer.
_SAMPLE = 8
# How many times a list that changes while it is read is read again, and the maximum length of an id prefix.
_READINGS = 2
_LONGEST_PREFIX = 4
_HEX = "0123456789abcdef"
# How many tasks a list that they read together needs for each of its pages. If half of the nodes do not answer, the
# others miss a page of a list of 1,000 entries once in some 4,000 times; the number of entries shows that.
_READERS = 20

_INVALID_PARAMETER = 400103
_QUERY_TOO_WIDE = 400105


def find(
    client: Client,
    *,
    namespace: t.Optional[str] = None,
    service: t.Optional[str] = None,
    host: t.Optional[str] = None,
    port: t.Optional[int] = None,
    instance_id: t.Optional[str] = None,
    most_requests: t.Optional[int] = None,
) -> Listing:
    """The registered instances with these properties, without deleted ones; none for an unknown service.

    The answer is current: servers ask their store (up to v1.17.1), or update their cache first (from v1.17.2 on,
    cache/service/instance_query.go).

    :param instance_id: servers up to v1.16 cannot search for it: ``unsupported``.
    :param most_requests: read only the first page if the whole list would need more requests.
    """
    given = {"namespace": namespace, "service": service, "host": host, "port": port, "id": instance_id}
    wanted: Query = {name: value for name, value in given.items() if value is not None}
    try:
        found = _listing(client, wanted, most_requests)
    except PolarisError as error:
        if instance_id is not None and error.code in (_INVALID_PARAMETER, _QUERY_TOO_WIDE):
            error.kind = "unsupported"
            error.msg = (
                f"{client.url} cannot search for an instance by id, which needs Polaris v1.17.0 or later: name the "
                f"instance by service, namespace, host and port."
            )
            raise
        if error.code != _QUERY_TOO_WIDE:
            raise
        found = _listing_by_service(client, namespace, service)
    # The server treats * as a wildcard, and takes only the part of a host before a comma.
    kept = tuple(
        entry
        for entry in found.instances
        if (namespace is None or entry.namespace == namespace)
        and (service is None or entry.service == service)
        and (host is None or entry.host == host)
        and (port is None or entry.port == port)
        and (instance_id is None or entry.id == instance_id)
    )
    return Listing(kept, found.amount, found.complete)


def read_together(client: Client, number: int, tasks: int, *, namespace: str, service: str) -> Listing:
    """The part of a list that task ``number`` reads if many tasks read it together: its first page, and one other.

    If there are too few tasks to cover the list, each reads all of it.
    """
    wanted: Query = {"namespace": namespace, "service": service}
    first = _page(client, wanted)
    pages = math.ceil(first.amount / PAGE)
    if first.complete:
        return first
    if tasks < pages * _READERS:
        return find(client, namespace=namespace, service=service)
    listed = [first]
    # Not number % pages: if every second task belongs to another cluster, its tasks would read only every second page.
    other = zlib.crc32(str(number).encode()) % pages
    if other:
        listed.append(_page(client, {**wanted, "offset": other * PAGE}))
    return Listing(tuple(_by_id(listed).values()), first.amount, False)


def unnoticed_deletions(client: Client) -> int:
    """The number of instances that the node lists although its store has deleted them and its cache missed that.

    Also 0 if this is unknown, as on servers up to v1.16, which list from the store anyway.
    """
    try:
        listed = page_of(client, GET_INSTANCES, {"limit": 1}, "instances")[0]
        stored = page_of(client, COUNT_INSTANCES, {}, "instances")[0]
    except PolarisError:
        return 0
    return max(listed - stored, 0)


def _listing(client: Client, wanted: Query, most_requests: t.Optional[int]) -> Listing:
    """All pages of a list, combined so that nothing is missing.

    It is sorted by time of change, so an instance that changes while pages are read moves to a page that was already
    read. On a MySQL store, from v1.17.2 on, instances that changed in the same second are also ordered differently in
    every answer: of 2000 registered at once, 20 pages show some 1300. So pages count as the whole list only if all
    report the same total and contain that many instances. Otherwise instances are read by id prefix (most ids are
    hexadecimal), in answers of one page each. If the first pages contain an instance twice, the others are not read.
    """
    first = _page(client, wanted)
    if first.complete or (most_requests is not None and math.ceil(first.amount / PAGE) > most_requests):
        return first
    seen: t.Dict[str, Instance] = {}
    for reading in range(_READINGS):
        following: t.List[Query] = [{**wanted, "offset": offset} for offset in range(PAGE, first.amount, PAGE)]
        pages = [first, *_pages(client, following[:_SAMPLE])]
        found = _by_id(pages)
        # The second reading is for servers that find nothing by id prefix.
        if reading > 0 or len(found) == sum(len(page.instances) for page in pages):
            pages += _pages(client, following[_SAMPLE:])
            found = _by_id(pages)
        if {page.amount for page in pages} == {len(found)}:
            return Listing(tuple(found.values()), len(found), True)
        found.update(_by_id_prefix(client, wanted, first.amount))
        seen.update(found)
        first = _page(client, wanted)
        if len(found) == first.amount:
            return Listing(tuple(found.values()), first.amount, True)
    return Listing(tuple(seen.values()), first.amount, False)


def _by_id_prefix(client: Client, wanted: Query, amount: int) -> t.Dict[str, Instance]:
    """Those of ``amount`` instances whose ids are hexadecimal; a prefix that exceeds one answer is split into 16."""
    found: t.Dict[str, Instance] = {}
    prefixes = [] if "id" in wanted else list(_HEX)
    while prefixes:
        try:
            pages = _pages(client, [{**wanted, "id": f"{prefix}*"} for prefix in prefixes])
        except PolarisError as error:
            if error.code == _INVALID_PARAMETER:  # up to v1.16: "id is not allowed"
                break
            raise
        found.update(_by_id(pages))
        full = [
            prefix
            for prefix, page in zip(prefixes, pages)
            # If a prefix matches all instances, the server did not filter by it.
            if not page.complete and page.amount < amount and len(prefix) < _LONGEST_PREFIX
        ]
        prefixes = [prefix + digit for prefix in full for digit in _HEX]
    return found


def _by_id(pages: t.Iterable[Listing]) -> t.Dict[str, Instance]:
    return {entry.id: entry for page in pages for entry in page.instances}


def _pages(client: Client, queries: t.Sequence[Query]) -> t.List[Listing]:
    """The page of each query, read in parallel."""
    return client.collect(lambda query: _page(client, query), queries, "pages of instances read")


def _page(client: Client, wanted: Query) -> Listing:
    try:
        amount, entries = page_of(client, GET_INSTANCES, wanted, "instances")
    except PolarisError as error:
        # Up to v1.14 a server with a boltdb store crashes in this call for an unknown service (nil dereference in
        # store/boltdb/instance.go GetExpandInstances), and closes the connection.
        if (
            error.kind == "server"
            and error.status is None
            and "namespace" in wanted
            and "service" in wanted
            and not services(client, str(wanted["namespace"]), str(wanted["service"]))
        ):
            return Listing((), 0, True)
        raise
    found = tuple(_instance(client, entry) for entry in entries)
    return Listing(found, amount, len(found) >= amount)


def _instance(client: Client, entry: t.Dict[str, t.Any]) -> Instance:
    named = [entry.get(key) for key in ("id", "service", "namespace", "host")]
    port = entry.get("port")
    location, metadata = entry.get("location") or {}, entry.get("metadata") or {}
    if (
        not all(isinstance(part, str) for part in named)
        or not isinstance(port, int)
        or not isinstance(location, dict)
        or not isinstance(metadata, dict)
    ):
        raise PolarisError(
            "protocol",
            f"{client.url} lists an instance without id, service, namespace, host or port, or with fields that are "
            f"not those of an instance: it is not a Polaris server, or a proxy or gateway in front of it changes its "
            f"answers.",
            method=GET_INSTANCES.method,
            path=GET_INSTANCES.path,
        )
    return Instance(
        id=str(named[0]),
        service=str(named[1]),
        namespace=str(named[2]),
        vpc_id=entry.get("vpc_id") or None,
        host=str(named[3]),
        port=port,
        protocol=entry.get("protocol") or None,
        version=entry.get("version") or None,
        priority=entry.get("priority"),
        weight=entry.get("weight"),
        healthy=entry.get("healthy"),
        isolated=entry.get("isolate"),
        health_check=entry.get("enableHealthCheck"),
        ttl=ttl_of(entry),
        location={key: value for key, value in location.items() if value},
        metadata=dict(metadata),
    )


def _listing_by_service(client: Client, namespace: t.Optional[str], service: t.Optional[str]) -> Listing:
    """The instances, one service at a time, for servers (up to v1.15) that only list the instances of one service."""
    named: t.List[Query] = [{"namespace": of, "service": name} for of, name in services(client, namespace, service)]
    listings = [_listing(client, each, None) for each in named]
    found = tuple(entry for listing in listings for entry in listing.instances)
    return Listing(found, sum(listing.amount for listing in listings), all(listing.complete for listing in listings))


def services(
    client: Client, namespace: t.Optional[str] = None, name: t.Optional[str] = None
) -> t.List[t.Tuple[str, str]]:
    """All services as (namespace, name), sorted. If the list changes meanwhile, its pages may be inconsistent."""
    given = {"namespace": namespace, "name": name}
    wanted: Query = {key: value for key, value in given.items() if value is not None}
    for _reading in range(_READINGS * 4):
        found: t.Set[t.Tuple[str, str]] = set()
        offset, amount = 0, 1
        while offset < amount:
            amount, entries = page_of(client, GET_SERVICES, {**wanted, "offset": offset}, "services")
            found.update((str(entry.get("namespace")), str(entry.get("name"))) for entry in entries)
            offset += PAGE
        if len(found) == amount:
            return sorted(found)
    raise PolarisError(
        "server",
        f"{client.url} returned a different list of services on each read: try again when fewer services are "
        f"registering.",
        method=GET_SERVICES.method,
        path=GET_SERVICES.path,
    )


def page_of(client: Client, route: Route, query: Query, key: str) -> t.Tuple[int, t.List[t.Dict[str, t.Any]]]:
    """The total of a list of the console API, and one page of it."""
    reply = client.send(route.request({"limit": PAGE, **query}))
    if reply.status in (404, 405):
        raise reply.error(
            "unsupported",
            f"{client.url} has no {route}, which lists what is registered: switch on its console API "
            f"(api.console.enable under the api-http apiserver), or name a node that has it switched on.",
        )
    body = json_object(client, expect(reply, client.url))
    amount, entries = body.get("amount"), body.get(key)
    if amount == 0 and entries is None:
        entries = []  # pole-server leaves out what is empty
    if not isinstance(amount, int) or amount > MOST_ENTRIES or not isinstance(entries, list):
        raise not_polaris(client, reply)
    if not all(isinstance(entry, dict) for entry in entries):
        raise not_polaris(client, reply)
    return amount, entries
