# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the roles under targets/ with a real ansible-playbook, through both doors, each with a new simulated node.

`ansible-test integration` runs the same roles. There the role setup_simulator, on which all of them depend, starts the
simulated server; here it finds a running one.
"""

from __future__ import annotations

import contextlib
import importlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.simulator import Fleet
from tests.support import PlaybookRun, run_playbook

TARGETS = Path(__file__).parent / "targets"
NAMES = sorted(path.name for path in TARGETS.iterdir() if path.name != "setup_simulator")
MODULES = "ansible_collections.polarismesh.maintenance.plugins.modules"
#: The targets that also run through the module door. test_doors.py proves that each module gives the same through both.
BY_MODULE = ("polaris_conn_close", "polaris_instance_clean", "polaris_log_level")
#: The token of the server in every example.
URL = "http://127.0.0.1:8090"


def simulator_of(target: str) -> dict[str, Any]:
    """The variables of the target for setup_simulator."""
    (dependency,) = yaml.safe_load((TARGETS / target / "meta" / "main.yml").read_text())["dependencies"]
    assert dependency["role"] == "setup_simulator"
    return dict(dependency["vars"])


@dataclass(frozen=True)
class Targets:
    """The finished run of some targets through one door, and the owner's token of each target's server."""

    run: PlaybookRun
    tokens: dict[str, str]


def run_targets(names: list[str], door: str, folder: Path) -> Targets:
    """Each target in its own play, on its own host."""
    hosts: dict[str, Any] = {}
    tokens: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        for name in names:
            wanted = simulator_of(name)
            fleet = stack.enter_context(Fleet(nodes=1, **wanted.get("simulator_options", {})))
            tokens[name] = fleet.tokens.owner
            examples = folder / f"{name}.yml"
            documented = importlib.import_module(f"{MODULES}.{wanted['simulator_module']}").EXAMPLES
            examples.write_text(documented.replace(URL, fleet.url))
            hosts[name] = {
                "polaris_url": fleet.url,
                "polaris_token": fleet.tokens.owner,
                "simulator": f"{fleet.url}/_simulator",
                "simulator_clients": str(Path(__file__).parents[1] / "clients.py"),
                "examples": str(examples),
            }
        variables = {
            "ansible_connection": "local",
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            "polaris_in_process": door == "in-process",
        }
        run = run_playbook(
            folder,
            [{"hosts": name, "gather_facts": False, "roles": [name]} for name in names],
            {"all": {"hosts": hosts, "vars": variables}},
            args=["-vvv", "--diff"],
            env={"ANSIBLE_ROLES_PATH": str(TARGETS)},
            timeout=900,
        )
    return Targets(run, tokens)


@pytest.fixture(scope="module")
def finished(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Targets]:
    """The targets that the selected tests need, by door."""
    asked = [call.params for item in request.session.items if (call := getattr(item, "callspec", None)) is not None]
    result = {}
    for door in ("module", "in-process"):
        names = [name for name in NAMES if {"name": name, "door": door} in asked]
        if names:
            result[door] = run_targets(names, door, tmp_path_factory.mktemp(door))
    return result


@pytest.mark.slow
@pytest.mark.xdist_group("targets")
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("door", "name"), [*(("in-process", name) for name in NAMES), *(("module", name) for name in BY_MODULE)]
)
def test_target(name: str, door: str, finished: dict[str, Targets]) -> None:
    run = finished[door].run
    entries = [entry for entry in run.results if entry.host == name]
    failed = [entry for entry in entries if entry.status in ("failed", "unreachable")]
    assert entries, run.output
    assert not failed, failed
    assert "Traceback" not in run.output
    ours = [entry for entry in entries if entry.action.startswith("polarismesh.")]
    assert finished[door].tokens[name] not in json.dumps([entry.result for entry in ours])
    # A role may choose the module door for one of its tasks, but not the in-process door.
    if door == "module":
        assert f"plugins/modules/{name}.py" in run.output
