# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. The HTTP client of ONE Polaris server: URL, token, TLS, timeouts, retries.

Endpoints are in _api, and what depends on Ansible is in _runner.py.
"""

from __future__ import annotations

import json
import os
import queue
import re
import ssl
import threading
import time
import traceback
import typing as t
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from ._addresses import normalized_url
from ._answers import Reply, Request
from ._errors import (
    CAUSES,
    DeadlineError,
    PolarisError,
    TooLargeError,
    cause_of,
    detail_of,
    proxy_variables,
    transport_error,
)

try:
    import requests
    import requests.adapters
    import requests.exceptions
    import requests.utils
    import urllib3.exceptions
    from urllib3 import disable_warnings
except ImportError:
    HAS_REQUESTS = False
    REQUESTS_IMPORT_ERROR: t.Optional[str] = traceback.format_exc()
else:
    HAS_REQUESTS = True
    REQUESTS_IMPORT_ERROR = None

#: No answer of this API is larger, and every worker of the controller may hold one in memory at the same time.
MAX_BODY = 32 * 1024 * 1024

# The server compares tokens as text, so anything other than visible ASCII can only be a mistake.
_TOKEN = re.compile(r"[\x21-\x7e]+")

Item = t.TypeVar("Item")
Answer = t.TypeVar("Answer")


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


def check_settings(settings: Settings) -> None:
    """Refuse settings that can never work, before anything is sent."""
    if settings.token is not None and not _TOKEN.fullmatch(settings.token):
        raise PolarisError(
            "refused",
            "token is not a Polaris token: it is empty, or contains spaces, line breaks or other characters that a "
            "header cannot carry; copy it again from the console (user details, token).",
        )
    # Written so that NaN is also refused.
    if not 0 < settings.timeout <= 86400:
        raise PolarisError(
            "refused", f"timeout must be more than 0 seconds and at most one day; got {settings.timeout:g}."
        )
    if settings.retries < 0:
        raise PolarisError("refused", f"retries must be 0 or more; got {settings.retries}.")
    if not 1 <= settings.parallel <= 64:
        raise PolarisError("refused", f"parallel must be from 1 to 64; got {settings.parallel}.")
    if settings.client_key and not settings.client_cert:
        raise PolarisError("refused", "client_key requires client_cert: give the certificate that belongs to the key.")
    for option in ("ca_path", "client_cert", "client_key"):
        path = getattr(settings, option)
        if path and not os.path.exists(path):
            raise PolarisError("refused", f"{option} names a file that does not exist here: {path}.")
        if path and not os.access(path, os.R_OK):
            raise PolarisError("refused", f"{option} names a file that cannot be read: {path}.")
    if settings.client_cert:
        _check_client_certificate(settings.client_cert, settings.client_key)


def _check_client_certificate(cert: str, key: t.Optional[str]) -> None:
    try:
        # Without a password, OpenSSL would ask for a passphrase at the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(cert, key, password="")
    except (OSError, ValueError):
        named = "client_cert and client_key are" if key else "client_cert is"
        raise PolarisError(
            "tls",
            f"{named} not a certificate and its private key in PEM format without a passphrase: check the files "
            f"{cert}{f' and {key}' if key else ''}.",
        ) from None


def check_authorities(verify: t.Union[bool, str], ca_path: t.Optional[str], environ: t.Mapping[str, str]) -> None:
    """Refuse a file or directory of CA certificates that cannot be used, naming the option or variable that set it."""
    if not isinstance(verify, str):
        return
    named = "ca_path"
    if verify != ca_path:
        variables = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
        named = next(f"the environment variable {name}" for name in variables if environ.get(name))
    try:
        if os.path.isdir(verify):
            return
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(verify)
    except (OSError, ValueError):
        raise PolarisError(
            "tls",
            f"{named} does not name a file of CA certificates in PEM format ({verify}): correct it or the file; "
            f"nothing was sent.",
        ) from None


def check_proxy(proxy: t.Optional[str], url: str, environ: t.Mapping[str, str]) -> None:
    """Refuse a proxy of the environment that is not a URL."""
    try:
        urllib3.util.parse_url(proxy or "")
    except urllib3.exceptions.LocationValueError:
        cause = CAUSES["proxy setting"]
        variables = proxy_variables(url, environ)
        raise PolarisError(cause.kind, cause.sentence.format(variables=variables, detail="it is not a URL")) from None


def silent(line: str) -> None:
    """Discards a line about progress: a module has no way to show one."""


class Progress:
    """Reports the progress of long work: after every thousandth item, and every few seconds if items take long."""

    ITEMS = 1000
    SECONDS = 5.0

    def __init__(self, tell: t.Callable[[str], None], what: str, total: t.Optional[int] = None) -> None:
        self._tell = tell
        self._what = what
        self._of = "" if total is None else f" of {total}"
        self._done = self._told = 0
        self._time = time.monotonic()

    def step(self, items: int = 1) -> None:
        """Count ``items`` more as done."""
        self._done += items
        now = time.monotonic()
        if self._done - self._told >= self.ITEMS or (items and now - self._time >= self.SECONDS):
            self._told, self._time = self._done, now
            self._tell(f"{self._done}{self._of} {self._what}")


class Client:
    """Connections to one server. Safe for use by as many threads as ``settings.parallel``.

    :param progress: shows a line about long work; the in-process door can, a module cannot.
    :param secrets: the values that no error may quote. Callers can add to the set later.
    """

    def __init__(
        self, settings: Settings, progress: t.Callable[[str], None] = silent, secrets: t.AbstractSet[str] = frozenset()
    ) -> None:
        self.url = normalized_url(settings.url)
        check_settings(settings)
        self.settings = settings
        self.progress = progress
        self._secrets = secrets
        # Routes that answered 404 or 405 (METHOD path), so that a dialect is detected once, not once per call.
        self.missing: t.Set[str] = set()
        #: The local addresses of the connections that have carried answers, ``host:port``.
        self.own_addresses: t.Set[str] = set()
        self._headers = _headers(settings)
        # Not a Session, which would read ~/.netrc, follow redirects, keep cookies, and take more time.
        self._adapter = requests.adapters.HTTPAdapter(pool_connections=1, pool_maxsize=settings.parallel)
        # ``validate_certs`` and ``ca_path`` take precedence over the environment.
        bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
        verify = settings.validate_certs and (settings.ca_path or bundle or True)
        if self.url.startswith("https:"):
            check_authorities(verify, settings.ca_path, os.environ)
        cert = settings.client_cert
        self._sending: t.Dict[str, t.Any] = {
            "stream": True,
            "verify": verify,
            "cert": (cert, settings.client_key) if cert and settings.client_key else cert,
            "proxies": requests.utils.get_environ_proxies(self.url),
        }
        check_proxy(requests.utils.select_proxy(self.url, self._sending["proxies"]), self.url, os.environ)
        if not settings.validate_certs:
            disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        # (method, path, accept) -> the prepared part that all such requests share.
        self._prepared: t.Dict[t.Tuple[str, str, t.Optional[str]], requests.PreparedRequest] = {}

    def use_token(self, token: str) -> None:
        """Send this token, returned by a login, from now on."""
        self._headers["X-Polaris-Token"] = token
        self._prepared.clear()

    def close(self) -> None:
        self._adapter.close()

    def send(self, request: Request) -> Reply:
        """The reply to a request, whatever its status; only a redirect is an error.

        A repeatable request is sent again after a temporary failure. Any other request is sent exactly once: after a
        timeout it is unknown whether the server acted on it.
        """
        return self._repeat(request) if request.repeatable else self._send(request)

    def each(
        self, call: t.Callable[[Item], Answer], items: t.Sequence[Item]
    ) -> t.Iterator[t.Tuple[int, t.Union[Answer, PolarisError]]]:
        """Call ``settings.parallel`` items at a time; yield (index, answer or error) as each finishes.

        After the first error no further item is started; those in progress are finished and reported, so that the
        caller knows for every item whether it was sent.
        """
        begin = iter(range(len(items)))
        taking = threading.Lock()
        finished: queue.SimpleQueue[t.Any] = queue.SimpleQueue()
        stopped = threading.Event()

        def work() -> None:
            # Threads take the next item themselves. If items were handed to them, they would wait most of the time.
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
        running = len(threads)
        try:
            while running:
                done = finished.get()
                if isinstance(done, tuple):
                    yield done
                else:
                    running -= 1
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
        """The answers of :meth:`each` in the order of the items; raises the first error."""
        answers: t.Dict[int, Answer] = {}
        progress = Progress(self.progress, what, len(items))
        for index, answer in self.each(call, items):
            if isinstance(answer, PolarisError):
                raise answer
            answers[index] = answer
            progress.step()
        return [answers[index] for index in range(len(items))]

    def _repeat(self, request: Request) -> Reply:
        unknown = False
        for attempt in range(self.settings.retries + 1):
            last = attempt == self.settings.retries
            try:
                reply = self._send(request)
            except PolarisError as error:
                # The outcome of an earlier attempt stays unknown, even if this one was never sent.
                unknown = error.outcome_unknown = unknown or error.outcome_unknown
                if last or error.kind not in ("unreachable", "timeout", "server"):
                    raise
            else:
                if last or reply.status not in (502, 503, 504):
                    break
            time.sleep(min(0.2 * 2 ** min(attempt, 5), 5.0))
        return reply

    def _send(self, request: Request) -> Reply:
        timeout = request.timeout or self.settings.timeout
        deadline = time.monotonic() + timeout
        if request.fresh:
            self._adapter.close()
        try:
            prepared = self._prepare(request)
            with self._adapter.send(prepared, timeout=timeout, **self._sending) as response:
                # Known only until the body has been read: then the connection returns to the pool.
                local_address = _local_address(response)
                self.own_addresses.add(local_address)
                content = _read(response, deadline, request.target if response.status_code == 200 else None)
        # Any exception: requests and urllib3 pass on what sockets, certificate files and name lookups raise.
        except Exception as exc:
            raise self._error(exc, request, timeout) from exc
        reply = Reply(
            request.method,
            request.path,
            response.status_code,
            {name.lower(): value for name, value in response.headers.items()},
            content,
            local_address,
            "X-Polaris-Token" in prepared.headers,
            frozenset(self._secrets),
        )
        if 300 <= reply.status < 400:
            raise self._redirect(reply)
        # The texts of Go, and of an nginx in front of it.
        if reply.status == 400 and re.search(rb"HTTP request (to an HTTPS server|was sent to HTTPS port)", content):
            raise reply.error("tls", CAUSES["not plain"].sentence.format(url=self.url))
        return reply

    def _prepare(self, request: Request) -> requests.PreparedRequest:
        """A prepared request. The part that requests for one path share, a third of the work, is prepared once."""
        key = (request.method, request.path, request.accept)
        if key not in self._prepared:
            headers = {**self._headers, "Accept": request.accept} if request.accept else self._headers
            shared = requests.PreparedRequest()
            shared.prepare(request.method, self.url + request.path, headers)
            self._prepared[key] = shared
        prepared = self._prepared[key].copy()
        if request.query:
            prepared.url = f"{prepared.url}?{urlencode(request.query)}"
        if request.body is not None:
            prepared.prepare_body(json.dumps(request.body).encode(), None)
        return prepared

    def _error(self, exc: Exception, request: Request, timeout: float) -> PolarisError:
        cause = cause_of(exc, _library_exceptions())
        error = transport_error(
            cause, url=self.url, method=request.method, path=request.path, timeout=timeout, detail=detail_of(exc, cause)
        )
        # A connection reset may arrive before the TLS alert that asks for a certificate.
        if cause == "cut" and self.url.startswith("https:") and not self.settings.client_cert:
            error.msg = f"{error.msg.rstrip('.')}, or it requires a client certificate (client_cert and client_key)."
        return error

    def _redirect(self, reply: Reply) -> PolarisError:
        try:
            target = urlsplit(reply.headers.get("location", "")).netloc.rpartition("@")[2] or "another path of itself"
        except ValueError:
            target = "something that is not a URL"
        return reply.error(
            "protocol",
            f"{self.url} redirects to {target}; redirects are never followed, because the token would be sent along: "
            f"give the URL of the Polaris server itself (its HTTP API, port 8090 by default).",
        )


def _library_exceptions() -> t.Dict[str, t.Tuple[t.Type[BaseException], ...]]:
    """What the exceptions of requests and urllib3 mean, as keys of CAUSES; the first match applies."""
    return {
        "timeout": (DeadlineError, requests.exceptions.ReadTimeout, urllib3.exceptions.ReadTimeoutError),
        "too large": (TooLargeError,),
        "proxy setting": (
            requests.exceptions.InvalidSchema,
            requests.exceptions.InvalidProxyURL,
            urllib3.exceptions.ProxySchemeUnknown,
        ),
        "proxy": (requests.exceptions.ProxyError, urllib3.exceptions.ProxyError),
        "request": (
            requests.exceptions.InvalidURL,
            requests.exceptions.InvalidHeader,
            urllib3.exceptions.LocationValueError,
        ),
        "connect timeout": (requests.exceptions.ConnectTimeout,),
        "encoding": (requests.exceptions.ContentDecodingError, urllib3.exceptions.DecodeError),
        "not HTTP": (urllib3.exceptions.InvalidHeader, urllib3.exceptions.HeaderParsingError),
    }


def _headers(settings: Settings) -> t.Dict[str, str]:
    headers = {
        **requests.utils.default_headers(),
        # Without these, go-restful answers 415 or 406 before the handler runs, even if there is no body.
        "Content-Type": "application/json",
        "Accept": "application/json",
        "User-Agent": "polarismesh.maintenance",
    }
    if settings.token:
        headers["X-Polaris-Token"] = settings.token
    return headers


def _local_address(response: requests.Response) -> str:
    connection = getattr(response.raw, "connection", None)
    sock = getattr(connection, "sock", None)
    try:
        return "{}:{}".format(*sock.getsockname()) if sock is not None else ""
    except OSError:  # already closed by the other side
        return ""


def _read(response: requests.Response, deadline: float, target: t.Optional[t.BinaryIO]) -> bytes:
    """The body, or nothing if it was written to ``target``, where it replaces the content of an earlier attempt."""
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
            raise DeadlineError
        if target is None and size > MAX_BODY:
            raise TooLargeError
    return b"".join(chunks)


def _chunks(response: requests.Response) -> t.Iterator[bytes]:
    # iter_content() waits for a whole chunk, past any deadline; read1() returns what has arrived.
    read1 = getattr(response.raw, "read1", None)
    if read1 is None:  # urllib3 1.26
        return t.cast("t.Iterator[bytes]", response.iter_content(65536))
    return iter(lambda: read1(65536, decode_content=True), b"")
