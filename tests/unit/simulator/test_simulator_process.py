# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulator as a separate process, as people, playbooks and the demo start it."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme

ROOT = Path(__file__).resolve().parents[3]

Start = Callable[..., tuple["subprocess.Popen[str]", dict[str, Any]]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start `python -m tests.simulator` on free ports, and wait until it is ready."""
    processes: list[subprocess.Popen[str]] = []

    def run(*options: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
        ready = tmp_path / f"ready{len(processes)}.json"
        command = [sys.executable, "-m", "tests.simulator", "--port", "0", "--grpc-port", "0"]
        process = subprocess.Popen(
            [*command, "--ready-file", str(ready), *options], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        processes.append(process)
        deadline = time.monotonic() + 60
        while not ready.exists():
            assert process.poll() is None, "It exited before it was ready."
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return process, json.loads(ready.read_text())

    yield run
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_what_it_serves_and_stops_cleanly(start: Start, tmp_path: Path, signum: signal.Signals) -> None:
    inventory = tmp_path / "hosts.yml"
    process, ready = start("--nodes", "2", "--inventory-file", str(inventory))
    assert len(ready["urls"]) == 2
    assert ready["pid"] == process.pid
    headers = {"X-Polaris-Token": ready["tokens"]["owner"]}
    for url in ready["urls"]:
        assert requests.get(f"{url}/maintain/v1/cmdb/info", headers=headers, timeout=10).json() == []
    with socket.create_connection((ready["hosts"][1], ready["grpc_port"]), timeout=5):
        pass
    group = json.loads(inventory.read_text())["all"]["children"]["polaris_servers"]
    assert [host["polaris_url"] for host in group["hosts"].values()] == ready["urls"]
    assert group["vars"]["ansible_connection"] == "local"
    os.kill(process.pid, signum)
    output, _dummy = process.communicate(timeout=20)
    assert process.returncode == 0
    for url in ready["urls"]:
        assert url in output
    assert ready["tokens"]["owner"] in output
    assert "v1.18.1" in output


def test_options_reach_the_nodes(start: Start) -> None:
    _dummy, ready = start(
        *("--nodes", "1", "--profile", "v1.17.1", "--store", "mysql", "--auth", "open", "--no-conn-limit"),
        *("--clock-offset", "3600", "--timezone", "+08:00", "--seed-instances", "3", "--set", "pprof=false"),
        *("--loopback", "--version", "v9", "--owner-token", "mine", "--latency", "0.001"),
    )
    state = requests.get(f"{ready['url']}/_simulator/state", timeout=10).json()
    assert (state["profile"], state["store"], state["config"]["auth"]) == ("v1.17.1", "mysql", "open")
    assert (state["config"]["conn_limit"], state["config"]["pprof"]) == (False, False)
    assert (state["config"]["clock_offset"], state["config"]["timezone"]) == (3600.0, "+08:00")
    assert ready["tokens"]["owner"] == "mine"
    found = requests.get(f"{ready['url']}/naming/v1/instances?namespace=Polaris", timeout=10).json()["instances"]
    assert [(each["host"], each["version"]) for each in found] == [("127.0.0.1", "v9")]
    seeded = requests.get(f"{ready['url']}/naming/v1/instances?service=seeded", timeout=10).json()
    assert seeded["amount"] == 3


def test_shutdown_over_http(start: Start) -> None:
    process, ready = start("--nodes", "1")
    assert requests.post(f"{ready['url']}/_simulator/shutdown", timeout=10).status_code == 200
    assert process.wait(timeout=20) == 0


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--profile", "v0"), "Unknown profile 'v0'"),
        (("--set", "nonsense=1"), "Unknown setting 'nonsense'"),
        (("--address", "nowhere"), "must be an IPv4 address; got 'nowhere'"),
        (("--tls", "/nothing/cert", "/nothing/key"), "No such file"),
    ],
)
def test_what_it_cannot_do_is_one_sentence(options: tuple[str, ...], sentence: str) -> None:
    command = [sys.executable, "-m", "tests.simulator", "--port", "0", "--grpc-port", "0", *options]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 2
    assert sentence in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_port_in_use_is_one_sentence(start: Start) -> None:
    _dummy, ready = start("--nodes", "1")
    command = [sys.executable, "-m", "tests.simulator", "--port", str(ready["port"]), "--grpc-port", "0"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 2
    assert f"Port {ready['port']} on 127.0.1.1 is in use." in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_tls_with_client_certificates(start: Start, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    server = authority.issue_cert("127.0.1.1")
    client = authority.issue_cert("operator@example.com")
    for name, issued in (("server", server), ("client", client)):
        issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / f"{name}.pem")
    files = {name: str(tmp_path / f"{name}.pem") for name in ("ca", "server", "client")}
    _dummy, ready = start("--nodes", "1", "--tls", files["server"], files["server"], "--client-ca", files["ca"])
    assert ready["url"].startswith("https://127.0.1.1:")
    good = requests.get(ready["url"] + "/", verify=files["ca"], cert=files["client"], timeout=10)
    assert good.text == "Polaris Server"
    with pytest.raises((requests.exceptions.SSLError, requests.exceptions.ConnectionError)):
        requests.get(ready["url"] + "/", verify=files["ca"], timeout=10)
    # Go tells a client that uses plain HTTP about its mistake.
    plain = requests.get(ready["url"].replace("https", "http") + "/", timeout=10)
    assert (plain.status_code, plain.text) == (400, "Client sent an HTTP request to an HTTPS server.\n")
    # A silent client does not block others.
    with socket.create_connection((ready["hosts"][0], ready["port"]), timeout=5):
        assert requests.get(ready["url"] + "/", verify=files["ca"], cert=files["client"], timeout=10).ok


def test_tls_to_a_plain_port_fails_as_such(start: Start) -> None:
    _dummy, ready = start("--nodes", "1")
    context = ssl.create_default_context()
    with (
        socket.create_connection((ready["hosts"][0], ready["port"]), timeout=5) as connection,
        pytest.raises(ssl.SSLError),
    ):
        context.wrap_socket(connection, server_hostname="127.0.1.1")
