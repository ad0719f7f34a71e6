# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that all modules share, and what they mean."""

from __future__ import annotations

import hashlib
import ipaddress
import re
import typing as t
from dataclasses import dataclass

from ansible.module_utils.basic import env_fallback
from ansible.module_utils.parsing.convert_bool import boolean

from .client import PolarisError, Settings, shorten

Params = t.Dict[str, t.Any]
Spec = t.Dict[str, t.Any]

#: Option -> environment variable. They count only where a task gives none of the four, so that a task's own
#: account is never mixed with, or beaten by, one from the environment.
CREDENTIALS = {
    "token": "POLARIS_TOKEN",
    "username": "POLARIS_USERNAME",
    "password": "POLARIS_PASSWORD",
    "owner": "POLARIS_OWNER",
}
URL_VARIABLE = "POLARIS_URL"

#: The option of modules that send many requests to one server.
PARALLEL: Spec = {"parallel": {"type": "int", "default": 8}}


def spec(options: t.Optional[Spec] = None, *, timeout: float = 30, **rules: t.Any) -> Spec:
    """The keyword arguments of ``AnsibleModule``: the common options, then the module's own.

    :param options: the module's own argument spec.
    :param timeout: the default of ``timeout`` in seconds.
    :param rules: ``mutually_exclusive``, ``required_one_of`` and the like.
    """
    common: Spec = {
        "url": {"type": "str", "required": True, "fallback": (env_fallback, [URL_VARIABLE])},
        "token": {"type": "str", "no_log": True},
        "username": {"type": "str"},
        "password": {"type": "str", "no_log": True},
        "owner": {"type": "str"},
        "validate_certs": {"type": "bool", "default": True},
        "ca_path": {"type": "path"},
        "client_cert": {"type": "path"},
        "client_key": {"type": "path"},
        "timeout": {"type": "float", "default": timeout},
        "retries": {"type": "int", "default": 2},
    }
    return {"argument_spec": {**common, **(options or {})}, "supports_check_mode": True, **rules}


def with_environment(params: Params, environ: t.Mapping[str, str]) -> Params:
    """``params`` with the account of the environment, where the task names no account. Empty text is no account."""
    account = {option: params[option] or None for option in CREDENTIALS}
    if not any(account.values()):
        account = {option: environ.get(name) or None for option, name in CREDENTIALS.items()}
    return {**params, **account}


def from_controller(args: Params, of_task: t.Mapping[str, t.Any], environ: t.Mapping[str, str]) -> Params:
    """What the controller's environment adds to the arguments of a task: the URL and the account, where it has none.

    :param of_task: the environment that the task itself sets where it runs; it goes before the controller's.
    """
    wanted = {} if "url" in args or URL_VARIABLE in of_task else {"url": URL_VARIABLE}
    if not any(args.get(option) or name in of_task for option, name in CREDENTIALS.items()):
        wanted.update(CREDENTIALS)
    return {option: environ[name] for option, name in wanted.items() if environ.get(name)}


def check_account(params: Params) -> None:
    """Refuse an account that is half given, or given twice."""
    if params["token"] is not None and params["username"] is not None:
        raise PolarisError("refused", "token and username are both given: give one of them, not both.")
    if (params["username"] is None) != (params["password"] is None):
        raise PolarisError("refused", "username and password belong together: give both, or a token instead.")
    if params["owner"] is not None and params["username"] is None:
        raise PolarisError("refused", "owner belongs to a login: give username and password with it.")


def settings(params: Params) -> Settings:
    return Settings(
        url=params["url"],
        token=params["token"],
        validate_certs=params["validate_certs"],
        ca_path=params["ca_path"],
        client_cert=params["client_cert"],
        client_key=params["client_key"],
        timeout=params["timeout"],
        retries=params["retries"],
        parallel=1 if params.get("parallel") is None else params["parallel"],
    )


# --- connections of clients ------------------------------------------------------------------------------------------


def client_protocol(value: t.Any, name: str) -> str:
    """The protocol of connections, or a ``refused`` error about the option called ``name``."""
    if not isinstance(value, str) or not value.strip():
        raise PolarisError("refused", f"{name} is missing or empty: give it, such as grpc (SDK clients) or http.")
    return value


def client_host(value: t.Any, name: str) -> str:
    """The address of a client as servers list it, or a ``refused`` error about the option called ``name``.

    Servers split the addresses of their clients at the colon and count only what is IPv4 then (polaris v1.18.1
    common/conn/limit/listener.go), so that any other host is one that no server can ever list or close.
    """
    if not isinstance(value, str) or not value.strip():
        raise PolarisError(
            "refused", f"{name} is missing or empty: give the IPv4 address of the client, such as 10.0.0.7."
        )
    try:
        address = ipaddress.ip_address(value.strip("[]"))
    except ValueError:
        raise PolarisError(
            "refused",
            f"{name} is {shorten(value)!r}, which is no IPv4 address: servers know their clients by address only, so "
            f"give that, such as 10.0.0.7 (a port has an option of its own).",
        ) from None
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            advice = f"servers list this one as {address.ipv4_mapped}, so write that."
        else:
            advice = (
                "Polaris servers count, list and close the connections of IPv4 clients only; look for this client at "
                "the node itself (ss -tn), and end its connections there or at the client."
            )
        raise PolarisError("refused", f"{name} is {value}, an IPv6 address: {advice}")
    return str(address)


