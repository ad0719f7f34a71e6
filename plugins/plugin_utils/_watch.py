# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. A process that restores log levels when the play that raised them is gone.

It starts before the first level is raised, in its own session, so that neither signals to the play nor the terminal
reach it. It does nothing while the play runs, and the play releases it when all levels are restored. If the play is
killed or interrupted before that, the process restores every scope that still has the level that the window set.

It reads the nodes from a journal, a file on the controller: before a task of the play raises the levels of a node, it
records the old levels there. The URLs and accounts of the servers are only in the memory of the process.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ..module_utils._levels import LATE
from ..module_utils._options import Params
from ..module_utils._runner import Result

#: Restores one server.
Restore = t.Callable[[Params], Result]
State = t.Literal["raising", "raised", "restored"]

#: The interval at which it looks for the play, in seconds; how often it tries a server that does not answer, and the
#: pause between two attempts, in seconds.
LOOK = 0.2
ATTEMPTS = 5
PAUSE = 3.0

IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
RELEASE = signal.SIGUSR1


# --- the journal ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Entry:
    """What the window does to a node.

    :param state: a node that stays ``raising`` may still make a change whose request it has not answered.
    :param plan: its ``url``, the old ``levels`` of the scopes that the window changes, and those that it ``set``;
        for a node that this process does not restore, why the job that would do it is ``missing``.
    """

    state: State
    plan: t.Mapping[str, t.Any]


Journal = t.Dict[str, Entry]


def record(path: str, name: str, state: State, plan: t.Mapping[str, t.Any]) -> None:
    """Record what happens to a node.

    :raises OSError: the journal cannot be written, or is gone, because the process that watches already restores.
    """
    # Newlines on both sides separate it from a line that a full disk cut short.
    line = b"\n" + json.dumps([name, state, plan]).encode() + b"\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        if os.write(descriptor, line) < len(line):
            raise OSError(f"{path}: not written as a whole")
    finally:
        os.close(descriptor)


def read(path: str) -> Journal:
    """The last entry of each node."""
    with open(path, encoding="utf-8") as file:
        return _entries(file)


def _entries(lines: t.Iterable[str]) -> Journal:
    journal: Journal = {}
    for line in lines:
        with contextlib.suppress(ValueError):
            name, state, plan = json.loads(line)
            journal[name] = Entry(state, plan)
    return journal


# --- the process ------------------------------------------------------------------------------------------------------


def start(accounts: t.Mapping[str, Params], play: int, restore_one: Restore, path: str) -> t.Dict[str, t.Any]:
    """Start the process, wait until it is ready, and return what :func:`release` needs.

    :param accounts: the name of each node that it can reach -> the parameters of polaris_log_level there.
    :param play: the process of ansible-playbook.
    :param path: the journal, a new file.
    :raises OSError: the journal cannot be made, or the process did not start.
    """
    started = identity(play)
    journal = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL, 0o600)
    ready, child_ready = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            _be_the_watch(accounts, play, restore_one, started, path, journal, child_ready)
        finally:
            os._exit(0)
    os.close(journal)
    os.close(child_ready)
    is_ready = os.read(ready, 1)
    os.close(ready)
    if not is_ready:
        raise OSError("it has ended")
    return {"pid": pid, "identity": identity(pid), "journal": path}


