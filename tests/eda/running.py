# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real ansible-rulebook that runs one of our rulebooks, with alerts as Alertmanager sends them."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.clients import until
from tests.support import environment_of

TOKEN = "a-token-for-alerts"
MEMORY, CONNECTIONS = "PolarisMemoryHigh", "PolarisConnectionsUneven"
Alert = dict[str, Any]


def skip_without_ansible_rulebook() -> None:
    """(A program elsewhere on PATH may have any version.)"""
    if not (Path(sys.executable).parent / "ansible-rulebook").exists():
        pytest.skip("ansible-rulebook needs its own environment: make test-eda", allow_module_level=True)
    java = Path(__file__).parents[2] / "tools" / "find-java"
    if subprocess.run([java], check=False, capture_output=True).returncode != 0:
        pytest.skip("ansible-rulebook needs Java 17 or newer", allow_module_level=True)


def command(rulebook: str, *arguments: str) -> list[str]:
    return ["ansible-rulebook", "--rulebook", f"polarismesh.maintenance.{rulebook}", "--vars", "vars.yml", *arguments]


def environment(folder: Path) -> dict[str, str]:
    return environment_of(folder / "results.jsonl")


@dataclass
class Listening:
    """An ansible-rulebook that listens for alerts."""

    url: str
    folder: Path
    process: subprocess.Popen[bytes]

    def post(self, body: Any, token: str | None = TOKEN) -> int:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return requests.post(f"{self.url}/alerts", json=body, headers=headers, timeout=60).status_code

    def send(self, *alerts: Alert) -> None:
        """The message of Alertmanager for a group of alerts, in version 4 of its format."""
        body = {
            "version": "4",
            "groupKey": "{}:{}",
            "truncatedAlerts": 0,
            "status": "firing",
            "receiver": "polaris",
            "groupLabels": {},
            "commonLabels": {"job": "polaris"},
            "commonAnnotations": {},
            "externalURL": "http://alertmanager.example:9093",
            "alerts": list(alerts),
        }
        assert self.post(body) == 200

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def listens(self) -> bool:
        try:
            return self.post({}) == 200
        except (requests.ConnectionError, requests.Timeout):
            return False


@contextlib.contextmanager
def listening(
    folder: Path, rulebook: str, arguments: Sequence[str], variables: Mapping[str, Any], more: Mapping[str, str]
) -> Iterator[Listening]:
    """Run this rulebook, on a free port, until the block ends.

    :param more: more environment variables.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    own = {"polaris_alerts_host": "127.0.0.1", "polaris_alerts_port": port, **variables}
    (folder / "vars.yml").write_text(json.dumps(own))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command(rulebook, "--env-vars", "POLARIS_ALERTS_TOKEN", *arguments),
            cwd=folder,
            env={**environment(folder), "POLARIS_ALERTS_TOKEN": TOKEN, **more},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    running = Listening(f"http://127.0.0.1:{port}", folder, process)
    try:
        assert until(lambda: process.poll() is not None or running.listens(), 90), running.log
        assert process.poll() is None, running.log
        yield running
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()
        process.wait()


def alert(name: Any, instance: Any, status: str = "firing", **more: Any) -> Alert:
    labels = {"alertname": name, "instance": instance, "job": "polaris", "severity": "warning"}
    return {
        "status": status,
        "labels": {key: value for key, value in labels.items() if value is not None},
        "annotations": {"summary": "a summary"},
        "startsAt": "2026-01-01T00:00:00.000Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus.example:9090/graph",
        "fingerprint": "0123456789abcdef",
        **more,
    }
