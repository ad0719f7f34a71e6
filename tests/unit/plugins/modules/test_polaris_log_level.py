# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task requests, what has to change, and what a change that stops halfway reports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.polarismesh.maintenance.plugins.module_utils._api import log_levels
from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import Client
from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import PolarisError
from ansible_collections.polarismesh.maintenance.plugins.module_utils._levels import changes, partial
from ansible_collections.polarismesh.maintenance.plugins.modules.polaris_log_level import (
    SPEC,
    run,
    unknown_scopes,
    wanted_levels,
)
from tests.simulator import Fault, Fleet
from tests.unit.options import params_of

PATH = "/maintain/v1/log/outputlevel"
MakeClient = Callable[..., Client]


def params(**options: Any) -> dict[str, Any]:
    return params_of(SPEC, **options)


# Decisions


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"scope": "naming", "level": "debug"}, {"naming": "debug"}),
        ({"scope": "*", "level": "none"}, {"*": "none"}),
        ({"levels": {"naming": "debug", "*": "error"}}, {"naming": "debug", "*": "error"}),
        # Through the module door, keys are always text.
        ({"levels": {7: "debug"}}, {"7": "debug"}),
    ],
)
def test_both_ways_to_ask(options: dict[str, Any], wanted: dict[str, str]) -> None:
    assert wanted_levels(params(**options)) == wanted


@pytest.mark.parametrize(
    ("levels", "sentence"),
    [
        ({}, "levels is empty"),
        ({"naming": "loud"}, "unknown level in naming: loud"),
        ({"naming": "loud", "auth": "info", "*": "DEBUG"}, "unknown level in *: DEBUG, naming: loud"),
        ({"naming": None}, "unknown level in naming: None"),
        ({"naming": ["debug"]}, "unknown level"),
        ({"": "debug"}, "a scope is empty"),
        ({" ": "debug"}, "a scope is empty"),
    ],
)
def test_invalid_levels(levels: dict[Any, Any], sentence: str) -> None:
    with pytest.raises(PolarisError) as failure:
        wanted_levels(params(levels=levels))
    assert failure.value.kind == "refused"
    assert sentence in failure.value.msg
    if "level in" in sentence:
        assert all(level in failure.value.msg for level in log_levels.LEVELS)


SCOPES = st.sampled_from(["naming", "auth", "cache", "store", "xdsv3"])
LEVEL = st.sampled_from(log_levels.LEVELS)
CURRENT = st.dictionaries(SCOPES, LEVEL, min_size=1)
WANTED = st.dictionaries(st.one_of(SCOPES, st.just("*")), LEVEL, min_size=1)


@given(WANTED, CURRENT)
def test_only_what_differs_changes(wanted: dict[str, str], current: dict[str, str]) -> None:
    todo = changes(wanted, current)
    after = {**current, **todo}
    for scope, level in current.items():
        expected = wanted.get(scope, wanted.get("*", level))
        assert after[scope] == expected
        assert (scope in todo) == (expected != level)
    assert set(after) == set(current)
    assert list(todo) == sorted(todo)
    # Repeated, nothing is left to do; restored, everything is as before.
    assert changes(wanted, after) == {}
    assert {**after, **changes({scope: current[scope] for scope in todo}, after)} == current


@given(WANTED, CURRENT)
def test_unknown_scopes_are_those_the_server_does_not_have(wanted: dict[str, str], current: dict[str, str]) -> None:
    assert unknown_scopes(wanted, current) == sorted(set(wanted) - set(current) - {"*"})


@given(st.data(), CURRENT)
def test_a_change_that_stopped_reports_each_scope_once(data: st.DataObject, before: dict[str, str]) -> None:
    todo = changes(data.draw(WANTED), before)
    done = data.draw(st.integers(0, len(todo)))
    after = {**before, **dict(list(todo.items())[:done])}
    unanswered = list(todo)[done : done + data.draw(st.integers(0, 1))]
    report = partial(before, todo, after, unanswered)
    told = report["changed_scopes"] + report["unchanged_scopes"] + report["unknown_scopes"]
    assert sorted(told) == sorted(todo)
    assert report["changed_scopes"] == list(todo)[:done]
    assert report["unknown_scopes"] == unanswered
    assert report["changed"] == (done > 0)
    # Used as levels, it restores everything that was, or may have been, changed.
    assert report["previous"] == {scope: before[scope] for scope in [*report["changed_scopes"], *unanswered]}


