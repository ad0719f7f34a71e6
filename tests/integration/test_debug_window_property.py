# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A debug window always ends: random fleets, faults at every request, signals at every moment.

In the end, each node has its old levels, or the output names the node and its old levels. Each case is a real
ansible-playbook, so the usual run has only a few; `make test-window CASES=200` runs 200.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies as st

from tests.clients import until
from tests.simulator import Fault, Fleet
from tests.support import in_background, inventory_of, processes_in

NAME = "polarismesh.maintenance.debug_window"
PATH = "/maintain/v1/log/outputlevel"
LEVELS = ("debug", "info", "warn", "error", "fatal", "none")
SCOPES = ("naming", "auth", "store", "config")
#: A server that takes longer counts as silent.
TIMEOUT = 1


@dataclass(frozen=True)
class Trouble:
    """A fault of one node, from one of its requests on."""

    node: int
    method: str
    fault: Fault
    skip: int
    times: int | None


@dataclass(frozen=True)
class Blow:
    """Signals to the play after a number of requests to the fleet, and a moment later."""

    requests: int
    later: float
    number: int
    whole_group: bool
    repeated: int


@dataclass(frozen=True)
class Case:
    old: list[dict[str, str]]
    wanted: dict[str, str]
    retries: int
    troubles: list[Trouble] = field(default_factory=list)
    blow: Blow | None = None


faults = st.one_of(
    st.sampled_from([Fault("status", status=500, body="disk full"), Fault("status", status=503)]),
    st.sampled_from([Fault("cut"), Fault("drop"), Fault("garbage"), Fault("truncate")]),
    st.sampled_from([Fault("hang", seconds=3), *(Fault("delay", seconds=seconds) for seconds in (0.5, 2.5, 20))]),
)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    count = draw(st.integers(1, 3))
    some_levels = st.dictionaries(st.sampled_from(SCOPES), st.sampled_from(LEVELS))
    troubles = st.builds(
        Trouble,
        node=st.integers(0, count - 1),
        method=st.sampled_from(["GET", "PUT", "*"]),
        fault=faults,
        skip=st.integers(0, 12),
        times=st.sampled_from([1, 1, 2, 3, None]),
    )
    blows = st.builds(
        Blow,
        requests=st.integers(0, 14 * count),
        later=st.sampled_from([0.0, 0.01, 0.05, 0.2, 1.0]),
        number=st.sampled_from([signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL]),
        whole_group=st.booleans(),
        repeated=st.sampled_from([1, 2, 10]),
    )
    wanted = draw(st.dictionaries(st.sampled_from([*SCOPES, "*"]), st.sampled_from(LEVELS), min_size=1, max_size=3))
    return Case(
        old=[draw(some_levels) for _node in range(count)],
        wanted=wanted,
        retries=draw(st.integers(0, 1)),
        troubles=draw(st.lists(troubles, max_size=3)),
        blow=draw(st.none() | blows),
    )


def strike(process: subprocess.Popen[bytes], fleet: Fleet, blow: Blow) -> None:
    until(lambda: len(fleet.requests) >= blow.requests or process.poll() is not None, 60)
    time.sleep(blow.later)
    for _time in range(blow.repeated):
        with contextlib.suppress(ProcessLookupError):
            if blow.whole_group:
                os.killpg(process.pid, blow.number)
            elif process.poll() is None:
                process.send_signal(blow.number)
        time.sleep(0.05)


def run(case: Case, folder: Path) -> None:
    with Fleet(nodes=len(case.old), profile=["v1.18.1", "v1.17.1", "v1.8.0"]) as fleet:
        for node, old in zip(fleet.nodes, case.old, strict=True):
            node.levels.update({scope: level for scope, level in old.items() if scope in node.levels})
        before = [dict(node.levels) for node in fleet.nodes]
        for trouble in case.troubles:
            fleet.nodes[trouble.node].fault(trouble.method, PATH, trouble.fault, times=trouble.times, skip=trouble.skip)
        options = {"polaris_token": fleet.tokens.owner, "polaris_timeout": TIMEOUT, "polaris_retries": case.retries}
        variables = {"levels": case.wanted, "seconds": 1, "ignore_unknown_scopes": True}
        output = folder / "output"
        with in_background(folder, NAME, inventory_of(fleet, **options), variables, own_session=True) as process:
            try:
                if case.blow is not None:
                    strike(process, fleet, case.blow)
                code = process.wait(150)
                assert until(lambda: processes_in(folder) == [], 150), "a process is left"
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        # By now, the servers have finished what they were still working on.
        time.sleep(max((trouble.fault.seconds for trouble in case.troubles), default=0))
        said = output.read_text(errors="replace")
        hypothesis.event(f"exit code {code}")
        for number, (node, old) in enumerate(zip(fleet.nodes, before, strict=True), 1):
            other = {scope: level for scope, level in old.items() if node.levels[scope] != level}
            if other:
                hypothesis.event("a node stays raised, and is named")
            lines = [line for line in said.splitlines() if f" on node{number}" in line]
            for scope, level in other.items():
                named = any(f'"{scope}": "{level}"' in line for line in lines)
                assert named, f"node{number} has {node.levels[scope]} for {scope}, not {level}:\n{case}\n{said}"
        assert "Traceback" not in said or case.blow is not None, said


CASES = int(os.environ.get("POLARIS_WINDOW_CASES", "3"))


@pytest.mark.slow
@pytest.mark.timeout(0)
@hypothesis.settings(max_examples=CASES, phases=[hypothesis.Phase.generate], report_multiple_bugs=False)
@hypothesis.given(case=cases())
def test_every_node_has_what_it_had_or_is_named(case: Case) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run(case, Path(folder).resolve())
