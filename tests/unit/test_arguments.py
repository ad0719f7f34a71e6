# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The common options: whose account counts, what is refused, what reaches the client."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.polarismesh.maintenance.plugins.module_utils import arguments
from ansible_collections.polarismesh.maintenance.plugins.module_utils.client import PolarisError, Settings

pytestmark = pytest.mark.core

NOBODY = {"token": None, "username": None, "password": None, "owner": None}
ENVIRONMENT = {
    "POLARIS_TOKEN": "env-token",
    "POLARIS_USERNAME": "env-name",
    "POLARIS_PASSWORD": "env-password",
    "POLARIS_OWNER": "env-owner",
}
WHOLE = {"token": "env-token", "username": "env-name", "password": "env-password", "owner": "env-owner"}


def validated(options: dict[str, Any], **spec: Any) -> dict[str, Any]:
    result = ArgumentSpecValidator(arguments.spec(**spec)["argument_spec"]).validate(options)
    assert not result.error_messages
    return dict(result.validated_parameters)


def test_the_defaults_are_those_of_the_documentation() -> None:
    assert validated({"url": "http://node:8090"}) == {
        **NOBODY,
        "url": "http://node:8090",
        "validate_certs": True,
        "ca_path": None,
        "client_cert": None,
        "client_key": None,
        "timeout": 30.0,
        "retries": 2,
    }
    assert validated({"url": "http://node:8090"}, timeout=90)["timeout"] == 90


def test_the_url_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLARIS_URL", "http://other:8090")
    assert validated({})["url"] == "http://other:8090"
    assert validated({"url": "http://node:8090"})["url"] == "http://node:8090"


def test_secrets_are_no_log() -> None:
    spec = arguments.spec()["argument_spec"]
    assert {name for name, option in spec.items() if option.get("no_log")} == {"token", "password"}


@pytest.mark.parametrize(
    ("given", "environ", "expected"),
    [
        ({}, {}, {}),
        ({}, ENVIRONMENT, WHOLE),
        ({}, {"POLARIS_TOKEN": ""}, {}),
        ({"token": "mine"}, ENVIRONMENT, {"token": "mine"}),
        ({"token": ""}, {"POLARIS_TOKEN": "env-token"}, {"token": "env-token"}),
        ({"username": "me", "password": "mine"}, ENVIRONMENT, {"username": "me", "password": "mine"}),
        # A half of an account is not made whole by another one's half.
        ({"username": "me"}, ENVIRONMENT, {"username": "me"}),
    ],
)
def test_an_account_is_never_mixed_from_two_places(
    given: dict[str, str], environ: dict[str, str], expected: dict[str, str]
) -> None:
    assert arguments.with_environment({**NOBODY, **given, "url": "u"}, environ) == {**NOBODY, **expected, "url": "u"}


@pytest.mark.parametrize(
    ("given", "of_task", "added"),
    [
        ({}, {}, {"url": "env-url", **WHOLE}),
        ({"url": "u", "token": "t"}, {}, {}),
        ({"url": "u", "owner": "o"}, {}, {}),
        ({"url": "u", "token": "", "password": None}, {}, WHOLE),
        # What a task sets for itself is never mixed with the controller's.
        ({"url": "u"}, {"POLARIS_TOKEN": "t"}, {}),
        ({"url": "u"}, {"POLARIS_USERNAME": "me", "POLARIS_PASSWORD": "p"}, {}),
        ({"token": "t"}, {"POLARIS_URL": "u"}, {}),
    ],
)
def test_what_a_task_gets_of_the_controllers_environment(
    given: dict[str, Any], of_task: dict[str, str], added: dict[str, str]
) -> None:
    environ = {**ENVIRONMENT, "POLARIS_URL": "env-url", "HOME": "/root"}
    assert arguments.from_controller(given, of_task, environ) == added


@pytest.mark.parametrize(
    ("account", "sentence"),
    [
        ({"token": "t", "username": "me", "password": "p"}, "token and username are both given"),
        ({"username": "me"}, "username and password belong together"),
        ({"password": "p"}, "username and password belong together"),
        ({"owner": "main"}, "owner belongs to a login"),
        ({"token": "t", "owner": "main"}, "owner belongs to a login"),
    ],
)
def test_half_an_account_is_refused(account: dict[str, str], sentence: str) -> None:
    with pytest.raises(PolarisError) as failure:
        arguments.check_account({**NOBODY, **account})
    assert failure.value.kind == "refused"
    assert sentence in failure.value.msg


@pytest.mark.parametrize(
    "account",
    [{}, {"token": "t"}, {"username": "me", "password": "p"}, {"username": "me", "password": "p", "owner": "o"}],
)
def test_a_whole_account_passes(account: dict[str, str]) -> None:
    arguments.check_account({**NOBODY, **account})


def test_every_option_reaches_the_client() -> None:
    options = {
        "url": "https://node:8090",
        "token": "t",
        "validate_certs": False,
        "ca_path": "/a",
        "client_cert": "/b",
        "client_key": "/c",
        "timeout": 5.0,
        "retries": 7,
    }
    assert arguments.settings({**NOBODY, **options}) == Settings(**options, parallel=1)  # type: ignore[arg-type]
    assert arguments.settings({**NOBODY, **options, "parallel": 3}).parallel == 3
    # Not silently 1: the client refuses it.
    assert arguments.settings({**NOBODY, **options, "parallel": 0}).parallel == 0
