# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The in-process door passes the same values as a round trip through JSON."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Any

import pytest
from ansible.utils.unsafe_proxy import wrap_var
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._action import as_json, json_options

pytestmark = pytest.mark.core

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10)
# Keys that YAML and templates produce; not two keys that are equal in JSON.
KEYS = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=1), max_leaves=12
)


@given(VALUES)
def test_any_value_is_as_json_makes_it(value: Any) -> None:
    assert as_json(value) == json.loads(json.dumps(value))
    assert as_json(wrap_var(value)) == json.loads(json.dumps(value))


@given(VALUES)
def test_what_json_takes_has_no_odd_key(value: Any) -> None:
    assert json_options({"metadata": value}) == ({"metadata": as_json(value)}, None)


@pytest.mark.parametrize("key", [date(2026, 1, 2), datetime(2026, 1, 2, 3, 4, 5), (1, 2)])
def test_a_key_that_ansible_would_not_send_to_a_module(key: Any) -> None:
    assert json_options({"a": 1, "metadata": {key: "x"}}) == ({"a": 1}, "metadata")
    assert json_options({"instances": [{"metadata": {"a": {key: "x"}}}]}) == ({}, "instances")
    assert json_options({"a": {"b": [key]}})[1] is None


class Vaulted:
    """Vaulted text as ansible-core up to 2.18 passes it: not a str, but convertible to one."""

    def __str__(self) -> str:
        return "clear text"


class Tagged(str):
    """Text as ansible-core 2.19 and newer tag it."""


def test_types_that_json_does_not_know() -> None:
    assert as_json({"a": Vaulted()}) == {"a": "clear text"}
    assert as_json(date(2026, 1, 2)) == "2026-01-02"
    assert as_json(datetime(2026, 1, 2, 3, 4, 5)) == "2026-01-02T03:04:05"
    assert as_json((1, {2})) == [1, [2]]
    assert as_json(b"text") == "text"


def test_text_is_plain() -> None:
    value = as_json({Tagged("a"): [Tagged("b")]})
    assert [type(key) for key in value] == [str]
    assert [type(item) for item in value["a"]] == [str]
