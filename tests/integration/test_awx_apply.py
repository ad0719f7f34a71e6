# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""extensions/awx/apply.yml by a real ansible-playbook; modules of awx.awx that judge their options stand in for AWX."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import yaml

from tests.awx import config
from tests.conftest import COLLECTIONS
from tests.support import PlaybookRun, run_playbook

Call = tuple[str, dict[str, Any]]
Applied = tuple[PlaybookRun, list[Call]]

IMAGE = "registry.example.com/polaris-ee:0.1.0"
SECRET = "n0t-to-be-seen"


def apply(folder: Path, **variables: Any) -> Applied:
    """Run apply.yml with extra variables; return the run and what each module of awx.awx was given, in order."""
    actions = folder / "collections" / "ansible_collections" / "awx" / "awx" / "plugins" / "action"
    actions.mkdir(parents=True)
    for module in config.MODULES:
        shutil.copy(config.ROOT / "tests" / "awx" / "action.py", actions / f"{module}.py")
    calls = folder / "calls.jsonl"
    environment = {
        "ANSIBLE_COLLECTIONS_PATH": f"{COLLECTIONS}:{folder / 'collections'}",
        "AWX_TEST_MODULES": str(config.ROOT / "tests" / "awx" / "modules.json"),
        "AWX_TEST_CALLS": str(calls),
    }
    playbook = str(config.EXTENSION / "apply.yml")
    done = run_playbook(folder, playbook, "localhost,", args=["-vv"], extra_vars=variables, env=environment).ok()
    return done, list(map(json.loads, calls.read_text().splitlines()))


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


def test_every_module_takes_its_options_and_finds_what_it_names(tmp_path: Path) -> None:
    credential = {"url": "http://10.0.0.1:8090", "token": SECRET, "username": "", "password": ""}
    done, calls = apply(tmp_path, polaris_awx_image=IMAGE, polaris_awx_credential=credential, polaris_awx_slices="4")
    assert SECRET not in done.output
    assert "WARNING" not in done.output
    assert {module for module, _options in calls} == config.MODULES.keys()

    # In the order in which AWX can find them, and each by the name under which it is made.
    seen: list[Call] = []
    for module, options in calls:
        now = [(module, options)]
        assert refers(now, "organization") <= made(seen, "organization")
        assert refers(now, "project") | refers(now, "source_project") <= made(seen, "project")
        assert refers(now, "inventory") <= made(seen, "inventory")
        assert refers(now, "credential_type") <= made(seen, "credential_type")
        assert refers(now, "credential") | refers(now, "credentials") <= made(seen, "credential")
        environments = refers(now, "execution_environment") | refers(now, "default_environment")
        assert environments <= made(seen, "execution_environment")
        templates = made(seen, "job_template", "inventory_source")
        assert refers(now, "unified_job_template") <= templates
        assert refers(now, "workflow_job_template") <= made(seen, "workflow_job_template")
        nodes = {node["identifier"] for node in of(seen, "workflow_job_template_node")}
        assert refers(now, "success_nodes") | refers(now, "failure_nodes") | refers(now, "always_nodes") <= nodes
        seen.append((module, options))

    # AWX finds these by name among all that can be started.
    names = [
        options["name"]
        for module, options in calls
        if module in ("job_template", "workflow_job_template", "project", "inventory_source")
    ]
    assert len(set(names)) == len(names)
    (given,) = of(calls, "credential")
    assert given["inputs"] == {"url": "http://10.0.0.1:8090", "token": SECRET}
    assert given["update_secrets"] is False
    what_stands_in_the_files_arrived(calls)


