# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. Runs one task before the workers are forked, so that they inherit what it leaves behind.

These are compiled regular expressions, the caches of abstract classes, and specialized bytecode. Otherwise each task,
in its own fork of the controller, makes them again: about 3 ms of its 15.
"""

from __future__ import annotations

import multiprocessing
import socket
import typing as t

from ..module_utils._api import log_levels
from ..module_utils._client import HAS_REQUESTS, Client
from ..module_utils._options import Params, spec, validated
from ..module_utils._runner import Outcome, Result, perform

#: What a server answers, in the form of v1.17.2 and later.
ANSWER = b"""HTTP/1.1 200 OK\r
Content-Type: application/json\r
Date: Thu, 01 Jan 2026 00:00:00 GMT\r
Content-Length: 34\r
\r
[{"Name":"naming","Level":"info"}]"""


def warm_up() -> t.Optional[Outcome]:
    """Run one task from its arguments to its result; None if that is impossible or too late.

    The answer waits in a pair of sockets before the request is sent, so nothing leaves this process.
    """
    if not HAS_REQUESTS or multiprocessing.parent_process() is not None:
        return None
    # The timeout matters if another process connects to the listener first.
    options = {"url": "http://127.0.0.1", "token": "warm-up", "timeout": 1, "retries": 0}
    params = validated(spec(), options).params
    try:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            ours = socket.create_connection(listener.getsockname())
            with ours, listener.accept()[0] as theirs:
                theirs.sendall(ANSWER)
                return perform(_reads_from(ours), params, set(), check_mode=False, diff_mode=False)
    except OSError:  # there is no loopback interface, or no file descriptor left
        return None


def _reads_from(ours: socket.socket) -> t.Callable[[Client, Params, bool], Result]:
    from urllib3.connection import HTTPConnection
    from urllib3.connectionpool import HTTPConnectionPool

    class Connection(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return ours

    class Pool(HTTPConnectionPool):
        ConnectionCls = Connection

    def read(client: Client, params: Params, check_mode: bool) -> Result:
        client._adapter.poolmanager.pool_classes_by_scheme = {"http": Pool}
        # The environment may name a proxy, which must not see this.
        client._sending["proxies"] = {}
        return {"changed": False, "levels": log_levels.read(client)}

    return read
