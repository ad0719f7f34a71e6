# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner: every failure becomes a result, at most one login, and no secret is shown anywhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.polarismesh.maintenance.plugins.module_utils._api import log_levels
from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import Client
from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import PolarisError
from ansible_collections.polarismesh.maintenance.plugins.module_utils._runner import Operation, Outcome, perform
from tests.simulator import Fleet

pytestmark = pytest.mark.core

DEFAULTS: dict[str, Any] = {
    "token": None,
    "username": None,
    "password": None,
    "owner": None,
    "validate_certs": True,
    "ca_path": None,
    "client_cert": None,
    "client_key": None,
    "timeout": 10.0,
    "retries": 0,
}


def read(client: Client, params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    return {"changed": False, "levels": log_levels.read(client)}


def outcome_of(
    operation: Operation,
    url: str,
    *,
    secrets: set[str] | None = None,
    diff_mode: bool = False,
    **options: Any,
) -> Outcome:
    return perform(
        operation,
        {**DEFAULTS, "url": url, **options},
        set() if secrets is None else secrets,
        check_mode=False,
        diff_mode=diff_mode,
    )


def test_a_result_has_the_clean_url(fleet: Fleet) -> None:
    outcome = outcome_of(read, fleet.url + "/", token=fleet.tokens.owner)
    assert outcome.result["url"] == fleet.url
    assert outcome.result["levels"] == dict(sorted(fleet.nodes[0].levels.items()))
    assert "failed" not in outcome.result


def test_a_failure_is_a_result_with_its_error(fleet: Fleet) -> None:
    result = outcome_of(read, fleet.url, token="not-a-token").result
    assert result["failed"]
    assert result["changed"] is False
    assert result["url"] == fleet.url
    assert result["error"] == {
        "kind": "auth",
        "status": 400,
        "code": None,
        "info": "invalid token",
        "method": "GET",
        "path": "/maintain/v1/log/outputlevel",
    }


def test_what_was_done_before_a_failure_is_in_the_result(fleet: Fleet) -> None:
    def half(client: Client, params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
        raise PolarisError("server", "it broke.", partial={"changed": True, "changed_scopes": ["naming"]})

    result = outcome_of(half, fleet.url, token=fleet.tokens.owner).result
    assert (result["changed"], result["changed_scopes"], result["msg"]) == (True, ["naming"], "it broke.")


def test_a_diff_is_there_in_diff_mode_only(fleet: Fleet) -> None:
    def with_diff(client: Client, params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
        return {"changed": True, "diff": {"before": 1, "after": 2}}

    assert "diff" not in outcome_of(with_diff, fleet.url).result
    assert outcome_of(with_diff, fleet.url, diff_mode=True).result["diff"] == {"before": 1, "after": 2}


def test_one_login_and_then_its_token(fleet: Fleet) -> None:
    def twice(client: Client, params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
        log_levels.read(client)
        return read(client, params, check_mode)

    secrets: set[str] = set()
    outcome = outcome_of(twice, fleet.url, username="polaris", password="polaris", secrets=secrets)
    assert [(entry.method, entry.path) for entry in fleet.requests] == [
        ("POST", "/core/v1/user/login"),
        ("GET", "/maintain/v1/log/outputlevel"),
        ("GET", "/maintain/v1/log/outputlevel"),
    ]
    # The caller shows the parameters, and must know what to censor.
    assert fleet.tokens.owner in secrets
    assert len(outcome.warnings) == 1
    assert "published password of its default account" in outcome.warnings[0]


def test_nothing_is_sent_with_half_an_account(fleet: Fleet) -> None:
    result = outcome_of(read, fleet.url, username="polaris").result
    assert (result["error"]["kind"], result["failed"]) == ("refused", True)
    assert fleet.requests == []


def leaky(secret: str) -> Operation:
    def operation(client: Client, params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
        return {
            "changed": True,
            "text": f"has {secret} inside",
            "deep": [{"key": (secret,)}],
            "nothing": None,
            "diff": {"before": secret, "after": ""},
            "warnings": [f"look: {secret}"],
        }

    return operation


def test_no_secret_is_left(fleet: Fleet) -> None:
    secrets: set[str] = set()
    outcome = outcome_of(leaky("the-secret"), fleet.url, diff_mode=True, secrets=secrets, token="the-secret")
    assert "the-secret" not in json.dumps([outcome.result, outcome.warnings])
    # Booleans stay booleans, as in a module.
    assert outcome.result["changed"] is True
    assert outcome.result["nothing"] is None
    assert "the-secret" in secrets


def test_the_token_of_a_login_is_a_secret_too(fleet: Fleet) -> None:
    operation = leaky(fleet.tokens.owner)
    outcome = outcome_of(operation, fleet.url, username="polaris", password="polaris", diff_mode=True)
    assert fleet.tokens.owner not in json.dumps([outcome.result, outcome.warnings])


@pytest.mark.parametrize(
    "url",
    [
        "http://me:the-secret@127.0.0.1:1",
        "http://the-secret@127.0.0.1:1",
        "me:the-secret@127.0.0.1:1",
        "http://me:the-secret/more@127.0.0.1:x",
    ],
)
def test_credentials_in_a_url_are_in_no_result(url: str) -> None:
    secrets: set[str] = set()
    result = outcome_of(read, url, secrets=secrets).result
    assert result["error"]["kind"] == "refused"
    assert result["url"] is None
    assert "the-secret" not in json.dumps(result)
    # Nor in the arguments that the caller shows.
    for secret in secrets:
        url = url.replace(secret, "")
    assert "the-secret" not in url


def test_the_session_is_closed_after_a_failure(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []
    close: Callable[[Client], None] = Client.close

    def closing(self: Client) -> None:
        closed.append(self.url)
        close(self)

    monkeypatch.setattr(Client, "close", closing)
    outcome_of(read, fleet.url, token="not-a-token")
    assert closed == [fleet.url]