def what_stands_in_the_files_arrived(calls: list[Call]) -> None:
    templates = of(calls, "job_template")
    for entry, options in zip(config.job_templates(), templates, strict=True):
        assert options["name"] == f"Polaris {entry['name']}"
        assert {**entry, "name": options["name"]}.items() <= options.items()
        assert options["job_slice_count"] == (4 if entry["ask_job_slice_count_on_launch"] else 1)
        assert (config.ROOT / options["playbook"]).is_file()
    (kind,) = of(calls, "credential_type")
    assert kind == config.extension("credential_type.yml")["polaris_awx_credential_type"]
    (source,) = of(calls, "inventory_source")
    entry = config.extension("inventory_source.yml")["polaris_awx_inventory_source"]
    assert {**entry, "name": "Polaris nodes"}.items() <= source.items()
    assert (config.ROOT / source["source_path"]).is_file()
    (workflow,) = of(calls, "workflow_job_template")
    entry = config.extension("workflow.yml")["polaris_awx_workflow"]
    assert {**entry, "name": workflow["name"]}.items() <= workflow.items()
    for entry, options in zip(
        config.extension("schedules.yml")["polaris_awx_schedules"], of(calls, "schedule"), strict=True
    ):
        names = {key: f"Polaris {entry[key]}" for key in ("name", "unified_job_template")}
        assert {**entry, **names}.items() <= options.items()
    # Templates for the job, not for this run.
    (inventory,) = of(calls, "inventory")
    assert inventory["variables"] == {"ansible_python_interpreter": "{{ ansible_playbook_python }}"}


def test_another_cluster_has_all_of_its_own_and_its_credential_is_left_alone(tmp_path: Path) -> None:
    _done, calls = apply(tmp_path, polaris_awx_image=IMAGE, polaris_awx_name="Polaris EU")
    shared = {"organization", "credential_type", "workflow_job_template_node"}
    assert all(name.startswith("Polaris EU") for name in made(calls, *config.MODULES.keys() - shared))
    (credential,) = of(calls, "credential")
    assert "inputs" not in credential


WRONG: list[dict[str, Any]] = [
    {"polaris_awx_image": None},
    {"polaris_awx_slices": 0},
    {"polaris_awx_slices": "many"},
    {"polaris_awx_forks": 501},
    {"polaris_awx_inventory_variables": "ansible_connection: local"},
    {"polaris_awx_name": " Polaris"},
    {"polaris_awx_update_secrets": "perhaps"},
    {"polaris_awx_credential": SECRET},
    {"polaris_awx_credential": {"token": SECRET}},
    {"polaris_awx_credential": {"url": "10.0.0.1:8090", "token": SECRET}},
    {"polaris_awx_credential": {"url": "http://10.0.0.1:8090", "token": SECRET, "username": "u", "password": SECRET}},
    {"polaris_awx_credential": {"url": "http://10.0.0.1:8090", "username": "u"}},
    {"polaris_awx_credential": {"url": "http://10.0.0.1:8090", "owner": "o"}},
    {"polaris_awx_credential": {"url": "http://10.0.0.1:8090", "tokn": SECRET}},
]


def test_wrong_variables_are_refused(tmp_path: Path) -> None:
    """One play for each case, of the checks alone."""
    (play,) = yaml.safe_load((config.EXTENSION / "apply.yml").read_text().replace("!unsafe", ""))
    checks = [task for task in play["tasks"] if task.get("tags") == ["always"]]
    assert [task["name"] for task in checks] == ["Check the variables", "Check the credential"]
    assert play["tasks"][:2] == checks
    play = {**play, "tasks": checks, "vars_files": []}
    plays = [
        {**play, "hosts": f"case{number}", "ignore_errors": True, "vars": {**play["vars"], **variables}}
        for number, variables in enumerate({"polaris_awx_image": IMAGE, **wrong} for wrong in WRONG)
    ]
    hosts: dict[str, dict[str, Any]] = {play["hosts"]: {} for play in plays}
    done = run_playbook(tmp_path, plays, {"all": {"hosts": hosts}}, args=["-vv"]).ok()
    refused = {entry.host for entry in done.results if entry.status == "ignored"}
    assert refused == hosts.keys()
    assert SECRET not in done.output
