# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Polaris release, started on loopback from its binary, in a temporary directory, with connection limits on."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import yaml

HOST = "127.0.0.1"
#: Plugin names before and since v1.9 -> which of our two ports each gets; all other apiservers stay off.
HTTP_NAMES = ("api-http", "httpserver")
GRPC_NAMES = ("service-grpc", "grpcserver")
START_SECONDS = 90.0


@dataclass(frozen=True)
class Release:
    """A running release."""

    url: str
    token: str
    grpc: tuple[str, int]
    process: subprocess.Popen[bytes]


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _dummy in range(count)]
        for each in sockets:
            each.bind((HOST, 0))
        return [each.getsockname()[1] for each in sockets]


def configuration(shipped: dict[str, Any], http_port: int, grpc_port: int, database: Path) -> dict[str, Any]:
    """The release's own configuration, adapted for a test.

    Two apiservers on loopback, which count their connections; a fixed own address, because there is nothing to
    probe; boltdb in the test's directory.
    """
    kept = []
    for apiserver in shipped["apiservers"]:
        if apiserver["name"] not in HTTP_NAMES + GRPC_NAMES:
            continue
        http = apiserver["name"] in HTTP_NAMES
        option = apiserver["option"]
        option.update(listenIP=HOST, listenPort=http_port if http else grpc_port)
        # The shipped file has purgeCounterExpired, which no code reads: with that spelling the server exits at startup.
        option["connLimit"] = {
            "openConnLimit": True,
            "maxConnPerHost": 512,
            "maxConnLimit": 5120,
            "purgeCounterInterval": "10s",
            "purgeCounterExpire": "5s",
        }
        kept.append(apiserver)
    own = shipped["bootstrap"]["polaris_service"]
    own.pop("probe_address", None)
    own["self_address"] = HOST
    own["enable_register"] = True
    names = {apiserver["name"] for apiserver in kept}
    own["services"] = [
        {**service, "protocols": [name for name in service["protocols"] if name in names]}
        for service in own["services"]
        if names.intersection(service["protocols"])
    ]
    # HEAD creates the first account in a new database from the file that loadFile names.
    shipped_option = shipped["store"].get("option") or {}
    option = {"path": str(database), **{key: shipped_option[key] for key in ("loadFile",) if key in shipped_option}}
    return {**shipped, "apiservers": kept, "store": {"name": "boltdbStore", "option": option}}


@contextlib.contextmanager
def running(binary: Path, folder: Path) -> Iterator[Release]:
    """Start the release that ``binary`` belongs to in ``folder``; its configuration is next to the binary."""
    binary = binary.resolve(strict=True)
    shipped = next(
        (
            path
            for path in (binary.parent / "conf" / "polaris-server.yaml", binary.parent / "polaris-server.yaml")
            if path.exists()
        ),
        None,
    )
    if shipped is None:
        raise FileNotFoundError(
            f"{binary} has no polaris-server.yaml next to it or in conf/: unpack the whole release."
        )
    # Translations, plugins, first accounts; up to v1.12 the translations are with the apiserver.
    for part in ("conf", "apiserver"):
        if (binary.parent / part).is_dir():
            shutil.copytree(binary.parent / part, folder / part)
    http_port, grpc_port = free_ports(2)
    wanted = configuration(yaml.safe_load(shipped.read_text()), http_port, grpc_port, folder / "polaris.bolt")
    own = folder / shipped.relative_to(binary.parent)
    own.write_text(yaml.safe_dump(wanted, sort_keys=False, allow_unicode=True))
    output = folder / "output.txt"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [str(binary), "start"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, "TZ": "UTC"},
        )
    try:
        url = f"http://{HOST}:{http_port}"
        wait_until_ready(url, process, output)
        yield Release(url, log_in(url, "polaris", "polaris"), (HOST, grpc_port), process)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_ready(url: str, process: subprocess.Popen[bytes], output: Path) -> None:
    """Wait until it answers and lists itself, which means that its caches are loaded."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"The server exited at startup:\n{output.read_text(errors='replace')[-3000:]}")
        with contextlib.suppress(requests.RequestException, KeyError, ValueError):
            headers = {"X-Polaris-Token": log_in(url, "polaris", "polaris")}
            query = {"namespace": "Polaris", "service": "polaris.checker"}
            if requests.get(f"{url}/naming/v1/instances", query, headers=headers, timeout=5).json()["amount"]:
                return
        time.sleep(0.1)
    raise TimeoutError(f"No answer within {START_SECONDS:g} s:\n{output.read_text(errors='replace')[-3000:]}")


def log_in(url: str, name: str, password: str, owner: str = "polaris") -> str:
    """The token of an account."""
    body = {"name": name, "password": password, "owner": owner}
    reply = requests.post(f"{url}/core/v1/user/login", json=body, timeout=START_SECONDS)
    return str(reply.json()["loginResponse"]["token"])
