# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. All hosts of a play in one task: which servers the controller itself asks, and how."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ansible import context
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ..module_utils._options import Spec, Validated, validated
from ._action import as_json
from ._host_variables import NAMES, Variables, completed, is_local, url_of
from ._play import is_playing

#: Says where the tasks of a host run.
CONNECTION = "ansible_connection"


def variables_in_play(action: ActionBase, task_vars: Variables, name: str) -> t.Dict[str, t.Any]:
    """The variables of a host that say which server is asked and how, templated, as the tasks of this host see them.

    Its ``hostvars`` lack the variables of the play, such as ``vars`` of import_playbook.

    :raises AnsibleError: a variable cannot be read outside the tasks of this host.
    """
    hosts = task_vars["hostvars"]
    host, play = hosts._inventory.get_host(name), action._task.get_play()
    raw = hosts._variable_manager.get_vars(play=play, host=host, include_hostvars=False)
    templar = action._templar.copy_with_new_env(available_variables=raw)
    return {variable: templar.template(raw[variable]) for variable in (*NAMES, CONNECTION) if variable in raw}


def options_of(variables: Variables, args: t.Mapping[str, t.Any]) -> t.Dict[str, t.Any]:
    """The options of a task for the server of a host, with the account that the tasks of this host use."""
    task = {"url": url_of(variables), **args}
    options: t.Dict[str, t.Any] = as_json(completed(task, {}, variables, os.environ).options)
    return options


def asked_servers(
    action: ActionBase, task_vars: Variables, spec: Spec, args: t.Mapping[str, t.Any]
) -> t.Tuple[t.Dict[str, Validated], t.List[str]]:
    """Host -> the options of a module for each server that the controller asks, and the other hosts of the play.

    If a variable of a host cannot be read outside its own tasks, the host is one of the others. Hosts that failed in an
    earlier play are in neither.
    """
    names = [str(name) for name in task_vars["ansible_play_hosts_all"] if is_playing(name, task_vars)]
    asked = {}
    for name in names:
        with contextlib.suppress(AnsibleError):
            variables = variables_in_play(action, task_vars, name)
            if is_local(variables.get(CONNECTION, context.CLIARGS.get("connection"))):
                asked[name] = validated(spec, options_of(variables, args))
    return asked, [name for name in names if name not in asked]
