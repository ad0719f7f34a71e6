# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of AWX as data: surveys must match their runbooks, and be valid for AWX."""

from __future__ import annotations

import functools
import itertools
import re
from pathlib import Path
from typing import Any

import jinja2.sandbox
import pytest
import yaml

from ansible_collections.polarismesh.maintenance.plugins.module_utils._options import ACCOUNT, check_account
from ansible_collections.polarismesh.maintenance.plugins.module_utils._options import COMMON as OPTION_TABLE
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._host_variables import completed
from tests.awx import config

SURVEYS = config.surveys()
TEMPLATES = config.by_name("controller_templates")
WORKFLOWS = config.by_name("controller_workflows")
RUNBOOKS = [Path(template["playbook"]).stem for template in config.runbook_templates()]
WINDOW = WORKFLOWS["Polaris debug window"]
DRAIN = WORKFLOWS["Polaris drain, free memory, report"]

#: Documented variables that no survey asks for: the inventory has the hosts, and the credential has the account.
COMMON = {"target"}
OPTIONS = {row.variable for row in OPTION_TABLE}
#: surveys_en.yml explains why.
LEFT_OUT = {"mode", "save", "undo", "force"}


def test_every_runbook_has_its_job_template_and_its_survey() -> None:
    surveys = {template["playbook"]: template["survey_spec"] for template in config.runbook_templates()}
    # A debug window is a workflow.
    books = {path.name for path in config.PLAYBOOKS.glob("*.yml")} - {"debug_window.yml"}
    assert surveys.keys() == {f"playbooks/{name}" for name in books}
    for playbook, survey in surveys.items():
        assert survey == SURVEYS[Path(playbook).stem]
    assert WINDOW["survey_spec"] == SURVEYS["debug_window"]


@pytest.mark.parametrize("runbook", RUNBOOKS)
def test_a_survey_asks_what_its_runbook_documents(runbook: str) -> None:
    texts = config.documented(config.PLAYBOOKS / f"{runbook}.yml")
    assert texts.keys() >= COMMON
    questions = {question["variable"]: question for question in SURVEYS[runbook]["spec"]}
    assert questions.keys() == texts.keys() - COMMON - OPTIONS - LEFT_OUT
    for variable, question in questions.items():
        text = texts[variable]
        default = question.get("default")
        assert (None if default is None else str(default)) == config.documented_default(text), variable
        assert question["required"] == bool(re.search(r"\bRequired\.", text)), variable
        if limits := config.documented_range(text):
            assert (question["min"], question["max"]) == limits, variable
        if question["type"] == "multiplechoice":
            # true and false are the default there, and need no text.
            named = set(question["choices"]) - {"true", "false"}
            assert all(re.search(rf"\b{re.escape(choice)}\b", text) for choice in named), variable


def test_a_runbook_documents_the_variables_that_it_checks() -> None:
    for playbook in config.PLAYBOOKS.glob("*.yml"):
        check = yaml.safe_load(playbook.read_text(encoding="utf-8"))[0]["tasks"][0]
        checked = check["polarismesh.maintenance.polaris_variables"]["variables"]
        assert config.documented(playbook).keys() - COMMON - OPTIONS == checked.keys(), playbook.name


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", SURVEYS)
def test_awx_accepts_the_survey(name: str, language: str) -> None:
    survey = config.surveys(language)[name]
    assert config.survey_problems(survey) == []
    for question in survey["spec"]:
        for answer in config.good_answers(question):
            assert answer == "" or config.answer_problems(question, answer) == [], question["variable"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"choices": None}, "choices are not a list of texts"),
        ({"default": "perhaps"}, "'perhaps' is not a choice"),
        ({"type": "number"}, "type is unknown"),
        ({"type": "integer", "default": 0, "min": 1}, "0 is too small"),
        ({"type": "integer", "default": "5"}, "'5' is no integer"),
        ({"type": "float", "default": 2.5, "max": 2}, "2.5 is too large"),
        ({"type": "float", "default": 0.5, "min": 0.5}, "min is not a whole number"),
        ({"type": "text", "default": "long", "max": 3}, "'long' is too large"),
        ({"required": "yes"}, "required is no bool"),
        ({"help": "?"}, "help is not a key of a question"),
    ],
)
def test_the_check_of_surveys_finds_what_awx_refuses(change: dict[str, Any], problem: str) -> None:
    question = {"variable": "v", "question_name": "V", "type": "multiplechoice", "choices": ["a"], "required": True}
    survey = {"name": "", "description": "", "spec": [question | change]}
    assert config.survey_problems(survey) == [f"v: {problem}"]
    assert config.survey_problems({**survey, "spec": [question, question]}) == ["v is asked twice"]
    assert config.survey_problems({"name": "", "spec": []}) == ["description is no str", "no questions"]


