# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let plain `pytest` find this checkout as ansible_collections.polarismesh.maintenance, from any folder name."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

# `ansible-test units` ignores pyproject.toml, and itself shows the checkout to Python and to Ansible.
ANSIBLE_TEST = "ANSIBLE_CONTROLLER_MIN_PYTHON_VERSION" in os.environ
ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))

from tests import forks  # noqa: E402
from tests.simulator import Fleet  # noqa: E402
from tools import collection_tree  # noqa: E402

COLLECTIONS = ROOT.parents[2] if ANSIBLE_TEST else collection_tree.link()
CACHE = ROOT / ".cache"

# For the tests' own imports ...
if not ANSIBLE_TEST and str(COLLECTIONS) not in sys.path:
    sys.path.insert(0, str(COLLECTIONS))
importlib.invalidate_caches()

from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import Client, Settings  # noqa: E402

# ... and for the ansible-playbook processes they start: this checkout alone, whatever the user has installed.
os.environ["ANSIBLE_COLLECTIONS_PATH"] = str(COLLECTIONS)
os.environ["ANSIBLE_COLLECTIONS_SCAN_SYS_PATH"] = "false"
os.environ["ANSIBLE_HOME"] = str(CACHE / "ansible")
os.environ["ANSIBLE_REMOTE_TEMP"] = str(CACHE / "ansible" / "tmp")
# (Ansible looks for a job's state in the home folder that the password file names, the job writes it to $HOME.)
os.environ["ANSIBLE_ASYNC_DIR"] = str(CACHE / "ansible" / "async")
# The user's own configuration has no say in a test. (Ansible wants a file of this name: os.devnull is refused.)
CACHE.mkdir(exist_ok=True)
(CACHE / "ansible.cfg").touch()
os.environ["ANSIBLE_CONFIG"] = str(CACHE / "ansible.cfg")
# `pytest` may be called by its full path, with no environment activated: its neighbours are the ones to run.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
# A terminal's colours and a proxy's detour are not what is tested; the simulated fleet lives on loopback.
os.environ["ANSIBLE_NOCOLOR"] = "1"
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"

# How fast the machine is must not decide about a property.
hypothesis.settings.register_profile(
    "any speed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
hypothesis.settings.load_profile("any speed")

# --- fixtures -------------------------------------------------------------------------------------------------------


@pytest.fixture
def make_fleet() -> Iterator[Callable[..., Fleet]]:
    """Start simulated fleets with the options of tests.simulator.Fleet; all are stopped at the end of the test."""
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(Fleet(**options))


@pytest.fixture
def fleet(make_fleet: Callable[..., Fleet]) -> Fleet:
    """One simulated node, v1.18.1, with authentication as shipped."""
    return make_fleet(nodes=1)


@pytest.fixture
def make_client() -> Iterator[Callable[..., Client]]:
    """Clients: make_client(url or node, token=..., timeout=..., ...)."""
    with contextlib.ExitStack() as stack:

        def make(target: Any, **options: Any) -> Client:
            url = target if isinstance(target, str) else target.url
            client = Client(Settings(url=url, **{"timeout": 10.0, "retries": 0, **options}))
            stack.callback(client.close)
            return client

        yield make


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--real", action="store_true", help="let the contract tests meet the server that POLARIS_URL names"
    )


MARKERS = (
    "slow: left to `make test-all`; `make test` has the same guarantee from a shorter test, or from fewer cases",
    "core: touches ansible-core; `make test-matrix` runs it under each supported version",
    "real: meets a real Polaris server (POLARIS_URL and POLARIS_TOKEN, or POLARIS_SERVER_BIN)",
)


def pytest_configure(config: pytest.Config) -> None:
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    # An operator's shell may well name a production server: no test meets it unless asked to.
    if not config.getoption("--real"):
        for name in ("POLARIS_URL", "POLARIS_TOKEN", "POLARIS_USERNAME", "POLARIS_PASSWORD", "POLARIS_OWNER"):
            os.environ.pop(name, None)


def pytest_sessionfinish() -> None:
    forks.close()
