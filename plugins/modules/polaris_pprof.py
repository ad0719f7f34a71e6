#!/usr/bin/python
# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: polaris_pprof
short_description: Switch the profiles of a Polaris server on or off
version_added: 1.0.0
description:
  - Switches the profiles (C(/debug/pprof)) of one running Polaris server on or off, if they are not already.
  - The setting belongs to one node and is lost when it restarts.
  - Releases up to v1.18.1 do not have this call. They read C(enablePprof) in polaris-server.yaml at startup. On such a
    server the task succeeds only if the profiles already are as O(enabled) says.
  - Anyone who can reach the port can read profiles without an account. On servers that have this call, anyone can use
    it as well. Switch profiles off when you have saved yours.
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
  enabled:
    description: Whether the profiles are on.
    type: bool
    required: true
seealso:
  - module: polarismesh.maintenance.polaris_profile
author:
  - PolarisMesh Maintenance contributors (@polarismesh)
"""

EXAMPLES = r"""
- name: Switch profiles on
  polarismesh.maintenance.polaris_pprof:
    url: http://127.0.0.1:8090
    enabled: true
"""

RETURN = r"""
url:
  description: The server.
  type: str
  returned: always
  sample: http://127.0.0.1:8090
enabled:
  description: Whether the profiles are on now. In check mode, whether they would be.
  type: bool
  returned: success
  sample: true
error:
  description: What failed. The notes describe its keys and kinds.
  type: dict
  returned: failure
  sample: {kind: unsupported, status: 404, code: null, info: Not Found, method: POST, path: /maintain/v1/pprof/enable}
"""

from ansible_collections.polarismesh.maintenance.plugins.module_utils._advice import how_to_profile
from ansible_collections.polarismesh.maintenance.plugins.module_utils._api import profiles, routes
from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import Client
from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import PolarisError
from ansible_collections.polarismesh.maintenance.plugins.module_utils._options import Params, spec
from ansible_collections.polarismesh.maintenance.plugins.module_utils._runner import Result, run_module

SPEC = spec({"enabled": {"type": "bool", "required": True}})


def switch(client: Client, wanted: bool, check_mode: bool) -> None:
    try:
        if check_mode:
            routes.require(client, profiles.ENABLE_PPROF)
        else:
            profiles.enable(client, wanted)
    except PolarisError as error:
        if error.kind == "unsupported":
            error.msg = f"{error.msg} {how_to_profile(wanted, by_call=False)}"
        if not error.outcome_unknown:
            raise
        check_after_lost_answer(client, wanted, error)
    if not check_mode and profiles.enabled(client) != wanted:
        raise PolarisError(
            "server",
            f"{client.url} accepted the switch, but its profiles are still {'off' if wanted else 'on'}: something else "
            f"switches them at the same time, or a proxy answered; check, and run again.",
        )


def check_after_lost_answer(client: Client, wanted: bool, error: PolarisError) -> None:
    """Raise the error of a switch that got no answer, unless the server shows that it took effect."""
    still = "off" if wanted else "on"
    try:
        if profiles.enabled(client) == wanted:
            return
        error.msg = f"{error.msg.rstrip('.')}. The profiles are still {still}; the request may still take effect."
    except PolarisError:
        error.msg = f"{error.msg.rstrip('.')}. It is unknown whether the profiles are still {still}."
        error.partial = {"changed": True}
    raise error


def run(client: Client, params: Params, check_mode: bool) -> Result:
    wanted = params["enabled"]
    before = profiles.enabled(client)
    if before != wanted:
        switch(client, wanted, check_mode)
    return {
        "changed": before != wanted,
        "enabled": wanted,
        "diff": {"before": {"enabled": before}, "after": {"enabled": wanted}},
    }


def main() -> None:
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
