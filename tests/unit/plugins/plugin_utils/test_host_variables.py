# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an option comes from the task, its host's variables or the environment, and where an account may be sent."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.polarismesh.maintenance.plugins.module_utils._options import COMMON
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._host_variables import completed, node_url, url_of

pytestmark = pytest.mark.core

HOST = {"inventory_hostname": "a", "ansible_host": "10.0.0.1"}
OWN = "http://10.0.0.1:8090"
ENVIRON = {
    "POLARIS_URL": "http://env:8090",
    "POLARIS_TOKEN": "env-token",
    "POLARIS_USERNAME": "env-user",
    "POLARIS_PASSWORD": "env-password",
    "POLARIS_OWNER": "env-owner",
    "HOME": "/root",
}
ENVIRON_ACCOUNT = {
    "token": "env-token",
    "username": "env-user",
    "password": "env-password",
    "owner": "env-owner",
}


def options(
    task: dict[str, Any],
    variables: dict[str, Any] | None = None,
    environ: dict[str, Any] | None = None,
    task_environment: dict[str, Any] | None = None,
) -> dict[str, Any]:
    return completed(task, task_environment or {}, {**HOST, **(variables or {})}, environ or {}).options


def test_every_row_takes_its_host_variable_and_nothing_else() -> None:
    values = {row.variable: f"value of {row.name}" for row in COMMON}
    values["polaris_url"] = OWN
    assert options({}, values) == {**{row.name: f"value of {row.name}" for row in COMMON}, "url": OWN}


def test_the_task_comes_first_then_the_variable_then_the_environment() -> None:
    assert options({"url": "http://task:1"}, {"polaris_url": "http://var:1"}, ENVIRON)["url"] == "http://task:1"
    assert options({}, {"polaris_url": "http://var:1"}, ENVIRON)["url"] == "http://var:1"
    assert options({}, {}, ENVIRON)["url"] == "http://env:8090"
    assert options({}, {}, ENVIRON, {"POLARIS_URL": "http://set:1"})["url"] == "http://set:1"
    assert options({"timeout": 5}, {"polaris_timeout": 7}) == {"timeout": 5}
    # The task takes precedence even with a useless value: a wrong URL must not become another server.
    assert options({"url": ""}, {"polaris_url": "http://var:1"})["url"] == ""


@pytest.mark.parametrize("nothing", ["", "  ", None])
def test_an_empty_variable_counts_as_not_given(nothing: str | None) -> None:
    assert options({}, {row.variable: nothing for row in COMMON}) == {}
    assert options({}, {"polaris_url": nothing}, ENVIRON)["url"] == "http://env:8090"
    assert options({"url": OWN}, {"polaris_token": nothing}, {"POLARIS_TOKEN": "t"}) == {"url": OWN, "token": "t"}
    assert options({"url": OWN}, {}, {"POLARIS_TOKEN": nothing}) == {"url": OWN}


@pytest.mark.parametrize(
    ("task", "variables", "environ", "account"),
    [
        ({}, {}, ENVIRON, ENVIRON_ACCOUNT),
        ({"token": "mine"}, {"polaris_token": "var"}, ENVIRON, {"token": "mine"}),
        ({"token": ""}, {}, {"POLARIS_TOKEN": "env-token"}, {"token": "env-token"}),
        ({"username": "me", "password": "p"}, {"polaris_token": "var"}, ENVIRON, {"username": "me", "password": "p"}),
        # An incomplete account is not completed from another one.
        ({"username": "me"}, {"polaris_password": "var"}, ENVIRON, {"username": "me"}),
        ({}, {"polaris_username": "var"}, ENVIRON, {"username": "var"}),
        ({}, {"polaris_token": "var"}, ENVIRON, {"token": "var"}),
    ],
)
def test_an_account_is_never_mixed_from_two_places(
    task: dict[str, Any], variables: dict[str, Any], environ: dict[str, str], account: dict[str, str]
) -> None:
    assert options({"url": OWN, **task}, variables, environ) == {"url": OWN, **account}


def test_an_account_in_the_environment_of_the_task_overrides_the_hosts() -> None:
    found = options({"url": OWN}, {"polaris_token": "var"}, ENVIRON, {"POLARIS_TOKEN": "of-task"})
    assert found == {"url": OWN, "token": "of-task"}


@pytest.mark.parametrize(
    ("url", "variables", "sent"),
    [
        (OWN, {}, True),
        ("HTTP://10.0.0.1:8090/base/", {}, True),
        ("http://10.0.0.2:8090", {}, False),
        ("http://10.0.0.1:8091", {}, False),
        ("https://10.0.0.1:8090", {}, False),
        ("http://10.0.0.1", {}, False),
        ("http://10.0.0.1:9090", {"polaris_http_port": "9090"}, True),
        ("http://10.0.0.1:8090", {"polaris_http_port": ""}, True),
        ("http://10.0.0.1:8090", {"polaris_url": "https://10.0.0.1:8090"}, False),
        ("https://node", {"polaris_url": "https://node:443/base"}, True),
        ("http://[fd00::5]:8090", {"ansible_host": "fd00::5"}, True),
        ("not a url", {}, False),
        ("http://10.0.0.1:x", {}, False),
    ],
)
def test_the_hosts_account_goes_only_to_the_server_that_its_variables_name(
    url: str, variables: dict[str, str], sent: bool
) -> None:
    found = completed({"url": url}, {}, {**HOST, "polaris_token": "var", **variables}, ENVIRON)
    assert found.options == ({"url": url, "token": "var"} if sent else {"url": url})
    assert (found.withheld is None) == sent


def test_the_failure_of_a_server_that_asks_for_an_account_says_why_it_got_none() -> None:
    found = completed({"url": "http://10.0.0.9:8090"}, {}, {**HOST, "polaris_token": "var"}, {})
    failure = {"failed": True, "msg": "no token.", "error": {"kind": "auth"}}
    found.explain(failure)
    assert failure["msg"] == (
        "no token. The account of this host's variables (polaris_token or polaris_username) was not sent there, "
        f"because it is for {OWN}: give an account in the task."
    )
    other = {"failed": True, "msg": "nothing listens.", "error": {"kind": "unreachable"}}
    found.explain(other)
    assert other["msg"] == "nothing listens."


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({}, OWN),
        ({"ansible_host": None}, "http://a:8090"),
        ({"ansible_host": ""}, "http://a:8090"),
        ({"ansible_host": "::1"}, "http://[::1]:8090"),
        ({"ansible_host": "[::1]"}, "http://[::1]:8090"),
        ({"polaris_http_port": ""}, OWN),
        ({"polaris_http_port": None}, OWN),
        ({"polaris_http_port": 9090}, "http://10.0.0.1:9090"),
        ({"polaris_url": ""}, OWN),
        ({"polaris_url": "https://x/base"}, "https://x/base"),
    ],
)
def test_the_url_that_the_variables_of_a_host_name(variables: dict[str, Any], url: str) -> None:
    assert url_of({**HOST, **variables}) == url
    merged: dict[str, Any] = {**HOST, **variables}
    host = merged["ansible_host"] or merged["inventory_hostname"]
    assert node_url(merged.get("polaris_url"), host, merged.get("polaris_http_port")) == url
