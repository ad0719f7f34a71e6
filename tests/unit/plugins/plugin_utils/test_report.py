# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the fleet report finds, and that its page is safe, complete and well formed. Only plain values."""

from __future__ import annotations

import base64
import functools
import hashlib
import itertools
import json
import os
import re
from collections.abc import Sequence
from contextlib import nullcontext
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jinja2
import pytest

from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._plans import report_files
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._rebalance import RefusedError
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._report import Fleet, read_node, report_of
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._report_page import TEMPLATES, environment, render
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._report_rules import warnings_of
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._summaries.fleet_report import (
    figures,
    summarize,
)
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._summary import Node, Run

# Each process would render the large pages.
pytestmark = pytest.mark.xdist_group("report")

MIB = 1024 * 1024
HOSTILE = """<script>alert("1")</script>'&{{ 7 * 7 }}{% raw %}<!--]]>"""
Values = dict[str, Any]


def host(index: int = 0, **changes: Any) -> Values:
    """The variables of a host whose node answered everything; ``changes`` replaces registered results by name."""
    url = f"http://10.0.0.{index}:8090"
    server = {
        "url": url,
        "is_polaris": True,
        "version": "v1.18.1",
        "oldest_version": "v1.17.2",
        "own_host": f"10.0.0.{index}",
        "auth": {"auth": True, "consoleOpen": True},
        "features": {"profile": False, "pprof": False, "leader_info": True},
        "protocols": ["grpc", "http"],
        "node_addresses": [],
        "lets_in": {"anyone": False, "default_token": False, "default_password": False},
    }
    gathered: Values = {
        "levels": {"naming": "info", "store": "info"},
        "connections": {"grpc": {"total": 100 + index}, "http": {"total": 6}, "eureka": None},
        "own_connections": 4,
        "memory": {"heap_in_use": 64 * MIB, "releasable": (32 + index) * MIB, "sys": 128 * MIB},
        "leaders": [],
        "not_read": [],
    }
    for part in gathered:
        if part in changes:
            gathered[part] = changes.pop(part)
    results: Values = {
        "server": {**server, **gathered, **changes.pop("server", {})},
        "heartbeats": {"instances": []},
    }
    results |= changes
    named = {f"polaris_fleet_{name}": value for name, value in results.items() if value is not None}
    return {"inventory_hostname": f"node{index}", **named}


def gone(index: int, msg: str = "nothing listens at http://10.0.0.9:8090.") -> Values:
    failed = {"failed": True, "msg": msg, "url": "http://10.0.0.9:8090", "error": {"kind": "unreachable"}}
    return {"inventory_hostname": f"node{index}", "polaris_fleet_server": failed}


def beat(name: str, age_seconds: int | None, **changes: Any) -> Values:
    return {
        "id": name,
        "namespace": "default",
        "service": "payments",
        "host": "10.9.0.1",
        "port": 8080,
        "found": True,
        "health_check": True,
        "last_heartbeat": None if age_seconds is None else 1_700_000_000 - age_seconds,
        "age_seconds": age_seconds,
        "ttl": 5,
        "overdue": None if age_seconds is None else age_seconds > 15,
        **changes,
    }


def fleet_report(
    hosts: Sequence[Values], generated: str = "", namespace: str = "", *more: str, limit: str = ""
) -> Values:
    """The report on these hosts; ``more`` are the service and the limit."""
    nodes = tuple(
        read_node(
            host["inventory_hostname"],
            host.get("ansible_host", ""),
            {name: host.get(f"polaris_fleet_{name}") for name in ("server", "heartbeats")},
        )
        for host in hosts
    )
    service, limited = [*more, "", ""][:2]
    fleet = Fleet(nodes, generated, namespace, service, limit or limited)
    return report_of(fleet, warnings_of(fleet))


def warned(report: Values) -> dict[str, list[str]]:
    return {entry["id"]: entry["where"] for entry in report["warnings"]}


