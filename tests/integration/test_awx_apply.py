# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""extensions/awx/apply.yml with a real ansible-playbook; modules that check their options replace AWX and AAP."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.awx import config
from tests.conftest import COLLECTIONS
from tests.support import PlaybookRun, run_playbook

Call = tuple[str, dict[str, Any]]

IMAGE = "registry.example.com/polaris-ee:1.0.0"
SECRET = "n0t-to-be-seen"


@dataclass(frozen=True)
class Applied:
    run: PlaybookRun
    #: The options of each module call, in order.
    calls: list[Call]
    #: The collections of the modules, and their environment.
    collections: set[str]
    environments: list[list[dict[str, str]]]


def apply(folder: Path, *, collections: Sequence[str] = ("awx.awx",), **settings: Any) -> Applied:
    """Run apply.yml with extra variables and these collections installed."""
    for collection in collections:
        actions = folder.joinpath("collections", "ansible_collections", *collection.split("."), "plugins", "action")
        actions.mkdir(parents=True)
        for module in ("organization",) if collection == "ansible.platform" else config.MODULES:
            shutil.copy(config.ROOT / "tests" / "awx" / "action.py", actions / f"{module}.py")
    calls = folder / "calls.jsonl"
    environment = {
        "ANSIBLE_COLLECTIONS_PATH": f"{COLLECTIONS}:{folder / 'collections'}",
        "AWX_TEST_MODULES": str(config.ROOT / "tests" / "awx" / "modules.json"),
        "AWX_TEST_CALLS": str(calls),
    }
    playbook = str(config.EXTENSION / "apply.yml")
    run = run_playbook(folder, playbook, "localhost,", args=["-vv"], extra_vars=settings, env=environment).ok()
    entries = [json.loads(line) for line in calls.read_text().splitlines()]
    return Applied(
        run,
        [(module, options) for module, options, _collection, _environment in entries],
        {collection for _module, _options, collection, _environment in entries},
        [environment for _module, _options, _collection, environment in entries],
    )


def of(calls: list[Call], module: str) -> list[dict[str, Any]]:
    return [options for name, options in calls if name == module]


def made(calls: list[Call], *modules: str) -> set[str]:
    return {options["name"] for name, options in calls if name in modules}


def refers(calls: list[Call], option: str) -> set[str]:
    """What the modules name by an option, or one of a list."""
    found: set[str] = set()
    for _module, options in calls:
        value = options.get(option)
        found.update(value if isinstance(value, list) else [value] if value is not None else [])
    return found


SETTINGS: dict[str, Any] = {
    "polaris_awx_image": IMAGE,
    "polaris_awx_credential": {"url": "http://10.0.0.1:8090", "token": SECRET, "username": "", "password": ""},
    "polaris_awx_slices": "4",
    "polaris_awx_operators": ["Operators"],
    "polaris_awx_approvers": ["Leads"],
    "polaris_awx_notification": {"notification_type": "slack", "notification_configuration": {"token": SECRET}},
}


def test_every_module_accepts_its_options_and_finds_what_it_refers_to(tmp_path: Path) -> None:
    applied = apply(tmp_path, **SETTINGS)
    calls = applied.calls
    assert SECRET not in applied.run.output
    assert "WARNING" not in applied.run.output
    assert {module for module, _options in calls} == config.MODULES.keys()
    assert applied.collections == {"awx.awx"}
    assert not any(applied.environments[0])

    # In the order in which AWX can find them, and each by the name with which it is created.
    seen: list[Call] = []
    for module, options in calls:
        now = [(module, options)]
        assert refers(now, "organization") | refers(now, "lookup_organization") <= made(seen, "organization")
        assert refers(now, "labels") <= made(seen, "label")
        notified = [f"notification_templates_{when}" for when in ("started", "success", "error", "approvals")]
        assert set().union(*(refers(now, each) for each in notified)) <= made(seen, "notification_template")
        assert refers(now, "project") | refers(now, "source_project") <= made(seen, "project")
        assert refers(now, "inventory") <= made(seen, "inventory")
        assert refers(now, "credential_type") <= made(seen, "credential_type")
        assert refers(now, "credential") | refers(now, "credentials") <= made(seen, "credential")
        environments = refers(now, "execution_environment") | refers(now, "default_environment")
        assert environments <= made(seen, "execution_environment")
        templates = made(seen, "job_template", "inventory_source")
        assert refers(now, "unified_job_template") | refers(now, "job_templates") <= templates
        assert refers(now, "workflow_job_template") | refers(now, "workflows") <= made(seen, "workflow_job_template")
        nodes = {(node["workflow_job_template"], node["identifier"]) for node in of(seen, "workflow_job_template_node")}
        for kind in ("success_nodes", "failure_nodes", "always_nodes"):
            assert {(options["workflow_job_template"], each) for each in refers(now, kind)} <= nodes
        seen.append((module, options))

    # AWX finds these by name among everything that can be launched.
    names = [
        options["name"]
        for module, options in calls
        if module in ("job_template", "workflow_job_template", "project", "inventory_source")
    ]
    assert len(set(names)) == len(names)
    (given,) = of(calls, "credential")
    assert given["inputs"] == {"url": "http://10.0.0.1:8090", "token": SECRET}
    assert given["update_secrets"] is False
    every_item_arrived_complete(calls)


