# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. The in-process door: a module's run() in the controller's worker."""

from __future__ import annotations

import contextlib
import gc
import os
import re
import threading
import typing as t
from datetime import date

from ansible import constants as C
from ansible.errors import AnsibleConnectionFailure, AnsibleError, AnsibleOptionsError
from ansible.module_utils.basic import missing_required_lib
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils._client import HAS_REQUESTS
from ..module_utils._options import Spec, validated
from ..module_utils._runner import Operation, Result, invalid, perform, secrets_in
from ..module_utils._secrets import Scrubber, shown_arguments
from ._host_variables import NAMES, Completed, completed, is_given, url_of
from ._warm_up import warm_up

display = Display()

# Ansible imports this before it forks the workers.
warm_up()

#: After this many seconds a task says that it is still waiting, and for which host.
PATIENCE = 10.0
#: What ssh says if it did not reach the host, so that nothing has begun there.
NEVER_CONNECTED = re.compile(
    "connect to host|Connection refused|Could not resolve hostname|Permission denied|Host key verification failed"
)


class PolarisAction(ActionBase):
    """The base class of the actions: a subclass has the SPEC and the run() of the module with the same name."""

    spec: Spec
    operation: Operation
    _supports_async = True

    def run(self, tmp: t.Optional[str] = None, task_vars: t.Optional[t.Dict[str, t.Any]] = None) -> Result:
        task_vars = task_vars or {}
        result: Result = super().run(tmp, task_vars)
        arguments = self.completed_arguments(task_vars)
        # What JSON cannot express cannot be sent to a module. It is refused here, like any other wrong argument.
        if self._in_process(task_vars) or json_options(arguments.options)[1] is not None:
            result.update(self._perform(arguments, task_vars))
        else:
            result.update(self._execute(arguments, task_vars))
        arguments.explain(result)
        return result

    def _execute(self, arguments: Completed, task_vars: t.Dict[str, t.Any]) -> Result:
        """Run the module on the target of the task.

        An unreachable host leaves the play without running its ``always:``. If the variable
        ``polaris_unreachable_fails`` is true, as in the runbooks, such a host fails instead, so that its levels are
        restored, and there is a summary even if no host could be reached.
        """
        try:
            result: Result = self._execute_module(
                module_args=arguments.options, task_vars=task_vars, wrap_async=self._task.async_val
            )
        except AnsibleConnectionFailure as error:
            if not task_vars.get("polaris_unreachable_fails"):
                raise
            msg = f"the host could not be reached: {error}"
            result = {"failed": True, **invalid(msg, arguments.options.get("url"))}
            only_reads = self._task.check_mode or self._task.action.endswith("_info")
            if not only_reads and not NEVER_CONNECTED.search(msg):
                msg = f"{msg.rstrip('.')}. If it was lost during the task, it is unknown whether the task took effect."
                result.update(changed=True, outcome_unknown=True)
            result["msg"] = msg
            result["error"]["kind"] = "unreachable"
        return result

    def completed_arguments(self, task_vars: t.Dict[str, t.Any]) -> Completed:
        """The task's arguments, completed from the variables of its host and the controller's environment.

        A node reached by SSH has neither. They are not sent there as environment variables, because Ansible logs the
        environment of a task but censors secret arguments.
        """
        environment: t.Dict[str, t.Any] = {}
        self._compute_environment_string(environment)
        return completed(dict(self._task.args), environment, variables_of(self, task_vars), os.environ)

    def _in_process(self, task_vars: t.Dict[str, t.Any]) -> bool:
        """Whether the module would run on this machine as this user."""
        wanted = self._templar.template(task_vars.get("polaris_in_process"))
        try:
            allowed = boolean(wanted) if is_given(wanted) else True
        except TypeError:
            raise AnsibleOptionsError(f"polaris_in_process must be true or false; got {wanted!r}.") from None
        return (
            allowed
            and self._connection.transport == "local"
            and self._connection.become is None
            and not self._task.async_val
            and not any(self._task.environment or ())
        )

    def _perform(self, arguments: Completed, task_vars: t.Dict[str, t.Any]) -> Result:
        # This worker is a fork for this one task. What it inherits from the controller is in use until it exits.
        # Excluding that from garbage collection saves a fifth of the time of a task with ten thousand items.
        gc.freeze()
        options, odd = json_options(arguments.options)
        validation = validated(self.spec, options, self._task.action)
        params = validation.params
        secrets = validation.secrets | secrets_in(params)
        refusal = missing_required_lib("requests") if not HAS_REQUESTS else validation.error
        if odd is not None:
            refusal = f"A key in {odd} is neither text nor a number, for example a date: write it in quotes."
        result: Result
        warnings = list(validation.warnings)
        if refusal is not None:
            result = Scrubber(secrets)({"failed": True, "msg": refusal, **invalid(refusal, params.get("url"))})
        else:
            progress = self._progress(task_vars)
            with still_waiting(progress, "still waiting for its server"):
                outcome = perform(
                    type(self).operation,
                    params,
                    secrets,
                    check_mode=self._task.check_mode,
                    diff_mode=self._task.diff,
                    progress=progress,
                )
            result = outcome.result
            warnings.extend(outcome.warnings)
        if warnings:
            result["warnings"] = warnings
        if _shows_invocation(task_vars):
            shown = shown_arguments(params, self.spec["argument_spec"], Scrubber(secrets))
            result["invocation"] = {"module_args": shown}
        return result

    def _progress(self, task_vars: t.Dict[str, t.Any]) -> t.Callable[[str], None]:
        host = task_vars.get("inventory_hostname", "localhost")
        return lambda line: tell(f"polaris: [{host}]: {line}")


