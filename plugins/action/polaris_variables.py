# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Internal to the runbooks: checks their variables once, before any server is asked."""

from __future__ import annotations

import time
import typing as t

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.polarismesh.maintenance.plugins.plugin_utils import _variables
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._plain import plain
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._play import arguments

OPTIONS: t.Dict[str, t.Any] = {
    "variables": {"type": "dict", "required": True},
    "one_of": {"type": "list", "elements": "str", "default": []},
    "whole": {"type": "str"},
}


class ActionModule(ActionBase):
    _supports_check_mode = True

    def run(self, tmp: t.Optional[str] = None, task_vars: t.Optional[t.Dict[str, t.Any]] = None) -> t.Dict[str, t.Any]:
        task_vars = task_vars or {}
        result: t.Dict[str, t.Any] = {**super().run(tmp, task_vars), "changed": False}
        options = arguments(OPTIONS, self._task)
        try:
            if options["whole"] is not None and _variables.is_slice(task_vars):
                raise ValueError(
                    f"This is one slice of a sliced job, and {options['whole']}: set the job slicing of the job "
                    f"template to 1. (A workflow with the same name as the job template looks the same: rename it.)"
                )
            values = self._values(options["variables"], task_vars)
            given = _variables.check(values, options["variables"], options["one_of"])
        except ValueError as error:
            return {**result, "failed": True, "msg": str(error)}
        # Hosts that failed in an earlier play are not part of this one, but keep the variables registered there.
        hosts = list(task_vars.get("ansible_play_hosts", []))
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        # The variables may contain the token of a service: they are registered, but not shown at any verbosity.
        return {**result, "given": given, "hosts": hosts, "moment": moment, "_ansible_no_log": True}

    def _values(
        self, rules: t.Mapping[str, t.Mapping[str, t.Any]], task_vars: t.Mapping[str, t.Any]
    ) -> t.Dict[str, t.Any]:
        """The variables that are set, templated.

        :raises ValueError: one of them cannot be templated.
        """
        values = {}
        for name in [name for key, rule in rules.items() for name in (key, *rule.get("aliases", ()))]:
            if name in task_vars:
                try:
                    values[name] = plain(self._templar.template(task_vars[name]))
                except AnsibleError as error:
                    raise ValueError(f"{name} cannot be read: {error}") from error
        return values
