# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fixture ``server``: simulator profiles, and a real server if the environment names one.

POLARIS_URL and POLARIS_TOKEN name a running server; POLARIS_SERVER_BIN names the binary of a release, which is started
for the tests. With ``--real`` (tests/conftest.py) only that server is used.
"""

from __future__ import annotations

import contextlib
import os
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.contract import release
from tests.contract.server import Server
from tests.simulator import PROFILES, Fleet

PROFILE_NAMES = ("v1.8.0", "v1.12.2", "v1.14.1", "v1.16.0", "v1.17.1", "v1.18.1", "head", "documented")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "profiles(*names, real=True): the simulator profiles that a contract test uses")


def real_server_is_named() -> bool:
    return bool(os.environ.get("POLARIS_URL") or os.environ.get("POLARIS_SERVER_BIN"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """``server`` over all profiles, or those of ``@pytest.mark.profiles(...)``, and the real one if there is one."""
    if "server" not in metafunc.fixturenames:
        return
    mark = metafunc.definition.get_closest_marker("profiles")
    names: list[Any] = [] if metafunc.config.getoption("--real") else list(mark.args if mark else PROFILE_NAMES)
    if real_server_is_named() and not (mark and mark.kwargs.get("real") is False):
        names.append(pytest.param("real", marks=pytest.mark.real))
    metafunc.parametrize("server", names, indirect=True)


@pytest.fixture(scope="session")
def real_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server that POLARIS_URL names, or the release of POLARIS_SERVER_BIN, started once per worker."""
    binary, url = os.environ.get("POLARIS_SERVER_BIN"), os.environ.get("POLARIS_URL")
    if url:
        url = url.rstrip("/")
        token = os.environ.get("POLARIS_TOKEN", "")
        yield Server("real", url, token, registered_grpc(url, token), disposable=False)
        return
    assert binary
    with release.running(Path(binary), tmp_path_factory.mktemp("release")) as started:
        yield Server("real", started.url, started.token, started.grpc)


def registered_grpc(url: str, token: str) -> tuple[str, int]:
    """The gRPC port that a running server reports: that of this node, not of another node of its cluster."""
    query = {"namespace": "Polaris", "service": "polaris.checker"}
    reply = requests.get(f"{url}/naming/v1/instances", query, headers={"X-Polaris-Token": token}, timeout=30).json()
    addresses = {info[4][0] for info in socket.getaddrinfo(urlsplit(url).hostname, None)}
    # A fork of Polaris registers itself elsewhere, and omits an empty list.
    nodes = reply.get("instances") or [{"host": urlsplit(url).hostname, "port": 8091}]
    own = next((node for node in nodes if node["host"] in addresses), nodes[0])
    return str(own["host"]), int(own["port"])


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """The server under test; its log levels are restored at the end."""
    name = str(request.param)
    with contextlib.ExitStack() as stack:
        if name == "real":
            shared: Server = request.getfixturevalue("real_server")
            found = Server(name, shared.url, shared.token, shared.grpc, None, shared.disposable)
            before = found.levels()
            stack.callback(put_back, found, before)
        else:
            fleet = stack.enter_context(Fleet(profile=PROFILES[name]))
            node = fleet.nodes[0]
            found = Server(name, node.url, fleet.tokens.owner, (node.host, node.grpc_port), node)
        stack.enter_context(found.stack)
        yield found


def put_back(server: Server, before: dict[str, str]) -> None:
    for scope, level in server.levels().items():
        if level != before.get(scope, level):
            server.call("PUT", "/maintain/v1/log/outputlevel", {"scope": scope, "level": before[scope]})


@pytest.fixture
def service() -> str:
    return f"contract-{uuid.uuid4().hex[:12]}"
