# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Log levels: forms, scopes, order of checks."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.simulator import Fleet

from .conftest import Ask

LEVELS = "/maintain/v1/log/outputlevel"


def test_the_list_has_a_random_order_the_object_a_sorted_one(make_fleet: Callable[..., Fleet], ask: Ask) -> None:
    fleet = make_fleet(nodes=2, profile=["v1.18.1", "v1.17.1"])
    orders = {tuple(each["Name"] for each in ask(fleet.nodes[0], "GET", LEVELS).json()) for _dummy in range(10)}
    assert len(orders) > 1
    assert {tuple(sorted(order)) for order in orders} == {tuple(sorted(fleet.nodes[0].levels))}
    levels = ask(fleet.nodes[1], "GET", LEVELS).json()
    assert list(levels) == sorted(levels)
    assert set(levels) == set(fleet.nodes[1].levels)


@pytest.mark.parametrize(
    ("profile", "count", "has", "lacks"),
    [
        ("v1.8.0", 6, "naming", "xdsv3"),
        ("v1.12.2", 9, "xdsv3", "sysop"),
        ("v1.14.2", 16, "sysop", "eureka"),
        ("v1.17.1", 16, "cmdb", "discoverstat"),
        ("v1.18.1", 20, "nacos-trace", "nothing"),
        ("head", 20, "discoverstat", "nothing"),
    ],
)
def test_scopes_per_version(make_fleet: Callable[..., Fleet], profile: str, count: int, has: str, lacks: str) -> None:
    levels = make_fleet(profile=profile).nodes[0].levels
    assert len(levels) == count
    assert has in levels
    assert lacks not in levels


def test_a_level_is_set_on_one_node_at_once(make_fleet: Callable[..., Fleet], ask: Ask) -> None:
    fleet = make_fleet(nodes=2)
    assert ask(fleet.nodes[0], "PUT", LEVELS, {"Scope": "naming", "LEVEL": "none", "more": 1}).text == '"ok"'
    assert {"Name": "naming", "Level": "none"} in ask(fleet.nodes[0], "GET", LEVELS).json()
    assert fleet.nodes[1].levels["naming"] == "info"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("", "unexpected end of JSON input"),
        ("{}", "invalid scope name"),
        ("null", "invalid scope name"),
        ('{"scope": "nothing", "level": "nothing"}', "invalid scope name"),
        ('{"scope": "naming", "level": "INFO"}', "invalid log level"),
        ('{"scope": "naming"}', "invalid log level"),
        ('{"scope": 5}', "json: cannot unmarshal number into Go struct field .scope of type string"),
        ('{"scope": "naming", "level": "debug"} more', "invalid character 'm' after top-level value"),
        ("{bad", "invalid character 'b' looking for beginning of object key string"),
        ('{"scope": NaN}', "invalid character 'N' looking for beginning of value"),
    ],
)
def test_what_a_set_refuses(fleet: Fleet, ask: Ask, body: str, text: str) -> None:
    answer = ask(fleet.nodes[0], "PUT", LEVELS, body)
    assert (answer.status, answer.text) == (400, text)
    assert set(fleet.nodes[0].levels.values()) == {"info"}


def test_a_body_is_parsed_before_the_caller_is_checked_and_validated_after(fleet: Fleet, ask: Ask) -> None:
    node = fleet.nodes[0]
    assert ask(node, "PUT", LEVELS, "", token="x").text == "unexpected end of JSON input"
    assert ask(node, "PUT", LEVELS, {"scope": "nothing"}, token="x").text == "invalid token"


def test_a_restart_forgets_levels(fleet: Fleet, ask: Ask) -> None:
    node = fleet.nodes[0]
    node.levels["naming"] = "debug"
    node.restart()
    assert node.levels["naming"] == "info"
    assert ask(node, "GET", LEVELS).status == 200
