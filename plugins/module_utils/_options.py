# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. The options that all modules share, in one table, and what they mean."""

from __future__ import annotations

import ipaddress
import re
import typing as t
from dataclasses import dataclass

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import UnsupportedError

from ._client import Settings
from ._errors import PolarisError, shorten

Params = t.Dict[str, t.Any]
Spec = t.Dict[str, t.Any]


@dataclass(frozen=True)
class Common:
    """A row of the table of common options.

    :param variable: the host variable that is used if the task does not give the option.
    :param environment: the variable of the controller's environment that is used if neither is given.
    """

    name: str
    type: str
    variable: str
    environment: t.Optional[str] = None
    default: t.Any = None
    no_log: bool = False


#: A new common option needs a new row here, and its description in doc_fragments/connection.py.
COMMON: t.Tuple[Common, ...] = (
    Common("url", "str", "polaris_url", "POLARIS_URL"),
    Common("token", "str", "polaris_token", "POLARIS_TOKEN", no_log=True),
    Common("username", "str", "polaris_username", "POLARIS_USERNAME"),
    Common("password", "str", "polaris_password", "POLARIS_PASSWORD", no_log=True),
    Common("owner", "str", "polaris_owner", "POLARIS_OWNER"),
    Common("validate_certs", "bool", "polaris_validate_certs", default=True),
    Common("ca_path", "path", "polaris_ca_path"),
    Common("client_cert", "path", "polaris_client_cert"),
    Common("client_key", "path", "polaris_client_key"),
    Common("timeout", "float", "polaris_timeout", default=30.0),
    Common("retries", "int", "polaris_retries", default=2),
)
#: The options that make up the account. All of them come from the same place; places are never mixed.
ACCOUNT = ("token", "username", "password", "owner")

#: The additional option of modules that send many requests to one server.
PARALLEL: Spec = {"parallel": {"type": "int", "default": 8}}


def spec(options: t.Optional[Spec] = None, *, timeout: float = 30.0, **rules: t.Any) -> Spec:
    """The keyword arguments of ``AnsibleModule``: the common options, then the module's own.

    :param options: the module's own argument spec.
    :param timeout: the default of ``timeout`` in seconds.
    :param rules: ``mutually_exclusive``, ``required_one_of`` and the like.
    """
    common: Spec = {row.name: {"type": row.type, "default": row.default, "no_log": row.no_log} for row in COMMON}
    common["timeout"]["default"] = timeout
    return {"argument_spec": {**common, **(options or {})}, "supports_check_mode": True, **rules}


def untyped(options: Spec) -> Spec:
    """The same options for the items of a list, with numbers and flags raw.

    Ansible's own error about an item does not name its position in the list; the module's error does.
    """
    made = {}
    for name, rules in options.items():
        made[name] = {**rules, "type": "raw"} if rules["type"] in ("int", "bool") else dict(rules)
        if "options" in rules:
            made[name]["options"] = untyped(rules["options"])
    return made


@dataclass(frozen=True)
class Validated:
    """Arguments that were checked against a spec.

    :param error: what is wrong with them, or None.
    :param secrets: the values of the options that are ``no_log``.
    """

    params: Params
    error: t.Optional[str]
    warnings: t.List[str]
    secrets: t.Set[str]


def validated(rules: Spec, args: t.Mapping[str, t.Any], name: str = "") -> Validated:
    """The parameters for these arguments, the same that AnsibleModule produces from this spec.

    :param rules: what :func:`spec` returned.
    :param name: the module, for the message about an unknown option.
    """
    validator = ArgumentSpecValidator(**{key: rule for key, rule in rules.items() if key != "supports_check_mode"})
    result = validator.validate(dict(args))
    error = None
    if result.error_messages:
        error = worded(result.errors.msg, rules["argument_spec"], args)
        if name and isinstance(result.errors[0], UnsupportedError):
            error = f"Unsupported parameters for ({name}) module: {error}"
    warnings = [
        f"Both option {warning['option']} and its alias {warning['alias']} are set." for warning in result._warnings
    ]
    return Validated(result.validated_parameters, error, warnings, set(result._no_log_values))


