# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The common options: which account is used, what is refused, what reaches the client."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import Settings
from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import PolarisError
from ansible_collections.polarismesh.maintenance.plugins.module_utils._options import (
    check_account,
    settings,
    spec,
    validated,
)

pytestmark = pytest.mark.core

NOBODY = {"token": None, "username": None, "password": None, "owner": None}


def params_of(options: dict[str, Any], **rules: Any) -> dict[str, Any]:
    result = validated(spec(**rules), options)
    assert result.error is None
    return result.params


def test_the_defaults_are_those_of_the_documentation() -> None:
    assert params_of({"url": "http://node:8090"}) == {
        **NOBODY,
        "url": "http://node:8090",
        "validate_certs": True,
        "ca_path": None,
        "client_cert": None,
        "client_key": None,
        "timeout": 30.0,
        "retries": 2,
    }
    assert params_of({"url": "http://node:8090"}, timeout=90)["timeout"] == 90


def test_secrets_are_no_log() -> None:
    options = spec()["argument_spec"]
    assert {name for name, option in options.items() if option.get("no_log")} == {"token", "password"}


def test_validation_returns_the_error_of_a_module_and_the_secrets() -> None:
    result = validated(spec(), {"url": "u", "token": "t", "colour": "red"}, "polaris_x")
    assert result.error is not None
    assert result.error.startswith("Unsupported parameters for (polaris_x) module: colour.")
    assert result.secrets == {"t"}


def test_an_entry_that_is_not_a_mapping_is_named() -> None:
    rules = spec({"connections": {"type": "list", "elements": "dict", "options": {"host": {"type": "str"}}}})
    error = validated(rules, {"url": "u", "connections": [{"host": "h"}, "10.0.0.7:80"]}).error
    assert error == "connections[1] must be a mapping of options, as the documentation shows. Nothing was sent."


@pytest.mark.parametrize("url", [None, ""])
def test_the_error_for_a_missing_server_names_all_ways_to_give_it(url: str | None) -> None:
    with pytest.raises(PolarisError) as failure:
        settings({**params_of({}), "url": url})
    assert failure.value.kind == "refused"
    assert "the option url, the host variable polaris_url, or POLARIS_URL" in failure.value.msg


@pytest.mark.parametrize(
    ("account", "sentence"),
    [
        ({"token": "t", "username": "me", "password": "p"}, "token and username are both given"),
        ({"username": "me"}, "username and password must be given together"),
        ({"password": "p"}, "username and password must be given together"),
        ({"owner": "main"}, "owner is only used for a login"),
        ({"token": "t", "owner": "main"}, "owner is only used for a login"),
    ],
)
def test_half_an_account_is_refused(account: dict[str, str], sentence: str) -> None:
    with pytest.raises(PolarisError) as failure:
        check_account({**NOBODY, **account})
    assert failure.value.kind == "refused"
    assert sentence in failure.value.msg


@pytest.mark.parametrize(
    "account",
    [{}, {"token": "t"}, {"username": "me", "password": "p"}, {"username": "me", "password": "p", "owner": "o"}],
)
def test_a_complete_account_is_accepted(account: dict[str, str]) -> None:
    check_account({**NOBODY, **account})


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
    assert settings({**NOBODY, **options}) == Settings(**options, parallel=1)  # type: ignore[arg-type]
    assert settings({**NOBODY, **options, "parallel": 3}).parallel == 3
    # Not silently changed to 1: the client refuses it.
    assert settings({**NOBODY, **options, "parallel": 0}).parallel == 0
