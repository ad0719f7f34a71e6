# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. Addresses and URLs: format, order, and which server they refer to."""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import re
import socket
import typing as t
from urllib.parse import urlsplit

from ._errors import PolarisError, shorten

#: The port of a server's HTTP API, unless its configuration sets another one.
DEFAULT_HTTP_PORT = 8090
#: What a server that does not know its own address registers (polaris v1.18.1 common/utils/const.go). This includes
#: every default installation.
DEFAULT_HOST = "127.0.0.1"
#: Addresses that name no machine in particular: what a default installation, or a client that does not know its own
#: address, registers.
PLACEHOLDERS = frozenset((DEFAULT_HOST, "::1", "localhost", "0.0.0.0", "::"))  # noqa: S104


def normalized_url(url: str) -> str:
    """The base URL without a trailing slash, or a ``refused`` error that never repeats a password in it."""
    if "@" in url:
        raise PolarisError(
            "refused", "url must not contain credentials; give the options token, or username and password, instead."
        )
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        raise PolarisError("refused", "url is not a URL: its port must be a number from 1 to 65535.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise PolarisError(
            "refused",
            f"url must be http://HOST:PORT or https://HOST:PORT of one server, such as http://10.0.0.1:8090; "
            f"got {shorten(url)!r}.",
        )
    if port == 0:
        raise PolarisError("refused", "url is not a URL: its port must be a number from 1 to 65535.")
    if parts.query or parts.fragment:
        raise PolarisError("refused", "url must be the base URL of a server, without a query (?) or a fragment (#).")
    return f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")


def credentials_in_url(url: str) -> t.Set[str]:
    """The part of a URL that no message may show: everything before the last ``@``, however malformed the URL is.

    This is a single string, without the password as a second one: where two secrets overlap, Ansible censors whichever
    it finds first, so the two doors would show different results.
    """
    before, at, _rest = url.rpartition("@")
    # Strip only a prefix that cannot be part of a secret, which may contain "//" itself.
    userinfo = re.sub("^(?:https?:)?//", "", before, flags=re.IGNORECASE)
    return {userinfo} if at and userinfo else set()


def shown_url(url: t.Any) -> t.Optional[str]:
    """The URL for the result of a task that failed before it had a client; None where it may contain credentials."""
    return None if url is None or credentials_in_url(str(url)) else str(url).rstrip("/")


def bracketed(host: str) -> str:
    """A host as it is written in a URL."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def host_and_port(address: str) -> t.Tuple[str, str]:
    """The parts of ``host:port``; the host without brackets."""
    host, _colon, port = address.rpartition(":")
    return host.strip("[]"), port


def sibling_url(url: str, host: str, port: t.Optional[int] = None) -> str:
    """The URL of another node of the cluster of ``url``: the same scheme, base path and, without ``port``, port."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{bracketed(host)}:{port or _port(parts)}{parts.path}"


def same_server(one: str, other: str) -> bool:
    """Whether two URLs have the same scheme, host and port. False if either is not a URL."""
    try:
        first, second = (urlsplit(url.strip()) for url in (one, other))
        return (first.scheme, first.hostname, _port(first)) == (second.scheme, second.hostname, _port(second))
    except ValueError:
        return False


def _port(parts: t.Any) -> t.Optional[int]:
    return parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def is_loopback(host: str) -> bool:
    """Whether an address refers to the local machine, as 127.0.0.1, ::1, 0.0.0.0 and localhost do."""
    address = _parsed(host)
    return host.lower() == "localhost" if address is None else address.is_loopback or address.is_unspecified


def address_order(address: str) -> t.Tuple[int, str, int]:
    """The sort key of ``host`` or ``host:port``: IPv4 addresses first, as numbers, then everything else."""
    host, port = address.partition(":")[::2]
    number = int(port) if port.isdecimal() else 0
    parsed = _parsed(host)
    return (int(parsed), "", number) if isinstance(parsed, ipaddress.IPv4Address) else (1 << 32, address, number)


# An inventory of 10,000 instances looks at each address twice.
@functools.lru_cache(maxsize=20_000)
def _parsed(host: str) -> t.Union[ipaddress.IPv4Address, ipaddress.IPv6Address, None]:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def addresses_of(url: str) -> t.Set[str]:
    """The host of a URL, and the addresses that its name resolves to here."""
    name = urlsplit(url).hostname or ""
    addresses = {name}
    with contextlib.suppress(OSError):
        addresses |= {str(info[4][0]) for info in socket.getaddrinfo(name, None)}
    return addresses


def address_among(label: t.Optional[str], addresses: t.Iterable[str], nodes: t.Iterable[str]) -> t.Optional[str]:
    """The address of a server among ``nodes``, found by the label of its metrics, or by the ``addresses`` of its URL.

    If the label is :data:`DEFAULT_HOST`, it says nothing: every server up to v1.16 has it (polaris v1.14.0
    common/metrics/types.go reads the address too early), and newer ones that do not know their address.
    """
    if label and label != DEFAULT_HOST:
        return label
    both = set(addresses) & set(nodes)
    return both.pop() if len(both) == 1 else None
