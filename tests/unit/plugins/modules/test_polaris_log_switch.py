# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The switch on a node: what it restores and when, and whose messages it accepts."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import Client
from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import PolarisError
from ansible_collections.polarismesh.maintenance.plugins.module_utils._options import validated
from ansible_collections.polarismesh.maintenance.plugins.modules import polaris_log_switch as switch
from tests.clients import until
from tests.simulator import Fault, Fleet

RAISED = {"naming": "debug", "auth": "debug"}
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, threading.Thread]]:
    """A switch that is not armed yet: its name, and the thread that runs it instead of a process."""
    monkeypatch.setattr(switch, "PAUSE", 0.05)
    monkeypatch.setattr(switch, "LATE", (0.5, 1.0))
    monkeypatch.setattr(switch, "_wait_for_exit", lambda pid: None)
    name = secrets.token_hex(16)
    thread = threading.Thread(target=switch.wait, args=(name,), daemon=True)
    thread.start()
    yield name, thread
    switch.ask(name, {"step": "disarm"}, 0)
    thread.join(30)
    assert not thread.is_alive()


@pytest.fixture
def tell(fleet: Fleet, make_client: Callable[..., Client]) -> Callable[..., dict[str, Any]]:
    """tell(name, step, ...) runs the module and returns its result."""

    def tell(name: str, step: str, **options: Any) -> dict[str, Any]:
        task = {"url": fleet.url, "token": fleet.tokens.owner, "retries": 0, "name": name, "step": step, **options}
        return switch.run(make_client(fleet.url), validated(switch.SPEC, task).params, False)

    return tell


def arm(tell: Callable[..., dict[str, Any]], name: str, seconds: float, raising: bool = True) -> None:
    levels = {"naming": "info", "auth": "info"}
    tell(name, "arm", seconds=seconds, levels=levels, expected=RAISED, raising=raising)


def test_it_restores_what_still_has_the_level_of_the_window(
    fleet: Fleet, waiting: tuple[str, threading.Thread], tell: Callable[..., dict[str, Any]]
) -> None:
    name, thread = waiting
    arm(tell, name, 1)
    fleet.nodes[0].levels.update(naming="debug", auth="fatal")
    time.sleep(0.3)
    assert fleet.requests == []
    thread.join(30)
    assert [fleet.nodes[0].levels[scope] for scope in ("naming", "auth")] == ["info", "fatal"]
    assert tell(name, "disarm") == {"changed": False, "found": False, "restored": False}


def test_the_clock_starts_anew_when_a_switch_is_armed_again(
    fleet: Fleet, waiting: tuple[str, threading.Thread], tell: Callable[..., dict[str, Any]]
) -> None:
    """Another node was slow to raise. The levels of this one stay until the end of the window."""
    name, thread = waiting
    fleet.nodes[0].levels.update(RAISED)
    arm(tell, name, 0.6)
    arm(tell, name, 600, raising=False)
    time.sleep(1)
    assert thread.is_alive()
    assert fleet.requests == []


def test_a_level_that_the_server_sets_late_is_restored_again(
    fleet: Fleet, waiting: tuple[str, threading.Thread], tell: Callable[..., dict[str, Any]]
) -> None:
    """The play ended before it could say that the raise is over, or the raise took longer than the window."""
    name, thread = waiting
    fleet.nodes[0].levels.update(RAISED)
    arm(tell, name, 0.1)
    assert until(lambda: fleet.nodes[0].levels["naming"] == "info", 30)
    fleet.nodes[0].levels.update(RAISED)
    thread.join(30)
    assert [fleet.nodes[0].levels[scope] for scope in ("naming", "auth")] == ["info", "info"]


def test_it_does_not_give_up_when_the_server_does_not_answer(
    fleet: Fleet, waiting: tuple[str, threading.Thread], tell: Callable[..., dict[str, Any]]
) -> None:
    name, thread = waiting
    fleet.nodes[0].levels.update(RAISED)
    fleet.nodes[0].fault("*", "*", Fault("status", status=500, body="disk full"), times=3)
    arm(tell, name, 0.1)
    thread.join(30)
    assert [fleet.nodes[0].levels[scope] for scope in ("naming", "auth")] == ["info", "info"]


def test_a_disarmed_switch_sends_no_request(
    fleet: Fleet, waiting: tuple[str, threading.Thread], tell: Callable[..., dict[str, Any]]
) -> None:
    name, thread = waiting
    fleet.nodes[0].levels.update(RAISED)
    arm(tell, name, 600)
    assert tell(name, "disarm") == {"changed": True, "found": True, "restored": False}
    thread.join(30)
    assert not thread.is_alive()
    assert fleet.requests == []
    assert tell(name, "disarm") == {"changed": False, "found": False, "restored": False}


def test_an_unarmed_switch_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switch, "UNARMED", 0.1)
    switch.wait(secrets.token_hex(16))


#: Two programs that another account runs. They know the name of a switch.
DISARMS = """
connection.connect(address)
connection.sendall(b'{"step": "disarm"}\\n')
print(connection.recv(1000))
"""
LISTENS = """
connection.bind(address)
connection.listen()
print(flush=True)
print(connection.accept()[0].recv(1000))
"""


def other_account(program: str, name: str) -> subprocess.Popen[str]:
    if os.geteuid() != 0:
        pytest.skip("only root can be somebody else")
    address = switch._address(name)
    code = f"import os, socket; os.setuid(65534); connection = socket.socket(socket.AF_UNIX); address = {address!r}"
    return subprocess.Popen(
        [sys.executable, "-c", code + program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def test_another_account_cannot_disarm_it(
    fleet: Fleet, waiting: tuple[str, threading.Thread], tell: Callable[..., dict[str, Any]]
) -> None:
    name, thread = waiting
    arm(tell, name, 600)
    with other_account(DISARMS, name) as process:
        assert "pid" not in process.communicate(timeout=60)[0]
    assert thread.is_alive()


def test_another_account_cannot_be_armed_in_its_place(tell: Callable[..., dict[str, Any]]) -> None:
    """It receives nothing, and so no token."""
    name = secrets.token_hex(16)
    with other_account(LISTENS, name) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(PolarisError, match="is not running"):
            arm(tell, name, 1)
        assert process.communicate(timeout=60)[0].strip() == "b''"


def test_arming_a_missing_switch_fails_with_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tell: Callable[..., dict[str, Any]]
) -> None:
    monkeypatch.setattr(switch, "START", 0.1)
    with pytest.raises(PolarisError, match="is not running"):
        arm(tell, secrets.token_hex(16), 1)
