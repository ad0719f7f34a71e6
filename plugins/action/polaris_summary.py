# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Internal to the runbooks: prints the summary of a run, and sets the same as custom stats."""

from __future__ import annotations

import json
import os
import tempfile
import typing as t

from ansible import constants as C
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._plain import plain
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._play import arguments, run_of
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._summaries import (
    conn_drain,
    conn_rebalance,
    debug_window,
    fleet_report,
    heartbeat_audit,
    instance_clean,
    log_level,
    memory_free,
    memory_incident,
)
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._summary import Line, Summarizer
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._variables import saved

display = Display()

RUNBOOKS: t.Dict[str, Summarizer] = {
    "conn_drain": conn_drain.SUMMARY,
    "conn_rebalance": conn_rebalance.SUMMARY,
    "debug_window": debug_window.SUMMARY,
    "fleet_report": fleet_report.SUMMARY,
    "heartbeat_audit": heartbeat_audit.SUMMARY,
    "instance_clean": instance_clean.SUMMARY,
    "log_level": log_level.SUMMARY,
    "memory_free": memory_free.SUMMARY,
    "memory_incident": memory_incident.SUMMARY,
}

OPTIONS: t.Dict[str, t.Any] = {
    "runbook": {"type": "str", "required": True, "choices": list(RUNBOOKS)},
    "given": {"type": "dict", "default": {}},
    "target": {"type": "raw"},
    "verdict": {"type": "bool", "default": False},
}


class ActionModule(ActionBase):
    _supports_check_mode = True

    def run(self, tmp: t.Optional[str] = None, task_vars: t.Optional[t.Dict[str, t.Any]] = None) -> t.Dict[str, t.Any]:
        result: t.Dict[str, t.Any] = {**super().run(tmp, task_vars), "changed": False}
        options = arguments(OPTIONS, self._task)
        summarizer = RUNBOOKS[options["runbook"]]
        run = run_of(task_vars or {}, summarizer.registers, options["given"], options["target"], self._task.check_mode)
        summary = summarizer.summarize(run)
        if options["verdict"]:
            return result if summary.failure is None else {**result, "failed": True, "msg": summary.failure}
        try:
            for path, content in summary.files.items():
                together = log_level.merged(saved(path) or {} if os.path.exists(path) else {}, content)
                write(path, json.dumps(together, indent=2, sort_keys=True) + "\n")
            for path, text in summary.pages.items():
                result["changed"] = True
                if not run.check_mode:
                    write(path, text(), summary.mode)
        except (OSError, ValueError) as error:
            # The custom stats also contain what the file would.
            result.update(failed=True, msg=f"{path} could not be written: {getattr(error, 'strerror', None) or error}.")
        for line in summary.lines:
            show(line)
        result["lines"] = [line.text for line in summary.lines]
        data = {
            "runbook": options["runbook"],
            "check_mode": run.check_mode,
            "nodes": [node.name for node in run.nodes],
            **plain(summary.data),
        }
        result["ansible_stats"] = {"data": {"polaris": data}, "per_host": False, "aggregate": False}
        return result


def write(path: str, content: str, mode: int = 0o640) -> None:
    """Write a file atomically. By default, only its owner and the owner's group can read it."""
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=f".{os.path.basename(path)}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        # The target of a symbolic link is replaced, not the link.
        os.replace(temporary, os.path.realpath(path))
    except BaseException:
        os.unlink(temporary)
        raise


def show(line: Line) -> None:
    display.display(line.text, color=C.config.get_config_value("COLOR_ERROR") if line.failure else None)
