# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A login, and the use of its token."""

from __future__ import annotations

import pytest

from ansible_collections.polarismesh.maintenance.plugins.module_utils._api import account, log_levels
from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import PolarisError
from tests.contract.server import Server


@pytest.fixture(autouse=True)
def own_server(server: Server) -> None:
    if not server.disposable:
        pytest.skip("the passwords of a server that is not ours are unknown")


def test_the_token_of_a_login_may_write(server: Server) -> None:
    client = server.client(None)
    client.use_token(account.login(client, "polaris", "polaris"))
    log_levels.write(client, "naming", "debug")
    assert server.levels()["naming"] == "debug"


def test_the_owner_of_a_main_account_is_itself(server: Server) -> None:
    client = server.client(None)
    assert account.login(client, "polaris", "polaris", "polaris") == account.login(client, "polaris", "polaris")


def test_a_sub_account_needs_the_name_of_its_owner(server: Server) -> None:
    token = server.sub_token()
    name = "sub" if server.node else "contract-sub"
    password = "sub-password" if server.node else "contract-sub"
    client = server.client(None)
    assert account.login(client, name, password, "polaris") == token
    with pytest.raises(PolarisError) as failure:
        account.login(client, name, password)
    assert (failure.value.kind, failure.value.code) == ("auth", 400312)
    assert "owner is the name of its main account" in failure.value.msg


@pytest.mark.parametrize(
    ("name", "password", "code", "status"),
    [
        ("polaris", "not-the-password", 401001, 401),
        ("nobody-of-this-name", "not-the-password", 400312, 400),
    ],
)
def test_wrong_name_or_password(server: Server, name: str, password: str, code: int, status: int) -> None:
    with pytest.raises(PolarisError) as failure:
        account.login(server.client(None), name, password)
    error = failure.value
    assert (error.kind, error.code, error.status, error.method) == ("auth", code, status, "POST")
    assert f"refused the login of {name!r}" in error.msg
    assert password not in error.msg


def test_an_invalid_token_does_not_prevent_a_login(server: Server) -> None:
    assert account.login(server.client("not-a-token"), "polaris", "polaris") == server.token
