# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs as AWX runs them: with ansible-runner on an execution node, unsliced and sliced.

No test has a link to this checkout on the worker's side: the collection is installed there from its archive.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.awx import config, jobs
from tests.clients import ALICE, Clients, Connection, ended, until
from tests.simulator import Fault, Fleet
from tests.support import PlaybookRun
from tools.collection_tree import ROOT, git_files

MIB = 1024 * 1024
TEMPLATES = {Path(template["playbook"]).stem: template for template in config.runbook_templates()}
WINDOW = config.by_name("controller_workflows")["Polaris debug window"]
#: The variables of all hosts in the inventory of AWX.
COMMON = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}

Start = Callable[..., jobs.Job]
Launch = Callable[..., jobs.Job]
Scenario = Generator[dict[str, Any], PlaybookRun, None]


def inventory(fleet: Fleet) -> jobs.Inventory:
    hosts = {f"node{number}": {"polaris_url": node.url} for number, node in enumerate(fleet.nodes, 1)}
    return jobs.inventory_script_data(hosts, COMMON)


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project of AWX, which is the repository of this collection."""
    folder = tmp_path_factory.mktemp("project")
    for name in git_files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    return folder


@pytest.fixture
def start(tmp_path: Path, project: Path, execution_node: jobs.ExecutionNode) -> Iterator[Start]:
    """start(fleet, template, variables): a job of this template; more options are those of tests.awx.jobs.launch."""
    started: list[jobs.Job] = []

    def start(
        fleet: Fleet,
        template: dict[str, Any],
        variables: dict[str, Any],
        *,
        hosts: jobs.Inventory | None = None,
        workflow: str = "",
        **options: Any,
    ) -> jobs.Job:
        folder = tmp_path / f"job{len(started)}"
        folder.mkdir()
        job = jobs.launch(
            folder,
            execution_node,
            project,
            template["playbook"],
            hosts or inventory(fleet),
            {**variables, **jobs.meta_variables(template["name"], workflow=workflow)},
            config.injected({"url": fleet.url, "token": fleet.tokens.owner}),
            trusted=template.get("extra_vars"),
            **options,
        )
        started.append(job)
        return job

    yield start
    for job in started:
        job.end()


@pytest.fixture
def launch(start: Start) -> Launch:
    """launch(fleet, runbook, answers): start its job template, with answers to its survey; more options as of start."""

    def launch(
        fleet: Fleet,
        runbook: str,
        answers: dict[str, Any] | None = None,
        *,
        more: dict[str, Any] | None = None,
        **options: Any,
    ) -> jobs.Job:
        template = TEMPLATES[runbook]
        variables = jobs.survey_variables(template["survey_spec"], answers or {})
        return start(fleet, template, {**variables, **(more or {})}, **options)

    return launch


# --- every runbook ---------------------------------------------------------------------------------------------------
# A scenario prepares the fleet, yields the answers to those questions of the survey that need one, gets the finished
# job, and looks at what it did.


def log_level(fleet: Fleet, clients: Clients, folder: Path) -> Scenario:
    job = yield {"levels": '{"naming": "debug"}'}
    assert [node.levels["naming"] for node in fleet.nodes] == ["debug", "debug"]
    assert "changed on 2 (node1, node2): naming info -> debug" in job.output


def conn_drain(fleet: Fleet, clients: Clients, folder: Path) -> Scenario:
    held = [one for node in fleet.nodes for one in connect(clients, fleet, node.index, ALICE, 2)]
    job = yield {"protocol": "grpc", "client_host": ALICE}
    assert ended(held)
    assert sorted(len(result["connections"]) for result in job.of("Close the connections")) == [2, 2]


def conn_rebalance(fleet: Fleet, clients: Clients, folder: Path) -> Scenario:
    held = [one for number in range(10) for one in connect(clients, fleet, 0, f"127.0.0.{21 + number}", 1)]
    job = yield {"settle_seconds": 0}
    assert sum(not each.open for each in held) == 2
    assert job.of("Summary")[0]["lines"][-1].startswith("closed 2")


def instance_clean(fleet: Fleet, clients: Clients, folder: Path) -> Scenario:
    row = fleet.store.register("payments", "default", "10.0.0.1", 8080)
    fleet.store.deregister(row.id, ago=3600)
    job = yield {
        "instances": json.dumps([{"service": "payments", "namespace": "default", "host": "10.0.0.1", "port": 8080}])
    }
    assert row.id not in fleet.store.rows
    assert "cleaned 1 of 1 at node1" in job.output


def heartbeat_audit(fleet: Fleet, clients: Clients, folder: Path) -> Scenario:
    row = fleet.store.register("payments", "default", "10.0.0.1", 8080, ttl=5)
    fleet.nodes[1].beat(row.id, fleet.nodes[1].now() - 600)
    job = yield {}
    assert "OVERDUE payments 10.0.0.1:8080: last heartbeat" in job.output


def memory_free(fleet: Fleet, clients: Clients, folder: Path) -> Scenario:
    fleet.nodes[1].heap.free = 8 * MIB
    fleet.nodes[1].heap.garbage = 0
    job = yield {}
    assert [node.heap.forced for node in fleet.nodes] == [1, 0]
    assert "Polaris memory: freed on 1 of 2 nodes" in job.output


def memory_incident(fleet: Fleet, clients: Clients, folder: Path) -> Scenario:
    fleet.nodes[0].heap.live = 1200 * MIB
    yield {"dest": str(folder / "profiles")}
    assert [node.heap.forced for node in fleet.nodes] == [1, 0]
    assert sorted(path.name.split("-20")[0] for path in (folder / "profiles").iterdir()) == [
        "node1-goroutine",
        "node1-heap",
    ]


def fleet_report(fleet: Fleet, clients: Clients, folder: Path) -> Scenario:
    yield {"dest": str(folder / "report.html")}
    report = json.loads((folder / "report.json").read_text())
    assert [node["name"] for node in report["nodes"]] == ["node1", "node2"]
    assert (folder / "report.html").exists()


SCENARIOS: dict[str, Callable[[Fleet, Clients, Path], Scenario]] = {
    scenario.__name__: scenario
    for scenario in (
        log_level,
        conn_drain,
        conn_rebalance,
        instance_clean,
        heartbeat_audit,
        memory_free,
        memory_incident,
        fleet_report,
    )
}


def connect(clients: Clients, fleet: Fleet, index: int, source: str, count: int) -> list[Connection]:
    node = fleet.nodes[index]
    made = clients.connect((node.host, node.grpc_port), source, count)
    assert until(lambda: {each.address for each in made} <= set(node.connections["grpc"]))
    return made


def writes(fleet: Fleet) -> list[int]:
    """The nodes that got a request to change something, one entry per request."""
    return [request.node for request in fleet.requests if request.method != "GET"]


def test_every_runbook_has_a_job_template_and_is_run_here() -> None:
    books = {path.stem for path in (ROOT / "playbooks").glob("*.yml")}
    assert TEMPLATES.keys() == SCENARIOS.keys() == books - {"debug_window"}


@pytest.mark.parametrize(
    "runbook",
    [pytest.param(name, marks=pytest.mark.core if name == "log_level" else pytest.mark.slow) for name in SCENARIOS],
)
def test_a_job_of_its_template_does_what_the_runbook_does(
    runbook: str, make_fleet: Callable[..., Fleet], clients: Clients, launch: Launch, tmp_path: Path
) -> None:
    fleet = make_fleet(nodes=2)
    scenario = SCENARIOS[runbook](fleet, clients, tmp_path)
    job = launch(fleet, runbook, next(scenario))
    run = job.result().ok()
    with pytest.raises(StopIteration):
        scenario.send(run)
    # AWX keeps the events, and shows them to everybody who may see the job.
    assert fleet.tokens.owner not in job.kept()


# --- the door on an execution node ------------------------------------------------------------------------------------


def test_the_execution_node_has_only_the_installed_collection(execution_node: jobs.ExecutionNode) -> None:
    """The other tests here would prove nothing if this checkout ran there."""
    command = ["ansible-galaxy", "collection", "list", "--format", "json"]
    listed = subprocess.run(command, env=execution_node.environment, check=True, capture_output=True, text=True).stdout
    (folder,) = [Path(folder) for folder, found in json.loads(listed).items() if "polarismesh.maintenance" in found]
    assert folder == execution_node.collections / "ansible_collections"
    assert not [path for path in folder.rglob("*") if path.is_symlink()]


@pytest.mark.slow
@pytest.mark.parametrize("in_process", [True, False])
def test_the_doors_on_an_execution_node(in_process: bool, make_fleet: Callable[..., Fleet], launch: Launch) -> None:
    """With nothing set, a task runs in the worker of ansible-playbook; with the variable, as a module. Same result."""
    fleet = make_fleet(nodes=2)
    more = {} if in_process else {"polaris_in_process": False}
    run = launch(fleet, "log_level", {"levels": "naming: debug"}, arguments=["-vvv"], more=more).result().ok()
    # A module is packed and copied to a temporary directory, which would be visible.
    assert ("ansiballz" in run.output.lower()) != in_process
    assert ("ansible-tmp-" in run.output) != in_process
    assert [result["previous"] for result in run.of("Set the log levels")] == [{"naming": "info"}] * 2


# --- the debug window, a workflow -------------------------------------------------------------------------------------


def window(
    fleet: Fleet, start: Start, answers: dict[str, Any], **meanwhile: Callable[[jobs.Job], None]
) -> dict[str, jobs.Job]:
    """Run the workflow as AWX does: every node always leads to the next one, whatever the outcome of its job.

    AWX gives each job the answers to the workflow's survey and the artifacts of the jobs before.

    :param meanwhile: identifier of a node -> what to do while its job runs.
    """
    templates = config.by_name("controller_templates")
    nodes = {node["identifier"]: node for node in WINDOW["simplified_workflow_nodes"]}
    artifacts: dict[str, Any] = {}
    done: dict[str, jobs.Job] = {}
    at = "look"
    while True:
        node = nodes[at]
        template = templates[node["unified_job_template"]]
        defaults = jobs.survey_variables(template["survey_spec"], {}) if "survey_spec" in template else {}
        variables = {**defaults, **artifacts, **jobs.survey_variables(WINDOW["survey_spec"], answers)}
        arguments = ["--check"] if node.get("job_type") == "check" else []
        job = done[at] = start(fleet, template, variables, workflow=WINDOW["name"], arguments=arguments)
        if at in meanwhile:
            meanwhile[at](job)
        job.wait()
        artifacts.update(job.artifacts())
        if "always_nodes" not in node:
            return done
        (at,) = node["always_nodes"]


def levels(fleet: Fleet) -> list[dict[str, str]]:
    return [dict(node.levels) for node in fleet.nodes]


@pytest.mark.slow
def test_a_debug_window_restores_what_each_node_had(make_fleet: Callable[..., Fleet], start: Start) -> None:
    fleet = make_fleet(nodes=2)
    fleet.nodes[1].levels["naming"] = "warn"
    before = levels(fleet)
    raised: list[str] = []

    def note(job: jobs.Job) -> None:
        job.wait()
        raised.extend(node.levels["naming"] for node in fleet.nodes)

    done = window(fleet, start, {"window_levels": "naming: debug", "seconds": 1}, **{"raise": note})
    assert raised == ["debug", "debug"]
    assert levels(fleet) == before
    assert Counter(writes(fleet)) == {0: 2, 1: 2}
    assert [job.result().returncode for job in done.values()] == [0] * 4
    assert "0 s left" in done["wait"].result().output
    # AWX keeps the events, and shows them to everybody who may see the job.
    assert not any(fleet.tokens.owner in job.kept() for job in done.values())


@pytest.mark.slow
@pytest.mark.core
def test_a_cancelled_wait_restores_at_once(make_fleet: Callable[..., Fleet], start: Start) -> None:
    fleet = make_fleet(nodes=2)
    before = levels(fleet)

    def cancel(job: jobs.Job) -> None:
        assert until(lambda: "The window is open for 600 s" in job.kept(), 120)
        # AWX kills the container of a cancelled job.
        job.lose()

    window(fleet, start, {"window_levels": "naming: debug", "seconds": 600}, wait=cancel)
    assert levels(fleet) == before


@pytest.mark.slow
def test_a_job_lost_while_it_raises_is_restored_too(make_fleet: Callable[..., Fleet], start: Start) -> None:
    """Its own custom stats are lost with it. Those of the previous job, which only read, are enough."""
    fleet = make_fleet(nodes=2)
    before = levels(fleet)
    fleet.nodes[1].fault("PUT", "/maintain/v1/log/outputlevel", Fault("hang"), times=1)

    def lose(job: jobs.Job) -> None:
        assert until(lambda: fleet.nodes[0].levels["naming"] == "debug", 120)
        job.lose()

    done = window(fleet, start, {"window_levels": "naming: debug", "seconds": 1}, **{"raise": lose})
    assert done["raise"].artifacts() == {}
    assert levels(fleet) == before


@pytest.mark.slow
def test_a_cancelled_workflow_is_undone_in_one_launch(make_fleet: Callable[..., Fleet], start: Start) -> None:
    fleet = make_fleet(nodes=2)
    before = levels(fleet)
    templates = config.by_name("controller_templates")
    raised = start(fleet, templates["Polaris debug window: raise"], {"window_levels": "naming: debug"})
    raised.wait()
    assert [node.levels["naming"] for node in fleet.nodes] == ["debug", "debug"]
    # As AWX shows it in the details of the job.
    pasted = json.dumps(raised.artifacts()["polaris"], indent=2)
    restore = templates["Polaris debug window: restore"]
    start(fleet, restore, jobs.survey_variables(restore["survey_spec"], {"window_undo": pasted})).result().ok()
    assert levels(fleet) == before


@pytest.mark.slow
def test_invalid_levels_open_no_window(make_fleet: Callable[..., Fleet], start: Start) -> None:
    fleet = make_fleet(nodes=2)
    done = window(fleet, start, {"window_levels": "naming: loud", "seconds": 600})
    assert writes(fleet) == []
    assert done["raise"].result().returncode != 0
    assert "there is nothing to wait for" in done["wait"].result().output


# --- slices -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_parallel_slices_do_the_same_as_one_job(make_fleet: Callable[..., Fleet], launch: Launch) -> None:
    fleet = make_fleet(nodes=9)
    hosts = inventory(fleet)
    answers = {"levels": '{"naming": "debug"}'}
    name = TEMPLATES["log_level"]["name"]
    started = [launch(fleet, "log_level", answers, hosts=part, workflow=name) for part in jobs.sliced(hosts, 3)]
    slices = [job.result().ok() for job in started]
    assert [node.levels["naming"] for node in fleet.nodes] == ["debug"] * 9
    assert Counter(writes(fleet)) == dict.fromkeys(range(9), 1)

    fleet.clear_requests()
    for node in fleet.nodes:
        node.levels["naming"] = "info"
    whole = launch(fleet, "log_level", answers).result().ok()
    assert Counter(writes(fleet)) == dict.fromkeys(range(9), 1)

    def results(run: PlaybookRun) -> list[tuple[str, dict[str, Any]]]:
        return [(entry.host, entry.result) for entry in run.results if entry.task == "Set the log levels"]

    by_host = sorted((found for run in slices for found in results(run)), key=lambda found: found[0])
    assert by_host == sorted(results(whole), key=lambda found: found[0])
    assert [len(results(run)) for run in slices] == [3, 3, 3]


@pytest.mark.slow
def test_runbooks_that_need_the_whole_fleet_refuse_slices(
    make_fleet: Callable[..., Fleet], launch: Launch, tmp_path: Path
) -> None:
    fleet = make_fleet(nodes=3)
    part = jobs.sliced(inventory(fleet), 3)[0]
    reasons = {
        "conn_rebalance": ({}, "an average over part of the cluster is misleading"),
        "fleet_report": ({"dest": str(tmp_path / "report.html")}, "the report compares all nodes with each other"),
        "heartbeat_audit": ({}, "heartbeats that only the nodes of other slices have received would be missing"),
        "instance_clean": ({"instances": '[{"id": "abc"}]'}, "every slice would clean the same store"),
    }
    started = {
        runbook: launch(fleet, runbook, answers, hosts=part, workflow=TEMPLATES[runbook]["name"])
        for runbook, (answers, _reason) in reasons.items()
    }
    for runbook, job in started.items():
        run = job.result()
        assert run.returncode == 2, run.output
        msg = run.one("Check the variables")["msg"]
        assert msg.startswith(f"This is one slice of a sliced job, and {reasons[runbook][1]}"), msg
        assert "set the job slicing of the job template to 1" in msg
    assert fleet.requests == []
