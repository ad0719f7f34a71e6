# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets plain `pytest` find this checkout as ansible_collections.polarismesh.maintenance, whatever its directory."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

# `ansible-test units` ignores pyproject.toml, and makes the checkout visible to Python and Ansible itself.
ANSIBLE_TEST = "ANSIBLE_CONTROLLER_MIN_PYTHON_VERSION" in os.environ
ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))

from tests import forks  # noqa: E402
from tests.clients import Clients  # noqa: E402
from tests.simulator import Fleet  # noqa: E402
from tools import collection_tree  # noqa: E402

COLLECTIONS = ROOT.parents[2] if ANSIBLE_TEST else collection_tree.link()
CACHE = ROOT / ".cache"

# For the tests' own imports ...
if not ANSIBLE_TEST and str(COLLECTIONS) not in sys.path:
    sys.path.insert(0, str(COLLECTIONS))
importlib.invalidate_caches()

from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import Client, Settings  # noqa: E402

# ... and for the ansible-playbook processes that they start: only this checkout, whatever the user has installed.
os.environ["ANSIBLE_COLLECTIONS_PATH"] = str(COLLECTIONS)
os.environ["ANSIBLE_COLLECTIONS_SCAN_SYS_PATH"] = "false"
os.environ["ANSIBLE_HOME"] = str(CACHE / "ansible")
os.environ["ANSIBLE_REMOTE_TEMP"] = str(CACHE / "ansible" / "tmp")
# Ansible looks for a job's state in the home directory of the password file; the job writes it to $HOME.
os.environ["ANSIBLE_ASYNC_DIR"] = str(CACHE / "ansible" / "async")
# Tests ignore the user's own configuration. (Ansible requires a file of this name: it refuses os.devnull.)
(CACHE / "code").mkdir(parents=True, exist_ok=True)
(CACHE / "ansible.cfg").touch()
os.environ["ANSIBLE_CONFIG"] = str(CACHE / "ansible.cfg")
# `pytest` may be called by its full path without an activated environment: use the programs next to it.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
# Tests use neither a terminal's colours nor a proxy; the simulated fleet is on loopback.
os.environ["ANSIBLE_NOCOLOR"] = "1"
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"

# A shell's background job ignores Ctrl-C, and so would each process that it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The speed of the machine must not decide whether a property holds.
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
    """One simulated node, v1.18.1, with the default authentication."""
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


@pytest.fixture
def clients() -> Iterator[Clients]:
    with Clients() as opened:
        yield opened


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--real", action="store_true", help="run the contract tests against the server that POLARIS_URL names"
    )


MARKERS = (
    "slow: only in `make test-all`; `make test` checks the same guarantee with a shorter test or fewer cases",
    "sample: `make test` runs the test with the first of its parameters, `make test-all` with all",
    "core: depends on ansible-core; `make test-matrix` runs it with each supported version",
    "real: uses a real Polaris server (POLARIS_URL and POLARIS_TOKEN, or POLARIS_SERVER_BIN)",
)


def pytest_configure(config: pytest.Config) -> None:
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    # An operator's shell may name a production server: no test uses it without --real.
    if not config.getoption("--real"):
        for name in ("POLARIS_URL", "POLARIS_TOKEN", "POLARIS_USERNAME", "POLARIS_PASSWORD", "POLARIS_OWNER"):
            os.environ.pop(name, None)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    seen: set[str] = set()
    for item in items:
        if item.get_closest_marker("sample"):
            test = item.nodeid.partition("[")[0]
            if test in seen:
                item.add_marker(pytest.mark.slow)
            seen.add(test)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    # Without its group, a module's tests run on all workers, and each builds the fixture that takes minutes.
    grouped = getattr(session.config.option, "loadgroup", False)
    for item in session.items if grouped else []:
        if item.get_closest_marker("xdist_group"):
            assert "@" in item.nodeid, "This pytest-xdist does not keep the tests of a group together."


def pytest_sessionfinish() -> None:
    forks.close()
