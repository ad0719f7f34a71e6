# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the client relies on below the calls: content types, kinds of refusal, JSON, and identity."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.polarismesh.maintenance.plugins.module_utils._answers import expect
from ansible_collections.polarismesh.maintenance.plugins.module_utils._api import log_levels, routes
from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import Client, Settings
from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import PolarisError
from tests.contract.server import JSON_HEADERS, Server
from tests.sending import get, post, put

LEVELS = "/maintain/v1/log/outputlevel"
FREE = "/maintain/v1/memory/free"
CLEAN = "/maintain/v1/instance/clean"
BATCH = "/maintain/v1/instance/batchclean"
HEARTBEAT = "/maintain/v1/instance/heartbeat"

#: method, path, body, query: one call of every kind, all of them harmless.
CALLS: dict[str, tuple[str, str, Any, Any]] = {
    "read levels": ("GET", LEVELS, None, None),
    "set level": ("PUT", LEVELS, {"scope": "naming", "level": "info"}, None),
    "read connections": ("GET", "/maintain/v1/apiserver/conn/stats", None, {"protocol": "http"}),
    "close nothing": ("POST", "/maintain/v1/apiserver/conn/close", [{"Protocol": "http", "Host": "10.9.9.9"}], None),
    "free memory": ("POST", FREE, None, None),
    "clean nobody": ("POST", CLEAN, {"id": "nobody"}, None),
    "batch clean": ("POST", BATCH, {"batch_size": 1}, None),
    "heartbeat of an unknown instance": ("GET", HEARTBEAT, None, {"id": "nobody"}),
    "leaders": ("GET", "/maintain/v1/leaders", None, None),
    "locations": ("GET", "/maintain/v1/cmdb/info", None, None),
    "instances": ("GET", "/naming/v1/instances", None, {"namespace": "Polaris", "service": "polaris.checker"}),
}
READS = ("read levels", "read connections", "heartbeat of an unknown instance", "leaders", "locations", "instances")


def send(server: Server, call: str, token: str | None) -> PolarisError | None:
    """The error that the collection's client creates from the answer, if it is an error."""
    method, path, body, query = CALLS[call]
    client = server.client(token)
    try:
        if method == "GET":
            expect(get(client, path, query), client.url)
        elif method == "PUT":
            expect(put(client, path, body), client.url)
        else:
            expect(post(client, path, body), client.url)
    except PolarisError as error:
        return error
    return None


def skip_unless(server: Server, call: str) -> None:
    method, path, _dummy, _dummy = CALLS[call]
    if not server.has(method, path):
        pytest.skip(f"this one has no {method} {path}")


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("token", [None, "not-a-token", "bm90IGEgdG9rZW4="])
def test_a_wrong_token_is_an_auth_error_on_every_kind_of_call(server: Server, call: str, token: str | None) -> None:
    skip_unless(server, call)
    error = send(server, call, token)
    assert error is not None
    assert error.kind == "auth", (error.msg, error.as_dict())
    assert "POLARIS_TOKEN" in error.msg
    # Plain text with 400 (500 for a batch clean), or JSON with 401.
    assert error.status in (400, 401, 500)


@pytest.mark.parametrize("call", [name for name in CALLS if name not in READS])
def test_only_the_owner_may_write(server: Server, call: str) -> None:
    skip_unless(server, call)
    error = send(server, call, server.sub_token())
    assert error is not None
    # For a clean, HEAD does not say whether the token is wrong or the account lacks rights.
    silent = call == "clean nobody" and error.info == "access is not approved"
    assert error.kind == ("auth" if silent else "permission"), (error.msg, error.as_dict())
    assert "main (owner)" in error.msg


@pytest.mark.parametrize("call", CALLS)
def test_the_owner_may_do_everything(server: Server, call: str) -> None:
    skip_unless(server, call)
    if call == "batch clean" and not server.disposable:
        pytest.skip("would remove a row of a server that is not ours")
    error = send(server, call, server.token)
    if call == "heartbeat of an unknown instance":
        assert error is not None
        assert (error.kind, error.status, error.code) == ("not_found", 400, 400202)
    elif error is not None:
        # Only a simulator that does not count connections may answer this.
        assert (call, error.info) == ("read connections", "not found the protocol")


def test_without_a_content_type_no_handler_is_reached(server: Server) -> None:
    """This is why the client sends the JSON headers with and without a body."""
    nothing = server.call("POST", FREE, headers={"Accept": "application/json"})
    assert nothing.status_code == 406  # requests sends Content-Length: 0
    method = "PUT" if server.has("PUT", LEVELS) else "POST"
    body = server.call(method, LEVELS, headers={"Content-Type": "text/plain"}, data="{}")
    assert (body.status_code, body.text) == (415, "415: Unsupported Media Type")
    xml = server.call("GET", LEVELS, headers={"Content-Type": "application/json", "Accept": "application/xml"})
    assert xml.status_code == 406
    assert server.call("POST", FREE, headers=JSON_HEADERS).status_code == 200


def test_an_empty_answer_is_a_success(server: Server) -> None:
    reply = expect(post(server.client(), FREE), server.url)
    assert (reply.status, reply.body) == (200, b"")
    assert reply.parsed() is None


def test_json_is_json_whatever_its_label(server: Server) -> None:
    reply = get(server.client(), "/naming/v1/instances", {"namespace": "Polaris", "service": "polaris.checker"})
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
    assert reply.parsed()["code"] == 200000


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", FREE, 405),
        ("GET", "/maintain/v1/no-such-call", 404),
        ("POST", "/maintain/v1/no-such-call", 404),
        ("GET", "/no-such-api", 404),
    ],
)
def test_a_missing_route_is_plain_text_and_says_so(server: Server, method: str, path: str, status: int) -> None:
    reply = get(server.client(), path) if method == "GET" else post(server.client(), path)
    assert reply.status == status
    assert reply.text == {404: "404: Page Not Found", 405: "405: Method Not Allowed"}[status]
    with pytest.raises(PolarisError) as failure:
        expect(reply, server.url)
    assert failure.value.kind == "unsupported"


def test_the_banner_identifies_a_polaris_server(server: Server) -> None:
    assert routes.is_polaris(server.client(None))


def test_the_message_names_the_grpc_port(server: Server) -> None:
    host, port = server.grpc
    grpc = Client(Settings(f"http://{host}:{port}", timeout=2.0, retries=0))
    with pytest.raises(PolarisError) as failure:
        log_levels.read(grpc)
    grpc.close()
    if server.real:
        # It closes the connection without an answer, so the message has to name both causes.
        assert failure.value.kind in ("server", "protocol")
        assert "8091" in failure.value.msg
        assert "HTTP port" in failure.value.msg


def test_our_own_end_of_the_connection_is_known(server: Server) -> None:
    """The address as the server writes it in its list of connections."""
    client = server.client()
    reply = get(client, "/maintain/v1/apiserver/conn/stats", {"protocol": "http"})
    if reply.status == 400:
        pytest.skip("this simulator counts no connections")
    assert reply.local_address in [active for entry in reply.parsed()["Stats"] for active in entry["Actives"]]