def test_what_needs_all_nodes_or_is_done_once_is_not_sliced() -> None:
    sliced = {template["playbook"] for template in TEMPLATES.values() if template["ask_job_slice_count_on_launch"]}
    assert sliced == {"playbooks/log_level.yml", "playbooks/memory_free.yml"}


# --- workflow and schedules ------------------------------------------------------------------------------------------


def test_the_drain_asks_what_its_job_templates_ask() -> None:
    asked: dict[str, Any] = {}
    for node in DRAIN["simplified_workflow_nodes"]:
        if "approval_node" in node:
            continue
        for question in TEMPLATES[node["unified_job_template"]]["survey_spec"]["spec"]:
            # All nodes get the same answer.
            assert question["variable"] not in asked
            asked[question["variable"]] = question
    for question in DRAIN["survey_spec"]["spec"]:
        assert question == asked[question["variable"]]
    required = {variable for variable, question in asked.items() if question["required"]}
    assert required <= {question["variable"] for question in DRAIN["survey_spec"]["spec"]}


def test_the_window_asks_what_its_runbook_documents() -> None:
    questions = {question["variable"]: question for question in WINDOW["survey_spec"]["spec"]}
    log_level = {question["variable"]: question for question in SURVEYS["log_level"]["spec"]}
    assert questions.keys() == {"window_levels", "seconds", "ignore_unknown_scopes"}
    assert questions["ignore_unknown_scopes"] == log_level["ignore_unknown_scopes"]
    text = {key: value for key, value in questions["window_levels"].items() if key in ("type", "min", "required")}
    assert text.items() <= log_level["levels"].items()
    for file in (config.PLAYBOOKS / "debug_window.yml", config.EXTENSION / "wait.yml"):
        documented = config.documented(file)["seconds"]
        assert (questions["seconds"]["min"], questions["seconds"]["max"]) == config.documented_range(documented)
        assert str(questions["seconds"]["default"]) == config.documented_default(documented)


def test_whatever_happens_to_the_jobs_of_a_window_the_last_one_restores() -> None:
    steps = ["look", "raise", "wait", "restore"]
    for failing in itertools.product(("success", "failure"), repeat=3):
        assert way_through(WINDOW, dict(zip(steps, failing, strict=False))) == steps
    nodes = {node["identifier"]: node for node in WINDOW["simplified_workflow_nodes"]}
    assert {name: node.get("job_type") for name, node in nodes.items()} == {
        "look": "check",
        "raise": None,
        "wait": None,
        "restore": None,
    }
    raising, waiting, restoring = (TEMPLATES[nodes[name]["unified_job_template"]] for name in steps[1:])
    # Answers of the workflow's survey reach all of its jobs, and override the variables of a job template.
    asked = {question["variable"] for question in WINDOW["survey_spec"]["spec"]}
    assert not asked & (raising["extra_vars"].keys() | restoring["extra_vars"].keys() | {"levels", "undo"})
    assert waiting["timeout"] == restoring["timeout"] == -1
    assert restoring["allow_simultaneous"]


