# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server as the contract tests see it: the same interface for a simulated and a real one."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import Client, Settings
from tests.contract import release
from tests.simulator import PROFILES, Node
from tests.simulator.profiles import Profile

NAMESPACE = "maintenance-contract"
#: v1.12.2 and v1.14.2 start to count calls at the first full minute after startup. Until then, they queue 1024 calls,
#: and every further call waits for that minute (plugin/statis/local; v1.17.1 does not).
PATIENCE = 90.0
JSON_HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}


@dataclass
class Server:
    """One server under test, simulated or real, as seen from outside with plain requests.

    The facts come from the server itself, never from the code under test.
    """

    name: str
    """The profile's name, or "real"."""
    url: str
    token: str
    """The token of the main account."""
    grpc: tuple[str, int]
    node: Node | None = None
    """The node of the simulator; None for a real server."""
    disposable: bool = True
    """Whether the server is only ours, so that tests may break it: not one that POLARIS_URL names."""
    stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack, repr=False)

    @property
    def real(self) -> bool:
        return self.node is None

    @functools.cached_property
    def like(self) -> Profile:
        """The simulator's profile of this server; for a real one, the newest profile that fits its routes."""
        if self.node is not None:
            return self.node.profile
        if self.has("GET", "/maintain/v1/server/functions"):
            return PROFILES["head"]
        if self.levels_as_list:
            return PROFILES["v1.18.1"]
        if self.has("GET", "/maintain/v1/report/clients"):
            return PROFILES["v1.17.1"]
        return PROFILES["v1.14.2" if self.has("GET", "/maintain/v1/leaders") else "v1.12.2"]

    @functools.cached_property
    def store(self) -> str:
        """boltdb or mysql: only the leaderships of mysql have a creation time."""
        if self.node is not None:
            return self.node.store.kind
        if not self.has("GET", "/maintain/v1/leaders"):
            return "boltdb"  # as started by tests.contract.release
        return "mysql" if self.call("GET", "/maintain/v1/leaders").json()[0]["Ctime"] else "boltdb"

    def client(self, token: str | None = "", **settings: Any) -> Client:
        """A client of the main account, or with another token (None: with none)."""
        wanted = {"timeout": PATIENCE, "retries": 0, "token": self.token if token == "" else token, **settings}
        client = Client(Settings(url=self.url, **wanted))
        self.stack.callback(client.close)
        return client

    def call(
        self, method: str, path: str, body: Any = None, *, token: str | None = "", **more: Any
    ) -> requests.Response:
        """A request that shares no code with the code under test."""
        headers = dict(more.pop("headers", JSON_HEADERS))
        if token is not None:
            headers["X-Polaris-Token"] = token or self.token
        return requests.request(method, self.url + path, json=body, headers=headers, timeout=PATIENCE, **more)

    def has(self, method: str, path: str) -> bool:
        """Whether it has that route. A method that no route has shows this without a call: 405 lists the methods."""
        reply = self.call("PATCH", path, token=None)
        return method in reply.headers.get("Allow", "").split(", ")

    @property
    def levels_as_list(self) -> bool:
        return isinstance(self.call("GET", "/maintain/v1/log/outputlevel").json(), list)

    def levels(self) -> dict[str, str]:
        found = self.call("GET", "/maintain/v1/log/outputlevel").json()
        return {entry["Name"]: entry["Level"] for entry in found} if isinstance(found, list) else dict(found)

    # Instances, through the naming API

    def register(self, service: str, host: str = "10.1.0.1", port: int = 8080, **values: Any) -> str:
        """Register an instance in NAMESPACE; its id, once the server lists it. With ttl=5 it has a health check."""
        ttl = values.pop("ttl", None)
        body = {"service": service, "namespace": NAMESPACE, "host": host, "port": port, **values}
        if ttl is not None:
            body |= {"enable_health_check": True, "health_check": {"type": "HEARTBEAT", "heartbeat": {"ttl": ttl}}}
        reply = self.call("POST", "/naming/v1/instances", [body]).json()
        assert reply["code"] == 200000, reply
        identity = str(reply["responses"][0]["instance"]["id"])
        self.until(lambda: self.lists(identity, service), f"{service} {host}:{port} to be listed")
        return identity

    def deregister(self, identity: str, service: str) -> None:
        """Soft-delete it, and wait until the server no longer lists it."""
        reply = self.call("POST", "/naming/v1/instances/delete", [{"id": identity}]).json()
        assert reply["code"] == 200000, reply
        self.until(lambda: not self.lists(identity, service), f"{identity} to be gone")

    def lists(self, identity: str, service: str) -> bool:
        """Whether the list of live instances contains it."""
        query = {"namespace": NAMESPACE, "service": service, "limit": "100"}
        listed = self.call("GET", "/naming/v1/instances", params=query).json().get("instances") or []
        return any(entry["id"] == identity for entry in listed)

    @staticmethod
    def until(condition: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
        """Wait for something that takes time because of a server's caches."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"waited {seconds:g} s without success for {what}"
            time.sleep(0.05)

    # Accounts

    def sub_token(self) -> str:
        """The token of an enabled account that is not the main one."""
        if self.node is not None:
            return self.node.fleet.tokens.sub
        if not self.disposable:
            pytest.skip("would create an account on a server that is not ours")
        name, password = "contract-sub", "contract-sub"
        self.call("POST", "/core/v1/users", [{"name": name, "password": password, "source": "Polaris"}])
        found: list[str] = []

        def logged_in() -> bool:
            with contextlib.suppress(KeyError, TypeError):
                found.append(release.log_in(self.url, name, password))
            return bool(found)

        self.until(logged_in, "the new account to log in")
        # Its caches still lag behind the login.
        unknown = ("invalid token", "token not exist", "no such user")
        self.until(
            lambda: self.call("GET", "/maintain/v1/log/outputlevel", token=found[0]).text not in unknown,
            "its token to be known",
        )
        return found[0]
