# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Show this checkout to Ansible and to Python as ansible_collections/polarismesh/maintenance.

Ansible and Python find a collection only under a folder of that name, and a clone may have any. ``link`` makes a tree
of symbolic links, which always shows the files as they are now; ``copy`` makes a copy of what git tracks or would
track, in a git repository of its own, for the tools that insist on one (ansible-test, ansible-lint).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COLLECTIONS = ROOT / ".cache" / "collections"
NAME = Path("ansible_collections") / "polarismesh" / "maintenance"

# Linked one by one: a link to the whole checkout would hold the tree itself, without end.
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
    """Make or mend the tree of links; return the folder that holds ansible_collections."""
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
    """What git tracks, and what it would track: a gate must see a new file before its first commit."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def copy(collections: Path) -> Path:
    """Make a fresh copy with a git repository of its own; return the folder of the collection in it."""
    tree = collections / NAME
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    for name in git_files():
        target = tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target, follow_symlinks=False)
    # The author's own git settings (hooks, signing, templates) have no say in a repository nobody keeps.
    git = ["git", "-c", "core.hooksPath=/dev/null", "-c", "init.defaultBranch=main"]
    environment = os.environ | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    for arguments in (["init", "--quiet", "--template="], ["add", "--all", "--force"]):
        subprocess.run(git + arguments, cwd=tree, check=True, env=environment)
    return tree


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("how", choices=("link", "copy"))
    parser.add_argument("collections", nargs="?", type=Path, default=COLLECTIONS, help="folder for ansible_collections")
    arguments = parser.parse_args()
    print({"link": link, "copy": copy}[arguments.how](arguments.collections.resolve()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
