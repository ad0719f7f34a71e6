# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runbook debug_window: whatever ends it, every node gets its levels back."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.simulator import Fault, Fleet
from tests.support import (
    PlaybookRun,
    command_of,
    environment_of,
    flaky,
    in_background,
    inventory_of,
    owners_inventory,
    processes_in,
)

pytestmark = pytest.mark.core

NAME = "polarismesh.maintenance.debug_window"
RAISED = {"naming": "debug", "*": "warn"}
TEN_MINUTES = {"levels": RAISED, "seconds": 600}
Playbook = Callable[..., PlaybookRun]
Levels = list[dict[str, str]]


@pytest.fixture
def mixed(make_fleet: Callable[..., Fleet]) -> Fleet:
    """Two nodes of different versions with different levels."""
    fleet = make_fleet(nodes=2, profile=["v1.18.1", "v1.17.1"])
    fleet.nodes[1].levels["naming"] = "error"
    return fleet


def levels(fleet: Fleet) -> Levels:
    return [dict(node.levels) for node in fleet.nodes]


def is_open(fleet: Fleet) -> bool:
    return all(node.levels["naming"] == "debug" and node.levels["auth"] == "warn" for node in fleet.nodes)


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 200) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.1)


def command(folder: Path, fleet: Fleet) -> tuple[list[str], dict[str, str]]:
    """The runbook with a window of ten minutes, and its environment."""
    inventory = owners_inventory(fleet)
    arguments = command_of(folder, NAME, inventory, extra_vars=TEN_MINUTES)
    return arguments, environment_of(folder / "results.jsonl")


def in_a_job(folder: Path, fleet: Fleet) -> contextlib.AbstractContextManager[subprocess.Popen[bytes]]:
    return in_background(folder, NAME, owners_inventory(fleet), TEN_MINUTES)


@contextlib.contextmanager
def at_terminal(folder: Path, fleet: Fleet) -> Iterator[tuple[int, int]]:
    """Run the runbook in its own terminal; yields its process id and the other end of the terminal."""
    arguments, environment = command(folder, fleet)
    pid, keyboard = pty.fork()
    if pid == 0:  # pragma: no cover
        os.chdir(folder)
        os.execvpe(arguments[0], arguments, environment)
    try:
        yield pid, keyboard
    finally:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        with contextlib.suppress(OSError):
            os.close(keyboard)


def test_raises_waits_and_restores(mixed: Fleet, playbook: Playbook) -> None:
    before = levels(mixed)
    inventory = owners_inventory(mixed)
    run = playbook(NAME, inventory, extra_vars={"levels": RAISED, "seconds": 1}).ok()
    assert levels(mixed) == before
    assert run.one("Wait")["ended_by"] == "time"
    assert run.one("Open the window", "node2")["levels"]["naming"] == "debug"
    assert "restored on 2 (node1, node2)" in run.output


def test_check_mode_sends_nothing_that_writes(mixed: Fleet, playbook: Playbook) -> None:
    inventory = owners_inventory(mixed)
    playbook(NAME, inventory, extra_vars={"levels": RAISED}, args=["--check"]).ok()
    assert {request.method for request in mixed.requests} == {"GET"}


def test_a_node_that_fails_halfway_is_restored(mixed: Fleet, playbook: Playbook) -> None:
    """The node accepts three scopes, then fails. Those three are restored, and the other node works as usual."""
    before = levels(mixed)
    inventory = owners_inventory(mixed)
    node = mixed.nodes[0]
    accepted = 3
    node.fault(
        "PUT", "/maintain/v1/log/outputlevel", Fault("status", status=500, body="disk full"), times=1, skip=accepted
    )
    run = playbook(NAME, inventory, extra_vars={"levels": RAISED, "seconds": 1})
    assert run.returncode == 2
    failure = run.one("Open the window", "node1")
    assert len(failure["changed_scopes"]) == accepted
    assert levels(mixed) == before
    assert "restored on 2 (node1, node2)" in run.output


