# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two doors, one room: every module gives the same result as a module and inside the controller's worker.

And through neither door does a secret get out, at any verbosity.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.doors import SECRETS, SUBJECTS, Subject, calls_with_secrets, without
from tests.simulator import Fleet
from tests.support import PlaybookRun, run_playbook

RUNTIME = Path(__file__).parents[2] / "meta" / "runtime.yml"
NAMES = yaml.safe_load(RUNTIME.read_text())["action_groups"]["polaris"]


@contextlib.contextmanager
def prepared(subject: Subject, port: int = 0) -> Iterator[Fleet]:
    with Fleet(nodes=1, port=port, **subject.fleet) as fleet, subject.prepare(fleet):
        yield fleet


def through(door: str, module: str, folder: Path, fleet: Fleet, *args: str) -> PlaybookRun:
    """All cases of a module through one door."""
    defaults = {"url": fleet.nodes[0].url, "token": fleet.tokens.owner, "retries": 0}
    tasks: list[dict[str, Any]] = []
    for name, options in SUBJECTS[module].cases.items():
        arguments = {key: value for key, value in {**defaults, **options}.items() if value is not None}
        tasks.append({"name": name, f"polarismesh.maintenance.{module}": arguments, "ignore_errors": True})
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        "polaris_in_process": door == "in-process",
    }
    run = run_playbook(
        folder,
        [{"hosts": "all", "gather_facts": False, "tasks": tasks}],
        {"all": {"hosts": {"node": None}, "vars": variables}},
        args=args,
    )
    # The proof is void if both went through the same door.
    assert ("ansiballz" in run.output.lower()) == (door == "module"), run.output
    return run


def sent(fleet: Fleet) -> tuple[list[tuple[str, str, str]], set[str]]:
    """All that writes, and which paths were read. (How many reads are under way when one fails is chance.)"""
    writes = sorted((entry.method, entry.path, entry.body) for entry in fleet.requests if entry.method != "GET")
    return writes, {entry.path for entry in fleet.requests if entry.method == "GET"}


def test_every_module_of_the_action_group_is_proven_here() -> None:
    assert sorted(SUBJECTS) == sorted(NAMES)


@pytest.mark.parametrize("module", SUBJECTS)
@pytest.mark.parametrize("mode", ["run", "check"])
def test_same_result_through_both_doors(module: str, mode: str, tmp_path: Path) -> None:
    subject = SUBJECTS[module]
    args = ["-vvv", "--diff", *(["--check"] if mode == "check" else [])]
    with prepared(subject) as fleet:
        by_module = through("module", module, tmp_path / "module", fleet, *args)
        requests = sent(fleet)
    # The same address again, so that nothing but the door differs.
    with prepared(subject, fleet.nodes[0].port) as fleet:
        in_process = through("in-process", module, tmp_path / "in-process", fleet, *args)
        assert sent(fleet) == requests
    for name in subject.cases:
        assert without(by_module.one(name), subject.volatile) == without(in_process.one(name), subject.volatile), name
        if name.startswith("fail"):
            assert by_module.one(name)["failed"], name
        else:
            assert not by_module.one(name).get("failed"), by_module.one(name)


@pytest.mark.parametrize("door", ["module", "in-process"])
def test_no_secret_gets_out_at_any_verbosity(
    door: str, make_fleet: Callable[..., Fleet], playbook: Callable[..., PlaybookRun]
) -> None:
    fleet = make_fleet(nodes=1)
    owner = fleet.tokens.owner
    tasks = calls_with_secrets(fleet.nodes[0].url, owner)
    hosts = {
        "node": {
            "ansible_connection": "local",
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            "polaris_in_process": door == "in-process",
        }
    }
    run = playbook(
        [{"hosts": "all", "gather_facts": False, "tasks": tasks}],
        {"all": {"hosts": hosts}},
        args=["-vvvv", "--diff"],
        env={"ANSIBLE_INJECT_INVOCATION": "true"},
    ).ok()
    for secret in (*SECRETS, owner):
        assert secret not in run.output
    assert len(run.results) == len(tasks)


@pytest.mark.parametrize("reason", ["become", "async", "environment", "variable"])
def test_what_sends_a_task_through_the_module_door(
    reason: str, fleet: Fleet, playbook: Callable[..., PlaybookRun]
) -> None:
    task: dict[str, Any] = {
        "name": "Set",
        "polarismesh.maintenance.polaris_log_level": {"scope": "naming", "level": "debug"},
        "module_defaults": {
            "group/polarismesh.maintenance.polaris": {"url": fleet.nodes[0].url, "token": fleet.tokens.owner}
        },
    }
    settings: dict[str, dict[str, Any]] = {
        # `become_exe` stands in for sudo, which is not on every machine: what counts is that become was honoured.
        "become": {"become": True, "vars": {"ansible_become_exe": "env", "ansible_become_flags": ""}},
        "async": {"async": 60, "poll": 1},
        "environment": {"environment": {"SOMETHING": "else"}},
        "variable": {"vars": {"polaris_in_process": "{{ 1 > 2 }}"}},
    }
    task |= settings[reason]
    run = playbook([{"hosts": "all", "gather_facts": False, "tasks": [task]}], fleet, args=["-vvv"])
    assert "ansiballz" in run.output.lower()
    if reason != "become":
        assert run.ok().one("Set")["changed_scopes"] == ["naming"]
