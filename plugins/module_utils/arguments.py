# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that all modules share, and what they mean."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import env_fallback

from .client import PolarisError, Settings

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
