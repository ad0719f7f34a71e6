# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runbook fleet_report, as an operator runs it."""

from __future__ import annotations

import html
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clients import ALICE, Clients
from tests.simulator import Fleet
from tests.support import PlaybookRun, inventory_of, owners_inventory

NAME = "polarismesh.maintenance.fleet_report"
Playbook = Callable[..., PlaybookRun]


@pytest.fixture
def mixed(make_fleet: Callable[..., Fleet]) -> Fleet:
    """Three nodes of three versions."""
    return make_fleet(nodes=3, profile=["v1.18.1", "v1.17.1", "head"])


def written(folder: Path) -> tuple[str, dict[str, Any]]:
    page, data = folder / "report.html", folder / "report.json"
    assert page.stat().st_mode & 0o777 == data.stat().st_mode & 0o777 == 0o640
    return page.read_text(), json.loads(data.read_text())


def warned(report: dict[str, Any]) -> dict[str, list[str]]:
    return {entry["id"]: entry["where"] for entry in report["warnings"]}


def test_the_whole_fleet(mixed: Fleet, playbook: Playbook, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    hostile = ["<script>alert(1)</script>", f"{{{{ lookup('ansible.builtin.pipe', 'touch {trap}') }}}}"]
    for address in hostile:
        row = mixed.store.register("payments", "default", address, 8080, ttl=5)
        mixed.nodes[0].beat(row.id, time.time() - 4000)
    kept = mixed.store.register("payments", "default", "10.1.2.3", 8080, ttl=300)
    mixed.nodes[0].beat(kept.id, time.time() - 4000)
    mixed.nodes[1].beat(kept.id)
    mixed.nodes[1].levels["naming"] = "debug"
    mixed.nodes[2].set("conn_limit", False)
    inventory = owners_inventory(mixed)
    inventory["polaris_servers"]["hosts"]["gone"] = {"polaris_url": "http://127.0.0.1:1"}
    with Clients() as clients:
        clients.connect((mixed.nodes[0].host, mixed.nodes[0].grpc_port), ALICE, 7)
        run = playbook(NAME, inventory, extra_vars={"dest": "report.html"})

    page, report = written(tmp_path)
    by_name = {node["name"]: node for node in report["nodes"]}
    assert {name: node["status"] for name, node in by_name.items()} == {
        "node1": "ok",
        "node2": "ok",
        "node3": "ok",
        "gone": "failed",
    }
    assert by_name["node1"]["connections"]["grpc"] == 7
    assert by_name["node1"]["memory"]["heap_in_use"] > 0
    assert by_name["node2"]["deviating"]["naming"] == "debug"
    assert {entry["host"] for entry in report["heartbeats"]["overdue"]} == set(hostile)
    warnings = warned(report)
    assert warnings["not_read"] == ["gone"]
    assert warnings["limits_off"] == ["node3"]
    assert warnings["default_password"] == ["node1", "node2", "node3"]
    assert "default_token" not in warnings
    assert "anyone_reads" not in warnings

    # Values from the registry are shown, and neither executed nor templated.
    assert "<script>alert" not in page
    assert not trap.exists()
    for address in hostile:
        assert str(html.escape(address)) in page or address in html.unescape(page)

    # The node that could not be read is on the page and in the summary, and fails the play.
    assert run.returncode == 2
    assert "nothing listens at http://127.0.0.1:1" in page
    assert "FAILED on gone: nothing listens at http://127.0.0.1:1" in run.output
    assert "written: " in run.output

    # It only reads; the login that it tries is the only POST.
    assert {request.path for request in mixed.requests if request.method != "GET"} == {"/core/v1/user/login"}
    for secret in (mixed.tokens.owner, "no-token-of-anybody"):
        assert secret not in page + json.dumps(report)


def test_check_mode_writes_nothing_and_says_so(fleet: Fleet, playbook: Playbook, tmp_path: Path) -> None:
    inventory = owners_inventory(fleet)
    run = playbook(NAME, inventory, extra_vars={"dest": str(tmp_path / "report.html")}, args=["--check", "--diff"]).ok()
    assert not (tmp_path / "report.html").exists()
    assert not (tmp_path / "report.json").exists()
    assert run.one("Summary")["changed"] is True
    assert f"would write: {tmp_path / 'report.html'} and {tmp_path / 'report.json'}" in run.output
    assert "1 node, 1 read in full" in run.output


def test_without_heartbeats_and_probes_nothing_is_asked_for_them(
    fleet: Fleet, playbook: Playbook, tmp_path: Path
) -> None:
    inventory = owners_inventory(fleet)
    extra = {"dest": "report.html", "heartbeats": False, "probe_defaults": False}
    playbook(NAME, inventory, extra_vars=extra).ok()
    _page, report = written(tmp_path)
    assert report["summary"]["overdue"] is None
    assert "default_password" not in warned(report)
    assert {request.method for request in fleet.requests} == {"GET"}
    # 406: it only checked whether the call exists.
    asked = [request for request in fleet.requests if request.path == "/maintain/v1/instance/heartbeat"]
    assert {request.status for request in asked} == {406}


def test_a_refused_token_is_on_the_page_and_fails(fleet: Fleet, playbook: Playbook, tmp_path: Path) -> None:
    inventory = inventory_of(fleet, polaris_token="wrong")
    run = playbook(NAME, inventory, extra_vars={"dest": "report.html"})
    page, report = written(tmp_path)
    assert run.returncode == 2
    assert report["nodes"][0]["status"] == "partial"
    assert {failure["kind"] for failure in report["nodes"][0]["failures"]} == {"auth"}
    lines = [line for line in run.one("Summary")["lines"] if line.startswith("FAILED on node1")]
    assert len(lines) == 1 < len(report["nodes"][0]["failures"])
    assert "Not read" in page


def test_a_server_without_authentication(make_fleet: Callable[..., Fleet], playbook: Playbook, tmp_path: Path) -> None:
    fleet = make_fleet(nodes=1, auth="open")
    playbook(NAME, fleet, extra_vars={"dest": "report.html"}).ok()
    assert "no_authentication" in warned(written(tmp_path)[1])


@pytest.mark.sample
@pytest.mark.parametrize("dest", [None, "", "nowhere/report.html", "folder/", "folder", "report.json"])
def test_a_bad_dest_is_one_sentence_and_no_request(
    dest: str | None, fleet: Fleet, playbook: Playbook, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    run = playbook(NAME, fleet, extra_vars={} if dest is None else {"dest": dest})
    assert run.returncode == 2
    messages = {entry.result["msg"] for entry in run.results if entry.status == "failed"}
    assert len(messages) == 1
    assert messages.pop().startswith(
        ("Give the variable dest: the file for the page", "dest must be a file for the page")
    )
    assert "Traceback" not in run.output
    assert fleet.requests == []


@pytest.mark.sample
@pytest.mark.parametrize(
    "variables",
    [
        {"awx_workflow_job_id": 7, "awx_workflow_job_name": "Report", "awx_job_template_name": "Report"},
        {"awx_job_slice_count": 3},
    ],
)
def test_a_slice_is_refused(variables: dict[str, Any], fleet: Fleet, playbook: Playbook) -> None:
    run = playbook(NAME, fleet, extra_vars={"dest": "report.html", **variables})
    assert run.returncode == 2
    assert run.one("Check the variables")["msg"].startswith("This is one slice of a sliced job")
    assert fleet.requests == []


@pytest.mark.slow
def test_a_job_in_a_workflow_is_not_a_slice(fleet: Fleet, playbook: Playbook, tmp_path: Path) -> None:
    names = {"awx_workflow_job_id": 7, "awx_workflow_job_name": "Night", "awx_job_template_name": "Report"}
    inventory = owners_inventory(fleet)
    playbook(NAME, inventory, extra_vars={"dest": "report.html", **names}, args=["--limit", "node1"]).ok()
    assert written(tmp_path)[1]["limit"] == "node1"


def test_compare_shows_changes_and_refuses_another_fleet(mixed: Fleet, playbook: Playbook, tmp_path: Path) -> None:
    inventory = owners_inventory(mixed)
    short = {"heartbeats": False, "probe_defaults": False}
    playbook(NAME, inventory, extra_vars={"dest": "before.html", **short}).ok()
    mixed.nodes[1].levels["naming"] = "debug"
    extra = {"dest": "report.html", "compare": "before.json", "language": "zh", **short}
    run = playbook(NAME, inventory, extra_vars=extra).ok()
    page, report = written(tmp_path)
    assert report["changes"]["levels"] == [{"node": "node2", "scope": "naming", "before": "info", "now": "debug"}]
    assert any("1 log level changed (node2)" in line for line in run.one("Summary")["lines"])
    assert '<html lang="zh-CN">' in page
    other = {"polaris_servers": {"hosts": {"elsewhere": {"polaris_url": mixed.url}}}}
    asked = len(mixed.requests)
    run = playbook(NAME, other, extra_vars=extra)
    assert run.returncode == 2
    assert "before.json is a report of another fleet" in run.output
    assert len(mixed.requests) == asked
