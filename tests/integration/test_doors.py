# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every module gives the same result as a module and inside the controller's worker.

No secret is shown through either door, at any verbosity.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.doors import SECRETS, SUBJECTS, calls_with_secrets, without
from tests.simulator import Fleet
from tests.support import PlaybookRun, run_playbook

RUNTIME = Path(__file__).parents[2] / "meta" / "runtime.yml"
NAMES = yaml.safe_load(RUNTIME.read_text())["action_groups"]["polaris"]
Sent = tuple[list[tuple[str, str, str]], set[str]]


@dataclass(frozen=True)
class Case:
    """One task: a case of a module's subject, as a run or in check mode."""

    module: str
    check: bool
    name: str

    @property
    def task(self) -> str:
        return f"{self.module}, {'check' if self.check else 'run'}: {self.name}"


def in_short_run(case: Case) -> bool:
    """Whether `make test` runs the case. A module in a separate process takes a second of CPU time.

    All cases of one module, which fails in every possible way; of each other module a success, also in check mode, and
    a failure.
    """
    names = SUBJECTS[case.module].cases
    succeeds, fails = (next(name for name in names if name.startswith("fail") == failure) for failure in (False, True))
    if case.check:
        return case.name == succeeds
    return case.module == "polaris_log_level" or case.name in (succeeds, fails)


#: In the order in which they run: check mode first, on an unchanged server. A module that only reads does the same in
#: check mode, so one case shows that it runs there.
CASES = [
    Case(module, check, name)
    for module, subject in SUBJECTS.items()
    for check in (True, False)
    for name in list(subject.cases)[: 1 if check and module.endswith("_info") else None]
]


def marks_of(case: Case) -> list[pytest.MarkDecorator]:
    core = (case.module, case.check) in (("polaris_log_level", False), ("polaris_instance_clean", True))
    return [*([pytest.mark.core] if core else []), *([] if in_short_run(case) else [pytest.mark.slow])]


def tasks_of(module: str, cases: list[Case], fleet: Fleet) -> list[dict[str, Any]]:
    defaults = {"url": fleet.url, "token": fleet.tokens.owner, "retries": 0}
    tasks: list[dict[str, Any]] = []
    for case in cases:
        options = {**defaults, **SUBJECTS[module].cases[case.name]}
        arguments = {key: value for key, value in options.items() if value is not None}
        task = {"name": case.task, f"polarismesh.maintenance.{module}": arguments, "ignore_errors": True}
        tasks.append({**task, "check_mode": case.check})
    return tasks


def sent(fleet: Fleet) -> Sent:
    """All writing requests, and the paths that were read. (The number of parallel reads when one fails is random.)"""
    writes = sorted((entry.method, entry.path, entry.body) for entry in fleet.requests if entry.method != "GET")
    return writes, {entry.path for entry in fleet.requests if entry.method == "GET"}


def through(door: str, cases: list[Case], folder: Path, ports: dict[str, int]) -> tuple[PlaybookRun, dict[str, Sent]]:
    """All cases through one door, each module with its own server; the results, and what was sent.

    ``ports`` keeps the servers' ports, so that the other door uses the same addresses.
    """
    by_module = {module: list(group) for module, group in itertools.groupby(cases, lambda case: case.module)}
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        "polaris_in_process": door == "in-process",
    }
    with contextlib.ExitStack() as stack:
        fleets = {}
        for module in by_module:
            subject = SUBJECTS[module]
            fleets[module] = stack.enter_context(Fleet(nodes=1, port=ports.get(module, 0), **subject.fleet))
            ports[module] = fleets[module].nodes[0].port
            stack.enter_context(subject.prepare(fleets[module]))
        plays = [
            {"hosts": module, "gather_facts": False, "tasks": tasks_of(module, group, fleets[module])}
            for module, group in by_module.items()
        ]
        hosts = {"all": {"hosts": dict.fromkeys(by_module), "vars": variables}}
        run = run_playbook(folder, plays, hosts, args=["-vvv", "--diff"], timeout=900).ok()
        return run, {module: sent(fleet) for module, fleet in fleets.items()}


@pytest.fixture(scope="module")
def doors(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[PlaybookRun, dict[str, Sent]]]:
    """The outcome of the cases that the selected tests need, through each door."""
    asked = [call.params for item in request.session.items if (call := getattr(item, "callspec", None)) is not None]
    cases = [
        case for case in CASES if {"case": case} in asked or ({"module": case.module} in asked and in_short_run(case))
    ]
    ports: dict[str, int] = {}
    return {door: through(door, cases, tmp_path_factory.mktemp(door), ports) for door in ("module", "in-process")}


def test_every_module_of_the_action_group_is_tested_here() -> None:
    assert sorted(SUBJECTS) == sorted(NAMES)


@pytest.mark.xdist_group("doors")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("case", [pytest.param(case, id=case.task, marks=marks_of(case)) for case in CASES])
def test_same_result_through_both_doors(case: Case, doors: dict[str, tuple[PlaybookRun, Any]]) -> None:
    by_module, in_process = (run.one(case.task) for run, _sent in doors.values())
    volatile = SUBJECTS[case.module].volatile
    assert without(by_module, volatile) == without(in_process, volatile)
    assert bool(by_module.get("failed")) == case.name.startswith("fail"), by_module


@pytest.mark.xdist_group("doors")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("module", SUBJECTS)
def test_same_requests_through_both_doors(module: str, doors: dict[str, tuple[PlaybookRun, dict[str, Sent]]]) -> None:
    (by_module, requests), (in_process, same_requests) = doors.values()
    assert requests[module] == same_requests[module]
    # The test proves nothing if both went through the same door.
    assert f"AnsiballZ_{module}.py" in by_module.output
    assert f"AnsiballZ_{module}.py" not in in_process.output


@pytest.mark.core
@pytest.mark.parametrize("door", ["in-process", pytest.param("module", marks=pytest.mark.slow)])
def test_no_secret_is_shown_at_any_verbosity(
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


@pytest.mark.core
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
        # `become_exe` replaces sudo, which not every machine has: the point is that become was honoured.
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
