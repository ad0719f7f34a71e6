# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The contents of extensions/awx, the texts of the runbooks, and the rules of AWX."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from inspect import signature
from pathlib import Path
from typing import Any

import jinja2.sandbox
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

ROOT = Path(__file__).resolve().parent.parent.parent
EXTENSION = ROOT / "extensions" / "awx"
PLAYBOOKS = ROOT / "playbooks"

#: The options of the modules of awx.awx (ansible/awx at e21dd0a, October 2024): facts, no code.
MODULES: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "modules.json").read_text())

#: Variable -> the keys of its items that both infra.aap_configuration (at f230214) and infra.controller_configuration
#: (at 9b08b14) pass on.
ITEMS: dict[str, list[str]] = json.loads((Path(__file__).parent / "items.json").read_text())

#: Variable -> the module of awx.awx that gets its items.
APPLIED = {
    "controller_organizations": "organization",
    "controller_labels": "label",
    "controller_execution_environments": "execution_environment",
    "controller_notifications": "notification_template",
    "controller_projects": "project",
    "controller_credential_types": "credential_type",
    "controller_credentials": "credential",
    "controller_inventories": "inventory",
    "controller_inventory_sources": "inventory_source",
    "controller_templates": "job_template",
    "controller_workflows": "workflow_job_template",
    "controller_schedules": "schedule",
    "controller_roles": "role",
}

Question = dict[str, Any]
Survey = dict[str, Any]


#: In the order in which apply.yml loads them.
FILES: tuple[str, ...] = tuple(yaml.safe_load((EXTENSION / "apply.yml").read_text())[0]["vars_files"])
_OMITTED = "__omitted__"


def variables(*names: str) -> dict[str, Any]:
    """The variables of these files in extensions/awx, with their templates."""
    loader = DataLoader()
    # From ansible-core 2.19 on, only trusted text is a template.
    known = signature(loader.load_from_file).parameters
    trusted: dict[str, Any] = {"trusted_as_template": True} if "trusted_as_template" in known else {}
    found: dict[str, Any] = {}
    for name in names:
        found.update(loader.load_from_file(str(EXTENSION / name), **trusted))
    return found


