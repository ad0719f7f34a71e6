# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every module against every fault, and a page with the results: `make fault-page` writes the page.

A fault is a raw server, or an address, that goes wrong in one way. The modules run through both doors.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import re
import socket
import ssl
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from unittest import mock

import trustme
from ansible.module_utils import basic

from ansible_collections.polarismesh.maintenance.plugins.module_utils import _client
from ansible_collections.polarismesh.maintenance.plugins.module_utils._options import validated
from ansible_collections.polarismesh.maintenance.plugins.module_utils._runner import perform
from tests.clients import ALICE, Clients, until
from tests.raw_server import Part, RawServer, Request, response
from tests.simulator import Fault, Fleet

PAGE = Path(__file__).parent.parent / "docs" / "docsite" / "rst" / "guide_faults.rst"
PACKAGE = "ansible_collections.polarismesh.maintenance.plugins.modules"
INSTANCE = {"service": "payments", "namespace": "default", "host": "10.0.0.1", "port": 8080}
TOKEN = "the-token-of-this-test"

#: Module -> options with which it asks a server.
MODULES: dict[str, dict[str, Any]] = {
    "polaris_client_info": {},
    "polaris_cmdb_info": {},
    "polaris_conn_close": {"protocol": "grpc", "host": "127.0.0.21"},
    "polaris_conn_info": {"protocol": "grpc"},
    "polaris_heartbeat_info": INSTANCE,
    "polaris_instance_batch_clean": {},
    "polaris_instance_clean": {**INSTANCE, "settle": 0},
    "polaris_leader_info": {},
    "polaris_leader_release": {"elect_key": "MaintainJob"},
    "polaris_log_level": {"scope": "naming", "level": "debug"},
    "polaris_log_level_info": {},
    "polaris_memory_free": {"force": True},
    "polaris_memory_info": {},
    "polaris_pprof": {"enabled": False},
    "polaris_profile": {"dest": "DEST"},
    "polaris_server_info": {},
}
Answer = Callable[[Request], Iterable[Part]]


@dataclass(frozen=True)
class Cell:
    """How a module handled a fault.

    :param outcome: ``error.kind``, or "ok".
    :param requests: how many the server got; None if it does not count them.
    """

    outcome: str
    msg: str
    changed: bool
    requests: int | None
    seconds: float
    result: dict[str, Any]


@dataclass(frozen=True)
class Wrong:
    """One fault: ``serve`` gives the URL and, if there is a server, its requests so far.

    :param environment: variables; the value PROXY means that what ``serve`` gives is the proxy on the way to UNROUTED.
    """

    name: str
    kinds: frozenset[str]
    serve: Callable[[], AbstractContextManager[tuple[str, list[Request] | None]]]
    options: Mapping[str, Any]
    environment: Mapping[str, str]


PROXY = "PROXY"
UNROUTED = "http://10.255.255.1:8090"


@contextlib.contextmanager
def raw(answer: bytes | list[Part] | Answer, tls: ssl.SSLContext | None = None) -> Iterator[tuple[str, list[Request]]]:
    def constant(request: Request) -> Iterable[Part]:
        return [answer] if isinstance(answer, bytes) else answer  # type: ignore[return-value]

    server = RawServer(answer if callable(answer) else constant, tls)
    try:
        yield server.url, server.requests
    finally:
        server.join()


@contextlib.contextmanager
def at(url: str) -> Iterator[tuple[str, list[Request]]]:
    yield url, []


