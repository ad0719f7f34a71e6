# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Event filter: the firing alerts in a webhook of Prometheus Alertmanager, each as an event that is safe to act on.

Alerts are untrusted. ansible-rulebook evaluates templates in the values that a rule passes on, and gives names such as
meta.hosts a meaning. So an event that leaves this filter has only:

alertname   the label, unchanged; only for comparison in a rule
host        the name that the inventory plugin gives the node of the label "instance"; absent if that label is neither
            an address nor a host name with a dot in it
node        the same for all spellings of one node; only for throttling

"instance" is the address of a target in Prometheus, with or without a port, an IPv6 address in brackets, in any
spelling; or the name of a host in the inventory. A name without a dot is ignored, because it could be the name of a
group: Ansible warns about a group with a dot or a hyphen in its name.

ansible-rulebook runs this file outside of the collection, so it cannot import from it.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any

DOCUMENTATION = r"""
---
short_description: The firing alerts in a webhook of Prometheus Alertmanager
description:
  - Makes an event of each alert that fires. Each has the key C(alertname), and C(host) and C(node) if the label
    C(instance) names a node.
  - C(host) is the name that the inventory plugin C(polarismesh.maintenance.polaris) gives that node. C(node) is the
    same for all spellings of one node.
  - Everything else in the alert is dropped.
options: {}
"""

EXAMPLES = r"""
- eda.builtin.webhook:
    host: 127.0.0.1
    port: 5057
  filters:
    - polarismesh.maintenance.alerts:
"""

_INSTANCE = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[0-9A-Za-z._-]+))(?::[0-9]{1,5})?|(?P<bare_v6>[0-9A-Fa-f:.]+)"
)
_HOST_NAME = re.compile(r"[0-9A-Za-z_-]+(?:[.][0-9A-Za-z_-]+)+")

Event = dict[str, Any]


def main(event: Any) -> list[Event]:
    """The firing alerts in this event."""
    payload = event.get("payload") if isinstance(event, dict) else None
    alerts = payload.get("alerts") if isinstance(payload, dict) else None
    if not isinstance(alerts, list):
        return []
    return [_event(alert["labels"]) for alert in alerts if _fires(alert)]


def _fires(alert: Any) -> bool:
    return (
        isinstance(alert, dict)
        and alert.get("status") == "firing"
        and isinstance(alert.get("labels"), dict)
        and isinstance(alert["labels"].get("alertname"), str)
    )


def _event(labels: Event) -> Event:
    event = {"alertname": labels["alertname"]}
    host = host_of(labels.get("instance"))
    if host is not None:
        event.update(host=host, node=host.lower())
    return event


def host_of(instance: Any) -> str | None:
    """The inventory name of the node that this label names; None if it names none."""
    match = _INSTANCE.fullmatch(instance) if isinstance(instance, str) else None
    if match is None:
        return None
    name = match["name"]
    address = _address(match["v6"] or match["bare_v6"] or name)
    if address is None and name is not None:
        # The label may be the name of such a host already.
        address = _address(name.replace("-", ":"))
    if address is not None:
        # As in plugins/inventory/polaris.py, because colons separate host patterns.
        return str(address).replace(":", "-")
    name = (name or "").rstrip(".")
    return name if _HOST_NAME.fullmatch(name) else None


def _address(text: str) -> Any:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