def levels(**of: str) -> Values:
    return dict(of)


# --- what the report finds -------------------------------------------------------------------------------------------


def test_a_healthy_fleet_needs_no_attention() -> None:
    report = fleet_report([host(1), host(2), host(3)], "2026-01-02T03:04:05Z", "default")
    assert report["warnings"] == []
    assert report["summary"] == {
        "nodes": 3,
        "read": 3,
        "partial": 0,
        "failed": 0,
        "connections": 312,
        "memory_in_use": 192 * MIB,
        "memory_releasable": 102 * MIB,
        "deviating_levels": 0,
        "overdue": 0,
        "warnings": {"critical": 0, "warning": 0, "note": 0},
    }
    assert report["connections"]["totals"] == {"grpc": 306, "http": 6}
    assert report["connections"]["mean"] == 104.0


def test_a_node_that_cannot_be_read_is_listed_with_the_reason() -> None:
    report = fleet_report([host(1), gone(9)])
    node = report["nodes"][1]
    assert (node["name"], node["status"]) == ("node9", "failed")
    assert node["failures"] == [
        {"what": "server", "kind": "unreachable", "msg": "nothing listens at http://10.0.0.9:8090."}
    ]
    assert warned(report)["not_read"] == ["node9"]


def test_a_host_that_ansible_cannot_reach_and_one_that_never_answered() -> None:
    by_ssh = {"inventory_hostname": "a", "polaris_fleet_server": {"unreachable": True, "msg": "Connection timed out"}}
    report = fleet_report([by_ssh, {"inventory_hostname": "b"}])
    assert [node["failures"][0]["msg"] for node in report["nodes"]] == ["Connection timed out", "no answer"]
    assert report["nodes"][0]["failures"][0]["kind"] == "unreachable"


def test_another_server_is_not_read() -> None:
    report = fleet_report([host(1, server={"is_polaris": False, "protocols": None, "nodes": None})])
    assert report["nodes"][0]["failures"][0]["msg"] == "http://10.0.0.1:8090 answers, but is not a Polaris server."
    assert report["summary"]["connections"] is None


def test_another_server_at_the_address_of_a_node_is_in_the_inventory() -> None:
    other = host(1, server={"is_polaris": False, "own_host": None})
    listed = host(2, server={"node_addresses": ["10.0.0.1:8091", "10.0.0.2:8091"], "node_count": 2})
    assert warned(fleet_report([other, listed])) == {"not_read": ["node1"]}


def test_a_version_that_was_not_read_in_full_is_not_another_version() -> None:
    """The oldest version that can do what was seen is no evidence then."""
    bound: Values = {"version": None, "oldest_version": "v1.8.0"}
    refused = {"what": "features", "kind": "timeout", "msg": "no answer"}
    part = host(1, server=bound, not_read=[refused])
    assert warned(fleet_report([part, host(2), host(3)])) == {"read_in_part": ["node1"]}
    assert warned(fleet_report([host(1, server=bound), host(2), host(3)])) == {"mixed_versions": ["node1"]}
    # As on every server up to v1.14.1: its heartbeats do not show its version.
    no_beats = host(1, server=bound, heartbeats={"failed": True, "msg": "no answer"})
    found = warned(fleet_report([no_beats, host(2), host(3)], "", "default"))
    assert found == {"read_in_part": ["node1"], "mixed_versions": ["node1"]}


def test_one_failed_read_leaves_the_rest_of_the_node() -> None:
    refused = [{"what": "levels", "kind": "auth", "msg": "the token is not valid"}]
    report = fleet_report([host(1, levels=None, not_read=refused)])
    assert report["nodes"][0]["status"] == "partial"
    assert report["nodes"][0]["failures"] == [{"what": "log levels", "kind": "auth", "msg": "the token is not valid"}]
    assert report["summary"]["connections"] == 103


