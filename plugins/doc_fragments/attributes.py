# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check mode and report what would change without changing it.
  diff_mode:
    description: Will show what changed (or, in check mode, would change) in diff mode.
  idempotent:
    description:
      - When run twice in a row with the same options, the second run changes nothing.
      - This assumes that nobody else changes the server in between.
  action_group:
    description: Use C(group/polarismesh.maintenance.polaris) in C(module_defaults) to set the common options once.
    support: full
    membership:
      - polarismesh.maintenance.polaris
  async:
    description: Can be run with C(async). The task then runs as a module, in its own interpreter.
    support: full
  in_process:
    description:
      - With a local connection, the task runs inside the worker process of the controller and starts no interpreter of
        its own, which is many times faster for a fleet. The results are the same.
      - With C(become), C(async) or C(environment), with any other connection, or if the variable C(polaris_in_process)
        is V(false), it runs as a module.
    support: full
"""

    # For modules that only read.
    INFO_MODULE = r"""
options: {}
attributes:
  check_mode:
    support: full
    details: This module only reads.
  diff_mode:
    support: N/A
    details: This module only reads.
  idempotent:
    support: full
    details: This module only reads.
"""

    # Instead of the first one, for modules that only the playbooks of this collection use.
    INTERNAL = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check mode and report what would change without changing it.
    support: full
  diff_mode:
    description: Will show what changed (or, in check mode, would change) in diff mode.
    support: none
  idempotent:
    description: When run twice in a row with the same options, the second run changes nothing.
    support: N/A
    details: This module is not for use on its own.
"""
