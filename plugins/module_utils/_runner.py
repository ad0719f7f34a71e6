# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. Parameters -> client -> run() -> result: the same for modules and in-process actions."""

from __future__ import annotations

import contextlib
import typing as t
from dataclasses import dataclass, field

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ._addresses import credentials_in_url, shown_url
from ._api import account
from ._client import HAS_REQUESTS, REQUESTS_IMPORT_ERROR, Client, silent
from ._errors import PolarisError
from ._options import ACCOUNT, Params, Spec, check_account, settings, worded
from ._secrets import Scrubber, shown_arguments

Result = t.Dict[str, t.Any]
#: The run() of a module: client, parameters, check mode -> the result, with at least ``changed``. It may contain
#: ``diff`` (shown only in diff mode) and ``warnings``.
Operation = t.Callable[[Client, Params, bool], Result]


@dataclass
class Outcome:
    """What a task returns: the result (with ``failed`` after a failure) and the warnings to show."""

    result: Result
    warnings: t.List[str] = field(default_factory=list)


def secrets_in(params: Params) -> t.Set[str]:
    """The values of the common options that must not be shown."""
    account_secrets = {str(params[name]) for name in ("token", "password") if params.get(name)}
    return account_secrets | credentials_in_url(str(params.get("url")))


@contextlib.contextmanager
def connected(
    params: Params, secrets: t.Set[str], warnings: t.List[str], progress: t.Callable[[str], None]
) -> t.Iterator[Client]:
    """A client for the server and the account in ``params``, logged in if they contain a username.

    :param secrets: the token that a login returns is added to it.
    :param warnings: warnings about the account are added to it.
    :raises PolarisError: the URL, the settings or the account cannot be used, or the login failed.
    """
    params = {**params, **{name: params[name] or None for name in ACCOUNT}}
    check_account(params)
    client = Client(settings(params), progress, secrets)
    try:
        if params["username"] is not None:
            token = account.login(client, params["username"], params["password"], params["owner"])
            secrets.add(token)
            client.use_token(token)
            if (params["username"], params["password"]) == account.DEFAULT_LOGIN:
                warnings.append(
                    f"{client.url} still accepts the published password of its default account: change it, and refresh "
                    f"the token of that account, which is also published."
                )
        yield client
    finally:
        client.close()


def perform(
    operation: Operation,
    params: Params,
    secrets: t.Set[str],
    *,
    check_mode: bool,
    diff_mode: bool,
    progress: t.Callable[[str], None] = silent,
) -> Outcome:
    """Run an operation and return its outcome without secrets; every failure becomes a result.

    :param secrets: the values that must not be shown; new ones (a token from a login) are added to it, because the
        caller also shows the parameters.
    """
    secrets.update(secrets_in(params))
    warnings: t.List[str] = []
    try:
        with connected(params, secrets, warnings, progress) as client:
            result = {**operation(client, params, check_mode), "url": client.url}
    except PolarisError as error:
        result = {"changed": False, **error.partial, "failed": True, "msg": error.msg, "error": error.as_dict()}
    warnings.extend(result.pop("warnings", ()))
    diff = result.pop("diff", None)
    if diff_mode and diff is not None:
        result["diff"] = diff
    result.setdefault("url", shown_url(params["url"]))
    scrub = Scrubber(secrets)
    return Outcome(scrub(result), [scrub.text(warning) for warning in warnings])


def invalid(msg: str, url: t.Any) -> Result:
    """The keys that every failed result has, for arguments that were refused before anything ran."""
    return {"changed": False, "url": shown_url(url), "error": PolarisError("refused", msg).as_dict()}


class _Module(AnsibleModule):
    def add_path_info(self, kwargs: Result) -> Result:
        # Otherwise a result with `dest` would get the file's owner, mode and size, but only through this door.
        return kwargs

    def exit_json(self, **kwargs: t.Any) -> t.NoReturn:
        super().exit_json(**self._censored(kwargs))

    def fail_json(self, msg: str, **kwargs: t.Any) -> t.NoReturn:
        msg = worded(msg, self.argument_spec, self.params)
        super().fail_json(**self._censored({**invalid(msg, self.params.get("url")), **kwargs, "msg": msg}))

    def _censored(self, result: Result) -> Result:
        """The result without secrets, and likewise the arguments, which Ansible shows with it.

        After this, AnsibleModule censors nothing: it would damage values that a playbook needs (see _secrets.py).
        """
        scrub = Scrubber(set(self.no_log_values) | secrets_in(self.params))
        self.params = shown_arguments(self.params, self.argument_spec, scrub)
        self.no_log_values = set()
        return t.cast(Result, scrub(result))


def run_module(spec: Spec, operation: Operation) -> t.NoReturn:
    """The whole main() of a module."""
    module = _Module(**spec)
    if not HAS_REQUESTS:
        module.fail_json(msg=missing_required_lib("requests"), exception=REQUESTS_IMPORT_ERROR)
    outcome = perform(
        operation, module.params, module.no_log_values, check_mode=module.check_mode, diff_mode=module._diff
    )
    for warning in outcome.warnings:
        module.warn(warning)
    if outcome.result.get("failed"):
        module.fail_json(**outcome.result)
    module.exit_json(**outcome.result)
