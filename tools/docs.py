# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the documentation site into dist/docs/html: plugins, guides and runbooks, with antsibull-docs and sphinx.

Fails on warnings, except those about other projects' sites whose reference lists cannot be downloaded.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools import collection_tree

ROOT = collection_tree.ROOT
SITE = ROOT / "dist" / "docs"
FOREIGN = re.compile(
    r"failed to reach any of the inventories|intersphinx|with the following issues|inventory .* not fetchable"
    r"|undefined label: '?ansible_collections\.ansible\.|undefined label: '?(?!ansible_collections)"
    r"|'envvar' reference target not found: ANSIBLE_"
)
# What antsibull-docs does not set: the language of the Chinese pages, by which browsers choose fonts and offer to
# translate; and names of modules that are wider than the sidebar.
CONFIGURATION = """

def page(app, pagename, templatename, context, doctree):
    if pagename.startswith("docsite/zh/"):
        context["language"] = "zh-CN"
    context.setdefault("metatags", "")
    context["metatags"] += "<style>.wy-menu-vertical a { overflow-wrap: anywhere; }</style>"


def setup(app):
    app.connect("html-page-context", page)
"""


def run(*command: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "ANSIBLE_COLLECTIONS_PATH": str(collection_tree.link()),
        "ANSIBLE_HOME": str(ROOT / ".cache" / "ansible"),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
    }
    return subprocess.run(command, check=False, cwd=cwd, env=environment, capture_output=True, text=True)


def main() -> int:
    shutil.rmtree(SITE, ignore_errors=True)
    SITE.mkdir(parents=True)
    prepared = run(
        *("antsibull-docs", "sphinx-init", "--use-current", "--dest-dir", str(SITE), "--squash-hierarchy"),
        *("--project", "polarismesh.maintenance", "--title", "polarismesh.maintenance"),
        *("--copyright", "PolarisMesh Maintenance contributors", "polarismesh.maintenance"),
    )
    written = run(
        *("antsibull-docs", "collection", "--use-current", "--squash-hierarchy", "--fail-on-error"),
        *("--dest-dir", str(SITE / "rst"), "polarismesh.maintenance"),
    )
    for step in (prepared, written):
        if step.returncode != 0:
            print(step.stdout + step.stderr, file=sys.stderr)
            return 1
    with (SITE / "conf.py").open("a") as configuration:
        configuration.write(CONFIGURATION)
    pictures = ROOT / "docs" / "images"
    if pictures.exists():
        shutil.copytree(pictures, SITE / "html" / "images")
    built = run("sphinx-build", "-q", "-b", "html", "-c", ".", "rst", "html", cwd=SITE)
    lines = (prepared.stderr + written.stderr + built.stderr).splitlines()
    warnings = [line for line in lines if re.search("WARNING|ERROR|CRITICAL", line) and not FOREIGN.search(line)]
    for warning in warnings:
        print(warning, file=sys.stderr)
    if built.returncode != 0 or warnings:
        print("\n".join(lines[-20:]) if built.returncode else "", file=sys.stderr)
        return 1
    print(f"documentation: {(SITE / 'html' / 'index.html').relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
