# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PolarisMesh server fleet in one process, for tests, the benchmark and the demo.

It shares no code with the collection. To run it by hand, from the root of the checkout: `python -m tests.simulator
--help`. In a test:

    with Fleet(nodes=3, profile="v1.18.1", store="mysql", auth="strict") as fleet:
        row = fleet.store.register("web", "default", "10.0.0.1", 80)
        fleet.nodes[0].beat(row.id)
        fleet.nodes[1].fault("PUT", "/maintain/v1/log/outputlevel", Fault("drop"), times=1)
        ...  # talk to fleet.nodes[0].url with fleet.tokens.owner
        assert fleet.nodes[0].levels["naming"] == "debug"
        assert fleet.requests[-1].status == 200

See node.Config for the settings, control for the HTTP calls, and profiles for the differences between versions.
"""

from __future__ import annotations

from .faults import Fault
from .fleet import Fleet, PortInUseError
from .node import Node
from .profiles import PROFILES, Profile

__all__ = ["PROFILES", "Fault", "Fleet", "Node", "PortInUseError", "Profile"]
