#!/usr/bin/python
# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: polaris_log_level
short_description: Set the log levels of a Polaris server
version_added: 1.0.0
description:
  - Sets the levels of one, several or all log scopes of one Polaris server. Only levels that differ are set.
  - Every scope and level is checked before the first level is set, and all levels are read back afterwards.
  - Levels belong to one server node and are lost when it restarts. To change a whole fleet, run this task on every
    node, or use the playbook C(polarismesh.maintenance.log_level).
extends_documentation_fragment:
  - polarismesh.maintenance.connection
  - polarismesh.maintenance.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  levels:
    description:
      - "The levels to set, by scope, for example V({naming: debug, store: info})."
      - The key V(*) means every other scope that the server has.
      - The levels are V(debug), V(info), V(warn), V(error), V(fatal) and V(none), in lower case. V(none) silences a
        scope completely, including its errors.
      - Either this or O(scope) with O(level) is required.
    type: dict
  scope:
    description:
      - One scope, such as V(naming), or V(*) for all scopes of the server.
      - The scopes depend on the version and the configuration of the server.
        M(polarismesh.maintenance.polaris_log_level_info) lists them.
    type: str
  level:
    description: The level of O(scope).
    type: str
    choices: [debug, info, warn, error, fatal, none]
  expected:
    description:
      - The current levels that scopes must have to be changed, by scope.
      - A scope that has another level is left alone, and RV(kept) names it. So restoring old levels does not overwrite
        a level that somebody else has set in the meantime.
      - Scopes that are not named here are changed regardless of their level.
    type: dict
  ignore_unknown_scopes:
    description:
      - Ignore scopes that this server does not have, with a warning, instead of failing.
      - Useful if the versions in a fleet differ.
    type: bool
    default: false
seealso:
  - module: polarismesh.maintenance.polaris_log_level_info
author:
  - PolarisMesh Maintenance contributors (@polarismesh)
"""

EXAMPLES = r"""
- name: Log what the service discovery of this node does
  polarismesh.maintenance.polaris_log_level:
    url: http://127.0.0.1:8090
    token: "{{ polaris_token }}"
    scope: naming
    level: debug

- name: Quiet all scopes except two
  polarismesh.maintenance.polaris_log_level:
    url: http://127.0.0.1:8090
    token: "{{ polaris_token }}"
    levels:
      naming: info
      auth: info
      "*": error
  register: quiet

- name: Restore the old levels
  polarismesh.maintenance.polaris_log_level:
    url: http://127.0.0.1:8090
    token: "{{ polaris_token }}"
    levels: "{{ quiet.previous }}"
  when: quiet.previous | length > 0
"""

RETURN = r"""
url:
  description: The server.
  type: str
  returned: always
  sample: http://127.0.0.1:8090
levels:
  description:
    - The level of every scope of the server, as read back after the change.
    - In check mode, the levels as they would be.
  type: dict
  returned: success
  sample: {auth: info, cache: info, naming: debug}
previous:
  description: The old levels of the scopes that were changed. Give it as O(levels) to restore them.
  type: dict
  returned: success, and a failure during the change
  sample: {naming: info}
changed_scopes:
  description: The scopes that were changed, sorted.
  type: list
  elements: str
  returned: success, and a failure during the change
  sample: [naming]
kept:
  description: The scopes that were left alone because they did not have the level in O(expected), with their level.
  type: dict
  returned: success, when O(expected) is given
  sample: {}
unchanged_scopes:
  description: The scopes that the task names and that certainly have their old level.
  type: list
  elements: str
  returned: failure during the change
  sample: [store]
unknown_scopes:
  description: The scopes that may or may not have been set, because the response of the server was lost.
  type: list
  elements: str
  returned: failure during the change
  sample: []
error:
  description: What failed. The notes describe its keys and kinds.
  type: dict
  returned: failure
  sample: {kind: auth, status: 400, code: null, info: invalid token, method: PUT, path: /maintain/v1/log/outputlevel}
"""

import json
import typing as t

from ansible_collections.polarismesh.maintenance.plugins.module_utils._api import log_levels
from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import Client
from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import PolarisError
from ansible_collections.polarismesh.maintenance.plugins.module_utils._levels import (
    ALL,
    Levels,
    changes,
    set_levels,
    split,
)
from ansible_collections.polarismesh.maintenance.plugins.module_utils._options import Params, spec
from ansible_collections.polarismesh.maintenance.plugins.module_utils._runner import Result, run_module

SPEC = spec(
    {
        "levels": {"type": "dict"},
        "scope": {"type": "str"},
        "level": {"type": "str", "choices": list(log_levels.LEVELS)},
        "expected": {"type": "dict"},
        "ignore_unknown_scopes": {"type": "bool", "default": False},
    },
    mutually_exclusive=[("levels", "scope"), ("levels", "level")],
    required_together=[("scope", "level")],
    required_one_of=[("levels", "scope")],
)


def wanted_levels(params: Params) -> Levels:
    """What the task asks for, as scope -> level; the error about a bad level names all bad levels."""
    if params["levels"] is None:
        wanted = {params["scope"]: params["level"]}
    else:
        # Ansible reads text such as "{7: 'debug'}" as a mapping whose keys are not text.
        wanted = json.loads(json.dumps(params["levels"]))
        if not wanted:
            raise PolarisError("refused", "levels is empty: name at least one scope and its level, or '*' for all.")
    bad = sorted(f"{scope}: {level}" for scope, level in wanted.items() if level not in log_levels.LEVELS)
    if bad:
        raise PolarisError(
            "refused",
            f"unknown level in {', '.join(bad)}: the levels are {', '.join(log_levels.LEVELS)} (in lower case).",
        )
    if any(not scope.strip() for scope in wanted):
        raise PolarisError("refused", "a scope is empty: write the name of a scope, or '*' for all.")
    return dict(wanted)


def unknown_scopes(wanted: Levels, current: Levels) -> t.List[str]:
    return sorted(scope for scope in wanted if scope != ALL and scope not in current)


def run(client: Client, params: Params, check_mode: bool) -> Result:
    wanted = wanted_levels(params)
    before = log_levels.read(client)
    unknown = unknown_scopes(wanted, before)
    if unknown and not params["ignore_unknown_scopes"]:
        raise PolarisError(
            "not_found",
            f"{client.url} has no log scope {', '.join(unknown)}; it has {', '.join(before)}: correct the name, or set "
            f"ignore_unknown_scopes if the nodes differ; nothing was changed.",
        )
    expected = params["expected"]
    todo, kept = split(changes(wanted, before), before, expected or {})
    after = set_levels(client, before, todo) if todo and not check_mode else {**before, **todo}
    result: Result = {
        "changed": bool(todo),
        "levels": after,
        "previous": {scope: before[scope] for scope in todo},
        "changed_scopes": list(todo),
        "diff": {"before": before, "after": after},
    }
    if expected is not None:
        result["kept"] = kept
    if unknown:
        result["warnings"] = [f"{client.url} has no log scope {', '.join(unknown)}: ignored."]
    return result


def main() -> None:
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
