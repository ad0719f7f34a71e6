# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Internal to conn_rebalance: counts the connections of all servers that the controller itself asks, in one task.

A task for each of them would print another line for each, the third of this runbook.
"""

from __future__ import annotations

import functools
import typing as t
from concurrent.futures import ThreadPoolExecutor

from ansible import context
from ansible.plugins.action import ActionBase

from ansible_collections.polarismesh.maintenance.plugins.module_utils._options import Validated
from ansible_collections.polarismesh.maintenance.plugins.module_utils._runner import Result, perform
from ansible_collections.polarismesh.maintenance.plugins.modules.polaris_conn_info import SPEC, run
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._action import perform_action, still_waiting, tell
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._from_here import asked_servers
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._play import arguments
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._rebalance import counted_in

OPTIONS: t.Dict[str, t.Any] = {
    "after": {"type": "int", "required": True},
    "protocol": {"type": "str", "required": True},
    "spare": {"type": "list", "elements": "str", "default": []},
}


class ActionModule(ActionBase):
    def run(self, tmp: t.Optional[str] = None, task_vars: t.Optional[t.Dict[str, t.Any]] = None) -> Result:
        result: Result = {**super().run(tmp, task_vars), "changed": False}
        options = arguments(OPTIONS, self._task)
        if not options["after"]:
            return {**result, "counts": {}}
        asked, _others = asked_servers(self, task_vars or {}, SPEC, {"protocol": options["protocol"]})
        if not asked:
            return {**result, "counts": {}}
        perform_action(self, "ansible.builtin.pause", {"seconds": options["after"]}, task_vars or {})
        count = functools.partial(count_of, spare=frozenset(options["spare"]))
        pool = ThreadPoolExecutor(max_workers=context.CLIARGS["forks"])
        with still_waiting(tell, "polaris: still waiting for servers that do not answer"), pool:
            found = dict(zip(asked, pool.map(count, asked.values())))
        return {**result, "counts": found}


def count_of(options: Validated, spare: t.FrozenSet[str]) -> t.Optional[int]:
    """How many connections a server has, without those of spared clients; None if it could not be asked."""
    if options.error is not None:
        return None
    result = perform(run, options.params, options.secrets, check_mode=False, diff_mode=False).result
    return None if result.get("failed") else counted_in(result, spare)
