# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Permissions, and the refusal of each call."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.simulator import Fleet

from .conftest import Ask

READ = "/maintain/v1/cmdb/info"
FREE = "/maintain/v1/memory/free"
CLEAN = "/maintain/v1/instance/clean"
BATCH = "/maintain/v1/instance/batchclean"
BEAT = "/maintain/v1/instance/heartbeat?id=x"
LIST = "/naming/v1/instances?namespace=Polaris"

# token -> (read, write); None: allowed
STRICT = {
    "owner": (None, None),
    "sub": (None, "only owner account can access maintain API"),
    "admin": (None, "only owner account can access maintain API"),
    "disabled": (None, "token already disabled"),
    "group": (None, "only user role can access maintain API"),
    "invalid": ("invalid token", "invalid token"),
    "unknown": ("no such user", "no such user"),
    "stale": ("token not exist", "token not exist"),
}
NON_STRICT = {
    "owner": (None, None),
    "sub": (None, "only owner account can access maintain API"),
    "invalid": (None, "only user role can access maintain API"),
    "unknown": ("no such user", "no such user"),
    "stale": (None, "only user role can access maintain API"),
}
POLICIES = {
    "owner": (None, None),
    "sub": ("no permission", "no permission"),
    "group": ("no permission", "no permission"),
    "disabled": ("token already disabled", "token already disabled"),
    "invalid": ("invalid token", "invalid token"),
}


@pytest.mark.parametrize(
    ("profile", "auth", "table"),
    [
        ("v1.18.1", "strict", STRICT),
        ("v1.8.0", "strict", STRICT),
        ("v1.18.1", "non-strict", NON_STRICT),
        ("head", "strict", POLICIES),
        ("head", "non-strict", POLICIES),
    ],
)
def test_tokens(
    make_fleet: Callable[..., Fleet],
    ask: Ask,
    profile: str,
    auth: str,
    table: dict[str, tuple[str | None, str | None]],
) -> None:
    fleet = make_fleet(profile=profile, auth=auth)
    node = fleet.nodes[0]
    for name, (read, write) in table.items():
        token = getattr(fleet.tokens, name)
        answer = ask(node, "GET", "/maintain/v1/log/outputlevel", token=token)
        assert (answer.status, None if answer.status == 200 else answer.text) == (400 if read else 200, read), name
        answer = ask(node, "POST", FREE, token=token)
        assert (answer.status, answer.text or None) == (400 if write else 200, write), name


def test_no_token_counts_as_an_invalid_one(fleet: Fleet, ask: Ask) -> None:
    for token in (None, "", "bm9uc2Vuc2U="):
        assert ask(fleet.nodes[0], "GET", READ, token=token).text == "invalid token"
    bearer = {"Authorization": f"Bearer {fleet.tokens.owner}"}
    assert ask(fleet.nodes[0], "GET", READ, token=None, headers=bearer).text == "invalid token"


def test_open_lets_everybody_do_everything(make_fleet: Callable[..., Fleet], ask: Ask) -> None:
    node = make_fleet(auth="open").nodes[0]
    assert ask(node, "POST", FREE, token=None).status == 200
    assert ask(node, "GET", LIST, token=None).status == 200
    options = ask(node, "GET", "/core/v1/auth/status", token=None).json()["optionSwitch"]["options"]
    assert options == {"auth": "false", "clientOpen": "false", "consoleOpen": "false"}


def test_each_call_has_its_own_form_of_refusal(fleet: Fleet, ask: Ask) -> None:
    node = fleet.nodes[0]
    answer = ask(node, "POST", BATCH, {"batch_size": 1}, token="x")
    assert (answer.status, answer.text) == (500, "invalid token")
    for method, path, body in (("POST", CLEAN, {"id": "x"}), ("GET", BEAT, None), ("GET", LIST, None)):
        answer = ask(node, method, path, body, token="x")
        assert (answer.status, answer.json()["code"]) == (401, 401001)
        assert answer.json()["info"] == "access is not approved: invalid token"
        assert answer.headers["X-Polaris-Code"] == "401001"
    answer = ask(node, "POST", CLEAN, {"id": "x"}, token=fleet.tokens.disabled)
    assert (answer.status, answer.json()["info"]) == (401, "token already disabled: token already disabled")


def test_head_gives_no_reason_except_for_instances(make_fleet: Callable[..., Fleet], ask: Ask) -> None:
    fleet = make_fleet(profile="head")
    sub = fleet.tokens.sub
    assert ask(fleet.nodes[0], "GET", BEAT, token=sub).json()["info"] == "access is not approved"
    assert ask(fleet.nodes[0], "GET", LIST, token=sub).json()["info"] == "access is not approved: no permission"


def test_some_calls_need_no_token(make_fleet: Callable[..., Fleet], ask: Ask) -> None:
    node = make_fleet(profile="head").nodes[0]
    for method, path, body in (
        ("GET", "/", None),
        ("GET", "/maintain/v1/report/clients", None),
        ("GET", "/prometheus/v1/clients", None),
        ("GET", "/maintain/v1/server/functions", None),
        ("POST", "/maintain/v1/pprof/enable", {"enable": True}),
        ("GET", "/metrics", None),
        ("GET", "/debug/pprof/", None),
        ("GET", "/core/v1/auth/status", None),
    ):
        assert ask(node, method, path, body, token=None).status == 200, path


def test_login(fleet: Fleet, ask: Ask) -> None:
    node = fleet.nodes[0]
    path = "/core/v1/user/login"
    owner = ask(node, "POST", path, {"name": "polaris", "password": "polaris"}, token=None)
    assert owner.headers["Content-Type"].startswith("text/plain")
    logged_in = owner.json()["loginResponse"]
    assert (logged_in["token"], logged_in["role"], logged_in["owner_id"]) == (fleet.tokens.owner, "main", "")
    sub = {"name": "sub", "password": "sub-password"}
    assert ask(node, "POST", path, sub, token=None).json()["code"] == 400312
    answer = ask(node, "POST", path, {**sub, "owner": "polaris"}, token=None).json()["loginResponse"]
    assert (answer["token"], answer["role"], answer["owner_id"]) == (fleet.tokens.sub, "sub", logged_in["user_id"])


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"name": "nobody", "password": "x"}, 400, 400312),
        ({}, 400, 400312),
        ({"name": "polaris", "password": "wrong"}, 401, 401001),
        ({"name": "polaris"}, 401, 401001),
        ({"name": "polaris", "password": "polaris", "more": 1}, 400, 400001),
        ({"name": "polaris", "password": 5}, 400, 400001),
        ("", 400, 400001),
    ],
)
def test_a_failed_login(fleet: Fleet, ask: Ask, body: object, status: int, code: int) -> None:
    answer = ask(fleet.nodes[0], "POST", "/core/v1/user/login", body, token=None)
    assert (answer.status, answer.json()["code"]) == (status, code)
    assert answer.json()["loginResponse"] is None


def test_old_versions_show_one_switch(make_fleet: Callable[..., Fleet], ask: Ask) -> None:
    node = make_fleet(profile="v1.17.1").nodes[0]
    options = ask(node, "GET", "/core/v1/auth/status", token=None).json()["optionSwitch"]["options"]
    assert options == {"auth": "true"}


def test_the_token_of_the_owner_can_be_chosen(make_fleet: Callable[..., Fleet], ask: Ask) -> None:
    fleet = make_fleet(owner_token="chosen")
    assert fleet.tokens.owner == "chosen"
    assert ask(fleet.nodes[0], "POST", FREE, token="chosen").status == 200
