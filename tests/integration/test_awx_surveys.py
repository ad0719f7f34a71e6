# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The surveys of the AWX job templates, checked with the real checks of their runbooks.

All cases run in one ansible-playbook: the plays of the runbooks up to their checks, with a host for each case, whose
variables are the answers. They arrive as AWX passes them: text marked as unsafe, numbers as numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.awx import config
from tests.support import PlaybookRun, run_playbook

pytestmark = pytest.mark.core


@dataclass(frozen=True)
class Case:
    runbook: str
    answers: dict[str, Any]
    good: bool
    about: str


class Unsafe(str):
    """Text that is not a template."""


class Dumper(yaml.SafeDumper):
    pass


Dumper.add_representer(Unsafe, lambda dumper, text: dumper.represent_scalar("!unsafe", str(text)))


def as_awx_passes(answers: dict[str, Any]) -> dict[str, Any]:
    return {name: Unsafe(value) if isinstance(value, str) else value for name, value in answers.items()}


def usual_answers(runbook: str, survey: config.Survey, folder: Path) -> dict[str, Any]:
    """The answers of an operator who keeps all defaults."""
    answers = {}
    for question in survey["spec"]:
        if "default" in question:
            answers[question["variable"]] = question["default"]
        elif question["required"] and question["variable"] != "dest":
            answers[question["variable"]] = config.good_answers(question)[0]
    if runbook == "instance_clean":
        return {**answers, "batch": "true"}
    dest = {"fleet_report": "page.html", "memory_incident": "profiles"}.get(runbook)
    return {**answers, "dest": str(folder / dest)} if dest else answers


def beside(variable: str, answer: Any) -> dict[str, Any]:
    """The other answers that this one needs: either instances are listed, or batch is true."""
    if variable == "instances" and answer != "":
        return {"batch": "false"}
    return {"instances": '[{"id": "a1"}]'} if variable == "batch" and answer != "true" else {}


def cases(folder: Path) -> Iterator[Case]:
    for template in config.runbook_templates():
        runbook, survey = Path(template["playbook"]).stem, template["survey_spec"]
        usual = usual_answers(runbook, survey, folder)
        yield Case(runbook, usual, True, "the defaults")
        needed = {question["variable"] for question in survey["spec"] if question["required"]} | {"batch"}
        only = {variable: answer for variable, answer in usual.items() if variable in needed}
        yield Case(runbook, only, True, "only what is required")
        for question in survey["spec"]:
            variable = question["variable"]
            for good, answers in ((True, config.good_answers(question)), (False, config.bad_answers(question))):
                for answer in answers:
                    given = {**usual, **beside(variable, answer), variable: answer}
                    yield Case(runbook, given, good, f"{variable}: {answer!r}")


def play_of(runbook: str) -> dict[str, Any]:
    """The play of a runbook, with only its checks, for each host separately."""
    (play,) = yaml.safe_load((config.PLAYBOOKS / f"{runbook}.yml").read_text())
    checks = [
        {**task, "run_once": False}
        for task in play["tasks"]
        if task["name"].startswith("Check") and task.get("tags") == ["always"]
    ]
    assert checks, runbook
    # A refusal ends a run; here other runbooks follow.
    return {**play, "hosts": runbook, "tasks": checks, "ignore_errors": True}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Case], PlaybookRun]:
    folder = tmp_path_factory.mktemp("surveys")
    every = {f"case{number}": case for number, case in enumerate(cases(folder))}
    inventory: dict[str, Any] = {}
    for host, case in every.items():
        group = inventory.setdefault(case.runbook, {"hosts": {}, "vars": {"ansible_connection": "local"}})
        group["hosts"][host] = as_awx_passes(case.answers)
    (folder / "inventory.yml").write_text(yaml.dump(inventory, Dumper=Dumper))
    return every, run_playbook(folder, [play_of(runbook) for runbook in inventory], "inventory.yml")


@pytest.mark.slow
def test_the_runbooks_accept_what_the_surveys_accept_and_refuse_the_rest(
    run: tuple[dict[str, Case], PlaybookRun],
) -> None:
    every, done = run
    done.ok()
    refused = {entry.host for entry in done.results if entry.status == "ignored"}
    assert {entry.host for entry in done.results} == every.keys()
    wrong = [
        f"{case.runbook}, {case.about}: {'refused' if host in refused else 'accepted'}"
        for host, case in every.items()
        if (host in refused) == case.good
    ]
    assert not wrong, "\n".join(wrong)