def every_item_arrived_complete(calls: list[Call]) -> None:
    """No key that somebody adds to a file is lost on the way to the module."""
    items = config.configured(SETTINGS)
    nodes = []
    for kind, module in config.APPLIED.items():
        given = of(calls, module)
        for item, options in zip(items[kind], given, strict=True):
            for node in item.pop("simplified_workflow_nodes", []):
                nodes.append({**node, "workflow_job_template": item["name"], "organization": item["organization"]})
            assert options == {**options, **as_given(item)}
            assert options.keys() == item.keys()
    assert of(calls, "workflow_job_template_node") == nodes[::-1]
    assert {each["job_slice_count"] for each in of(calls, "job_template")} == {1, 4}
    for template in of(calls, "job_template"):
        assert (config.ROOT / template["playbook"]).is_file()
    (source,) = of(calls, "inventory_source")
    assert (config.ROOT / source["source_path"]).is_file()
    # Templates for the job, not for this run.
    (inventory,) = of(calls, "inventory")
    assert inventory["variables"] == {"ansible_python_interpreter": "{{ ansible_playbook_python }}"}


def as_given(item: dict[str, Any]) -> dict[str, Any]:
    """Numbers that a setting has as text arrive as numbers."""
    return {key: int(value) if key in ("job_slice_count", "forks") else value for key, value in item.items()}


@pytest.mark.slow
def test_another_cluster_has_its_own_items_and_its_credential_is_left_alone(tmp_path: Path) -> None:
    calls = apply(tmp_path, polaris_awx_image=IMAGE, polaris_awx_name="Polaris EU").calls
    shared = {"organization", "credential_type", "workflow_job_template_node", "role", "notification_template"}
    assert all(name.startswith("Polaris EU") for name in made(calls, *config.MODULES.keys() - shared))
    (credential,) = of(calls, "credential")
    assert "inputs" not in credential
    assert of(calls, "notification_template") == of(calls, "role") == []


@pytest.mark.slow
def test_on_aap_ansible_controller_is_used_and_the_gateway_creates_the_organization(tmp_path: Path) -> None:
    applied = apply(
        tmp_path,
        collections=("awx.awx", "ansible.controller", "ansible.platform"),
        polaris_awx_image=IMAGE,
        polaris_awx_organization="SRE",
        polaris_awx_gateway=True,
        polaris_awx_api_prefix="/api/controller/",
    )
    assert applied.collections == {"ansible.controller", "ansible.platform"}
    assert of(applied.calls, "organization") == [{"name": "SRE"}]
    assert applied.calls[0] == ("organization", {"name": "SRE"})
    assert all(
        {"CONTROLLER_OPTIONAL_API_URLPATTERN_PREFIX": "/api/controller/"} in each for each in applied.environments
    )


WRONG: list[dict[str, Any]] = [
    {"polaris_awx_image": None},
    {"polaris_awx_slices": 0},
    {"polaris_awx_slices": "many"},
    {"polaris_awx_forks": 501},
    {"polaris_awx_inventory_variables": "ansible_connection: local"},
    {"polaris_awx_name": " Polaris"},
    {"polaris_awx_update_secrets": "perhaps"},
    {"polaris_awx_language": "de"},
    {"polaris_awx_api_prefix": "api"},
    {"polaris_awx_operators": "Operators"},
    {"polaris_awx_notification": {"notification_configuration": {"token": SECRET}}},
    {"polaris_awx_notification": {"notification_type": "slack", "token": SECRET}},
    {"polaris_awx_credential": SECRET},
    {"polaris_awx_credential": {"token": SECRET}},
    {"polaris_awx_credential": {"url": "10.0.0.1:8090", "token": SECRET}},
    {"polaris_awx_credential": {"url": "http://10.0.0.1:8090", "token": SECRET, "username": "u", "password": SECRET}},
    {"polaris_awx_credential": {"url": "http://10.0.0.1:8090", "username": "u"}},
    {"polaris_awx_credential": {"url": "http://10.0.0.1:8090", "owner": "o"}},
    {"polaris_awx_credential": {"url": "http://10.0.0.1:8090", "tokn": SECRET}},
]


def test_wrong_variables_are_refused(tmp_path: Path) -> None:
    """One host for each case, and only the checks."""
    (play,) = yaml.safe_load((config.EXTENSION / "apply.yml").read_text())
    checks = [task for task in play["tasks"] if task.get("tags") == ["always"]]
    assert [task["name"] for task in checks] == ["Check the settings", "Check the credential and the notification"]
    assert play["tasks"][:2] == checks
    del play["environment"], play["vars_files"]
    play = {**play, "hosts": "all", "tasks": checks, "ignore_errors": True}
    settings = {**json.loads(json.dumps(config.variables("settings.yml"))), "polaris_awx_image": IMAGE}
    hosts = {f"case{number}": wrong for number, wrong in enumerate([{}, *WRONG])}
    inventory = {"all": {"hosts": hosts, "vars": settings}}
    done = run_playbook(tmp_path, [play], inventory, args=["-vv"]).ok()
    refused = {entry.host for entry in done.results if entry.status == "ignored"}
    assert refused == hosts.keys() - {"case0"}
    assert SECRET not in done.output
