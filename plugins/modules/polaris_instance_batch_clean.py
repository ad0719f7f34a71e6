#!/usr/bin/python
# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: polaris_instance_batch_clean
short_description: Permanently remove all deleted instances from the store of Polaris
version_added: 1.0.0
description:
  - Deregistered instances stay in the store of Polaris, marked as deleted, until the server removes them. This module
    removes them, batch by batch, until the server finds no more.
  - Live instances are not touched. The server selects what is marked as deleted.
  - The nodes of a cluster share the store. Run this task on one node only, or use the playbook
    C(polarismesh.maintenance.instance_clean).
  - Servers do the same every ten minutes, if their job C(CleanDeletedInstances) is switched on.
extends_documentation_fragment:
  - polarismesh.maintenance.connection
  - polarismesh.maintenance.attributes
attributes:
  check_mode:
    support: partial
    details:
      - Servers do not show what they have marked as deleted, so in check mode a warning says that the number is
        unknown.
      - Check mode fails if the server cannot be reached, does not accept the account, or does not have this call.
        Whether the account may write cannot be known without writing.
  diff_mode:
    support: none
    details:
      - Servers do not show what they have marked as deleted.
  idempotent:
    support: full
options:
  batch_size:
    description: The maximum number of instances to remove in one transaction of the server, from V(1) to V(1000).
    type: int
    default: 100
  max_rows:
    description: The maximum number of instances to remove. Without it, all are removed.
    type: int
notes:
  - Servers before v1.13.0 do not have this call.
  - From v1.17.0 on the server spares instances that were deleted less than 10 minutes ago. Older servers do not.
    A node that has not noticed the deletion then returns the instance to clients until that node restarts.
  - A request is never repeated.
seealso:
  - module: polarismesh.maintenance.polaris_instance_clean
author:
  - PolarisMesh Maintenance contributors (@polarismesh)
"""

EXAMPLES = r"""
- name: Remove all deleted instances
  polarismesh.maintenance.polaris_instance_batch_clean:
    url: http://127.0.0.1:8090
    token: "{{ polaris_token }}"

- name: Remove at most 5000, in small transactions
  polarismesh.maintenance.polaris_instance_batch_clean:
    url: http://127.0.0.1:8090
    token: "{{ polaris_token }}"
    batch_size: 50
    max_rows: 5000
"""

RETURN = r"""
url:
  description: The server.
  type: str
  returned: always
  sample: http://127.0.0.1:8090
rows_affected:
  description:
    - How many instances the server reported as removed.
    - After a failure, the last batch is not included.
  type: int
  returned: success, and a failure after the first request
  sample: 250
batches:
  description: The number of batches, including the last one, which may have found nothing.
  type: int
  returned: success, and a failure after the first request
  sample: 3
outcome_unknown:
  description: The last batch was not answered, so it is unknown whether its instances were removed.
  type: bool
  returned: if no response came
  sample: true
error:
  description: What failed. The notes describe its keys and kinds.
  type: dict
  returned: failure
  sample: {kind: unsupported, status: 404, code: null, info: null, method: POST, path: /maintain/v1/instance/batchclean}
"""

import typing as t

from ansible_collections.polarismesh.maintenance.plugins.module_utils._api import account, cleaning, routes
from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import Client, Progress
from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import PolarisError
from ansible_collections.polarismesh.maintenance.plugins.module_utils._options import Params, spec
from ansible_collections.polarismesh.maintenance.plugins.module_utils._runner import Result, run_module

SPEC = spec({"batch_size": {"type": "int", "default": 100}, "max_rows": {"type": "int"}})

#: The server allocates memory for a whole batch, and makes one statement of it.
LARGEST_BATCH = 1000

CHECK_MODE_WARNING = (
    "check mode: servers do not show what they have marked as deleted, so how many instances would be removed is "
    "unknown; nothing was removed."
)


def sizes(params: Params) -> t.Tuple[int, t.Optional[int]]:
    batch_size: int = params["batch_size"]
    max_rows: t.Optional[int] = params["max_rows"]
    if not 1 <= batch_size <= LARGEST_BATCH:
        raise PolarisError("refused", f"batch_size must be from 1 to {LARGEST_BATCH}; got {batch_size}.")
    if max_rows is not None and max_rows < 1:
        raise PolarisError("refused", f"max_rows must be 1 or more, or be left out to remove all; got {max_rows}.")
    return batch_size, max_rows


def next_size(batch_size: int, max_rows: t.Optional[int], rows: int) -> int:
    """The size of the next batch, so that no more than ``max_rows`` are removed; 0 at the end."""
    return batch_size if max_rows is None else max(min(batch_size, max_rows - rows), 0)


def interrupted(error: PolarisError, rows: int, batches: int) -> PolarisError:
    """The error of a batch, with what the batches before it have done."""
    if batches:
        error.msg = f"{error.msg.rstrip('.')}. {rows} instances were removed before, in {batches} batches."
    if error.outcome_unknown:
        error.msg += " Whether the last batch was removed is unknown; run this again to remove what is left."
    error.partial = {"changed": rows > 0 or error.outcome_unknown, "rows_affected": rows, "batches": batches}
    if error.outcome_unknown:
        error.partial["outcome_unknown"] = True
    return error


def run(client: Client, params: Params, check_mode: bool) -> Result:
    batch_size, max_rows = sizes(params)
    if check_mode:
        routes.require(client, cleaning.BATCH_CLEAN)
        account.check(client)
        return {"changed": False, "rows_affected": 0, "batches": 0, "warnings": [CHECK_MODE_WARNING]}
    rows, batches = 0, 0
    progress = Progress(client.progress, "instances removed", max_rows)
    size = next_size(batch_size, max_rows, rows)
    while size:
        try:
            affected = cleaning.clean_batch(client, size)
        except PolarisError as error:
            raise interrupted(error, rows, batches) from error
        rows += affected
        batches += 1
        progress.step(affected)
        size = next_size(batch_size, max_rows, rows) if affected >= size else 0
    return {"changed": rows > 0, "rows_affected": rows, "batches": batches}


def main() -> None:
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