@contextlib.contextmanager
def plain(scheme: str, says: bytes) -> Iterator[tuple[str, None]]:
    """A server that always sends the same bytes, or resets the connection if there are none."""

    def serve(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _address = listener.accept()
                with connection, contextlib.suppress(OSError):
                    answer(connection)

    def answer(connection: socket.socket) -> None:
        connection.recv(10)
        connection.sendall(says)
        if says:
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
        else:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        yield f"{scheme}://127.0.0.1:{listener.getsockname()[1]}", None
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def wrong(
    name: str,
    kinds: str,
    serve: Callable[[], AbstractContextManager[Any]],
    *,
    options: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Wrong:
    return Wrong(name, frozenset(kinds.split()), serve, options or {}, environment or {})


def certified(host: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert(host).configure_cert(context)
    return context


#: Signs the certificates of the servers below.
AUTHORITY = trustme.CA()


def expired() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    yesterday = datetime.now(UTC) - timedelta(days=1)
    AUTHORITY.issue_cert("127.0.0.1", not_after=yesterday).configure_cert(context)
    return context


def not_yet_valid() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    certificate = AUTHORITY.issue_cert("127.0.0.1", not_before=tomorrow, not_after=tomorrow + timedelta(days=1))
    certificate.configure_cert(context)
    return context


def elsewhere() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("elsewhere.example").configure_cert(context)
    return context


def mutual() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("127.0.0.1").configure_cert(context)
    AUTHORITY.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


HALF = b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"half": '
PAGE_502 = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
WRONGS: list[Wrong] = [
    wrong("nothing listens", "unreachable", lambda: at("http://127.0.0.1:1")),
    wrong("the name cannot be resolved", "unreachable", lambda: at("http://no-such-host.invalid:8090")),
    wrong("reset", "server", lambda: plain("http", b"")),
    wrong("closed without an answer", "server", lambda: raw([])),
    wrong("half an answer", "server", lambda: raw(HALF)),
    wrong("no answer in time", "timeout", lambda: raw([1.0]), options={"timeout": 0.3}),
    wrong(
        "an answer that arrives slowly, byte by byte",
        "timeout",
        lambda: raw([HALF[:60], *[part for _n in range(20) for part in (b" ", 0.1)]]),
        options={"timeout": 0.3},
    ),
    wrong("an endless answer", "protocol", lambda: raw(response(b'"' + b"x" * 3_000_000 + b'"'))),
    wrong("500 with plain text", "server", lambda: raw(response(b"it broke", 500))),
    wrong("502 from a proxy", "server", lambda: raw(response(PAGE_502, 502))),
    wrong("redirect", "protocol", lambda: raw(response(b"", 302, "Location: http://127.0.0.9/login"))),
    wrong("not JSON", "protocol", lambda: raw(response(b"{nonsense"))),
    wrong("JSON of another type", "protocol", lambda: raw(response(b'"text"'))),
    wrong("JSON without the fields of Polaris", "protocol", lambda: raw(response(b'{"answer": 42}'))),
    wrong("a web site", "protocol", lambda: raw(response(b"<html>Welcome</html>"))),
    wrong("404 from a web site", "protocol", lambda: raw(response(b"<html>Not here</html>", 404))),
    wrong("not HTTP (the gRPC port)", "protocol", lambda: raw(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" * 3)),
    wrong("wrong token", "auth", lambda: raw(response(b"invalid token", 400))),
    wrong(
        "account without rights",
        "permission",
        lambda: raw(response(b"only owner account can access maintain API", 400)),
    ),
    wrong("rate limit", "refused", lambda: raw(response(b'{"code": 429002, "info": "too many"}', 429))),
    wrong("a certificate that is not trusted", "tls", lambda: raw(response(), certified("127.0.0.1"))),
    wrong(
        "a certificate for another name",
        "tls",
        lambda: raw(response(), elsewhere()),
        options={"ca_path": "CA"},
    ),
    wrong("an expired certificate", "tls", lambda: raw(response(), expired()), options={"ca_path": "CA"}),
    wrong(
        "a certificate that is not valid yet",
        "tls",
        lambda: raw(response(), not_yet_valid()),
        options={"ca_path": "CA"},
    ),
    wrong("a client certificate is required", "tls", lambda: raw(response(), mutual()), options={"ca_path": "CA"}),
    wrong("HTTPS to a plain HTTP port", "tls", lambda: plain("https", b"HTTP/1.1 400 Bad Request\r\n\r\n")),
    # The alert of a server that expects TLS.
    wrong("HTTP to an HTTPS port", "tls", lambda: plain("http", b"\x15\x03\x01\x00\x02\x02\x46")),
    wrong(
        "a proxy that is down",
        "unreachable",
        lambda: at(UNROUTED),
        environment={"http_proxy": "http://127.0.0.1:1"},
    ),
    wrong(
        "a proxy that requires a login",
        "unreachable",
        lambda: raw(response(b"Proxy Authentication Required", 407)),
        environment={"http_proxy": PROXY},
    ),
    wrong(
        "502 from a proxy that cannot reach the server",
        "server",
        lambda: raw(response(PAGE_502, 502)),
        environment={"http_proxy": PROXY},
    ),
    wrong(
        "a proxy with an unknown scheme",
        "refused",
        lambda: at(UNROUTED),
        environment={"http_proxy": "ftp://127.0.0.1:1"},
    ),
    wrong(
        "a proxy with an invalid URL",
        "refused",
        lambda: at(UNROUTED),
        environment={"http_proxy": "http://[::1"},
    ),
    wrong("a token with a space", "refused", lambda: raw(response()), options={"token": "two words"}),
]


# --- both doors ------------------------------------------------------------------------------------------------------


def in_process(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """The result through the in-process door: the run() of the module in this process."""
    module = importlib.import_module(f"{PACKAGE}.{name}")
    checked = validated(module.SPEC, options, name)
    assert checked.error is None, checked.error
    outcome = perform(module.run, checked.params, checked.secrets, check_mode=False, diff_mode=False)
    return {**outcome.result, "warnings": outcome.warnings}


def as_module(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """The result through the module door: the main() of the module, with its arguments as Ansible passes them."""
    module = importlib.import_module(f"{PACKAGE}.{name}")
    arguments = json.dumps({"ANSIBLE_MODULE_ARGS": options}).encode()
    output = io.StringIO()
    with (
        mock.patch.object(basic, "_ANSIBLE_ARGS", arguments),
        mock.patch.object(basic, "_ANSIBLE_PROFILE", "legacy", create=True),
        contextlib.redirect_stdout(output),
        contextlib.suppress(SystemExit),
    ):
        module.main()
    result: dict[str, Any] = json.loads(output.getvalue())
    return result


DOORS: dict[str, Callable[[str, dict[str, Any]], dict[str, Any]]] = {"in-process": in_process, "module": as_module}


def cell(name: str, fault: Wrong, door: str) -> Cell:
    """Run one module against one fault."""
    with contextlib.ExitStack() as stack:
        url, requests = stack.enter_context(fault.serve())
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        stack.enter_context(mock.patch.object(_client, "MAX_BODY", 1_000_000))
        clean = {key: value for key, value in ENVIRONMENT.items() if "proxy" not in key.lower()}
        environment = {name: url if value == PROXY else value for name, value in fault.environment.items()}
        url = UNROUTED if PROXY in fault.environment.values() else url
        stack.enter_context(mock.patch.dict("os.environ", {**clean, **environment}, clear=True))
        given = {key: f"{folder}/file" if value == "DEST" else value for key, value in MODULES[name].items()}
        options = {"url": url, "token": TOKEN, "retries": 0, "timeout": 5.0, **given, **fault.options}
        if "ca_path" in options:
            authority = stack.enter_context(tempfile.TemporaryDirectory())
            options["ca_path"] = f"{authority}/ca.pem"
            AUTHORITY.cert_pem.write_to_path(options["ca_path"])
        started = time.monotonic()
        result = DOORS[door](name, options)
        seconds = time.monotonic() - started
        left = sorted(Path(folder).iterdir())
        assert not result.get("failed") or left == [], f"{name} left {left} after {fault.name}"
        return Cell(
            outcome=result["error"]["kind"] if result.get("failed") else "ok",
            msg=str(result.get("msg", "")).replace(url, "URL").replace(folder, "FOLDER"),
            changed=result["changed"],
            requests=None if requests is None else len(requests),
            seconds=seconds,
            result=result,
        )


#: The environment before any fault.
ENVIRONMENT = dict(os.environ)


# --- faults of the call that changes something -----------------------------------------------------------------------

#: Module -> its call that changes something, the only one that fails.
WRITES: dict[str, tuple[str, str]] = {
    "polaris_conn_close": ("POST", "/maintain/v1/apiserver/conn/close"),
    "polaris_instance_batch_clean": ("POST", "/maintain/v1/instance/batchclean"),
    "polaris_instance_clean": ("POST", "/maintain/v1/instance/clean"),
    "polaris_leader_release": ("POST", "/maintain/v1/leaders/release"),
    "polaris_log_level": ("PUT", "/maintain/v1/log/outputlevel"),
    "polaris_memory_free": ("POST", "/maintain/v1/memory/free"),
    "polaris_pprof": ("POST", "/maintain/v1/pprof/enable"),
}
WRITE_FAULTS: dict[str, Fault] = {
    "refused by the server": Fault("status", 400, "no such thing"),
    "account without rights": Fault("status", 400, "only owner account can access maintain API"),
    "500 with plain text": Fault("status", 500, "it broke"),
    "504 from a proxy": Fault("status", 504, "gateway timeout"),
    "closed, nothing done": Fault("cut"),
    "closed, all done": Fault("drop"),
    "no answer in time": Fault("hang"),
}


def write_cell(name: str, fault: Fault) -> tuple[Cell, int]:
    """Run a module against a simulated server on which one call fails; also returns how often that call was sent."""
    method, path = WRITES[name]
    store: Literal["mysql", "boltdb"] = "mysql" if name == "polaris_leader_release" else "boltdb"
    with Fleet(nodes=1, profile="head", store=store) as fleet, Clients() as clients:
        node = fleet.nodes[0]
        if name == "polaris_conn_close":
            clients.connect((node.host, node.grpc_port), ALICE, 2)
            assert until(lambda: len(node.connections["grpc"]) == 2)
        row = fleet.store.register("payments", host="10.0.0.1", port=8080)
        fleet.store.deregister(row.id, ago=3600)
        node.fault(method, path, fault)
        options = {"url": node.url, "token": fleet.tokens.owner, "retries": 1, **MODULES[name]}
        # Short only where it must expire: on a busy machine it must not turn into another fault.
        options["timeout"] = 0.5 if fault.kind == "hang" else 30.0
        started = time.monotonic()
        result = in_process(name, options)
        seconds = time.monotonic() - started
        sent = sum((request.method, request.path) == (method, path) for request in fleet.requests)
        outcome = result["error"]["kind"] if result.get("failed") else "ok"
        msg = str(result.get("msg", "")).replace(node.url, "URL")
        return Cell(outcome, msg, result["changed"], None, seconds, result), sent


# --- the page --------------------------------------------------------------------------------------------------------

HEADER = """\
..
  Copyright (c) 2026, PolarisMesh Maintenance contributors
  GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
  SPDX-License-Identifier: GPL-3.0-or-later

..
  Written by make fault-page; a test compares this page with what the modules do. Do not edit it by hand.

.. _ansible_collections.polarismesh.maintenance.docsite.guide_faults:

What each module does when something fails
==========================================

Every module was run against every fault, as a module and in the controller's process. Both gave the same kind, message
and *changed*, and sent the same number of requests. ``retries`` was 0 in the first part and 1 in the second.

A server that fails from the first request
------------------------------------------

Nothing is changed. But if the first request of a module is the one that changes something, as in
``polaris_instance_batch_clean``, the outcome may be unknown; then *changed* is true, and the message says so.
*CALL* is the request that failed. *Requests* is how many requests the server got. *At once* means without waiting
for ``timeout``.
"""
SECOND = """
Only the call that changes something fails
------------------------------------------

The requests before it succeeded. Only a call that sets a log level is repeated after a failure. *changed* is the value
in the result.

"""


def section(fault: Wrong, cells: Mapping[str, Cell]) -> str:
    """The table of one fault: module -> cell. Modules that handle it in the same way share a row."""
    rows: dict[tuple[str, ...], list[str]] = {}
    for name, one in cells.items():
        unknown = "unknown" if one.changed else "nothing"
        requests = "not counted" if one.requests is None else str(one.requests or "none")
        late = "after ``timeout``" if one.outcome == "timeout" else "at once"
        row: tuple[str, ...] = (f"``{one.outcome}``", literal(shown_text(one)), unknown, requests, late)
        rows.setdefault(row, []).append(f"``{name}``")
    title = fault.name[0].upper() + fault.name[1:]
    lines = [title, "~" * len(title), "", ".. list-table::\n    :header-rows: 1\n"]
    lines.append(line("Modules", "``error.kind``", "The message", "Changed or unknown", "Requests", "Time"))
    for row, names in sorted(rows.items(), key=lambda item: -len(item[1])):
        most = len(cells) > len(names) > len(cells) / 2
        lines.append(line("all" if len(names) == len(cells) else "all others" if most else ", ".join(names), *row))
    return "\n".join(lines) + "\n"


def shown_text(one: Cell) -> str:
    """The message of a failure, or what a success says about this server."""
    if one.outcome != "ok":
        return re.sub(r"\b(GET|POST|PUT) /[\w/.]*", "CALL", one.msg)
    said = {key: value for key, value in one.result.items() if key not in ("changed", "url", "warnings", "diff")}
    return "no failure: " + ", ".join(
        f"{key} is {json.dumps(value)}" for key, value in said.items() if value is not None
    )


def line(*columns: str) -> str:
    return "    * - " + "\n      - ".join(columns)


def page() -> str:
    """The page, from the current behaviour of the modules."""
    lines = [HEADER]
    lines += [section(fault, {name: cell(name, fault, "in-process") for name in MODULES}) for fault in WRONGS]
    return "\n".join(lines) + second()


def second() -> str:
    """The table of the calls that change something."""
    lines: list[str] = []
    lines += [SECOND, ".. list-table::\n    :header-rows: 1\n"]
    lines.append("    * - Module\n" + "\n".join(f"      - {name}" for name in WRITE_FAULTS))
    for name in WRITES:
        row = []
        for failing in WRITE_FAULTS.values():
            one, sent = write_cell(name, failing)
            changed = f"changed: {str(one.changed).lower()}"
            row.append(f"      - {one.outcome}, {changed}, sent {'once' if sent == 1 else f'{sent} times'}")
        lines.append(f"    * - ``{name}``\n" + "\n".join(row))
    return "\n".join(lines) + "\n"


def literal(text: str) -> str:
    """A message as RST, without ports and paths of this run, and with markup escaped."""
    text = re.sub(r"127\.0\.0\.1:\d+", "HOST:PORT", text)
    return re.sub(r"([*`|_\\]|(?<=http):|(?<=https):)", r"\\\1", text)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"written: {PAGE}\n")
