# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write tools/requirements/*.txt: exact versions and hashes for each environment, for all platforms and Pythons.

A file that has others as constraints ("-c common.txt") is installed together with them, and contains only what it adds.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "tools" / "requirements"
# Environments that need a Python newer than 3.11, because they contain ansible-core 2.20 or 2.21.
NEWER_PYTHON = ("core-2.20", "core-2.21", "ansible-lint", "docs", "eda", "galaxy", "release")
HEADER = "# Written by `make lock`: change the file {source}, not this one.\n"


def pip_index() -> dict[str, str]:
    """The index that pip is configured to use: uv does not read the settings of pip."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"], check=False, capture_output=True, text=True
    )
    index = os.environ.get("PIP_INDEX_URL") or listed.stdout.strip()
    return {"UV_DEFAULT_INDEX": index} if index else {}


def blocks(text: str) -> list[str]:
    """Split a requirements file into its requirements, each with its hashes."""
    joined = text.replace("\\\n", "\0")
    return [line.replace("\0", "\\\n") for line in joined.splitlines() if line and not line.startswith("#")]


def lock(name: str, *, upgrade: bool) -> None:
    source, target = REQUIREMENTS / f"{name}.in", REQUIREMENTS / f"{name}.txt"
    constraints = [line.split()[1] for line in source.read_text().splitlines() if line.startswith("-c ")]
    present = {block.split()[0] for other in constraints for block in blocks((REQUIREMENTS / other).read_text())}
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "locked.txt"
        if target.exists() and not upgrade:
            output.write_text(target.read_text())
        subprocess.run(
            [
                *(
                    "uv",
                    "pip",
                    "compile",
                    "--quiet",
                    "--universal",
                    "--generate-hashes",
                    "--no-header",
                    "--no-annotate",
                ),
                *("--python-version", "3.12" if name in NEWER_PYTHON else "3.11"),
                *("--output-file", str(output), str(source)),
            ],
            check=True,
            cwd=REQUIREMENTS,
            env=os.environ | pip_index(),
            stdout=subprocess.DEVNULL,
        )
        kept = [block for block in blocks(output.read_text()) if block.split()[0] not in present]
    target.write_text(HEADER.format(source=source.name) + "\n".join(kept) + "\n")
    print(f"{target.relative_to(ROOT)}: {len(kept)} packages")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions, not only what is missing")
    upgrade = parser.parse_args().upgrade
    names = {source.stem for source in REQUIREMENTS.glob("*.in")}
    # In the order in which they constrain each other.
    for name in sorted(names, key=lambda name: (name != "common", not name.startswith("core-"), name)):
        lock(name, upgrade=upgrade)
    return 0


if __name__ == "__main__":
    sys.exit(main())
