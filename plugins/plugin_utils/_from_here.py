# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. All hosts of a play in one task: which servers the controller itself asks, and how."""

from __future__ import annotations

import os
import typing as t

from ansible import context
from ansible.errors import AnsibleError

from ..module_utils._options import Spec, Validated, validated
from ._action import as_json
from ._host_variables import NAMES, Variables, completed, is_local, url_of
from ._play import is_playing


def hosts_of(task_vars: Variables) -> t.List[t.Tuple[str, Variables]]:
    """All hosts of the play with their variables, without those that failed in an earlier play."""
    names = [name for name in task_vars["ansible_play_hosts_all"] if is_playing(name, task_vars)]
    return [(str(name), task_vars["hostvars"][name]) for name in names]


def asked_from_here(host: Variables) -> bool:
    """Whether the controller itself connects to the server of a host."""
    return is_local(host.get("ansible_connection", context.CLIARGS.get("connection")))


def options_of(variables: Variables, args: t.Mapping[str, t.Any]) -> t.Dict[str, t.Any]:
    """The options of a task for the server of a host, with the account that the tasks of this host use."""
    task = {"url": url_of(variables), **args}
    options: t.Dict[str, t.Any] = as_json(completed(task, {}, variables, os.environ).options)
    return options


def asked_servers(
    task_vars: Variables, spec: Spec, args: t.Mapping[str, t.Any]
) -> t.Tuple[t.Dict[str, Validated], t.List[str]]:
    """Host -> the options of a module for each server that the controller asks, and the other hosts of the play.

    If a variable of a host cannot be read outside its own tasks, the host is one of the others.
    """
    asked, others = {}, []
    for name, host in hosts_of(task_vars):
        try:
            if asked_from_here(host):
                variables = {variable: host[variable] for variable in NAMES if variable in host}
                asked[name] = validated(spec, options_of(variables, args))
                continue
        except AnsibleError:
            pass
        others.append(name)
    return asked, others