def test_a_variable_that_cannot_be_read_fails_only_its_own_node(mixed: Fleet, playbook: Playbook) -> None:
    before = levels(mixed)
    inventory = owners_inventory(mixed)
    inventory["polaris_servers"]["hosts"]["node2"]["polaris_token"] = "{{ a_vaulted_token_that_is_not_there }}"
    run = playbook(NAME, inventory, extra_vars={"levels": RAISED, "seconds": 1})
    assert run.returncode == 2
    assert "restored on 1 (node1)" in run.output
    assert "FAILED on node2: " in run.output
    assert levels(mixed) == before


def test_a_change_that_comes_after_the_restore_is_announced(mixed: Fleet, playbook: Playbook, tmp_path: Path) -> None:
    """The server executes the request long after it was given up. A repeated one would have hidden that."""
    before = levels(mixed)
    inventory = owners_inventory(mixed, polaris_timeout=1, polaris_retries=2)
    mixed.nodes[0].fault("PUT", "/maintain/v1/log/outputlevel", Fault("delay", seconds=5), times=1)
    run = playbook(NAME, inventory, extra_vars={"levels": "naming=debug", "seconds": 1})
    assert run.returncode == 2
    assert "MAY BE RAISED on node1: it was restored, but has not answered an earlier change" in run.output
    # The process that watches looks for the late change after the play, and restores the level again.
    wait_until(lambda: processes_in(tmp_path) == [], "no process watches any more")
    assert levels(mixed) == before


def test_a_node_that_cannot_be_restored_is_named_with_the_remedy(mixed: Fleet, playbook: Playbook) -> None:
    """The process that watches over the window tries again after the play."""
    before = levels(mixed)
    inventory = owners_inventory(mixed)
    mixed.nodes[1].fault(
        "PUT",
        "/maintain/v1/log/outputlevel",
        Fault("status", status=500, body="disk full"),
        skip=len(mixed.nodes[1].levels),
        times=4,
    )
    run = playbook(NAME, inventory, extra_vars={"levels": RAISED, "seconds": 1})
    assert run.returncode == 2
    assert "STILL RAISED on node2" in run.output
    assert '"naming": "error"' in run.output
    assert "restored on 1 (node1)" in run.output
    assert "on this machine tries again after the play." in run.output
    wait_until(lambda: levels(mixed) == before, "the levels are restored")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_restores_when_the_process_is_ended_during_the_wait(number: int, mixed: Fleet, tmp_path: Path) -> None:
    before = levels(mixed)
    with in_a_job(tmp_path, mixed) as process:
        wait_until(lambda: "The window is open" in (tmp_path / "output").read_text(), "the window is open")
        assert is_open(mixed)
        process.send_signal(number)
        process.wait(60)
        wait_until(lambda: levels(mixed) == before, "the levels are restored")
        wait_until(lambda: processes_in(tmp_path) == [], "no process watches any more")
        assert "The log levels are restored on 2 of 2." in (tmp_path / "output").read_text()


@pytest.mark.sample
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_restores_when_the_process_is_ended_while_it_raises(number: int, mixed: Fleet, tmp_path: Path) -> None:
    """One node is raised, the other hangs halfway."""
    before = levels(mixed)
    mixed.nodes[1].fault("PUT", "/maintain/v1/log/outputlevel", Fault("hang", seconds=3), skip=3)
    with in_a_job(tmp_path, mixed) as process:
        wait_until(lambda: mixed.nodes[0].levels["xdsv3"] == "warn", "the first node is raised")
        wait_until(lambda: sum(r.method == "PUT" for r in mixed.nodes[1].requests) > 3, "the second one hangs")
        mixed.nodes[1].clear_faults()
        process.send_signal(number)
        process.wait(60)
        wait_until(lambda: levels(mixed) == before, "the levels are restored")