# Runs


@pytest.fixture
def client(fleet: Fleet, make_client: MakeClient) -> Client:
    return make_client(fleet.nodes[0], token=fleet.tokens.owner, timeout=1.0)


def writes(fleet: Fleet) -> list[str]:
    return [entry.body for entry in fleet.requests if entry.method != "GET"]


def test_only_what_differs_is_set_and_read_back(fleet: Fleet, client: Client) -> None:
    fleet.nodes[0].levels["auth"] = "debug"
    before = dict(sorted(fleet.nodes[0].levels.items()))
    result = run(client, params(levels={"naming": "debug", "auth": "debug"}), False)
    after = {**before, "naming": "debug"}
    assert result == {
        "changed": True,
        "levels": after,
        "previous": {"naming": "info"},
        "changed_scopes": ["naming"],
        "diff": {"before": before, "after": after},
    }
    assert fleet.nodes[0].levels == after
    assert writes(fleet) == ['{"scope": "naming", "level": "debug"}']
    assert [entry.method for entry in fleet.requests] == ["GET", "PUT", "GET"]


def test_nothing_to_do_takes_one_request(fleet: Fleet, client: Client) -> None:
    result = run(client, params(levels={"*": "info"}), False)
    assert not result["changed"]
    assert result["previous"] == {}
    assert [entry.method for entry in fleet.requests] == ["GET"]


def test_check_mode_sends_nothing_that_writes(fleet: Fleet, client: Client) -> None:
    promised = run(client, params(scope="*", level="error"), True)
    assert writes(fleet) == []
    assert run(client, params(scope="*", level="error"), False) == promised


@pytest.mark.parametrize("check_mode", [True, False])
def test_all_scopes_are_checked_before_the_first_is_set(fleet: Fleet, client: Client, check_mode: bool) -> None:
    with pytest.raises(PolarisError) as failure:
        run(client, params(levels={"auth": "debug", "nonsense": "debug", "bogus": "info"}), check_mode)
    assert failure.value.kind == "not_found"
    assert "no log scope bogus, nonsense" in failure.value.msg
    assert all(scope in failure.value.msg for scope in fleet.nodes[0].levels)
    assert writes(fleet) == []


def test_a_bad_level_is_refused_before_anything_is_sent(fleet: Fleet, client: Client) -> None:
    with pytest.raises(PolarisError):
        run(client, params(levels={"naming": "debug", "auth": "loud"}), False)
    assert fleet.requests == []


def test_unknown_scopes_can_be_left_out_with_a_warning(fleet: Fleet, client: Client) -> None:
    result = run(client, params(levels={"naming": "debug", "nonsense": "debug"}, ignore_unknown_scopes=True), False)
    assert result["changed_scopes"] == ["naming"]
    assert ["nonsense" in warning for warning in result["warnings"]] == [True]


def halfway(client: Client, **options: Any) -> PolarisError:
    """The error when setting auth, cache and naming."""
    with pytest.raises(PolarisError) as failure:
        run(client, params(levels=dict.fromkeys(["naming", "cache", "auth"], "debug"), **options), False)
    return failure.value


def test_refused_half_way(fleet: Fleet, client: Client) -> None:
    fleet.nodes[0].fault("PUT", PATH, Fault("status", status=500, body="disk full"), skip=1)
    error = halfway(client)
    assert error.kind == "server"
    assert "disk full" in error.msg
    assert "set: auth; not set: cache, naming" in error.msg
    assert {key: error.partial[key] for key in error.partial if key != "levels"} == {
        "changed": True,
        "changed_scopes": ["auth"],
        "unchanged_scopes": ["cache", "naming"],
        "unknown_scopes": [],
        "previous": {"auth": "info"},
    }
    assert error.partial["levels"] == dict(sorted(fleet.nodes[0].levels.items()))


