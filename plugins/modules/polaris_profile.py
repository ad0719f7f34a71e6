#!/usr/bin/python
# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: polaris_profile
short_description: Save a profile of a Polaris server as a file
version_added: 1.0.0
description:
  - Saves what holds the memory of one Polaris server, what it spends its time on, or what its goroutines wait for, as a
    file that C(go tool pprof) opens.
  - Save a profile while the memory of a node is high. Afterwards there is no way to know what held the memory.
  - The file is written atomically, on the host where the task runs. A new file can be read by its owner only; a file
    that is replaced keeps its mode.
  - Needs no account. The server must have its profiles switched on (C(enablePprof), which is on in the shipped
    configuration).
extends_documentation_fragment:
  - polarismesh.maintenance.connection
  - polarismesh.maintenance.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: none
    details:
      - Every run saves a new profile.
options:
  kind:
    description:
      - V(heap) - what holds memory, as of the last garbage collection.
      - V(allocs) - the same, but C(go tool pprof) shows first what has been allocated since the start of the server.
      - V(goroutine) - where all goroutines are.
      - V(block) - where goroutines wait for each other. Empty unless the server samples it; in Go, this is off by
        default.
      - V(mutex) - what holds locks that others wait for. Empty unless the server samples it, as with V(block).
      - V(threadcreate) - what started threads of the operating system.
      - V(profile) - what takes CPU time during O(seconds).
      - V(trace) - everything that happens during O(seconds), for C(go tool trace). Not in releases up to v1.18.1.
    type: str
    choices: [heap, allocs, goroutine, block, mutex, threadcreate, profile, trace]
    default: heap
  seconds:
    description:
      - How many seconds the server records, from 1 to 55, because it ends every response after 60 seconds.
      - Only for O(kind=profile) and O(kind=trace); the other kinds show one moment.
    type: int
    default: 10
  dest:
    description:
      - The file. An existing file is replaced. Its folder must exist.
      - A symbolic link is followed. Anything else that is not a regular file, such as a device or a FIFO, is refused.
      - If this is a folder, the file is named after the server, the kind, and the time in UTC.
    type: path
    required: true
seealso:
  - module: polarismesh.maintenance.polaris_pprof
  - module: polarismesh.maintenance.polaris_memory_free
author:
  - PolarisMesh Maintenance contributors (@polarismesh)
"""

EXAMPLES = r"""
- name: Save what holds the memory
  polarismesh.maintenance.polaris_profile:
    url: http://127.0.0.1:8090
    kind: heap
    dest: /tmp/
  register: heap

- name: Show how to open it
  ansible.builtin.debug:
    msg: go tool pprof -top {{ heap.dest }}

- name: Save where 5 seconds of CPU time went
  polarismesh.maintenance.polaris_profile:
    url: http://127.0.0.1:8090
    kind: profile
    seconds: 5
    dest: /tmp/polaris-cpu.pb.gz
"""

RETURN = r"""
url:
  description: The server.
  type: str
  returned: always
  sample: http://127.0.0.1:8090
dest:
  description: The file.
  type: str
  returned: success
  sample: /tmp/10.0.0.1_8090-heap-20260101T120000Z.pb.gz
kind:
  description: The kind of the profile.
  type: str
  returned: success
  sample: heap
seconds:
  description: How many seconds the server recorded. V(null) for a kind that shows one moment.
  type: int
  returned: success
  sample: 10
size:
  description: The size of the file in bytes. V(null) in check mode.
  type: int
  returned: success
  sample: 183402
error:
  description: What failed. The notes describe its keys and kinds.
  type: dict
  returned: failure
  sample: {kind: unsupported, status: 404, code: null, info: Not Found, method: GET, path: /debug/pprof/heap}
"""

import contextlib
import gzip
import os
import stat
import tempfile
import time
import typing as t
import zlib
from pathlib import Path
from urllib.parse import urlsplit

from ansible_collections.polarismesh.maintenance.plugins.module_utils._api import profiles, routes
from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import Client
from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import PolarisError
from ansible_collections.polarismesh.maintenance.plugins.module_utils._options import Params, spec
from ansible_collections.polarismesh.maintenance.plugins.module_utils._runner import Result, run_module

#: The kinds that the server records for a while, and all of them.
RECORDED = ("profile", "trace")
KINDS = ("heap", "allocs", "goroutine", "block", "mutex", "threadcreate", *RECORDED)

#: The server ends every answer after 60 s (WriteTimeout, polaris v1.18.1 apiserver/httpserver/server.go), and refuses
#: to record for as long as that; the rest is for the transfer.
MOST_SECONDS = 55

SPEC = spec(
    {
        "kind": {"type": "str", "choices": list(KINDS), "default": "heap"},
        "seconds": {"type": "int", "default": 10},
        "dest": {"type": "path", "required": True},
    }
)


def recording(kind: str, seconds: int) -> t.Optional[int]:
    """How many seconds the server records; None for a kind that shows one moment."""
    if kind not in RECORDED:
        return None
    if not 1 <= seconds <= MOST_SECONDS:
        raise PolarisError(
            "refused",
            f"seconds must be from 1 to {MOST_SECONDS} (the server ends every answer after 60 s); got {seconds}.",
        )
    return seconds


def file_name(url: str, kind: str, now: float) -> str:
    """http://10.0.0.1:8090 -> 10.0.0.1_8090-heap-20260101T120000Z.pb.gz."""
    host = urlsplit(url).netloc.replace(":", "_").replace("[", "").replace("]", "")
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    return f"{host}-{kind}-{moment}.{'trace' if kind == 'trace' else 'pb.gz'}"