def configured(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The items of all files that are applied with these settings: controller_templates and so on."""
    given = {"polaris_awx_image": "registry.example.com/polaris-ee:1.0.0", **settings}
    every = {"omit": _OMITTED, **variables(*FILES), **given}
    templar = Templar(DataLoader(), variables=every)
    items = {name: every[name] for name in every if name.startswith(("controller_", "aap_"))}
    return {name: _plain(templar.template(value)) for name, value in items.items()}


@functools.cache
def configuration(**settings: str) -> dict[str, Any]:
    return configured(settings)


def _plain(value: Any) -> Any:
    """The value without Ansible's types, and without omitted parts."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items() if each != _OMITTED}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return json.loads(json.dumps(value))


def only(kind: str) -> dict[str, Any]:
    """The only item of a kind."""
    (item,) = configuration()[kind]
    found: dict[str, Any] = item
    return found


def job_templates() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = configuration()["controller_templates"]
    return found


def runbook_templates() -> list[dict[str, Any]]:
    """The job templates for a runbook; the others are parts of a workflow."""
    return [template for template in job_templates() if ": " not in template["name"]]


def by_name(kind: str) -> dict[str, dict[str, Any]]:
    return {item["name"]: item for item in configuration()[kind]}


def surveys(language: str = "en") -> dict[str, Survey]:
    """Runbook -> the survey of its job template."""
    found: dict[str, Survey] = variables(f"surveys_{language}.yml")[f"polaris_awx_surveys_{language}"]
    return _plain(found)  # type: ignore[no-any-return]


# --- what AWX accepts ------------------------------------------------------------------------------------------------

#: Question type -> the type of its default (ansible/awx, awx/main/constants.py).
TYPES: dict[str, type | tuple[type, ...]] = {
    "text": str,
    "textarea": str,
    "password": str,
    "multiplechoice": str,
    "multiselect": str,
    "integer": int,
    "float": (float, int),
}
KEYS = {"variable", "question_name", "question_description", "type", "required", "default", "choices", "min", "max"}


def survey_problems(survey: Survey) -> list[str]:
    """Why the API of AWX would refuse this survey, or use no default from it (awx/api/views, models/mixins)."""
    problems = [
        f"{key} is no {kind.__name__}"
        for key, kind in (("name", str), ("description", str), ("spec", list))
        if not isinstance(survey.get(key), kind)
    ]
    if not survey.get("spec"):
        return [*problems, "no questions"]
    variables = [question.get("variable") for question in survey["spec"]]
    problems += [f"{variable} is asked twice" for variable in set(variables) if variables.count(variable) > 1]
    for question in survey["spec"]:
        problems += [f"{question.get('variable')}: {problem}" for problem in question_problems(question)]
    return problems


def question_problems(question: Question) -> list[str]:
    problems = [f"{key} is not a key of a question" for key in question.keys() - KEYS]
    problems += [
        f"{key} is no {kind.__name__}"
        for key, kind in (("variable", str), ("question_name", str), ("type", str), ("required", bool))
        if not isinstance(question.get(key), kind)
    ]
    if question.get("type") not in TYPES:
        return [*problems, "type is unknown"]
    problems += [
        f"{key} is not a whole number"
        for key in ("min", "max")
        if question.get(key) is not None and not isinstance(question[key], int)
    ]
    chosen = question["type"] in ("multiplechoice", "multiselect")
    choices = question.get("choices")
    if chosen and not (isinstance(choices, list) and choices and all(isinstance(choice, str) for choice in choices)):
        problems.append("choices are not a list of texts")
    if "default" in question and not problems:
        problems += answer_problems(question, question["default"])
    return problems


def answer_problems(question: Question, answer: Any) -> list[str]:
    """Why AWX would not accept this answer."""
    if not isinstance(answer, TYPES[question["type"]]) or isinstance(answer, bool):
        return [f"{answer!r} is no {question['type']}"]
    if question["type"] == "multiplechoice":
        return [] if answer in question["choices"] else [f"{answer!r} is not a choice"]
    size = len(answer) if isinstance(answer, str) else answer
    low, high = question.get("min"), question.get("max")
    return [f"{answer!r} is too small"] * (low is not None and size < low) + [f"{answer!r} is too large"] * (
        high is not None and size > high
    )


def refused(module: str, options: Mapping[str, Any]) -> list[str]:
    """Why this module of awx.awx would refuse these options."""
    facts = MODULES[module]
    validator = ArgumentSpecValidator(
        facts["options"], facts.get("mutually_exclusive"), required_if=facts.get("required_if")
    )
    messages: list[str] = validator.validate(dict(options)).error_messages
    return messages


def injected(inputs: dict[str, str]) -> dict[str, str]:
    """The environment of a job, as AWX makes it from a credential, with Jinja; a field without a value is omitted."""
    sandbox = jinja2.sandbox.ImmutableSandboxedEnvironment()
    templates = only("controller_credential_types")["injectors"]["env"]
    return {name: sandbox.from_string(template).render(**inputs) for name, template in templates.items()}


# --- texts of the runbooks -------------------------------------------------------------------------------------------

_VARIABLE = re.compile(r"^#   (?P<names>[a-z_]+(?:, [a-z_]+)*)(?: {2,}(?P<text>.*))?$")
_DEFAULT = re.compile(r"Default: (?P<value>[0-9]*\.[0-9]+|[^\s.,]+)")
_RANGE = re.compile(r"\b(?P<low>[0-9]+) to (?P<high>[0-9]+)\b")
#: How the text continues if there is no value to name: no limit, all services, as many as are registered, none.
_PROSE = ("no", "all", "as", "none")


def documented(runbook: Path) -> dict[str, str]:
    """Variable -> its description at the top of the runbook."""
    found: dict[str, str] = {}
    names: list[str] = []
    lines = iter(runbook.read_text().splitlines())
    for line in lines:
        if line == "# Variables":
            break
    for line in lines:
        if not line.startswith("#"):
            break
        if line == "#":
            names = []
        elif match := _VARIABLE.match(line):
            names = match["names"].split(", ")
            found.update(dict.fromkeys(names, match["text"] or ""))
        else:
            for name in names:
                found[name] += " " + line.lstrip("# ")
    return found


def documented_default(text: str) -> str | None:
    """The default as text; None if the variable has none."""
    match = _DEFAULT.search(text)
    return None if match is None or match["value"] in _PROSE else match["value"]


def documented_range(text: str) -> tuple[int, int] | None:
    match = _RANGE.search(text)
    return (int(match["low"]), int(match["high"])) if match else None


# --- answers that must and must not pass -----------------------------------------------------------------------------

#: Valid answers where no default, choice or limit names one.
SAMPLES: dict[str, list[Any]] = {
    "levels": ["naming: debug", 'naming: debug\n"*": warn', '{"naming": "debug"}'],
    "client_host": ["10.0.0.7", "255.255.255.255"],
    "spare_hosts": ["10.0.0.7", "10.0.0.7, 10.0.0.8"],
    "fleet_size": [3],
    "max_connections": [50],
    "max_rows": [5000],
    "instances": ["- {service: payments, namespace: default, host: 10.0.0.7, port: 8080}", '[{"id": "a1"}]'],
    "service": ["payments"],
    "namespace": ["Polaris"],
    "polaris_namespace": ["Polaris"],
    "min_releasable": ["0", "64M", "1.5G"],
    "min_size": ["512M"],
}
#: Texts that AWX accepts and the runbook must refuse.
WRONG: dict[str, list[Any]] = {
    "levels": ["naming", "[]"],
    "client_host": ["10.0.0", "example", "10.0.0.256"],
    "instances": ["payments"],
    "service": ["two words"],
    "namespace": ["two words"],
    "polaris_namespace": ["two words"],
    "min_releasable": ["much"],
    "min_size": ["-1M"],
}
#: Limits that AWX cannot express, because it only knows whole numbers: it accepts a share of 0, the runbook does not.
OPEN_LOW = {"max_share"}
#: Servers may have other protocols: the runbooks accept any name, and a server that does not know it says so.
OPEN_CHOICES = {"protocol"}


def good_answers(question: Question) -> list[Any]:
    answers = [*question.get("choices", []), *SAMPLES.get(question["variable"], [])]
    if "default" in question:
        answers.append(question["default"])
    if question["type"] in ("integer", "float"):
        answers += [question[key] for key in ("min", "max") if key in question]
        if question["variable"] in OPEN_LOW:
            answers[answers.index(question["min"])] = 0.001
    if not question["required"]:
        answers.append("")
    return answers


def bad_answers(question: Question) -> list[Any]:
    answers: list[Any] = list(WRONG.get(question["variable"], []))
    if question["type"] in ("integer", "float"):
        answers.append("many")
        if "min" in question:
            answers.append(question["min"] - (question["variable"] not in OPEN_LOW))
        if "max" in question:
            answers.append(question["max"] + 1)
    if question["type"] == "integer":
        answers.append(2.5)
    if question["type"] == "multiplechoice" and question["variable"] not in OPEN_CHOICES:
        answers.append("perhaps")
    if question["required"]:
        answers.append("")
    return answers
