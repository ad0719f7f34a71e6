# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of runbooks, as people and surveys write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._variables import check, is_slice

LEVELS = {"levels": {"type": "levels", "required": True}}


def refused(values: dict[str, Any], rules: dict[str, Any], **options: Any) -> str:
    with pytest.raises(ValueError, match=r"No server was asked\.$") as caught:
        check(values, rules, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    "written",
    [
        {"naming": "debug", "store": "info"},
        {"naming": "debug ", " store": "info"},
        "{naming: debug, store: info}",
        '{"naming": "debug", "store": "info"}',
        "naming: debug\nstore: info\n",
        "---\nnaming: debug  # as long as it takes\nstore: info\n",
        "naming: debug, store: info",
        "naming=debug,store=info",
        "naming = debug store = info",
        "\tnaming: debug\n\tstore:\tinfo",
        "naming:debug;store:info,",
    ],
)
def test_levels_as_people_type_them(written: Any) -> None:
    assert check({"levels": written}, LEVELS) == {"levels": {"naming": "debug", "store": "info"}}


@pytest.mark.parametrize("written", ["*: debug", '"*": debug', "*=debug", {"*": "debug"}])
def test_every_other_scope_needs_no_quotes(written: Any) -> None:
    assert check({"levels": written}, LEVELS) == {"levels": {"*": "debug"}}


@pytest.mark.parametrize(
    "written", ["naming", "{naming: debug", "naming: debug: info", "[naming]", [], {}, 7, True, "naming: [", "a: !x b"]
)
def test_invalid_levels_are_refused_in_their_own_sentence(written: Any) -> None:
    msg = refused({"levels": written}, LEVELS)
    assert msg.startswith("The variable levels must be scope and level, such as naming=debug, store=info")


@pytest.mark.parametrize(
    "written", [{"naming": "debgu"}, "naming: Debug", {"naming": None}, {"naming": 7}, {"": "info"}]
)
def test_unknown_levels_are_named(written: Any) -> None:
    msg = refused({"levels": written}, LEVELS)
    assert "has an unknown level (" in msg
    assert "the levels are debug, info, warn, error, fatal, none, in lower case" in msg


def test_a_scope_with_two_levels_is_refused() -> None:
    assert "names naming twice, with debug and info" in refused({"levels": "naming=debug, naming=info"}, LEVELS)
    assert check({"levels": "naming=debug, naming=debug"}, LEVELS)["levels"] == {"naming": "debug"}


@given(st.text())
def test_any_text_gives_levels_or_one_sentence(written: str) -> None:
    try:
        found = check({"levels": written}, LEVELS)["levels"]
    except ValueError as error:
        assert str(error).endswith("No server was asked.")
    else:
        assert found


@pytest.mark.parametrize("nothing", [None, "", " \t"])
def test_an_empty_answer_of_a_survey_is_not_given(nothing: Any) -> None:
    assert check({"seconds": nothing}, {"seconds": {"type": "int", "default": 300}}) == {"seconds": 300}
    assert refused({"levels": nothing}, LEVELS).startswith("Give the variable levels: scope and level")
    rules = {"new": {"type": "name", "aliases": ["old"]}}
    assert check({"new": nothing, "old": "a"}, rules) == {"new": "a"}
    assert check({"new": "b", "old": "a"}, rules) == {"new": "b"}


@pytest.mark.parametrize(
    ("rule", "value", "found"),
    [
        ({"type": "int"}, "7", 7),
        ({"type": "int"}, " 0 ", 0),
        ({"type": "int", "max": 9}, 9, 9),
        ({"type": "float"}, "0.1", 0.1),
        ({"type": "float", "min": 0.5, "max": 1}, 1, 1.0),
        ({"type": "bool"}, " yes", True),
        ({"type": "bool"}, False, False),
        ({"type": "bool"}, 0, False),
        ({"type": "text"}, " a b ", "a b"),
        ({"type": "text"}, 7, "7"),
        ({"type": "choice", "choices": ["a", "b"]}, "b ", "b"),
        ({"type": "name"}, "a.b/c:d_e-1", "a.b/c:d_e-1"),
        ({"type": "size"}, 0, "0"),
        ({"type": "size"}, "1.5G", "1.5G"),
        ({"type": "ipv4"}, "10.0.0.7", "10.0.0.7"),
        ({"type": "list"}, '[{"id": "a"}]', [{"id": "a"}]),
    ],
)
def test_values_get_their_type(rule: dict[str, Any], value: Any, found: Any) -> None:
    assert check({"it": value}, {"it": rule}) == {"it": found}
    assert type(check({"it": value}, {"it": rule})["it"]) is type(found)


