# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. The options that name an instance, and its other fields."""

from __future__ import annotations

import hashlib
import re
import typing as t
from dataclasses import dataclass, replace

from ansible.module_utils.parsing.convert_bool import boolean

from ._errors import PolarisError, listed, shorten
from ._options import Params, Spec, number_between, untyped

#: The options that name an instance.
IDENTITY: Spec = {
    "id": {"type": "str"},
    "service": {"type": "str"},
    "namespace": {"type": "str"},
    "host": {"type": "str"},
    "port": {"type": "int"},
    "vpc_id": {"type": "str"},
}

#: The other fields of an instance in the published API.
INSTANCE_FIELDS: Spec = {
    "protocol": {"type": "str"},
    "version": {"type": "str"},
    "priority": {"type": "int"},
    "weight": {"type": "int"},
    "enable_health_check": {"type": "bool"},
    "health_check": {
        "type": "dict",
        "options": {"type": {"type": "str"}, "heartbeat": {"type": "dict", "options": {"ttl": {"type": "int"}}}},
    },
    "healthy": {"type": "bool"},
    "isolate": {"type": "bool"},
    "location": {
        "type": "dict",
        "options": {"region": {"type": "str"}, "zone": {"type": "str"}, "campus": {"type": "str"}},
    },
    "metadata": {"type": "dict"},
    "service_token": {"type": "str", "no_log": True},
}

_TETRAD = ("service", "namespace", "host", "port")
# What servers accept as the name of a service or namespace (polaris v1.18.1 common/utils/common.go).
NAME = re.compile(r"^[0-9A-Za-z./:_-]+\Z")
_BLANK_OR_COMMA = re.compile(r"[\s,]")
_UINT32 = 4294967295
_HEALTH_CHECKS = {"HEARTBEAT": "HEARTBEAT", "1": "HEARTBEAT", "UNKNOWN": "UNKNOWN", "0": "UNKNOWN"}
_ERRORS_SHOWN = 5


def instance_spec(fields: t.Optional[Spec] = None) -> Spec:
    """The options that name one instance or, as ``instances``, many.

    :param fields: other options of an instance.
    """
    options = {**IDENTITY, **(fields or {})}
    return {**options, "instances": {"type": "list", "elements": "dict", "options": untyped(options)}}


def instance_rules(*others: str) -> t.Dict[str, t.Any]:
    """The rules for :func:`instance_spec`.

    :param others: the other options of one instance.
    """
    return {
        "mutually_exclusive": [("instances", option) for option in (*IDENTITY, *others)],
        "required_one_of": [("id", "service", "instances")],
    }


@dataclass(frozen=True)
class Target:
    """An instance as a task names it.

    :param id: the given id, or the one that servers compute.
    :param own_id: whether the id differs from the one that servers compute from the other parts.
    :param service: None, like the following, if the task names the instance by its id alone.
    :param fields: the other fields, in the form that the server accepts.
    """

    id: str
    own_id: bool
    service: t.Optional[str]
    namespace: t.Optional[str]
    host: t.Optional[str]
    port: t.Optional[int]
    vpc_id: t.Optional[str]
    fields: t.Mapping[str, t.Any]

    def joined(self, other: Target) -> Target:
        """One target of two that name the same instance. If their fields differ, those of this one apply."""
        return replace(self if self.service is not None else other, fields={**other.fields, **self.fields})

    def contradicts(self, other: Target) -> bool:
        """Whether two targets with one id have different addresses."""
        mine, others = self._address(), other._address()
        return mine[0] is not None and others[0] is not None and mine != others

    def _address(self) -> t.Tuple[t.Any, ...]:
        return (self.service, self.namespace, self.host, self.port, self.vpc_id)

    def request(self) -> t.Dict[str, t.Any]:
        """The fields that name it in a request."""
        parts = {
            "id": self.id if self.own_id else None,
            "service": self.service,
            "namespace": self.namespace,
            "vpc_id": self.vpc_id,
            "host": self.host,
            "port": self.port,
        }
        return {**{key: part for key, part in parts.items() if part is not None}, **self.fields}


def instance_id(namespace: str, service: str, host: str, port: int, vpc_id: t.Optional[str] = None) -> str:
    """The id that servers compute for an instance registered without one (polaris v1.18.1 common/utils/common.go)."""
    parts = [namespace, service, *([vpc_id] if vpc_id else []), host, str(port)]
    return hashlib.sha1("##".join(parts).encode()).hexdigest()  # noqa: S324


def targets(params: Params) -> t.List[Target]:
    """The instances that a task names, each once; raises a ``refused`` error that lists what is wrong with them."""
    if params["instances"] is None:
        return [_target(params, "")]
    if not params["instances"]:
        raise PolarisError("refused", "instances is empty: name at least one instance.")
    found: t.Dict[str, Target] = {}
    places: t.Dict[str, str] = {}
    problems: t.List[str] = []
    for index, values in enumerate(params["instances"]):
        place = f"instances[{index}]"
        try:
            target = _target(values, f"{place}.")
        except PolarisError as error:
            problems.append(error.msg.rstrip("."))
            continue
        first = found.get(target.id, target)
        if first.contradicts(target):
            problems.append(f"{place} has the same id as {places[target.id]}, but another address: correct one of them")
        places.setdefault(target.id, place)
        found[target.id] = target if first is target else first.joined(target)
    if problems:
        raise PolarisError("refused", f"{listed(problems, _ERRORS_SHOWN, '; ')}. Nothing was sent.")
    return list(found.values())


