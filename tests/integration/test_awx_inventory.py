# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory source of AWX and a job with it, with the environment that the credential type injects."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.awx import config
from tests.simulator import Fleet
from tests.support import PlaybookRun, environment_of

Playbook = Callable[..., PlaybookRun]


def synced(folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """The command of an inventory update in AWX (awx/main/tasks/jobs.py)."""
    source = config.only("controller_inventory_sources")["source_path"]
    return subprocess.run(
        ["ansible-inventory", "--list", "--export", "-i", str(config.ROOT / source)],
        cwd=folder,
        env=environment_of(folder / "results.jsonl", {"ANSIBLE_INVENTORY_UNPARSED_FAILED": "true", **environment}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def account(fleet: Fleet, kind: str) -> dict[str, str]:
    return {"token": fleet.tokens.owner} if kind == "token" else {"username": "polaris", "password": "polaris"}


@pytest.mark.sample
@pytest.mark.parametrize("kind", ["token", "login"])
def test_a_sync_and_a_job(tmp_path: Path, make_fleet: Callable[..., Fleet], playbook: Playbook, kind: str) -> None:
    fleet = make_fleet(nodes=3)
    environment = config.injected({"url": fleet.url, **account(fleet, kind)})
    done = synced(tmp_path, environment)
    assert done.returncode == 0, done.stderr
    data: dict[str, Any] = json.loads(done.stdout)
    assert data["polaris_servers"]["hosts"] == ["127.0.1.1", "127.0.1.2", "127.0.1.3"]
    hosts = data["_meta"]["hostvars"]
    assert [hosts[name]["polaris_url"] for name in data["polaris_servers"]["hosts"]] == [
        node.url for node in fleet.nodes
    ]
    # AWX keeps the value as it is, so this must be the plain text, without Ansible's marker around it.
    assert [host["ansible_connection"] for host in hosts.values()] == ["local"] * 3

    # A job gets its inventory as a script, with the variables of the inventory as variables of the group all.
    data["all"]["vars"] = config.only("controller_inventories")["variables"]
    (tmp_path / "hosts.json").write_text(json.dumps(data))
    script = tmp_path / "hosts"
    script.write_text(f"#!/bin/sh\ncat '{tmp_path / 'hosts.json'}'\n")
    script.chmod(0o700)
    # ... and the runbook by its path in the project.
    template = config.by_name("controller_templates")["Polaris log level"]
    answers = {"levels": "naming: debug\n", "ignore_unknown_scopes": "false"}
    run = playbook(str(config.ROOT / template["playbook"]), str(script), extra_vars=answers, env=environment).ok()
    assert [node.levels["naming"] for node in fleet.nodes] == ["debug"] * 3
    assert "changed on 3 (127.0.1.1, 127.0.1.2, 127.0.1.3): naming info -> debug" in run.output


def test_an_empty_credential_says_what_is_missing(tmp_path: Path) -> None:
    done = synced(tmp_path, config.injected({}))
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert "url must be http://HOST:PORT" in " ".join(done.stderr.split())
