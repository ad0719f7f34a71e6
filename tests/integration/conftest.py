# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks, and the collection as built and installed."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.awx.jobs import ExecutionNode
from tests.support import PlaybookRun, run_playbook
from tools import collection_tree


@pytest.fixture
def playbook(tmp_path: Path) -> Callable[..., PlaybookRun]:
    """tests.support.run_playbook in the test's own directory."""
    return functools.partial(run_playbook, tmp_path)


@contextlib.contextmanager
def shared(tmp_path_factory: pytest.TempPathFactory, name: str) -> Iterator[Path]:
    """A temporary directory that all processes of a run share, for one of them at a time."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The collection as it is built for Galaxy."""
    with shared(tmp_path_factory, "archive") as folder:
        if not list(folder.glob("*.tar.gz")):
            command = ["ansible-galaxy", "collection", "build", "--output-path", str(folder)]
            subprocess.run(command, cwd=collection_tree.ROOT, check=True, capture_output=True)
        (found,) = folder.glob("*.tar.gz")
    return found


@pytest.fixture(scope="session")
def execution_node(tmp_path_factory: pytest.TempPathFactory, archive: Path) -> ExecutionNode:
    """A home directory with the collection installed from its archive, without links to this checkout."""
    with shared(tmp_path_factory, "execution-node") as home:
        node = ExecutionNode(home)
        if not node.collections.exists():
            command = ["ansible-galaxy", "collection", "install", "--offline", str(archive)]
            subprocess.run(command, env=node.environment, check=True, capture_output=True)
    return node
