# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Internal to the playbook debug_window: raises, waits, restores, and starts what restores if the play cannot."""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
import time
import typing as t

from ansible import constants as C
from ansible import context
from ansible.errors import AnsibleError, AnsiblePromptInterrupt, AnsiblePromptNoninteractive
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.polarismesh.maintenance.plugins.module_utils._options import Params
from ansible_collections.polarismesh.maintenance.plugins.module_utils._runner import Result, perform
from ansible_collections.polarismesh.maintenance.plugins.modules.polaris_log_level import SPEC, run
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils import _watch
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._action import perform_action, tell, variables_of
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._from_here import asked_servers, options_of
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._plain import plain
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._play import arguments, run_of
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._summaries.debug_window import (
    SUMMARY,
    before_wait,
    is_late,
    overtime,
    plan_of,
    switch_of,
)
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._summary import Node, is_answer, reason
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._watch import State

display = Display()

LOG_LEVEL = "polaris_log_level"
SWITCH = "polarismesh.maintenance.polaris_log_switch"

STEPS = ["watch", "open", "wait", "restore", "release"]
OPTIONS: t.Dict[str, t.Any] = {
    "step": {"type": "str", "required": True, "choices": STEPS},
    "levels": {"type": "dict", "default": {}},
    "ignore_unknown_scopes": {"type": "bool", "default": False},
    "seconds": {"type": "int", "default": 300},
}

#: How often the remaining time is shown, at a terminal and in a log, in seconds.
AT_TERMINAL = 5
IN_LOG = 60
#: How many seconds longer than the window the switch may live: until it is armed, and while its server does not answer.
SWITCH_MARGIN = 900


