# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ansible-builder makes of the collection, and of the execution environment that is defined here.

(Building an image takes podman or docker and a registry; all before that is done here.)
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.awx.jobs import ExecutionNode
from tools.collection_tree import ROOT

DEFINITION = ROOT / "execution-environment.yml"


def run(*command: str, cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """What `ansible-builder create` makes of the definition, elsewhere than in the checkout."""
    folder = tmp_path / "context"
    run("ansible-builder", "create", "-f", str(DEFINITION), "-c", str(folder), cwd=tmp_path)
    return folder


def introspected(script: list[str], node: ExecutionNode, *options: str) -> dict[str, Any]:
    text = run(*script, "introspect", str(node.home / ".ansible" / "collections"), *options)
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def test_the_installed_collection_asks_for_requests_and_nothing_else(execution_node: ExecutionNode) -> None:
    assert introspected(["ansible-builder"], execution_node) == {
        "python": {"polarismesh.maintenance": ["requests"]},
        "system": {},
    }
    assert introspected(["ansible-builder"], execution_node, "--sanitize") == {
        "python": ["requests  # from collection polarismesh.maintenance"],
        "system": [],
    }


def test_the_image_gets_what_the_definition_names_and_the_collection_asks_for(
    context: Path, execution_node: ExecutionNode, tmp_path: Path
) -> None:
    definition = yaml.safe_load(DEFINITION.read_text())
    containerfile = (context / "Containerfile").read_text()
    assert f'ARG EE_BASE_IMAGE="{definition["images"]["base_image"]["name"]}"' in containerfile
    for part in ("ansible_core", "ansible_runner"):
        assert definition["dependencies"][part]["package_pip"] in containerfile
    # The collection goes in, and its own needs are looked up in the image, not repeated in the definition.
    galaxy = yaml.safe_load((context / "_build" / "requirements.yml").read_text())
    assert galaxy == definition["dependencies"]["galaxy"]
    assert "ansible-galaxy collection install $ANSIBLE_GALAXY_CLI_COLLECTION_OPTS -r requirements.yml" in containerfile
    assert not (context / "_build" / "requirements.txt").exists()
    assert "introspect.py introspect" in containerfile
    # The script of the image, on the collection as the image holds it.
    written = tmp_path / "requirements.txt"
    script = [sys.executable, str(context / "_build" / "scripts" / "introspect.py")]
    packages = ["--user-bindep", str(context / "_build" / "bindep.txt")]
    found = introspected(script, execution_node, *packages, "--sanitize", "--write-pip", str(written))
    assert found["system"] == ["openssh-clients  # from collection user", "sshpass  # from collection user"]
    assert written.read_text().split("#")[0].strip() == "requests"


def test_the_definition_names_the_versions_that_are_tested_here() -> None:
    dependencies = yaml.safe_load(DEFINITION.read_text())["dependencies"]
    (collection,) = dependencies["galaxy"]["collections"]
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text())
    assert collection == {"name": f"{galaxy['namespace']}.{galaxy['name']}", "version": galaxy["version"]}
    pins = "".join((ROOT / "tools" / "requirements" / name).read_text() for name in ("common.txt", "test.txt"))
    assert dependencies["ansible_runner"]["package_pip"].replace("~=", "==") in pins.splitlines()
    core = dependencies["ansible_core"]["package_pip"].replace("~=", "==").removesuffix("0") + "*"
    assert core in pins
