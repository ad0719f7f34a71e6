# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module door over SSH: a node whose port 8090 only listens on its own 127.0.0.1, through a real sshd."""

from __future__ import annotations

import gzip
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients import until
from tests.integration.doors import CLIENTS, SECRETS, SUBJECTS, calls_with_secrets, without
from tests.integration.ssh_node import LOGIN, SECONDS, Machine, Server, listens, machine, missing, server
from tests.simulator import Fleet
from tests.support import PlaybookRun, in_background, run_playbook

pytestmark = pytest.mark.skipif(missing() != "", reason=missing())

LOG_LEVEL = "polarismesh.maintenance.polaris_log_level"
CLOSE = "polarismesh.maintenance.polaris_conn_close"
CLIENT = Path(__file__).parents[1] / "clients.py"
MIB = 1024 * 1024
Playbook = Callable[..., PlaybookRun]


@pytest.fixture(scope="module")
def node() -> Iterator[Machine]:
    with machine() as made:
        yield made


@pytest.fixture
def polaris(node: Machine) -> Iterator[Server]:
    with server(node) as started:
        yield started


def inventory(polaris: Server, user: str = "root", **variables: Any) -> dict[str, Any]:
    node = {**polaris.machine.variables(user), "polaris_url": polaris.url, **variables}
    return {"polaris_servers": {"hosts": {"node": node}}}


def local(polaris: Server) -> dict[str, Any]:
    """The same node for an ansible-playbook that runs on it, with tasks inside its own worker."""
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "polaris_url": polaris.url,
    }
    return {"polaris_servers": {"hosts": {"node": variables}}}


def play(polaris: Server, *tasks: dict[str, Any]) -> list[dict[str, Any]]:
    defaults = {"group/polarismesh.maintenance.polaris": {"url": "{{ polaris_url }}", "token": polaris.token}}
    return [{"hosts": "all", "gather_facts": False, "module_defaults": defaults, "tasks": list(tasks)}]