def test_an_answer_that_was_lost_is_looked_up(fleet: Fleet, client: Client) -> None:
    """The server has set it and closed the connection: reading it back shows more than the failure."""
    fleet.nodes[0].fault("PUT", PATH, Fault("drop"), skip=1)
    error = halfway(client)
    assert error.outcome_unknown
    assert error.partial["changed_scopes"] == ["auth", "cache"]
    assert error.partial["unchanged_scopes"] == ["naming"]
    assert error.partial["unknown_scopes"] == []
    assert error.partial["previous"] == {"auth": "info", "cache": "info"}


def test_a_request_the_server_may_still_work_on_is_unknown(fleet: Fleet, client: Client) -> None:
    """It still has the old level when read, and changes a moment later."""
    fleet.nodes[0].fault("PUT", PATH, Fault("delay", seconds=2.0), skip=1, times=1)
    error = halfway(client)
    assert error.kind == "timeout"
    assert "set: auth; not set: naming; unknown: cache" in error.msg
    assert error.partial["unknown_scopes"] == ["cache"]
    assert error.partial["previous"] == {"auth": "info", "cache": "info"}


def test_a_server_that_is_gone_half_way(fleet: Fleet, client: Client) -> None:
    fleet.nodes[0].fault("PUT", PATH, Fault("cut"), skip=1)
    fleet.nodes[0].fault("GET", PATH, Fault("cut"), skip=1)
    error = halfway(client)
    assert error.kind == "server"
    assert {**error.partial} == {
        "changed": True,
        "changed_scopes": ["auth"],
        "unchanged_scopes": ["naming"],
        "unknown_scopes": ["cache"],
        "previous": {"auth": "info", "cache": "info"},
    }


def test_a_read_back_that_fails_leaves_no_scope_in_doubt(fleet: Fleet, client: Client) -> None:
    fleet.nodes[0].fault("GET", PATH, Fault("cut"), skip=1)
    error = halfway(client)
    assert error.partial["changed_scopes"] == ["auth", "cache", "naming"]
    assert error.partial["unchanged_scopes"] == error.partial["unknown_scopes"] == []


def test_a_level_that_does_not_stay_is_a_failure(fleet: Fleet, client: Client) -> None:
    fleet.nodes[0].fault("PUT", PATH, Fault("status", status=200, body='"ok"'), containing="cache")
    error = halfway(client)
    assert error.kind == "server"
    assert "cache is info, not debug" in error.msg
    assert error.partial["changed_scopes"] == ["auth", "naming"]
    assert error.partial["unchanged_scopes"] == ["cache"]


def test_only_scopes_that_have_the_expected_level_are_changed(fleet: Fleet, client: Client) -> None:
    """A level that somebody else has set is left alone; one that is already restored is neither changed nor kept."""
    fleet.nodes[0].levels.update(naming="debug", cache="error", auth="info")
    wanted = dict.fromkeys(("naming", "cache", "auth", "store"), "info")
    expected = {"naming": "debug", "cache": "debug", "auth": "debug"}
    fleet.nodes[0].levels["store"] = "warn"
    result = run(client, params(levels=wanted, expected=expected), False)
    assert result["changed_scopes"] == ["naming", "store"]
    assert result["kept"] == {"cache": "error"}
    assert fleet.nodes[0].levels["cache"] == "error"


def test_a_transient_failure_is_retried(fleet: Fleet, make_client: MakeClient) -> None:
    patient = make_client(fleet.nodes[0], token=fleet.tokens.owner, retries=2)
    fleet.nodes[0].fault("PUT", PATH, Fault("drop"), times=1)
    fleet.nodes[0].fault("GET", PATH, Fault("status", status=503), times=2)
    result = run(patient, params(scope="naming", level="debug"), False)
    assert result["previous"] == {"naming": "info"}
    assert fleet.nodes[0].levels["naming"] == "debug"
