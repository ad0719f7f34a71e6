# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Handlers of /maintain/v1 (polaris v1.18.1 apiserver/httpserver/admin_access.go and admin/maintain.go)."""

from __future__ import annotations

import random

from . import gojson
from .gojson import GoError
from .wire import Call, Handler, Reply, entity, error

LEVELS = ("debug", "info", "warn", "error", "fatal", "none")


def refusal(call: Call, function: str, writes: bool = False, status: int = 400) -> Reply | None:
    """The plain-text refusal of a caller who may not call that function."""
    refused = call.node.check(call, function, writes)
    return None if refused is None else error(status, refused.text)


def index(call: Call) -> Reply:
    """GET / has no Produces, so the text goes out as net/http sniffs it."""
    return error(200, "Polaris Server")


def get_levels(call: Call) -> Reply:
    """The level of every scope."""
    if refused := refusal(call, "DescribeGetLogOutputLevel"):
        return refused
    levels = call.node.levels
    if not call.node.profile.levels_as_list:
        return entity(dict(sorted(levels.items())))
    listed = [{"Name": name, "Level": level} for name, level in levels.items()]
    random.shuffle(listed)  # Go walks its map in random order
    return entity(listed)


def set_level(call: Call) -> Reply:
    """One scope's level, in force at once on this node and nowhere else."""
    try:
        wanted = gojson.struct(gojson.decode_whole(call.body), {"scope": "string", "level": "string"})
    except GoError as problem:
        return error(400, str(problem))
    if refused := refusal(call, "UpdateLogOutputLevel", writes=True):
        return refused
    if wanted["scope"] not in call.node.levels:
        return error(400, "invalid scope name")
    if wanted["level"] not in LEVELS:
        return error(400, "invalid log level")
    call.node.levels[wanted["scope"]] = wanted["level"]
    return entity("ok")


HANDLERS: dict[tuple[str, str], Handler] = {
    ("GET", "/maintain/v1/log/outputlevel"): get_levels,
    ("PUT", "/maintain/v1/log/outputlevel"): set_level,
    ("POST", "/maintain/v1/log/outputlevel"): set_level,
}
