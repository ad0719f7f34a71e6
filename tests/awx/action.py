# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replaces a module of awx.awx where there is no AWX: checks its options as the module would, and records them.

The tests copy it into their own collections, once for each module, under the module's name.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase


def found(file: str) -> str:
    """The collection that this copy is in."""
    return ".".join(Path(file).parts[-5:-3])


class ActionModule(ActionBase):
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        module = Path(__file__).stem
        facts = json.loads(Path(os.environ["AWX_TEST_MODULES"]).read_text())[module]
        arguments = json.loads(json.dumps(self._task.args))
        validation = ArgumentSpecValidator(
            facts["options"], facts.get("mutually_exclusive"), required_if=facts.get("required_if")
        ).validate(arguments)
        if validation.error_messages:
            return {**result, "failed": True, "msg": "; ".join(validation.error_messages)}
        given = {name: validation.validated_parameters[name] for name in arguments}
        with Path(os.environ["AWX_TEST_CALLS"]).open("a") as file:
            file.write(
                json.dumps([module, given, found(__file__), self._templar.template(self._task.environment)]) + "\n"
            )
        return {**result, "changed": False}