def test_a_node_that_is_not_local_restores_itself(fleet: Fleet, tmp_path: Path) -> None:
    """A fake connection replaces SSH. The play is killed, and the controller must not connect to the server."""
    seconds = 12
    remote = {"ansible_connection": "flaky", "flaky_after": 1000}
    folders = {f"ansible_{name}": str(tmp_path / "node" / name) for name in ("remote_tmp", "async_dir")}
    inventory = owners_inventory(fleet, **remote, **folders)
    before = levels(fleet)
    output = tmp_path / "output"
    with in_background(tmp_path, NAME, inventory, {"levels": RAISED, "seconds": seconds}, env=flaky(tmp_path)):
        wait_until(lambda: "The window is open" in output.read_text(), "the window is open")
        opened = time.monotonic()
    assert is_open(fleet)
    wait_until(lambda: levels(fleet) == before, "the node restores itself", seconds + 5 - (time.monotonic() - opened))
    wait_until(lambda: not processes_in(tmp_path), "no process is left")
    assert [path for path in (tmp_path / "node").rglob("*") if not path.is_dir()] == []
    assert list((tmp_path / "node" / "remote_tmp").iterdir()) == []
    assert "On node1, a job there restores the log levels" in output.read_text()
    assert "WARNING" not in output.read_text()


@pytest.mark.slow
def test_each_node_that_is_not_local_prints_two_lines(
    make_fleet: Callable[..., Fleet], playbook: Playbook, tmp_path: Path
) -> None:
    """Even if one of them is slow to answer."""
    fleet = make_fleet(nodes=2)
    before = levels(fleet)
    fleet.nodes[1].fault("GET", "/maintain/v1/log/outputlevel", Fault("delay", seconds=4), times=1)
    folders = {f"ansible_{name}": str(tmp_path / "node" / name) for name in ("remote_tmp", "async_dir")}
    remote = {"ansible_connection": "flaky", "flaky_after": 1000, **folders}
    inventory = owners_inventory(fleet, **remote)
    variables = {"levels": "naming=debug", "seconds": 3}
    run = playbook(NAME, inventory, extra_vars=variables, args=["--forks", "1"], env=flaky(tmp_path)).ok()
    assert run.output.count(": [node2]") == 2
    assert "restored on 2 (node1, node2)" in run.output
    assert levels(fleet) == before


def test_restores_when_ctrl_c_is_pressed_many_times(mixed: Fleet, tmp_path: Path) -> None:
    """The second Ctrl-C arrives while the play restores. Neither that one nor the tenth stops it."""
    before = levels(mixed)
    with at_terminal(tmp_path, mixed) as (_pid, keyboard):
        output = b""
        while b"The window is open" not in output:
            output += os.read(keyboard, 1024)
        time.sleep(1)
        for _press in range(10):
            with contextlib.suppress(OSError):
                os.write(keyboard, b"\x03")
            time.sleep(0.15)
        with contextlib.suppress(OSError):
            while chunk := os.read(keyboard, 1024):
                output += chunk
        wait_until(lambda: levels(mixed) == before, "the levels are restored")
    # What the watch says is lost here: this play is the leader of its session, and its terminal ends with it.
    assert b"STILL RAISED" not in output


def test_what_somebody_else_sets_meanwhile_is_left_alone(mixed: Fleet, tmp_path: Path) -> None:
    with in_a_job(tmp_path, mixed) as process:
        wait_until(lambda: "The window is open" in (tmp_path / "output").read_text(), "the window is open")
        mixed.nodes[0].levels["naming"] = "fatal"
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        wait_until(lambda: mixed.nodes[0].levels["auth"] == "info", "the levels are restored")
    assert mixed.nodes[0].levels["naming"] == "fatal"
    said = "LEFT ALONE on node1: naming is fatal"
    wait_until(lambda: said in (tmp_path / "output").read_text(), "it says so")


