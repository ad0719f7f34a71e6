# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wait of a debug window, which puts the log levels back itself when the play is killed under it.

Ctrl-C at a terminal reaches the prompt and ends the wait, so that the play goes on to restore the levels. Any other
interrupt (SIGINT or SIGTERM without a terminal, as a cancelled job sends it, or the death of the controller process)
ends ansible-playbook before an ``always:`` can run. Its workers are told, though: this one restores, then goes.
"""

from __future__ import annotations

import os
import signal
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
        handlers = {number: signal.signal(number, _interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
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
    # ansible-playbook passes Ctrl-C on, and at once ends its workers by another signal: where both are here already,
    # the second must not raise in the midst of what the first one starts.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, _disregard)
    raise InterruptedPlayError


def _disregard(number: int, frame: t.Any) -> None:
    """Not SIG_IGN: Python complains where it has noticed a signal that is ignored by now."""


def wait(seconds: int) -> bool:
    """Wait for the time, or for Enter where there is a terminal; False after Ctrl-C there.

    :raises InterruptedPlayError: the controller process is gone.
    """
    try:
        display.prompt_until(
            f"The window is open for {seconds} s. Enter closes it now, so does Ctrl-C; the levels are put back.\r",
            seconds=seconds,
        )
    except AnsiblePromptInterrupt:
        return False
    except AnsiblePromptNoninteractive:
        display.display(
            f"The window is open for {seconds} s; the levels are put back then, or when this is interrupted."
        )
        parent = os.getppid()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            time.sleep(min(0.5, max(0.0, deadline - time.monotonic())))
            if os.getppid() != parent:
                raise InterruptedPlayError from None
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
