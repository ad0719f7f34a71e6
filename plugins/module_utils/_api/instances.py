# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. What is registered, and the reading of lists that come in pages."""

from __future__ import annotations

import math
import typing as t

from .._answers import Query, expect
from .._client import Client
from .._errors import PolarisError
from .._model import Instance, Listing, ttl_of
from .routes import Route, json_object, not_polaris

GET_INSTANCES = Route("GET", "/naming/v1/instances")
COUNT_INSTANCES = Route("GET", "/naming/v1/instances/count")
GET_SERVICES = Route("GET", "/naming/v1/services")

#: A list has no more than this in one answer (polaris v1.18.1 common/utils/common.go QueryMaxLimit).
PAGE = 100

#: More are in no registry; who says so is no Polaris server, and must not be asked for all the pages.
MOST_ENTRIES = 10_000_000

# How often a list that changes while it is read is begun again, and how long a beginning of an id may get.
_READINGS = 2
_LONGEST_BEGINNING = 4
_HEX = "0123456789abcdef"

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
    """The registered instances with these properties; deleted ones are not among them. An unknown service has none.

    The answer is as of now: servers ask their store (up to v1.17.1), or bring their cache up to date first (from
    v1.17.2 on, cache/service/instance_query.go).

    :param instance_id: servers up to v1.16 cannot search for it: ``unsupported``.
    :param most_requests: where the list takes more of them, be content with its first page.
    """
    given = {"namespace": namespace, "service": service, "host": host, "port": port, "id": instance_id}
    wanted: Query = {name: value for name, value in given.items() if value is not None}
    try:
        found = _listing(client, wanted, most_requests)
    except PolarisError as error:
        if instance_id is not None and error.code in (_INVALID_PARAMETER, _QUERY_TOO_WIDE):
            error.kind = "unsupported"
            error.msg = (
                f"{client.url} cannot look for an instance by its id, which came with Polaris v1.17.0: name the "
                f"instance by service, namespace, host and port."
            )
            raise
        if error.code != _QUERY_TOO_WIDE:
            raise
        found = _listing_by_service(client, namespace, service)
    # The server takes * as a wildcard and a comma in a host as the end of it.
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


def unnoticed_deletions(client: Client) -> int:
    """How many instances the node lists more than its store holds, because its cache missed that they were deleted.

    0 as well where that cannot be told, as on servers up to v1.16, which list out of the store anyway.
    """
    try:
        listed = page_of(client, GET_INSTANCES, {"limit": 1}, "instances")[0]
        stored = page_of(client, COUNT_INSTANCES, {}, "instances")[0]
    except PolarisError:
        return 0
    return max(listed - stored, 0)


def _listing(client: Client, wanted: Query, most_requests: t.Optional[int]) -> Listing:
    """All pages of a list, put together so that none of it is missing.

    It is sorted by the time of change, so that an instance that changes while pages are read moves to one that was
    read already. And on a MySQL store, from v1.17.2 on, instances that changed in the same second stand in another
    order in every answer: of 2000 registered at once, 20 pages show some 1300. So pages are only taken for the whole
    list where all say the same amount, and that many instances were in them. Otherwise instances are read by the
    beginning of their id, which mostly is hexadecimal, in answers of one page each.
    """
    first = _page(client, wanted)
    if first.complete or (most_requests is not None and math.ceil(first.amount / PAGE) > most_requests):
        return first
    seen: t.Dict[str, Instance] = {}
    for _reading in range(_READINGS):
        following: t.List[Query] = [{**wanted, "offset": offset} for offset in range(PAGE, first.amount, PAGE)]
        pages = [first, *_pages(client, following)]
        found = _by_id(pages)
        if {page.amount for page in pages} == {len(found)}:
            return Listing(tuple(found.values()), len(found), True)
        found.update(_by_beginning_of_id(client, wanted, first.amount))
        seen.update(found)
        first = _page(client, wanted)
        if len(found) == first.amount:
            return Listing(tuple(found.values()), first.amount, True)
    return Listing(tuple(seen.values()), first.amount, False)


def _by_beginning_of_id(client: Client, wanted: Query, amount: int) -> t.Dict[str, Instance]:
    """Of ``amount`` instances those with hexadecimal ids; what an answer cannot hold is asked for in 16 parts."""
    found: t.Dict[str, Instance] = {}
    beginnings = [] if "id" in wanted else list(_HEX)
    while beginnings:
        try:
            pages = _pages(client, [{**wanted, "id": f"{beginning}*"} for beginning in beginnings])
        except PolarisError as error:
            if error.code == _INVALID_PARAMETER:  # up to v1.16: "id is not allowed"
                break
            raise
        found.update(_by_id(pages))
        full = [
            beginning
            for beginning, page in zip(beginnings, pages)
            # One that holds as many as all do was not narrowed down by its beginning.
            if not page.complete and page.amount < amount and len(beginning) < _LONGEST_BEGINNING
        ]
        beginnings = [beginning + digit for beginning in full for digit in _HEX]
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
        # Up to v1.14 a server with a boltdb store crashes in this call where it has no such service (nil dereference
        # in store/boltdb/instance.go GetExpandInstances), and cuts the connection.
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
            f"{client.url} lists an instance without id, service, namespace, host or port, or with other parts than "
            f"those of an instance: it is not a Polaris server, or something stands before it.",
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
    """The same, one service after the other, for servers (up to v1.15) that only list those of a service."""
    named: t.List[Query] = [{"namespace": of, "service": name} for of, name in services(client, namespace, service)]
    listings = [_listing(client, each, None) for each in named]
    found = tuple(entry for listing in listings for entry in listing.instances)
    return Listing(found, sum(listing.amount for listing in listings), all(listing.complete for listing in listings))


def services(
    client: Client, namespace: t.Optional[str] = None, name: t.Optional[str] = None
) -> t.List[t.Tuple[str, str]]:
    """The services there are, as (namespace, name), sorted. Pages of a list that changes need not fit together."""
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
    """The amount of a list of the console API, and a page of it."""
    reply = client.send(route.request({"limit": PAGE, **query}))
    if reply.status in (404, 405):
        raise reply.error(
            "unsupported",
            f"{client.url} has no {route}, which tells what is registered: switch its console API on "
            f"(api.console.enable under the api-http apiserver), or name a node that has it on.",
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