def destination(dest: str, name: str) -> Path:
    """The file to write, in a folder that exists and can be written to."""
    target = Path(dest)
    # "folder/" means a folder, even if it does not exist.
    if target.is_dir() or dest.endswith("/"):
        target = target / name
    # A symbolic link is kept, and its target is written.
    written = Path(os.path.realpath(str(target)))
    folder = (written if target.is_symlink() else target).parent
    if not folder.is_dir():
        raise PolarisError("refused", f"dest is in a folder that does not exist: {folder}; create it first.")
    replaced(written)
    if not os.access(str(folder), os.W_OK | os.X_OK):
        raise PolarisError("refused", f"dest is in a folder that cannot be written to: {folder}; give another one.")
    return target


def replaced(target: Path) -> t.Optional[os.stat_result]:
    """The file that would be replaced, if there is one. Anything but a regular file is refused."""
    try:
        found = os.lstat(str(target))
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise PolarisError("refused", f"dest cannot be used: {target}: {exc.strerror or exc}.") from exc
    if not stat.S_ISREG(found.st_mode):
        raise PolarisError("refused", f"dest is not a regular file: {target}; give the path of a file or a folder.")
    return found


def is_profile(content: t.BinaryIO, kind: str) -> bool:
    """Whether this is a complete profile, not the page of a proxy or part of a profile."""
    content.seek(0)
    if kind == "trace":
        # A trace begins with text such as "go 1.21 trace" and three zero bytes.
        head = content.read(16)
        return head.startswith(b"go 1.") and b" trace\0" in head
    try:
        with gzip.GzipFile(fileobj=content, mode="rb") as unpacked:
            tag = unpacked.read(1)
            # Read to the end, where the checksum is.
            while unpacked.read(1 << 20):
                pass
    except (OSError, EOFError, zlib.error):
        return False
    # The protobuf message Profile begins with one of its fields 1 to 14, which is a number or has a length.
    return bool(tag) and 1 <= tag[0] >> 3 <= 14 and tag[0] & 7 in (0, 2)


def check(client: Client, kind: str) -> None:
    """Fail if the server could not return that profile, without making it record one."""
    if not profiles.enabled(client):
        raise profiles.switched_off(client)
    # Both came with the same release, and a request for a trace would record one.
    if kind == "trace":
        routes.require(client, profiles.ENABLE_PPROF)


def save(client: Client, kind: str, seconds: t.Optional[int], target: Path) -> int:
    """Save and check the profile under another name first, so that ``target`` never holds part of a profile."""
    target = Path(os.path.realpath(str(target)))
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=str(target.parent))
    try:
        with os.fdopen(descriptor, "w+b") as part:
            profiles.save(client, kind, seconds, part)
            size = part.tell()
            if not is_profile(part, kind):
                raise PolarisError(
                    "protocol",
                    f"what {client.url} returned is not a profile of the kind {kind}: it was cut off, or a proxy "
                    f"answered; give the URL of the server itself.",
                    method="GET",
                    path=f"/debug/pprof/{kind}",
                )
        old = replaced(target)
        if old is not None:
            # Only root may give a file to its former owner.
            with contextlib.suppress(PermissionError):
                os.chown(name, old.st_uid, old.st_gid)
            os.chmod(name, stat.S_IMODE(old.st_mode))
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink()
        raise
    return size


def run(client: Client, params: Params, check_mode: bool) -> Result:
    kind: str = params["kind"]
    seconds = recording(kind, params["seconds"])
    target = destination(params["dest"], file_name(client.url, kind, time.time()))
    size = None
    if check_mode:
        check(client, kind)
    else:
        if seconds is not None:
            client.progress(f"recording for {seconds} s")
        try:
            size = save(client, kind, seconds, target)
        except OSError as exc:
            raise PolarisError("refused", f"{target} cannot be written: {exc.strerror or exc}.") from exc
    return {"changed": True, "dest": str(target), "kind": kind, "seconds": seconds, "size": size}


def main() -> None:
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
