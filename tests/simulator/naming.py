# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Handlers of /naming/v1 and /core/v1 (polaris v1.18.1 apiserver/httpserver/discover/v1, service/instance.go, auth_access.go)."""

from __future__ import annotations

from typing import Any

from . import codes, gojson
from .auth import ROLE_NAMES
from .gojson import GoError
from .store import Row
from .wire import Call, Handler, Reply

QUERY_KEYS = frozenset(
    ["id", "service", "namespace", "host", "port", "keys", "values", "protocol", "version", "health_status", "healthy", "isolate", "weight", "logic_set", "cmdb_region", "cmdb_zone", "cmdb_idc", "priority", "offset", "limit"]
)
MAX_PAGE = 100


def refusal(call: Call, function: str, writes: bool = False) -> Reply | None:
    """The {code, info} refusal of a caller who may not call that function."""
    refused = call.node.check(call, function, writes)
    if refused is None:
        return None
    message = refused.text if not call.node.profile.policies else ""
    return codes.write(call, codes.response(refused.code, message))


def instance_json(call: Call, row: Row) -> dict[str, Any]:
    """An instance as the list shows it, every key present."""
    node = call.node
    check = None if row.ttl is None else {"type": "HEARTBEAT", "heartbeat": {"ttl": row.ttl}}
    return {
        "id": row.id,
        "service": row.service,
        "namespace": row.namespace,
        "vpc_id": row.vpc_id,
        "host": row.host,
        "port": row.port,
        "protocol": row.protocol,
        "version": row.version,
        "priority": row.priority,
        "weight": row.weight,
        "enableHealthCheck": row.ttl is not None,
        "healthCheck": check,
        "healthy": row.healthy,
        "isolate": row.isolate,
        "location": row.location or {"region": "", "zone": "", "campus": ""},
        "metadata": row.metadata,
        "logic_set": row.logic_set,
        "ctime": node.local_time(row.created),
        "mtime": node.local_time(row.modified),
        "revision": row.revision,
        "service_token": row.service_token,
    }


def page(call: Call) -> tuple[int, int]:
    """Offset and limit; a limit above 100 counts as 100."""
    offset, limit = call.query.get("offset", "0"), call.query.get("limit", str(MAX_PAGE))
    return int(offset), min(int(limit), MAX_PAGE)


def list_instances(call: Call) -> Reply:
    """GET /naming/v1/instances."""
    if refused := refusal(call, "DescribeInstances"):
        return refused
    query = call.query
    bad = [key for key, value in query.items() if key not in QUERY_KEYS or not value]
    if bad or not query:
        return codes.write(call, batch_query(400002 if not query else 400003, [], 0))
    offset, limit = page(call)
    rows = [row for row in list(call.node.store.rows.values()) if row.live and matches(row, query)]
    rows.sort(key=lambda row: row.modified, reverse=True)
    listed = [instance_json(call, row) for row in rows[offset : offset + limit]]
    return codes.write(call, batch_query(200000, listed, len(rows)))


def batch_query(code: int, instances: list[dict[str, Any]], amount: int) -> dict[str, Any]:
    """A BatchQueryResponse."""
    return {
        "code": code,
        "info": codes.INFO.get(code, ""),
        "amount": amount,
        "size": len(instances),
        "namespaces": [],
        "services": [],
        "instances": instances,
    }


def matches(row: Row, query: dict[str, str]) -> bool:
    """Does a row meet all of the query's filters?"""
    for key, value in query.items():
        if key in ("id", "service", "namespace", "host", "protocol", "version", "logic_set"):
            if getattr(row, key) != value:
                return False
        elif key in ("port", "weight", "priority"):
            if str(getattr(row, key)) != value:
                return False
        elif key in ("healthy", "health_status"):
            if row.healthy != (value in ("true", "1")):
                return False
        elif key == "isolate" and row.isolate != (value in ("true", "1")):
            return False
    return True


def login(call: Call) -> Reply:
    """POST /core/v1/user/login."""
    try:
        value = gojson.decode_first(call.body)
        if not isinstance(value, dict):
            raise GoError(
                f"json: cannot unmarshal {gojson.kind(value)} into Go value of type map[string]json.RawMessage"
            )
        for key in value:
            if key not in ("name", "password", "owner", "options"):
                raise GoError(f'unknown field "{key}" in v1.LoginRequest')
    except GoError as problem:
        return codes.write(call, codes.response(400001, str(problem)))
    name, password = str(value.get("name") or ""), str(value.get("password") or "")
    account = call.node.accounts.user(name, str(value.get("owner") or "") or name)
    if account is None:
        return codes.write(call, codes.response(400312))
    if account.password != password:
        return codes.write(call, codes.response(401001, "name or password is wrong"))
    owner = call.node.accounts.user(account.owner, account.owner)
    assert account.role is not None
    logged_in = {
        "user_id": account.id,
        "name": account.name,
        "role": ROLE_NAMES[account.role],
        "owner_id": "" if owner is None or owner is account else owner.id,
        "token": account.token,
    }
    return codes.write(call, codes.response(200000, loginResponse=logged_in))


def auth_status(call: Call) -> Reply:
    """GET /core/v1/auth/status: no token needed."""
    node = call.node
    opened = str(node.config.auth != "open").lower()
    values = {"auth": opened, "clientOpen": "false", "consoleOpen": opened}
    options = {key: values[key] for key in node.profile.auth_status}
    return codes.write(call, codes.response(200000, optionSwitch={"options": options}))


HANDLERS: dict[tuple[str, str], Handler] = {
    ("GET", "/naming/v1/instances"): list_instances,
    ("POST", "/core/v1/user/login"): login,
    ("GET", "/core/v1/auth/status"): auth_status,
}
