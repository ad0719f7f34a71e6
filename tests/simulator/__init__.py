# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PolarisMesh server fleet in one process, for tests, the benchmark and the demo.

It shares no code with the collection.
"""

from __future__ import annotations

from .faults import Fault
from .fleet import Fleet, PortInUseError
from .node import Node
from .profiles import PROFILES, Profile

__all__ = ["PROFILES", "Fault", "Fleet", "Node", "PortInUseError", "Profile"]
