# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. A process that restores log levels when the play that raised them is gone.

It starts before the first level is raised, in its own session, so that neither signals to the play nor the terminal
reach it. It does nothing while the play runs, and the play releases it when all levels are restored. If the play is
killed or interrupted before that, the process restores every scope that still has the level that the window set.
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

from ..module_utils._options import Params
from ..module_utils._runner import Result

#: A host's name, and the parameters of polaris_log_level that restore its server.
Raised = t.Tuple[str, Params]
#: Restores one server.
Restore = t.Callable[[Params], Result]

#: How often it looks for the play, in seconds; how often it tries a server that does not answer, and the pause between.
LOOK = 0.2
ATTEMPTS = 5
PAUSE = 3.0
#: When it checks restored servers again, because a request of the play may have arrived late.
AGAIN = (1.0, 4.0)

IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
RELEASE = signal.SIGUSR1


def start(
    nodes: t.Sequence[Raised], play: int, restore_one: Restore, elsewhere: t.Sequence[Raised] = ()
) -> t.Dict[str, t.Any]:
    """Start the process, wait until it is ready, and return what :func:`release` needs.

    :param play: the process of ansible-playbook.
    :param elsewhere: the nodes that it cannot reach, with their old ``levels``, which it prints.
    """
    started = identity(play)
    ready, child_ready = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            _be_the_watch(nodes, elsewhere, play, restore_one, started, child_ready)
        finally:
            os._exit(0)
    os.close(child_ready)
    os.read(ready, 1)
    os.close(ready)
    return {"pid": pid, "identity": identity(pid)}


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
            # After the program's name, which may contain blanks, the state is the first field and the time the 20th.
            fields = file.read().rpartition(")")[2].split()
        return None if fields[0] in "ZX" else fields[19]
    except FileNotFoundError:
        if os.path.isdir("/proc/self"):
            return None
    answer = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _blank, began = answer.stdout.strip().partition(" ")
    return None if not state or "Z" in state else began.strip()


def _be_the_watch(
    nodes: t.Sequence[Raised],
    elsewhere: t.Sequence[Raised],
    play: int,
    restore_one: Restore,
    started: t.Optional[str],
    ready: int,
) -> None:
    released: t.List[int] = []
    # (Not SIG_IGN: Python then complains on stderr about a signal that arrives while it is being set.)
    for number in IGNORED:
        signal.signal(number, lambda *dummy: None)
    signal.signal(RELEASE, lambda number, frame: released.append(number))
    signal.setitimer(signal.ITIMER_REAL, 0)
    if os.getpid() != os.getsid(0):
        os.setsid()
    output = _output_of(play)
    # Close what the worker has open (its queue to the play, locks, pipes of other processes).
    for descriptor in range(3, 1024):
        if descriptor not in (output, ready):
            with contextlib.suppress(OSError):
                os.close(descriptor)
    os.write(ready, b".")
    os.close(ready)
    while not released and identity(play) == started:
        time.sleep(LOOK)
    if released:
        return
    for name, params in elsewhere:
        _say(
            output,
            f"The play is gone. On {name}, a job there restores the log levels at the end of the window, unless a "
            f"warning said that it did not start. They were: {json.dumps(params['levels'])}",
        )
    if nodes:
        restore(nodes, restore_one, lambda line: _say(output, line))


def _output_of(play: int) -> int:
    """Where the play writes its errors. (From ansible-core 2.19 on, a worker has no output.)"""
    try:
        return os.open(f"/proc/{play}/fd/2", os.O_WRONLY | os.O_APPEND | os.O_NOCTTY)
    except OSError:
        return os.dup(2)


def _say(output: int, line: str) -> None:
    # (The terminal may be closed, or the reader gone.)
    with contextlib.suppress(OSError):
        os.write(output, f"{line}\r\n".encode())


def restore(nodes: t.Sequence[Raised], restore_one: Restore, say: t.Callable[[str], None]) -> None:
    """Restore all nodes in parallel, and name those that stay raised, with their old levels."""
    names = ", ".join(name for name, _params in nodes)
    say(f"The play is gone. Restoring the log levels on {len(nodes)} ({names}); signals do not stop this.")
    done: t.List[Raised] = []
    left = [(node, "") for node in nodes]
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE)
        answered, left = _attempted([node for node, _why in left], restore_one, say)
        done += answered
        if not left:
            break
    for (name, params), why in left:
        say(f"STILL RAISED on {name}: {why} Its levels were: {json.dumps(params['levels'])}")
    if done:
        say(f"The log levels are restored on {len(done)} of {len(nodes)}.")
    # Report only once that somebody else has set a level.
    left = []
    for pause in AGAIN if done else ():
        time.sleep(pause)
        _answered, left = _attempted(done, restore_one, lambda line: None)
    for (name, params), why in left:
        say(f"UNKNOWN on {name}, after it was restored: {why} Its levels were: {json.dumps(params['levels'])}")


def _attempted(
    nodes: t.Sequence[Raised], restore_one: Restore, say: t.Callable[[str], None]
) -> t.Tuple[t.List[Raised], t.List[t.Tuple[Raised, str]]]:
    """Try to restore the nodes. Return those where that worked, and the others with the reason."""

    def attempt(node: Raised) -> Result:
        try:
            return restore_one(node[1])
        except Exception as error:
            return {"failed": True, "msg": f"{type(error).__name__}."}

    with ThreadPoolExecutor(max_workers=min(32, len(nodes))) as pool:
        results = list(zip(nodes, pool.map(attempt, nodes)))
    for (name, _params), result in results:
        for scope, level in (result.get("kept") or {}).items():
            say(f"LEFT ALONE on {name}: {scope} is {level}, which somebody has set since.")
    failed = [(node, str(result["msg"])) for node, result in results if result.get("failed")]
    return [node for node, result in results if not result.get("failed")], failed