def instance_group(params: Params) -> t.Optional[t.Tuple[str, t.Optional[str]]]:
    """The namespace and service (None: all) whose instances a task names; None if it names single instances."""
    single = ("instances", "id", "host", "port", "vpc_id")
    if params["namespace"] is None or any(params[option] is not None for option in single):
        return None
    service = None if params["service"] is None else _name(params["service"], "service")
    return _name(params["namespace"], "namespace"), service


def _target(values: t.Mapping[str, t.Any], place: str) -> Target:
    """One instance. ``place`` is the prefix of its option names in messages."""
    given = {key for key in _TETRAD if values[key] is not None}
    own = None if values["id"] is None else _instance_id(values["id"], f"{place}id")
    vpc_id = values["vpc_id"] or None
    if own is not None and not given:
        if vpc_id:
            raise PolarisError(
                "refused", f"{place}vpc_id can be used with service, namespace, host and port, not with id alone."
            )
        return Target(own, True, None, None, None, None, None, _fields(values, place))
    missing = [f"{place}{key}" for key in _TETRAD if key not in given]
    if missing:
        raise PolarisError(
            "refused",
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing: an instance is named by id, or "
            f"by service, namespace, host and port together.",
        )
    service = _name(values["service"], f"{place}service")
    namespace = _name(values["namespace"], f"{place}namespace")
    host = _host(values["host"], f"{place}host")
    port = number_between(values["port"], f"{place}port", 0, 65535)  # a server registers and lists port 0
    if vpc_id is not None and _BLANK_OR_COMMA.search(vpc_id):
        raise PolarisError(
            "refused", f"{place}vpc_id is {shorten(repr(vpc_id))}: the id of a VPC contains no spaces or commas."
        )
    computed = instance_id(namespace, service, host, port, vpc_id)
    fields = _fields(values, place)
    return Target(own or computed, own not in (None, computed), service, namespace, host, port, vpc_id, fields)


def _instance_id(value: str, name: str) -> str:
    # MySQL ignores trailing spaces in comparisons: an id with them is in no list, but still matches its instance.
    if not value or value != value.strip() or not value.isprintable():
        raise PolarisError(
            "refused", f"{name} is {shorten(repr(value))}: give the id without leading or trailing spaces."
        )
    return value


def _name(value: str, name: str) -> str:
    if not NAME.match(value):
        raise PolarisError(
            "refused",
            f"{name} is {shorten(repr(value))}: it must not be empty, and only letters, digits and - . / : _ are "
            f"allowed.",
        )
    return value


def _host(value: str, name: str) -> str:
    if not value or _BLANK_OR_COMMA.search(value) or not value.isprintable():
        raise PolarisError("refused", f"{name} is {shorten(repr(value))}: give one address or host name.")
    return value


def _number(value: t.Any, name: str) -> int:
    return number_between(value, name, 0, _UINT32)


def _flag(value: t.Any, name: str) -> bool:
    try:
        return bool(boolean(value))
    except TypeError:
        raise PolarisError("refused", f"{name} must be true or false; got {shorten(repr(value))}.") from None


def _health_check(value: t.Mapping[str, t.Any], name: str) -> t.Dict[str, t.Any]:
    check: t.Dict[str, t.Any] = {}
    if value["type"] is not None:
        if value["type"] not in _HEALTH_CHECKS:
            raise PolarisError(
                "refused", f"{name}.type must be HEARTBEAT or UNKNOWN; got {shorten(repr(value['type']))}."
            )
        check["type"] = _HEALTH_CHECKS[value["type"]]
    if value["heartbeat"] is not None:
        ttl = value["heartbeat"]["ttl"]
        check["heartbeat"] = {} if ttl is None else {"ttl": _number(ttl, f"{name}.heartbeat.ttl")}
    return check


def _location(value: t.Mapping[str, t.Any], _place: str) -> t.Dict[str, str]:
    return {key: part for key, part in value.items() if part is not None}


def _metadata(value: t.Mapping[t.Any, t.Any], name: str) -> t.Dict[str, str]:
    """The server accepts only text; YAML turns some unquoted text into numbers and booleans."""
    texts = {}
    for key, item in value.items():
        if item is None or isinstance(item, (dict, list)):
            raise PolarisError("refused", f"{name}.{key} must be text; got {shorten(repr(item))}.")
        texts[str(key)] = str(item).lower() if isinstance(item, bool) else str(item)
    return texts


#: Field, or type of a field -> its value in the form that servers accept.
_FORMS: t.Dict[str, t.Callable[[t.Any, str], t.Any]] = {
    "str": lambda value, _name: str(value),
    "int": _number,
    "bool": _flag,
    "health_check": _health_check,
    "location": _location,
    "metadata": _metadata,
}


def _fields(values: t.Mapping[str, t.Any], place: str) -> t.Dict[str, t.Any]:
    """The other fields that are given, in the form that servers accept."""
    return {
        field: (_FORMS.get(field) or _FORMS[rules["type"]])(values[field], f"{place}{field}")
        for field, rules in INSTANCE_FIELDS.items()
        if values.get(field) is not None
    }
