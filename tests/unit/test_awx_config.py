# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of AWX as data: surveys against the runbooks they belong to, and against what AWX takes."""

from __future__ import annotations

import re
from typing import Any

import jinja2.sandbox
import pytest
import yaml

from ansible_collections.polarismesh.maintenance.plugins.module_utils._options import ACCOUNT, check_account
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._host_variables import completed
from tests.awx import config

SURVEYS = config.surveys()
WORKFLOW = config.extension("workflow.yml")
NAMES = [template["name"] for template in config.job_templates()]

#: Documented variables that no survey asks for: the inventory, the credential and the inventory's variables have them.
COMMON = {
    *("target", "polaris_url", "polaris_token", "polaris_username", "polaris_password", "polaris_owner"),
    *("polaris_validate_certs", "polaris_ca_path", "polaris_client_cert", "polaris_client_key", "polaris_timeout"),
}
#: job_templates.yml says why.
LEFT_OUT = {"mode"}


def test_every_runbook_has_its_job_template() -> None:
    assert {f"playbooks/{path.name}" for path in config.PLAYBOOKS.glob("*.yml")} == {
        template["playbook"] for template in config.job_templates()
    }
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize("runbook", SURVEYS)
def test_a_survey_asks_what_its_runbook_documents(runbook: str) -> None:
    texts = config.documented(config.PLAYBOOKS / f"{runbook}.yml")
    assert texts.keys() >= COMMON
    questions = {question["variable"]: question for question in SURVEYS[runbook]["spec"]}
    assert questions.keys() == texts.keys() - COMMON - LEFT_OUT
    for variable, question in questions.items():
        text = texts[variable]
        default = question.get("default")
        assert (None if default is None else str(default)) == config.documented_default(text), variable
        assert question["required"] == bool(re.search(r"\bRequired\.", text)), variable
        if limits := config.documented_range(text):
            assert (question["min"], question["max"]) == limits, variable
        if question["type"] == "multiplechoice":
            # (true and false stand there as the default, and go without saying.)
            named = set(question["choices"]) - {"true", "false"}
            assert all(re.search(rf"\b{re.escape(choice)}\b", text) for choice in named), variable


@pytest.mark.parametrize("name", [*SURVEYS, "workflow"])
def test_awx_takes_the_survey(name: str) -> None:
    survey = SURVEYS.get(name) or WORKFLOW["polaris_awx_workflow"]["survey_spec"]
    assert config.survey_problems(survey) == []
    for question in survey["spec"]:
        for answer in config.good_answers(question):
            assert answer == "" or config.answer_problems(question, answer) == [], question["variable"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"choices": None}, "choices are no list of texts"),
        ({"default": "perhaps"}, "'perhaps' is no choice"),
        ({"type": "number"}, "type is unknown"),
        ({"type": "integer", "default": 0, "min": 1}, "0 is too small"),
        ({"type": "integer", "default": "5"}, "'5' is no integer"),
        ({"type": "float", "default": 2.5, "max": 2}, "2.5 is too large"),
        ({"type": "float", "default": 0.5, "min": 0.5}, "min is no whole number"),
        ({"type": "text", "default": "long", "max": 3}, "'long' is too large"),
        ({"required": "yes"}, "required is no bool"),
        ({"help": "?"}, "help is no key of a question"),
    ],
)
def test_the_check_of_surveys_finds_what_awx_refuses(change: dict[str, Any], problem: str) -> None:
    question = {"variable": "v", "question_name": "V", "type": "multiplechoice", "choices": ["a"], "required": True}
    survey = {"name": "", "description": "", "spec": [question | change]}
    assert config.survey_problems(survey) == [f"v: {problem}"]
    assert config.survey_problems({**survey, "spec": [question, question]}) == ["v is asked twice"]
    assert config.survey_problems({"name": "", "spec": []}) == ["description is no str", "no questions"]


def test_what_needs_all_nodes_or_is_done_once_is_not_sliced() -> None:
    sliced = {template["playbook"] for template in config.job_templates() if template["ask_job_slice_count_on_launch"]}
    assert sliced == {"playbooks/log_level.yml", "playbooks/memory_free.yml"}


# --- workflow and schedules ------------------------------------------------------------------------------------------


def test_the_workflow_asks_as_its_job_templates_do() -> None:
    by_name = {template["name"]: template for template in config.job_templates()}
    nodes = WORKFLOW["polaris_awx_workflow_nodes"]
    asked: dict[str, Any] = {}
    for node in nodes:
        for question in by_name[node["job_template"]]["survey_spec"]["spec"]:
            # One answer goes to all nodes.
            assert question["variable"] not in asked
            asked[question["variable"]] = question
    survey = WORKFLOW["polaris_awx_workflow"]["survey_spec"]
    for question in survey["spec"]:
        assert question == asked[question["variable"]]
    required = {variable for variable, question in asked.items() if question["required"]}
    assert required <= {question["variable"] for question in survey["spec"]}


