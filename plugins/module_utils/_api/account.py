# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. The account: login, account check, and which authentication is switched on."""

from __future__ import annotations

import contextlib
import typing as t
from dataclasses import replace

from .._answers import expect, is_rate_limited
from .._client import Client
from .._errors import PolarisError
from . import log_levels
from .routes import Route, json_object, not_polaris

LOGIN = Route("POST", "/core/v1/user/login")
GET_AUTH_STATUS = Route("GET", "/core/v1/auth/status")

#: Name and password of the main account in every new store (polaris v1.18.1 store/boltdb/default.go and
#: polaris_server.sql).
DEFAULT_LOGIN = ("polaris", "polaris")
#: Kinds of access that need no account of one's own -> the token to try; None: the login above.
PROBES: t.Mapping[str, t.Optional[str]] = {
    "anyone": "no-token-of-anybody",
    # The token of the same account, from the same files.
    "default_token": "nu/0WRA4EqSR1FagrjRj0fZwPXuGlMpX+zCuWu4uMqy8xr1vRjisSbA25aAC3mtU8MeeRsKhQiDAynUR09I=",
    "default_password": None,
}

#: The first release in which :func:`switches` include consoleOpen (and log levels are a list).
CONSOLE_SWITCH_SINCE = "v1.17.2"


def login(client: Client, username: str, password: str, owner: t.Optional[str] = None) -> str:
    """The token of an account. A wrong name or password is an ``auth`` error."""
    body = {"name": username, "password": password}
    if owner:
        body["owner"] = owner
    reply = client.send(LOGIN.request(body=body))
    if reply.status in (404, 405):
        raise reply.error(
            "unsupported",
            f"{client.url} has no login ({LOGIN}): switch on its console API (api.console.enable under the api-http "
            f"apiserver), or give a token instead of username and password.",
        )
    parsed = reply.parsed()
    # 400312 unknown user, 401001 wrong password (polaris v1.18.1 auth/defaultauth/server.go).
    if (
        isinstance(parsed, dict)
        and (reply.status == 401 or (400 <= reply.status < 500 and reply.status != 403 and "code" in parsed))
        and not is_rate_limited(reply)
    ):
        raise reply.error(
            "auth",
            f"{client.url} refused the login of {username!r} ({reply.said()}): correct username "
            f"and password; for a sub-account, owner is the name of its main account.",
        )
    expect(reply, client.url)
    answer = json_object(client, reply).get("loginResponse")
    token = answer.get("token") if isinstance(answer, dict) else None
    if not isinstance(token, str) or not token:
        raise not_polaris(client, reply)
    return token


def check(client: Client) -> None:
    """Fail, without changing anything, if the server does not know this account or has no maintenance API.

    Whether the account may also write cannot be checked in advance: released servers decide that by its role alone.
    """
    try:
        log_levels.read(client)
    except PolarisError as error:
        # Access policies (in no release up to v1.18.1) allow each call separately.
        if error.kind != "permission":
            raise


def lets_in(client: Client, who: str) -> t.Optional[bool]:
    """Whether the server accepts a kind of access; None if that is unknown.

    It uses a client of its own, so the account of ``client`` is not sent. Its connections are added to
    ``client.own_addresses``.

    :param who: a key of PROBES.
    """
    token = PROBES[who]
    try:
        with contextlib.closing(Client(replace(client.settings, token=token))) as probe:
            probe.own_addresses = client.own_addresses
            if token is None:
                # The maintenance API may be switched off: the login alone shows that the password is accepted.
                login(probe, *DEFAULT_LOGIN)
            else:
                log_levels.read(probe)
    except PolarisError as error:
        return False if error.kind in ("auth", "permission") else None
    return True


def switches(client: Client) -> t.Optional[t.Dict[str, bool]]:
    """Which authentication is switched on, by the names in polaris-server.yaml; None if the server does not say.

    Needs no account. Up to v1.17.1 there is only ``auth``; later releases also have ``clientOpen`` and ``consoleOpen``.
    """
    parsed = client.send(GET_AUTH_STATUS.request()).parsed()
    switch = parsed.get("optionSwitch") if isinstance(parsed, dict) else None
    options = switch.get("options") if isinstance(switch, dict) else None
    if not isinstance(options, dict):
        return None
    return {name: str(value).lower() == "true" for name, value in sorted(options.items())}
