#!/usr/bin/python
# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: polaris_memory_free
short_description: Make a Polaris server return memory to the operating system
version_added: 1.0.0
description:
  - Makes one Polaris server run a full garbage collection and return free memory to the operating system.
  - Does so only if the heap could return enough memory. A second run right after the first changes nothing.
  - The figures come from the metrics of the server (C(/metrics)), or else from its heap profile (C(/debug/pprof/heap)).
    If it shows neither, memory is freed in any case, and the figures are V(null).
  - During the collection, every client of that node waits, for a noticeable moment if the heap is large. In a cluster,
    free the nodes one at a time, as the playbook C(polarismesh.maintenance.memory_free) does.
  - The call is sent once and never repeated. The server answers when it has finished. After 60 seconds it closes the
    connection although the work continues; the task then fails and says that the outcome is unknown.
extends_documentation_fragment:
  - polarismesh.maintenance.connection
  - polarismesh.maintenance.attributes
attributes:
  check_mode:
    support: full
    details:
      - In check mode, RV(memory_after) assumes that the whole idle part of the heap was returned. A real collection
        also finds garbage, and usually frees more.
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - With O(force), or if the server shows no figures, memory is freed in every run.
options:
  min_releasable:
    description:
      - Free only if the heap could return at least this much to the system.
      - A number of bytes, or a number with the unit V(K), V(M), V(G) or V(T) (powers of 1024), such as V(64M) or
        V(1.5G).
    type: str
    default: 32M
  force:
    description: Free in any case.
    type: bool
    default: false
  timeout:
    description: The maximum duration of one request, in seconds. The server closes the connection after 60 seconds.
    type: float
    default: 90
seealso:
  - module: polarismesh.maintenance.polaris_memory_info
    description: Only reads the figures.
  - module: polarismesh.maintenance.polaris_profile
    description: Shows what holds the memory that is not returned.
author:
  - PolarisMesh Maintenance contributors (@polarismesh)
"""

EXAMPLES = r"""
- name: Free memory, if it is worth a collection
  polarismesh.maintenance.polaris_memory_free:
    url: http://127.0.0.1:8090
    token: "{{ polaris_token }}"
    min_releasable: 64M

- name: Free in any case
  polarismesh.maintenance.polaris_memory_free:
    url: http://127.0.0.1:8090
    token: "{{ polaris_token }}"
    force: true
  register: freed

- name: Show how much was returned
  ansible.builtin.debug:
    msg: "{{ (freed.released or 0) | human_readable }} returned to the system"
"""

RETURN = r"""
url:
  description: The server.
  type: str
  returned: always
  sample: http://127.0.0.1:8090