def test_the_workflow_ends_with_the_report_whatever_happens() -> None:
    nodes = {node["identifier"]: node for node in WORKFLOW["polaris_awx_workflow_nodes"]}

    def run(outcomes: dict[str, str]) -> list[str]:
        way, at = [], ["drain"]
        while at:
            identifier = at.pop()
            way.append(identifier)
            node = nodes[identifier]
            at += node.get("always_nodes", []) + node.get(f"{outcomes.get(identifier, 'success')}_nodes", [])
        return way

    assert run({}) == ["drain", "free", "report"]
    assert run({"free": "failure"}) == ["drain", "free", "report"]
    assert run({"drain": "failure"}) == ["drain", "report"]


def test_schedules_are_ones_that_awx_takes() -> None:
    known = {*NAMES, config.extension("inventory_source.yml")["polaris_awx_inventory_source"]["name"]}
    by_name = {template["name"]: template for template in config.job_templates()}
    schedules = config.extension("schedules.yml")["polaris_awx_schedules"]
    assert {schedule["unified_job_template"] for schedule in schedules} == {"heartbeat audit", "nodes"}
    for schedule in schedules:
        assert schedule["unified_job_template"] in known
        # One start with its zone, one rule with its interval (awx/api/serializers.py).
        assert re.fullmatch(
            r"DTSTART:[0-9]{8}T[0-9]{6}Z RRULE:FREQ=(MINUTELY|HOURLY|DAILY|WEEKLY);INTERVAL=[0-9]+", schedule["rrule"]
        )
        for variable, answer in schedule.get("extra_data", {}).items():
            survey = by_name[schedule["unified_job_template"]]["survey_spec"]
            (question,) = [question for question in survey["spec"] if question["variable"] == variable]
            assert config.answer_problems(question, answer) == []


# --- credential ------------------------------------------------------------------------------------------------------

TYPE = config.extension("credential_type.yml")["polaris_awx_credential_type"]


def test_the_credential_type_is_one_that_awx_takes() -> None:
    fields = {field["id"]: field for field in TYPE["inputs"]["fields"]}
    for field in fields.values():
        assert field.keys() <= {"id", "label", "type", "format", "secret", "help_text"}
        # AWX adds the type where it is missing, and would differ from this file for ever.
        assert field["type"] == "string"
        assert field["label"]
    assert set(TYPE["inputs"]["required"]) <= fields.keys()
    assert {name for name, field in fields.items() if field.get("secret")} == {"token", "password"}
    assert list(TYPE["injectors"]) == ["env"]
    strict = jinja2.sandbox.ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined)
    for template in TYPE["injectors"]["env"].values():
        assert strict.from_string(template).render(**dict.fromkeys(fields, "EXAMPLE")) == "EXAMPLE"
    # Every field arrives somewhere.
    assert sorted(config.injected({name: name for name in fields}).values()) == sorted(fields)


@pytest.mark.parametrize(
    ("inputs", "account"),
    [
        ({}, {}),
        ({"token": "t"}, {"token": "t"}),
        ({"username": "u", "password": "p"}, {"username": "u", "password": "p"}),
        (
            {"token": "", "username": "u", "password": "p", "owner": "o"},
            {"username": "u", "password": "p", "owner": "o"},
        ),
    ],
)
def test_what_is_injected_is_the_account_of_the_modules(inputs: dict[str, str], account: dict[str, str]) -> None:
    environment = config.injected({"url": "http://10.0.0.1:8090", **inputs})
    assert environment["POLARIS_URL"] == "http://10.0.0.1:8090"
    options = completed({}, {}, {}, environment).options
    assert {name: value for name, value in options.items() if name != "url"} == account
    check_account({**dict.fromkeys(ACCOUNT), **options})


# --- apply.yml -------------------------------------------------------------------------------------------------------


def test_the_project_is_this_repository() -> None:
    (play,) = config.extension("apply.yml")
    galaxy = yaml.safe_load((config.ROOT / "galaxy.yml").read_text())
    assert play["vars"]["polaris_awx_project_url"] == galaxy["repository"]


def test_apply_documents_its_variables() -> None:
    (play,) = config.extension("apply.yml")
    texts = config.documented(config.EXTENSION / "apply.yml")
    assert texts.keys() - {"polaris_awx_image"} == play["vars"].keys()
    for name, value in play["vars"].items():
        if isinstance(value, (int, bool)):
            assert config.documented_default(texts[name]) == str(value).lower()
