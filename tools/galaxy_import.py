# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let galaxy-importer judge the archive in dist/, and fail on its warnings too, which it only logs.

ansible-test is left to `make sanity`: the importer would run it in a container.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools import collection_tree


def main() -> int:
    archives = sorted((collection_tree.ROOT / "dist").glob("*.tar.gz"))
    if not archives:
        sys.exit("dist/ holds no archive: run `make build` first")
    with tempfile.TemporaryDirectory() as folder:
        settings = {"GALAXY_IMPORTER_RUN_ANSIBLE_TEST": "false", "GALAXY_IMPORTER_TMP_ROOT_DIR": folder}
        # It writes importer_result.json to where it runs.
        done = subprocess.run(
            [sys.executable, "-m", "galaxy_importer.main", str(archives[-1])],
            check=False,
            cwd=folder,
            env=os.environ | settings,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    findings = [line for line in done.stdout.splitlines() if line.startswith(("WARNING", "ERROR", "CRITICAL"))]
    if done.returncode != 0 or findings:
        print(done.stdout, file=sys.stderr)
        return 1
    print("galaxy-importer: fine")
    return 0


if __name__ == "__main__":
    sys.exit(main())