def way_through(workflow: dict[str, Any], outcomes: dict[str, str]) -> list[str]:
    """The nodes that run, in order, if these do not end with success."""
    nodes = {node["identifier"]: node for node in workflow["simplified_workflow_nodes"]}
    assert len(nodes) == len(workflow["simplified_workflow_nodes"])
    led_to = {each for node in nodes.values() for kind, to in node.items() if kind.endswith("_nodes") for each in to}
    way, at = [], [identifier for identifier in nodes if identifier not in led_to]
    while at:
        identifier = at.pop()
        way.append(identifier)
        node = nodes[identifier]
        at += node.get("always_nodes", []) + node.get(f"{outcomes.get(identifier, 'success')}_nodes", [])
    return way


def test_nothing_is_drained_without_approval_and_the_report_comes_whatever_happens() -> None:
    assert way_through(DRAIN, {}) == ["approve", "drain", "free", "report"]
    assert way_through(DRAIN, {"free": "failure"}) == ["approve", "drain", "free", "report"]
    assert way_through(DRAIN, {"drain": "failure"}) == ["approve", "drain", "report"]
    assert way_through(DRAIN, {"approve": "failure"}) == ["approve"]
    (approval,) = [node for node in DRAIN["simplified_workflow_nodes"] if "approval_node" in node]
    assert approval["approval_node"].keys() == {"name", "description", "timeout"}
    assert approval["approval_node"]["timeout"] == 3600


def test_awx_accepts_the_schedules() -> None:
    known = {*TEMPLATES, config.only("controller_inventory_sources")["name"]}
    schedules = config.configuration()["controller_schedules"]
    assert {schedule["unified_job_template"] for schedule in schedules} == {"Polaris heartbeat audit", "Polaris nodes"}
    for schedule in schedules:
        assert schedule["unified_job_template"] in known
        # One start with its zone, one rule with its interval (awx/api/serializers.py).
        assert re.fullmatch(
            r"DTSTART:[0-9]{8}T[0-9]{6}Z RRULE:FREQ=(MINUTELY|HOURLY|DAILY|WEEKLY);INTERVAL=[0-9]+", schedule["rrule"]
        )
        for variable, answer in schedule.get("extra_data", {}).items():
            survey = TEMPLATES[schedule["unified_job_template"]]["survey_spec"]
            (question,) = [question for question in survey["spec"] if question["variable"] == variable]
            assert config.answer_problems(question, answer) == []


# --- credential ------------------------------------------------------------------------------------------------------

TYPE = config.only("controller_credential_types")


def test_awx_accepts_the_credential_type() -> None:
    fields = {field["id"]: field for field in TYPE["inputs"]["fields"]}
    for field in fields.values():
        assert field.keys() <= {"id", "label", "type", "format", "secret", "help_text"}
        # AWX adds the type if it is missing, and would then always differ from this file.
        assert field["type"] == "string"
        assert field["label"]
    assert set(TYPE["inputs"]["required"]) <= fields.keys()
    assert {name for name, field in fields.items() if field.get("secret")} == {"token", "password"}
    assert list(TYPE["injectors"]) == ["env"]
    strict = jinja2.sandbox.ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined)
    for template in TYPE["injectors"]["env"].values():
        assert strict.from_string(template).render(**dict.fromkeys(fields, "EXAMPLE")) == "EXAMPLE"
    # Every field is used somewhere.
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


# --- two languages ---------------------------------------------------------------------------------------------------

TEXTS = {"question_name", "question_description"}


def test_both_languages_ask_the_same() -> None:
    english, chinese = config.surveys("en"), config.surveys("zh")
    assert list(english) == list(chinese)
    for name, survey in english.items():
        other = chinese[name]
        assert survey.keys() == other.keys()
        for question, asked in zip(survey["spec"], other["spec"], strict=True):
            facts = {key: value for key, value in question.items() if key not in TEXTS}
            assert facts == {key: value for key, value in asked.items() if key not in TEXTS}
            assert question.keys() == asked.keys()


