# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. A request, the server's reply, and what a refusal in a reply means."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass, field

from ._errors import PolarisError, shorten

Query = t.Dict[str, t.Union[str, int]]
Json = t.Any

# The maintenance calls refuse with HTTP 400 (batchclean: 500) and the plain text of a Go error. Only the text tells
# an unknown token from an account without rights (polaris v1.18.1 auth/defaultauth/auth_checker.go,
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
_ROLE_TEXTS = (
    "only owner account can access maintain api",
    "only user role can access maintain api",
)
# HEAD: access policies decide, on reads too.
_POLICY_TEXT = "no permission"


@dataclass(frozen=True)
class Request:
    """One request to the server.

    :param repeatable: it may be sent again after a failure: a GET, or a PUT of an absolute value.
    :param fresh: send it over a new connection, so that a kept-alive one that has just died cannot lose its answer.
    :param timeout: seconds; None: those of the settings.
    :param accept: another Accept header than JSON, for a route that is not part of the JSON API.
    :param target: where the body of a 200 goes, so that a large one is never in memory.
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
    """An answer of the server: any status, the body in bytes, header names in lower case.

    :param local_address: our end of the connection that carried it, ``host:port``, as the server sees it too unless
        something on the way translates addresses.
    :param with_token: whether the request had a token.
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
        """What the server says about the request: the ``info`` of JSON, or the text, in one line for a message.

        Secrets are removed before truncating: scrubbing the result could not find half of one that the server echoes.
        """
        parsed = self.parsed()
        text = str(parsed.get("info") or "") if isinstance(parsed, dict) else self.text
        if shorten(text) == text:
            return text
        for secret in sorted(self.secrets, key=len, reverse=True):
            text = text.replace(secret, "********")
        return shorten(text)

    def parsed(self) -> Json:
        """The body as JSON, or None where it is not JSON.

        The Content-Type does not tell: clean, heartbeat and naming answer JSON labelled text/plain
        (polaris v1.18.1 apiserver/httpserver/utils/handler.go sets none).
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):  # not JSON, or nested without end
            return None

    def code(self) -> t.Optional[int]:
        """The ``code`` of a ``{code, info}`` answer."""
        parsed = self.parsed()
        code = parsed.get("code") if isinstance(parsed, dict) else None
        return code if isinstance(code, int) else None

    def error(self, kind: t.Any, msg: str, **extra: t.Any) -> PolarisError:
        """An error about this answer; ``msg`` is the whole sentence."""
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
    """The reply, when its status is 2xx; else the error that the answer means."""
    if 200 <= reply.status < 300:
        return reply
    code = reply.code() or 0
    said = reply.said()
    call = f"{reply.method} {reply.path}"
    account = _account_error(reply, url, code, said)
    if account is not None:
        raise account
    if code in (403001, 403002):
        raise reply.error("refused", f"{url} limits the rate of requests ({said}): wait, or lower the option parallel.")
    if reply.status == 403:
        raise reply.error("permission", f"{url} forbids {call} ({said}): ask whoever runs the proxy before it.")
    if code == 400202:
        raise reply.error("not_found", f"{url} does not know what {call} asks for ({said}).")
    if reply.status in (404, 405):
        raise reply.error("unsupported", f"{url} has no {call}.")
    if reply.status in (406, 415):
        raise reply.error(
            "protocol",
            f"{url} refused the JSON headers of {call} with {reply.status}: something between here and the server "
            f"removes them, or this is not a Polaris server.",
        )
    if reply.status == 407:
        raise reply.error("unreachable", f"the proxy before {url} asks for a login: name the host in no_proxy.")
    if 400 <= reply.status < 500:
        raise reply.error("refused", f"{url} refused {call} with {reply.status}: {said or 'no text'}.")
    raise reply.error(
        "server",
        f"{url} failed in {call} with {reply.status}: {said or 'no text'}; look at the server's log.",
        # A gateway's answer for a server that gave none.
        outcome_unknown=reply.method != "GET" and reply.status in (502, 504),
    )


def _account_error(reply: Reply, url: str, code: int, said: str) -> t.Optional[PolarisError]:
    """The error of an answer that refuses the account, or the lack of one; None for another answer."""
    lower = said.lower()
    call = f"{reply.method} {reply.path}"
    if any(text in lower for text in _ROLE_TEXTS):
        return reply.error(
            "permission",
            f"{url} does not allow this account {call} ({said}): released servers let only the main (owner) account "
            f"write; give that account's token.",
        )
    if _POLICY_TEXT in lower:
        return reply.error(
            "permission",
            f"{url} does not allow this account {call} ({said}): its access policies decide that; give the token of "
            f"the main (owner) account, or allow this call in a policy of this account.",
        )
    refused = reply.status == 401 or code // 1000 == 401 or any(text in lower for text in _AUTH_TEXTS)
    if refused and not reply.with_token:
        return reply.error(
            "auth",
            f"{url} asks for a token, and none was given ({said}): give the token of an enabled account, by the option "
            f"token, the host variable polaris_token or POLARIS_TOKEN, or give username and password.",
        )
    if lower == "access is not approved":
        # HEAD says no more than this, whether the token is wrong or the account lacks rights.
        return reply.error(
            "auth",
            f"{url} does not accept the token, or does not allow its account {call}; it does not say which ({said}): "
            f"give the token of the main (owner) account, by the option token, polaris_token or POLARIS_TOKEN.",
        )
    if refused:
        return reply.error(
            "auth",
            f"{url} does not accept the token ({said}): give the token of an enabled account, by the option token, "
            f"polaris_token or POLARIS_TOKEN, or give username and password.",
        )
    return None