def test_restores_when_the_journal_is_removed(mixed: Fleet, tmp_path: Path) -> None:
    """Something removes old temporary files. The play restores, and says so; the process that watches does no harm."""
    before = levels(mixed)
    inventory = owners_inventory(mixed)
    temporary = {"ANSIBLE_LOCAL_TEMP": str(tmp_path / "local")}
    output = tmp_path / "output"
    with in_background(tmp_path, NAME, inventory, {"levels": RAISED, "seconds": 3}, env=temporary) as process:
        wait_until(lambda: "The window is open" in output.read_text(), "the window is open")
        (journal,) = (tmp_path / "local").rglob("polaris-window-*")
        journal.unlink()
        assert process.wait(60) == 0, output.read_text()
    assert "restored on 2 (node1, node2)" in output.read_text()
    assert levels(mixed) == before
    wait_until(lambda: processes_in(tmp_path) == [], "no process watches any more")


@pytest.mark.parametrize("key", [b"\r", b"\x03"], ids=["Enter", "Ctrl-C"])
def test_restores_when_a_key_is_pressed_at_a_terminal(key: bytes, mixed: Fleet, tmp_path: Path) -> None:
    before = levels(mixed)
    with at_terminal(tmp_path, mixed) as (pid, keyboard):
        output = b""
        while b"The window is open" not in output:
            output += os.read(keyboard, 1024)
        assert is_open(mixed)
        time.sleep(1)  # the prompt discards what was typed before it was shown
        os.write(keyboard, key)
        with contextlib.suppress(OSError):  # the terminal is gone when ansible-playbook has exited
            while chunk := os.read(keyboard, 1024):
                output += chunk
        status = os.waitpid(pid, 0)[1]
        assert levels(mixed) == before, output.decode()
        assert b"restored on 2 (node1, node2)" in output
        assert (os.waitstatus_to_exitcode(status) == 0) == (key == b"\r")
        assert (b"was closed by Ctrl-C" in output) == (key == b"\x03")
        assert processes_in(tmp_path) == []


def test_restores_when_the_terminal_is_closed(mixed: Fleet, tmp_path: Path) -> None:
    before = levels(mixed)
    with at_terminal(tmp_path, mixed) as (_pid, keyboard):
        output = b""
        while b"The window is open" not in output:
            output += os.read(keyboard, 1024)
        assert is_open(mixed)
        # This closes the terminal, but keeps the number: at_terminal closes it later, when it could be another's.
        with Path(os.devnull).open() as nothing:
            os.dup2(nothing.fileno(), keyboard)
        wait_until(lambda: levels(mixed) == before, "the levels are restored")


@pytest.mark.parametrize("seconds", [0, 100000])
@pytest.mark.sample
def test_bad_seconds_change_nothing(seconds: object, mixed: Fleet, playbook: Playbook) -> None:
    run = playbook(NAME, mixed, extra_vars={"levels": RAISED, "seconds": seconds})
    assert run.returncode == 2
    msg = "The variable seconds must be a whole number from 1 to 86400"
    assert run.one("Check the variables")["msg"].startswith(msg)
    assert mixed.requests == []


def test_killed_with_the_account_in_the_vars_of_import_playbook(
    make_fleet: Callable[..., Fleet], tmp_path: Path
) -> None:
    """They are variables of the play, which the hostvars of a host lack."""
    fleet = make_fleet(nodes=1)
    before = levels(fleet)
    book = tmp_path / "book.yml"
    given = {"polaris_token": fleet.tokens.owner, "ansible_connection": "local", "levels": RAISED}
    book.write_text(json.dumps([{"import_playbook": NAME, "vars": given}]))
    hosts = inventory_of(fleet, ansible_connection="ssh")
    with in_background(tmp_path, str(book), hosts, {}) as process:
        wait_until(lambda: is_open(fleet), "the window is open")
        process.kill()
        wait_until(lambda: levels(fleet) == before, "the levels are restored")
