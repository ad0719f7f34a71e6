# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Polaris' codes, their texts and their envelopes (polaris v1.18.1 common/api/v1/codeinfo.go, naming_response.go)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import gojson
from .wire import TEXT, Call, Reply

if TYPE_CHECKING:
    from .profiles import Profile

SUCCESS = 200000
INFO: dict[int, str] = {
    200000: "execute success",
    400000: "bad request",
    400001: "request decode failed",
    400002: "empty request",
    400003: "request batch size over the limit",
    400103: "invalid parameter",
    400104: "query instance parameter is empty",
    400105: "query instance, service or namespace or host is required",
    400110: "invalid namespace name",
    400120: "invalid service name",
    400130: "invalid instance id",
    400131: "invalid instance host",
    400132: "invalid instance port",
    400140: "server not open health check",
    400141: "heartbeat on disabled instance",
    400143: "",  # HeartbeatTypeNotFound has no text
    400201: "existed resource",
    400202: "not found resource",
    400312: "not found user",
    401001: "access is not approved",
    401003: "token already disabled",
    401004: "token not existed",
    403001: "server limit the ip access",
    403002: "server limit the api access",
    # From v1.14 on.
    403003: "server limit the api access",
    429002: "server limit the ip access",
    500000: "execute exception",
    500001: "store layer exception",
}
# Some of the translations in every release (release/conf/i18n/zh.toml); a client must compare codes, not texts.
INFO_ZH: dict[int, str] = {
    400001: "请求解析失败",
    400103: "参数非法",
    400110: "命名空间名称非法",
    400120: "服务名称非法",
    400130: "实例ID非法",
    400131: "实例Host非法",
    400132: "实例端口非法",
    400202: "未找到资源",
    400312: "用户未找到",
    401001: "权限不被允许",
}

_RESPONSE = [
    "client",
    "namespace",
    "service",
    "instance",
    "routing",
    "alias",
    "rateLimit",
    "circuitBreaker",
    "configRelease",
    "user",
    "userGroup",
    "authStrategy",
    "relation",
    "loginResponse",
    "modifyAuthStrategy",
    "modifyUserGroup",
    "resources",
    "optionSwitch",
    "instanceLabels",
]
RESPONSE_KEYS: dict[int, tuple[str, ...]] = {
    1: (*_RESPONSE[:9], "platform", *_RESPONSE[9:]),
    2: (*_RESPONSE, "data"),
    3: (*_RESPONSE, "data", "serviceContract"),
}
_QUERY = ["namespaces", "services", "instances", "routings", "aliases", "rateLimits", "configWithServices"]
_QUERY_END = ["users", "userGroups", "authStrategies", "clients"]
QUERY_KEYS: dict[int, tuple[str, ...]] = {
    1: (*_QUERY, "platforms", *_QUERY_END),
    2: (*_QUERY, *_QUERY_END, "data"),
    3: (*_QUERY, *_QUERY_END, "data"),
}


def info_of(profile: Profile, code: int) -> str:
    """The text of a code in that version."""
    if code == 400105 and profile.list_needs == "service":
        return "query instance, (service,namespace) or host is required"
    return INFO.get(code, "")


def response(
    profile: Profile, code: int, message: str | None = None, separator: str = ": ", **parts: Any
) -> dict[str, Any]:
    """A Response message: every unset part is null."""
    info = info_of(profile, code)
    if message is not None:
        info = f"{info}{separator}{message}"
    result: dict[str, Any] = {"code": code, "info": info}
    result.update(dict.fromkeys(RESPONSE_KEYS[profile.messages]))
    result.update(parts)
    return result


def batch_write(profile: Profile, responses: list[dict[str, Any]]) -> dict[str, Any]:
    """A BatchWriteResponse: the common code if all are equal, else the worst class (naming_response.go, Collect)."""
    seen = {each["code"] for each in responses}
    if len(seen) <= 1:
        code = seen.pop() if seen else SUCCESS
    else:
        code = 500000 if any(each >= 500000 for each in seen) else 400000
    return {"code": code, "info": info_of(profile, code), "size": len(responses), "responses": responses}


def batch_write_error(profile: Profile, code: int, message: str | None = None) -> dict[str, Any]:
    """A BatchWriteResponse about the whole request."""
    info = info_of(profile, code)
    return {"code": code, "info": info if message is None else f"{info}: {message}", "size": 0, "responses": []}


def batch_query(
    profile: Profile, code: int, amount: int = 0, size: int = 0, message: str | None = None, **lists: Any
) -> dict[str, Any]:
    """A BatchQueryResponse: every unset list is empty."""
    info = info_of(profile, code)
    result: dict[str, Any] = {
        "code": code,
        "info": info if message is None else f"{info}: {message}",
        "amount": amount,
        "size": size,
    }
    for key in QUERY_KEYS[profile.messages]:
        result[key] = lists.get(key, [])
    if profile.summary:
        result["summary"] = lists.get("summary")
    return result


def headers_of(call: Call, code: int) -> dict[str, str]:
    """The headers that WriteHeaderAndProto adds; Request-Id is there even if the request had none."""
    headers = {"Request-Id": call.headers.get("Request-Id", "")}
    if code != SUCCESS:
        headers["X-Polaris-Code"] = str(code)
        headers["X-Polaris-Message"] = info_of(call.node.profile, code)
    return headers


def write(call: Call, value: dict[str, Any]) -> Reply:
    """WriteHeaderAndProto: the status is code / 1000, and the JSON is labelled as plain text."""
    code: int = value["code"]
    profile = call.node.profile
    # A success is not translated: the server compares with the header X-Polaris-Message, which only failures have.
    if profile.translates and code != SUCCESS and value["info"] == info_of(profile, code):
        language = call.query.get("lang") or call.headers.get("Accept-Language", "")
        if language.startswith("zh") and code in INFO_ZH:
            value = {**value, "info": INFO_ZH[code]}
    if profile.omits_empty:
        value = without_empty(value)
    return Reply(code // 1000, gojson.dumps(value, proto=True), TEXT, headers_of(call, code))


def without_empty(value: Any) -> Any:
    """A message without its unset parts; one that is set stays, even if nothing is in it."""
    if isinstance(value, list):
        return [without_empty(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {key: item for key, item in value.items() if item not in (None, []) and (key, item) != ("metadata", {})}
    return {key: without_empty(item) for key, item in kept.items()}
