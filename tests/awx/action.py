# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for a module of awx.awx where AWX is not: judges the options as the module would, and writes them down.

The tests put it into a collection awx.awx of their own, once for each module, under the module's name.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        module = self._task.action.rpartition(".")[2]
        facts = json.loads(Path(os.environ["AWX_TEST_MODULES"]).read_text())[module]
        arguments = json.loads(json.dumps(self._task.args))
        validation = ArgumentSpecValidator(
            facts["options"], facts.get("mutually_exclusive"), required_if=facts.get("required_if")
        ).validate(arguments)
        if validation.error_messages:
            return {**result, "failed": True, "msg": "; ".join(validation.error_messages)}
        given = {name: validation.validated_parameters[name] for name in arguments}
        with Path(os.environ["AWX_TEST_CALLS"]).open("a") as file:
            file.write(json.dumps([module, given]) + "\n")
        return {**result, "changed": False}
