# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One HTTP session to ONE Polaris server: URL, token, TLS, time-outs, retries, and the error of every failure.

Nothing here knows an endpoint; see api.py for those. Nothing here knows Ansible; see runner.py.
"""

from __future__ import annotations

import json
import os
import queue
import re
import threading
import time
import traceback
import typing as t
from dataclasses import dataclass, field
from urllib.parse import urlsplit

try:
    import requests
    import requests.adapters
    import requests.exceptions
    import urllib3.exceptions
    from urllib3 import disable_warnings
except ImportError:
    HAS_REQUESTS = False
    REQUESTS_IMPORT_ERROR: t.Optional[str] = traceback.format_exc()
else:
    HAS_REQUESTS = True
    REQUESTS_IMPORT_ERROR = None

#: The kinds of failure a caller may meet, and the only values of ``error.kind``.
Kind = str
KINDS: t.Tuple[Kind, ...] = (
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
)

#: Go answers within milliseconds or not at all; a larger page is not an answer of this API.
MAX_BODY = 256 * 1024 * 1024

# The server matches tokens by their text, so anything else than visible ASCII can only be a mistake.
_TOKEN = re.compile(r"[\x21-\x7e]+")

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
_PERMISSION_TEXTS = (
    "only owner account can access maintain api",
    "only user role can access maintain api",
    "no permission",
)

Item = t.TypeVar("Item")
Answer = t.TypeVar("Answer")
Query = t.Dict[str, t.Union[str, int]]
Json = t.Any


class PolarisError(Exception):
    """A failure that an operator can act upon.

    :param kind: one of :data:`KINDS`.
    :param msg: one sentence: what happened, and what to do.
    :param status: the HTTP status, when the server answered.
    :param code: the ``code`` of a ``{code, info}`` answer, e.g. 400202.
    :param info: the text of the server's answer, shortened.
    :param outcome_unknown: the request was sent and no answer came, so the server may have acted upon it.
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
        self.kind = kind
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


@dataclass(frozen=True)
class Settings:
    """How to reach one server. Times are in seconds."""

    url: str
    token: t.Optional[str] = None
    validate_certs: bool = True
    ca_path: t.Optional[str] = None
    client_cert: t.Optional[str] = None
    client_key: t.Optional[str] = None
    timeout: float = 30.0
    retries: int = 2
    parallel: int = 8


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

        What is cut short is without the secrets, in case that the server echoes them: of one that is cut in two,
        nothing would find the rest when the whole result is scrubbed.
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

        The label is of no use: clean, heartbeat and naming answer JSON labelled text/plain
        (polaris v1.18.1 apiserver/httpserver/utils/handler.go sets no Content-Type).
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):  # no JSON, or some that is nested without end
            return None

    def error(self, kind: Kind, msg: str, **extra: t.Any) -> PolarisError:
        """An error about this answer; ``msg`` is the whole sentence."""
        parsed = self.parsed()
        code = parsed.get("code") if isinstance(parsed, dict) else None
        return PolarisError(
            kind,
            msg,
            status=self.status,
            code=code if isinstance(code, int) else None,
            info=None if isinstance(parsed, dict) and not isinstance(parsed.get("info"), str) else self.said(),
            method=self.method,
            path=self.path,
            **extra,
        )