@pytest.mark.parametrize(
    ("rule", "value", "must"),
    [
        ({"type": "int", "min": 1, "max": 9}, 10, "a whole number from 1 to 9"),
        ({"type": "int", "min": 1}, 0, "a whole number of 1 or more"),
        ({"type": "int"}, "soon", "a whole number of 0 or more"),
        ({"type": "int"}, 1.5, "a whole number"),
        ({"type": "int"}, True, "a whole number"),
        ({"type": "float", "min": 0.5, "max": 1}, 0, "a number not below 0.5 and not above 1"),
        ({"type": "float", "min": 0}, "nan", "a number not below 0"),
        ({"type": "float"}, [1], "a number"),
        ({"type": "bool"}, "maybe", "true or false"),
        ({"type": "bool"}, [], "true or false"),
        ({"type": "choice", "choices": ["fail", "skip", "clean"]}, "kill", "fail, skip or clean"),
        ({"type": "name"}, "pay ments", "a name"),
        ({"type": "size"}, "64Mb", "a size"),
        ({"type": "size"}, "-1", "a size"),
        ({"type": "size"}, "1,5G", "a size"),
        ({"type": "size"}, [1], "a size"),
        ({"type": "ipv4"}, "fd00::1", "an IPv4 address"),
        ({"type": "ipv4"}, "10.0.0", "an IPv4 address"),
        ({"type": "ipv4"}, 7, "an IPv4 address"),
        ({"type": "list"}, "text", "a list"),
        ({"type": "list"}, {"id": "a"}, "a list"),
        ({"type": "list"}, [{"id": "a"}, "text"], "a list; got text as entry 1, counted from 0"),
        ({"type": "text"}, {}, "text"),
    ],
)
def test_what_has_another_type_is_refused(rule: dict[str, Any], value: Any, must: str) -> None:
    msg = refused({"it": value}, {"it": rule})
    assert msg.startswith(f"The variable it must be {must}")
    assert "; got " in msg


@pytest.mark.parametrize("written", [{"id": "a", "service_token": "s3cret"}, '{"id": "a", "service_token": "s3cret"}'])
def test_a_refused_list_is_not_repeated_because_it_may_hold_a_token(written: Any) -> None:
    msg = refused({"instances": written}, {"instances": {"type": "list", "example": "a list, such as [1]"}})
    assert msg == "The variable instances must be a list, such as [1]; got a mapping. No server was asked."


def test_everything_that_is_wrong_is_in_one_message() -> None:
    rules = {**LEVELS, "seconds": {"type": "int", "min": 1}}
    msg = refused({"seconds": 0}, rules)
    assert msg.startswith("Give the variable levels: ")
    assert "The variable seconds must be" in msg
    assert msg.count("No server was asked.") == 1


@pytest.mark.parametrize("values", [{}, {"batch": False}, {"instances": []}, {"instances": [{}], "batch": True}])
def test_exactly_one_of_several(values: dict[str, Any]) -> None:
    rules = {"instances": {"type": "list", "example": "a list"}, "batch": {"type": "bool", "example": "true"}}
    msg = refused(values, rules, one_of=["instances", "batch"])
    assert msg.startswith("Give exactly one of these variables: instances (a list), batch (true).")
    assert check({"batch": "yes"}, rules, one_of=["instances", "batch"]) == {"instances": None, "batch": True}


@pytest.mark.parametrize(
    ("values", "slice_"),
    [
        ({}, False),
        ({"awx_job_slice_count": 1}, False),
        ({"awx_job_slice_count": ""}, False),
        ({"awx_job_slice_count": "2"}, True),
        ({"tower_job_slice_count": 3}, True),
        ({"awx_workflow_job_id": 1, "awx_workflow_job_name": "a", "awx_job_template_name": "a"}, True),
        ({"awx_workflow_job_id": 1, "awx_workflow_job_name": "a", "awx_job_template_name": "b"}, False),
        ({"awx_workflow_job_id": 1}, False),
    ],
)
def test_slices_are_recognized_by_the_variables_of_awx(values: dict[str, Any], slice_: bool) -> None:
    assert is_slice(values) is slice_


def test_a_file_that_something_else_wrote_is_not_overwritten(tmp_path: Path) -> None:
    rules = {"save": {"type": "new_file"}}
    saved = {"node1": {"url": "u", "time": "t", "levels": {"naming": "info"}, "set": {"naming": "debug"}}}
    for name, content in (("new", None), ("empty", ""), ("again", json.dumps(saved))):
        path = tmp_path / name
        if content is not None:
            path.write_text(content)
        assert check({"save": str(path)}, rules) == {"save": str(path)}
    for content in ("all:\n  hosts:\n    a:\n", "[1]", "text", json.dumps({"node1": {"levels": {}}})):
        (tmp_path / "inventory.yml").write_text(content)
        assert "names a file that save did not write" in refused({"save": str(tmp_path / "inventory.yml")}, rules)