memory_before:
  description:
    - The heap of the server before, in bytes, with the keys of
      RV(polarismesh.maintenance.polaris_memory_info#module:memory).
    - V(null) if the server shows no figures.
  type: dict
  returned: success, and when the outcome is unknown
  sample:
    heap: 1048576000
    heap_idle: 734003200
    heap_released: 104857600
    heap_in_use: 419430400
    releasable: 629145600
    sys: 1181116006
memory_after:
  description: The same afterwards. V(null) if the server shows no figures.
  type: dict
  returned: success, and when the outcome is unknown and the figures could be read
  sample:
    heap: 1048576000
    heap_idle: 734003200
    heap_released: 734003200
    heap_in_use: 419430400
    releasable: 0
    sys: 1181116006
released:
  description:
    - The growth of C(heap_released) in bytes. V(null) without figures.
    - V(0) if nothing was freed, or nothing was returned.
  type: int
  returned: success, and when the outcome is unknown and the figures could be read
  sample: 629145600
outcome_unknown:
  description: The call was sent and not answered. The server may have freed memory, or may still be working on it.
  type: bool
  returned: if no response came
  sample: true
error:
  description: What failed. The notes describe its keys and kinds.
  type: dict
  returned: failure
  sample: {kind: timeout, status: null, code: null, info: null, method: POST, path: /maintain/v1/memory/free}
"""

import contextlib
import typing as t
from dataclasses import replace

from ansible.module_utils.common.text.formatters import human_to_bytes

from ansible_collections.polarismesh.maintenance.plugins.module_utils._api import account, memory
from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import Client
from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import PolarisError
from ansible_collections.polarismesh.maintenance.plugins.module_utils._model import Memory
from ansible_collections.polarismesh.maintenance.plugins.module_utils._options import Params, spec
from ansible_collections.polarismesh.maintenance.plugins.module_utils._runner import Result, run_module

SPEC = spec(
    {
        "min_releasable": {"type": "str", "default": "32M"},
        "force": {"type": "bool", "default": False},
    },
    # A full collection takes seconds, and calls queue up; the server itself closes the connection after 60 s.
    timeout=90,
)


def size_in_bytes(text: str) -> int:
    """64M -> 67108864."""
    try:
        return int(human_to_bytes(text))
    except (ValueError, OverflowError):
        raise PolarisError(
            "refused",
            f"min_releasable is not a size: {text!r}; write a number of bytes, or one with K, M, G or T, such as 64M.",
        ) from None


def worth_it(memory: t.Optional[Memory], min_releasable: int, force: bool) -> bool:
    """Whether to free memory. Without figures it is freed in any case."""
    return force or memory is None or memory.releasable >= min_releasable


def would_be(memory: t.Optional[Memory]) -> t.Optional[Memory]:
    """The heap after all of its idle part was returned."""
    if memory is None:
        return None
    return replace(memory, heap_released=max(memory.heap_idle, memory.heap_released))


def report(before: t.Optional[Memory], after: t.Optional[Memory]) -> Result:
    """The figures of a result. If the heap takes memory back at once, 0 bytes were released, not fewer."""
    return {
        "memory_before": before.as_dict() if before else None,
        "memory_after": after.as_dict() if after else None,
        "released": max(after.heap_released - before.heap_released, 0) if before and after else None,
    }


def free(client: Client, before: t.Optional[Memory]) -> None:
    try:
        memory.free(client)
    except PolarisError as error:
        if not error.outcome_unknown:
            raise
        reason = "it closed the connection, as it does after 60 seconds"
        if error.kind == "timeout":
            reason = "it took too long"
        error.msg = (
            f"{client.url} received the call to free memory and did not answer ({reason}): the outcome is "
            f"unknown, and the server may still be working on it. The call is not repeated: check the figures of the "
            f"node before you run this again, and raise the option timeout if its heap is large."
        )
        error.partial = {"changed": True, "outcome_unknown": True, **report(before, None)}
        # A node that is too busy to show its figures leaves only those from before.
        with contextlib.suppress(PolarisError):
            error.partial.update(report(before, memory.read(client)))
        raise


def read_again(client: Client, before: t.Optional[Memory], warnings: t.List[str]) -> t.Optional[Memory]:
    """The figures afterwards. If they cannot be read, that is only a warning, because memory was freed."""
    if before is None:
        return None
    try:
        after = memory.read(client)
    except PolarisError as error:
        warnings.append(f"Memory was freed, but the figures afterwards are unknown: {error.msg}")
        return None
    if after is None:
        warnings.append(f"Memory was freed, but {client.url} no longer shows figures.")
    return after


def run(client: Client, params: Params, check_mode: bool) -> Result:
    min_releasable = size_in_bytes(params["min_releasable"])
    before = memory.read(client)
    wanted = worth_it(before, min_releasable, params["force"])
    warnings: t.List[str] = []
    if before is None:
        warnings.append(
            f"{client.url} shows no memory figures (neither in /metrics nor by pprof), so min_releasable is ignored "
            f"and memory is freed in every run."
        )
    after = before
    if wanted and check_mode:
        account.check(client)
        after = would_be(before)
    elif wanted:
        free(client, before)
        after = read_again(client, before, warnings)
    figures = report(before, after)
    return {
        "changed": wanted,
        **figures,
        "diff": {"before": figures["memory_before"] or {}, "after": figures["memory_after"] or {}},
        "warnings": warnings,
    }


def main() -> None:
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
