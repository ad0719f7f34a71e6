# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client over real HTTP and real TLS: what it sends, what it repeats, and the message for every failure."""

from __future__ import annotations

import io
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.polarismesh.maintenance.plugins.module_utils import _client as client_module
from ansible_collections.polarismesh.maintenance.plugins.module_utils._addresses import (
    credentials_in_url,
    normalized_url,
)
from ansible_collections.polarismesh.maintenance.plugins.module_utils._answers import Reply, expect
from ansible_collections.polarismesh.maintenance.plugins.module_utils._api import cleaning, elections, memory
from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import Client, Settings
from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import KINDS, PolarisError, shorten
from tests.raw_server import Answer, Part, RawServer, Request, response
from tests.sending import get, post, put

TOKEN = "a-token/that+nobody=has"
MakeClient = Callable[..., Client]
Serve = Callable[..., RawServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Raw servers: serve(answer, tls=context); answer is bytes, or a function of the request."""
    servers: list[RawServer] = []

    def start(answer: bytes | list[Part] | Answer, tls: ssl.SSLContext | None = None) -> RawServer:
        def constant(request: Request) -> Iterable[Part]:
            return [answer] if isinstance(answer, bytes) else answer  # type: ignore[return-value]

        servers.append(RawServer(answer if callable(answer) else constant, tls))
        return servers[-1]

    yield start
    for server in servers:
        server.join()


def failure_of(call: Callable[[], Any]) -> PolarisError:
    with pytest.raises(PolarisError) as failure:
        call()
    error = failure.value
    assert error.kind in KINDS
    # One sentence that fits one line of a terminal.
    assert error.msg.endswith(".")
    assert "\n" not in error.msg
    assert TOKEN not in error.msg
    assert TOKEN not in str(error.as_dict())
    return error


# What is sent


@pytest.mark.parametrize(
    ("call", "method", "body"),
    [
        (lambda client: get(client, "/x", {"a": "b &=é", "n": 1}), "GET", b""),
        (lambda client: put(client, "/x", {"scope": "naming"}), "PUT", b'{"scope": "naming"}'),
        (lambda client: post(client, "/x", [1]), "POST", b"[1]"),
        (lambda client: post(client, "/x"), "POST", b""),
    ],
)
def test_every_request_carries_the_json_headers_and_the_token(
    serve: Serve, make_client: MakeClient, call: Callable[[Client], Reply], method: str, body: bytes
) -> None:
    server = serve(response())
    call(make_client(server.url, token=TOKEN))
    (request,) = server.requests
    assert (request.method, request.body) == (method, body)
    assert request.target == ("/x?a=b+%26%3D%C3%A9&n=1" if method == "GET" else "/x")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["accept"] == "application/json"
    assert request.headers["x-polaris-token"] == TOKEN
    # A translated answer could not be parsed.
    assert "accept-language" not in request.headers


def test_without_a_token_no_token_header_is_sent(serve: Serve, make_client: MakeClient) -> None:
    server = serve(response())
    client = make_client(server.url)
    get(client, "/x")
    client.use_token(TOKEN)
    get(client, "/x")
    assert [request.headers.get("x-polaris-token") for request in server.requests] == [None, TOKEN]


def test_a_path_in_the_url_precedes_every_call(serve: Serve, make_client: MakeClient) -> None:
    server = serve(response())
    get(make_client(f" {server.url}/polaris/ "), "/x")
    assert server.requests[0].target == "/polaris/x"


def test_no_cookie_is_kept(serve: Serve, make_client: MakeClient) -> None:
    server = serve(response(b"{}", 200, "Set-Cookie: node=1; Path=/"))
    client = make_client(server.url)
    get(client, "/x")
    get(client, "/y")
    assert "cookie" not in server.requests[1].headers


def test_netrc_is_ignored(
    serve: Serve, make_client: MakeClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password hidden\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    server = serve(response())
    get(make_client(server.url), "/x")
    assert "authorization" not in server.requests[0].headers


def test_a_proxy_of_the_environment_is_used(
    serve: Serve, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, server = serve(response(b'"proxy"')), serve(response(b'"server"'))
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv("NO_PROXY", "other.example")
    monkeypatch.setenv("no_proxy", "other.example")
    assert get(make_client(server.url), "/x").parsed() == "proxy"
    assert proxy.requests[0].target == f"{server.url}/x"
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert get(make_client(server.url), "/x").parsed() == "server"


def test_a_proxy_that_is_down_is_named(serve: Serve, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy, server = serve(response()), serve(response())
    proxy.close()
    monkeypatch.setenv("http_proxy", f"http://user:proxy-password@127.0.0.1:{proxy.port}")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    error = failure_of(lambda: post(make_client(server.url), "/x"))
    assert error.kind == "unreachable"
    assert "no_proxy" in error.msg
    assert "proxy-password" not in error.msg
    assert not server.requests


def test_one_connection_carries_all_requests(make_client: MakeClient, fleet: Any) -> None:
    client = make_client(fleet.nodes[0], token=fleet.tokens.owner)
    for _dummy in range(3):
        assert get(client, "/maintain/v1/log/outputlevel").status == 200
    assert len({record.peer for record in fleet.requests}) == 1


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["get", "put", "post"])
def test_no_redirect_is_followed(serve: Serve, make_client: MakeClient, status: int, method: str) -> None:
    target = serve(response())
    location = f"Location: http://me:location-password@127.0.0.1:{target.port}/login"
    server = serve(response(b"moved", status, location))
    client = make_client(server.url, token=TOKEN, retries=2)
    error = failure_of(
        lambda: get(client, "/x") if method == "get" else {"put": put, "post": post}[method](client, "/x", {})
    )
    assert (error.kind, error.status) == ("protocol", status)
    assert f"redirects to 127.0.0.1:{target.port};" in error.msg
    assert "location-password" not in error.msg
    # Neither the token nor anything else is sent there, and repeating the request would be useless.
    assert target.requests == []
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        (["Location: http://[bad"], "not a URL"),
        (["Location: /login"], "another path of itself"),
        ([], "another path of itself"),
    ],
)
def test_an_odd_redirect_is_an_error_and_no_traceback(
    serve: Serve, make_client: MakeClient, headers: list[str], named: str
) -> None:
    server = serve(response(b"", 302, *headers))
    error = failure_of(lambda: get(make_client(server.url), "/x"))
    assert error.kind == "protocol"
    assert named in error.msg


# Failures below HTTP


GRPC = b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x05\x00\x00\x40\x00"  # SETTINGS, as a gRPC server greets
TLS_ALERT = b"\x15\x03\x01\x00\x02\x02\x50"
GO_HTTPS = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
NGINX_HTTPS = b"<html>The plain HTTP request was sent to HTTPS port</html>"
HEAD_10 = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"

TRANSPORT: dict[str, tuple[bytes | list[Part], str, str, bool]] = {
    "cut before an answer": ([], "server", "closed the connection", True),
    "cut in the body": ([HEAD_10, b"12345"], "server", "closed the connection", True),
    "cut in a chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n123", "server", "closed the", True),
    "no answer in time": ([2.0], "timeout", "did not answer", True),
    "a body that drips": (
        [HEAD_10, *[part for _dummy in range(10) for part in (b"1", 0.4)]],
        "timeout",
        "did not",
        True,
    ),
    "gRPC": (GRPC, "protocol", "8091", True),
    "no HTTP at all": (b"220 mail.example ESMTP\r\n", "protocol", "does not speak HTTP", True),
    "TLS asked by HTTP": (TLS_ALERT, "tls", "https://", False),
    "TLS asked by HTTP, Go": (GO_HTTPS, "tls", "https://", False),
    "TLS asked by HTTP, nginx": (response(NGINX_HTTPS, 400), "tls", "https://", False),
}


@pytest.mark.parametrize("case", TRANSPORT)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_invalid_answer(serve: Serve, make_client: MakeClient, case: str, method: str) -> None:
    answer, kind, sentence, unknown = TRANSPORT[case]
    server = serve(answer)
    client = make_client(server.url, token=TOKEN, timeout=1.0)
    error = failure_of(lambda: get(client, "/x") if method == "GET" else post(client, "/x", {}))
    assert error.kind == kind
    assert sentence in error.msg
    assert server.url in error.msg
    assert (error.method, error.path) == (method, "/x")
    # A GET changes nothing, so its outcome is never unknown.
    assert error.outcome_unknown == (unknown and method == "POST")


def test_a_drip_fed_answer_ends_with_the_time_out(serve: Serve, make_client: MakeClient) -> None:
    """With a timeout for each byte, such a server could block a task forever."""
    server = serve([HEAD_10, *[part for _dummy in range(10) for part in (b"1", 0.5)]])
    begin = time.monotonic()
    assert failure_of(lambda: get(make_client(server.url, timeout=1.0), "/x")).kind == "timeout"
    assert time.monotonic() - begin < 4


def test_a_redirect_is_not_read_for_ever(serve: Serve, make_client: MakeClient) -> None:
    head = b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere.example/\r\nContent-Length: 10\r\n\r\n"
    server = serve([head, *[part for _dummy in range(10) for part in (b"1", 0.5)]])
    begin = time.monotonic()
    failure_of(lambda: get(make_client(server.url, timeout=1.0), "/x"))
    assert time.monotonic() - begin < 4


def test_a_huge_answer_is_not_from_polaris(
    serve: Serve, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "MAX_BODY", 1_000_000)
    sent: list[bytes] = []

    def endless(request: Request) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n\r\n"
        for _dummy in range(100):
            sent.append(b"x" * 1_000_000)
            yield sent[-1]

    server = serve(endless)
    error = failure_of(lambda: get(make_client(server.url, retries=2), "/x"))
    assert error.kind == "protocol"
    assert "larger" in error.msg
    assert len(server.requests) == 1
    assert len(sent) < 100


def test_nothing_listens(serve: Serve, make_client: MakeClient) -> None:
    server = serve(response())
    server.close()
    error = failure_of(lambda: post(make_client(server.url), "/x"))
    assert error.kind == "unreachable"
    assert f"nothing listens at {server.url}" in error.msg
    assert not error.outcome_unknown


def test_packets_that_are_dropped(make_client: MakeClient) -> None:
    # A listener with a full queue does not answer the next connection, like a firewall.
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        waiting = [socket.socket() for _dummy in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(address)
        error = failure_of(lambda: post(make_client(f"http://127.0.0.1:{address[1]}", timeout=0.5), "/x"))
        for each in waiting:
            each.close()
    assert error.kind == "timeout"
    assert "firewall" in error.msg
    assert not error.outcome_unknown


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("http://no-such-host.invalid:8090", "unreachable"),
        ("http://a..b:8090", "refused"),
        (f"http://{'a' * 70}.example:8090", "refused"),
        ("http://*x:8090", "refused"),
        ("http://two words:8090", "refused"),
        ("http://x%zz:8090", "refused"),
    ],
)
def test_host_names_that_lead_nowhere(make_client: MakeClient, url: str, kind: str) -> None:
    error = failure_of(lambda: get(make_client(url, token=TOKEN), "/x"))
    assert error.kind == kind
    assert "url" in error.msg


def test_a_compressed_answer_is_read(serve: Serve, make_client: MakeClient) -> None:
    import gzip

    body = gzip.compress(b'"' + b"x" * 500_000 + b'"')
    server = serve(response(body, 200, "Content-Encoding: gzip"))
    assert get(make_client(server.url), "/x").parsed() == "x" * 500_000


# Downloads


def test_a_download_goes_to_the_file_and_restarts_after_a_failure(serve: Serve, make_client: MakeClient) -> None:
    answers = iter([HEAD_10 + b"wrong", response(b"profile", 200)])
    server = serve(lambda request: [next(answers)])
    target = io.BytesIO()
    reply = get(make_client(server.url, retries=1), "/debug/pprof/heap", {"seconds": 1}, target=target, accept="*/*")
    assert (reply.status, reply.body, target.getvalue()) == (200, b"", b"profile")
    assert {request.headers["accept"] for request in server.requests} == {"*/*"}


def test_a_download_that_is_refused_leaves_the_file_alone(serve: Serve, make_client: MakeClient) -> None:
    target = io.BytesIO()
    reply = get(make_client(serve(response(b"404 page not found", 404)).url), "/x", target=target, accept="*/*")
    assert (reply.text, target.getvalue()) == ("404 page not found", b"")


# TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


def context_of(certificate: trustme.LeafCert, clients: trustme.CA | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    if clients is not None:
        clients.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def test_a_private_authority_is_trusted(
    serve: Serve, make_client: MakeClient, authority: trustme.CA, ca_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The environment names another one: the task takes precedence.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", trustme_file(trustme.CA(), Path(ca_file).with_name("other.pem")))
    server = serve(response(), context_of(authority.issue_cert("127.0.0.1")))
    assert get(make_client(server.url, ca_path=ca_file), "/x").status == 200


def trustme_file(authority: trustme.CA, path: Path) -> str:
    authority.cert_pem.write_to_path(path)
    return str(path)


def test_validate_certs_false_overrides_the_environment(
    serve: Serve, make_client: MakeClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", trustme_file(trustme.CA(), tmp_path / "other.pem"))
    server = serve(response(), context_of(trustme.CA().issue_cert("elsewhere.example")))
    assert get(make_client(server.url, validate_certs=False), "/x").status == 200


def test_the_bundle_of_the_environment_is_trusted_without_ca_path(
    serve: Serve, make_client: MakeClient, authority: trustme.CA, ca_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", ca_file)
    server = serve(response(), context_of(authority.issue_cert("127.0.0.1")))
    assert get(make_client(server.url), "/x").status == 200


PAST = datetime.now(UTC) - timedelta(days=1)


@pytest.mark.parametrize(
    ("certificate", "sentence"),
    [
        (lambda authority: trustme.CA().issue_cert("127.0.0.1"), "is not trusted here"),
        (lambda authority: authority.issue_cert("127.0.0.9"), "was issued for another name"),
        (lambda authority: authority.issue_cert("elsewhere.example"), "was issued for another name"),
        (lambda authority: authority.issue_cert("127.0.0.1", not_after=PAST), "has expired"),
    ],
)
def test_a_bad_certificate(
    serve: Serve,
    make_client: MakeClient,
    authority: trustme.CA,
    ca_file: str,
    certificate: Callable[[trustme.CA], trustme.LeafCert],
    sentence: str,
) -> None:
    server = serve(response(), context_of(certificate(authority)))
    client = make_client(server.url, token=TOKEN, ca_path=ca_file, retries=2)
    error = failure_of(lambda: post(client, "/x"))
    assert error.kind == "tls"
    assert sentence in error.msg
    assert not error.outcome_unknown
    assert server.requests == []


def test_a_client_certificate(
    serve: Serve, make_client: MakeClient, authority: trustme.CA, ca_file: str, tmp_path: Path
) -> None:
    certificate = authority.issue_cert("client.example")
    both, cert, key = tmp_path / "both.pem", tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate.private_key_and_cert_chain_pem.write_to_path(both)
    certificate.cert_chain_pems[0].write_to_path(cert)
    certificate.private_key_pem.write_to_path(key)
    server = serve(response(), context_of(authority.issue_cert("127.0.0.1"), authority))
    assert get(make_client(server.url, ca_path=ca_file, client_cert=str(both)), "/x").status == 200
    assert get(make_client(server.url, ca_path=ca_file, client_cert=str(cert), client_key=str(key)), "/x").status == 200

    error = failure_of(lambda: post(make_client(server.url, ca_path=ca_file), "/x"))
    assert error.kind == "tls"
    assert "client_cert and client_key" in error.msg
    assert not error.outcome_unknown


def test_files_that_are_not_certificates(
    serve: Serve, make_client: MakeClient, authority: trustme.CA, ca_file: str, tmp_path: Path
) -> None:
    certificate, other = authority.issue_cert("client.example"), authority.issue_cert("other.example")
    cert, key, text = tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "text.pem"
    certificate.cert_chain_pems[0].write_to_path(cert)
    other.private_key_pem.write_to_path(key)
    text.write_text("not PEM")
    server = serve(response(), context_of(authority.issue_cert("127.0.0.1")))
    for options, sentence in (
        ({"ca_path": ca_file, "client_cert": str(cert), "client_key": str(key)}, "client_cert and client_key are not"),
        ({"ca_path": ca_file, "client_cert": str(text)}, "client_cert is not a certificate and its private key in PEM"),
        ({"ca_path": ca_file, "client_cert": str(cert)}, "client_cert is not a certificate and its private key in PEM"),
        ({"ca_path": str(text)}, "ca_path does not name a file of CA certificates in PEM format"),
    ):
        error = failure_of(lambda options=options: get(make_client(server.url, **options), "/x"))  # type: ignore[misc]
        assert error.kind == "tls"
        assert sentence in error.msg, options


def test_https_to_a_server_that_speaks_http(serve: Serve, make_client: MakeClient, fleet: Any) -> None:
    error = failure_of(lambda: get(make_client(fleet.url.replace("http:", "https:")), "/x"))
    assert error.kind == "tls"
    assert "write http://" in error.msg


def test_http_to_a_server_that_speaks_https(serve: Serve, make_client: MakeClient, authority: trustme.CA) -> None:
    server = serve(response(), context_of(authority.issue_cert("127.0.0.1")))
    error = failure_of(lambda: get(make_client(server.url.replace("https:", "http:"), token=TOKEN), "/x"))
    # A server may also just close the connection; then the reason is unknown.
    assert error.kind in ("tls", "server")
    assert server.requests == []


def test_cut_under_tls_leaves_the_outcome_unknown(
    serve: Serve, make_client: MakeClient, authority: trustme.CA, ca_file: str
) -> None:
    server = serve([], context_of(authority.issue_cert("127.0.0.1")))
    error = failure_of(lambda: post(make_client(server.url, ca_path=ca_file), "/x"))
    assert (error.kind, error.outcome_unknown) == ("server", True)


# Repeating


FAILURES: dict[str, list[Part]] = {
    "cut": [],
    "no answer": [1.5],
    "502": [response(b"", 502)],
    "503": [response(b"", 503)],
    "504": [response(b"", 504)],
}


def failing(times: int, failure: list[Part]) -> Answer:
    left = [failure] * times

    def answer(request: Request) -> list[Part]:
        return left.pop() if left else [response(b'"ok"')]

    return answer


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_what_is_safe_to_repeat_is_repeated(serve: Serve, make_client: MakeClient, failure: str, method: str) -> None:
    server = serve(failing(2, FAILURES[failure]))
    client = make_client(server.url, retries=2, timeout=0.7)
    reply = get(client, "/x") if method == "GET" else put(client, "/x", {"level": "info"})
    assert reply.parsed() == "ok"
    assert server.methods == [method] * 3
    assert len({request.body for request in server.requests}) == 1


@pytest.mark.parametrize("failure", FAILURES)
def test_a_post_is_never_repeated(serve: Serve, make_client: MakeClient, failure: str) -> None:
    server = serve(failing(5, FAILURES[failure]))
    client = make_client(server.url, retries=5, timeout=0.7)
    error = failure_of(lambda: expect(post(client, "/x", {}), client.url))
    assert error.kind in ("server", "timeout")
    assert server.methods == ["POST"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
def test_a_permanent_failure_is_not_retried(serve: Serve, make_client: MakeClient, status: int) -> None:
    server = serve(response(b"no", status))
    assert get(make_client(server.url, retries=5), "/x").status == status
    assert len(server.requests) == 1


def test_retries_end_with_the_last_failure(serve: Serve, make_client: MakeClient) -> None:
    server = serve(failing(9, FAILURES["cut"]))
    assert failure_of(lambda: get(make_client(server.url, retries=2), "/x")).kind == "server"
    assert len(server.requests) == 3
    assert get(make_client(serve(response(b"busy", 503)).url, retries=1), "/x").status == 503


def test_the_pauses_between_grow(serve: Serve, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve(response(b"", 503))
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    get(make_client(server.url, retries=4), "/x")
    assert len(pauses) == 4
    assert pauses == sorted(set(pauses))


def test_what_became_unknown_stays_unknown(serve: Serve, make_client: MakeClient) -> None:
    """The first PUT may have taken effect, although the second one was certainly never sent."""

    def answer(request: Request) -> list[Part]:
        server.close()
        return []

    server = serve(answer)
    error = failure_of(lambda: put(make_client(server.url, retries=1), "/x", {}))
    assert error.kind == "unreachable"
    assert error.outcome_unknown


# The meaning of an answer


def reply_of(status: int, body: str, method: str = "PUT") -> Reply:
    return Reply(method, "/maintain/v1/x", status, {}, body.encode())


def said(code: Any, info: str) -> str:
    return f'{{"code": {code}, "info": "{info}"}}'


ANSWERS: list[tuple[int, str, str, str]] = [
    (400, "invalid token", "auth", "POLARIS_TOKEN"),
    (400, "token not exist", "auth", "POLARIS_TOKEN"),
    (400, "token already disabled", "auth", "enabled"),
    (400, "no such user", "auth", "POLARIS_TOKEN"),
    (500, "invalid token", "auth", "POLARIS_TOKEN"),
    (401, said(401001, "access is not approved: invalid token"), "auth", "POLARIS_TOKEN"),
    (401, said(401001, "access is not approved"), "auth", "does not say which"),
    (401, said(401004, "token not existed"), "auth", "POLARIS_TOKEN"),
    (401, "", "auth", "POLARIS_TOKEN"),
    (400, "only owner account can access maintain API", "permission", "main (owner)"),
    (400, "only user role can access maintain API", "permission", "main (owner)"),
    (400, "no permission", "permission", "main (owner)"),
    (500, "only owner account can access maintain API", "permission", "main (owner)"),
    (401, said(401001, "access is not approved: only owner account can access maintain API"), "permission", "owner"),
    (403, said(403001, "too many requests"), "refused", "limits the request rate"),
    (403, "<html>Forbidden</html>", "permission", "forbids"),
    (400, said(400202, "not found resource"), "not_found", "did not find what"),
    (400, said(400202, "资源不存在"), "not_found", "did not find what"),
    (404, "404: Page Not Found", "unsupported", "has no PUT"),
    (405, "405: Method Not Allowed", "unsupported", "has no PUT"),
    (406, "406: Not Acceptable", "protocol", "headers"),
    (415, "415: Unsupported Media Type", "protocol", "headers"),
    (407, "", "unreachable", "no_proxy"),
    (400, "invalid scope name", "refused", "invalid scope name"),
    (400, said('"E12"', "odd"), "refused", "odd"),
    (400, "[1]", "refused", "[1]"),
    (403, said(403003, "server limit the api access"), "refused", "limits the request rate"),
    (429, said(429002, "server limit the ip access"), "refused", "limits the request rate"),
    (429, "", "refused", "limits the request rate (429)"),
    (500, "store is down", "server", "store is down"),
    (500, said(500001, "store layer exception"), "server", "store layer exception"),
    (503, "", "server", "log"),
]


@pytest.mark.parametrize(("status", "body", "kind", "sentence"), ANSWERS)
def test_what_an_answer_means(status: int, body: str, kind: str, sentence: str) -> None:
    error = failure_of(lambda: expect(reply_of(status, body), "http://node:8090"))
    assert (error.kind, error.status) == (kind, status)
    assert sentence in error.msg
    assert "http://node:8090" in error.msg
    assert error.as_dict()["path"] == "/maintain/v1/x"


@pytest.mark.parametrize("status", [200, 204])
def test_a_success_is_returned(status: int) -> None:
    reply = reply_of(status, "")
    assert expect(reply, "http://node:8090") is reply


@pytest.mark.parametrize(
    ("method", "status", "unknown"), [("POST", 504, True), ("POST", 500, False), ("GET", 504, False)]
)
def test_a_gateway_does_not_know_what_the_server_did(method: str, status: int, unknown: bool) -> None:
    assert failure_of(lambda: expect(reply_of(status, "", method), "u")).outcome_unknown == unknown


def test_the_codes_of_an_answer_are_reported() -> None:
    error = failure_of(lambda: expect(reply_of(400, said(400202, "not found resource")), "http://node:8090"))
    assert error.as_dict() == {
        "kind": "not_found",
        "status": 400,
        "code": 400202,
        "info": "not found resource",
        "method": "PUT",
        "path": "/maintain/v1/x",
    }


def test_a_long_page_is_shortened() -> None:
    error = failure_of(lambda: expect(reply_of(500, "<html>\n" + "x" * 10_000), "http://node:8090"))
    assert len(error.msg) < 400
    assert error.info is not None
    assert len(error.info) <= 200


# Many requests


def test_each_reports_every_item_and_keeps_to_the_limit(make_client: MakeClient) -> None:
    parallel = 3
    together = threading.Barrier(parallel, timeout=10)
    lock, under_way, most = threading.Lock(), 0, 0

    def call(item: int) -> int:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        if item < parallel:
            together.wait()  # proves that this many really run simultaneously
        with lock:
            under_way -= 1
        return item * 10

    client = make_client("http://127.0.0.1:1", parallel=parallel)
    items = list(range(20))
    found = dict(client.each(call, items))
    assert found == {index: index * 10 for index in items}
    assert most == parallel
    assert list(client.each(call, [])) == []


def test_each_starts_nothing_after_a_failure_and_reports_what_was_in_progress(make_client: MakeClient) -> None:
    begun: list[int] = []
    seen = threading.Event()
    all_begun = threading.Barrier(4)

    def call(item: int) -> int:
        begun.append(item)
        all_begun.wait(10)
        if item == 2:
            raise PolarisError("server", "it failed.")
        assert seen.wait(10)
        return item

    found: dict[int, Any] = {}
    for index, answer in make_client("http://127.0.0.1:1", parallel=4).each(call, list(range(20))):
        found[index] = answer
        if isinstance(answer, PolarisError):
            seen.set()
    assert sorted(begun) == sorted(found) == [0, 1, 2, 3]
    assert isinstance(found.pop(2), PolarisError)
    assert found == {0: 0, 1: 1, 3: 3}


def test_each_starts_nothing_when_successes_follow_a_failure(make_client: MakeClient) -> None:
    begun: list[int] = []
    go, failed, ended = threading.Event(), threading.Event(), threading.Semaphore(0)

    def call(item: int) -> int:
        begun.append(item)
        if item == 0:
            return item
        assert go.wait(10)
        try:
            if item == 2:
                failed.set()
                raise PolarisError("server", "it failed.")
            assert failed.wait(10)
            time.sleep(0.05)
            return item
        finally:
            ended.release()

    results = make_client("http://127.0.0.1:1", parallel=4).each(call, list(range(20)))
    assert next(results) == (0, 0)
    go.set()
    for _item in range(4):
        assert ended.acquire(timeout=10)
    time.sleep(0.05)
    assert sorted(index for index, _answer in results) == [1, 2, 3, 4]
    assert sorted(begun) == [0, 1, 2, 3, 4]


def test_each_passes_on_other_exceptions(make_client: MakeClient) -> None:
    with pytest.raises(ZeroDivisionError):
        list(make_client("http://127.0.0.1:1").each(lambda item: 1 // item, [0]))


def test_each_sends_real_requests_in_parallel(serve: Serve, make_client: MakeClient) -> None:
    together = threading.Barrier(4, timeout=10)

    def answer(request: Request) -> list[Part]:
        together.wait()
        return [response(request.target.encode())]

    client = make_client(serve(answer).url, parallel=4, token=TOKEN)
    found = dict(client.each(lambda number: get(client, f"/{number}").text, list(range(8))))
    assert found == {number: f"/{number}" for number in range(8)}


# Settings


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("http://10.0.0.1:8090", "http://10.0.0.1:8090"),
        ("http://10.0.0.1:8090/", "http://10.0.0.1:8090"),
        (" https://node.example ", "https://node.example"),
        ("HTTP://node:8090//", "http://node:8090"),
        ("http://[::1]:8090/polaris/", "http://[::1]:8090/polaris"),
    ],
)
def test_a_url_is_the_base_of_every_call(url: str, clean: str) -> None:
    assert normalized_url(url) == clean


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("", "url must be http://HOST:PORT"),
        ("10.0.0.1:8090", "url must be http://HOST:PORT"),
        ("node.example", "url must be http://HOST:PORT"),
        ("ftp://node:8090", "url must be http://HOST:PORT"),
        ("http://", "url must be http://HOST:PORT"),
        ("http://:8090", "url must be http://HOST:PORT"),
        ("http:/node:8090", "url must be http://HOST:PORT"),
        ("http://node:port", "port must be a number"),
        ("http://node:0", "port must be a number"),
        ("http://node:65536", "port must be a number"),
        ("http://[::1:8090", "url is not a URL"),
        ("http://node:8090/?x=1", "without a query"),
        ("http://node:8090/#x", "without a query"),
        ("http://me:hidden@node:8090", "must not contain credentials"),
        ("http://hidden@node:8090", "must not contain credentials"),
        ("me:hidden@node:8090", "must not contain credentials"),
        ("http://me:hid/den@node:8090", "must not contain credentials"),
        ("http://me:hidden@node:x", "must not contain credentials"),
    ],
)
def test_invalid_urls(url: str, sentence: str) -> None:
    error = failure_of(lambda: normalized_url(url))
    assert error.kind == "refused"
    assert sentence in error.msg
    assert "hid" not in error.msg


SECRET = st.text("abcdefghijklmnopqrstuvwxyz0123456789:/?#[]%+ -_.!$&'()*,;=@", min_size=1, max_size=12).map(
    "S3cret".__add__
)


@given(
    scheme=st.sampled_from(["http://", "https://", "http:/", "ftp://", "//", "", "HTTP://"]),
    user=st.sampled_from(["", "me", "me:"]),
    secret=SECRET,
    rest=st.sampled_from(["node:8090", "node:x", "[::1", "", "node:8090/path?q#f", "node:99999"]),
)
@example(scheme="http:/", user="", secret="S3cret//0", rest="node:8090")
@example(scheme="", user="", secret="S3cret://0", rest="node:8090")
def test_no_url_ever_echoes_credentials(scheme: str, user: str, secret: str, rest: str) -> None:
    url = f"{scheme}{user}{secret}@{rest}"
    with pytest.raises(PolarisError) as failure:
        normalized_url(url)
    assert "S3cret" not in failure.value.msg
    # These are replaced in the URL that a result or invocation shows.
    shown = url
    for hidden in sorted(credentials_in_url(url), key=len, reverse=True):
        shown = shown.replace(hidden, "********")
    assert "S3cret" not in shown


@given(st.text(max_size=40))
def test_any_text_is_a_url_or_one_refusal(text: str) -> None:
    try:
        clean = normalized_url(text)
    except PolarisError as error:
        assert error.kind == "refused"
        return
    assert clean.startswith(("http://", "https://"))
    assert normalized_url(clean) == clean


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"token": ""}, "token is not a Polaris token"),
        ({"token": "two words"}, "token is not a Polaris token"),
        ({"token": "line\nbreak"}, "token is not a Polaris token"),
        ({"token": "umlaut-ü"}, "token is not a Polaris token"),
        ({"timeout": 0}, "timeout must be"),
        ({"timeout": -1.0}, "timeout must be"),
        ({"timeout": float("nan")}, "timeout must be"),
        ({"timeout": float("inf")}, "timeout must be"),
        ({"retries": -1}, "retries must be"),
        ({"parallel": 0}, "parallel must be"),
        ({"parallel": 65}, "parallel must be"),
        ({"client_key": "/dev/null"}, "client_key requires client_cert"),
        ({"ca_path": "/no/such/file"}, "ca_path names a file that does not exist"),
        ({"client_cert": "/no/such/file"}, "client_cert names a file that does not exist"),
    ],
)
def test_settings_that_cannot_work_are_refused_before_anything_is_sent(options: dict[str, Any], sentence: str) -> None:
    error = failure_of(lambda: Client(Settings(url="http://127.0.0.1:8090", **options)))
    assert error.kind == "refused"
    assert sentence in error.msg
    assert not any(isinstance(value, str) and value and value in error.msg for value in [options.get("token")])


@given(st.text(), st.integers(4, 50))
def test_a_shortened_text_is_one_short_line(text: str, limit: int) -> None:
    line = shorten(text, limit)
    assert len(line) <= limit
    assert len(line.splitlines()) <= 1


@given(st.binary(max_size=50))
def test_any_body_is_json_or_not(body: bytes) -> None:
    reply = Reply("GET", "/x", 200, {}, body)
    reply.parsed()
    assert isinstance(reply.text, str)


@pytest.mark.parametrize("before", [180, 190, 197])
def test_a_token_that_the_server_echoes_is_not_shown_in_part(
    serve: Serve, make_client: MakeClient, before: int
) -> None:
    page = b"x" * before + b" " + TOKEN.encode() + b" and more" * 20
    server = serve(response(page, 500))
    client = Client(Settings(server.url, token=TOKEN), secrets={TOKEN})
    error = failure_of(lambda: expect(get(client, "/x"), client.url))
    assert TOKEN[:4] not in f"{error.msg} {error.info}"


def test_certificates_of_the_environment_that_are_not_there(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/bundle.pem")
    error = failure_of(lambda: get(make_client("https://127.0.0.1:1", retries=0), "/x"))
    assert error.kind == "tls"
    assert "/no/such/bundle.pem" in error.msg
    assert "REQUESTS_CA_BUNDLE" in error.msg


# Mistakes in the environment are reported as such, and as not sent


@pytest.mark.parametrize(
    ("variables", "variable"),
    [
        ({"all_proxy": "socks5://127.0.0.1:1"}, "all_proxy"),
        ({"http_proxy": "ftp://127.0.0.1:1"}, "http_proxy"),
        ({"http_proxy": "http://:8080"}, "http_proxy"),
        ({"HTTP_PROXY": "http://[::1"}, "HTTP_PROXY"),
        ({"http_proxy": "http://127.0.0.1:99999"}, "http_proxy"),
    ],
)
@pytest.mark.parametrize("send", [get, post])
def test_a_proxy_that_cannot_be_used(
    serve: Serve,
    make_client: MakeClient,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    variable: str,
    send: Callable[..., Reply],
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    server = serve(response())
    error = failure_of(lambda: send(make_client(server.url, retries=1), "/x"))
    assert (error.kind, error.outcome_unknown) == ("refused", False)
    assert f"({variable})" in error.msg
    assert "nothing was sent" in error.msg
    assert server.requests == []


def test_a_key_log_that_cannot_be_written(
    serve: Serve, make_client: MakeClient, authority: trustme.CA, ca_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", "/no/such/folder/keys")
    server = serve(response(), context_of(authority.issue_cert("127.0.0.1")))
    error = failure_of(lambda: post(make_client(server.url, ca_path=ca_file), "/x"))
    assert (error.kind, error.outcome_unknown) == ("refused", False)
    assert "SSLKEYLOGFILE" in error.msg
    assert "/no/such/folder/keys" in error.msg


def test_a_bundle_of_the_environment_that_is_not_pem(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "bundle.pem").write_text("not PEM")
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.setenv("CURL_CA_BUNDLE", str(tmp_path / "bundle.pem"))
    error = failure_of(lambda: make_client("https://127.0.0.1:1"))
    assert error.kind == "tls"
    assert error.msg.startswith(
        "the environment variable CURL_CA_BUNDLE does not name a file of CA certificates in PEM format"
    )


class UnheardOfError(requests.exceptions.RequestException):
    """An exception that no version of requests has so far."""


def test_an_unforeseen_exception_is_reported_as_such(make_client: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    client = make_client("http://127.0.0.1:1")

    def fails(*dummy: Any, **more: Any) -> None:
        raise UnheardOfError("the moon is full")

    monkeypatch.setattr(client._adapter, "send", fails)
    error = failure_of(lambda: post(client, "/x"))
    # Whether it was sent is unknown.
    assert (error.kind, error.outcome_unknown) == ("unreachable", True)
    assert "UnheardOfError: the moon is full" in error.msg
    assert "crashed" not in error.msg


@pytest.mark.parametrize(
    "call",
    [
        lambda client: cleaning.clean_batch(client, 10),
        memory.free,
        lambda client: elections.release(client, "a-job"),
    ],
)
def test_requests_that_are_sent_once_use_a_new_connection(
    serve: Serve, make_client: MakeClient, call: Callable[[Client], Any]
) -> None:
    """Something in between may close it silently; then it is unknown whether the request arrived."""
    body = b"" if call is memory.free else b'{"rows_affected":1}'
    kept_alive = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    # It answers one request per connection, and keeps it open for a while without reading further.
    server = serve(lambda request: [kept_alive, 2.0])
    client = make_client(server.url, timeout=10.0)
    assert get(client, "/x").status == 200
    call(client)
    assert server.methods == ["GET", "POST"]
