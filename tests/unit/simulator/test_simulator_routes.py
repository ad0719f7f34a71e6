# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes and content types per version, as go-restful decides them."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.simulator import PROFILES, Fleet

from .conftest import Ask

LEVELS = "/maintain/v1/log/outputlevel"
FREE = "/maintain/v1/memory/free"

Make = Callable[..., Fleet]

SINCE = {
    "/maintain/v1/instance/batchclean": "v1.13.0",
    "/maintain/v1/leaders/release": "v1.14.1",
    "/maintain/v1/leaders": "v1.14.1",
    "/maintain/v1/report/clients": "v1.16.0",
    "/maintain/v1/pprof/enable": "head",
    "/maintain/v1/server/functions": "head",
}


@pytest.mark.parametrize("profile", [name for name in PROFILES if name != "documented"])
def test_a_route_is_there_from_its_version_on(make_fleet: Make, ask: Ask, profile: str) -> None:
    node = make_fleet(profile=profile).nodes[0]
    order = list(PROFILES)
    for path, first in SINCE.items():
        expected = 405 if order.index(profile) >= order.index(first) else 404
        assert ask(node, "DELETE", path).status == expected, path


def test_a_wrong_method_names_the_right_ones(fleet: Fleet, ask: Ask) -> None:
    answer = ask(fleet.nodes[0], "POST", LEVELS, {})
    assert (answer.status, answer.text, answer.headers["Allow"]) == (405, "405: Method Not Allowed", "GET, PUT")
    answer = ask(fleet.nodes[0], "POST", "/maintain/v1/apiserver/conn", [])
    assert (answer.status, answer.headers["Allow"]) == (405, "GET")


def test_the_documented_dialect_has_the_published_calls_only(make_fleet: Make, ask: Ask) -> None:
    node = make_fleet(profile="documented").nodes[0]
    assert ask(node, "PUT", LEVELS, {"scope": "naming", "level": "debug"}).status == 405
    assert ask(node, "POST", LEVELS, {"scope": "naming", "level": "debug"}).text == '"ok"'
    assert node.levels["naming"] == "debug"
    assert isinstance(ask(node, "GET", LEVELS).json(), dict)
    assert ask(node, "POST", "/maintain/v1/apiserver/conn/close", []).status == 404
    assert ask(node, "POST", "/maintain/v1/apiserver/conn", []).status == 200


@pytest.mark.parametrize(
    ("headers", "body", "new", "old"),
    [
        ({}, "{}", (415, "415: Unsupported Media Type"), (415, "415: Unsupported Media Type")),
        (
            {"Content-Type": "text/plain"},
            "{}",
            (415, "415: Unsupported Media Type"),
            (415, "415: Unsupported Media Type"),
        ),
        (
            {},
            None,
            (415, "415: Unsupported Media Type\n\nAvailable representations: "),
            (406, "406: Not Acceptable\n\nAvailable representations: "),
        ),
        (
            {"Content-Length": "0"},
            None,
            (406, "406: Not Acceptable\n\nAvailable representations: "),
            (406, "406: Not Acceptable\n\nAvailable representations: "),
        ),
        ({"Content-Type": "application/json"}, None, (200, ""), (200, "")),
        ({"Content-Type": "application/json; charset=utf-8"}, "{}", (200, ""), (200, "")),
        (
            {"Content-Type": "application/json", "Accept": "application/xml"},
            None,
            (415, "415: Unsupported Media Type\n\nAvailable representations: application/json"),
            (406, "406: Not Acceptable\n\nAvailable representations: application/json"),
        ),
    ],
)
def test_content_type_is_required_without_a_body_too(
    make_fleet: Make,
    ask: Ask,
    headers: dict[str, str],
    body: str | None,
    new: tuple[int, str],
    old: tuple[int, str],
) -> None:
    fleet = make_fleet(nodes=2, profile=["v1.18.1", "v1.8.0"])
    for node, expected in zip(fleet.nodes, (new, old), strict=True):
        answer = ask(node, "POST", FREE, body, headers=headers)
        assert (answer.status, answer.text) == expected


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("", 200),
        ("*/*", 200),
        ("application/json", 200),
        ("text/html, application/json;q=0.9", 200),
        ("text/html, */*;q=0.1", 200),
        ("application/*", 406),
        ("text/plain", 406),
        ("application/xml", 406),
    ],
)
def test_accept_must_allow_json(fleet: Fleet, ask: Ask, accept: str, status: int) -> None:
    assert ask(fleet.nodes[0], "GET", LEVELS, headers={"Accept": accept}).status == status


def test_a_get_needs_no_content_type_but_no_foreign_one(fleet: Fleet, ask: Ask) -> None:
    assert ask(fleet.nodes[0], "GET", LEVELS, headers={}).status == 200
    assert ask(fleet.nodes[0], "GET", LEVELS, headers={"Content-Type": "text/plain"}).status == 406


def test_paths(fleet: Fleet, ask: Ask) -> None:
    node = fleet.nodes[0]
    assert ask(node, "GET", "/", token=None).text == "Polaris Server"
    assert ask(node, "GET", LEVELS + "/").status == 200
    assert ask(node, "GET", "/maintain/v1/nothing").text == "404: Page Not Found"
    moved = ask(node, "GET", "/" + LEVELS)
    assert (moved.status, moved.headers["Location"]) == (301, LEVELS)


def test_a_switched_off_api_is_gone(fleet: Fleet, ask: Ask) -> None:
    node = fleet.nodes[0]
    node.config.admin = False
    for path in ("/", LEVELS, "/maintain/v1/nothing"):
        answer = ask(node, "GET", path)
        assert (answer.status, answer.text) == (404, "404 page not found\n")
    assert ask(node, "GET", "/core/v1/auth/status").status == 200
    node.config.admin, node.config.console = True, False
    answer = ask(node, "GET", "/core/v1/auth/status")
    assert (answer.status, answer.text) == (404, "404: Page Not Found")


def test_responses_look_like_those_of_go(fleet: Fleet, ask: Ask) -> None:
    node = fleet.nodes[0]
    levels = ask(node, "GET", LEVELS)
    assert levels.headers["Content-Type"] == "application/json"
    assert re.match(r'\[\n \{\n  "Name": "', levels.text)
    assert "Server" not in levels.headers
    coded = ask(node, "GET", "/maintain/v1/instance/heartbeat?id=nothing", headers={"Request-Id": "r-1"})
    assert coded.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert coded.headers["Request-Id"] == "r-1"
    assert coded.headers["X-Polaris-Code"] == "400202"
    assert coded.headers["X-Polaris-Message"] == "not found resource"
    free = ask(node, "POST", FREE)
    assert free.text == ""
    assert "Content-Type" not in free.headers


def test_info_is_translated_the_header_is_not(fleet: Fleet, ask: Ask) -> None:
    answer = ask(fleet.nodes[0], "GET", "/maintain/v1/instance/heartbeat?id=nothing&lang=zh")
    assert answer.json()["info"] != "not found resource"
    assert answer.headers["X-Polaris-Message"] == "not found resource"


def test_the_swagger_document_lists_the_routes(fleet: Fleet, ask: Ask) -> None:
    paths = ask(fleet.nodes[0], "GET", "/apidocs.json").json()["paths"]
    assert set(paths[LEVELS]) == {"get", "put"}


def test_a_mixed_fleet_takes_the_profiles_in_turn(make_fleet: Make) -> None:
    fleet = make_fleet(nodes=3, profile=["v1.17.1", "v1.18.1"])
    assert [node.profile.name for node in fleet.nodes] == ["v1.17.1", "v1.18.1", "v1.17.1"]
