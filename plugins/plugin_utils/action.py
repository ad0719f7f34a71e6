# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The in-process door: a module's operation inside the controller's worker, without a new interpreter."""

from __future__ import annotations

import gc
import os
import typing as t

from ansible import constants as C
from ansible.errors import AnsibleError
from ansible.module_utils.basic import missing_required_lib
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.parameters import remove_values
from ansible.module_utils.errors import UnsupportedError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.polarismesh.maintenance.plugins.module_utils.arguments import Params, Spec, from_controller
from ansible_collections.polarismesh.maintenance.plugins.module_utils.client import HAS_REQUESTS, credentials_in_url
from ansible_collections.polarismesh.maintenance.plugins.module_utils.runner import Operation, Result, invalid, perform

display = Display()


class PolarisAction(ActionBase):
    """Base of all actions: a subclass names the SPEC and the run() of the module that has its name."""

    spec: Spec
    operation: Operation
    _supports_async = True

    def run(self, tmp: t.Optional[str] = None, task_vars: t.Optional[t.Dict[str, t.Any]] = None) -> Result:
        task_vars = task_vars or {}
        result = super().run(tmp, task_vars)
        if self._in_process(task_vars):
            result.update(self._perform(task_vars))
        else:
            result.update(
                self._execute_module(
                    module_args=self._arguments(), task_vars=task_vars, wrap_async=self._task.async_val
                )
            )
        return result

    def _arguments(self) -> Params:
        """The task's arguments, with the URL and the account of the controller's environment where it has none.

        On a node that is reached by SSH, and behind sudo, nothing is known of that environment. To send it as one would
        not do: Ansible shows the environment of a task in what it logs, while secret arguments are censored.
        """
        of_task: t.Dict[str, t.Any] = {}
        self._compute_environment_string(of_task)
        return {**self._task.args, **from_controller(self._task.args, of_task, os.environ)}

    def _in_process(self, task_vars: t.Dict[str, t.Any]) -> bool:
        """Whether this worker is where, and as whom, the module would run."""
        return (
            self._connection.transport == "local"
            and self._connection.become is None
            and not self._task.async_val
            and not any(self._task.environment or ())
            and boolean(self._templar.template(task_vars.get("polaris_in_process", True)))
        )

    def _perform(self, task_vars: t.Dict[str, t.Any]) -> Result:
        # This worker is a fork for this one task. What it has from the controller is no garbage before its end: not to
        # look for any there saves a fifth of the time of a task with ten thousand items.
        gc.freeze()
        rules = {name: rule for name, rule in self.spec.items() if name != "supports_check_mode"}
        validation = ArgumentSpecValidator(**rules).validate(_plain(self._arguments()))
        params: Params = validation.validated_parameters
        secrets: t.Set[str] = set(validation._no_log_values) | credentials_in_url(str(params.get("url")))
        result: Result
        warnings: t.List[str] = [
            f"Both option {warning['option']} and its alias {warning['alias']} are set."
            for warning in validation._warnings
        ]
        refusal: t.Optional[str] = None
        if not HAS_REQUESTS:
            refusal = missing_required_lib("requests")
        elif validation.error_messages:
            refusal = validation.errors.msg
            if isinstance(validation.errors[0], UnsupportedError):
                refusal = f"Unsupported parameters for ({self._task.action}) module: {refusal}"
        if refusal is not None:
            msg, url = remove_values([refusal, params.get("url")], secrets)
            result = {"failed": True, "msg": msg, **invalid(msg, url)}
        else:
            outcome = perform(
                type(self).operation,
                params,
                secrets,
                check_mode=self._task.check_mode,
                diff_mode=self._task.diff,
                environ=os.environ,
                progress=self._progress(task_vars),
            )
            result = outcome.result
            warnings.extend(outcome.warnings)
        if warnings:
            result["warnings"] = warnings
        if _shows_invocation(task_vars):
            result["invocation"] = {"module_args": remove_values(params, secrets)}
        return result

    def _progress(self, task_vars: t.Dict[str, t.Any]) -> t.Callable[[str], None]:
        host = task_vars.get("inventory_hostname", "localhost")
        # On stdout, where that is a file or a pipe, it would wait in a buffer until the task is over.
        return lambda line: display.display(f"polaris: [{host}]: {line}", stderr=True)


def _plain(value: t.Any) -> t.Any:
    """The arguments as a module gets them, which is through JSON: text that is nothing more.

    What ansible-core tags text with, from 2.19 on, makes the copies of the validator slow: more than half a second for
    ten thousand instances.
    """
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, str) else value


def _shows_invocation(task_vars: t.Dict[str, t.Any]) -> bool:
    try:
        return bool(C.config.get_config_value("INJECT_INVOCATION", variables=task_vars))
    except AnsibleError:
        # ansible-core before 2.21 has no such switch and always adds it to the result of a module.
        return True
