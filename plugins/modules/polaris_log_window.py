#!/usr/bin/python
# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The operation is in plugins/action/polaris_log_window.py.

from __future__ import annotations

DOCUMENTATION = r"""
module: polaris_log_window
short_description: Raise log levels for a while, and restore them (internal)
version_added: 1.0.0
description:
  - Internal to the playbook C(polarismesh.maintenance.debug_window); it may change at any time.
  - Before a level is raised, V(watch) starts a process on the controller that restores the levels if
    C(ansible-playbook) dies first. V(release) ends that process, unless a node is still raised.
  - V(open) reads the levels of a node, records them in a file for that process, and raises them. If the connection of
    the node is not local, it first starts a job on the node (M(polarismesh.maintenance.polaris_log_switch)) that
    restores them by itself. V(restore) restores the levels, and ends that job.
  - V(wait) waits. At a terminal, Enter or Ctrl-C ends the wait, and the play goes on to restore the levels.
  - V(watch), V(wait) and V(release) run once for all hosts, V(open) and V(restore) on every host.
extends_documentation_fragment:
  - polarismesh.maintenance.attributes.internal
attributes:
  check_mode:
    details: Does not wait in check mode.
options:
  step:
    description: What to do.
    type: str
    choices: [watch, open, wait, restore, release]
    required: true
  levels:
    description: The levels that V(open) sets, by scope.
    type: dict
    default: {}
  ignore_unknown_scopes:
    description: V(open) ignores scopes that the server does not have.
    type: bool
    default: false
  seconds:
    description: How long the window is open.
    type: int
    default: 300
seealso:
  - module: polarismesh.maintenance.polaris_log_level
author:
  - PolarisMesh Maintenance contributors (@polarismesh)
"""

EXAMPLES = r"""
- name: Wait
  polarismesh.maintenance.polaris_log_window:
    step: wait
    seconds: 2
  run_once: true
"""

RETURN = r"""
plan:
  description: The C(url) of the server, the old C(levels) that the window changes, and those that it C(set).
  type: dict
  returned: V(open) and V(restore)
  sample: {url: "http://10.0.0.1:8090", levels: {naming: info}, set: {naming: debug}}
switch:
  description: >-
    The job on the node that restores the levels. C(name) is its name, C(until) the time at which it restores them, and
    C(ends) the same time on the clock of C(time.monotonic). If there is no job, C(missing) says why. C(gone) means that
    it was not running when the levels were raised, C(restored) that it had already restored them. Empty if the
    controller itself connects to the server.
  type: dict
  returned: V(open)
  sample: {}
late:
  description: Whether a level may still be raised, because the server had not answered a change.
  type: bool
  returned: V(restore)
  sample: false
waited:
  description: How many seconds the window was open.
  type: int
  returned: success of V(wait)
  sample: 300
ended_by:
  description: What ended the wait, V(time), V(key), V(interrupt) (Ctrl-C at a terminal), or V(check mode).
  type: str
  returned: success of V(wait)
  sample: time
"""
