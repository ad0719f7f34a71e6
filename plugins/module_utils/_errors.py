# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. Failures: the kinds, the error, and what an exception of the transport means."""

from __future__ import annotations

import errno
import http.client
import os
import socket
import ssl
import typing as t
from dataclasses import dataclass

#: The only values of ``error.kind``. Their meanings are in the README and in doc_fragments/connection.py.
Kind = t.Literal[
    "unreachable",
    "timeout",
    "tls",
    "auth",
    "permission",
    "not_found",
    "unsupported",
    "refused",
    "guard",
    "server",
    "protocol",
]
KINDS: t.Tuple[Kind, ...] = t.get_args(Kind)


class PolarisError(Exception):
    """A failure that an operator can act on.

    :param kind: one of :data:`KINDS`.
    :param msg: one sentence: what happened, and what to do.
    :param status: the HTTP status, if the server answered.
    :param code: the ``code`` of a ``{code, info}`` answer, e.g. 400202.
    :param info: the text of the server's answer, shortened.
    :param outcome_unknown: the request was sent and no answer came, so the server may have acted on it.
    :param partial: what was done before the failure, in the keys of the result.
    """

    def __init__(
        self,
        kind: Kind,
        msg: str,
        *,
        status: t.Optional[int] = None,
        code: t.Optional[int] = None,
        info: t.Optional[str] = None,
        method: t.Optional[str] = None,
        path: t.Optional[str] = None,
        outcome_unknown: bool = False,
        partial: t.Optional[t.Dict[str, t.Any]] = None,
    ) -> None:
        super().__init__(msg)
        self.kind: Kind = kind
        self.msg = msg
        self.status = status
        self.code = code
        self.info = info
        self.method = method
        self.path = path
        self.outcome_unknown = outcome_unknown
        self.partial = partial or {}

    def as_dict(self) -> t.Dict[str, t.Any]:
        """The ``error`` of a failed result: kind, status, code, info, method, path."""
        return {
            "kind": self.kind,
            "status": self.status,
            "code": self.code,
            "info": self.info,
            "method": self.method,
            "path": self.path,
        }


