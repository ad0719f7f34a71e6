# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. Completes a task's options from the host's variables and the controller's environment.

The task takes precedence over the host's variables, and these over the environment. The account is a unit: all of it
comes from the first place that gives any part of it. The account in the host's variables is only sent to the server
that these variables name.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..module_utils._addresses import DEFAULT_HTTP_PORT, bracketed, same_server
from ..module_utils._options import ACCOUNT, COMMON, Params

#: The host variables that are used, in addition to those in the table of common options.
NAMING = ("ansible_host", "inventory_hostname", "polaris_http_port")
NAMES: t.Tuple[str, ...] = (*(row.variable for row in COMMON), *NAMING)

Variables = t.Mapping[str, t.Any]


def is_given(value: t.Any) -> bool:
    """Whether a variable is set: an unanswered question of a survey leaves it empty or null."""
    return value is not None and (not isinstance(value, str) or bool(value.strip()))


def is_local(connection: t.Any) -> bool:
    """Whether the tasks of a host run on the controller, by its ``ansible_connection``."""
    return connection in ("local", "ansible.builtin.local")


def node_url(url: t.Any, host: t.Any, http_port: t.Any = None) -> str:
    """The URL of a node: ``polaris_url``, else ``http://<ansible_host>:<polaris_http_port, 8090>``.

    It always has a port: without one, the token would be sent to port 80.
    """
    if is_given(url):
        return str(url)
    port = str(http_port).strip() if is_given(http_port) else DEFAULT_HTTP_PORT
    return f"http://{bracketed(str(host).strip())}:{port}"


def url_of(variables: Variables) -> str:
    """The URL of the server that a host's variables name."""
    host = next((variables[name] for name in NAMING[:2] if is_given(variables.get(name))), "localhost")
    return node_url(variables.get("polaris_url"), host, variables.get("polaris_http_port"))


@dataclass(frozen=True)
class Completed:
    """The options of a task, completed.

    :param withheld: the server that the account in the host's variables is for, if the task calls another one.
    """

    options: Params
    withheld: t.Optional[str] = None

    def explain(self, result: t.Dict[str, t.Any]) -> None:
        """If the server refused the task for lack of an account, add to the message why none was sent."""
        if self.withheld is not None and result.get("failed") and (result.get("error") or {}).get("kind") == "auth":
            result["msg"] = (
                f"{str(result.get('msg')).rstrip('.')}. The account of this host's variables (polaris_token or "
                f"polaris_username) was not sent there, because it is for {self.withheld}: give an account in the task."
            )


def completed(task: Params, task_environment: Variables, variables: Variables, environ: Variables) -> Completed:
    """The options of a task, completed from its host's variables and the controller's environment.

    :param task: the options of the task, including ``module_defaults``.
    :param task_environment: its ``environment``.
    :param variables: its host's variables in :data:`NAMES`, templated.
    :param environ: the controller's environment.
    """
    of_host = _options_in(variables, "variable")
    sources = [_options_in(task_environment, "environment"), of_host, _options_in(environ, "environment")]
    others = {name: value for source in reversed(sources) for name, value in source.items() if name not in ACCOUNT}
    options = {**others, **task}
    if any(options.get(name) for name in ACCOUNT):
        return Completed(options)
    for name in ACCOUNT:
        options.pop(name, None)
    for source in sources:
        account = {name: source[name] for name in ACCOUNT if name in source}
        if account and source is of_host and not same_server(str(options.get("url")), url_of(variables)):
            return Completed(options, withheld=url_of(variables))
        if account:
            return Completed({**options, **account})
    return Completed(options)


def _options_in(source: Variables, kind: str) -> Params:
    """The options that are given in one place, where their names are the field ``kind`` of COMMON."""
    names = {row.name: getattr(row, kind) for row in COMMON}
    return {option: source[name] for option, name in names.items() if name and is_given(source.get(name))}
