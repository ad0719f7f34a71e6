# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. A request, the server's reply, and what a refusal in a reply means."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass, field

from ._errors import Kind, PolarisError, shorten

Query = t.Dict[str, t.Union[str, int]]
Json = t.Any

# The maintenance calls refuse with HTTP 400 (batchclean: 500) and the plain text of a Go error. Only the text
# distinguishes an unknown token from an account without rights (polaris v1.18.1 auth/defaultauth/auth_checker.go,
# common/model/auth errors; HEAD auth/policy/auth_checker.go).
_AUTH_TEXTS = (
    "invalid token",
    "token not exist",
    "token already disabled",
    "no such user",
    "no such user group",
    "access is not approved",
)
# Released servers: the role of the account decides.
_ROLE_TEXTS = ("only owner account can access maintain api", "only user role can access maintain api")
# The codes of the plugin that limits requests: 403001 and 403002 up to v1.13; 429002, 403003 and, for one instance,
# 429001 from v1.14 on, where the first two refuse an account in calls that are not used here.
_RATE_LIMITS = (403001, 403002, 403003, 429001, 429002)
# HEAD: access policies decide, on reads too.
_POLICY_TEXT = "no permission"


@dataclass(frozen=True)
class Request:
    """One request to the server.

    :param repeatable: whether it may be sent again after a failure: a GET, or a PUT of an absolute value.
    :param fresh: send it over a new connection: the answer cannot be lost because a kept-alive connection just closed.
    :param timeout: seconds; None for the timeout of the settings.
    :param accept: an Accept header other than JSON, for a route that is not part of the JSON API.
    :param target: where the body of a 200 is written, so that a large body is never held in memory.
    """

    method: str
    path: str
    query: t.Optional[Query] = None
    body: Json = None
    repeatable: bool = False
    fresh: bool = False
    timeout: t.Optional[float] = None
    accept: t.Optional[str] = None
    target: t.Optional[t.BinaryIO] = field(default=None, repr=False)


@dataclass(frozen=True)
class Reply:
    """The server's answer, whatever its status; header names in lower case.

    :param local_address: our end of the connection that carried it, ``host:port``. The server sees the same address,
        unless something in between translates addresses.
    :param with_token: whether the request had a token.
    :param secrets: what no message may quote.
    """

    method: str
    path: str
    status: int
    headers: t.Dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    local_address: str = ""
    with_token: bool = True
    secrets: t.FrozenSet[str] = field(default=frozenset(), repr=False)

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", errors="replace").strip()

    def said(self) -> str:
        """What the server says about the request, as one line for a message: ``info`` of the JSON, or the text.

        Secrets are removed before truncating, because one that was cut in half could not be found later.
        """
        parsed = self.parsed()
        text = str(parsed.get("info") or "") if isinstance(parsed, dict) else self.text
        if shorten(text) == text:
            return text
        for secret in sorted(self.secrets, key=len, reverse=True):
            text = text.replace(secret, "********")
        return shorten(text)

    def parsed(self) -> Json:
        """The body as JSON; None if it is not JSON.

        The Content-Type does not show this: clean, heartbeat and naming answer JSON labelled text/plain
        (polaris v1.18.1 apiserver/httpserver/utils/handler.go sets none).
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):  # not JSON, or nested too deeply
            return None

    def code(self) -> t.Optional[int]:
        """The ``code`` of a ``{code, info}`` answer."""
        parsed = self.parsed()
        code = parsed.get("code") if isinstance(parsed, dict) else None
        return code if isinstance(code, int) else None

    def error(self, kind: Kind, msg: str, **extra: t.Any) -> PolarisError:
        parsed = self.parsed()
        return PolarisError(
            kind,
            msg,
            status=self.status,
            code=self.code(),
            info=None if isinstance(parsed, dict) and not isinstance(parsed.get("info"), str) else self.said(),
            method=self.method,
            path=self.path,
            **extra,
        )


def expect(reply: Reply, url: str) -> Reply:
    """The reply, if its status is 2xx; otherwise raise the error that the answer means."""
    if 200 <= reply.status < 300:
        return reply
    code = reply.code() or 0
    said = reply.said()
    call = f"{reply.method} {reply.path}"
    account = _account_error(reply, url, code, said)
    if account is not None:
        raise account
    if is_rate_limited(reply):
        raise reply.error(
            "refused", f"{url} limits the request rate ({said or reply.status}): wait, or lower the option parallel."
        )
    if reply.status == 403:
        raise reply.error(
            "permission", f"{url} forbids {call} ({said}): ask the operators of the proxy in front of it."
        )
    if code == 400202:
        raise reply.error("not_found", f"{url} did not find what {call} names ({said}): check the names and ids.")
    if reply.status in (404, 405):
        raise reply.error("unsupported", f"{url} has no {call}.")
    if reply.status in (406, 415):
        raise reply.error(
            "protocol",
            f"{url} refused the JSON headers of {call} with {reply.status}: something between here and the server "
            f"removes them, or this is not a Polaris server.",
        )
    if reply.status == 407:
        raise reply.error("unreachable", f"the proxy in front of {url} requires a login: name the host in no_proxy.")
    if 400 <= reply.status < 500:
        raise reply.error("refused", f"{url} refused {call} with {reply.status}: {said or 'no text'}.")
    raise reply.error(
        "server",
        f"{url} failed in {call} with {reply.status}: {said or 'no text'}; look at the server's log.",
        # A gateway answers this if the server gave no answer.
        outcome_unknown=reply.method != "GET" and reply.status in (502, 504),
    )


def is_rate_limited(reply: Reply) -> bool:
    """Whether the server, or a proxy, refused the request because there were too many."""
    return reply.status == 429 or reply.code() in _RATE_LIMITS


def _account_error(reply: Reply, url: str, code: int, said: str) -> t.Optional[PolarisError]:
    """The error for an answer that refuses the account, or a missing one; None for any other answer."""
    lower = said.lower()
    call = f"{reply.method} {reply.path}"
    if any(text in lower for text in _ROLE_TEXTS):
        return reply.error(
            "permission",
            f"{url} does not allow {call} for this account ({said}): released servers let only the main (owner) "
            f"account write; give that account's token.",
        )
    if _POLICY_TEXT in lower:
        return reply.error(
            "permission",
            f"{url} does not allow {call} for this account ({said}): its access policies decide this; give the token "
            f"of the main (owner) account, or allow this call in a policy of this account.",
        )
    refused = reply.status == 401 or code // 1000 == 401 or any(text in lower for text in _AUTH_TEXTS)
    if refused and not reply.with_token:
        return reply.error(
            "auth",
            f"{url} requires a token, and none was given ({said}): give the token of an enabled account, by the option "
            f"token, the host variable polaris_token or POLARIS_TOKEN, or give username and password.",
        )
    if lower == "access is not approved":
        # HEAD gives the same text for a wrong token and for an account without rights.
        return reply.error(
            "auth",
            f"{url} does not accept the token, or does not allow {call} for its account; it does not say which "
            f"({said}): give the token of the main (owner) account, by the option token, polaris_token or "
            f"POLARIS_TOKEN.",
        )
    if refused:
        return reply.error(
            "auth",
            f"{url} does not accept the token ({said}): give the token of an enabled account, by the option token, "
            f"polaris_token or POLARIS_TOKEN, or give username and password.",
        )
    return None
