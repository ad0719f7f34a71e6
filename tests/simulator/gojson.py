# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON as Go's encoding/json and golang/protobuf's jsonpb take it, with their error texts.

Clients see these texts as the plain bodies of 400 answers, and the two decoders differ in what they forgive: encoding/json
ignores unknown keys and the case of known ones, jsonpb (without AllowUnknownFields, as polaris
apiserver/httpserver/utils/handler.go calls it) refuses unknown keys but takes numbers as text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any


class GoError(Exception):
    """The text of a Go error."""


def dumps(value: Any) -> bytes:
    """Pretty-printed with one space, as go-restful's WriteEntity and jsonpb with Indent do."""
    return json.dumps(value, indent=1, ensure_ascii=False).encode()


def _no_constant(name: str) -> Any:
    raise ValueError(f"invalid character '{name[0]}' looking for beginning of value")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)


def _syntax(text: str, error: ValueError) -> GoError:
    if not isinstance(error, json.JSONDecodeError):
        return GoError(str(error))
    if error.pos >= len(text) or error.msg.startswith("Unterminated string"):
        return GoError("unexpected end of JSON input")
    return GoError(f"invalid character {text[error.pos]!r} looking for beginning of value")


def decode_first(body: bytes) -> Any:
    """json.NewDecoder(body).Decode: the first value counts, what follows is ignored."""
    text = body.decode("utf-8", "replace").lstrip(" \t\r\n")
    if not text:
        raise GoError("EOF")
    try:
        return _DECODER.raw_decode(text)[0]
    except ValueError as error:
        problem = _syntax(text, error)
        raise GoError("unexpected EOF" if "end of JSON" in str(problem) else str(problem)) from None


def decode_whole(body: bytes) -> Any:
    """json.Unmarshal: exactly one value."""
    text = body.decode("utf-8", "replace").strip(" \t\r\n")
    if not text:
        raise GoError("unexpected end of JSON input")
    try:
        value, end = _DECODER.raw_decode(text)
    except ValueError as error:
        raise _syntax(text, error) from None
    rest = text[end:].lstrip(" \t\r\n")
    if rest:
        raise GoError(f"invalid character {rest[0]!r} after top-level value")
    return value


def kind(value: Any) -> str:
    """Go's word for the kind of a JSON value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


Check = Callable[[Any], bool]


def _is_int(low: int, high: int) -> Check:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


GO_TYPES: dict[str, tuple[Check, Any]] = {
    "string": (lambda value: isinstance(value, str), ""),
    "bool": (lambda value: isinstance(value, bool), False),
    "int": (_is_int(-(2**63), 2**63 - 1), 0),
    "uint32": (_is_int(0, 2**32 - 1), 0),
}


def struct(value: Any, fields: Mapping[str, str], name: str = "") -> dict[str, Any]:
    """A Go struct from a decoded value: `fields` maps its JSON names to Go types; names match in any case."""
    result = {field: GO_TYPES[go_type][1] for field, go_type in fields.items()}
    if value is None:
        return result
    if not isinstance(value, dict):
        shown = name or "struct { " + "; ".join(fields) + " }"
        raise GoError(f"json: cannot unmarshal {kind(value)} into Go value of type {shown}")
    known = {field.lower(): field for field in fields}
    for key, item in value.items():
        field = known.get(key.lower())
        if field is None or item is None:
            continue
        go_type = fields[field]
        if not GO_TYPES[go_type][0](item):
            shown = f"number {item}" if kind(item) == "number" else kind(item)
            raise GoError(
                f"json: cannot unmarshal {shown} into Go struct field {name.rpartition('.')[2]}.{field} of type {go_type}"
            )
        result[field] = item
    return result
