# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tests as other collections run theirs: with ansible-test, in a checkout below ansible_collections."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

import pytest

from tools.collection_tree import copied

PYTHON = ".".join(platform.python_version_tuple()[:2])

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ansible-test"), pytest.mark.timeout(900)]


def ansible_test(home: Path, *arguments: str) -> str:
    """The output of a successful run. It keeps its files in ``home``."""
    settings = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTEST_"))}
    with copied("ansible-test") as tree:
        done = subprocess.run(
            ["ansible-test", *arguments, "--python", PYTHON],
            cwd=tree,
            env={**settings, "HOME": str(home), "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_all_units_can_be_imported(tmp_path: Path) -> None:
    """Those of modules run without the controller part of ansible-core."""
    output = ansible_test(tmp_path, "units", "--num-workers", "1", "--collect-only")
    assert output.count(" tests collected") == len(("modules", "module_utils", "controller"))


def test_units(tmp_path: Path) -> None:
    units = ("modules/test_polaris_log_level_info.py", "module_utils/test_options.py", "filter/")
    output = ansible_test(tmp_path, "units", "--num-workers", "1", *(f"tests/unit/plugins/{unit}" for unit in units))
    assert output.count(" passed in ") == len(units)


def test_integration(tmp_path: Path) -> None:
    output = ansible_test(tmp_path, "integration", "--local", "polaris_leader_release")
    assert "Running polaris_leader_release integration test role" in output
    assert "failed=0" in output
