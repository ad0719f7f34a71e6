# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Single requests through the collection's client, for tests of the client itself and of the protocol."""

from __future__ import annotations

from typing import Any

from ansible_collections.polarismesh.maintenance.plugins.module_utils._answers import Query, Reply, Request
from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import Client


def get(client: Client, path: str, query: Query | None = None, **more: Any) -> Reply:
    return client.send(Request("GET", path, query, repeatable=True, **more))


def put(client: Client, path: str, body: Any = None) -> Reply:
    return client.send(Request("PUT", path, None, body, repeatable=True))


def post(client: Client, path: str, body: Any = None, **more: Any) -> Reply:
    return client.send(Request("POST", path, None, body, **more))
