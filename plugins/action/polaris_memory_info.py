# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.polarismesh.maintenance.plugins.modules.polaris_memory_info import SPEC, run
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._action import PolarisAction


class ActionModule(PolarisAction):
    spec = SPEC
    operation = staticmethod(run)