class ActionModule(ActionBase):
    _supports_check_mode = True

    def run(self, tmp: t.Optional[str] = None, task_vars: t.Optional[t.Dict[str, t.Any]] = None) -> Result:
        task_vars = task_vars or {}
        result: Result = {**super().run(tmp, task_vars), "changed": False}
        options = arguments(OPTIONS, self._task)
        steps: t.Dict[str, t.Callable[[t.Dict[str, t.Any], t.Dict[str, t.Any]], Result]] = {
            "watch": self._watch,
            "open": self._open,
            "wait": self._wait,
            "restore": self._restore,
            "release": self._release,
        }
        return {**result, **steps[options["step"]](options, task_vars)}

    # --- once for all nodes ---

    def _watch(self, options: t.Dict[str, t.Any], task_vars: t.Dict[str, t.Any]) -> Result:
        """Start the process that restores if this play dies. Nothing is raised yet."""
        if self._task.check_mode:
            return {"pid": None, "play": os.getppid()}
        # A node whose options are refused here is also refused before its levels are raised.
        asked, others = asked_servers(self, task_vars, SPEC, {"levels": {}, "expected": {}})
        accounts = {name: options.params for name, options in asked.items()}
        path = os.path.join(
            C.DEFAULT_LOCAL_TMP,  # type: ignore[attr-defined]
            f"polaris-window-{secrets.token_hex(8)}",
        )
        try:
            watch = _watch.start(accounts, os.getppid(), restore_one, path)
            return {**watch, "play": os.getppid(), "unwatched": others, "started": time.monotonic()}
        except OSError as error:
            raise AnsibleError(
                f"The process that restores the levels if this play is killed could not be started ({error}). "
                f"No levels were changed."
            ) from error

    def _wait(self, options: t.Dict[str, t.Any], task_vars: t.Dict[str, t.Any]) -> Result:
        if self._task.check_mode:
            return {"waited": 0, "ended_by": "check mode"}
        started = time.monotonic()
        run = run_of(task_vars, SUMMARY.registers, {}, None, self._task.check_mode)
        for line in before_wait(run.nodes, started + options["seconds"]):
            # A task's warnings would be shown only when it ends.
            tell(f"[WARNING]: {line}")
        end_with_play(task_vars)
        # Never fail: a task that runs once and fails takes the other hosts out of the play with raised levels.
        ended_by = wait(options["seconds"])
        return {"waited": round(time.monotonic() - started), "ended_by": ended_by}

    def _release(self, options: t.Dict[str, t.Any], task_vars: t.Dict[str, t.Any]) -> Result:
        """End the process that watches, unless it is still needed."""
        watch = plain(task_vars.get("polaris_watch") or {})
        if watch.get("pid") is None:
            return {"released": True}
        try:
            journal = _watch.read(watch["journal"])
        except OSError as error:
            # The process still has the file open.
            return {"released": False, "left": [], "plans": {}, "warnings": [f"{watch['journal']}: {error}"]}
        plans = {name: entry.plan for name, entry in journal.items() if entry.state != "restored"}
        left = [name for name in plans if name not in watch["unwatched"]]
        return {"released": not left and _watch.release(watch), "left": left, "plans": plans}

    # --- on every node ---

    def _open(self, options: t.Dict[str, t.Any], task_vars: t.Dict[str, t.Any]) -> Result:
        """Find out what the window changes, record that in the journal, and raise the levels.

        On a node whose connection is not local, set a switch before that.
        """
        # Raise nothing after the process that watches has begun to restore the levels.
        end_with_play(task_vars)
        wanted = {name: options[name] for name in ("levels", "ignore_unknown_scopes")}
        # A node that does not answer delays the window on the others by one timeout, not by three.
        looked = perform_action(self, LOG_LEVEL, {**wanted, "retries": 0}, task_vars, check_mode=True)
        plan = plan_of(looked)
        if not plan["levels"] or self._task.check_mode:
            return {**looked, "plan": plan, "switch": {}}
        watch = task_vars.get("polaris_watch") or {}
        name = task_vars["inventory_hostname"]
        try:
            if self._connection.transport == "local" and name in watch["unwatched"]:
                raise KeyError("a variable of this host cannot be read outside its own tasks")
            _watch.record(watch["journal"], name, "raising", plan)
        except (KeyError, OSError) as error:
            raise AnsibleError(
                f"No process would restore the levels of this node if this play was killed ({error}): run the whole "
                f"playbook. Nothing was changed."
            ) from error
        results = [looked]
        switch: Result = {}
        hosts, forks = task_vars["ansible_play_hosts_all"], context.CLIARGS["forks"]

        def seconds() -> int:
            past = time.monotonic() - watch["started"]
            return int(options["seconds"]) + overtime(hosts.index(name), len(hosts), forks, past)

        if self._connection.transport != "local":
            switch = self._set_switch(secrets.token_hex(16), plan, seconds(), task_vars)
        if "missing" in switch:
            record(task_vars, "raising", noted(plan, switch))
        results.append(self._raise(noted(plan, switch), task_vars))
        if "name" in switch and is_answer(results[-1]):
            results.append(self._start_clock(switch, plan, seconds(), task_vars))
            switch = results[-1]["switch"]
        warnings = [warning for result in results for warning in result.get("warnings", ())]
        raised = {**results[1], **results[-1], "plan": plan, "switch": switch}
        return {**raised, **({"warnings": warnings} if warnings else {})}

    def _start_clock(
        self, switch: Result, plan: t.Mapping[str, t.Any], seconds: int, task_vars: t.Dict[str, t.Any]
    ) -> Result:
        """Tell the switch that all levels are raised, and to restore them after ``seconds``.

        If that has come too late, the switch has already restored the levels. Then raise them again.
        """
        armed = self._arm(switch["name"], plan, seconds, False, task_vars)
        gone = armed.get("gone")
        # Why an earlier answer was lost no longer matters.
        last = {key: value for key, value in switch.items() if key != "missing"}
        known = {"name": switch["name"]} if gone else last
        raised: Result = {}
        if gone or armed.get("restored"):
            record(task_vars, "raising", plan)
            if gone:
                armed = self._set_switch(switch["name"], plan, seconds, task_vars)
            raised = self._raise(noted(plan, armed), task_vars)
        elif "missing" in switch:
            record(task_vars, "raised", noted(plan, armed))
        return {**raised, "switch": {**known, **armed}}

    def _raise(self, plan: t.Mapping[str, t.Any], task_vars: t.Dict[str, t.Any]) -> Result:
        """Raise what the journal has, even if somebody else has set a level since.

        No retries: the server may execute the first request after a second one has succeeded, and even after the
        restore.
        """
        task = {"levels": plan["set"], "expected": plan["levels"], "retries": 0}
        raised = perform_action(self, LOG_LEVEL, task, task_vars)
        if not is_late(raised):
            record(task_vars, "raised", plan)
        return raised

    def _restore(self, options: t.Dict[str, t.Any], task_vars: t.Dict[str, t.Any]) -> Result:
        """Restore what the window changed, then disarm the switch."""
        node = node_of(task_vars["inventory_hostname"], task_vars)
        # Only the journal is certainly of this window, not of an earlier one in the same run.
        try:
            entry = recorded(task_vars)
            plan = None if entry is None else entry.plan
        except OSError:
            # The journal was removed. It was there when the levels were raised, so that result is of this window, too.
            entry, plan = None, node.result("polaris_raised").get("plan")
        if self._task.check_mode:
            plan = node.result("polaris_raised").get("plan")
        if not plan or not plan["levels"]:
            return {}
        # Leave alone what somebody else set meanwhile.
        result = perform_action(self, LOG_LEVEL, {"levels": plan["levels"], "expected": plan["set"]}, task_vars)
        late = is_late(node.result("polaris_raised")) if entry is None else entry.state == "raising"
        result.update(plan=plan, late=late)
        if not is_answer(result) or late or self._task.check_mode:
            return result
        record(task_vars, "restored", plan)
        switch = switch_of(node)
        if switch.get("name"):
            task = {"step": "disarm", "name": switch["name"], "url": plan["url"]}
            disarmed = self._on_node(task, task_vars)
            if not is_answer(disarmed):
                until = f" at {switch['until']}" if "until" in switch else ""
                result.setdefault("warnings", []).append(
                    f"The job on the node that restores the levels could not be stopped ({reason(disarmed)}). It ends "
                    f"by itself{until}."
                )
        return result

    def _set_switch(
        self, name: str, plan: t.Mapping[str, t.Any], seconds: int, task_vars: t.Dict[str, t.Any]
    ) -> Result:
        """Start a job on the node that restores the levels after ``seconds``, or return why it is missing."""
        # Without pipelining, the account would briefly be in a file on the node.
        if not self._is_pipelining_enabled("new"):
            return {"missing": "its connection does not use pipelining, which keeps the token out of files there"}
        begun = self._on_node({"step": "wait", "name": name, "url": plan["url"]}, task_vars, seconds + SWITCH_MARGIN)
        if not begun.get("ansible_job_id"):
            return {"missing": reason(begun)}
        armed = self._arm(name, plan, seconds, True, task_vars)
        # If only its answer was lost, the job may be running.
        return armed if armed.get("gone") else {"name": name, **armed}

    def _arm(
        self, name: str, plan: t.Mapping[str, t.Any], seconds: int, raising: bool, task_vars: t.Dict[str, t.Any]
    ) -> Result:
        """Let the switch restore the levels after ``seconds``, and return it, or why it is ``missing``.

        It is ``gone`` if the node answered that it is not running. It may already have ``restored`` the levels.
        """
        task = {"step": "arm", "name": name, "seconds": seconds, "raising": raising}
        # Its clock starts between now and the answer, which may come seconds later.
        ends = time.monotonic() + seconds
        order = {"levels": plan["levels"], "expected": plan["set"]}
        armed = self._on_node({**task, **options_of(variables_of(self, task_vars), order)}, task_vars)
        if not is_answer(armed):
            return {"missing": reason(armed), "gone": (armed.get("error") or {}).get("kind") == "unsupported"}
        until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))
        return {"name": name, "until": until, "ends": ends, "restored": armed.get("restored")}

    def _on_node(self, task: t.Dict[str, t.Any], task_vars: t.Dict[str, t.Any], limit: int = 0) -> Result:
        """Run polaris_log_switch on the node; with a limit, in the background for that many seconds."""
        copy = self._task.copy()
        copy.async_val = limit
        action = type(self)(
            copy, self._connection, self._play_context, self._loader, self._templar, self._shared_loader_obj
        )
        try:
            result: Result = action._execute_module(
                module_name=SWITCH, module_args=task, task_vars=task_vars, wrap_async=bool(limit)
            )
        except AnsibleError as error:
            return {"failed": True, "msg": str(error)}
        finally:
            action.cleanup()
        return result


