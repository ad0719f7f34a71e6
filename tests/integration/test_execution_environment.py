# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ansible-builder produces from the collection, and from the execution environment that is defined here.

Building the image needs podman or docker and a registry; these tests check what goes into it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.awx.jobs import ExecutionNode
from tools.collection_tree import ROOT

REQUIREMENTS = ROOT / "tools" / "requirements"
DEFINITION = ROOT / "execution-environment.yml"
PYTHON = ["requests  # from collection polarismesh.maintenance"]


def run(*command: str, cwd: Path, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, env=env, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def create(definition: Path, folder: Path) -> Path:
    """The build context that ansible-builder makes."""
    context = folder / "context"
    name = ["--output-filename", "Containerfile"]
    run("ansible-builder", "create", "-f", str(definition), "-c", str(context), *name, cwd=folder)
    return context


def test_the_installed_collection_requires_requests_and_nothing_else(
    execution_node: ExecutionNode, tmp_path: Path
) -> None:
    for options in ([], ["--sanitize"]):
        found = run("ansible-builder", "introspect", str(execution_node.collections), *options, cwd=tmp_path)
        assert yaml.safe_load(found) == {"python": PYTHON, "system": []}


def test_the_definition_becomes_an_image_with_the_collection(tmp_path: Path) -> None:
    definition = yaml.safe_load(DEFINITION.read_text())
    dependencies = definition["dependencies"]
    context = create(DEFINITION, tmp_path)
    containerfile = (context / "Containerfile").read_text()
    assert f'ARG EE_BASE_IMAGE="{definition["images"]["base_image"]["name"]}"' in containerfile
    pips = [dependencies[part]["package_pip"] for part in ("ansible_core", "ansible_runner")]
    assert f'ARG ANSIBLE_INSTALL_REFS="{" ".join(pips)}"' in containerfile
    assert yaml.safe_load((context / "_build" / "requirements.yml").read_text()) == dependencies["galaxy"]
    assert (context / "_build" / "bindep.txt").read_text().split() == dependencies["system"]
    # The requirements of the collection itself are read in the image, not repeated in the definition.
    assert "introspect.py introspect" in containerfile
    assert not (context / "_build" / "requirements.txt").exists()


def test_an_image_from_an_archive_gets_the_requirements_of_the_collection(archive: Path, tmp_path: Path) -> None:
    """As the comment in the definition describes; then the steps of the build that need no image."""
    definition: dict[str, Any] = yaml.safe_load(DEFINITION.read_text())
    definition["dependencies"]["galaxy"]["collections"] = [{"name": archive.name, "type": "file"}]
    definition["additional_build_files"] = [{"src": archive.name, "dest": "."}]
    shutil.copy(archive, tmp_path)
    (tmp_path / "ee.yml").write_text(yaml.dump(definition))
    build = create(tmp_path / "ee.yml", tmp_path) / "_build"
    image = ExecutionNode(tmp_path)
    galaxy = ["ansible-galaxy", "collection", "install", "--offline", "-r", "requirements.yml"]
    run(*galaxy, cwd=build, env=image.environment)
    introspect = [sys.executable, "scripts/introspect.py", "introspect", str(image.collections)]
    outputs = ["--user-bindep=bindep.txt", "--write-bindep=bindep.out", "--write-pip=pip.out"]
    run(*introspect, *outputs, cwd=build, env=image.environment)
    assert (build / "pip.out").read_text().split("\n") == [*PYTHON, ""]
    assert (build / "bindep.out").read_text().split("\n") == [
        "openssh-clients  # from collection user",
        "sshpass  # from collection user",
        "",
    ]


def test_the_definition_names_the_versions_that_are_tested_here() -> None:
    dependencies = yaml.safe_load(DEFINITION.read_text())["dependencies"]
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text())
    (collection,) = dependencies["galaxy"]["collections"]
    assert collection == {"name": f"{galaxy['namespace']}.{galaxy['name']}", "version": galaxy["version"]}
    core, runner = (dependencies[part]["package_pip"] for part in ("ansible_core", "ansible_runner"))
    assert runner.replace("~=", "==") + " \\" in (REQUIREMENTS / "common.txt").read_text().splitlines()
    newest = max(REQUIREMENTS.glob("core-*.in"), key=lambda path: [int(part) for part in path.stem[5:].split(".")])
    assert core in newest.read_text().splitlines()
