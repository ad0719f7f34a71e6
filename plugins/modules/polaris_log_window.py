#!/usr/bin/python
# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The operation is in plugins/action/polaris_log_window.py: it waits on the controller.

from __future__ import annotations

DOCUMENTATION = r"""
module: polaris_log_window
short_description: Wait, and restore Polaris log levels when the play is killed meanwhile
version_added: 0.1.0
description:
  - The wait between raising log levels and restoring them, as in the playbook C(polarismesh.maintenance.debug_window).
  - At a terminal, Enter or Ctrl-C ends the wait, and the play goes on to restore the levels.
  - When C(ansible-playbook) is ended in another way, by a signal, a cancelled job, or because its process dies, no
    C(always) section runs any more. This task then restores the levels of O(restore) itself before it goes. That is not
    possible after the whole machine is lost, nor for servers that this controller cannot reach by itself.
  - Runs on the controller, once for all hosts.
attributes:
  check_mode:
    description: Can run in check mode and say what would change without changing it.
    support: full
    details: Does not wait in check mode.
  diff_mode:
    description: Will show what changed (or, in check mode, would change) in diff mode.
    support: none
options:
  seconds:
    description: How long to wait.
    type: int
    required: true
  restore:
    description:
      - What to restore in an emergency, one entry for each server.
      - Each entry holds options of M(polarismesh.maintenance.polaris_log_level), as a rule C(url), C(token) and
        C(levels).
    type: list
    elements: dict
    required: true
  elsewhere:
    description:
      - The names of hosts whose servers this controller cannot restore in an emergency, because only a task that runs
        on the host itself reaches them, such as one over SSH. The task warns of that when the wait begins.
    type: list
    elements: str
    default: []
seealso:
  - module: polarismesh.maintenance.polaris_log_level
author:
  - PolarisMesh Maintenance contributors (@polarismesh)
"""

EXAMPLES = r"""
- name: Raise
  polarismesh.maintenance.polaris_log_level:
    url: http://127.0.0.1:8090
    scope: naming
    level: debug
  register: raised

- name: Wait
  polarismesh.maintenance.polaris_log_window:
    seconds: 2
    restore:
      - url: http://127.0.0.1:8090
        levels: "{{ raised.previous }}"
  run_once: true

- name: Restore
  polarismesh.maintenance.polaris_log_level:
    url: http://127.0.0.1:8090
    levels: "{{ raised.previous }}"
"""

RETURN = r"""
waited:
  description: How many seconds the window was open.
  type: int
  returned: success
  sample: 300
ended_by:
  description: What ended the wait, V(time), V(key), V(interrupt) (Ctrl-C at a terminal), or V(check mode).
  type: str
  returned: success
  sample: time
"""
