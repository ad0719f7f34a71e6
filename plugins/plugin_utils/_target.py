# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts that a pattern means."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleError
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader


def matched(pattern: t.Any, groups: t.Mapping[str, t.Sequence[str]], limit: str = "") -> t.List[str]:
    """The names of the hosts that the pattern and the limit leave.

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