def release(watch: t.Mapping[str, t.Any], seconds: float = 5.0) -> bool:
    """End the process, because nothing is left to restore. Return whether it is gone."""
    pid = int(watch["pid"])
    end = time.monotonic() + seconds
    while identity(pid) == watch["identity"]:
        try:
            os.kill(pid, RELEASE)
        except OSError:
            return True
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def identity(pid: int) -> t.Optional[str]:
    """When a process started, because a later one may have the same number; None if it is gone or a zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            # After the program's name, which may contain spaces, the state is the first field and the time the 20th.
            fields = file.read().rpartition(")")[2].split()
        return None if fields[0] in "ZX" else fields[19]
    except (FileNotFoundError, ProcessLookupError):
        # ProcessLookupError if the process ends between open and read.
        if os.path.isdir("/proc/self"):
            return None
    answer = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _blank, began = answer.stdout.strip().partition(" ")
    return None if not state or "Z" in state else began.strip()


def _be_the_watch(
    accounts: t.Mapping[str, Params],
    play: int,
    restore_one: Restore,
    started: t.Optional[str],
    path: str,
    journal: int,
    ready: int,
) -> None:
    released: t.List[int] = []
    # Not SIG_IGN: Python would complain on stderr about a signal that arrives while it is being set.
    for number in IGNORED:
        signal.signal(number, lambda *dummy: None)
    signal.signal(RELEASE, lambda number, frame: released.append(number))
    signal.setitimer(signal.ITIMER_REAL, 0)
    if os.getpid() != os.getsid(0):
        os.setsid()
    output = _output_of(play)
    # Close what the worker has open (its queue to the play, locks, pipes of other processes).
    for descriptor in range(3, 1024):
        if descriptor not in (output, journal, ready):
            with contextlib.suppress(OSError):
                os.close(descriptor)
    os.write(ready, b".")
    os.close(ready)
    try:
        while not released and identity(play) == started:
            time.sleep(LOOK)
        # From now on, no task can record a node, so none raises its levels.
        with contextlib.suppress(OSError):
            os.unlink(path)
        if released:
            return
        time.sleep(LOOK)
        with open(journal, encoding="utf-8") as file:
            restore(_entries(file), accounts, restore_one, lambda line: _say(output, line))
    except Exception as error:
        _say(output, f"The process that restores the log levels has failed: {type(error).__name__}: {error}")


def _output_of(play: int) -> int:
    """The stderr of the play, because from ansible-core 2.19 on, a worker has no output of its own."""
    try:
        return os.open(f"/proc/{play}/fd/2", os.O_WRONLY | os.O_APPEND | os.O_NOCTTY)
    except OSError:
        return os.dup(2)


def _say(output: int, line: str) -> None:
    # The terminal may be closed, or the reader gone.
    with contextlib.suppress(OSError):
        os.write(output, f"{line}\r\n".encode())


def restore(
    journal: Journal, accounts: t.Mapping[str, Params], restore_one: Restore, say: t.Callable[[str], None]
) -> None:
    """Restore all nodes in parallel, and name those that stay raised, with their old levels."""
    raised = {name: entry for name, entry in journal.items() if entry.state != "restored"}
    # From here, the URL of the others may reach a different server, which must get neither the levels nor the token.
    for name in sorted(raised.keys() - accounts.keys()):
        if "missing" in raised[name].plan:
            why = f"no job restores it ({str(raised[name].plan['missing']).rstrip('.')})."
            say(f"The play ended early. {_state(raised[name])} on {name}: {why} {_were(raised[name])}")
            continue
        say(
            f"The play ended early. On {name}, a job there restores the log levels at the end of the window, unless a "
            f"warning said that it did not start. {_were(raised[name])}"
        )
    here = {name: entry for name, entry in raised.items() if name in accounts}
    if not here:
        return
    say(
        f"The play ended early. Restoring the log levels on {len(here)} ({', '.join(here)}); signals do not stop this. "
        f"To see what is left: ansible HOST -m polarismesh.maintenance.polaris_log_level_info"
    )

    def attempt(name: str) -> Result:
        plan = here[name].plan
        try:
            return restore_one({**accounts[name], "levels": plan["levels"], "expected": plan["set"]})
        except Exception as error:
            return {"failed": True, "msg": f"{type(error).__name__}."}

    left = dict.fromkeys(here, "")
    for number in range(ATTEMPTS):
        time.sleep(PAUSE if number else 0)
        left = _failed(list(left), attempt, say)
        if not left:
            break
    for name, why in left.items():
        say(f"{_state(here[name])} on {name}: {why} {_were(here[name])}")
    if len(left) < len(here):
        say(f"The log levels are restored on {len(here) - len(left)} of {len(here)}.")
    late = [name for name, entry in here.items() if entry.state == "raising" and name not in left]
    for name in late:
        say(
            f"MAY BE RAISED on {name}: the play ended while its server had not answered a change, which it may still "
            f"make. This looks again for {LATE[-1]:.0f} s, and restores it again if needed. {_were(here[name])}"
        )
    if late:
        _restore_again(late, attempt, say)


def _restore_again(names: t.Sequence[str], attempt: t.Callable[[str], Result], say: t.Callable[[str], None]) -> None:
    past = 0.0
    failed: t.Dict[str, str] = {}
    for moment in LATE:
        time.sleep(moment - past)
        past = moment
        # Without LEFT ALONE lines: by now, somebody else may have set a level.
        failed = _failed(names, attempt, lambda line: None)
    for name, why in failed.items():
        say(f"UNKNOWN on {name}, after it was restored: {why}")


def _state(entry: Entry) -> str:
    return "MAY BE RAISED" if entry.state == "raising" else "STILL RAISED"


def _were(entry: Entry) -> str:
    return f"Its levels were: {json.dumps(entry.plan['levels'])}"


def _failed(
    names: t.Sequence[str], attempt: t.Callable[[str], Result], say: t.Callable[[str], None]
) -> t.Dict[str, str]:
    """Try to restore the nodes. Return those where that failed, with the reason."""
    with ThreadPoolExecutor(max_workers=min(32, len(names))) as pool:
        results = list(zip(names, pool.map(attempt, names)))
    for name, result in results:
        for scope, level in (result.get("kept") or {}).items():
            say(f"LEFT ALONE on {name}: {scope} is {level}, which somebody has set since.")
    return {name: str(result["msg"]) for name, result in results if result.get("failed")}
