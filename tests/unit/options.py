# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a task as Ansible passes them to a module."""

from __future__ import annotations

from typing import Any

from ansible_collections.polarismesh.maintenance.plugins.module_utils._options import validated


def params_of(spec: dict[str, Any], **options: Any) -> dict[str, Any]:
    """These options, with the defaults of the module's SPEC for the others."""
    result = validated(spec, {"url": "http://127.0.0.1:8090", **options})
    assert result.error is None
    return result.params
