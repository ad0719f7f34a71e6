# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the collection into dist/, and check that an operator would install what was intended.

The archive must contain every plugin, playbook and document that git knows, and no test, cache or tool. Installed into
an empty directory, it must show each plugin's documentation and accept a playbook's name.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path, PurePosixPath

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools import collection_tree

ROOT = collection_tree.ROOT
DIST = ROOT / "dist"
COLLECTION = "polarismesh.maintenance"

SHIPPED_FOLDERS = ("LICENSES", "docs", "extensions", "meta", "playbooks", "plugins", "roles")
SHIPPED_FILES = (
    ".ansible-lint",
    "CHANGELOG.rst",
    "COPYING",
    "FILES.json",
    "MANIFEST.json",
    "README.md",
    "README.zh-CN.md",
    "changelogs/changelog.yaml",
    "changelogs/config.yaml",
    "execution-environment.yml",
    "requirements.txt",
)
DOCUMENTED = {
    "modules": "module",
    "inventory": "inventory",
    "filter": "filter",
    "test": "test",
    "lookup": "lookup",
    "callback": "callback",
}


def is_wanted(name: str) -> bool:
    parts = PurePosixPath(name).parts
    if name in SHIPPED_FILES:
        return True
    if any(part.startswith(".") or part == "__pycache__" for part in parts) or name.endswith((".pyc", "~", ".swp")):
        return False
    return parts[0] in SHIPPED_FOLDERS and len(parts) > 1 and parts[:2] != ("docs", "images")


def content_problems(archive: Path) -> list[str]:
    """The files that should not be in the archive, and those that are missing."""
    with tarfile.open(archive) as tar:
        names = {member.name for member in tar if not member.isdir()}
    extra = sorted(name for name in names if not is_wanted(name))
    missing = sorted(name for name in collection_tree.git_files() if is_wanted(name) and name not in names)
    return [f"not wanted in the archive: {name}" for name in extra] + [
        f"missing in the archive: {name}" for name in missing
    ]


def plugin_names(folder: Path) -> set[str]:
    """The plugins of a directory: by their sidecar documentation if one file has several, else by file name."""
    files = {path for path in folder.glob("*.py") if path.name != "__init__.py"}
    sidecars = {path.stem for pattern in ("*.yml", "*.yaml") for path in folder.glob(pattern)}
    return sidecars or {path.stem for path in files}


class CommandError(Exception):
    """A command of Ansible failed."""


def run(*command: str, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        command, check=False, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise CommandError(f"`{' '.join(command)}` failed:\n{done.stdout}{done.stderr}".rstrip())
    return done.stdout


def install_problems(archive: Path) -> list[str]:
    """Install the archive as an operator does, into an empty directory, and check what Ansible finds there."""
    problems = []
    with tempfile.TemporaryDirectory() as folder:
        collections = Path(folder).resolve() / "collections"
        home = {"ANSIBLE_HOME": f"{folder}/ansible", "ANSIBLE_COLLECTIONS_PATH": str(collections)}
        environment = os.environ | home | {"ANSIBLE_COLLECTIONS_SCAN_SYS_PATH": "false"}
        run(
            *("ansible-galaxy", "collection", "install", "--offline", "-p", str(collections), str(archive)),
            environment=environment,
        )
        for directory, kind in DOCUMENTED.items():
            expected = {f"{COLLECTION}.{name}" for name in plugin_names(ROOT / "plugins" / directory)}
            if not expected:
                continue
            listed = json.loads(run("ansible-doc", "-t", kind, "--list", "--json", COLLECTION, environment=environment))
            problems += [f"installed, ansible-doc does not list {name}" for name in sorted(expected - listed.keys())]
            run("ansible-doc", "-t", kind, "--json", *sorted(expected & listed.keys()), environment=environment)
        playbooks = sorted(f"{COLLECTION}.{playbook.stem}" for playbook in (ROOT / "playbooks").glob("*.yml"))
        run("ansible-playbook", "--syntax-check", "-i", "localhost,", *playbooks, environment=environment)
    return problems


def main() -> int:
    for old in DIST.glob("*.tar.gz"):
        old.unlink()
    run("ansible-galaxy", "collection", "build", "--force", "--output-path", str(DIST))
    (archive,) = DIST.glob("*.tar.gz")
    problems = content_problems(archive)
    try:
        problems += install_problems(archive)
    except CommandError as error:
        problems.append(str(error))
    for problem in problems:
        print(problem, file=sys.stderr)
    if not problems:
        print(f"built, installed and listed: {archive.relative_to(ROOT)}, {archive.stat().st_size // 1024} KiB")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
