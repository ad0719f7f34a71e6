# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation of the common options matches their table."""

from __future__ import annotations

import yaml

from ansible_collections.polarismesh.maintenance.plugins.doc_fragments.connection import ModuleDocFragment
from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import KINDS
from ansible_collections.polarismesh.maintenance.plugins.module_utils._options import ACCOUNT, COMMON

TEXTS = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)
LOOKED_UP = yaml.safe_load(ModuleDocFragment.PLUGIN)["options"]


def test_the_options_their_types_and_defaults() -> None:
    assert [(row.name, row.type, row.default) for row in COMMON] == [
        (name, option["type"], option.get("default")) for name, option in TEXTS["options"].items()
    ]


def test_every_option_names_its_host_variable_and_its_environment() -> None:
    for row in COMMON:
        told = " ".join(TEXTS["options"]["token" if row.name in ACCOUNT else row.name]["description"])
        assert f"C({row.variable})" in told
        assert row.environment is None or f"E({row.environment})" in told


def test_plugins_look_up_the_same_variables() -> None:
    for row in COMMON:
        expected = {"vars": [{"name": row.variable}]}
        if row.environment is not None:
            expected["env"] = [{"name": row.environment}]
        assert LOOKED_UP[row.name] == expected
    assert list(LOOKED_UP) == [row.name for row in COMMON]


def test_the_kinds_of_failures_are_where_ansible_doc_shows_them() -> None:
    told = " ".join(TEXTS["notes"])
    assert [kind for kind in KINDS if f"V({kind}) (" not in told] == []
