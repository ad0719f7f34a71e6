#!/usr/bin/python
# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: polaris_log_switch
short_description: Restore log levels on a node when a debug window is over (internal)
version_added: 1.0.0
description:
  - Internal to the playbook C(polarismesh.maintenance.debug_window); it may change at any time.
  - The switch is an asynchronous task with V(wait), a process on the node. It waits until V(arm) sends it the levels
    and the account through a socket, and restores the levels after O(seconds), even if the controller or the network is
    down. V(disarm) ends it before that.
  - Ansible writes the arguments of an asynchronous task to a file. The account is therefore not among them; it is only
    in the memory of the switch.
  - The switch removes the files that Ansible keeps on the node for an asynchronous task.
extends_documentation_fragment:
  - polarismesh.maintenance.connection
  - polarismesh.maintenance.attributes.internal
attributes:
  check_mode:
    details: Does nothing in check mode.
  platform:
    description: The operating systems of the node.
    support: full
    platforms: linux
options:
  step:
    description: What to do.
    type: str
    choices: [wait, arm, disarm]
    required: true
  name:
    description: The name of the switch, a random word.
    type: str
    required: true
  seconds:
    description: The number of seconds after which the switch restores the levels. For V(arm).
    type: float
    default: 300
  levels:
    description: The levels to restore, by scope. For V(arm).
    type: dict
    default: {}
  expected:
    description: The level that a scope must still have to be restored, by scope. For V(arm).
    type: dict
    default: {}
  raising:
    description: >-
      Whether the levels are still being raised. If so, the switch looks again after it has restored them, because the
      server may set one late. For V(arm), which can be repeated.
    type: bool
    default: false
seealso:
  - module: polarismesh.maintenance.polaris_log_level
author:
  - PolarisMesh Maintenance contributors (@polarismesh)
"""

EXAMPLES = r"""
- name: Disarm a switch
  polarismesh.maintenance.polaris_log_switch:
    step: disarm
    name: 5d41402abc4b2a76b9719d911017c592
    url: http://127.0.0.1:8090
"""

RETURN = r"""
found:
  description: Whether the switch was running.
  type: bool
  returned: success
  sample: true
restored:
  description: Whether the switch had already restored the levels, because V(arm) came too late.
  type: bool
  returned: success
  sample: false
