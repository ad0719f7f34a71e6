# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

# The options of module_utils/arguments.py: IDENTITY, and INSTANCE_FIELDS. Each is written once, and again by its anchor
# for the entries of a list.
_IDENTITY = r"""
options:
  id: &id
    description:
      - The id of the instance.
      - Alone, or with O(service), O(namespace), O(host) and O(port) all together, where that instance was registered
        with an id of its own.
    type: str
  service: &service
    description: The service that the instance belongs to.
    type: str
  namespace: &namespace
    description: The namespace of O(service).
    type: str
  host: &host
    description: The host as the instance was registered with it, an address or a name.
    type: str
  port: &port
    description: The port of the instance, from V(1) to V(65535).
    type: raw
  vpc_id: &vpc_id
    description: The id of the virtual private cloud, if the instance was registered with one.
    type: str
"""

_FIELDS = r"""
  protocol: &protocol
    description: The protocol that the instance speaks.
    type: str
  version: &version
    description: The version of the instance.
    type: str
  priority: &priority
    description: The priority of the instance, a whole number of V(0) or more.
    type: raw
  weight: &weight
    description: The weight of the instance, a whole number of V(0) or more.
    type: raw
  enable_health_check: &enable_health_check
    description: Whether the instance has a health check, V(true) or V(false).
    type: raw
  health_check: &health_check
    description: The health check of the instance.
    type: dict
    suboptions:
      type:
        description: V(HEARTBEAT) or V(UNKNOWN), or the number of it in the API, V(1) or V(0).
        type: str
      heartbeat:
        description: What goes with V(HEARTBEAT).
        type: dict
        suboptions:
          ttl:
            description: How many seconds may pass between two heartbeats.
            type: raw
  healthy: &healthy
    description: Whether the instance is healthy, V(true) or V(false).
    type: raw
  isolate: &isolate
    description: Whether the instance is isolated, V(true) or V(false).
    type: raw
  location: &location
    description: Where the instance is.
    type: dict
    suboptions:
      region:
        description: The region.
        type: str
      zone:
        description: The zone in the region.
        type: str
      campus:
        description: The campus in the zone.
        type: str
  metadata: &metadata
    description: The metadata of the instance, a dictionary of text.
    type: dict
  service_token: &service_token
    description: The token of the service. It is in no result.
    type: str
"""

_INSTANCES = r"""
  instances:
    description:
      - Many instances, ten thousand and more. Either these, or one by the options above.
      - All are checked before the first request. One that is wrong is named by its place in the list, from V(0) on, as
        is one that is in the list twice.
    type: list
    elements: dict
    suboptions:
      id: *id
      service: *service
      namespace: *namespace
      host: *host
      port: *port
      vpc_id: *vpc_id
"""

_INSTANCES_FIELDS = r"""
      protocol: *protocol
      version: *version
      priority: *priority
      weight: *weight
      enable_health_check: *enable_health_check
      health_check: *health_check
      healthy: *healthy
      isolate: *isolate
      location: *location
      metadata: *metadata
      service_token: *service_token
"""


class ModuleDocFragment:
    # One instance or many, by their identity alone.
    DOCUMENTATION = _IDENTITY + _INSTANCES

    # ... and with the further fields of the published API.
    FIELDS = _IDENTITY + _FIELDS + _INSTANCES + _INSTANCES_FIELDS