@pytest.mark.parametrize(
    ("of", "usual", "deviating"),
    [
        (["info", "info", "debug"], "info", {"node3": "debug"}),
        (["debug", "debug", "info"], "debug", {"node3": "info"}),
        (["debug", "info"], "info", {"node1": "debug"}),  # no majority: the default level of servers counts as usual
        (["debug", "warn"], "warn", {"node1": "debug"}),
        (["debug", "error", "debug", "error"], "error", {"node1": "debug", "node3": "debug"}),
        (["warn"], "warn", {}),
    ],
)
def test_deviating_levels(of: Sequence[str], usual: str, deviating: dict[str, str]) -> None:
    report = fleet_report([host(index, levels=levels(naming=level)) for index, level in enumerate(of, 1)])
    assert report["log_levels"][0]["usual"] == usual
    marked = {node["name"]: node["deviating"]["naming"] for node in report["nodes"] if node["deviating"]}
    assert marked == deviating
    assert warned(report).get("deviating_levels", []) == list(deviating)


def test_a_scope_that_only_some_versions_have_is_not_a_deviation() -> None:
    report = fleet_report([host(1), host(2, levels=levels(naming="info", store="info", eureka="info"))])
    assert report["summary"]["deviating_levels"] == 0


def test_levels_that_no_node_showed_do_not_agree() -> None:
    refused = [{"what": "levels", "kind": "permission", "msg": "its access policies decide this"}]
    report = fleet_report([host(1, levels=None, not_read=refused), gone(2)])
    assert report["summary"]["deviating_levels"] is None
    assert not any("deviate" in line for line in figures(report))


def test_the_most_divided_scope_comes_first() -> None:
    noisy = host(3, levels=levels(naming="info", store="debug"))
    report = fleet_report([host(1), host(2), noisy])
    assert [entry["scope"] for entry in report["log_levels"]] == ["store", "naming"]


def test_the_newest_heartbeat_of_any_node_counts() -> None:
    one = {"instances": [beat("fresh", None), beat("late", 400), beat("never", None)]}
    two = {"instances": [beat("fresh", 3), beat("late", 60), beat("never", None)]}
    report = fleet_report([host(1, heartbeats=one), host(2, heartbeats=two)], namespace="default")
    overdue = report["heartbeats"]["overdue"]
    assert [(entry["id"], entry["age_seconds"], entry["node"]) for entry in overdue] == [("late", 60, "node2")]
    assert [entry["id"] for entry in report["heartbeats"]["silent"]] == ["never"]
    assert warned(report)["overdue_heartbeats"] == ["payments 10.9.0.1:8080"]


def test_heartbeats_that_were_not_read_are_not_zero() -> None:
    report = fleet_report([host(1, heartbeats={"skipped": True})])
    assert report["summary"]["overdue"] is None


def test_overdue_is_uncertain_while_a_node_was_not_asked() -> None:
    report = fleet_report([host(1, heartbeats={"instances": [beat("late", 400)]}), gone(9)], namespace="default")
    assert report["heartbeats"]["complete"] is False
    assert "another one may have received" in render(report)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"server": {"lets_in": {"default_password": True}}}, "default_password"),
        ({"server": {"lets_in": {"default_token": True}}}, "default_token"),
        ({"server": {"lets_in": {"anyone": True}}}, "anyone_reads"),
        ({"server": {"lets_in": {"anyone": True}, "auth": {"consoleOpen": False}}}, "no_authentication"),
        ({"server": {"features": {"profile": True}}}, "pprof_open"),
        ({"server": {"features": {"profile": False, "pprof": True}}}, "pprof_switchable"),
        ({"server": {"protocols": []}}, "limits_off"),
        ({"server": {"protocols": ["http"]}}, "grpc_not_counted"),
        ({"server": {"version": "v1.17.1"}}, "mixed_versions"),
        ({"server": {"node_addresses": ["127.0.0.1:8091"]}}, "loopback"),
        ({"leaders": [{"elect_key": "a", "host": "node1", "valid": False, "ctime": 1}]}, "nobody_leads"),
    ],
)
def test_warnings(changes: Values, expected: str) -> None:
    report = fleet_report([host(1, **changes), host(2), host(3)])
    assert warned(report) == {expected: ["node1"]}


