# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. The log levels of a server."""

from __future__ import annotations

import typing as t

from .._client import Client
from .routes import Route, call, not_polaris

# Route lists of polaris v1.8.0 apiserver/httpserver/maintain_access.go to v1.18.1 apiserver/httpserver/admin_access.go.
GET_LOG_LEVELS = Route("GET", "/maintain/v1/log/outputlevel")
PUT_LOG_LEVEL = Route("PUT", "/maintain/v1/log/outputlevel")
# The published documentation describes this one instead; no released server has it.
PUBLISHED_LOG_LEVEL = Route("POST", "/maintain/v1/log/outputlevel")

#: The levels a scope can have, the most verbose first (polaris v1.8.0 ... HEAD common/log/options.go).
LEVELS = ("debug", "info", "warn", "error", "fatal", "none")


def read(client: Client) -> t.Dict[str, str]:
    """Scope -> level, sorted by scope.

    Takes both forms: an object up to v1.17.1, a list of Name and Level in random order from v1.17.2 on.
    """
    reply = call(client, GET_LOG_LEVELS)
    parsed = reply.parsed()
    if isinstance(parsed, list):
        pairs = [(entry.get("Name"), entry.get("Level")) for entry in parsed if isinstance(entry, dict)]
        complete = len(pairs) == len(parsed)
    else:
        pairs = list(parsed.items()) if isinstance(parsed, dict) else []
        complete = isinstance(parsed, dict)
    levels = {scope: level for scope, level in pairs if isinstance(scope, str) and isinstance(level, str)}
    # Every server has scopes. Something that answers {} to everything must not be taken for a server without any.
    if not complete or len(levels) < len(pairs) or not any(level in LEVELS for level in levels.values()):
        raise not_polaris(client, reply)
    return dict(sorted(levels.items()))


def write(client: Client, scope: str, level: str) -> None:
    """Set one scope; the server checks the scope first, then the level (polaris v1.18.1 common/log/logger.go)."""
    call(client, PUT_LOG_LEVEL, {"scope": scope, "level": level}, published=PUBLISHED_LOG_LEVEL)
