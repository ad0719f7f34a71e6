# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parameters -> client -> operation -> result: the same for the modules and for the in-process actions."""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass, field

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.common.parameters import remove_values

from . import api
from .arguments import Params, Spec, check_account, settings, with_environment
from .client import HAS_REQUESTS, REQUESTS_IMPORT_ERROR, Client, PolarisError, credentials_in_url

Result = t.Dict[str, t.Any]
#: The run() of a module: client, parameters, check mode -> the result, with at least ``changed``. It may hold
#: ``diff`` (shown in diff mode only) and ``warnings``.
Operation = t.Callable[[Client, Params, bool], Result]


@dataclass
class Outcome:
    """What a task gives back: the result (``failed`` in it after a failure) and the warnings to show."""

    result: Result
    warnings: t.List[str] = field(default_factory=list)


def perform(
    operation: Operation,
    params: Params,
    secrets: t.Set[str],
    *,
    check_mode: bool,
    diff_mode: bool,
    environ: t.Mapping[str, str],
    progress: t.Callable[[str], None] = lambda line: None,
) -> Outcome:
    """Run an operation; every failure becomes a result, and no secret is left in either.

    :param secrets: the values that must not be shown; those found out here (a token from the environment or from a
        login) are added to it, because the caller shows the parameters, too.
    """
    params = with_environment(params, environ)
    secrets.update(value for value in (params["token"], params["password"]) if value)
    in_url = credentials_in_url(str(params["url"]))
    secrets.update(in_url)
    warnings: t.List[str] = []
    try:
        result = _operate(operation, params, secrets, warnings, check_mode, progress)
    except PolarisError as error:
        result = {"changed": False, **error.partial, "failed": True, "msg": error.msg, "error": error.as_dict()}
    warnings.extend(result.pop("warnings", ()))
    diff = result.pop("diff", None)
    if diff_mode and diff is not None:
        result["diff"] = diff
    # A failure before there was a client has no clean URL to show, and the raw one may hold credentials.
    result.setdefault("url", None if in_url else str(params["url"]).rstrip("/"))
    return Outcome(_scrubbed(result, secrets), [_scrubbed(warning, secrets) for warning in warnings])


def _operate(
    operation: Operation,
    params: Params,
    secrets: t.Set[str],
    warnings: t.List[str],
    check_mode: bool,
    progress: t.Callable[[str], None],
) -> Result:
    check_account(params)
    client = Client(settings(params), progress, secrets)
    try:
        if params["username"] is not None:
            token = api.login(client, params["username"], params["password"], params["owner"])
            secrets.add(token)
            client.use_token(token)
            if params["username"] == params["password"] == "polaris":
                warnings.append(
                    f"{client.url} still accepts the published password of its default account: change it, and refresh "
                    f"the token of that account, which is published as well."
                )
        return {**operation(client, params, check_mode), "url": client.url}
    finally:
        client.close()


def _scrubbed(value: t.Any, secrets: t.Set[str]) -> t.Any:
    """``value`` without the secrets. Flags stay what they are, as in AnsibleModule.exit_json."""
    cleaned = remove_values(value, secrets)
    if isinstance(value, dict):
        cleaned.update({key: item for key, item in value.items() if item is None or isinstance(item, bool)})
    return cleaned


class _Module(AnsibleModule):
    def add_path_info(self, kwargs: Result) -> Result:
        # A result that names a file by `dest` would otherwise get its owner, mode and size, through this door only.
        return kwargs

    def fail_json(self, msg: str, **kwargs: t.Any) -> t.NoReturn:
        # The arguments are shown with the failure, also where they have not been understood.
        self.no_log_values.update(credentials_in_url(str(self.params.get("url"))))
        for key, value in invalid(msg, self.params.get("url")).items():
            kwargs.setdefault(key, value)
        super().fail_json(msg, **kwargs)


def invalid(msg: str, url: t.Any) -> Result:
    """What every failed result has, for arguments that were refused before there was anything to run."""
    shown = None if url is None or credentials_in_url(str(url)) else str(url).rstrip("/")
    return {"changed": False, "url": shown, "error": PolarisError("refused", msg).as_dict()}


def run_module(spec: Spec, operation: Operation) -> t.NoReturn:
    """The whole main() of a module."""
    module = _Module(**spec)
    if not HAS_REQUESTS:
        module.fail_json(msg=missing_required_lib("requests"), exception=REQUESTS_IMPORT_ERROR)
    outcome = perform(
        operation,
        module.params,
        module.no_log_values,
        check_mode=module.check_mode,
        diff_mode=module._diff,
        environ=os.environ,
    )
    for warning in outcome.warnings:
        module.warn(warning)
    if outcome.result.get("failed"):
        module.fail_json(**outcome.result)
    module.exit_json(**outcome.result)