@pytest.mark.parametrize("found", [None, {"anyone": None, "default_token": None, "default_password": None}])
def test_untried_or_unknown_probes_give_no_warning(found: Values | None) -> None:
    report = fleet_report([host(1, server={"lets_in": found})])
    assert report["nodes"][0]["probes"] == {"anyone": None, "default_token": None, "default_password": None}
    assert report["warnings"] == []


def test_nodes_of_the_cluster_that_were_not_asked() -> None:
    listed = {"node_addresses": ["10.0.0.1:8091", "[fd00::5]:8091"], "node_count": 2}
    assert warned(fleet_report([host(1, server=listed)])) == {"not_in_inventory": ["fd00::5"]}
    limited = fleet_report([host(1, server=listed)], limit="node1")
    assert warned(limited) == {}
    assert limited["registered"] == ["10.0.0.1", "fd00::5"]


def test_the_summary_shows_the_worst_findings_and_counts_the_others() -> None:
    open_to_all = {"anyone": True, "default_token": True, "default_password": True}
    server = {
        "auth": {"auth": False},
        "features": {"profile": True},
        "protocols": [],
        "node_addresses": ["127.0.0.1:8091", "10.0.0.77:8091"],
        "lets_in": open_to_all,
        "not_read": [{"what": "metrics", "kind": "timeout", "msg": "no answer"}],
        "leaders": [{"elect_key": "a", "host": "10.0.0.1", "valid": False, "ctime": 1}],
        "levels": {"naming": "none", "store": "debug"},
    }
    given: Values = dict.fromkeys(["generated", "service", "limit", "compare", "page", "data", "language"], "")
    given |= {"polaris_namespace": "default", "heartbeats": False, "inventory": [], "mode": "0640"}
    node = Node("node1", {"polaris_fleet_server": host(1, server=server)["polaris_fleet_server"]})
    lines = [line.text for line in summarize(Run([node], given=given)).lines]
    findings = [line for line in lines if line.startswith(("CRITICAL: ", "warning: ", "note: "))]
    assert [line.partition(":")[0] for line in findings] == ["CRITICAL"] * 3 + ["warning"] * 5
    assert "and 3 more findings, on the page" in lines


def test_a_job_that_no_node_has_taken_yet() -> None:
    report = fleet_report([host(1, leaders=[{"elect_key": "a", "host": "", "valid": False, "ctime": 1}]), host(2)])
    assert warned(report) == {"nobody_leads": ["node1"]}


def test_connections_of_the_report_itself_are_left_out_or_mentioned() -> None:
    assert "connections: 312 (grpc 306, http 6)" in figures(fleet_report([host(1), host(2), host(3)]))
    behind_a_proxy = fleet_report([host(1, own_connections=None), host(2)])
    assert behind_a_proxy["connections"]["with_own"] == ["node1"]
    assert "connections: 211 (grpc 203, http 8 with those of this report)" in figures(behind_a_proxy)
    not_counted = host(3, own_connections=None, connections={"grpc": {"total": 1}}, server={"protocols": ["grpc"]})
    assert fleet_report([not_counted])["connections"]["with_own"] == []


