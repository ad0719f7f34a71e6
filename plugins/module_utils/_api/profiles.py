# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. The pprof profiles of a server."""

from __future__ import annotations

import typing as t

from .._advice import how_to_profile
from .._answers import Query, expect
from .._client import Client
from .._errors import PolarisError
from .routes import Route, call, has_route, not_polaris, require_polaris

# In no release yet; the source reports v1.19.0-alpha.0 as its version.
ENABLE_PPROF = Route("POST", "/maintain/v1/pprof/enable", since="v1.19.0")
INDEX = Route("GET", "/debug/pprof/")


def enabled(client: Client) -> bool:
    """Whether the server offers profiles. If switched off, it has no such page (up to v1.18.1) or an empty one."""
    reply = client.send(INDEX.request(accept="*/*"))
    if reply.status == 200 and "/debug/pprof/" in reply.text:
        return True
    if reply.status != 404:
        expect(reply, client.url)
        if reply.text:
            raise not_polaris(client, reply)
    # A web site has no such page either.
    require_polaris(client)
    return False


def offered(client: Client) -> t.Optional[bool]:
    """Like :func:`enabled`, but None if a proxy in front of the server answers instead."""
    try:
        return enabled(client)
    except PolarisError as error:
        if error.status is None:
            raise
        return None


def enable(client: Client, on: bool) -> None:
    """Switch profiles on or off until that node restarts. The call needs no account."""
    call(client, ENABLE_PPROF, {"enable": on})


def switched_off(client: Client) -> PolarisError:
    """The error for a profile requested while profiles are switched off."""
    advice = how_to_profile(on=True, by_call=bool(has_route(client, ENABLE_PPROF)))
    return PolarisError(
        "unsupported", f"{client.url} has profiles switched off. {advice}", method=INDEX.method, path=INDEX.path
    )


def save(client: Client, kind: str, seconds: t.Optional[int], target: t.BinaryIO) -> None:
    """Write a profile to ``target``, in the format that ``go tool pprof`` (or ``go tool trace``) reads.

    :param seconds: how long the server records, for a CPU profile and a trace.
    """
    query: t.Optional[Query] = None if seconds is None else {"seconds": seconds}
    timeout = client.settings.timeout + (seconds or 0)
    route = Route("GET", f"/debug/pprof/{kind}")
    reply = client.send(route.request(query, accept="*/*", target=target, timeout=timeout))
    if reply.status == 200 and target.tell() > 0:
        return
    # If switched off: 404 up to v1.18.1, an empty 200 in later versions.
    if reply.status not in (200, 404):
        raise expect(reply, client.url).error("protocol", f"{client.url} answered {reply.status} instead of a profile.")
    if not enabled(client):
        raise switched_off(client)
    raise reply.error(
        "unsupported",
        f"{client.url} has no profile of the kind {kind}: traces need Polaris {ENABLE_PPROF.since} or later; use the "
        f"kind profile instead.",
    )
