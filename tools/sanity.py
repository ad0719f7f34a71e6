# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run `ansible-test sanity` on this checkout, without a container engine, and without network access except for pip.

ansible-test needs three things that a clone does not have: a place under ansible_collections in a git repository, a
script that installs pip into its virtual environments (it would download one from the Ansible project's server), and
target Pythons on PATH. All three are created in .cache; the user's home directory is not changed.

Run it with the interpreter of the environment that contains ansible-test; further arguments are passed to ansible-test.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools import collection_tree

TARGET_PYTHONS = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14")

# Replaces get-pip.py: called in a new virtual environment with the wanted packages and options of get-pip.
GET_PIP = """\
import importlib.util
import subprocess
import sys

wanted = [name for name in sys.argv[1:] if name not in ("--no-setuptools", "--no-wheel")]
python = [sys.executable, "-m", "pip"]
if importlib.util.find_spec("ensurepip"):
    subprocess.check_call([sys.executable, "-m", "ensurepip"], stdout=subprocess.DEVNULL)
else:
    python = [{pip_owner!r}, "-m", "pip", "--python", sys.executable]
sys.exit(subprocess.call(python + ["install", "--quiet"] + wanted))
"""


def make_home(home: Path) -> None:
    """Make the home directory of ansible-test: the pip it installs, and the pip settings it would not pass on."""
    spec = importlib.util.find_spec("ansible_test")
    if spec is None or spec.origin is None:
        sys.exit(f"{sys.executable} has no ansible-test: run this with a session of nox, `tools/nox -s sanity-2.21`")
    source = (Path(spec.origin).parent / "_internal" / "python_requirements.py").read_text()
    cache = home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    for version in re.findall(r"\bpip='([\d.]+)'", source):
        script = cache / f"get_pip_{version.replace('.', '_')}.py"
        script.write_text(GET_PIP.format(pip_owner=sys.executable))

    # ansible-test drops every PIP_ variable and does not see the user's pip.conf: an index with a company's certificate
    # would be unreachable.
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], check=False, capture_output=True, text=True
    ).stdout
    settings = dict(re.findall(r"^(?:global|:env:)\.([\w-]+)='(.*)'$", listed, re.MULTILINE))
    settings.setdefault("cache-dir", os.environ.get("PIP_CACHE_DIR", str(collection_tree.ROOT / ".cache" / "pip")))
    settings["quiet"] = "1"
    lines = ["[global]", *(f"{key} = {value}" for key, value in settings.items())]
    configuration = home / ".config" / "pip" / "pip.conf"
    configuration.parent.mkdir(parents=True, exist_ok=True)
    configuration.write_text("\n".join(lines) + "\n")


def link_pythons(folder: Path) -> list[str]:
    """Put the Pythons of this machine into one directory, so that pyenv's shims, which do not run, are never used."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    found = []
    for version in TARGET_PYTHONS:
        run = subprocess.run(
            [collection_tree.ROOT / "tools/find-python", version], check=False, capture_output=True, text=True
        )
        if run.returncode == 0:
            (folder / f"python{version}").symlink_to(run.stdout.strip())
            found.append(version)
    return found


def run_sanity(work: Path, tree: Path) -> int:
    ignore_files = sorted(path.name for path in tree.glob("tests/sanity/ignore*"))
    if ignore_files:
        print(f"ignore files are not allowed: {', '.join(ignore_files)}", file=sys.stderr)
        return 1
    home = work / "home"
    make_home(home)
    link_pythons(work / "pythons")
    path = [str(Path(sys.executable).parent), str(work / "pythons"), os.environ.get("PATH", os.defpath)]
    environment = os.environ | {"HOME": str(home), "PATH": os.pathsep.join(path)}
    for name in ("ANSIBLE_COLLECTIONS_PATH", "ANSIBLE_HOME", "ANSIBLE_CONFIG", "PYTHONPATH"):
        environment.pop(name, None)
    command = [str(Path(sys.executable).with_name("ansible-test")), "sanity", "--color", "no", *sys.argv[1:]]
    return subprocess.run(command, check=False, cwd=tree, env=environment, stdin=subprocess.DEVNULL).returncode


def main() -> int:
    # One for each ansible-core: `make gates` runs several at the same time.
    name = f"sanity-{importlib.metadata.version('ansible-core')}"
    with collection_tree.copied(name) as tree:
        return run_sanity(collection_tree.ROOT / ".cache" / name, tree)


if __name__ == "__main__":
    sys.exit(main())
