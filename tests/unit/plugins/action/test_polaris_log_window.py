# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What debug_window knows of the job on a node, from its answers. A list of answers replaces the node."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.polarismesh.maintenance.plugins.action import polaris_log_window
from ansible_collections.polarismesh.maintenance.plugins.action.polaris_log_window import ActionModule
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils import _watch

PLAN = {"levels": {"naming": "info"}, "set": {"naming": "debug"}, "url": "http://10.0.0.1:8090"}
RUNNING = {"changed": True, "found": True, "restored": False}
LOST = {"failed": True, "msg": "the host could not be reached"}
GONE = {"failed": True, "msg": "it is not running", "error": {"kind": "unsupported"}}


Answer = Callable[[], dict[str, Any]]


class Window:
    """The action on a node that gives these answers, and what it ``recorded`` in the journal."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: Answer) -> None:
        left = list(answers)
        self.action = ActionModule.__new__(ActionModule)
        self.recorded: list[tuple[str, Any]] = []
        monkeypatch.setattr(ActionModule, "_on_node", lambda *dummy: left.pop(0)())
        monkeypatch.setattr(ActionModule, "_raise", lambda *dummy: {"changed": True})
        monkeypatch.setattr(ActionModule, "_is_pipelining_enabled", lambda *dummy: True)
        monkeypatch.setattr(polaris_log_window, "variables_of", lambda *dummy: {})
        monkeypatch.setattr(polaris_log_window, "options_of", lambda *dummy: {})
        monkeypatch.setattr(
            polaris_log_window, "record", lambda dummy, state, plan: self.recorded.append((state, plan))
        )


def started_clock(monkeypatch: pytest.MonkeyPatch, switch: dict[str, Any], *answers: Answer) -> dict[str, Any]:
    """The switch after its clock was started."""
    clock: dict[str, Any] = Window(monkeypatch, *answers).action._start_clock(switch, PLAN, 60, {})["switch"]
    return clock


def test_a_worker_ends_although_the_play_was_killed_before_the_worker_looked() -> None:
    """Its parent is another process then."""
    program = (
        f"import time; from {polaris_log_window.__name__} import end_with_play\n"
        "end_with_play({'polaris_watch': {'play': 1 << 30}}); time.sleep(30)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=20).returncode == 1


def test_a_job_whose_first_answer_was_lost_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be running, and would otherwise neither be stopped with the window nor get its end."""
    window = Window(monkeypatch, lambda: {"ansible_job_id": "j1"}, lambda: LOST, lambda: RUNNING)
    switch = window.action._set_switch("5d41", PLAN, 60, {})
    assert (switch["name"], switch["missing"]) == ("5d41", LOST["msg"])
    clock = window.action._start_clock(switch, PLAN, 60, {})["switch"]
    assert "missing" not in clock
    # The journal said that no job restores the levels.
    assert window.recorded == [("raised", PLAN)]


def test_a_job_that_is_not_running_has_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    window = Window(monkeypatch, lambda: {"ansible_job_id": "j1"}, lambda: GONE)
    assert "name" not in window.action._set_switch("5d41", PLAN, 60, {})


def test_it_ends_by_the_clock_of_the_node_which_started_before_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    moments: list[float] = []

    def answer() -> dict[str, Any]:
        moments.append(time.monotonic())
        return RUNNING

    clock = started_clock(monkeypatch, {"name": "5d41", "until": "", "ends": 0}, answer)
    assert clock["ends"] <= moments[0] + 60


def test_a_lost_answer_does_not_matter_once_there_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    switch = {"name": "5d41", "until": "early", "ends": 900}
    lost = started_clock(monkeypatch, switch, lambda: LOST)
    assert (lost["missing"], lost["ends"], lost["until"]) == (LOST["msg"], 900, "early")
    assert "missing" not in started_clock(monkeypatch, lost, lambda: RUNNING)


def test_a_job_that_is_gone_and_not_replaced_has_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = started_clock(monkeypatch, {"name": "5d41", "until": "early", "ends": 900}, lambda: GONE, lambda: LOST)
    assert clock["missing"] == LOST["msg"]
    assert not {"until", "ends"} & clock.keys()


@pytest.mark.parametrize(("time_known", "end"), [({"until": "late"}, "by itself at late."), ({}, "by itself.")])
def test_a_job_that_cannot_be_stopped_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, time_known: dict[str, str], end: str
) -> None:
    """After the first job on the node was gone, it may be unknown whether the next one runs, and until when."""
    action = ActionModule.__new__(ActionModule)
    monkeypatch.setattr(action, "_task", SimpleNamespace(check_mode=False), raising=False)
    monkeypatch.setattr(ActionModule, "_on_node", lambda *dummy: LOST)
    monkeypatch.setattr(polaris_log_window, "recorded", lambda *dummy: _watch.Entry("raised", PLAN))
    monkeypatch.setattr(polaris_log_window, "record", lambda *dummy: None)
    monkeypatch.setattr(polaris_log_window, "perform_action", lambda *dummy: {"changed": True})
    raised = {"switch": {"name": "5d41", "missing": LOST["msg"], **time_known}}
    result = action._restore({}, {"inventory_hostname": "a", "polaris_raised": raised})
    assert result["changed"]
    (warning,) = result["warnings"]
    assert warning.endswith(f"could not be stopped ({LOST['msg']}). It ends {end}")
