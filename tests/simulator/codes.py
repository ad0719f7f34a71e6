# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Polaris' codes, their texts, and the {code, info} envelope (polaris v1.18.1 common/api/v1/codeinfo.go, naming_response.go)."""

from __future__ import annotations

from typing import Any

from . import gojson
from .wire import TEXT, Call, Reply

INFO: dict[int, str] = {
    200000: "execute success",
    400001: "request decode failed",
    400003: "request size over the limit",
    400110: "invalid namespace name",
    400120: "invalid service name",
    400130: "invalid instance id",
    400131: "invalid instance host",
    400132: "invalid instance port",
    400140: "server not open health check",
    400142: "instance health check frequency exceed",
    400201: "existed resource",
    400202: "not found resource",
    400301: "not found service",
    400312: "not found user",
    401001: "access is not approved",
    401003: "token already disabled",
    401004: "token not existed",
    403001: "server limit the ip access",
    403002: "server limit the api access",
    500000: "execute exception",
    500001: "store layer exception",
}
# What a translation looks like; a client must compare codes, never texts.
INFO_ZH: dict[int, str] = {200000: "执行成功", 400202: "资源不存在", 401001: "访问未被授权"}

RESPONSE_KEYS = ["client", "namespace", "service", "instance", "routing", "alias", "rateLimit", "circuitBreaker", "configRelease", "user", "userGroup", "authStrategy", "relation", "loginResponse", "modifyAuthStrategy", "modifyUserGroup", "resources", "optionSwitch", "instanceContracts", "data"]


def response(code: int, message: str = "", **parts: Any) -> dict[str, Any]:
    """A Response message: every unset part is null."""
    info = INFO.get(code, "")
    if message:
        info = f"{info}: {message}"
    result: dict[str, Any] = {"code": code, "info": info}
    result.update(dict.fromkeys(RESPONSE_KEYS))
    result.update(parts)
    return result


def write(call: Call, value: dict[str, Any], body: bytes | None = None) -> Reply:
    """WriteHeaderAndProto: the status is code / 1000, and the JSON is labelled as plain text."""
    code = value["code"]
    # Go adds Request-Id also when there is none.
    headers = {"Request-Id": call.headers.get("Request-Id", "")}
    if code != 200000:
        headers["X-Polaris-Code"] = str(code)
        headers["X-Polaris-Message"] = INFO.get(code, "")
    if call.node.profile.translates and value["info"] == INFO.get(code):
        language = call.query.get("lang") or call.headers.get("Accept-Language", "")
        if language.startswith("zh") and code in INFO_ZH:
            value["info"], body = INFO_ZH[code], None
    return Reply(code // 1000, gojson.dumps(value) if body is None else body, TEXT, headers)
