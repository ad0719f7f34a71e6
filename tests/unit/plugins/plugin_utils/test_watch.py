# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that restores log levels when the play is gone. Another process plays the part of the play."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.polarismesh.maintenance.plugins.action.polaris_log_window import restore_one
from ansible_collections.polarismesh.maintenance.plugins.module_utils._options import validated
from ansible_collections.polarismesh.maintenance.plugins.modules.polaris_log_level import SPEC
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils import _watch
from tests.simulator import Fleet


@pytest.fixture
def play() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


PLAN: dict[str, Any] = {
    "url": "",
    "levels": {"naming": "info", "auth": "info"},
    "set": {"naming": "debug", "auth": "debug"},
}


def accounts(url: str, token: str = "") -> dict[str, dict[str, Any]]:
    options = {"url": url, "token": token, "retries": 0, "levels": {}}
    return {name: validated(SPEC, options).params for name in ("node1", "node2")}


@pytest.fixture
def watch(fleet: Fleet, play: subprocess.Popen[bytes], tmp_path: Path) -> dict[str, Any]:
    """A process that watches over two nodes, which are one server here."""
    return _watch.start(accounts(fleet.url, fleet.tokens.owner), play.pid, restore_one, str(tmp_path / "journal"))


def until(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + 60
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def test_a_process_that_ends_while_it_is_looked_at_is_gone() -> None:
    """Its file in /proc can be opened then, but no longer read."""
    for _process in range(20):
        with subprocess.Popen(["sleep", "600"]) as process:
            began = _watch.identity(process.pid)
            killer = threading.Timer(0.01, process.kill)
            killer.start()
            reaper = threading.Thread(target=process.wait)
            reaper.start()
            while (now := _watch.identity(process.pid)) is not None:
                assert now == began
            reaper.join()


def test_it_restores_what_the_window_set_when_the_play_is_gone(
    fleet: Fleet, play: subprocess.Popen[bytes], watch: dict[str, Any]
) -> None:
    _watch.record(watch["journal"], "node1", "raising", PLAN)
    _watch.record(watch["journal"], "node1", "raised", PLAN)
    fleet.nodes[0].levels.update(naming="debug", auth="error")
    assert _watch.identity(watch["pid"]) == watch["identity"]
    assert fleet.requests == []
    # A zombie, which it is until its parent has waited for it, counts as gone.
    play.kill()
    assert until(lambda: fleet.nodes[0].levels["naming"] == "info")
    assert fleet.nodes[0].levels["auth"] == "error", "somebody else has set it"
    assert until(lambda: _watch.identity(watch["pid"]) is None)


def test_it_leaves_alone_what_the_play_has_not_raised_or_has_restored(
    fleet: Fleet, play: subprocess.Popen[bytes], watch: dict[str, Any]
) -> None:
    """And a task that comes late cannot raise a node any more."""
    _watch.record(watch["journal"], "node1", "raised", PLAN)
    _watch.record(watch["journal"], "node1", "restored", PLAN)
    fleet.nodes[0].levels.update(PLAN["set"])
    play.kill()
    assert until(lambda: _watch.identity(watch["pid"]) is None)
    assert fleet.requests == []
    with pytest.raises(FileNotFoundError):
        _watch.record(watch["journal"], "node2", "raising", PLAN)


def test_a_released_watch_sends_no_request(fleet: Fleet, watch: dict[str, Any]) -> None:
    _watch.record(watch["journal"], "node1", "raised", PLAN)
    fleet.nodes[0].levels["naming"] = "debug"
    assert _watch.release(watch)
    assert _watch.identity(watch["pid"]) is None
    assert _watch.release(watch), "a second time does no harm"
    assert fleet.requests == []
    assert not Path(watch["journal"]).exists()


def test_an_entry_that_was_cut_short_hides_no_other(tmp_path: Path) -> None:
    """As by a full disk."""
    journal = tmp_path / "journal"
    journal.write_text('\n["node1", "rai')
    _watch.record(str(journal), "node2", "raising", PLAN)
    _watch.record(str(journal), "node2", "raised", PLAN)
    assert _watch.read(str(journal)) == {"node2": _watch.Entry("raised", PLAN)}


def said_of(
    journal: _watch.Journal, monkeypatch: pytest.MonkeyPatch, url: str = "http://127.0.0.1:1", token: str = ""
) -> list[str]:
    monkeypatch.setattr(_watch, "PAUSE", 0)
    said: list[str] = []
    _watch.restore(journal, accounts(url, token), restore_one, said.append)
    return said


def test_what_stays_raised_is_named_with_its_old_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    said = said_of({"node1": _watch.Entry("raised", PLAN)}, monkeypatch)
    assert said[-1].startswith("STILL RAISED on node1: nothing listens at http://127.0.0.1:1")
    assert 'Its levels were: {"naming": "info", "auth": "info"}' in said[-1]


def test_a_change_that_its_server_makes_late_is_restored_again(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """The play ended before the server had answered the change. The node is named in any case."""
    node = fleet.nodes[0]
    monkeypatch.setattr(_watch, "LATE", (1.0, 2.0, 3.0))
    late = threading.Timer(1.5, lambda: node.levels.update(naming="debug"))
    late.start()
    said = said_of({"node1": _watch.Entry("raising", PLAN)}, monkeypatch, fleet.url, fleet.tokens.owner)
    late.join()
    assert node.levels["naming"] == "info"
    assert said[-1].startswith("MAY BE RAISED on node1: the play ended while its server had not answered a change")
    assert '{"naming": "info", "auth": "info"}' in said[-1]


def test_a_node_that_restores_itself_is_only_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its URL may lead to another server from here. A node that is done is not mentioned."""
    journal = {name: _watch.Entry("raised", PLAN) for name in ("ssh1", "ssh2")}
    journal["ssh2"] = _watch.Entry("restored", PLAN)
    (line,) = said_of(journal, monkeypatch)
    assert line.startswith(
        "The play ended early. On ssh1, a job there restores the log levels at the end of the window"
    )


def test_a_node_without_a_job_is_not_said_to_restore_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """The play may be killed before it warns that the job did not start."""
    plan = {**PLAN, "missing": "no pipelining."}
    journal = {"ssh1": _watch.Entry("raising", plan), "ssh2": _watch.Entry("raised", plan)}
    assert [line.partition(" Its levels were: ")[0] for line in said_of(journal, monkeypatch)] == [
        "The play ended early. MAY BE RAISED on ssh1: no job restores it (no pipelining).",
        "The play ended early. STILL RAISED on ssh2: no job restores it (no pipelining).",
    ]
