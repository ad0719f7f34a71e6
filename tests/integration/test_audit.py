# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How AAP counts indirect nodes: it applies extensions/audit/event_query.yml to the results of real runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jq  # type: ignore[import-not-found]  # compiled, without annotations
import pytest
import yaml

from tests.integration.doors import SUBJECTS, connected, registered
from tests.simulator import Fleet
from tests.support import PlaybookRun

COLLECTION = "polarismesh.maintenance"
QUERIES = yaml.safe_load((Path(__file__).parents[2] / "extensions" / "audit" / "event_query.yml").read_text())
Result = dict[str, Any]
Node = dict[str, Any]


def counted(result: Any, module: str = "polaris_log_level") -> list[Node]:
    """The nodes of one result of a task with this module."""
    query = QUERIES.get(f"{COLLECTION}.{module}") or QUERIES[f"{COLLECTION}.*"]
    return list(jq.compile(query["query"]).input_value(result).all())


def as_controller_reads_it(result: Result) -> Result:
    """Callbacks of ansible-core get results without this key."""
    return {key: value for key, value in result.items() if key != "failed"}


def first_success(module: str) -> Result:
    return next(options for name, options in SUBJECTS[module].cases.items() if not name.startswith("fail"))


@pytest.mark.slow
def test_every_module_counts_its_node_and_each_node_counts_once(
    make_fleet: Callable[..., Fleet], playbook: Callable[..., PlaybookRun]
) -> None:
    fleet = make_fleet(nodes=2, profile="head")
    defaults = {"token": fleet.tokens.owner, "retries": 0}
    bad: dict[str, Result] = {"unreachable": {"url": "http://127.0.0.1:1"}, "refused": {"no_such_option": 1}}
    tasks = [
        {
            "name": f"{kind} {module} {node.host}",
            f"{COLLECTION}.{module}": {**defaults, "url": node.url + end, **options},
            "ignore_errors": True,
        }
        # Profiles are switched off by the first case of polaris_pprof, so it comes last.
        for module in sorted(SUBJECTS, key=lambda module: module == "polaris_pprof")
        for node, end in zip(fleet.nodes, ("", "/"), strict=True)
        for kind, options in {"good": first_success(module), **bad}.items()
    ]
    variables = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    with connected(fleet), registered(fleet):
        run = playbook(
            [{"hosts": "all", "gather_facts": False, "tasks": tasks}],
            {"all": {"hosts": {"somewhere": variables}}},
        ).ok()
    found = {}
    for entry in run.results:
        kind, module, host = entry.task.split()
        nodes = counted(as_controller_reads_it(entry.result), module)
        if kind == "good":
            assert entry.status == "ok", entry
            assert [node["canonical_facts"]["host_name"] for node in nodes] == [host], entry
            found[str(nodes[0])] = nodes[0]
        else:
            assert nodes == [], entry
    assert len(run.results) == len(tasks)
    assert list(found.values()) == [
        {
            "name": f"{node.host}:{node.port}",
            "canonical_facts": {"host_name": node.host, "port": node.port},
            "facts": {"device_type": "polaris_server"},
        }
        for node in fleet.nodes
    ]


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://10.0.0.1:8090", "10.0.0.1:8090"),
        ("HTTP://Polaris.Example:8090/some/path", "polaris.example:8090"),
        ("http://polaris.example", "polaris.example:80"),
        ("https://polaris.example/", "polaris.example:443"),
        ("https://[2001:db8::1]:8443", "[2001:db8::1]:8443"),
        ("http://[2001:DB8::1]", "[2001:db8::1]:80"),
    ],
)
def test_a_url_is_a_node(url: str, name: str) -> None:
    (node,) = counted({"changed": False, "url": url})
    assert node["name"] == name
    host, _colon, port = name.rpartition(":")
    assert node["canonical_facts"] == {"host_name": host.strip("[]"), "port": int(port)}


@pytest.mark.parametrize(
    "result",
    [
        {"censored": "the output has been hidden due to the fact that 'no_log: true' was specified for this result"},
        {"changed": False, "skipped": True, "skip_reason": "Conditional result was False"},
        {"changed": True, "results": [{"changed": True, "url": "http://10.0.0.1:8090"}], "msg": "All items completed"},
        {"changed": False, "url": None},
        {"changed": False, "url": ["http://10.0.0.1:8090"]},
        {"changed": False, "url": "no url"},
        {"changed": False, "url": "http://10.0.0.1:8090", "error": {"kind": "timeout"}, "msg": "..."},
        {"changed": False, "url": "http://10.0.0.1:8090", "failed": True},
        ["http://10.0.0.1:8090"],
        None,
    ],
)
def test_results_without_a_node_are_ignored(result: Any) -> None:
    assert counted(result) == []
