# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The task that the controller runs with itself."""

from __future__ import annotations

import socket
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest

from ansible_collections.polarismesh.maintenance.plugins.plugin_utils import _warm_up


def test_a_task_runs_from_its_arguments_to_its_result() -> None:
    outcome = _warm_up.warm_up()
    assert outcome is not None
    assert outcome.result == {"changed": False, "levels": {"naming": "info"}, "url": "http://127.0.0.1"}
    assert outcome.warnings == []


def test_a_proxy_of_the_environment_does_not_see_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        outcome = _warm_up.warm_up()
        assert outcome is not None
        assert not outcome.result.get("failed")
        proxy.settimeout(0)
        with pytest.raises(BlockingIOError):
            proxy.accept()


def test_a_worker_does_not_run_it() -> None:
    with ProcessPoolExecutor(1) as pool:
        assert pool.submit(_warm_up.warm_up).result() is None


def test_a_machine_without_a_loopback_interface_only_stays_slower(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: Any, **_more: Any) -> None:
        raise OSError("no such device")

    monkeypatch.setattr(socket, "create_server", refuse)
    assert _warm_up.warm_up() is None