def test_the_levels_of_a_node_that_only_ssh_reaches(polaris: Server, playbook: Playbook) -> None:
    """With the token from the controller's environment, as a credential of AWX sets it."""
    if polaris.machine.isolated:
        assert not listens(polaris.machine.address, polaris.port)

    def run(*args: str) -> PlaybookRun:
        return playbook(
            "polarismesh.maintenance.log_level",
            inventory(polaris),
            extra_vars={"levels": {"naming": "debug"}},
            args=args,
            env={"POLARIS_TOKEN": polaris.token},
        ).ok()

    dry = run("--check", "--diff")
    assert '+    "naming": "debug"' in dry.output
    assert polaris.levels["naming"] == "info"
    assert not polaris.writes()
    wet = run("--diff", "-vvvv")
    assert polaris.levels["naming"] == "debug"
    assert wet.one("Set the log levels") == dry.one("Set the log levels")
    assert "ESTABLISH SSH CONNECTION" in wet.output
    assert polaris.token not in wet.output
    assert "unchanged on 1 (node)" in run().output
    assert len(polaris.writes()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("become", [False, True])
def test_profiles_of_a_node_come_to_the_controller(
    become: bool, polaris: Server, playbook: Playbook, tmp_path: Path
) -> None:
    """As root, and with sudo from an account that has no rights."""
    if become and not (polaris.machine.isolated and shutil.which("sudo")):
        pytest.skip("needs sudo, and a network namespace, where a node has its own accounts")
    polaris.control("PUT", "heap", {"live": 900 * MIB, "free": 600 * MIB, "garbage": 0, "released": 0})
    folder = tmp_path / "incident"
    playbook(
        "polarismesh.maintenance.memory_incident",
        inventory(polaris, LOGIN if become else "root", polaris_token=polaris.token, ansible_become=become),
        extra_vars={"dest": str(folder)},
    ).ok()
    profiles = sorted(folder.iterdir())
    assert [path.name.split("-")[:2] for path in profiles] == [["node", "goroutine"], ["node", "heap"]]
    for path in profiles:
        assert gzip.decompress(path.read_bytes())
    assert polaris.control("GET", "state")["heap"]["forced"] == 1
    assert {path.stat().st_mode & 0o777 for path in profiles} == {0o600}
    assert list(polaris.machine.temporary.glob("*polaris*")) == []
    if become:
        assert f"Accepted publickey for {LOGIN} " in polaris.machine.log("sshd")


def prepare(polaris: Server) -> None:
    """The same as doors.registered, from outside the server's process."""
    payment = {"service": "payments", "namespace": "default", "port": 8080}
    live = [{**payment, "host": "10.0.0.1"}, {**payment, "host": "10.0.0.2", "id": "own-live"}]
    deleted = [{**payment, "host": f"10.0.1.{number}", "deleted_ago": 3600} for number in range(150)]
    polaris.control("POST", "instances", live + deleted)


def connect(polaris: Server, protocol: str, *sources: tuple[str, int]) -> Any:
    """Clients with these addresses on the node, in a process that ends when the server has closed them all."""
    port = polaris.grpc_port if protocol == "grpc" else polaris.port
    addresses = [f"{host}:{number}" for host, number in sources]
    return polaris.machine.process("clients", sys.executable, str(CLIENT), f"127.0.0.1:{port}", *addresses)


def connected(polaris: Server, protocol: str, *sources: tuple[str, int]) -> bool:
    """Wait until the server has all these connections."""
    wanted = {f"{host}:{number}" for host, number in sources}
    return until(lambda: wanted <= set(polaris.control("GET", "state")["connections"][protocol]), SECONDS)


#: Module -> the cases that are run here, if not only the first successful one.
CASES = {
    "polaris_conn_close": ("fail: too many", "one"),
    "polaris_log_level": ("change", "login", "fail: unknown scope", "fail: wrong token"),
    "polaris_instance_clean": ("many", "fail: live"),
}


@pytest.mark.slow
def test_same_results_as_through_the_other_door(node: Machine, tmp_path: Path) -> None:
    tasks: list[dict[str, Any]] = []
    volatile: dict[str, frozenset[str]] = {}
    # A profile first: the case of polaris_pprof switches them off.
    for module, subject in sorted(SUBJECTS.items(), key=lambda item: item[0] != "polaris_profile"):
        for case in CASES.get(module) or [next(name for name in subject.cases if not name.startswith("fail"))]:
            options = {"retries": 0, **subject.cases[case]}
            if module == "polaris_profile":
                options["dest"] = str(node.folder / "heap.pb.gz")
            # A login instead of the token of the defaults; an empty token is none.
            options = {key: "" if value is None else value for key, value in options.items()}
            name = f"{module}: {case}"
            volatile[name] = subject.volatile
            tasks.append({"name": name, f"polarismesh.maintenance.{module}": options, "ignore_errors": True})

    runs, writes, port = [], [], 0
    for door in ("ssh", "in-process"):
        with server(node, port, profile="head", store="mysql") as polaris, connect(polaris, "grpc", *CLIENTS):
            # The same address again, so that only the door differs.
            port = polaris.port
            prepare(polaris)
            assert connected(polaris, "grpc", *CLIENTS)
            over_ssh = door == "ssh"
            run = run_playbook(
                tmp_path / door,
                play(polaris, *tasks),
                inventory(polaris, ansible_pipelining=True) if over_ssh else local(polaris),
                args=["-vvv", "--diff"],
                inside=() if over_ssh else node.inside,
            ).ok()
            # The test proves nothing if both went through the same door.
            assert ("SSH: EXEC" in run.output) == over_ssh, run.output
            runs.append(run)
            writes.append(polaris.writes())
    for name in volatile:
        by_ssh, in_process = (without(run.one(name), volatile[name]) for run in runs)
        assert by_ssh == in_process, name
        assert bool(by_ssh.get("failed")) == (": fail: " in name), by_ssh
    assert writes[0] == writes[1]


@pytest.mark.slow
def test_nodes_with_the_same_url_are_rebalanced(polaris: Server, playbook: Playbook) -> None:
    """Each of them calls itself 127.0.0.1."""
    if not polaris.machine.isolated:
        pytest.skip("needs network namespaces, each with its own 127.0.0.1")
    with machine() as another, server(another) as empty, connect(polaris, "grpc", *CLIENTS):
        assert connected(polaris, "grpc", *CLIENTS)
        assert polaris.url == empty.url
        hosts = inventory(polaris, polaris_token=polaris.token, ansible_pipelining=True)
        hosts["polaris_servers"]["hosts"]["empty"] = {
            **hosts["polaris_servers"]["hosts"]["node"],
            **another.variables(),
            "polaris_token": empty.token,
        }
        run = playbook(
            "polarismesh.maintenance.conn_rebalance", hosts, extra_vars={"settle_seconds": 0, "max_share": 0.4}
        ).ok()
        # The average is 2.5, and 0.4 of 5 may be closed.
        assert run.one("Close the connections", "node")["count"] == 2
        assert len(polaris.control("GET", "state")["connections"]["grpc"]) == 3


@pytest.mark.slow
def test_no_secret_is_shown_at_any_verbosity(polaris: Server, playbook: Playbook) -> None:
    tasks = calls_with_secrets(polaris.url, polaris.token)
    run = playbook(
        [{"hosts": "all", "gather_facts": False, "tasks": tasks}],
        inventory(polaris, ansible_pipelining=True),
        args=["-vvvv", "--diff"],
        env={"ANSIBLE_INJECT_INVOCATION": "true"},
    ).ok()
    for secret in (*SECRETS, polaris.token):
        assert secret not in run.output
    assert len(run.results) == len(tasks)
    assert polaris.levels["naming"] == "info"  # the login came after the token


@pytest.mark.slow
def test_a_close_on_the_node_spares_the_connection_of_its_own_task(polaris: Server, tmp_path: Path) -> None:
    """It comes from the same 127.0.0.1 as all connections to close."""
    sources = (("127.0.0.1", 9201), ("127.0.0.1", 9202))
    task = {"name": "Close", CLOSE: {"protocol": "http", "host": "127.0.0.1"}}
    reached: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
        "ssh": (inventory(polaris), ()),
        "in-process": (local(polaris), polaris.machine.inside),
    }
    results = []
    for door, (hosts, inside) in reached.items():
        with connect(polaris, "http", *sources) as clients:
            assert connected(polaris, "http", *sources)
            run = run_playbook(tmp_path / door, play(polaris, task), hosts, inside=inside).ok()
            # They have noticed that they were closed, which only the server does.
            assert clients.wait(SECONDS) == 0
        results.append(run.one("Close"))
    for result in results:
        assert [(each["host"], each["port"]) for each in result["connections"]] == list(sources)
        assert [each["reason"] for each in result["not_closed"]] == ["own_connection"]
        assert result["remaining"] == []
    assert results[0].keys() == results[1].keys()