def at_least_zero(value: t.Any, name: str) -> int:
    """A number of connections (None: 0), or a ``refused`` error about the option called ``name``."""
    number = 0 if value is None else _whole_number(value)
    if number is None or number < 0:
        raise PolarisError("refused", f"{name} must be a whole number of 0 or more; got {shorten(str(value))!r}.")
    return number


def client_port(value: t.Any, name: str) -> t.Optional[int]:
    """A port (None: none given), or a ``refused`` error about the option called ``name``.

    Servers take a port that cannot be, too, and close all connections of the host then.
    """
    port = None if value is None else _whole_number(value)
    if value is not None and (port is None or not 1 <= port <= 65535):
        raise PolarisError(
            "refused", f"{name} must be a whole number from 1 to 65535, or be left out; got {shorten(str(value))!r}."
        )
    return port


def _whole_number(value: t.Any) -> t.Optional[int]:
    """A number that may be written as text, as templates write it; None where it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and re.match(r"^-?[0-9]{1,18}$", value.strip()):
        return int(value)
    return value if isinstance(value, int) else None


# --- the identity of an instance -------------------------------------------------------------------------------------

#: What names an instance. Numbers are raw, here and below, so that a wrong one is refused with its place in a list.
IDENTITY: Spec = {
    "id": {"type": "str"},
    "service": {"type": "str"},
    "namespace": {"type": "str"},
    "host": {"type": "str"},
    "port": {"type": "raw"},
    "vpc_id": {"type": "str"},
}

#: The further fields of an instance in the published API.
INSTANCE_FIELDS: Spec = {
    "protocol": {"type": "str"},
    "version": {"type": "str"},
    "priority": {"type": "raw"},
    "weight": {"type": "raw"},
    "enable_health_check": {"type": "raw"},
    "health_check": {
        "type": "dict",
        "options": {"type": {"type": "str"}, "heartbeat": {"type": "dict", "options": {"ttl": {"type": "raw"}}}},
    },
    "healthy": {"type": "raw"},
    "isolate": {"type": "raw"},
    "location": {
        "type": "dict",
        "options": {"region": {"type": "str"}, "zone": {"type": "str"}, "campus": {"type": "str"}},
    },
    "metadata": {"type": "dict"},
    "service_token": {"type": "str", "no_log": True},
}

_TETRAD = ("service", "namespace", "host", "port")
# What servers take as a name of a service or a namespace (polaris v1.18.1 common/utils/common.go).
_NAME = re.compile(r"^[0-9A-Za-z./:_-]+\Z")
_BLANK_OR_COMMA = re.compile(r"[\s,]")
_UINT32 = 4294967295
_HEALTH_CHECKS = {"HEARTBEAT": "HEARTBEAT", "1": "HEARTBEAT", "UNKNOWN": "UNKNOWN", "0": "UNKNOWN"}
_ERRORS_SHOWN = 5


def instance_spec(fields: t.Optional[Spec] = None) -> Spec:
    """The options that name one instance or, as ``instances``, many; with ``fields`` of them, if any."""
    options = {**IDENTITY, **(fields or {})}
    return {**options, "instances": {"type": "list", "elements": "dict", "options": options}}


def instance_rules(*others: str) -> t.Dict[str, t.Any]:
    """The rules that belong to :func:`instance_spec`.

    :param others: the further options of one instance.
    """
    return {
        "mutually_exclusive": [("instances", option) for option in (*IDENTITY, *others)],
        "required_one_of": [("id", "service", "instances")],
    }


@dataclass(frozen=True)
class Target:
    """An instance as a task names it.

    :param id: the given one, or the one that servers compute.
    :param own_id: whether the id is one that does not follow from the other parts.
    :param service: None, as are the following, where the task names the instance by its id alone.
    :param fields: the further fields, as the server takes them.
    """

    id: str
    own_id: bool
    service: t.Optional[str]
    namespace: t.Optional[str]
    host: t.Optional[str]
    port: t.Optional[int]
    vpc_id: t.Optional[str]
    fields: t.Mapping[str, t.Any]

    def request(self) -> t.Dict[str, t.Any]:
        """What names it in a request."""
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
    """The id that servers compute for an instance without one of its own (polaris v1.18.1 common/utils/common.go)."""
    parts = [namespace, service, *([vpc_id] if vpc_id else []), host, str(port)]
    return hashlib.sha1("##".join(parts).encode()).hexdigest()  # noqa: S324


def targets(params: Params) -> t.List[Target]:
    """The instances that a task names, or a ``refused`` error that tells of all that is wrong with them."""
    if params["instances"] is None:
        return [_target(params, "")]
    if not params["instances"]:
        raise PolarisError("refused", "instances is empty: name at least one instance.")
    found: t.List[Target] = []
    places: t.Dict[str, int] = {}
    problems: t.List[str] = []
    for index, values in enumerate(params["instances"]):
        place = f"instances[{index}]"
        try:
            target = _target(values, f"{place}.")
        except PolarisError as error:
            problems.append(error.msg.rstrip("."))
            continue
        first = places.setdefault(target.id, index)
        if first != index:
            problems.append(f"{place} is the same instance as instances[{first}]: name each once")
        found.append(target)
    if problems:
        more = len(problems) - _ERRORS_SHOWN
        shown = "; ".join(problems[:_ERRORS_SHOWN])
        raise PolarisError("refused", f"{shown}{f'; and {more} more like that' if more > 0 else ''}. Nothing was sent.")
    return found


def instance_group(params: Params) -> t.Optional[t.Tuple[str, t.Optional[str]]]:
    """The namespace and service (None: each) of which a task names all instances; None where it names single ones."""
    single = ("instances", "id", "host", "port", "vpc_id")
    if params["namespace"] is None or any(params[option] is not None for option in single):
        return None
    service = None if params["service"] is None else _name(params["service"], "service")
    return _name(params["namespace"], "namespace"), service


def _target(values: t.Mapping[str, t.Any], place: str) -> Target:
    """One instance. ``place`` is what its options are called by before their names."""
    given = {key for key in _TETRAD if values[key] is not None}
    own = None if values["id"] is None else _instance_id(values["id"], f"{place}id")
    vpc_id = values["vpc_id"] or None
    if own is not None and not given:
        if vpc_id:
            raise PolarisError(
                "refused", f"{place}vpc_id goes with service, namespace, host and port, not with id alone."
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
    port = _number(values["port"], f"{place}port", 1, 65535)
    if vpc_id is not None and _BLANK_OR_COMMA.search(vpc_id):
        raise PolarisError("refused", f"{place}vpc_id is {shorten(repr(vpc_id))}: an id of a VPC has no blanks.")
    computed = instance_id(namespace, service, host, port, vpc_id)
    fields = _fields(values, place)
    return Target(own or computed, own not in (None, computed), service, namespace, host, port, vpc_id, fields)


def _instance_id(value: str, name: str) -> str:
    # MySQL ignores blanks at the end when it compares: with them an id is in no list, and still hits its instance.
    if not value or value != value.strip() or not value.isprintable():
        raise PolarisError("refused", f"{name} is {shorten(repr(value))}: give the id without blanks around it.")
    return value


def _name(value: str, name: str) -> str:
    if not _NAME.match(value):
        raise PolarisError(
            "refused", f"{name} is {shorten(repr(value))}: it has letters, digits and - . / : _ only, and is not empty."
        )
    return value


def _host(value: str, name: str) -> str:
    if not value or _BLANK_OR_COMMA.search(value) or not value.isprintable():
        raise PolarisError("refused", f"{name} is {shorten(repr(value))}: give one address or host name.")
    return value


def _number(value: t.Any, name: str, least: int = 0, most: int = _UINT32) -> int:
    number = _whole_number(value)
    if number is None or not least <= number <= most:
        raise PolarisError(
            "refused", f"{name} must be a whole number from {least} to {most}; got {shorten(repr(value))}."
        )
    return number


def _flag(value: t.Any, name: str) -> bool:
    try:
        return bool(boolean(value))
    except TypeError:
        raise PolarisError("refused", f"{name} must be true or false; got {shorten(repr(value))}.") from None


def _fields(values: t.Mapping[str, t.Any], place: str) -> t.Dict[str, t.Any]:
    """The further fields that are given, as servers take them."""
    return {key: _FIELDS[key](values[key], f"{place}{key}") for key in _FIELDS if values.get(key) is not None}


def _text(value: t.Any, _place: str) -> str:
    return str(value)


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
    """The server takes text only; numbers and flags are what YAML makes of unquoted text."""
    texts = {}
    for key, item in value.items():
        if item is None or isinstance(item, (dict, list)):
            raise PolarisError("refused", f"{name}.{key} must be text; got {shorten(repr(item))}.")
        texts[str(key)] = str(item).lower() if isinstance(item, bool) else str(item)
    return texts


_FIELDS: t.Dict[str, t.Callable[[t.Any, str], t.Any]] = {
    "protocol": _text,
    "version": _text,
    "priority": _number,
    "weight": _number,
    "enable_health_check": _flag,
    "health_check": _health_check,
    "healthy": _flag,
    "isolate": _flag,
    "location": _location,
    "metadata": _metadata,
    "service_token": _text,
}
