# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runbook memory_incident: profiles of the large nodes first, then their memory."""

from __future__ import annotations

import gzip
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.simulator import Fault, Fleet
from tests.support import PlaybookRun, inventory_of, owners_inventory, refused_variables

NAME = "polarismesh.maintenance.memory_incident"
MIB = 1024 * 1024
Playbook = Callable[..., PlaybookRun]


@pytest.fixture
def surged(make_fleet: Callable[..., Fleet]) -> Fleet:
    """Four nodes; the first and the third use more than 1G."""
    fleet = make_fleet(nodes=4, profile=["v1.18.1", "v1.18.1", "head", "v1.12.2"])
    for node, live, free in zip(fleet.nodes, (900, 100, 1200, 100), (600, 200, 10, 900), strict=True):
        node.heap.live, node.heap.free, node.heap.garbage, node.heap.released = live * MIB, free * MIB, 0, 0
    return fleet


def names(folder: Path) -> list[str]:
    return sorted(re.sub(r"\d{8}T\d{6}Z", "TIME", path.name) for path in folder.iterdir())


def freed(fleet: Fleet) -> list[int]:
    return [node.heap.forced for node in fleet.nodes]


@pytest.fixture
def scratch() -> Iterator[Path]:
    """Where the runbook creates directories for its profiles (TMPDIR). Ansible's sockets there need a short path."""
    with tempfile.TemporaryDirectory(prefix="pm-") as folder:
        yield Path(folder)


def leftovers(scratch: Path) -> list[Path]:
    return list(scratch.glob("polaris*"))


@pytest.mark.parametrize(
    "in_process", [pytest.param(True, marks=pytest.mark.core), pytest.param(False, marks=pytest.mark.slow)]
)
def test_large_nodes_are_profiled_and_freed_and_small_ones_left(
    in_process: bool, surged: Fleet, playbook: Playbook, tmp_path: Path, scratch: Path
) -> None:
    folder = tmp_path / "incident" / "profiles"
    hosts = owners_inventory(surged, polaris_in_process=in_process)
    run = playbook(NAME, hosts, extra_vars={"dest": str(folder)}, env={"TMPDIR": str(scratch)}).ok()
    assert names(folder) == [
        "node1-goroutine-TIME.pb.gz",
        "node1-heap-TIME.pb.gz",
        "node3-goroutine-TIME.pb.gz",
        "node3-heap-TIME.pb.gz",
    ]
    assert len({path.name.rpartition("-")[2] for path in folder.iterdir()}) == 1
    for path in folder.iterdir():
        assert gzip.decompress(path.read_bytes())
        assert path.name in run.output
        assert path.stat().st_mode & 0o777 == 0o600
    assert freed(surged) == [1, 0, 1, 0]
    # A profile shows the state before.
    for node in (surged.nodes[0], surged.nodes[2]):
        order = [request.path for request in node.requests]
        assert order.index("/maintain/v1/memory/free") > order.index("/debug/pprof/goroutine")
    assert "Polaris memory incident: 2 of 4 nodes with a heap of 1G or more, 626 MiB returned" in run.output
    # This includes the memory that the profiles added.
    assert "freed on node1: 608 MiB returned, heap 1.5 GiB -> 906 MiB" in run.output
    assert "freed on node3: 17.9 MiB returned" in run.output
    assert "left alone, smaller: node2 306 MiB, node4 1006 MiB" in run.output
    assert f"profiles are in {folder} (go tool pprof -top FILE)" in run.output
    assert not leftovers(scratch)


def test_the_operator_sets_the_size_and_a_relative_folder_is_where_it_was_typed(
    surged: Fleet, playbook: Playbook, tmp_path: Path
) -> None:
    playbook(NAME, owners_inventory(surged), extra_vars={"dest": "here", "min_size": "1.4G"}).ok()
    assert names(tmp_path / "here") == ["node1-goroutine-TIME.pb.gz", "node1-heap-TIME.pb.gz"]
    assert freed(surged) == [1, 0, 0, 0]


def test_only_the_node_named_by_an_alert(surged: Fleet, playbook: Playbook, tmp_path: Path) -> None:
    playbook(NAME, owners_inventory(surged), extra_vars={"dest": str(tmp_path / "x"), "target": "node3"}).ok()
    assert freed(surged) == [0, 0, 1, 0]


def test_check_mode_says_it_and_does_nothing(surged: Fleet, playbook: Playbook, tmp_path: Path, scratch: Path) -> None:
    folder = tmp_path / "incident"
    run = playbook(
        NAME,
        owners_inventory(surged),
        extra_vars={"dest": str(folder)},
        args=["--check", "--diff"],
        env={"TMPDIR": str(scratch)},
    ).ok()
    assert not folder.exists()
    assert not leftovers(scratch)
    assert {request.method for request in surged.requests} == {"GET"}
    assert "(check mode: nothing was saved or freed): 2 of 4 nodes with a heap of 1G or more" in run.output
    assert "would free on node1: 600 MiB would be returned, heap 1.5 GiB -> 906 MiB" in run.output
    assert re.search(r"node3-heap-\d{8}T\d{6}Z.pb.gz", run.output)


