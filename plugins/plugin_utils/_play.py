# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. The hosts of a play, and what it registered on them."""

from __future__ import annotations

import time
import typing as t

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.inventory.manager import InventoryManager
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.task import Task

from ._plain import plain
from ._summary import Node, Run


def arguments(spec: t.Mapping[str, t.Any], task: Task) -> t.Dict[str, t.Any]:
    """The options of a task of an internal action, validated.

    :raises AnsibleActionFail: the options are not those of the specification.
    """
    validation = ArgumentSpecValidator(spec).validate(plain(task.args))
    if validation.error_messages:
        raise AnsibleActionFail(validation.errors.msg)
    options: t.Dict[str, t.Any] = validation.validated_parameters
    return options


def matched(pattern: t.Any, groups: t.Mapping[str, t.Sequence[str]], limit: str = "") -> t.List[str]:
    """The names of the hosts that match a pattern and a limit.

    :param groups: the variable of this name: group -> its hosts.
    """
    inventory = InventoryManager(DataLoader(), parse=False)
    for group, hosts in groups.items():
        inventory.add_group(group)
        for host in hosts:
            inventory.add_host(host, group=group)
    try:
        if limit:
            inventory.subset(limit)
        return [host.name for host in inventory.get_hosts(pattern)]
    except AnsibleError:
        return []


#: Replaces the results of a host that is no longer part of the play.
LEFT_OUT = {"failed": True, "msg": "it failed in an earlier play of this run, so this play did nothing there"}


def is_playing(name: str, task_vars: t.Mapping[str, t.Any]) -> bool:
    """Whether a host was part of this play when it began.

    If a host failed before, in another imported playbook, its registered variables are from an earlier play.
    """
    checked = task_vars.get("polaris_variables")
    return not isinstance(checked, t.Mapping) or name in checked.get("hosts", [name])


def is_registered(value: t.Any) -> bool:
    """Whether a variable is the result of a task, which contains no templates."""
    return isinstance(value, dict) and any(sign in value for sign in ("changed", "failed", "skipped", "unreachable"))


def run_of(
    task_vars: t.Mapping[str, t.Any],
    registers: t.Sequence[str],
    given: t.Mapping[str, t.Any],
    target: t.Any,
    check_mode: bool,
) -> Run:
    """What the play registered, as plain values."""
    nodes = []
    for name in task_vars["ansible_play_hosts_all"]:
        host = task_vars["hostvars"][name]
        raw = task_vars["hostvars"].raw_get(name)
        # To template a registered result would only copy it, and that of a whole fleet takes longer than reading it.
        results = {
            register: plain(raw[register] if is_registered(raw[register]) else host[register])
            for register in registers
            if register in raw
        }
        if not is_playing(name, task_vars):
            results = {register: value for register, value in results.items() if not isinstance(value, dict)}
            results = {**dict.fromkeys(registers[:1], LEFT_OUT), **results}
        own = {str(host[key]) for key in ("polaris_url", "ansible_host") if key in host}
        own.update(str(result["url"]) for result in results.values() if isinstance(result, dict) and result.get("url"))
        nodes.append(Node(str(name), results, tuple(sorted(own))))
    names = {node.name for node in nodes}
    left_out = [] if target is None else [name for name in matched(target, task_vars["groups"]) if name not in names]
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return Run(nodes, check_mode, given, now, str(target), left_out)
