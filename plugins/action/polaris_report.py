# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Internal to the playbook fleet_report: reads a node, in one task."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.polarismesh.maintenance.plugins.module_utils._runner import Result
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._action import perform_action
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._play import arguments

OPTIONS: t.Dict[str, t.Any] = {"given": {"type": "dict", "required": True}}


class ActionModule(ActionBase):
    _supports_check_mode = True

    def run(self, tmp: t.Optional[str] = None, task_vars: t.Optional[t.Dict[str, t.Any]] = None) -> Result:
        task_vars = task_vars or {}
        result: Result = {**super().run(tmp, task_vars), "changed": False}
        given = arguments(OPTIONS, self._task)["given"]
        hosts = list(task_vars["ansible_play_hosts_all"])
        server = {
            "gather": ["levels", "connections", "memory", "leaders"],
            "nodes_share": f"{hosts.index(task_vars['inventory_hostname']) + 1}/{len(hosts)}",
            "probe_defaults": given["probe_defaults"],
        }
        result.update(perform_action(self, "polaris_server_info", server, task_vars), heartbeats=None)
        if given["heartbeats"] and result.get("is_polaris"):
            instances = {"namespace": given["polaris_namespace"], "leader_only": True}
            if given["service"]:
                instances["service"] = given["service"]
            heard = perform_action(self, "polaris_heartbeat_info", instances, task_vars)
            result["warnings"] = [*result.get("warnings", ()), *heard.pop("warnings", ())]
            # If this fails, only this part of the node is missing on the page.
            result["heartbeats"] = {key: value for key, value in heard.items() if not key.startswith("_ansible_")}
        return result
