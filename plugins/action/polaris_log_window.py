# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Internal to the playbook debug_window: who restores when the play is killed, and the wait."""

from __future__ import annotations

import os
import threading
import time
import typing as t

from ansible import context
from ansible.errors import AnsiblePromptInterrupt, AnsiblePromptNoninteractive
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.polarismesh.maintenance.plugins.module_utils._options import Params, validated
from ansible_collections.polarismesh.maintenance.plugins.module_utils._runner import Result, perform
from ansible_collections.polarismesh.maintenance.plugins.modules.polaris_log_level import SPEC, run
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils import _watch
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._action import as_json
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._host_variables import (
    NAMES,
    completed,
    is_local,
    url_of,
)
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._plain import plain
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._play import arguments
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._summaries.debug_window import planned
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._summary import Node

display = Display()

OPTIONS: t.Dict[str, t.Any] = {
    "step": {"type": "str", "required": True, "choices": ["watch", "wait", "release"]},
    "seconds": {"type": "int", "default": 300},
    "watch": {"type": "dict", "default": {}},
}

#: How often it is said how long the window is still open, at a terminal and in a log.
AT_TERMINAL = 5
IN_LOG = 60


class ActionModule(ActionBase):
    _supports_check_mode = True

    def run(self, tmp: t.Optional[str] = None, task_vars: t.Optional[t.Dict[str, t.Any]] = None) -> Result:
        result: Result = {**super().run(tmp, task_vars), "changed": False}
        options = arguments(OPTIONS, self._task)
        if options["step"] == "watch":
            return {**result, **self._watch(task_vars or {})}
        if options["step"] == "release":
            pid = options["watch"].get("pid")
            return {**result, "released": pid is None or _watch.release(options["watch"])}
        if self._task.check_mode:
            return {**result, "waited": 0, "ended_by": "check mode"}
        started = time.monotonic()
        threading.Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
        # No failure: a task that runs once and fails would take the other hosts out of the play with raised levels.
        ended_by = wait(options["seconds"])
        return {**result, "waited": round(time.monotonic() - started), "ended_by": ended_by}

    def _watch(self, task_vars: t.Mapping[str, t.Any]) -> Result:
        """Start the process that restores when this play is gone; nothing is raised yet."""
        here: t.List[_watch.Raised] = []
        elsewhere: t.List[str] = []
        for name in task_vars["ansible_play_hosts_all"]:
            host = task_vars["hostvars"][name]
            plan = planned(Node(name, {"polaris_planned": plain(host.get("polaris_planned"))}))
            if not plan["levels"]:
                continue
            if is_local(host.get("ansible_connection", context.CLIARGS.get("connection"))):
                here.append((str(name), parameters(host, plan)))
            else:
                # The URL may mean another server here, which must get neither the levels nor the token.
                elsewhere.append(str(name))
        if self._task.check_mode or not (here or elsewhere):
            return {"pid": None, "elsewhere": elsewhere}
        if elsewhere:
            # (A warning of a task would be shown at its end only.)
            tell(
                f"[WARNING]: If this play is killed, the levels stay raised on {', '.join(elsewhere)}: only a task on "
                f"the host itself reaches the server there."
            )
        return {"pid": None, **(_watch.start(here, os.getppid(), restored) if here else {}), "elsewhere": elsewhere}


def parameters(host: t.Mapping[str, t.Any], plan: t.Mapping[str, t.Any]) -> t.Dict[str, t.Any]:
    """The parameters of polaris_log_level that restore a server, with the account that its host's tasks have."""
    variables = {name: host[name] for name in NAMES if name in host}
    task = {"url": url_of(variables), "levels": plan["levels"], "expected": plan["set"]}
    return validated(SPEC, as_json(completed(task, {}, variables, os.environ).options)).params


def restored(params: Params) -> Result:
    return perform(run, params, set(), check_mode=False, diff_mode=False).result


def tell(line: str) -> None:
    """Show a line now. On stdout, where that is a file or a pipe, it would wait in a buffer until the next task."""
    display.display(line, stderr=True)


def end_with(play: int) -> None:
    """End this worker when the play is gone: it waits in a system call, for an answer that nobody gives any more."""
    while os.getppid() == play:
        time.sleep(0.5)
    os._exit(1)


def wait(seconds: int) -> str:
    """Wait for the time, or for Enter or Ctrl-C where there is a terminal; what ended it."""
    end = time.monotonic() + seconds
    # A job runner gives a terminal at which nobody sits, and keeps every line.
    pause = IN_LOG if os.environ.get("ANSIBLE_STDOUT_CALLBACK") == "awx_display" else AT_TERMINAL
    line_up = ""
    try:
        while time.monotonic() < end:
            left = end - time.monotonic()
            piece = min(pause, left)
            asked = time.monotonic()
            text = f"The window is open for {round(left)} s. Enter closes it now, so does Ctrl-C."
            display.prompt_until(f"{line_up}{text}\r", seconds=max(1, round(piece)))
            if time.monotonic() - asked < piece - 0.5:
                return "key"
            line_up = "" if pause == IN_LOG else "\x1b[1A\x1b[2K"
    except AnsiblePromptInterrupt:
        return "interrupt"
    except AnsiblePromptNoninteractive:
        while time.monotonic() < end:
            left = end - time.monotonic()
            tell(f"The window is open for {round(left)} s; the levels are restored then, or when this is interrupted.")
            until = min(end, time.monotonic() + IN_LOG)
            # In pieces: the system may hand the signal that ends this worker to another thread, which does not end
            # a sleep of this one.
            while time.monotonic() < until:
                time.sleep(min(0.5, max(0.0, until - time.monotonic())))
    return "time"
