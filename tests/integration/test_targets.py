# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs every role under targets/ by a real ansible-playbook, through both doors, against a fresh simulated node.

A role gets ``polaris_url``, ``polaris_token``, ``simulator`` (the base URL of the node's own controls), and
``examples``: a file of tasks with the documentation's examples of the module that the role is named after, their URL
replaced. An optional fleet.yml beside tasks/ holds options of tests.simulator.Fleet.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.simulator import Fleet
from tests.support import PlaybookRun

TARGETS = Path(__file__).parent / "targets"
NAMES = sorted(path.name for path in TARGETS.iterdir() if (path / "tasks" / "main.yml").exists())
MODULES = "ansible_collections.polarismesh.maintenance.plugins.modules"
#: Of the server in every example.
URL = "http://127.0.0.1:8090"


def fleet_options(name: str) -> dict[str, Any]:
    path = TARGETS / name / "fleet.yml"
    options = yaml.safe_load(path.read_text()) if path.exists() else None
    return {"nodes": 1, **(options or {})}


def examples_of(name: str) -> str | None:
    """The EXAMPLES of a module; None where the role is not named after one."""
    try:
        return str(importlib.import_module(f"{MODULES}.{name}").EXAMPLES)
    except ModuleNotFoundError:
        return None


@pytest.mark.parametrize("door", ["module", "in-process"])
@pytest.mark.parametrize("name", NAMES)
def test_target(
    name: str, door: str, make_fleet: Callable[..., Fleet], playbook: Callable[..., PlaybookRun], tmp_path: Path
) -> None:
    fleet = make_fleet(**fleet_options(name))
    variables: dict[str, Any] = {
        "ansible_connection": "local",
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        "polaris_in_process": door == "in-process",
        "polaris_url": fleet.url,
        "polaris_token": fleet.tokens.owner,
        "simulator": f"{fleet.url}/_simulator",
    }
    examples = examples_of(name)
    if examples is not None:
        variables["examples"] = str(tmp_path / "examples.yml")
        (tmp_path / "examples.yml").write_text(examples.replace(URL, fleet.url))
    run = playbook(
        [{"hosts": "all", "gather_facts": False, "roles": [name]}],
        {"all": {"hosts": {"node": None}, "vars": variables}},
        args=["-vvv", "--diff"],
        env={"ANSIBLE_ROLES_PATH": str(TARGETS)},
    ).ok()
    # A role may choose the module door for a task of its own; the other way round there is no choice.
    if examples is not None and door == "module":
        assert f"plugins/modules/{name}.py" in run.output
    ours = [entry for entry in run.results if entry.action.startswith("polarismesh.")]
    assert fleet.tokens.owner not in json.dumps([entry.result for entry in ours])