def shorten(text: str, limit: int = 200) -> str:
    """One line of at most ``limit`` characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 3] + "..."


def listed(items: t.Sequence[t.Any], most: int, separator: str = ", ") -> str:
    """The first ``most`` items, and how many more there are: ``a, b and 3 more``."""
    more = len(items) - most
    return separator.join(map(str, items[:most])) + (f" and {more} more" if more > 0 else "")


# --- exceptions of the transport -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cause:
    """Why a request got no answer.

    :param sentence: the message, with ``{url}``, ``{call}``, ``{timeout}``, ``{detail}`` and ``{variables}`` to fill
        in.
    :param sent: whether the server may have received the request.
    """

    kind: Kind
    sentence: str
    sent: bool


CAUSES: t.Mapping[str, Cause] = {
    "proxy setting": Cause(
        "refused",
        "the proxy that the environment names ({variables}) cannot be used ({detail}): correct or unset that variable, "
        "or name the server's host in no_proxy; nothing was sent.",
        sent=False,
    ),
    "proxy": Cause(
        "unreachable",
        "the proxy that the environment names ({variables}) did not forward the request to {url}: name the server's "
        "host in no_proxy, or fix the proxy.",
        sent=False,
    ),
    "file": Cause(
        "refused",
        "{detail}: correct or unset the environment variable that names this file (such as SSLKEYLOGFILE); nothing was "
        "sent.",
        sent=False,
    ),
    "not TLS": Cause(
        "tls", "{url} does not speak TLS: write http:// in the option url, or give its HTTPS port.", sent=False
    ),
    "not plain": Cause(
        "tls", "{url} uses HTTPS, but the request used plain HTTP: write https:// in the option url.", sent=False
    ),
    "certificate expired": Cause("tls", "the certificate of {url} has expired: renew it on the server.", sent=False),
    "certificate not yet valid": Cause(
        "tls", "the certificate of {url} is not valid yet: check the clocks here and on the server.", sent=False
    ),
    "certificate of another name": Cause(
        "tls",
        "the certificate of {url} was issued for another name: use a name that the certificate contains.",
        sent=False,
    ),
    "certificate not trusted": Cause(
        "tls",
        "the certificate of {url} is not trusted here: name the CA that signed it in the option ca_path (or, only "
        "where nobody can intercept the connection, set validate_certs to false).",
        sent=False,
    ),
    "client certificate": Cause(
        "tls", "{url} requires a client certificate: set the options client_cert and client_key.", sent=False
    ),
    # This also happens after a request was sent, if the server is killed.
    "TLS ended": Cause(
        "tls",
        "{url} ended the TLS session before answering {call}: it does not speak TLS, is stopping, or requires a "
        "client certificate (client_cert and client_key).",
        sent=True,
    ),
    "TLS": Cause("tls", "the TLS handshake with {url} failed: {detail}.", sent=False),
    "connect timeout": Cause(
        "timeout",
        "no connection to {url} within {timeout:g} s: the host is down, or a firewall drops the packets; check the "
        "address and the network path.",
        sent=False,
    ),
    "timeout": Cause(
        "timeout",
        "{url} did not answer {call} within {timeout:g} s: the server is overloaded or cannot be reached; check the "
        "node, or increase the option timeout.",
        sent=True,
    ),
    "name": Cause("unreachable", "the host name of {url} cannot be resolved: correct the option url.", sent=False),
    "nothing listens": Cause(
        "unreachable",
        "nothing listens at {url} (connection refused): start the Polaris server, or correct host and port (the HTTP "
        "API uses port 8090 by default).",
        sent=False,
    ),
    "network": Cause(
        "unreachable", "no connection to {url}: {detail}; check the address and the network path.", sent=False
    ),
    "not HTTP": Cause(
        "protocol",
        "{url} does not speak HTTP/1.1: this may be the gRPC port (8091) of the server; give its HTTP port (8090 by "
        "default).",
        sent=True,
    ),
    "encoding": Cause(
        "protocol",
        "the answer of {url} to {call} cannot be decoded: something between here and the server damages it, or this "
        "is not a Polaris server.",
        sent=True,
    ),
    "too large": Cause(
        "protocol",
        "the answer of {url} to {call} is larger than any answer of Polaris: this is not a Polaris server, or a proxy "
        "or gateway in front of it answered; give the URL of its HTTP API (port 8090 by default).",
        sent=True,
    ),
    # Without {detail}: the text of the exception repeats the header's value, possibly the token.
    "request": Cause("refused", "the request to {url} cannot be created: check the options url and token.", sent=False),
    "cut": Cause(
        "server",
        "{url} closed the connection before it answered {call}: the server crashed in this call or is stopping (look "
        "at its log), or this is not its HTTP port (8090 by default; 8091 is gRPC).",
        sent=True,
    ),
    "unforeseen": Cause(
        "unreachable", "{call} of {url} failed on this machine: {detail}; please report this as a bug.", sent=True
    ),
}

# X509_V_ERR_* of OpenSSL (openssl/x509_vfy.h), the values of ssl.SSLCertVerificationError.verify_code.
_VERIFY_CODES = {
    9: "certificate not yet valid",
    10: "certificate expired",
    62: "certificate of another name",
    64: "certificate of another name",
}
# Values of ssl.SSLError.reason, which are OpenSSL's names.
_TLS_REASONS = {
    "WRONG_VERSION_NUMBER": "not TLS",
    "UNKNOWN_PROTOCOL": "not TLS",
    "HTTP_REQUEST": "not TLS",
    "RECORD_LAYER_FAILURE": "not TLS",
    "PACKET_LENGTH_TOO_LONG": "not TLS",
    "CERTIFICATE_VERIFY_FAILED": "certificate not trusted",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "client certificate",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "client certificate",
    "SSLV3_ALERT_BAD_CERTIFICATE": "client certificate",
}
# What open() reports for a local file; connect() may also report EACCES, but does not name a file.
_FILE_ERRORS = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM)
# The first bytes of a TLS alert in place of a status line.
_TLS_ALERT = "\x15\x03"


class DeadlineError(Exception):
    """The answer did not arrive in full within ``timeout``."""


class TooLargeError(Exception):
    """The answer is larger than any answer of this API."""


def chain(exc: BaseException) -> t.List[BaseException]:
    """The exception and all exceptions that caused it, the outermost first.

    requests and urllib3 wrap exceptions in four ways: as cause, context, ``reason`` or argument.
    """
    found: t.List[BaseException] = []
    waiting: t.List[t.Any] = [exc]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, BaseException) and not any(one is known for known in found):
            found.append(one)
            waiting += [getattr(one, "reason", None), *one.args, one.__cause__, one.__context__]
    return found


def cause_of(exc: BaseException, is_a: t.Mapping[str, t.Tuple[t.Type[BaseException], ...]]) -> str:
    """The key of :data:`CAUSES` for an exception of the transport, by types and errno, never by the words in it.

    :param is_a: key of :data:`CAUSES` -> the exceptions of the HTTP library that mean it; the first match applies.
    """
    exceptions = chain(exc)
    for key, types in is_a.items():
        if any(isinstance(one, types) for one in exceptions):
            return key
    first = _first(exceptions, ssl.SSLError)
    if first is not None:
        return _cause_of_tls(first)
    for one in exceptions:
        cause = _cause_of_one(one)
        if cause is not None:
            return cause
    return "unforeseen"


def _cause_of_tls(exc: ssl.SSLError) -> str:
    if isinstance(exc, ssl.SSLCertVerificationError):
        return _VERIFY_CODES.get(getattr(exc, "verify_code", 0), "certificate not trusted")
    if isinstance(exc, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return "TLS ended"
    return _TLS_REASONS.get(str(exc.reason), "TLS")


def _cause_of_one(exc: BaseException) -> t.Optional[str]:
    if isinstance(exc, socket.gaierror):
        return "name"
    # Before BadStatusLine, of which RemoteDisconnected is a subclass.
    if isinstance(exc, (http.client.RemoteDisconnected, http.client.IncompleteRead)):
        return "cut"
    if isinstance(exc, http.client.BadStatusLine):
        return "not plain" if str(getattr(exc, "line", "")).startswith(_TLS_ALERT) else "not HTTP"
    if isinstance(exc, http.client.HTTPException):
        return "not HTTP"
    if isinstance(exc, ConnectionRefusedError):
        return "nothing listens"
    if isinstance(exc, ConnectionError):
        return "cut"
    if isinstance(exc, (socket.timeout, TimeoutError)):
        return "timeout"
    if isinstance(exc, OSError) and exc.filename is not None and exc.errno in _FILE_ERRORS:
        return "file"
    if isinstance(exc, OSError) and exc.errno is not None and not isinstance(exc, ssl.SSLError):
        return "network"
    return None


def detail_of(exc: BaseException, cause: str) -> str:
    """What the exception says, short enough for a part of a sentence."""
    exceptions = chain(exc)
    if cause == "network":
        return next((str(one.strerror) for one in exceptions if isinstance(one, OSError) and one.strerror), "no route")
    if cause == "file":
        first = next(one for one in exceptions if isinstance(one, OSError) and one.filename is not None)
        return f"the file {first.filename} cannot be opened ({first.strerror})"
    if cause == "TLS":
        return shorten(str(_first(exceptions, ssl.SSLError) or exc)).rstrip(".")
    if cause == "proxy setting":
        return shorten(str(exc)).rstrip(".")
    last = exceptions[-1]
    return f"{type(last).__name__}: {shorten(str(last)) or 'no text'}".rstrip(".")


_Type = t.TypeVar("_Type", bound=BaseException)


def _first(exceptions: t.Sequence[BaseException], wanted: t.Type[_Type]) -> t.Optional[_Type]:
    return next((one for one in exceptions if isinstance(one, wanted)), None)


def proxy_variables(url: str, environ: t.Mapping[str, str]) -> str:
    """The variables that name the proxy for a URL, without their values, which may contain a password."""
    scheme = url.partition(":")[0]
    names = [f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY"]
    return ", ".join(name for name in names if environ.get(name)) or f"{scheme}_proxy"


def transport_error(cause: str, *, url: str, method: str, path: str, timeout: float, detail: str = "") -> PolarisError:
    """The error for a request that got no answer; ``cause`` is a key of :data:`CAUSES`."""
    found = CAUSES[cause]
    msg = found.sentence.format(
        url=url,
        call=f"{method} {path}",
        timeout=timeout,
        detail=detail,
        variables=proxy_variables(url, os.environ) if "{variables}" in found.sentence else "",
    )
    return PolarisError(found.kind, msg, method=method, path=path, outcome_unknown=found.sent and method != "GET")
