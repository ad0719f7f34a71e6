# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GET and PUT of log levels: both forms of the list, the real and the published way to set them, and refusals."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.polarismesh.maintenance.plugins.module_utils._api import log_levels
from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import PolarisError
from ansible_collections.polarismesh.maintenance.plugins.modules import polaris_log_level
from tests.contract.server import Server
from tests.unit.options import params_of

LEVELS = "/maintain/v1/log/outputlevel"


def params(**options: Any) -> dict[str, Any]:
    return params_of(polaris_log_level.SPEC, **options)


def test_levels_are_read_in_the_form_of_the_server(server: Server) -> None:
    levels = log_levels.read(server.client())
    assert levels == server.levels()
    assert list(levels) == sorted(levels)
    # These six are in every release.
    assert {"naming", "config", "cache", "auth", "store", "default"} <= set(levels)
    assert set(levels.values()) <= set(log_levels.LEVELS)


@pytest.mark.parametrize("level", log_levels.LEVELS)
def test_every_level_can_be_set_and_is_seen_at_once(server: Server, level: str) -> None:
    client = server.client()
    before = server.levels()
    log_levels.write(client, "naming", level)
    assert server.levels() == {**before, "naming": level}


def test_the_published_form_is_detected_once_not_per_call(server: Server) -> None:
    client = server.client()
    log_levels.write(client, "naming", "debug")
    log_levels.write(client, "auth", "debug")
    assert (server.levels()["naming"], server.levels()["auth"]) == ("debug", "debug")
    if server.node is not None:
        methods = [entry.method for entry in server.node.requests if entry.body]
        assert methods == (["PUT", "POST", "POST"] if server.name == "documented" else ["PUT", "PUT"])


def test_the_published_post_is_405_on_released_servers(server: Server) -> None:
    """This is why the fallback comes second: no released server has it."""
    reply = server.call("POST", LEVELS, {"scope": "naming", "level": "info"})
    if server.name == "documented":
        assert reply.status_code == 200
    else:
        assert (reply.status_code, reply.text) == (405, "405: Method Not Allowed")
        assert set(reply.headers["Allow"].split(", ")) == {"GET", "PUT"}


@pytest.mark.parametrize(
    ("scope", "level", "said"),
    [
        ("no-such-scope", "info", "invalid scope name"),
        ("Naming", "info", "invalid scope name"),
        ("no-such-scope", "loud", "invalid scope name"),
        ("naming", "loud", "invalid log level"),
        ("naming", "DEBUG", "invalid log level"),
        ("naming", "", "invalid log level"),
    ],
)
def test_scope_is_checked_before_level_and_nothing_is_set(server: Server, scope: str, level: str, said: str) -> None:
    before = server.levels()
    with pytest.raises(PolarisError) as failure:
        log_levels.write(server.client(), scope, level)
    assert (failure.value.kind, failure.value.status, failure.value.info) == ("refused", 400, said)
    assert failure.value.method in ("PUT", "POST")
    assert not failure.value.outcome_unknown
    assert server.levels() == before


def test_the_module_changes_all_and_restores_all(server: Server) -> None:
    before = server.levels()
    wanted = params(levels={"naming": "debug", "*": "error"})
    changed = polaris_log_level.run(server.client(), wanted, False)
    assert changed["levels"] == server.levels() == {**dict.fromkeys(before, "error"), "naming": "debug"}
    assert changed["previous"] == before
    assert not polaris_log_level.run(server.client(), wanted, False)["changed"]

    restored = polaris_log_level.run(server.client(), params(levels=changed["previous"]), False)
    assert restored["changed"]
    assert server.levels() == before


def test_check_mode_promises_what_the_run_then_does(server: Server) -> None:
    wanted = params(levels={"naming": "debug", "auth": "error"})
    before = server.levels()
    promised = polaris_log_level.run(server.client(), wanted, True)
    assert server.levels() == before
    assert polaris_log_level.run(server.client(), wanted, False) == promised


def test_unknown_scope_lists_the_servers_own_and_changes_nothing(server: Server) -> None:
    before = server.levels()
    with pytest.raises(PolarisError) as failure:
        polaris_log_level.run(server.client(), params(levels={"naming": "debug", "nonsense": "debug"}), False)
    assert failure.value.kind == "not_found"
    assert "no log scope nonsense" in failure.value.msg
    assert all(scope in failure.value.msg for scope in before)
    assert server.levels() == before


def test_a_sub_account_reads_and_may_not_write(server: Server) -> None:
    sub = server.client(server.sub_token())
    # HEAD requires a policy even for reading.
    if server.has("GET", "/maintain/v1/server/functions"):
        with pytest.raises(PolarisError) as refused:
            log_levels.read(sub)
        assert refused.value.kind == "permission"
    else:
        assert log_levels.read(sub) == server.levels()
    before = server.levels()
    with pytest.raises(PolarisError) as failure:
        log_levels.write(sub, "naming", "debug")
    assert failure.value.kind == "permission"
    assert "token" in failure.value.msg
    assert server.levels() == before
