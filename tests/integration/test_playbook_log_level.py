# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runbook log_level, as an operator runs it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.simulator import Fault, Fleet
from tests.support import PlaybookRun, owners_inventory

pytestmark = pytest.mark.core

NAME = "polarismesh.maintenance.log_level"
Playbook = Callable[..., PlaybookRun]


@pytest.fixture
def mixed(make_fleet: Callable[..., Fleet]) -> Fleet:
    """Three nodes: a list of levels, an object of levels, and the published dialect."""
    return make_fleet(nodes=3, profile=["v1.18.1", "v1.17.1", "documented"])


def naming(fleet: Fleet) -> list[str]:
    return [node.levels["naming"] for node in fleet.nodes]


def test_changes_every_node_and_then_nothing(mixed: Fleet, playbook: Playbook) -> None:
    inventory = owners_inventory(mixed)
    first = playbook(NAME, inventory, extra_vars={"levels": {"naming": "debug"}}).ok()
    assert naming(mixed) == ["debug"] * 3
    assert [result["changed"] for result in first.of("Set the log levels")] == [True] * 3
    assert "changed on 3 (node1, node2, node3): naming info -> debug" in first.output

    mixed.clear_requests()
    second = playbook(NAME, inventory, extra_vars={"levels": {"naming": "debug"}}).ok()
    assert "unchanged on 3 (node1, node2, node3)" in second.output
    assert {request.method for request in mixed.requests} == {"GET"}


def test_check_mode_changes_nothing_and_says_the_same(mixed: Fleet, playbook: Playbook) -> None:
    inventory = owners_inventory(mixed)
    levels = {"levels": {"naming": "debug"}}
    dry = playbook(NAME, inventory, extra_vars=levels, args=["--check", "--diff"]).ok()
    assert naming(mixed) == ["info"] * 3
    assert '-    "naming": "info"' in dry.output
    assert '+    "naming": "debug"' in dry.output
    wet = playbook(NAME, inventory, extra_vars=levels, args=["--diff"]).ok()
    would, did = (
        {entry.host: entry.result for entry in run.results if entry.task == "Set the log levels"} for run in (dry, wet)
    )
    assert would == did


def test_limit(mixed: Fleet, playbook: Playbook) -> None:
    inventory = owners_inventory(mixed)
    playbook(NAME, inventory, extra_vars={"levels": {"naming": "debug"}}, args=["--limit", "node2"]).ok()
    assert naming(mixed) == ["info", "debug", "info"]


def test_levels_as_text_and_token_from_the_environment(mixed: Fleet, playbook: Playbook) -> None:
    playbook(NAME, mixed, args=["-e", "levels='naming: warn'"], env={"POLARIS_TOKEN": mixed.tokens.owner}).ok()
    assert naming(mixed) == ["warn"] * 3


def test_a_node_that_fails_is_named_and_does_not_stop_the_others(mixed: Fleet, playbook: Playbook) -> None:
    inventory = owners_inventory(mixed)
    inventory["polaris_servers"]["hosts"]["gone"] = {"polaris_url": "http://127.0.0.1:1"}
    run = playbook(NAME, inventory, extra_vars={"levels": {"naming": "debug"}})
    assert run.returncode == 2
    assert naming(mixed) == ["debug"] * 3
    assert "FAILED on gone: nothing listens at http://127.0.0.1:1" in run.output


@pytest.mark.sample
@pytest.mark.parametrize("levels", [None, "naming: [debug", {"naming": "debgu"}])
def test_bad_levels_are_one_sentence_once_and_no_request(levels: object, mixed: Fleet, playbook: Playbook) -> None:
    """Unit tests of _variables cover all possible mistakes in them."""
    run = playbook(NAME, mixed, extra_vars={} if levels is None else {"levels": levels})
    assert run.returncode == 2
    msg = run.one("Check the variables")["msg"]
    assert msg.startswith("Give exactly one of these variables: levels (" if levels is None else "The variable levels ")
    assert msg.endswith("No server was asked.")
    assert "Traceback" not in run.output
    assert run.output.count("fatal:") == 1
    assert mixed.requests == []


