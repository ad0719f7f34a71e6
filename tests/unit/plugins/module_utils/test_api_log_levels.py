# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The calls for log levels: forms of the list, the published dialect, and pages that are not answers of Polaris."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.polarismesh.maintenance.plugins.module_utils._api import account, log_levels, routes
from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import Client
from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import PolarisError
from tests.simulator import Fault, Fleet

PATH = "/maintain/v1/log/outputlevel"
MakeClient = Callable[..., Client]


def answering(fleet: Fleet, make_client: MakeClient, body: str, status: int = 200, path: str = PATH) -> Client:
    fleet.nodes[0].fault("*", path, Fault("status", status=status, body=body))
    return make_client(fleet.nodes[0], token=fleet.tokens.owner)


@pytest.mark.parametrize(
    "body",
    [
        '{"b": "info", "a": "none"}',
        '[{"Name": "b", "Level": "info"}, {"Name": "a", "Level": "none"}]',
    ],
)
def test_both_forms_are_sorted(fleet: Fleet, make_client: MakeClient, body: str) -> None:
    assert list(log_levels.read(answering(fleet, make_client, body)).items()) == [("a", "none"), ("b", "info")]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<html><title>Welcome</title></html>",
        "null",
        '"ok"',
        "{}",
        "[]",
        '{"status": "ok"}',
        '{"naming": 1}',
        '{"naming": "info", "x": null}',
        '["naming"]',
        '[{"name": "naming", "level": "info"}]',
        '[{"Name": "naming", "Level": "info"}, 7]',
    ],
)
def test_a_page_that_is_not_a_list_of_levels(fleet: Fleet, make_client: MakeClient, body: str) -> None:
    with pytest.raises(PolarisError) as failure:
        log_levels.read(answering(fleet, make_client, body))
    assert failure.value.kind == "protocol"
    assert "is not a Polaris server" in failure.value.msg
    assert "port 8090" in failure.value.msg


def test_a_foreign_404_is_not_polaris(fleet: Fleet, make_client: MakeClient) -> None:
    client = answering(fleet, make_client, "<html>Not found</html>", 404, "*")
    with pytest.raises(PolarisError) as failure:
        log_levels.read(client)
    assert failure.value.kind == "protocol"


def test_the_maintenance_api_switched_off(make_fleet: Callable[..., Fleet], make_client: MakeClient) -> None:
    fleet = make_fleet(admin=False)
    with pytest.raises(PolarisError) as failure:
        log_levels.read(make_client(fleet.nodes[0], token=fleet.tokens.owner))
    assert (failure.value.kind, failure.value.status) == ("unsupported", 404)
    assert "api.admin.enable" in failure.value.msg


@pytest.mark.parametrize("text", ["404: Page Not Found", "404 page not found\n"])
def test_both_texts_for_a_switched_off_api(fleet: Fleet, make_client: MakeClient, text: str) -> None:
    with pytest.raises(PolarisError) as failure:
        log_levels.read(answering(fleet, make_client, text, 404, "*"))
    assert failure.value.kind == "unsupported"
    assert "api.admin.enable" in failure.value.msg


def test_neither_way_to_set(fleet: Fleet, make_client: MakeClient) -> None:
    client = answering(fleet, make_client, "405: Method Not Allowed", 405)
    for _dummy in range(2):
        with pytest.raises(PolarisError) as failure:
            log_levels.write(client, "naming", "debug")
        assert failure.value.kind == "unsupported"


def test_the_published_way_is_not_tried_after_another_failure(fleet: Fleet, make_client: MakeClient) -> None:
    """A POST after a failed PUT might do something twice."""
    client = answering(fleet, make_client, "invalid scope name", 400)
    with pytest.raises(PolarisError):
        log_levels.write(client, "naming", "debug")
    assert [entry.method for entry in fleet.requests] == ["PUT"]


@pytest.mark.parametrize(("body", "polaris"), [("Polaris Server", True), ("Polaris Server v2", False), ("", False)])
def test_the_banner(fleet: Fleet, make_client: MakeClient, body: str, polaris: bool) -> None:
    assert routes.is_polaris(answering(fleet, make_client, body, 200, "/")) is polaris


@pytest.mark.parametrize(("status", "code"), [(429, 429002), (403, 403001), (429, None)])
def test_too_many_requests_do_not_show_another_server(
    status: int, code: int | None, fleet: Fleet, make_client: MakeClient
) -> None:
    body = "" if code is None else json.dumps({"code": code, "info": "server limit the ip access"})
    with pytest.raises(PolarisError, match="limits the request rate"):
        routes.is_polaris(answering(fleet, make_client, body, status, "/"))


# Login


LOGIN = "/core/v1/user/login"


def test_a_login_sends_what_is_given_and_nothing_else(fleet: Fleet, make_client: MakeClient) -> None:
    client = make_client(fleet.nodes[0])
    assert account.login(client, "polaris", "polaris") == fleet.tokens.owner
    assert account.login(client, "sub", "sub-password", "polaris") == fleet.tokens.sub
    assert [entry.body for entry in fleet.requests] == [
        '{"name": "polaris", "password": "polaris"}',
        '{"name": "sub", "password": "sub-password", "owner": "polaris"}',
    ]


@pytest.mark.parametrize(
    ("status", "body", "kind", "sentence"),
    [
        (401, '{"code": 401001, "info": "name or password is wrong"}', "auth", "refused the login of 'me'"),
        (400, '{"code": 400312, "info": "not found user"}', "auth", "owner is the name of its main account"),
        (403, '{"code": 403001, "info": "too many requests"}', "refused", "limits the request rate"),
        (429, '{"code": 429002, "info": "server limit the ip access"}', "refused", "limits the request rate"),
        (404, "404: Page Not Found", "unsupported", "api.console.enable"),
        (405, "405: Method Not Allowed", "unsupported", "api.console.enable"),
        (500, '{"code": 500000, "info": "down"}', "server", "down"),
        (200, '{"code": 200000}', "protocol", "not a Polaris server"),
        (200, '{"code": 200000, "loginResponse": {"token": ""}}', "protocol", "not a Polaris server"),
        (200, '{"code": 200000, "loginResponse": {"token": 5}}', "protocol", "not a Polaris server"),
        (200, "[]", "protocol", "not a Polaris server"),
        (200, "<html>", "protocol", "not a Polaris server"),
    ],
)
def test_a_login_that_fails(
    fleet: Fleet, make_client: MakeClient, status: int, body: str, kind: str, sentence: str
) -> None:
    client = answering(fleet, make_client, body, status, LOGIN)
    with pytest.raises(PolarisError) as failure:
        account.login(client, "me", "the-password")
    assert failure.value.kind == kind
    assert sentence in failure.value.msg
    assert "the-password" not in failure.value.msg


@pytest.mark.parametrize("fault", [Fault("cut"), Fault("status", status=503)])
def test_a_login_is_sent_once(fleet: Fleet, make_client: MakeClient, fault: Any) -> None:
    fleet.nodes[0].fault("POST", LOGIN, fault)
    with pytest.raises(PolarisError):
        account.login(make_client(fleet.nodes[0], retries=5), "polaris", "polaris")
    assert len(fleet.requests) == 1
