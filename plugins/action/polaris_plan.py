# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Internal to the runbooks: decides what to do, once for all hosts, after all nodes were read."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._plans import PLANS
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._play import arguments, run_of
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._rebalance import RefusedError

OPTIONS: t.Dict[str, t.Any] = {
    "plan": {"type": "str", "required": True, "choices": list(PLANS)},
    "given": {"type": "dict", "default": {}},
    "target": {"type": "raw"},
}


class ActionModule(ActionBase):
    _supports_check_mode = True

    def run(self, tmp: t.Optional[str] = None, task_vars: t.Optional[t.Dict[str, t.Any]] = None) -> t.Dict[str, t.Any]:
        result: t.Dict[str, t.Any] = {**super().run(tmp, task_vars), "changed": False}
        options = arguments(OPTIONS, self._task)
        planner = PLANS[options["plan"]]
        run = run_of(task_vars or {}, planner.registers, options["given"], options["target"], self._task.check_mode)
        try:
            return {**result, "plan": planner.plan(run)}
        except RefusedError as refused:
            return {**result, "failed": True, "msg": str(refused)}