def shorten(text: str, limit: int = 200) -> str:
    """One line of at most ``limit`` characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 3] + "..."


def normalized_url(url: str) -> str:
    """The base URL without a trailing slash, or a ``refused`` error that never repeats a password in it."""
    if "@" in url:
        raise PolarisError(
            "refused",
            "url must not contain credentials; give the options token, or username and password, instead.",
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
    """What no message may show: all before the last ``@``, however odd the URL.

    One text only, not the password in it as well: of two that overlap, Ansible censors the one that it happens to meet
    first, and the two doors would show different things.
    """
    before, at, _rest = url.rpartition("@")
    userinfo = before.partition("//")[2] or before
    return {userinfo} if at and userinfo else set()


def check_settings(settings: Settings) -> None:
    """Refuse, before anything is sent, what could never work."""
    if settings.token is not None and not _TOKEN.fullmatch(settings.token):
        raise PolarisError(
            "refused",
            "token is not a Polaris token: it is empty or has blanks, line breaks or other characters that a header "
            "cannot carry; copy it again from the console (user details, token).",
        )
    # Written so that NaN is refused, too.
    if not 0 < settings.timeout <= 86400:
        raise PolarisError(
            "refused", f"timeout must be more than 0 seconds, and at most a day; got {settings.timeout:g}."
        )
    if settings.retries < 0:
        raise PolarisError("refused", f"retries must be 0 or more; got {settings.retries}.")
    if not 1 <= settings.parallel <= 64:
        raise PolarisError("refused", f"parallel must be from 1 to 64; got {settings.parallel}.")
    if settings.client_key and not settings.client_cert:
        raise PolarisError("refused", "client_key needs client_cert: give the certificate that belongs to the key.")
    for option in ("ca_path", "client_cert", "client_key"):
        path = getattr(settings, option)
        if path and not os.path.exists(path):
            raise PolarisError("refused", f"{option} names a file that does not exist here: {path}.")
        if path and not os.access(path, os.R_OK):
            raise PolarisError("refused", f"{option} names a file that cannot be read: {path}.")


def _silent(dummy: str) -> None:
    """The progress of a door that shows none."""


class Progress:
    """Tells how far long work is: after every thousandth item, and every few seconds where items take long."""

    ITEMS = 1000
    SECONDS = 5.0

    def __init__(self, tell: t.Callable[[str], None], what: str, total: t.Optional[int] = None) -> None:
        self._tell = tell
        self._what = what
        self._of = "" if total is None else f" of {total}"
        self._done = self._told = 0
        self._time = time.monotonic()

    def step(self, items: int = 1) -> None:
        """So many items more are done."""
        self._done += items
        now = time.monotonic()
        if self._done - self._told >= self.ITEMS or (items and now - self._time >= self.SECONDS):
            self._told, self._time = self._done, now
            self._tell(f"{self._done}{self._of} {self._what}")


class Client:
    """One session to one server. Safe for use by as many threads as ``settings.parallel``.

    ``progress`` takes a line about long work; the in-process door shows it, a module cannot. ``secrets`` are those that
    no error may quote, as they are at that time: whoever finds out another one adds it.
    """

    def __init__(
        self,
        settings: Settings,
        progress: t.Callable[[str], None] = _silent,
        secrets: t.AbstractSet[str] = frozenset(),
    ) -> None:
        self.url = normalized_url(settings.url)
        check_settings(settings)
        self.settings = settings
        self.progress = progress
        self._secrets = secrets
        # Routes that answered 404 or 405 (METHOD path), so that a dialect is found out once, not once a call.
        self.missing: t.Set[str] = set()
        self._session = _session(settings)
        verify = (settings.ca_path or True) if settings.validate_certs else False
        # Proxies, and what REQUESTS_CA_BUNDLE makes of ``verify`` (it beats the session's own): looked up once.
        self._environment = self._session.merge_environment_settings(self.url, {}, True, verify, None)
        # (method, path, accept) -> what all requests of that kind have in common.
        self._prepared: t.Dict[t.Tuple[str, str, t.Optional[str]], requests.PreparedRequest] = {}

    def use_token(self, token: str) -> None:
        """Send this token from now on (after a login)."""
        self._session.headers["X-Polaris-Token"] = token
        self._prepared.clear()

    def close(self) -> None:
        self._session.close()

    def get(
        self,
        path: str,
        query: t.Optional[Query] = None,
        *,
        timeout: t.Optional[float] = None,
        accept: t.Optional[str] = None,
    ) -> Reply:
        """GET, repeated on failures that may pass. Any status but a redirect comes back as a reply.

        :param accept: another Accept header than JSON, for a route that is no part of the JSON API.
        """
        return self._repeat("GET", path, query, None, timeout, accept=accept)

    def download(
        self, path: str, query: t.Optional[Query], target: t.BinaryIO, *, timeout: t.Optional[float] = None
    ) -> Reply:
        """GET into a file: the body of a 200 goes to ``target``, never into memory. All else is as in get()."""
        return self._repeat("GET", path, query, None, timeout, accept="*/*", target=target)

    def put(self, path: str, body: Json) -> Reply:
        """PUT of an absolute value: as safe to repeat as a GET."""
        return self._repeat("PUT", path, None, body, None)

    def post(self, path: str, body: Json = None, *, timeout: t.Optional[float] = None) -> Reply:
        """POST, sent exactly once: after a time-out nobody knows whether the server acted upon it."""
        return self._send("POST", path, None, body, timeout)

    def each(
        self, call: t.Callable[[Item], Answer], items: t.Sequence[Item]
    ) -> t.Iterator[t.Tuple[int, t.Union[Answer, PolarisError]]]:
        """Call for every item, at most ``settings.parallel`` at a time; yields (index, answer or error) as they finish.

        After the first error no further item is begun; those under way are finished and reported, so that the caller
        knows of every item whether it was sent.
        """
        begin = iter(range(len(items)))
        taking = threading.Lock()
        finished: queue.SimpleQueue[t.Any] = queue.SimpleQueue()
        stopped = threading.Event()

        def work() -> None:
            # They take the next item themselves: threads that are handed theirs wait for that most of the time.
            try:
                while True:
                    with taking:
                        index = None if stopped.is_set() else next(begin, None)
                    if index is None:
                        break
                    try:
                        answer: t.Union[Answer, PolarisError] = call(items[index])
                    except PolarisError as error:
                        stopped.set()
                        answer = error
                    finished.put((index, answer))
            except BaseException as error:
                stopped.set()
                finished.put(error)
            else:
                finished.put(None)

        threads = [threading.Thread(target=work) for _thread in range(min(self.settings.parallel, len(items)))]
        for thread in threads:
            thread.start()
        crash: t.Optional[BaseException] = None
        at_work = len(threads)
        try:
            while at_work:
                done = finished.get()
                if isinstance(done, tuple):
                    yield done
                else:
                    at_work -= 1
                    crash = crash or done
        finally:
            stopped.set()
            for thread in threads:
                thread.join()
        if crash is not None:
            raise crash

    def collect(
        self, call: t.Callable[[Item], Answer], items: t.Sequence[Item], what: str = "answers read"
    ) -> t.List[Answer]:
        """The answers of :meth:`each` in the order of the items, or the first error."""
        answers: t.Dict[int, Answer] = {}
        progress = Progress(self.progress, what, len(items))
        for index, answer in self.each(call, items):
            if isinstance(answer, PolarisError):
                raise answer
            answers[index] = answer
            progress.step()
        return [answers[index] for index in range(len(items))]

    def _repeat(
        self,
        method: str,
        path: str,
        query: t.Optional[Query],
        body: Json,
        timeout: t.Optional[float],
        **special: t.Any,
    ) -> Reply:
        unknown = False
        for attempt in range(self.settings.retries + 1):
            last = attempt == self.settings.retries
            try:
                reply = self._send(method, path, query, body, timeout, **special)
            except PolarisError as error:
                # What an earlier attempt may have done stays unknown, even if this one was never sent.
                unknown = error.outcome_unknown = unknown or error.outcome_unknown
                if last or error.kind not in ("unreachable", "timeout", "server"):
                    raise
            else:
                if last or reply.status not in (502, 503, 504):
                    break
            time.sleep(min(0.2 * 2 ** min(attempt, 5), 5.0))
        return reply

    def _send(
        self,
        method: str,
        path: str,
        query: t.Optional[Query],
        body: Json,
        timeout: t.Optional[float],
        *,
        accept: t.Optional[str] = None,
        target: t.Optional[t.BinaryIO] = None,
    ) -> Reply:
        timeout = timeout or self.settings.timeout
        deadline = time.monotonic() + timeout
        try:
            request = self._request(method, path, query, body, accept)
            with self._open(request, timeout) as response:
                # Known only until the body is read: then the connection goes back to the pool.
                local_address = _local_address(response)
                content = _read(response, deadline, target if response.status_code == 200 else None)
        except _DeadlineError:
            raise self._timeout(method, path, timeout) from None
        except _TooLargeError:
            raise PolarisError(
                "protocol",
                f"{self.url} is not a Polaris server, or something stands before it: its answer to {method} {path} is "
                f"larger than any of Polaris; give the URL of its HTTP API (port 8090 by default).",
                method=method,
                path=path,
                outcome_unknown=method != "GET",
            ) from None
        except _BundleError as exc:
            raise PolarisError(
                "tls",
                f"no TLS session with {self.url}: {exc}; mend the environment variable (REQUESTS_CA_BUNDLE or "
                f"CURL_CA_BUNDLE), or name the CA by the option ca_path.",
                method=method,
                path=path,
            ) from None
        # requests lets some errors of urllib3 pass: that of a host name with an empty label, those of read1().
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as exc:
            raise self._transport_error(exc, method, path, timeout) from exc
        headers = {k.lower(): v for k, v in response.headers.items()}
        with_token = "X-Polaris-Token" in request.headers
        secrets = frozenset(self._secrets)
        reply = Reply(method, path, response.status_code, headers, content, local_address, with_token, secrets)
        if 300 <= reply.status < 400:
            raise self._redirect(reply)
        # Go's words, and those of nginx before it.
        if reply.status == 400 and re.search(rb"HTTP request (to an HTTPS server|was sent to HTTPS port)", content):
            raise reply.error("tls", _asked_by_http(self.url))
        return reply

    def _open(self, request: requests.PreparedRequest, timeout: float) -> requests.Response:
        try:
            return self._session.send(request, timeout=timeout, allow_redirects=False, **self._environment)
        except requests.exceptions.RequestException:
            raise
        except OSError as exc:  # what requests says of a file of certificates that is not there
            raise _BundleError(shorten(str(exc)).rstrip(".")) from exc

    def _request(
        self, method: str, path: str, query: t.Optional[Query], body: Json, accept: t.Optional[str]
    ) -> requests.PreparedRequest:
        """A request, ready to send. What those of one path have in common, a third of the work, is done once."""
        key = (method, path, accept)
        if key not in self._prepared:
            headers = {"Accept": accept} if accept else None
            self._prepared[key] = self._session.prepare_request(requests.Request(method, self.url + path, headers))
        request = self._prepared[key].copy()
        if query:
            request.prepare_url(self.url + path, query)
        if body is not None:
            request.prepare_body(json.dumps(body).encode(), None)
        return request

    def _redirect(self, reply: Reply) -> PolarisError:
        try:
            target = urlsplit(reply.headers.get("location", "")).netloc.rpartition("@")[2] or "another path of itself"
        except ValueError:
            target = "something that is no URL"
        return reply.error(
            "protocol",
            f"{self.url} redirects to {target}, and redirects are never followed, because the token would travel "
            f"along: give the URL of the Polaris server itself (its HTTP API, port 8090 by default).",
        )

    def _timeout(self, method: str, path: str, timeout: float) -> PolarisError:
        return PolarisError(
            "timeout",
            f"{self.url} did not answer {method} {path} within {timeout:g} s: the server is overloaded or cut off; "
            f"look at the node, or raise the option timeout.",
            method=method,
            path=path,
            outcome_unknown=method != "GET",
        )

    def _transport_error(self, exc: Exception, method: str, path: str, timeout: float) -> PolarisError:
        """The sentence for a request that got no answer."""
        text = str(exc)

        def error(kind: Kind, msg: str, *, sent: bool) -> PolarisError:
            return PolarisError(kind, msg, method=method, path=path, outcome_unknown=sent and method != "GET")

        if isinstance(exc, requests.exceptions.ProxyError):
            return error(
                "unreachable",
                f"the proxy named by the environment (http_proxy, https_proxy) did not pass the request on to "
                f"{self.url}: name the server's host in no_proxy, or mend the proxy.",
                sent=False,
            )
        if isinstance(exc, (requests.exceptions.SSLError, urllib3.exceptions.SSLError)):
            return error("tls", _tls_sentence(self.url, text), sent=False)
        if isinstance(exc, requests.exceptions.ConnectTimeout):
            return error(
                "timeout",
                f"no connection to {self.url} within {timeout:g} s: the host is down, or a firewall drops the "
                f"packets; check the address and the way to it.",
                sent=False,
            )
        if isinstance(exc, requests.exceptions.Timeout) or "Read timed out" in text:
            return self._timeout(method, path, timeout)
        # The first bytes of a TLS alert, in place of a status line.
        if "BadStatusLine" in text and "\\x15\\x03" in text:
            return error("tls", _asked_by_http(self.url), sent=False)
        if "BadStatusLine" in text or "InvalidHeader" in text or "LineTooLong" in text or "HeaderParsing" in text:
            return error(
                "protocol",
                f"{self.url} does not speak HTTP/1.1: this may be the gRPC port (8091) of the server; give its HTTP "
                f"port (8090 by default).",
                sent=True,
            )
        if _refused(text):
            return error(
                "unreachable",
                f"nothing listens at {self.url} (connection refused): start the Polaris server, or correct host and "
                f"port (the HTTP API has port 8090 by default).",
                sent=False,
            )
        if "NameResolutionError" in text or "Failed to resolve" in text or "getaddrinfo failed" in text:
            return error(
                "unreachable", f"the host name of {self.url} cannot be resolved: correct the option url.", sent=False
            )
        if "NewConnectionError" in text or "No route to host" in text or "unreachable" in text:
            return error(
                "unreachable",
                f"no connection to {self.url}: {_reason(text)}; check the address and the way.",
                sent=False,
            )
        if isinstance(
            exc,
            (
                requests.exceptions.InvalidURL,
                requests.exceptions.InvalidHeader,
                urllib3.exceptions.LocationValueError,
            ),
        ):
            # The text of the exception repeats the header's value, which may be the token.
            return error("refused", f"the request to {self.url} cannot be built: check url and token.", sent=False)
        # A reset may overtake the TLS alert that asks for a certificate.
        asks = self.url.startswith("https:") and not self.settings.client_cert
        return error(
            "server",
            f"{self.url} cut the connection before it had answered {method} {path}: the server crashed in this call "
            f"or is stopping (look at its log), or this is not its HTTP port (8090 by default; 8091 is gRPC)"
            f"{', or it asks for a client certificate (client_cert and client_key)' if asks else ''}.",
            sent=True,
        )


class _DeadlineError(Exception):
    """The answer drips in more slowly than ``timeout`` allows for the whole of it."""


class _BundleError(Exception):
    """The certificates that the environment names cannot be read."""


class _TooLargeError(Exception):
    """The answer is larger than any answer of this API."""


def _session(settings: Settings) -> requests.Session:
    session = requests.Session()
    session.headers.update(
        {
            # go-restful answers 415 or 406 before the handler without these, also where there is no body.
            "Content-Type": "application/json",
            "Accept": "application/json",
            "User-Agent": "polarismesh.maintenance",
        }
    )
    if settings.token:
        session.headers["X-Polaris-Token"] = settings.token
    # An own authentication function keeps ~/.netrc, which is for other programs, out of the requests.
    session.auth = _no_authentication
    if settings.client_cert:
        session.cert = (settings.client_cert, settings.client_key) if settings.client_key else settings.client_cert
    if not settings.validate_certs:
        disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    adapter = requests.adapters.HTTPAdapter(pool_connections=1, pool_maxsize=settings.parallel)
    # Without this, requests prepares what follows a redirect even where it may not follow it: it reads the whole body,
    # with no deadline, and raises ValueError at a target that is no URL.
    session.get_redirect_target = _no_redirect  # type: ignore[method-assign]
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def _no_authentication(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _no_redirect(resp: requests.Response) -> t.Optional[str]:
    return None


def _local_address(response: requests.Response) -> str:
    connection = getattr(response.raw, "connection", None)
    sock = getattr(connection, "sock", None)
    try:
        return "{}:{}".format(*sock.getsockname()) if sock is not None else ""
    except OSError:  # closed by the other side already
        return ""


def _read(response: requests.Response, deadline: float, target: t.Optional[t.BinaryIO]) -> bytes:
    """The body, or nothing when it went to ``target``, whose content of an attempt before it replaces."""
    chunks: t.List[bytes] = []
    keep: t.Callable[[bytes], t.Any] = chunks.append
    if target is not None:
        target.seek(0)
        target.truncate()
        keep = target.write
    size = 0
    for chunk in _chunks(response):
        keep(chunk)
        size += len(chunk)
        if time.monotonic() > deadline:
            raise _DeadlineError
        if size > MAX_BODY:
            raise _TooLargeError
    return b"".join(chunks)


def _chunks(response: requests.Response) -> t.Iterator[bytes]:
    # iter_content() waits until a whole chunk is there, past any deadline; read1() gives what has come.
    read1 = getattr(response.raw, "read1", None)
    if read1 is None:  # urllib3 1.26
        return t.cast("t.Iterator[bytes]", response.iter_content(65536))
    return iter(lambda: read1(65536, decode_content=True), b"")


def _refused(text: str) -> bool:
    return "Connection refused" in text or "actively refused" in text or "Errno 111" in text or "Errno 61" in text


def _reason(text: str) -> str:
    match = re.search(r"\[Errno -?\d+\] ([^')]+)", text)
    return match.group(1) if match else "the network refused it"


def _asked_by_http(url: str) -> str:
    return f"{url} speaks HTTPS, and was asked by plain HTTP: write https:// in the option url."


def _tls_sentence(url: str, text: str) -> str:
    if "WRONG_VERSION_NUMBER" in text or "wrong version number" in text or "UNKNOWN_PROTOCOL" in text:
        return f"{url} does not speak TLS: write http:// in the option url, or give its HTTPS port."
    if "certificate has expired" in text:
        return f"the certificate of {url} has expired: renew it on the server."
    if "doesn't match" in text or "Hostname mismatch" in text or "IP address mismatch" in text:
        return f"the certificate of {url} was made for another name: use a name that the certificate has."
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return (
            f"the certificate of {url} is not trusted here: name the CA that signed it by the option ca_path "
            f"(or, only where nobody can listen in, set validate_certs to false)."
        )
    if "CERTIFICATE_REQUIRED" in text or "certificate required" in text or "handshake failure" in text.lower():
        return f"{url} asks for a client certificate: give the options client_cert and client_key."
    if any(word in text for word in ("KEY_VALUES_MISMATCH", "PEM lib", "NO_START_LINE", "NO_CERTIFICATE")):
        return "client_cert, client_key or ca_path is not a PEM file that fits: check the three options."
    return f"no TLS session with {url}: {shorten(text)}."


def expect(reply: Reply, url: str) -> Reply:
    """The reply, when its status is 2xx; else the error that the answer means."""
    if 200 <= reply.status < 300:
        return reply
    parsed = reply.parsed()
    code = parsed.get("code") if isinstance(parsed, dict) else None
    code = code if isinstance(code, int) else 0
    said = reply.said()
    call = f"{reply.method} {reply.path}"
    account = _account_error(reply, url, code, said)
    if account is not None:
        raise account
    if code in (403001, 403002):
        raise reply.error("refused", f"{url} limits the rate of requests ({said}): wait, or lower the option parallel.")
    if reply.status == 403:
        raise reply.error("permission", f"{url} forbids {call} ({said}): ask whoever runs what stands before it.")
    if code == 400202:
        raise reply.error("not_found", f"{url} does not know what {call} asks for ({said}).")
    if reply.status in (404, 405):
        raise reply.error("unsupported", f"{url} has no {call}.")
    if reply.status in (406, 415):
        raise reply.error(
            "protocol",
            f"{url} refused the JSON headers of {call} with {reply.status}: something between here and the server "
            f"takes them off, or this is not a Polaris server.",
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
    if any(text in lower for text in _PERMISSION_TEXTS):
        return reply.error(
            "permission",
            f"{url} does not allow this account {call} ({said}): released servers let only the main (owner) "
            f"account write; give that account's token.",
        )
    refused = reply.status == 401 or code // 1000 == 401 or any(text in lower for text in _AUTH_TEXTS)
    if refused and not reply.with_token:
        return reply.error(
            "auth",
            f"{url} asks for a token, and none was given ({said}): give the token of an account that is "
            f"enabled, by the option token or POLARIS_TOKEN, or give username and password.",
        )
    if lower == "access is not approved":
        # HEAD says no more than this, be the token wrong or the account without rights.
        return reply.error(
            "auth",
            f"{url} does not accept the token, or does not allow its account {call}; it does not say which ({said}): "
            f"give the token of the main (owner) account, by the option token or POLARIS_TOKEN.",
        )
    if refused:
        return reply.error(
            "auth",
            f"{url} does not accept the token ({said}): give the token of an account that is enabled, by the "
            f"option token or POLARIS_TOKEN, or give username and password.",
        )
    return None