def test_the_chinese_texts_are_chinese_and_name_the_same_values() -> None:
    for name, survey in config.surveys("zh").items():
        for text in (survey["name"], survey["description"], *(asked[key] for asked in survey["spec"] for key in TEXTS)):
            assert re.search("[\u4e00-\u9fff]", text), (name, text)
        for question, asked in zip(config.surveys("en")[name]["spec"], survey["spec"], strict=True):
            # The values to type: choices, numbers, sizes, paths.
            typed = re.compile(
                "|".join([*question.get("choices", []), r"[0-9]+(?:[.][0-9]+)*[MG]?", "/[a-z/]+", "naming: debug"])
            )
            english = set(typed.findall(question["question_description"]))
            assert english <= set(typed.findall(asked["question_description"])), (name, question["variable"])


def test_the_language_is_chosen_when_applying() -> None:
    items = config.configuration(polaris_awx_language="zh")
    surveys = {
        item["name"]: item["survey_spec"]
        for item in items["controller_templates"] + items["controller_workflows"]
        if "survey_spec" in item
    }
    assert surveys["Polaris log level"] == config.surveys("zh")["log_level"]
    assert surveys[DRAIN["name"]] == config.surveys("zh")["drain_free_report"]


# --- the items, as awx.awx and infra.aap_configuration take them -----------------------------------------------------


@functools.cache
def full_items() -> dict[str, Any]:
    """Everything that can be configured."""
    return config.configured(
        {
            "polaris_awx_operators": ["Operators"],
            "polaris_awx_approvers": ["Leads"],
            "polaris_awx_credential": {"url": "http://10.0.0.1:8090", "token": "t"},
            "polaris_awx_notification": {
                "notification_type": "webhook",
                "notification_configuration": {"url": "https://chat.example.com/hook", "headers": {}},
            },
        }
    )


@pytest.mark.parametrize("kind", [*config.APPLIED, "aap_organizations"])
def test_every_key_of_an_item_is_one_that_the_collections_pass_on(kind: str) -> None:
    items = full_items()[kind]
    assert items
    for item in items:
        assert item.keys() <= set(config.ITEMS[kind])
        for node in item.get("simplified_workflow_nodes", []):
            assert node.keys() <= set(config.ITEMS["simplified_workflow_nodes"])


@pytest.mark.parametrize("kind", config.APPLIED)
def test_every_item_fits_the_argument_spec_of_its_module(kind: str) -> None:
    for item in full_items()[kind]:
        options = {key: value for key, value in item.items() if key != "simplified_workflow_nodes"}
        assert config.refused(config.APPLIED[kind], options) == []
        for node in item.get("simplified_workflow_nodes", []):
            whole = {**node, "workflow_job_template": item["name"], "organization": item["organization"]}
            assert config.refused("workflow_job_template_node", whole) == []


def test_everything_has_its_label_and_its_notifications() -> None:
    for item in (*full_items()["controller_templates"], *full_items()["controller_workflows"]):
        assert item["labels"] == ["Polaris"]
        assert item["notification_templates_error"] == ["Polaris"]
    # Items attached by hand stay if nothing is configured.
    for item in (*TEMPLATES.values(), *WORKFLOWS.values()):
        assert not any(key.startswith("notification_templates") for key in item)


def test_every_job_has_a_time_limit_except_those_that_wait() -> None:
    assert all(template["timeout"] > 0 or "window" in name for name, template in TEMPLATES.items())


def test_operators_may_launch_everything_and_approvers_approve_the_drain() -> None:
    execute, approve = full_items()["controller_roles"]
    assert (execute["role"], execute["teams"]) == ("execute", ["Operators"])
    assert execute["job_templates"] == list(TEMPLATES)
    assert execute["workflows"] == list(WORKFLOWS)
    assert (approve["role"], approve["teams"], approve["workflows"]) == ("approval", ["Leads"], [DRAIN["name"]])


def test_dispatch_loads_the_files_that_apply_loads() -> None:
    (play,) = yaml.safe_load((config.EXTENSION / "dispatch.yml").read_text())
    assert tuple(play["vars_files"]) == config.FILES


def test_the_project_is_this_repository() -> None:
    galaxy = yaml.safe_load((config.ROOT / "galaxy.yml").read_text())
    assert config.only("controller_projects")["scm_url"] == galaxy["repository"]
