# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The token of a service is sent to the server and nowhere else: one from a task, and those that servers list."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.simulator import Fault, Fleet
from tests.support import PlaybookRun

GIVEN, LISTED = "the-given-token", "the-listed-token"
CLEAN = "polarismesh.maintenance.polaris_instance_clean"
HEARTBEATS = "polarismesh.maintenance.polaris_heartbeat_info"


@pytest.mark.parametrize("door", ["in-process", pytest.param("module", marks=pytest.mark.slow)])
def test_no_token_of_a_service_is_shown_at_any_verbosity(
    door: str, fleet: Fleet, playbook: Callable[..., PlaybookRun]
) -> None:
    address = {"service": "payments", "namespace": "default", "port": 8080}
    fleet.store.register("payments", host="10.0.0.1", port=8080, service_token=LISTED)
    for host in ("10.0.0.2", "10.0.0.3"):
        row = fleet.store.register("payments", host=host, port=8080)
        fleet.store.deregister(row.id, ago=3600)
    refusal = json.dumps({"code": 500001, "info": f"failed for {GIVEN}", "instance": {"service_token": GIVEN}})
    fleet.nodes[0].fault("POST", "/maintain/v1/instance/clean", Fault("status", 500, refusal), containing="10.0.0.3")
    one = {**address, "service_token": GIVEN}
    calls: dict[str, dict[str, Any]] = {
        "one": {CLEAN: {**one, "host": "10.0.0.2"}},
        "live": {CLEAN: {**one, "host": "10.0.0.1"}},
        "many": {CLEAN: {"instances": [{**one, "host": "10.0.0.1"}, {**one, "host": "10.0.0.2"}], "on_live": "skip"}},
        "failure": {CLEAN: {"instances": [{**one, "host": "10.0.0.3"}]}},
        "bad instance": {CLEAN: {"instances": [{**one, "host": ""}]}},
        "wrong type": {CLEAN: {"instances": [{**one, "host": "10.0.0.2", "metadata": 7}]}},
        "unknown part": {CLEAN: {"instances": [{**one, "host": "10.0.0.2", "prot": "x"}]}},
        "heartbeats": {HEARTBEATS: {"service": "payments", "namespace": "default"}},
    }
    defaults = {"group/polarismesh.maintenance.polaris": {"url": fleet.url, "token": fleet.tokens.owner}}
    tasks = [{"name": name, **call, "ignore_errors": True} for name, call in calls.items()]
    hosts = {
        "node": {
            "ansible_connection": "local",
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            "polaris_in_process": door == "in-process",
        }
    }
    run = playbook(
        [{"hosts": "all", "gather_facts": False, "module_defaults": defaults, "tasks": tasks}],
        {"all": {"hosts": hosts}},
        args=["-vvvv", "--diff"],
        env={"ANSIBLE_INJECT_INVOCATION": "true"},
    ).ok()
    assert len(run.results) == len(calls)
    assert [name for name in calls if run.one(name).get("failed")] == [
        "live",
        "failure",
        "bad instance",
        "wrong type",
        "unknown part",
    ]
    for secret in (GIVEN, LISTED):
        assert secret not in run.output
    sent = [json.loads(request.body) for request in fleet.requests if request.method == "POST"]
    assert [body["service_token"] for body in sent] == [GIVEN] * 3