def test_nodes_of_a_large_cluster_that_no_node_has_listed() -> None:
    first = {"node_addresses": ["10.0.0.1:8091", "10.0.0.2:8091"], "node_count": 4}
    # All nodes read the first page, so their lists have addresses in common.
    second = {**first, "node_addresses": ["10.0.0.1:8091", "10.0.0.3:8091"]}
    hosts = [host(1, server=first), host(2, server=second), gone(3)]
    report = fleet_report(hosts)
    assert warned(report)["not_listed"] == ["node3"]
    assert next(each for each in report["warnings"] if each["id"] == "not_listed")["found"] == "1"
    assert "not_listed" not in warned(fleet_report(hosts, limit="node1:node2:node3"))
    # Nodes of another cluster do not make up for those that are missing.
    other = {"node_addresses": ["10.0.1.1:8091", "10.0.1.2:8091"], "node_count": 2}
    report = fleet_report([*hosts, host(4, server=other), host(5, server={**first, "node_count": 4})])
    assert next(each for each in report["warnings"] if each["id"] == "not_listed")["found"] == "1"
    # The list changed while it was read: every node listed something, and yet an address is missing.
    assert warned(fleet_report(hosts[:2]))["not_listed"] == ["node1", "node2"]
    second["node_addresses"] = ["10.0.0.1:8091", "10.0.0.3:8091", "10.0.0.4:8091"]
    assert "not_listed" not in warned(fleet_report([host(1, server=first), host(2, server=second), gone(3)]))


def test_an_unknown_version_is_the_oldest_possible_one() -> None:
    report = fleet_report([host(1, server={"version": None}), host(2), host(3)])
    assert [entry["version"] for entry in report["versions"]] == ["v1.18.1", "v1.17.2 or newer"]


@pytest.mark.parametrize("address", ["10.0.0.{}", "127.0.0.1"])
def test_without_a_shared_store_every_node_leads_for_itself(address: str) -> None:
    def leads(index: int) -> Values:
        leader = {"elect_key": "polaris.checker", "host": address.format(index), "valid": True, "ctime": None}
        return host(index, leaders=[leader])

    report = fleet_report([leads(1), leads(2)])
    assert report["leaders"][0]["each_node_for_itself"] is True
    assert "every node for itself" in render(report)


# --- secrets and untrusted text --------------------------------------------------------------------------------------


def hostile_report() -> Values:
    changes: Values = {
        "server": {
            "version": HOSTILE,
            "url": HOSTILE,
            "own_host": HOSTILE,
            "node_addresses": [HOSTILE],
            "warnings": [HOSTILE],
        },
        "levels": levels(**{HOSTILE: HOSTILE}),
        "heartbeats": {
            "instances": [
                beat("a", 900, host=HOSTILE, service=HOSTILE, namespace=HOSTILE),
                beat(HOSTILE, None, host=HOSTILE),
            ]
        },
        "leaders": [{"elect_key": HOSTILE, "host": HOSTILE, "valid": False, "ctime": 1}],
        "connections": {HOSTILE: {"total": 3}},
        "not_read": [{"what": HOSTILE, "kind": HOSTILE, "msg": HOSTILE}],
    }
    hosts = [host(1, **changes), gone(2, HOSTILE), host(3)]
    hosts[0]["inventory_hostname"] = HOSTILE
    return fleet_report(hosts, HOSTILE, HOSTILE, HOSTILE, HOSTILE)


def test_hostile_text_is_shown_as_text_everywhere() -> None:
    page = render(hostile_report(), HOSTILE)
    parsed = Page(page)
    assert parsed.tags.count("script") == 1
    assert 'alert("1")' not in page
    assert "<!--" not in page
    assert "{{ 7 * 7 }}" in page
    assert HOSTILE in parsed.text
    assert all(not name.startswith("on") for name in parsed.attribute_names)


def test_control_characters_and_lone_surrogates_are_removed() -> None:
    report = fleet_report([gone(1, "a\x00b\x1b[31m\ud800c")])
    assert report["nodes"][0]["failures"][0]["msg"] == "a\ufffdb\ufffd[31m\ufffdc"
    json.dumps(report).encode("utf-8")
    render(report).encode("utf-8")


def test_only_a_regular_file_is_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.html")
    (tmp_path / "data.json").mkdir()
    for dest in (tmp_path / "fifo.html", tmp_path / "data.html", Path("/"), tmp_path / "nowhere" / "r.html"):
        with pytest.raises(RefusedError, match="dest must be a file for the page"):
            report_files(Run((), given={"dest": str(dest), "compare": None, "moment": "now"}))
    assert (tmp_path / "fifo.html").is_fifo()