def tell(line: str) -> None:
    """Show a line now. On stdout, if that is a file or a pipe, it would wait in a buffer until the next task."""
    display.display(line, stderr=True)


@contextlib.contextmanager
def still_waiting(say: t.Callable[[str], None], line: str) -> t.Iterator[None]:
    """Say a line if what is done inside takes longer than PATIENCE."""
    notice = threading.Timer(PATIENCE, say, [line])
    notice.daemon = True
    notice.start()
    try:
        yield
    finally:
        notice.cancel()


def variables_of(action: ActionBase, task_vars: t.Mapping[str, t.Any]) -> t.Dict[str, t.Any]:
    """The variables of the task's host in NAMES, templated."""
    return {name: action._templar.template(task_vars[name]) for name in NAMES if name in task_vars}


def perform_action(
    action: ActionBase, name: str, args: t.Mapping[str, t.Any], task_vars: t.Dict[str, t.Any], check_mode: bool = False
) -> Result:
    """Run another action within this one, on the same host. It gets no ``module_defaults``.

    :param name: an action of this collection, which gets the URL of the host, or another one with its full name.
    """
    of_another_collection = "." in name
    task = action._task.copy()
    task.action = name if of_another_collection else f"polarismesh.maintenance.{name}"
    task.args = dict(args) if of_another_collection else {**args, "url": url_of(variables_of(action, task_vars))}
    task.check_mode = task.check_mode or check_mode
    other = action._shared_loader_obj.action_loader.get(
        task.action,
        task=task,
        connection=action._connection,
        play_context=action._play_context,
        loader=action._loader,
        templar=action._templar,
        shared_loader_obj=action._shared_loader_obj,
    )
    result: Result = other.run(task_vars=task_vars)
    return result


def as_json(value: t.Any) -> t.Any:
    """A value as a module gets it from JSON: plain values, text as keys, vaulted text decrypted.

    With the tags that ansible-core adds to text from 2.19 on, the copies that the validator makes would take half a
    second longer for ten thousand instances.

    :raises TypeError: a key is neither text nor a number.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, t.Mapping):
        return {_json_key(key): as_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [as_json(item) for item in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="surrogateescape")
    if isinstance(value, date):
        return value.isoformat()
    # This includes the vaulted text of ansible-core up to 2.18, which is not a str.
    return str(value)


def json_options(options: t.Mapping[str, t.Any]) -> t.Tuple[t.Dict[str, t.Any], t.Optional[str]]:
    """The options as a module gets them, and the name of one that is left out, because JSON cannot express its keys."""
    plain: t.Dict[str, t.Any] = {}
    odd = None
    for name, value in options.items():
        try:
            plain[name] = as_json(value)
        except TypeError:
            odd = name
    return plain, odd


def _json_key(key: t.Any) -> str:
    """A key as in JSON. Raises TypeError if it is neither text nor a number: ansible-core cannot send such a key."""
    if key is None or isinstance(key, bool):
        return {None: "null", True: "true", False: "false"}[key]
    if not isinstance(key, (str, int, float)):
        raise TypeError(type(key).__name__)
    return str(key)


def _shows_invocation(task_vars: t.Dict[str, t.Any]) -> bool:
    try:
        return bool(C.config.get_config_value("INJECT_INVOCATION", variables=task_vars))
    except AnsibleError:
        # ansible-core before 2.21 does not have this setting and always adds the arguments to a module's result.
        return True
