#!/usr/bin/python
# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: polaris_leader_release
short_description: Let a node of a Polaris cluster give up a leadership
version_added: 1.0.0
description:
  - Lets one node give up the lead of some work that only one node of a cluster does at a time, so that another one
    takes it over. Wanted, for instance, before that node is taken down.
  - Sent only where this node leads. Where another one does, or nobody, nothing is done, so the task can run on all
    nodes.
  - The node steps down within 2 seconds and does not stand for election for about 30. Another one takes over within
    about 12 seconds; until then the list still shows the old leader.
  - Do not release C(polaris.checker) while clients are connected. On a cluster with the checker C(heartbeatLeader) the
    node that led refuses all heartbeats sent to it for about 30 seconds (code 500007), and live instances that report
    to it become unhealthy. This was seen on v1.18.1. The task fails, unless O(force) is set.
  - On a boltdb store every node leads for itself, and nothing takes a leadership up again once it is given up, so that
    the work stops until that node restarts. The task fails, unless O(force) is set.
  - Servers up to v1.13 have no such call.
extends_documentation_fragment:
  - polarismesh.maintenance.connection
  - polarismesh.maintenance.attributes
  - polarismesh.maintenance.attributes.action_group
  - polarismesh.maintenance.attributes.in_process
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: partial
    details:
      - Until another node has taken over, the list shows the old leader, and the task would release once more, without
        any further effect.
options:
  elect_key:
    description:
      - The work, such as V(MaintainJob.CleanDeletedInstances).
        M(polarismesh.maintenance.polaris_leader_info) lists what there is.
    type: str
    required: true
  force:
    description:
      - Release C(polaris.checker) as well, although heartbeats then fail and live instances may become unhealthy.
      - Release on a boltdb store as well, where the work then stops until the node restarts.
      - Release as well where it cannot be told whether this node is the one that leads. A node that does not lead
        ignores it.
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
  description: The work.
  type: str
  returned: success
  sample: MaintainJob.CleanDeletedInstances
leader:
  description: The node that led it before. V(null) when nobody did.
  type: str
  returned: success
  sample: 10.0.0.1
own_host:
  description: The address under which the node asked knows itself. V(null) where that cannot be told.
  type: str
  returned: success
  sample: 10.0.0.1
error:
  description: What failed. The notes describe its keys and kinds.
  type: dict
  returned: failure
  sample: {kind: guard, status: null, code: null, info: null, method: null, path: null}
"""

import contextlib
import typing as t

from ansible_collections.polarismesh.maintenance.plugins.module_utils._addresses import DEFAULT_HOST
from ansible_collections.polarismesh.maintenance.plugins.module_utils._api import elections, memory, server
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

#: The election of the node that decides on the health of all instances.
HEALTH_CHECKS = "polaris.checker"


def leader_of(elect_key: str, leaders: t.Sequence[Leader], url: str) -> Leader:
    for leader in leaders:
        if leader.elect_key == elect_key:
            return leader
    known = ", ".join(leader.elect_key for leader in leaders) or "nothing"
    raise PolarisError("not_found", f"{url} has no work {elect_key!r} to lead; it has {known}. Correct elect_key.")


def leads(leader: Leader, own: t.Optional[str]) -> t.Optional[bool]:
    """Whether a node is the leader; None where that cannot be told.

    :param own: the address under which the node knows itself, as far as that is known.
    """
    if not leader.valid:
        return False
    # On boltdb a node only knows of itself.
    if leader.ctime is None:
        return True
    # Nodes that were not told who they are all have this one.
    if own is None or leader.host == DEFAULT_HOST:
        return None
    return leader.host == own


def own_host(client: Client, leader: str) -> t.Optional[str]:
    """The address under which the node knows itself: from its metrics, or else that of its URL, if a node has that."""
    shown = memory.metrics(client)
    own = server.own_address(client, shown, [leader])
    if own is None:
        # Without the list it cannot be told, which is no failure yet.
        with contextlib.suppress(PolarisError):
            own = server.own_address(client, shown, [node.host for node in server.nodes(client)])
    return own


def guard(leader: Leader, release: t.Optional[bool], url: str) -> None:
    """Refuse what would stop the work or disturb live instances, and what may go to the wrong node."""
    if release is None:
        raise PolarisError(
            "guard",
            f"{leader.elect_key} is led by {leader.host}, and it cannot be told whether {url} is that node: give the "
            f"URL with the address under which the node registered itself, or set force (a node that does not lead "
            f"ignores the call). Nothing was sent.",
        )
    if release and leader.elect_key == HEALTH_CHECKS:
        raise PolarisError(
            "guard",
            f"{url} leads {HEALTH_CHECKS}, the health checks of all instances: for about 30 s after a release it "
            f"refuses the heartbeats that clients send to it, and live instances may become unhealthy. Set force if "
            f"that is what you want. Nothing was sent.",
        )
    if release and leader.ctime is None:
        raise PolarisError(
            "guard",
            f"{url} has a boltdb store, where nobody takes over: {leader.elect_key} would stop until that node "
            f"restarts. Set force if that is what you want. Nothing was sent.",
        )


def run(client: Client, params: Params, check_mode: bool) -> Result:
    elect_key = params["elect_key"]
    if not elect_key.strip():
        raise PolarisError("refused", "elect_key is empty: name the work, such as MaintainJob.CleanDeletedInstances.")
    leader = leader_of(elect_key, elections.leaders(client), client.url)
    own: t.Optional[str] = leader.host
    if leader.ctime is not None:
        own = own_host(client, leader.host)
    release = leads(leader, own)
    if not params["force"]:
        guard(leader, release, client.url)
    # Whether a node leads or not: told to release, it does no more than that.
    wanted = release is not False
    if wanted and not check_mode:
        try:
            elections.release(client, elect_key)
        except PolarisError as error:
            if error.outcome_unknown:
                error.msg = (
                    f"{error.msg.rstrip('.')}. The release was sent and may have taken effect: look with "
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
