# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wait of a debug window, which puts the log levels back itself when the play is killed under it.

Ctrl-C at a terminal reaches the prompt and ends the wait, so that the play goes on to restore the levels. Any other
interrupt (SIGINT or SIGTERM without a terminal, as a cancelled job sends it, or the death of the controller process)
ends ansible-playbook before an ``always:`` can run. This worker is told, or sees that the controller process is gone:
it restores, then goes.
"""

from __future__ import annotations

import contextlib
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

from ansible_collections.polarismesh.maintenance.plugins.module_utils.client import HAS_REQUESTS
from ansible_collections.polarismesh.maintenance.plugins.module_utils.runner import Result, perform
from ansible_collections.polarismesh.maintenance.plugins.modules.polaris_log_level import SPEC, run

display = Display()

OPTIONS: t.Dict[str, t.Any] = {
    "seconds": {"type": "int", "required": True},
    "restore": {"type": "list", "elements": "dict", "required": True},
}


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
        started = time.monotonic()
        # Whoever kills the process group of ansible-playbook, as ansible-runner does, must not kill this with it: a worker
        # has a group of its own only with ansible-core 2.19 and newer.
        if os.getpgrp() != os.getpid():
            os.setpgid(0, 0)
        handlers = {number: signal.signal(number, _interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            with interrupted_without_controller():
                interrupted = not wait(seconds)
        except (InterruptedPlayError, EOFError, OSError) as exc:
            # Whoever ends the play may be in a hurry, and must not end this half way.
            for number in handlers:
                signal.signal(number, signal.SIG_IGN)
            put_back(nodes)
            raise AnsibleError("The play was interrupted; the levels were put back.") from exc
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        waited = time.monotonic() - started
        # No failure: a task that runs once and fails would take the other hosts out of the play with raised levels.
        ended_by = "interrupt" if interrupted else "time" if waited >= seconds else "key"
        return {**result, "waited": round(waited), "ended_by": ended_by}


def _interrupt(number: int, frame: t.Any) -> t.NoReturn:
    raise InterruptedPlayError


@contextlib.contextmanager
def interrupted_without_controller() -> t.Iterator[None]:
    """Interrupt this worker when the controller process is gone: a prompt waits for its answer for ever."""
    parent, over = os.getppid(), threading.Event()
    waiting = threading.main_thread().ident or 0

    def watch() -> None:
        # A signal that this thread took would not end the wait of the other.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        while not over.wait(0.5):
            if os.getppid() != parent:
                signal.pthread_kill(waiting, signal.SIGTERM)
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def wait(seconds: int) -> bool:
    """Wait for the time, or for Enter where there is a terminal; False after Ctrl-C there."""
    try:
        display.prompt_until(
            f"The window is open for {seconds} s. Enter closes it now, so does Ctrl-C; the levels are put back.\r\n",
            seconds=seconds,
        )
    except AnsiblePromptInterrupt:
        return False
    except AnsiblePromptNoninteractive:
        display.display(
            f"The window is open for {seconds} s; the levels are put back then, or when this is interrupted."
        )
        time.sleep(seconds)
    return True


def checked(restore: t.Sequence[t.Dict[str, t.Any]]) -> t.Tuple[t.List[t.Dict[str, t.Any]], t.Optional[str]]:
    """The validated parameters of every node, or what is wrong with one."""
    rules = {name: rule for name, rule in SPEC.items() if name != "supports_check_mode"}
    nodes = []
    for number, node in enumerate(restore):
        validation = ArgumentSpecValidator(**rules).validate(node)
        if validation.error_messages:
            return [], f"restore[{number}]: the options are not those of polaris_log_level."
        nodes.append(validation.validated_parameters)
    return nodes, None


def put_back(nodes: t.Sequence[t.Dict[str, t.Any]]) -> None:
    """Restore all nodes, side by side. What fails stays failed: there is nobody left to tell."""
    if not HAS_REQUESTS or not nodes:
        return

    def restore(node: t.Dict[str, t.Any]) -> None:
        perform(run, node, set(), check_mode=False, diff_mode=False, environ=os.environ)

    with ThreadPoolExecutor(max_workers=min(32, len(nodes))) as pool:
        list(pool.map(restore, nodes))
