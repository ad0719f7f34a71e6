# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON as Go's encoding/json and golang/protobuf's jsonpb read and write it, with their error texts.

Clients see these texts as the plain bodies of 400 answers. The two decoders tolerate different input: encoding/json
ignores unknown keys and the case of known ones, jsonpb (without AllowUnknownFields, as polaris
apiserver/httpserver/utils/handler.go calls it) refuses unknown keys but accepts numbers as text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from json.encoder import encode_basestring as quote
from typing import Any


class GoError(Exception):
    """The text of a Go error."""


def dumps(value: Any, proto: bool = False) -> bytes:
    """Pretty-print with one space, as go-restful's writers do; jsonpb (`proto`) also breaks the line in empty values.

    json.dumps with an indent uses pure Python generators. This is several times faster, which matters for long lists.
    """
    return pretty(value, "\n", proto).encode()


def pretty(value: Any, newline: str = "\n", proto: bool = False) -> str:
    """The text of a value whose lines start with `newline`."""
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, (int, float)):
        return str(value)
    inner = newline + " "
    if isinstance(value, dict):
        if not value:
            return "{" + newline + "}" if proto else "{}"
        body = ",".join(f"{inner}{quote(key)}: {pretty(item, inner, proto)}" for key, item in value.items())
        return "{" + body + newline + "}"
    if not value:
        return "[" + newline + "]" if proto else "[]"
    return "[" + ",".join(inner + pretty(item, inner, proto) for item in value) + newline + "]"


def _no_constant(name: str) -> Any:
    raise GoError(f"invalid character '{name[0]}' looking for beginning of value")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)
_WHERE = {
    "Expecting property name": "looking for beginning of object key string",
    "Expecting ':'": "after object key",
    "Expecting ','": "after object key:value pair or array element",
    "Invalid control character": "in string literal",
    "Invalid \\escape": "in string escape code",
}


def _syntax(text: str, error: json.JSONDecodeError, truncated: str) -> GoError:
    if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string"):
        return GoError(truncated)
    where = next(
        (go for python, go in _WHERE.items() if error.msg.startswith(python)), "looking for beginning of value"
    )
    return GoError(f"invalid character '{text[error.pos]}' {where}")


def decode_first(body: bytes) -> Any:
    """json.NewDecoder(body).Decode: decode the first value and ignore the rest."""
    text = body.decode("utf-8", "replace").lstrip(" \t\r\n")
    if not text:
        raise GoError("EOF")
    try:
        return _DECODER.raw_decode(text)[0]
    except json.JSONDecodeError as error:
        raise _syntax(text, error, "unexpected EOF") from None


def decode_whole(body: bytes) -> Any:
    """json.Unmarshal: exactly one value."""
    text = body.decode("utf-8", "replace").strip(" \t\r\n")
    if not text:
        raise GoError("unexpected end of JSON input")
    try:
        value, end = _DECODER.raw_decode(text)
    except json.JSONDecodeError as error:
        raise _syntax(text, error, "unexpected end of JSON input") from None
    rest = text[end:].lstrip(" \t\r\n")
    if rest:
        raise GoError(f"invalid character '{rest[0]}' after top-level value")
    return value


def kind(value: Any) -> str:
    """Go's name for the kind of a JSON value."""
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


def _shown(value: Any, go_type: str) -> str:
    """The value in Go's "cannot unmarshal": a number with its digits if the type is also a number."""
    if kind(value) == "number" and go_type in ("int", "uint32"):
        return f"number {value}"
    return kind(value)


def anonymous(fields: Mapping[str, tuple[str, str]]) -> str:
    """The name of an anonymous struct type, from its JSON names, Go names and types."""
    members = "; ".join(f'{name} {go_type} "json:\\"{key}\\""' for key, (name, go_type) in fields.items())
    return f"struct {{ {members} }}"


def struct(value: Any, fields: Mapping[str, str], name: str, shown: str = "") -> dict[str, Any]:
    """A Go struct from a decoded value: `fields` maps its JSON names to Go types; names match in any case.

    `name` is the struct's name in errors about a field (empty if anonymous), `shown` its type in errors about the
    whole.
    """
    result = {field: GO_TYPES[go_type][1] for field, go_type in fields.items()}
    if value is None:
        return result
    if not isinstance(value, dict):
        raise GoError(f"json: cannot unmarshal {kind(value)} into Go value of type {shown or name}")
    known = {field.lower(): field for field in fields}
    for key, item in value.items():
        field = known.get(key.lower())
        if field is None or item is None:
            continue
        go_type = fields[field]
        if not GO_TYPES[go_type][0](item):
            raise GoError(
                f"json: cannot unmarshal {_shown(item, go_type)} into Go struct field {name}.{field} of type {go_type}"
            )
        result[field] = item
    return result


def scalar(value: Any, go_type: str) -> Any:
    """A wrapped scalar of a protobuf message: numbers may be text; every other type must match."""
    if go_type == "uint32" and isinstance(value, str):
        value = decode_whole(value.encode())  # jsonpb strips the quotes and reads what is between them
    if not GO_TYPES[go_type][0](value):
        raise GoError(f"json: cannot unmarshal {_shown(value, go_type)} into Go value of type {go_type}")
    return value


def message(value: Any, name: str, fields: Mapping[str, Callable[[Any], Any]], lenient: bool = False) -> dict[str, Any]:
    """The fields of a protobuf message that are present and not null, each converted by its own function."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise GoError(f"json: cannot unmarshal {kind(value)} into Go value of type map[string]json.RawMessage")
    result = {}
    for key, item in value.items():
        convert = fields.get(key)
        if convert is None:
            if not lenient:
                raise GoError(f'unknown field "{key}" in v1.{name}')
        elif item is not None:
            result[key] = convert(item)
    return result