def record(task_vars: t.Mapping[str, t.Any], state: State, plan: t.Mapping[str, t.Any]) -> None:
    """Record a new state of a node that is in the journal. If that fails, the earlier state stays, and is restored."""
    with contextlib.suppress(OSError):
        _watch.record(task_vars["polaris_watch"]["journal"], task_vars["inventory_hostname"], state, plan)


def noted(plan: t.Mapping[str, t.Any], switch: t.Mapping[str, t.Any]) -> t.Mapping[str, t.Any]:
    """The plan as the journal has it: with the reason if no job is known to run on the node.

    If the play is killed before it warns of that, the process that watches does.
    """
    return {**plan, "missing": switch["missing"]} if "missing" in switch else plan


def recorded(task_vars: t.Mapping[str, t.Any]) -> t.Optional[_watch.Entry]:
    """The entry of this host in the journal; None without one, in check mode for example.

    :raises OSError: there is a journal, but it cannot be read.
    """
    journal = (task_vars.get("polaris_watch") or {}).get("journal")
    return _watch.read(journal).get(task_vars["inventory_hostname"]) if journal else None


def node_of(name: str, variables: t.Mapping[str, t.Any]) -> Node:
    """A host of the play, and what the window registered there."""
    return Node(name, {register: plain(variables[register]) for register in SUMMARY.registers if register in variables})


def restore_one(params: Params) -> Result:
    """Restore one server, in the process that watches."""
    return perform(run, params, set(), check_mode=False, diff_mode=False).result


def end_with_play(task_vars: t.Mapping[str, t.Any]) -> None:
    """From now on, end this worker when the play is gone, even in a system call that waits for an answer."""
    # The parent of this moment is another process if the play was killed after it had forked this worker.
    play = (task_vars.get("polaris_watch") or {}).get("play", os.getppid())

    def watch() -> None:
        while os.getppid() == play:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def wait(seconds: int) -> str:
    """Wait until the time is over or, at a terminal, for Enter or Ctrl-C. Return what ended the wait."""
    end = time.monotonic() + seconds
    # A job runner has a terminal without a user, and keeps every line.
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
            # In pieces: the system may deliver the signal that ends this worker to another thread, which does not
            # interrupt a sleep of this one.
            while time.monotonic() < until:
                time.sleep(min(0.5, max(0.0, until - time.monotonic())))
    return "time"