def test_asynchronous_and_without_requests(polaris: Server, playbook: Playbook, tmp_path: Path) -> None:
    """On a node without the library, the failure is Ansible's own message for that."""
    bare = polaris.machine.folder / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    options = {LOG_LEVEL: {"scope": "naming", "level": "warn"}}
    run = playbook(
        play(
            polaris,
            {"name": "Later", **options, "async": 30, "poll": 1},
            {
                "name": "Bare",
                **options,
                "vars": {"ansible_python_interpreter": str(bare / "bin" / "python")},
                "ignore_errors": True,
            },
        ),
        inventory(polaris),
    ).ok()
    later = run.one("Later")
    assert later["finished"]
    assert later["changed_scopes"] == ["naming"]
    assert polaris.levels["naming"] == "warn"
    assert run.one("Bare")["msg"].startswith("Failed to import the required Python library (requests) on ")


@pytest.mark.slow
def test_a_killed_window_leaves_the_controllers_own_127_0_0_1_alone(
    node: Machine, make_fleet: Callable[..., Fleet], tmp_path: Path
) -> None:
    """The emergency restore runs on the controller, where the node's URL belongs to another server."""
    if not node.isolated:
        pytest.skip("needs a network namespace, with its own 127.0.0.1")
    near, other = make_fleet(), make_fleet(address="127.0.0.1")
    with server(node, other.nodes[0].port) as polaris:
        assert polaris.url == other.url
        hosts = inventory(polaris, polaris_token=polaris.token)
        hosts["polaris_servers"]["hosts"]["near"] = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "polaris_url": near.url,
            "polaris_token": near.tokens.owner,
        }
        variables = {"levels": {"naming": "debug"}, "seconds": 600}
        output = tmp_path / "output"
        with in_background(tmp_path, "polarismesh.maintenance.debug_window", hosts, variables) as process:
            assert until(lambda: "The window is open" in output.read_text(), SECONDS), output.read_text()
            assert [polaris.levels["naming"], near.nodes[0].levels["naming"]] == ["debug", "debug"]
            process.send_signal(signal.SIGTERM)
            process.wait(SECONDS)
            assert until(lambda: near.nodes[0].levels["naming"] == "info", SECONDS)
        assert other.requests == []
        assert "On node, a job there restores the log levels at the end of the window" in output.read_text()