def test_memory_is_not_freed_where_the_evidence_could_not_be_saved(
    surged: Fleet, playbook: Playbook, tmp_path: Path, scratch: Path
) -> None:
    surged.nodes[0].set("pprof", False)
    hosts = owners_inventory(surged)
    hosts["polaris_servers"]["hosts"]["gone"] = {"polaris_url": "http://127.0.0.1:1"}
    run = playbook(NAME, hosts, extra_vars={"dest": str(tmp_path / "x")}, env={"TMPDIR": str(scratch)})
    assert run.returncode == 2
    assert freed(surged) == [0, 0, 1, 0]
    assert "FAILED on node1: profiles not saved, nothing was freed: " in run.output
    assert "has profiles switched off. Set enablePprof to true" in run.output
    assert "FAILED on gone: nothing listens" in run.output
    assert not leftovers(scratch)
    assert names(tmp_path / "x") == ["node3-goroutine-TIME.pb.gz", "node3-heap-TIME.pb.gz"]


def test_if_one_of_two_profiles_fails_memory_is_not_freed(surged: Fleet, playbook: Playbook, tmp_path: Path) -> None:
    surged.nodes[0].fault("GET", "/debug/pprof/goroutine", Fault("status", status=500, body="boom"))
    run = playbook(NAME, owners_inventory(surged), extra_vars={"dest": str(tmp_path / "x")})
    assert run.returncode == 2
    (heap,) = (path.name for path in (tmp_path / "x").iterdir() if path.name.startswith("node1"))
    assert f"FAILED on node1: only {heap} is saved, nothing was freed: " in run.output
    assert run.one("Save the profiles where the heap is large", "node1")["changed"]
    assert freed(surged) == [0, 0, 1, 0]


def test_an_unknown_outcome_is_named_and_its_profiles_are_there(
    surged: Fleet, playbook: Playbook, tmp_path: Path
) -> None:
    surged.nodes[0].fault("POST", "*", Fault("drop"))
    run = playbook(NAME, owners_inventory(surged), extra_vars={"dest": str(tmp_path / "x")})
    assert run.returncode == 2
    assert "OUTCOME UNKNOWN on node1: profiles saved: " in run.output
    assert "freed on node3" in run.output
    assert len(names(tmp_path / "x")) == 4


def test_nodes_without_figures_are_left_alone(
    make_fleet: Callable[..., Fleet], playbook: Playbook, tmp_path: Path
) -> None:
    fleet = make_fleet(metrics="none", pprof=False)
    run = playbook(NAME, owners_inventory(fleet), extra_vars={"dest": str(tmp_path / "x")}).ok()
    assert "left alone, they show no memory figures: node1" in run.output
    assert freed(fleet) == [0]
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "Give the variable dest: a folder for the profiles"),
        ({"dest": ""}, "Give the variable dest: "),
        ({"dest": "x", "min_size": "large"}, "The variable min_size must be a size"),
    ],
)
def test_bad_variables_are_refused_by_name(variables: dict[str, Any], expected: str) -> None:
    assert refused_variables("memory_incident", variables).startswith(expected)


def test_bad_variables_are_one_sentence_and_no_request(surged: Fleet, playbook: Playbook) -> None:
    run = playbook(NAME, owners_inventory(surged), extra_vars={})
    assert run.returncode == 2
    assert "Give the variable dest: a folder for the profiles" in run.output
    assert not surged.requests


def test_a_node_whose_log_levels_fail_is_still_profiled(surged: Fleet, playbook: Playbook, tmp_path: Path) -> None:
    """One endpoint says nothing about the whole node."""
    surged.nodes[0].fault("GET", "/maintain/v1/log/outputlevel", Fault("status", status=500, body="boom"))
    run = playbook(NAME, owners_inventory(surged), extra_vars={"dest": str(tmp_path / "x")})
    assert "2 of 4 nodes with a heap of 1G or more" in run.output
    assert "node1-heap-" in "".join(path.name for path in (tmp_path / "x").iterdir())
    assert freed(surged) == [1, 0, 1, 0]


def test_the_published_password_in_the_name_of_a_node(
    surged: Fleet, playbook: Playbook, tmp_path: Path, scratch: Path
) -> None:
    """A censored part of a result, here a part of a path, is not lost."""
    hosts = inventory_of(surged, polaris_username="polaris", polaris_password="polaris")
    nodes = hosts["polaris_servers"]["hosts"]
    hosts["polaris_servers"]["hosts"] = {"polaris-0": nodes["node1"]}
    playbook(NAME, hosts, extra_vars={"dest": str(tmp_path / "profiles")}, env={"TMPDIR": str(scratch)}).ok()
    assert names(tmp_path / "profiles") == ["polaris-0-goroutine-TIME.pb.gz", "polaris-0-heap-TIME.pb.gz"]
    assert freed(surged) == [1, 0, 0, 0]
