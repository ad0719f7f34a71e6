# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that all modules share, and what they mean."""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible.module_utils.basic import env_fallback

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

#: The option of modules that send many requests to one server.
PARALLEL: Spec = {"parallel": {"type": "int", "default": 8}}


def spec(options: t.Optional[Spec] = None, *, timeout: float = 30, **rules: t.Any) -> Spec:
    """The keyword arguments of ``AnsibleModule``: the common options, then the module's own.

    :param options: the module's own argument spec.
    :param timeout: the default of ``timeout`` in seconds.
    :param rules: ``mutually_exclusive``, ``required_one_of`` and the like.
    """
    common: Spec = {
        "url": {"type": "str", "required": True, "fallback": (env_fallback, ["POLARIS_URL"])},
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
        parallel=params.get("parallel") or 1,
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