def worded(msg: str, argument_spec: t.Mapping[str, t.Any], args: t.Mapping[str, t.Any]) -> str:
    """A message of Ansible about arguments, or a better one where it does not say which entry of a list it means."""
    if not msg.startswith("dictionary requested"):
        return msg
    for name, rule in argument_spec.items():
        items = args.get(name)
        if rule.get("elements") == "dict" and isinstance(items, list):
            # AnsibleModule has dropped what follows the last entry that it could read.
            place = next((at for at, item in enumerate(items) if not isinstance(item, t.Mapping)), len(items))
            return f"{name}[{place}] must be a mapping of options, as the documentation shows. Nothing was sent."
    return msg


def check_account(params: Params) -> None:
    """Refuse an account that is incomplete or given twice."""
    if params["token"] is not None and params["username"] is not None:
        raise PolarisError("refused", "token and username are both given: give one of them, not both.")
    if (params["username"] is None) != (params["password"] is None):
        raise PolarisError("refused", "username and password must be given together: give both, or a token instead.")
    if params["owner"] is not None and params["username"] is None:
        raise PolarisError("refused", "owner is only used for a login: give username and password with it.")


def settings(params: Params) -> Settings:
    """How to reach the server that a task names."""
    if not params["url"]:
        raise PolarisError(
            "refused",
            "the server is missing: give its URL, such as http://10.0.0.1:8090, in the option url, the host variable "
            "polaris_url, or POLARIS_URL in the controller's environment.",
        )
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


# --- numbers ---------------------------------------------------------------------------------------------------------


def whole_number(value: t.Any) -> t.Optional[int]:
    """A whole number, possibly as text, as templates produce it; None if it is not one."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and re.match(r"^-?[0-9]{1,18}$", value.strip()):
        return int(value)
    return value if isinstance(value, int) else None


def number_between(value: t.Any, name: str, least: int, most: int) -> int:
    """A whole number; raises a ``refused`` error about the option called ``name``."""
    number = whole_number(value)
    if number is None or not least <= number <= most:
        raise PolarisError(
            "refused", f"{name} must be a whole number from {least} to {most}; got {shorten(repr(value))}."
        )
    return number


# --- connections of clients ------------------------------------------------------------------------------------------


def client_protocol(value: t.Any, name: str) -> str:
    """The protocol of connections; raises a ``refused`` error about the option called ``name``."""
    if not isinstance(value, str) or not value.strip():
        raise PolarisError("refused", f"{name} is missing or empty: give one, such as grpc (SDK clients) or http.")
    return value


def client_host(value: t.Any, name: str) -> str:
    """The address of a client as servers list it; raises a ``refused`` error about the option called ``name``.

    Servers split the addresses of their clients at the colon and count only those that are IPv4 then (polaris v1.18.1
    common/conn/limit/listener.go). So no server can ever list or close connections of any other host.
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
            f"{name} is {shorten(value)!r}, which is not an IPv4 address: servers know their clients by address only; "
            f"give the address, such as 10.0.0.7 (the port is a separate option).",
        ) from None
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            advice = f"servers list it as {address.ipv4_mapped}; give that address."
        else:
            advice = (
                "Polaris servers count, list and close the connections of IPv4 clients only; find this client on the "
                "node itself (ss -tn), and end its connections there or on the client."
            )
        raise PolarisError("refused", f"{name} is {value}, an IPv6 address: {advice}")
    return str(address)


def at_least_zero(value: t.Any, name: str) -> int:
    """A number of connections (None: 0); raises a ``refused`` error about the option called ``name``."""
    number = 0 if value is None else whole_number(value)
    if number is None or number < 0:
        raise PolarisError("refused", f"{name} must be a whole number of 0 or more; got {shorten(str(value))!r}.")
    return number


def client_port(value: t.Any, name: str) -> t.Optional[int]:
    """A port (None: not given); raises a ``refused`` error about the option called ``name``.

    Servers accept an impossible port as well, and then close all connections of the host.
    """
    port = None if value is None else whole_number(value)
    if value is not None and (port is None or not 1 <= port <= 65535):
        raise PolarisError(
            "refused", f"{name} must be a whole number from 1 to 65535, or be omitted; got {shorten(str(value))!r}."
        )
    return port