@pytest.mark.parametrize(
    ("content", "refused"),
    [('{"all": {"hosts": {}}}', True), ("no JSON", True), ("", False), ('{"schema": 1, "nodes": []}', False)],
)
def test_the_data_replaces_only_the_data_of_a_report(tmp_path: Path, content: str, refused: bool) -> None:
    """With -i fleet.json, dest=fleet.html means the inventory."""
    (tmp_path / "fleet.json").write_text(content)
    run = Run((), given={"dest": str(tmp_path / "fleet.html"), "compare": None, "moment": "now"})
    with pytest.raises(RefusedError, match=r"would replace .*fleet\.json") if refused else nullcontext():
        report_files(run)


def test_no_overdue_heartbeats_because_there_are_no_instances() -> None:
    none = fleet_report([host(1)], "", "defautl", "pay")
    assert list(figures(none))[-1] == "overdue heartbeats: 0, because no instances are listed in defautl/pay"
    some = fleet_report([host(1, heartbeats={"instances": [beat("early", 1)]})], "", "default")
    assert list(figures(some))[-1] == "overdue heartbeats: 0"


def test_every_filter_of_the_templates_exists() -> None:
    """Jinja misses the filter of a branch only when it takes that branch."""
    made = environment("en")
    for template in TEMPLATES.glob("*.j2"):
        tree = made.parse(template.read_text())
        assert {each.name for each in tree.find_all(jinja2.nodes.Filter)} <= set(made.filters), template


def test_no_token_or_password_is_in_it() -> None:
    report = fleet_report([host(1) | {"polaris_token": "secret-of-the-play", "polaris_password": "secret-too"}])
    assert "secret" not in json.dumps(report) + render(report)


# --- the page --------------------------------------------------------------------------------------------------------

VOID = {"meta", "link", "img", "br", "hr", "input"}


