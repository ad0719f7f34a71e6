# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A connection for the tests: to this machine, but lost after as many modules as the variable flaky_after says."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection.local import Connection as Local

DOCUMENTATION = """
name: flaky
short_description: Local, and lost at a chosen moment
description: Stands in for a node whose SSH fails in the middle of a play. Once lost, it stays lost.
options:
  flaky_after:
    description: How many modules it runs before.
    type: int
    default: 0
    vars:
      - name: flaky_after
"""


class Connection(Local):
    transport = "flaky"

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> Any:
        count = Path(os.environ["POLARIS_TEST_FLAKY"])
        # A byte for each, because several hosts count at the same time.
        done = count.stat().st_size if count.exists() else 0
        # With pipelining, a module goes to stdin. Removing the files of a module that has run does not count.
        after: int = self.get_option("flaky_after")  # type: ignore[no-untyped-call]
        if done >= after and "rm -f" not in cmd:
            raise AnsibleConnectionFailure("Failed to connect to the host via ssh: Connection refused")
        if in_data or ("AnsiballZ" in cmd and "chmod" not in cmd):
            with count.open("ab") as file:
                file.write(b".")
        return super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
