# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wait of a debug window, which puts the log levels back itself when the play is killed under it.

Ctrl-C at a terminal reaches the prompt and ends the wait, so that the play goes on to restore the levels. Any other
interrupt (SIGINT or SIGTERM without a terminal, as a cancelled job sends it, or the death of the controller process)
ends ansible-playbook before an ``always:`` can run. Its workers are told, though: this one restores, then goes.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor

from ansible.errors import AnsibleError, AnsiblePromptInterrupt, AnsiblePromptNoninteractive
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import HAS_REQUESTS
from ansible_collections.polarismesh.maintenance.plugins.module_utils._options import validated
from ansible_collections.polarismesh.maintenance.plugins.module_utils._runner import Result, perform
from ansible_collections.polarismesh.maintenance.plugins.modules.polaris_log_level import SPEC, run
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._action import as_json
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._host_variables import completed

display = Display()

OPTIONS: t.Dict[str, t.Any] = {
    "seconds": {"type": "int", "required": True},
    "restore": {"type": "list", "elements": "dict", "required": True},
    "elsewhere": {"type": "list", "elements": "str", "default": []},
}


#: What ends a play: Ctrl-C, a cancelled job, a closed terminal.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class InterruptedPlayError(Exception):
    """The play is being ended."""


class ActionModule(ActionBase):
    _supports_check_mode = True

    def run(self, tmp: t.Optional[str] = None, task_vars: t.Optional[t.Dict[str, t.Any]] = None) -> Result:
        result: Result = super().run(tmp, task_vars)
        validation = ArgumentSpecValidator(OPTIONS).validate(self._task.args)
        if validation.error_messages:
            return {**result, "failed": True, "msg": validation.errors.msg}
        options = validation.validated_parameters
        seconds: int = options["seconds"]
        if seconds < 1:
            return {**result, "failed": True, "msg": f"seconds must be 1 or more; got {seconds}."}
        nodes, wrong = checked(options["restore"])
        if wrong:
            return {**result, "failed": True, "msg": f"restore is not a list of options of polaris_log_level: {wrong}"}
        result["changed"] = False
        if self._task.check_mode:
            return {**result, "waited": 0, "ended_by": "check mode"}
        if options["elsewhere"]:
            # (A warning of a task would be shown at its end, when the wait is over.)
            tell(
                f"[WARNING]: If this play is killed during the wait, the levels stay raised on "
                f"{', '.join(options['elsewhere'])}: only a task on the host itself reaches the server there."
            )
        started = time.monotonic()
        # Whoever kills the process group of ansible-playbook, as ansible-runner does with a cancelled job, must not
        # kill this with it: a worker has a group of its own only with ansible-core 2.19 and newer.
        if os.getpgrp() != os.getpid():
            os.setpgid(0, 0)
        handlers = {number: signal.signal(number, _interrupt) for number in SIGNALS}
        over = threading.Event()
        threading.Thread(target=watch_controller, args=(over,), daemon=True).start()
        try:
            interrupted = not wait(seconds)
        except (InterruptedPlayError, EOFError, OSError) as exc:
            _ignore_signals()
            put_back(nodes)
            raise AnsibleError("The play was interrupted; the levels were put back.") from exc
        finally:
            over.set()
            for number, handler in handlers.items():
                signal.signal(number, handler)
        waited = time.monotonic() - started
        # No failure: a task that runs once and fails would take the other hosts out of the play with raised levels.
        ended_by = "interrupt" if interrupted else "time" if waited >= seconds else "key"
        return {**result, "waited": round(waited), "ended_by": ended_by}


def tell(line: str) -> None:
    """Show a line now. On stdout, where that is a file or a pipe, it would wait in a buffer until the next task."""
    display.display(line, stderr=True)


def _ignore_signals() -> None:
    # (Python complains on stderr of a signal that was on its way when it became one to ignore, SIG_IGN.)
    for number in SIGNALS:
        signal.signal(number, lambda *dummy: None)


def _interrupt(number: int, frame: t.Any) -> t.NoReturn:
    # Whoever ends the play may be in a hurry, and must not end this half way: Ansible itself follows Ctrl-C up with
    # another signal at once.
    _ignore_signals()
    raise InterruptedPlayError


def watch_controller(over: threading.Event) -> None:
    """End the wait when the process that made this worker is gone: killed, or its terminal closed."""
    controller = multiprocessing.parent_process()
    while controller is not None and not over.wait(0.5):
        if controller.pid != os.getppid():
            # To the thread that waits, because it waits in a system call, which only its own signal ends; and again,
            # for the same reason as in wait().
            signal.pthread_kill(t.cast(int, threading.main_thread().ident), signal.SIGTERM)


def wait(seconds: int) -> bool:
    """Wait for the time, or for Enter where there is a terminal; False after Ctrl-C there.

    :raises InterruptedPlayError: the play is being ended.
    """
    try:
        display.prompt_until(
            f"The window is open for {seconds} s. Enter closes it now, so does Ctrl-C; the levels are put back.\r\n",
            seconds=seconds,
        )
    except AnsiblePromptInterrupt:
        return False
    except AnsiblePromptNoninteractive:
        tell(f"The window is open for {seconds} s; the levels are put back then, or when this is interrupted.")
        # In pieces: a signal that comes just before such a system call begins does not end it.
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            time.sleep(min(0.5, max(0.0, deadline - time.monotonic())))
    return True


def checked(restore: t.Sequence[t.Dict[str, t.Any]]) -> t.Tuple[t.List[t.Dict[str, t.Any]], t.Optional[str]]:
    """The validated parameters of every node, or what is wrong with one."""
    nodes = []
    for number, node in enumerate(restore):
        validation = validated(SPEC, as_json(completed(node, {}, {}, os.environ).options))
        if validation.error is not None:
            return [], f"restore[{number}]: the options are not those of polaris_log_level."
        nodes.append(validation.params)
    return nodes, None


def put_back(nodes: t.Sequence[t.Dict[str, t.Any]]) -> None:
    """Restore all nodes, side by side. What fails stays failed: there is nobody left to tell."""
    if not HAS_REQUESTS or not nodes:
        return

    def restore(node: t.Dict[str, t.Any]) -> None:
        perform(run, node, set(), check_mode=False, diff_mode=False)

    with ThreadPoolExecutor(max_workers=min(32, len(nodes))) as pool:
        list(pool.map(restore, nodes))
