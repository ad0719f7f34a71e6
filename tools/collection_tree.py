# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make this checkout visible to Ansible and Python as ansible_collections/polarismesh/maintenance.

Ansible and Python find a collection only under that path, but a clone may have any name. ``link`` makes a tree of
symbolic links, which always shows the current files; ``copy`` copies what git tracks or would track into a separate git
repository, for tools that require one (ansible-test, ansible-lint).
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COLLECTIONS = ROOT / ".cache" / "collections"
NAME = Path("ansible_collections") / "polarismesh" / "maintenance"

# Linked one by one: a link to the whole checkout would contain the tree itself, recursively.
LINKED = (
    "CHANGELOG.md",
    "CHANGELOG.rst",
    "README.md",
    "changelogs",
    "docs",
    "extensions",
    "galaxy.yml",
    "meta",
    "playbooks",
    "plugins",
    "roles",
    "tests",
)


def link(collections: Path = COLLECTIONS) -> Path:
    """Make or fix the tree of links; return the directory that contains ansible_collections."""
    tree = collections / NAME
    tree.mkdir(parents=True, exist_ok=True)
    for name in LINKED:
        source, place = ROOT / name, tree / name
        if place.is_symlink() and (not source.exists() or place.readlink() != source):
            place.unlink(missing_ok=True)
        if source.exists() and not place.is_symlink():
            with contextlib.suppress(FileExistsError):  # another process, such as a pytest-xdist worker, was faster
                place.symlink_to(source)
    return collections


def git_files() -> list[str]:
    """The files that git tracks or would track: a gate must see a new file before its first commit."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


@contextlib.contextmanager
def copied(name: str) -> Iterator[Path]:
    """Make a fresh copy with its own git repository, for one process at a time; yield the collection in it."""
    tree = ROOT / ".cache" / name / NAME
    tree.parent.mkdir(parents=True, exist_ok=True)
    with (ROOT / ".cache" / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.rmtree(tree, ignore_errors=True)
        for file in git_files():
            target = tree / file
            target.parent.mkdir(parents=True, exist_ok=True)
            # Several people may work in one clone: ignore files that have disappeared in the meantime.
            with contextlib.suppress(FileNotFoundError):
                shutil.copy2(ROOT / file, target, follow_symlinks=False)
        # Ignore the author's own git settings (hooks, signing, templates) in this temporary repository.
        git = ["git", "-c", "core.hooksPath=/dev/null", "-c", "init.defaultBranch=main"]
        environment = os.environ | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        for arguments in (["init", "--quiet", "--template="], ["add", "--all", "--force"]):
            subprocess.run(git + arguments, cwd=tree, check=True, env=environment)
        yield tree


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="how", required=True)
    commands.add_parser("link", help="make or fix the tree of links in .cache/collections")
    run = commands.add_parser("copy", help="run a command in a fresh copy")
    run.add_argument("name", help="directory in .cache for the copy")
    run.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    if arguments.how == "link":
        link()
        return 0
    with copied(arguments.name) as tree:
        environment = os.environ | {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache" / arguments.name)}
        return subprocess.run(arguments.command, check=False, cwd=tree, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