def test_the_url_is_built_from_address_and_port(mixed: Fleet, playbook: Playbook) -> None:
    node = mixed.nodes[0]
    inventory = {
        "polaris_servers": {
            "hosts": {"first": {"ansible_host": node.host, "polaris_http_port": node.port}},
            "vars": {
                "ansible_connection": "local",
                "ansible_python_interpreter": "{{ ansible_playbook_python }}",
                "polaris_token": mixed.tokens.owner,
            },
        }
    }
    playbook(NAME, inventory, extra_vars={"levels": {"naming": "debug"}}).ok()
    assert naming(mixed) == ["debug", "info", "info"]


def test_what_a_run_changed_can_be_undone(mixed: Fleet, playbook: Playbook, tmp_path: Path) -> None:
    """From the file, leaving alone levels that somebody has set since, and nodes that are not in it."""
    mixed.nodes[1].levels["naming"] = "error"
    inventory = owners_inventory(mixed)
    saved = tmp_path / "before.json"
    raise_ = {"levels": "naming=debug store=warn", "save": str(saved)}
    playbook(NAME, inventory, extra_vars=raise_, args=["--check"]).ok()
    assert not saved.exists()
    run = playbook(NAME, inventory, extra_vars=raise_, args=["--limit", "node1,node2"]).ok()
    previous = run.one("Summary")["ansible_stats"]["data"]["polaris"]["previous"]
    assert json.loads(saved.read_text()) == previous
    assert saved.stat().st_mode & 0o777 == 0o640
    assert previous["node2"]["levels"] == {"naming": "error", "store": "info"}
    assert previous["node2"]["url"] == mixed.nodes[1].url
    # Nothing changes, and the file stays the same.
    playbook(NAME, inventory, extra_vars=raise_, args=["--limit", "node1,node2"]).ok()
    assert json.loads(saved.read_text()) == previous

    mixed.nodes[0].levels["store"] = "error"
    mixed.nodes[2].levels["naming"] = "debug"
    dry = playbook(NAME, inventory, extra_vars={"undo": str(saved)}, args=["--check"]).ok()
    assert naming(mixed) == ["debug"] * 3
    run = playbook(NAME, inventory, extra_vars={"undo": previous}).ok()
    assert naming(mixed) == ["info", "error", "debug"]
    assert [node.levels["store"] for node in mixed.nodes] == ["error", "info", "info"]
    for text in (
        "on 1 (node1): naming debug -> info",
        "on 1 (node2): naming debug -> error; store warn -> info",
        "LEFT ALONE on 1 (node1): store is error, which somebody has set since",
        "left alone on 1 (node3): not in the data of undo",
    ):
        assert text in run.output
        assert text in dry.output
    playbook(NAME, inventory, extra_vars={"undo": json.dumps(previous), "force": "yes"}, args=["--limit", "node1"]).ok()
    assert mixed.nodes[0].levels["store"] == "info"
    run = playbook(NAME, inventory, extra_vars={"undo": previous}, args=["--limit", "node1"]).ok()
    assert "NOT UNDONE on 1 (node2): not in this run" in run.output
    assert "skipping" not in run.output


def test_a_node_that_failed_half_way_can_be_undone(mixed: Fleet, playbook: Playbook) -> None:
    inventory = owners_inventory(mixed)
    mixed.nodes[0].fault("PUT", "/maintain/v1/log/outputlevel", Fault("status", status=500), times=1, skip=3)
    before = [dict(node.levels) for node in mixed.nodes]
    run = playbook(NAME, inventory, extra_vars={"levels": {"*": "debug"}})
    assert run.returncode == 2
    previous = run.one("Summary")["ansible_stats"]["data"]["polaris"]["previous"]
    assert len(previous["node1"]["levels"]) == 3
    playbook(NAME, inventory, extra_vars={"undo": previous}).ok()
    assert [dict(node.levels) for node in mixed.nodes] == before
