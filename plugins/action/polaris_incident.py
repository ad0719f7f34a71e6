# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Internal to the playbook memory_incident: saves the profiles of a node whose heap is large, on the controller."""

from __future__ import annotations

import os
import re
import typing as t
from urllib.parse import quote

from ansible.errors import AnsibleError
from ansible.module_utils.common.text.formatters import human_to_bytes
from ansible.plugins.action import ActionBase

from ansible_collections.polarismesh.maintenance.plugins.module_utils._runner import Result
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._action import perform_action
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._play import arguments
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._summary import is_answer, reason

OPTIONS: t.Dict[str, t.Any] = {
    "dest": {"type": "path", "required": True},
    "min_size": {"type": "str", "required": True},
    "moment": {"type": "str", "required": True},
}

#: The profiles to save: what holds the memory, and what the goroutines do.
KINDS = ("heap", "goroutine")


class ActionModule(ActionBase):
    _supports_check_mode = True

    def run(self, tmp: t.Optional[str] = None, task_vars: t.Optional[t.Dict[str, t.Any]] = None) -> Result:
        task_vars = task_vars or {}
        result: Result = {**super().run(tmp, task_vars), "changed": False}
        options = arguments(OPTIONS, self._task)
        looked = perform_action(self, "polaris_memory_info", {}, task_vars)
        if not is_answer(looked):
            return {**result, **looked}
        files = profiles(looked["memory"], options["min_size"], task_vars["inventory_hostname"], options["moment"])
        folder = os.path.realpath(options["dest"])
        result.update(looked, files=files, folder=folder, saved=[], warnings=list(looked.get("warnings", ())))
        # Only their owner can read the profiles, because they show what a server holds.
        mask = os.umask(0o077)
        try:
            why = self._save(result, task_vars) if files else None
        except (AnsibleError, OSError) as error:
            why = str(error)
        finally:
            os.umask(mask)
        result["changed"] = bool(result["saved"])
        return result if why is None else {**result, "failed": True, "msg": why}

    def _save(self, result: Result, task_vars: t.Dict[str, t.Any]) -> t.Optional[str]:
        """Save the profiles in a folder of this machine. Return the reason if that failed."""
        if self._task.check_mode:
            # The folder may not exist, and nothing is written.
            return self._profiles(result, "/tmp", None, task_vars)  # noqa: S108
        os.makedirs(result["folder"], exist_ok=True)
        if self._connection.transport == "local":
            return self._profiles(result, result["folder"], None, task_vars)
        place = self._execute_module(
            module_name="ansible.builtin.tempfile",
            module_args={"state": "directory", "prefix": "polaris"},
            task_vars=task_vars,
        )
        if not is_answer(place):
            return reason(place)
        there = str(place["path"])
        try:
            return self._profiles(result, there, result["folder"], task_vars)
        finally:
            self._remove(there, result, task_vars)

    def _profiles(
        self, result: Result, place: str, folder: t.Optional[str], task_vars: t.Dict[str, t.Any]
    ) -> t.Optional[str]:
        """Save the profiles in ``place`` on the host, and fetch each to ``folder`` of this machine, if there is one."""
        for kind, file in result["files"].items():
            saved = perform_action(self, "polaris_profile", {"kind": kind, "dest": f"{place}/{file}"}, task_vars)
            result["warnings"] += saved.get("warnings", ())
            if is_answer(saved) and folder is not None:
                fetch = {"src": f"{place}/{file}", "dest": f"{folder}/{file}", "flat": True}
                saved = perform_action(self, "ansible.builtin.fetch", fetch, task_vars)
            if not is_answer(saved):
                return reason(saved)
            result["saved"].append(file)
        return None

    def _remove(self, place: str, result: Result, task_vars: t.Dict[str, t.Any]) -> None:
        """Remove the temporary folder. The profiles are on this machine, so a failure is only a warning."""
        task: t.Dict[str, t.Any] = {"path": place, "state": "absent"}
        try:
            removed = self._execute_module(module_name="ansible.builtin.file", module_args=task, task_vars=task_vars)
        except AnsibleError as error:
            removed = {"failed": True, "msg": str(error)}
        if not is_answer(removed):
            result["warnings"].append(f"{place} on the host contains profiles and was not removed: {reason(removed)}")


def profiles(memory: t.Optional[t.Mapping[str, t.Any]], min_size: str, name: str, moment: str) -> t.Dict[str, str]:
    """Kind -> the file name of this profile, if the heap is large; empty if it is not, or unknown.

    :param memory: the figures of the node, as polaris_memory_info returns them.
    """
    heap = (memory or {}).get("heap")
    if heap is None or heap < human_to_bytes(min_size):
        return {}
    # No two hosts share a file: letters and digits of any script stay, and any other character becomes %XX.
    safe = re.sub(r"[^\w.-]", lambda character: quote(character[0], safe=""), name)
    return {kind: f"{safe}-{kind}-{moment}.pb.gz" for kind in KINDS}
