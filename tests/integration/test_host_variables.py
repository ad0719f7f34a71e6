# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task gets server and account from its host's variables, through both doors, and sends the account only there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.simulator import Fleet
from tests.support import PlaybookRun, owners_inventory

pytestmark = pytest.mark.core

READ = "polarismesh.maintenance.polaris_log_level_info"
WRITE = "polarismesh.maintenance.polaris_log_level"
#: As unanswered questions of surveys leave them.
EMPTY = {
    "polaris_username": "",
    "polaris_password": None,
    "polaris_owner": "",
    "polaris_validate_certs": "",
    "polaris_ca_path": "",
    "polaris_client_cert": None,
    "polaris_client_key": "",
    "polaris_timeout": "",
    "polaris_retries": None,
    "polaris_http_port": "",
}
DOORS = {"node1": "", "node2": False}


@pytest.fixture
def run(make_fleet: Callable[..., Fleet], playbook: Callable[..., PlaybookRun]) -> PlaybookRun:
    """node1 through the in-process door, whose switch is an empty variable, node2 as a module, in one playbook."""
    fleet, other = make_fleet(nodes=2), make_fleet(nodes=1, owner_token="the-token-of-the-other-fleet")
    tasks: list[dict[str, Any]] = [
        {"name": "inventory only", WRITE: {"scope": "naming", "level": "debug"}},
        {"name": "another server", READ: {"url": other.url}, "ignore_errors": True},
        {"name": "its account", READ: {"url": other.url, "token": other.tokens.owner}},
        {"name": "half an account", READ: {"username": "polaris"}, "ignore_errors": True},
        {"name": "empty server", READ: {}, "vars": {"polaris_url": "", "ansible_host": ""}, "ignore_errors": True},
        {
            "name": "as JSON makes it",
            WRITE: {"levels": {True: "debug"}, "ignore_unknown_scopes": True},
        },
        {
            "name": "a key that is a secret",
            WRITE: {"levels": "{{ {polaris_token: 'debug'} }}"},
            "ignore_errors": True,
        },
        {"name": "no levels", READ: {"timeout": "{{ polaris_token }}"}, "ignore_errors": True},
    ]
    inventory = owners_inventory(fleet, **EMPTY)
    for name, door in DOORS.items():
        inventory["polaris_servers"]["hosts"][name]["polaris_in_process"] = door
    done = playbook(
        [{"hosts": "polaris_servers", "gather_facts": False, "tasks": tasks}],
        inventory,
        args=["-vvv"],
        env={"POLARIS_TOKEN": "of-the-environment", "ANSIBLE_INJECT_INVOCATION": "true"},
    )
    # At the highest verbosity, as a value and as a key.
    assert fleet.tokens.owner not in done.output
    assert fleet.tokens.owner not in str(done.results)
    sent = [request.headers.get("x-polaris-token") for request in other.requests]
    assert other.tokens.owner in sent
    assert fleet.tokens.owner not in sent
    assert "of-the-environment" not in sent
    assert [node.levels["naming"] for node in fleet.nodes] == ["debug", "debug"]
    return done


def test_host_variables_through_both_doors(run: PlaybookRun) -> None:
    for name in DOORS:
        assert run.one("inventory only", name)["previous"] == {"naming": "info"}
        assert "levels" in run.one("its account", name)

        withheld = run.one("another server", name)
        assert withheld["error"]["kind"] == "auth"
        assert "The account of this host's variables" in withheld["msg"]
        assert "was not sent there" in withheld["msg"]

        # Not completed from another account.
        assert "username and password must be given together" in run.one("half an account", name)["msg"]
        missing = run.one("empty server", name)
        assert missing["error"]["kind"] == "refused"
        assert "polaris_url" in missing["msg"]

        assert "has no log scope true" in str(run.one("as JSON makes it", name)["warnings"])
        secret = run.one("a key that is a secret", name)
        assert secret["error"]["kind"] == "not_found"
        assert "********" in secret["msg"]
    both = [[run.one(task, name) for task in ("another server", "half an account")] for name in DOORS]
    for first, second in zip(*both, strict=True):
        assert first.keys() == second.keys()
