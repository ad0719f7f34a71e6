# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# /// script
# dependencies = ["nox>=2025.02.09", "antsibull-nox"]
# ///
"""Sessions of nox: `make` calls them in a clone, the workflows in .github/ call them in the continuous integration.

antsibull-nox.toml adds the sessions that every collection has. Those with "ansible-test" in their names need a
container engine. This file has the other sessions of this collection, and the same checks without a container.
"""

from __future__ import annotations

import os
from pathlib import Path

import antsibull_nox
import nox

# Each supported ansible-core, on one of the Pythons it runs on as a controller.
CORES = {"2.16": "3.11", "2.17": "3.12", "2.18": "3.13", "2.19": "3.11", "2.20": "3.12", "2.21": "3.13"}
NEWEST = "2.21"
COLLECTIONS = Path(".cache", "collections").resolve()
TREE = COLLECTIONS / "ansible_collections" / "polarismesh" / "maintenance"

nox.options.reuse_venv = "yes"
nox.options.download_python = "never"
antsibull_nox.load_antsibull_nox_toml()


def install(session: nox.Session, *names: str) -> None:
    """Install what tools/requirements/NAME.txt lists, to the hash."""
    files = [argument for name in names for argument in ("-r", f"tools/requirements/{name}.txt")]
    session.install("--require-hashes", *files)


@nox.session
def style(session: nox.Session) -> None:
    """Format all Python, and fix what ruff can fix; in the continuous integration, only check."""
    install(session, "lint")
    check = os.environ.get("CI") == "true"
    session.run("ruff", "format", *(["--check"] if check else []), ".")
    session.run("ruff", "check", *([] if check else ["--fix"]), ".", *session.posargs)


@nox.session
def typing(session: nox.Session) -> None:
    """Check the types of all Python (mypy --strict)."""
    install(session, "common", f"core-{NEWEST}", "typing")
    session.run("python", "tools/collection_tree.py", "link")
    session.run("mypy", f"{TREE}/plugins", "tests", "tools", *session.posargs)


@nox.session
def changelog(session: nox.Session) -> None:
    """Check the changelog and its fragments (antsibull-changelog); `-- release` makes the changelog of a release."""
    install(session, "release")
    session.run("python", "tools/collection_tree.py", "link")
    # It calls ansible-doc for the lists of new modules and playbooks, and finds the collection by this variable.
    environment = {"ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS)}
    session.run("antsibull-changelog", *(session.posargs or ["lint"]), env=environment)


@nox.session
def package(session: nox.Session) -> None:
    """Build the collection, check the archive, install it, and list its plugins and playbooks."""
    install(session, "galaxy")
    session.run("python", "tools/build.py", *session.posargs)


@nox.session(default=False)
def release(session: nox.Session) -> None:
    """Write checksums, bill of materials and notes for the archive in dist/: `-- 1.0.0`."""
    install(session, "release")
    session.run("python", "tools/release.py", *session.posargs)


@nox.session(default=False)
def docs(session: nox.Session) -> None:
    """Build the documentation site into dist/docs."""
    install(session, "docs")
    session.run("python", "tools/docs.py", *session.posargs)


@nox.session(default=False)
def eda(session: nox.Session) -> None:
    """Test the rulebooks with a real ansible-rulebook, if the machine has Java 17 or newer."""
    install(session, "common", f"core-{NEWEST}", "eda")
    session.run("python", "-m", "pytest", "tests/eda", *session.posargs)


@nox.session(default=False, python=False)
def lock(session: nox.Session) -> None:
    """Write tools/requirements/*.txt from the *.in files; `-- --upgrade` takes the newest versions."""
    session.run("python", "tools/lock.py", *session.posargs)


def add_core(core: str, python: str) -> None:
    """Add the sessions for one ansible-core."""

    @nox.session(name=f"core-{core}", python=python, default=False)
    def tests(session: nox.Session) -> None:
        install(session, "common", f"core-{core}")
        session.run("python", "-m", "pytest", *session.posargs)

    @nox.session(name=f"sanity-{core}", python=python, default=False)
    def sanity(session: nox.Session) -> None:
        install(session, "common", f"core-{core}")
        session.run("python", "tools/sanity.py", *session.posargs)

    tests.__doc__ = f"Run pytest with ansible-core {core} on Python {python}; arguments after -- go to pytest"
    sanity.__doc__ = f"Run ansible-test sanity with ansible-core {core}, without a container engine"


for core, python in CORES.items():
    add_core(core, python)

if __name__ == "__main__":
    nox.main()
