# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that restores log levels when the play is gone. Another process plays the part of the play."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ansible_collections.polarismesh.maintenance.plugins.action.polaris_log_window import restored
from ansible_collections.polarismesh.maintenance.plugins.module_utils._options import validated
from ansible_collections.polarismesh.maintenance.plugins.modules.polaris_log_level import SPEC
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils import _watch
from tests.simulator import Fleet


@pytest.fixture
def play() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


def nodes(fleet: Fleet) -> list[tuple[str, dict[str, Any]]]:
    options = {"url": fleet.url, "token": fleet.tokens.owner, "retries": 0}
    task = {**options, "levels": {"naming": "info", "auth": "info"}, "expected": {"naming": "debug", "auth": "debug"}}
    return [("node1", validated(SPEC, task).params)]


def until(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + 60
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def test_it_restores_what_the_window_set_when_the_play_is_gone(fleet: Fleet, play: subprocess.Popen[bytes]) -> None:
    watch = _watch.start(nodes(fleet), play.pid, restored)
    fleet.nodes[0].levels.update(naming="debug", auth="error")
    assert _watch.identity(watch["pid"]) == watch["identity"]
    assert fleet.requests == []
    # (It stays a zombie until its parent has waited for it. A zombie counts as gone.)
    play.kill()
    assert until(lambda: fleet.nodes[0].levels["naming"] == "info")
    assert fleet.nodes[0].levels["auth"] == "error", "somebody else has set it"
    assert until(lambda: _watch.identity(watch["pid"]) is None)


def test_a_released_watch_sends_no_request(fleet: Fleet, play: subprocess.Popen[bytes]) -> None:
    watch = _watch.start(nodes(fleet), play.pid, restored)
    fleet.nodes[0].levels["naming"] = "debug"
    assert _watch.release(watch)
    assert _watch.identity(watch["pid"]) is None
    assert _watch.release(watch), "a second time does no harm"
    assert fleet.requests == []


def test_what_stays_raised_is_named_with_its_old_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_watch, "PAUSE", 0)
    said: list[str] = []
    options = {"url": "http://127.0.0.1:1", "retries": 0, "levels": {"naming": "warn"}}
    _watch.restore([("node1", validated(SPEC, options).params)], restored, said.append)
    assert said[-1].startswith("STILL RAISED on node1: nothing listens at http://127.0.0.1:1")
    assert 'Its levels were: {"naming": "warn"}' in said[-1]
