# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Instance message: from JSON, to JSON, and its checks (polaris v1.18.1 common/utils/common.go)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from . import gojson
from .profiles import Profile
from .store import Row, instance_id

KEYS = [
    "id",
    "service",
    "namespace",
    "vpc_id",
    "host",
    "port",
    "protocol",
    "version",
    "priority",
    "weight",
    "enableHealthCheck",
    "healthCheck",
    "healthy",
    "isolate",
    "location",
    "metadata",
    "logic_set",
    "ctime",
    "mtime",
    "revision",
    "service_token",
]
ALIASES = {"enable_health_check": "enableHealthCheck", "health_check": "healthCheck"}
HIDDEN_METADATA = frozenset({"version", "protocol", "region", "zone", "campus"})
"""The fields that copyOSSInstance leaves out of the list."""

NAME = re.compile(r"[0-9A-Za-z\-./:_]+")
OLD_NAME = re.compile(r"[0-9A-Za-z\-.:_]+")


def _text(value: Any) -> Any:
    return gojson.scalar(value, "string")


def _number(value: Any) -> Any:
    return gojson.scalar(value, "uint32")


def _flag(value: Any) -> Any:
    return gojson.scalar(value, "bool")


def _metadata(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise gojson.GoError(
            f"json: cannot unmarshal {gojson.kind(value)} into Go value of type map[string]json.RawMessage"
        )
    return {key: "" if item is None else _text(item) for key, item in value.items()}


def _location(value: Any, lenient: bool) -> dict[str, Any]:
    found = gojson.message(value, "Location", {"region": _text, "zone": _text, "campus": _text}, lenient)
    return {key: found.get(key) for key in ("region", "zone", "campus")}


def _check_type(value: Any) -> str | int:
    """An enum: by name, or by any number, which need not have a name."""
    names = {0: "UNKNOWN", 1: "HEARTBEAT"}
    if isinstance(value, str):
        if value in names.values():
            return value
        raise gojson.GoError(f'unknown value "\\"{value}\\"" for enum v1.HealthCheck.HealthCheckType')
    if isinstance(value, bool) or not isinstance(value, int):
        shown = f"number {value}" if gojson.kind(value) == "number" else gojson.kind(value)
        raise gojson.GoError(f"json: cannot unmarshal {shown} into Go value of type protoreflect.EnumNumber")
    return names.get(value, value)


def _health_check(value: Any, lenient: bool) -> dict[str, Any]:
    def heartbeat(item: Any) -> dict[str, Any]:
        return gojson.message(item, "HeartbeatHealthCheck", {"ttl": _number}, lenient)

    found = gojson.message(value, "HealthCheck", {"type": _check_type, "heartbeat": heartbeat}, lenient)
    beat = found.get("heartbeat")
    return {
        "type": found.get("type", "UNKNOWN"),
        "heartbeat": None if beat is None else {"ttl": beat.get("ttl")},
    }


FIELDS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(["id", "service", "namespace", "vpc_id", "host", "protocol", "version", "logic_set"], _text),
    **dict.fromkeys(["ctime", "mtime", "revision", "service_token"], _text),
    **dict.fromkeys(["port", "priority", "weight"], _number),
    **dict.fromkeys(["enableHealthCheck", "enable_health_check", "healthy", "isolate"], _flag),
    "metadata": _metadata,
}

Instance = dict[str, Any]
"""The fields that are set, by the names that the server writes."""


def parse(value: Any, lenient: bool = False) -> Instance:
    """An Instance from jsonpb; GoError with the server's text if it is not one."""

    def health_check(item: Any) -> dict[str, Any]:
        return _health_check(item, lenient)

    nested = {
        "healthCheck": health_check,
        "health_check": health_check,
        "location": lambda item: _location(item, lenient),
    }
    found = gojson.message(value, "Instance", {**FIELDS, **nested}, lenient)
    return {ALIASES.get(key, key): item for key, item in found.items()}


def echo(instance: Instance) -> dict[str, Any]:
    """The message as jsonpb with EmitDefaults writes it: unset parts are null, metadata is empty."""
    result = dict.fromkeys(KEYS)
    result["metadata"] = {}
    result.update(instance)
    return result


def is_stripped(row: Row, profile: Profile, started: float) -> bool:
    """Whether a node whose cache dates from `started` has noticed that metadata and health check were removed."""
    return row.stripped > 0 and (not profile.list_cached or row.strip_seen or row.stripped <= started)


def listed(row: Row, profile: Profile, local_time: Callable[[float], str], stripped: bool, mysql: bool) -> Instance:
    """A stored instance as GET /naming/v1/instances shows it; what is unset is null on boltdb and empty on MySQL."""
    unset = "" if mysql else None
    nowhere = {"region": "", "zone": "", "campus": ""} if mysql else None
    checked = row.ttl is not None
    return {
        "id": row.id,
        "service": row.service,
        "namespace": row.namespace,
        "vpc_id": row.vpc_id or unset,
        "host": row.host,
        "port": row.port,
        "protocol": row.protocol or unset,
        "version": row.version or unset,
        "priority": row.priority or (0 if mysql else None),
        "weight": row.weight,
        "enableHealthCheck": checked or (False if mysql else None),
        "healthCheck": {"type": "HEARTBEAT", "heartbeat": {"ttl": row.ttl}} if checked and not stripped else None,
        "healthy": row.healthy,
        "isolate": row.isolate,
        "location": row.location or nowhere,
        "metadata": {} if stripped else {key: row.metadata[key] for key in row.metadata if key not in HIDDEN_METADATA},
        "logic_set": row.logic_set or unset,
        "ctime": local_time(row.created),
        "mtime": local_time(row.modified),
        "revision": row.revision,
        "service_token": row.service_token if profile.list_cached else None,
    }


def check_tetrad(instance: Instance, profile: Profile) -> int:
    """The code for the first invalid part of service, namespace, host and port; 0 if all are valid."""
    name = NAME if profile.slash_in_names else OLD_NAME
    if not name.fullmatch(instance.get("service") or ""):
        return 400120
    if not name.fullmatch(instance.get("namespace") or ""):
        return 400110
    if not instance.get("host"):
        return 400131
    return 400132 if instance.get("port") is None else 0


def identify(instance: Instance, profile: Profile) -> tuple[str, int]:
    """The id of an instance named by id or by the four parts, or the code for what is wrong with it."""
    if "id" in instance:
        return instance["id"], 0 if instance["id"] else 400130
    if code := check_tetrad(instance, profile):
        return "", code
    vpc_id = instance.get("vpc_id") or ""
    return instance_id(instance["namespace"], instance["service"], instance["host"], instance["port"], vpc_id), 0
