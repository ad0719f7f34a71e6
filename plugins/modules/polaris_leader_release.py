#!/usr/bin/python
# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: polaris_leader_release
short_description: Make a node of a Polaris cluster release a leadership
version_added: 1.0.0
description:
  - Makes one node release a job that only one node of a cluster does at a time, so that another node takes it over, for
    example before that node is shut down.
  - The release is sent only if this node leads. If another node leads, or none, nothing is done, so the task can run on
    all nodes.
  - The node steps down within 2 seconds and is not a candidate for about 30. Another node takes over within about 12
    seconds; until then the list still shows the old leader.
  - Do not release C(polaris.checker) while clients are connected. On a cluster with the checker C(heartbeatLeader), the
    old leader refuses all heartbeats sent to it for about 30 seconds (code 500007), and live instances that send
    theirs to it become unhealthy (seen on v1.18.1). The task fails unless O(force) is set.
  - On a boltdb store, every node is its own leader, and no node takes over a released leadership, so the job stops
    until that node restarts. The task fails unless O(force) is set.
  - Servers up to v1.13 do not have this call.
extends_documentation_fragment:
  - polarismesh.maintenance.connection
  - polarismesh.maintenance.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: partial
    details:
      - Until another node has taken over, the list shows the old leader, and the task sends the release again, without
        further effect.
options:
  elect_key:
    description:
      - The job, such as V(MaintainJob.CleanDeletedInstances), which is part of V(MaintainJob) after v1.18.1.
        M(polarismesh.maintenance.polaris_leader_info) lists all jobs.
    type: str
    required: true
  force:
    description:
      - Release even C(polaris.checker), although heartbeats then fail and live instances may become unhealthy.
      - Release even on a boltdb store, although the job then stops until the node restarts.
      - Release even if it is unknown whether this node leads. A node that does not lead ignores the call.
    type: bool
    default: false
seealso:
  - module: polarismesh.maintenance.polaris_leader_info
author:
  - PolarisMesh Maintenance contributors (@polarismesh)
"""

EXAMPLES = r"""
- name: Let another node remove deleted instances
  polarismesh.maintenance.polaris_leader_release:
    url: http://127.0.0.1:8090
    token: "{{ polaris_token }}"
    elect_key: MaintainJob.CleanDeletedInstances
"""

RETURN = r"""
url:
  description: The server.
  type: str
  returned: always
  sample: http://127.0.0.1:8090
elect_key:
  description: The job.
  type: str
  returned: success
  sample: MaintainJob.CleanDeletedInstances
leader:
  description: The node that led before. V(null) if no node did.
  type: str
  returned: success
  sample: 10.0.0.1
own_host:
  description: The node's own address, as known to that node. V(null) if this is unknown.
  type: str
  returned: success
  sample: 10.0.0.1
error:
  description: What failed. The notes describe its keys and kinds.
  type: dict
  returned: failure
  sample: {kind: guard, status: null, code: null, info: null, method: null, path: null}
"""

import typing as t

from ansible_collections.polarismesh.maintenance.plugins.module_utils._addresses import DEFAULT_HOST
from ansible_collections.polarismesh.maintenance.plugins.module_utils._api import elections, server
from ansible_collections.polarismesh.maintenance.plugins.module_utils._api.elections import HEALTH_CHECKS, leads
from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import Client
from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import PolarisError
from ansible_collections.polarismesh.maintenance.plugins.module_utils._model import Leader
from ansible_collections.polarismesh.maintenance.plugins.module_utils._options import Params, spec
from ansible_collections.polarismesh.maintenance.plugins.module_utils._runner import Result, run_module

SPEC = spec(
    {
        "elect_key": {"type": "str", "required": True, "no_log": False},
        "force": {"type": "bool", "default": False},
    }
)


def leader_of(elect_key: str, leaders: t.Sequence[Leader], url: str) -> Leader:
    for leader in leaders:
        if leader.elect_key == elect_key:
            return leader
    known = ", ".join(leader.elect_key for leader in leaders) or "none"
    raise PolarisError("not_found", f"{url} has no elected job {elect_key!r}; it has {known}. Correct elect_key.")


def guard(leader: Leader, release: t.Optional[bool], url: str) -> None:
    """Refuse a release that would stop the job, harm live instances, or may go to the wrong node."""
    if release is not False and leader.elect_key == HEALTH_CHECKS:
        raise PolarisError(
            "guard",
            f"{url} {'leads' if release else 'may lead'} {HEALTH_CHECKS}, the health checks of all instances: for "
            f"about 30 s after a release it refuses the heartbeats that clients send to it, and live instances may "
            f"become unhealthy. Set force to release it anyway. Nothing was sent.",
        )
    if release is None:
        how = "give the URL with the address that the node registered"
        if leader.host == DEFAULT_HOST:
            how = (
                "give each node an address of its own (in polaris-server.yaml, self_address from Polaris v1.17.2 on, "
                "or probe_address, under bootstrap.polaris_service), then restart it"
            )
        raise PolarisError(
            "guard",
            f"{leader.elect_key} is led by {leader.host}, and it is unknown whether {url} is that node: {how}, or set "
            f"force (a node that does not lead ignores the call). Nothing was sent.",
        )
    if release and leader.ctime is None:
        raise PolarisError(
            "guard",
            f"{url} has a boltdb store, where no node takes over: {leader.elect_key} would stop until that node "
            f"restarts. Set force to release it anyway. Nothing was sent.",
        )


def run(client: Client, params: Params, check_mode: bool) -> Result:
    elect_key = params["elect_key"]
    if not elect_key.strip():
        raise PolarisError("refused", "elect_key is empty: name the job, such as MaintainJob.CleanDeletedInstances.")
    leader = leader_of(elect_key, elections.leaders(client), client.url)
    own: t.Optional[str] = leader.host
    if leader.ctime is not None:
        own = server.address_beside(client, leader.host)
    release = leads(leader, own)
    if not params["force"]:
        guard(leader, release, client.url)
    # A node that does not lead ignores the release.
    wanted = release is not False
    if wanted and not check_mode:
        try:
            elections.release(client, elect_key)
        except PolarisError as error:
            if error.outcome_unknown:
                error.msg = (
                    f"{error.msg.rstrip('.')}. The release was sent and may have taken effect: check with "
                    f"polaris_leader_info before you run this again."
                )
                error.partial = {"changed": True, "outcome_unknown": True}
            raise
    return {
        "changed": wanted,
        "elect_key": elect_key,
        "leader": leader.host if leader.valid else None,
        "own_host": own,
    }


def main() -> None:
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
