# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    # One instance or many: the options IDENTITY of module_utils/_identity.py.
    DOCUMENTATION = r"""
options:
  id: &id
    description:
      - The id of the instance.
      - Give it alone or, if the instance was registered with its own id, together with all of O(service),
        O(namespace), O(host) and O(port).
    type: str
  service: &service
    description: The service that the instance belongs to.
    type: str
  namespace: &namespace
    description: The namespace of O(service).
    type: str
  host: &host
    description: The host that the instance was registered with, an address or a name.
    type: str
  port:
    description: The port of the instance, from V(0) to V(65535).
    type: int
  vpc_id: &vpc_id
    description: The id of the virtual private cloud, if the instance was registered with one.
    type: str
  instances:
    description:
      - Many instances, even ten thousand and more, instead of one by the options above.
      - All are checked before the first request. An error names the position in the list, which starts at V(0).
      - An instance that is named twice counts once.
    type: list
    elements: dict
    suboptions:
      id: *id
      service: *service
      namespace: *namespace
      host: *host
      port:
        description: As O(port).
        type: raw
      vpc_id: *vpc_id
"""