class Page(HTMLParser):
    """A page with the parts that the tests check; fails if tags do not match."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.open: list[str] = []
        self.tables: list[list[str]] = []
        self.feed(page)
        self.close()
        assert self.open == []

    @property
    def attribute_names(self) -> set[str]:
        return {name for _tag, name, _value in self.attributes}

    def values(self, *names: str) -> list[str]:
        return [value for _tag, name, value in self.attributes if name in names]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag == "table":
            self.tables.append([])
        elif "table" in self.open:
            self.tables[-1].append(tag)
            if tag == "th":
                assert dict(attrs).get("scope") in ("col", "row")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@functools.cache
def big_report(count: int) -> Values:
    """Nodes with different figures, and some of everything that a page can show."""
    hosts = []
    for index in range(1, count + 1):
        late = [beat(f"i{number}", 20 + number) for number in range(count)] + [beat("never", None)]
        if index == 2:
            hosts.append(gone(index))
        elif index == 3:
            hosts.append(host(index, heartbeats={"failed": True, "msg": "cut"}, levels=levels(naming="debug")))
        else:
            hosts.append(host(index, heartbeats={"instances": late}, leaders=[LEADER]))
    return fleet_report(hosts, "2026-01-02T03:04:05Z", "default")


LEADER = {"elect_key": "polaris.checker", "host": "10.0.0.1", "valid": True, "ctime": 1}


@functools.cache
def big_page(count: int) -> Page:
    return Page(render(big_report(count), "report.json"))


@pytest.fixture(params=[1, pytest.param(2, marks=pytest.mark.slow), 5, 25, 200], ids=lambda count: f"{count}-nodes")
def page(request: pytest.FixtureRequest) -> Page:
    return big_page(request.param)


def test_every_id_is_unique_and_every_reference_has_one(page: Page) -> None:
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    assert set(page.values("aria-labelledby")) <= set(ids)
    assert {link[1:] for link in page.values("href") if link.startswith("#")} <= set(ids)


def test_headings_are_in_order(page: Page) -> None:
    ranks = [int(tag[1]) for tag in page.tags if re.fullmatch("h[1-6]", tag)]
    assert ranks[0] == 1
    assert ranks.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in itertools.pairwise(ranks))


def test_every_table_begins_with_a_caption_and_has_heads_for_rows_and_columns(page: Page) -> None:
    assert page.tables
    for tags in page.tables:
        assert tags[0] == "caption"
        assert tags.count("th") >= 2


def test_landmarks(page: Page) -> None:
    assert [page.tags.count(tag) for tag in ("header", "nav", "main", "footer")] == [1, 1, 1, 1]
    assert page.tags.count("section") == page.tags.count("h2")


def test_every_picture_has_a_text_or_is_next_to_its_figures(page: Page) -> None:
    pictures = [tag for tag in page.tags if tag == "svg"]
    named = [value for tag, name, value in page.attributes if tag == "svg" and name in ("aria-label", "aria-hidden")]
    assert len(named) == len(pictures)
    assert all(named)


def test_nothing_is_loaded_and_only_the_script_of_the_page_runs(page: Page) -> None:
    assert page.tags.count("script") == 1
    assert not {"link", "img", "iframe", "object", "embed", "base", "form"} & set(page.tags)
    assert not {name for name in page.attribute_names if name.startswith("on") or name in ("src", "style")}
    assert all(link.startswith("#") or link == "report.json" for link in page.values("href"))


@pytest.mark.parametrize("count", [1, 5, 200])
def test_no_node_is_left_out(count: int) -> None:
    report = big_report(count)
    parsed = big_page(count)
    for section in ("connections", "memory", "nodes"):
        assert f"{section}-caption" in parsed.values("id")
    for node in report["nodes"]:
        # In the tables of connections, memory and nodes, folded or not.
        assert len(re.findall(rf"\b{node['name']}\b", parsed.text)) >= 3


def test_the_policy_allows_the_style_sheet_and_the_script_and_nothing_else() -> None:
    html = render(big_report(1))
    style = html.split("<style>")[1].split("</style>")[0]
    script = html.split("<script>")[1].split("</script>")[0]
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)]
    policy = f"default-src 'none'; style-src 'sha256-{digests[0]}'; script-src 'sha256-{digests[1]}'; base-uri 'none'; "
    assert policy in html
    assert not re.search(r"fetch\(|XMLHttpRequest|WebSocket|sendBeacon|innerHTML|eval\(|localStorage", script)
    assert "url(http" not in style
    assert "@import" not in style


def test_many_rows_are_folded_away() -> None:
    small, large = big_page(5), big_page(200)
    assert "more nodes" not in small.text
    assert "180 more nodes" in large.text
    assert "Connections of 199 nodes" in " ".join(large.values("aria-label"))


def test_bars_stay_within_their_place() -> None:
    lengths = [float(value[:-1]) for value in big_page(25).values("width", "x", "height", "y") if value.endswith("%")]
    assert lengths
    assert all(0 <= length <= 100 for length in lengths)


def test_an_empty_fleet_has_a_page() -> None:
    Page(render(fleet_report([])))


# --- format of colours and figures -----------------------------------------------------------------------------------


def luminance(colour: str) -> float:
    parts = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    brighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_contrasts_meet_aa(scheme: int) -> None:
    html = render(big_report(1))
    block = html.split(":root {")[1 + scheme].split("}")[0]
    colours = dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6})", block))
    for text in ("ink", "muted", "link", "critical", "warning", "note", "ok"):
        assert contrast(colours[text], colours["ground"]) >= 4.5, text
    for graphic in ("use", "free-line", "plain", "mean", "p0", "p1", "p2", "p3", "p4", "p5"):
        assert contrast(colours[graphic], colours["ground"]) >= 3, graphic