"""

import contextlib
import glob
import json
import os
import pwd
import shutil
import signal
import socket
import struct
import syslog
import time
import typing as t

from ansible_collections.polarismesh.maintenance.plugins.module_utils._api import log_levels
from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import Client
from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import PolarisError
from ansible_collections.polarismesh.maintenance.plugins.module_utils._levels import LATE, changes, set_levels, split
from ansible_collections.polarismesh.maintenance.plugins.module_utils._options import Params, spec
from ansible_collections.polarismesh.maintenance.plugins.module_utils._runner import Result, perform, run_module

SPEC = spec(
    {
        "step": {"type": "str", "choices": ["wait", "arm", "disarm"], "required": True},
        "name": {"type": "str", "required": True},
        "seconds": {"type": "float", "default": 300.0},
        "levels": {"type": "dict", "default": {}},
        "expected": {"type": "dict", "default": {}},
        "raising": {"type": "bool", "default": False},
    }
)

#: How long a switch waits to be armed, and how long ``arm`` waits for the switch to start, in seconds.
UNARMED = 60.0
START = 20.0
#: How long a message and its answer may take, in seconds. While it restores, a switch does not answer.
ANSWER = 45.0
#: How long it tries to restore if the server does not answer, and the pause between two attempts, in seconds.
PATIENCE = 600.0
PAUSE = 3.0

Message = t.Dict[str, t.Any]


# --- the socket ------------------------------------------------------------------------------------------------------
# A name in Linux's abstract namespace is not a file, and disappears with its process. Anyone on the node can see the
# name and connect, so each end checks the account of the other.


def _address(name: str) -> str:
    return f"\0polaris-log-switch-{name}"


def _trusted(connection: socket.socket) -> bool:
    """Whether the process at the other end belongs to this account or to root."""
    size = struct.calcsize("3i")
    _pid, uid, _gid = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return uid in (os.geteuid(), 0)


def _send(connection: socket.socket, message: Message) -> None:
    connection.sendall(json.dumps(message).encode() + b"\n")


def _receive(connection: socket.socket) -> t.Optional[Message]:
    """One message; None if the other end has closed the connection or sent something else."""
    text = b""
    try:
        while not text.endswith(b"\n"):
            piece = connection.recv(65536)
            if not piece:
                return None
            text += piece
        message = json.loads(text)
    except (OSError, ValueError):
        return None
    return message if isinstance(message, dict) else None


def ask(name: str, message: Message, patience: float) -> t.Optional[Message]:
    """Send a message to a switch, and return its answer; None if there is no such switch.

    :param patience: how long to wait for the switch to start, in seconds.
    """
    end = time.monotonic() + patience
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        while True:
            try:
                connection.connect(_address(name))
                break
            except OSError:
                if time.monotonic() > end:
                    return None
                time.sleep(0.05)
        if not _trusted(connection):
            return None
        connection.settimeout(ANSWER)
        try:
            _send(connection, message)
        except OSError:
            return None
        return _receive(connection)


# --- the switch -------------------------------------------------------------------------------------------------------


def wait(name: str) -> None:
    """Run the switch until it is disarmed or has restored the levels."""
    order: t.Optional[Message] = None
    give_up, late, fired = 0.0, False, False
    #: When to restore, or to give up if it is not armed by then.
    due = [time.monotonic() + UNARMED]
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(_address(name))
        listener.listen()
        while due:
            message = _next_message(listener, due[0], fired)
            if message is None:
                due.pop(0)
                fired = order is not None
                done = order is None or restore(order)
                if not done and time.monotonic() < give_up:
                    due.insert(0, time.monotonic() + PAUSE)
                elif done and late:
                    due, late = [time.monotonic() + pause for pause in LATE], False
            elif message["step"] == "disarm":
                break
            else:
                order, fired = message["order"], False
                end = time.monotonic() + message["seconds"]
                give_up = end + PATIENCE
                due, late = [end], bool(message["raising"])
        remove_job()


def _next_message(listener: socket.socket, end: float, fired: bool) -> t.Optional[Message]:
    """The next message, answered with the id of this process, and whether the switch has begun to restore.

    :param end: when to stop waiting, by time.monotonic; the result is then None.
    """
    while time.monotonic() < end:
        # In pieces, because a socket does not accept a timeout of many days.
        listener.settimeout(max(0.01, min(60.0, end - time.monotonic())))
        try:
            connection, _address_of_peer = listener.accept()
        except OSError:
            continue
        with connection:
            connection.settimeout(5.0)
            message = _receive(connection) if _trusted(connection) else None
            if message is not None:
                with contextlib.suppress(OSError):
                    _send(connection, {"pid": os.getpid(), "fired": fired})
                return message
    return None


def restore(order: Message) -> bool:
    """Restore the levels, log the outcome to syslog, because no task is left to return it to, and return success."""
    result = perform(_restore, order, set(), check_mode=False, diff_mode=False).result
    outcome = ""
    if result.get("failed"):
        outcome = f"not restored: {result['msg']}"
    elif result["restored"] or result["kept"]:
        outcome = f"restored {result['restored']}, left alone {result['kept']}"
    if outcome:
        syslog.syslog(f"polaris debug window, log levels of {result['url']}: {outcome}")
    return not result.get("failed")


def _restore(client: Client, params: Params, check_mode: bool) -> Result:
    """Restore the scopes that still have the level that the window set, not those that somebody else has set since."""
    before = log_levels.read(client)
    todo, kept = split(changes(params["levels"], before), before, params["expected"])
    if todo:
        set_levels(client, before, todo)
    return {"changed": bool(todo), "restored": todo, "kept": kept}


def remove_job() -> None:
    """End the processes with which Ansible supervises this job, and remove its files.

    They would write its result to a file and leave that there (ansible-core 2.16 to 2.21, modules/async_wrapper.py: the
    parent runs the module, and the parent's parent limits its time).
    """
    parent = os.getppid()
    for pid in (_parent_of(parent), parent):
        words = _command_of(pid)
        place = next((index for index, word in enumerate(words) if os.path.basename(word) == "async_wrapper.py"), None)
        if place is None:
            continue
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
        job = words[place + 1]
        folder = os.environ.get("ANSIBLE_ASYNC_DIR", "~/.ansible_async")
        if folder.startswith("~/"):
            folder = os.path.join(os.environ.get("HOME") or pwd.getpwuid(os.geteuid()).pw_dir, folder[2:])
        for path in glob.glob(os.path.join(glob.escape(folder), f"{glob.escape(job)}.*")):
            with contextlib.suppress(OSError):
                os.unlink(path)
        own = os.path.dirname(words[place])
        if os.path.basename(own).startswith("ansible-tmp-"):
            shutil.rmtree(own, ignore_errors=True)


def _command_of(pid: int) -> t.List[str]:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return [word.decode(errors="replace") for word in file.read().split(b"\0")]
    except OSError:
        return []


def _parent_of(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            # After the program's name, which may contain spaces: the state, the parent.
            return int(file.read().rpartition(")")[2].split()[1])
    except (OSError, ValueError):
        return 0


# --- the module -------------------------------------------------------------------------------------------------------


def run(client: Client, params: Params, check_mode: bool) -> Result:
    if check_mode:
        return {"changed": False, "found": False, "restored": False}
    if params["step"] == "wait":
        wait(params["name"])
        # Nothing reads a result.
        raise SystemExit(0)
    if params["step"] == "arm":
        order = {"step": "arm", "seconds": params["seconds"], "raising": params["raising"], "order": params}
        answer = ask(params["name"], order, START if params["raising"] else 0)
        if answer is None:
            raise PolarisError("unsupported", "the job on the node that restores the levels is not running.")
    else:
        answer = ask(params["name"], {"step": "disarm"}, 0)
        if answer is None:
            return {"changed": False, "found": False, "restored": False}
        _wait_for_exit(answer["pid"])
    return {"changed": True, "found": True, "restored": answer["fired"]}


def _wait_for_exit(pid: int) -> None:
    end = time.monotonic() + 10.0
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < end:
        time.sleep(0.02)


def main() -> None:
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
