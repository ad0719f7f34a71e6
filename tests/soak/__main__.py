# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make soak`: one ansible-playbook runs runbooks for a long time on a large fleet, part of which is always faulty.

Between two runbooks, the controller waits, other nodes become faulty, and the claims of the summary are compared with
the simulator's state. The memory, file handles and threads of the controller are measured each time. At the end they
must not have grown.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmark.__main__ import environment_of
from tests.clients import ALICE, Clients, Connection, until
from tests.simulator import Fault, Fleet, Node
from tests.support import CALLBACKS, Play, TaskResult, run_playbook

LEVELS = ("debug", "info", "warn")
#: The time limit of a request, in seconds. A node that hangs takes this long.
TIMEOUT = 5
#: Rounds that do not count, because Ansible still loads plugins and Python allocates memory.
WARM_UP = 6
#: The share by which the controller may grow, because Ansible's own caches grow a little.
GROWTH = 0.15
#: More rounds than there is time for.
ROUNDS_PER_MINUTE = 12


@dataclass
class Figures:
    """The controller at one moment: MB of resident memory, open files, threads, child processes."""

    memory: float
    files: int
    threads: int
    children: int

    @classmethod
    def of(cls, pid: int) -> Figures:
        process = Path(f"/proc/{pid}")
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines() if ":" in line)
        children = (process / "task" / str(pid) / "children").read_text().split()
        return cls(
            int(status["VmRSS"].split()[0]) / 1024,
            len(list((process / "fd").iterdir())),
            int(status["Threads"]),
            len(children),
        )


@dataclass
class World:
    """The fleet, its current faults, and its state before the current runbook."""

    fleet: Fleet
    clients: Clients
    dice: random.Random
    share: float
    faulty: set[str] = field(default_factory=set)
    forced: dict[str, int] = field(default_factory=dict)
    held: dict[str, list[Connection]] = field(default_factory=dict)
    bystanders: list[Connection] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)

    def nodes(self) -> Iterator[tuple[str, Node]]:
        return ((f"node{number}", node) for number, node in enumerate(self.fleet.nodes, 1))

    def change(self) -> None:
        """Make other nodes faulty, and the faulty ones healthy again."""
        for name, node in self.nodes():
            if name in self.faulty:
                node.clear_faults()
                if not node.listening:
                    node.start()
        count = max(1, round(self.share * len(self.fleet.nodes)))
        chosen = self.dice.sample(sorted(name for name, _node in self.nodes()), count)
        for name, node in self.nodes():
            if name in chosen:
                self.spoil(node)
        self.faulty = set(chosen)
        self.forced = {name: node.heap.forced for name, node in self.nodes()}

    def spoil(self, node: Node) -> None:
        faults: dict[str, Callable[[], object]] = {
            "down": node.stop,
            "500": lambda: node.fault("*", "*", Fault("status", status=500, body="disk full")),
            "502 page": lambda: node.fault("*", "*", Fault("status", status=502, body="<html>502</html>")),
            "cut": lambda: node.fault("*", "*", Fault("cut")),
            "hangs": lambda: node.fault("*", "*", Fault("hang")),
            "half an answer": lambda: node.fault("GET", "*", Fault("truncate")),
            "redirect": lambda: node.fault("*", "*", Fault("redirect", location="http://127.0.0.9/")),
            "not Polaris": lambda: node.fault("*", "*", Fault("garbage")),
            "not allowed": lambda: node.fault("*", "*", Fault("status", status=400, body="invalid token")),
            "lost after the look": lambda: node.fault("*", "*", Fault("cut"), skip=2),
            "answers to writes are lost": lambda: node.fault("POST", "*", Fault("drop")),
            "writes are refused": lambda: node.fault("PUT", "*", Fault("status", status=500, body="read-only")),
        }
        kind = self.dice.choice(sorted(faults))
        self.kinds[kind] += 1
        faults[kind]()

    def connect(self) -> None:
        """Connect a client to drain to three healthy nodes, and next to it one that must stay."""
        for each in [*self.bystanders, *(one for held in self.held.values() for one in held)]:
            each.close()
        self.held, self.bystanders = {}, []
        well = [(name, node) for name, node in self.nodes() if node.listening]
        for name, node in self.dice.sample(well, 3):
            address = (node.host, node.grpc_port)
            self.held[name] = self.clients.connect(address, ALICE, 2)
            self.bystanders += self.clients.connect(address, "127.0.0.99", 1)
            known = {one.address for one in [*self.held[name], self.bystanders[-1]]}
            until(lambda node=node, known=known: known <= set(node.connections["grpc"]))  # type: ignore[misc]


# --- the runbooks, and what their summaries claim --------------------------------------------------------------------


def expect(truth: bool, claim: str) -> Iterator[str]:
    if not truth:
        yield claim


def log_level(world: World, data: dict[str, Any], wanted: str) -> Iterator[str]:
    for name, node in world.nodes():
        if name in data["changed"] or name in data["unchanged"]:
            yield from expect(node.levels["naming"] == wanted, f"{name} has {node.levels['naming']}, not {wanted}")
        else:
            yield from expect(name in data["failed"], f"{name} is not mentioned")
    yield from expect(set(data["failed"]) <= world.faulty, f"failed and well: {set(data['failed']) - world.faulty}")


def memory_free(world: World, data: dict[str, Any]) -> Iterator[str]:
    for name, node in world.nodes():
        collected = node.heap.forced - world.forced[name]
        if name in data["freed"]:
            yield from expect(collected == 1, f"{name} freed, and collected {collected} times")
        elif name in data["left_alone"] or name in data["failed"]:
            yield from expect(collected == 0, f"{name} not freed, and collected {collected} times")
        else:
            yield from expect(name in data["unknown"], f"{name} is not mentioned")


def conn_drain(world: World, data: dict[str, Any]) -> Iterator[str]:
    yield from expect(all(each.open for each in world.bystanders if each.host != ALICE), "a bystander was closed")
    for name, held in world.held.items():
        open_now = sorted(each.port for each in held if each.open)
        if name in data["closed"]:
            claimed = set(data["closed"][name])
            yield from expect(not claimed & set(open_now), f"{name}: said to be closed, and open")
        else:
            yield from expect(name in data["failed"] or data["refused"], f"{name} is not mentioned")
    yield from expect(set(data["failed"]) <= world.faulty, f"failed and well: {set(data['failed']) - world.faulty}")


def heartbeat_audit(world: World, data: dict[str, Any]) -> Iterator[str]:
    live = {row.id for row in world.fleet.store.rows.values() if row.live and row.service == "payments"}
    late = {row.id for row in world.fleet.store.rows.values() if row.host.startswith("10.7.")}
    yield from expect({one["id"] for one in data["overdue"]} <= late, "an instance that is well is overdue")
    yield from expect(data["watched"] in (len(live), 0), f"watched {data['watched']} of {len(live)}")
    yield from expect(set(data["failed"]) <= world.faulty, f"failed and well: {set(data['failed']) - world.faulty}")


def fleet_report(world: World, data: dict[str, Any]) -> Iterator[str]:
    summary = data["summary"]
    counted = summary["read"] + summary["partial"] + summary["failed"]
    yield from expect(counted == summary["nodes"] == len(world.fleet.nodes), f"{counted} of {summary['nodes']} nodes")
    well = len(world.fleet.nodes) - len(world.faulty)
    yield from expect(summary["read"] >= well, f"{summary['read']} read in full, and {well} are well")


def debug_window(world: World, data: dict[str, Any]) -> Iterator[str]:
    for name, node in world.nodes():
        if name in data["restored"] or name in data["never_raised"]:
            had = data["previous"].get(name, {}).get("levels", {}).get("auth", "info")
            yield from expect(node.levels["auth"] == had, f"{name} restored, and auth is {node.levels['auth']}")
        else:
            yield from expect(name in data["still_raised"], f"{name} is not mentioned")


#: What the one controller runs. fleet_report fails on all hosts when one node fails, and would end it: it runs apart.
RUNBOOKS: tuple[str, ...] = (
    "log_level",
    "heartbeat_audit",
    "memory_free",
    "conn_drain",
    "debug_window",
)
REPORT = {"dest": "report.html", "heartbeats": False, "probe_defaults": False}


def variables(runbook: str, number: int) -> dict[str, Any]:
    of: dict[str, dict[str, Any]] = {
        "log_level": {"levels": {"naming": LEVELS[number % len(LEVELS)]}},
        "heartbeat_audit": {"service": "payments"},
        "memory_free": {"min_releasable": "64M"},
        "conn_drain": {"protocol": "grpc", "client_host": ALICE},
        "debug_window": {"levels": {"auth": "debug"}, "seconds": 1},
    }
    return of[runbook]


def wrong_claims(world: World, runbook: str, number: int, data: dict[str, Any]) -> list[str]:
    if runbook == "log_level":
        return list(log_level(world, data, LEVELS[number % len(LEVELS)]))
    checks: dict[str, Callable[[World, dict[str, Any]], Iterator[str]]] = {
        "memory_free": memory_free,
        "conn_drain": conn_drain,
        "heartbeat_audit": heartbeat_audit,
        "debug_window": debug_window,
    }
    return list(checks[runbook](world, data))


# --- the run ---------------------------------------------------------------------------------------------------------


def gate(number: int) -> Play:
    """The controller waits until the fleet has changed. Nodes that failed take part again."""
    wait = {"path": f"{{{{ playbook_dir }}}}/go-{number}", "timeout": 3600, "sleep": 1}
    tasks = [
        {"name": "Gate", "ansible.builtin.wait_for": wait, "run_once": True},
        {"name": "Let all nodes take part again", "ansible.builtin.meta": "clear_host_errors"},
    ]
    return {"name": f"Gate {number}", "hosts": "localhost:polaris_servers", "gather_facts": False, "tasks": tasks}


def playbook(rounds: int) -> list[Play]:
    plays: list[Play] = []
    for number in range(rounds):
        runbook = RUNBOOKS[number % len(RUNBOOKS)]
        imported = {"import_playbook": f"polarismesh.maintenance.{runbook}", "vars": variables(runbook, number)}
        plays += [gate(number), imported]
    return plays


def results_of(path: Path, at: int) -> tuple[list[TaskResult], int]:
    """The results written since ``at``, and the next ``at``."""
    if not path.exists():
        return [], at
    with path.open("rb") as file:
        file.seek(at)
        data = file.read()
    whole = data[: data.rfind(b"\n") + 1]
    return [TaskResult(**json.loads(line)) for line in whole.splitlines()], at + len(whole)


def soak(nodes: int, share: float, seconds: float, forks: int, say: Callable[[str], None]) -> list[str]:
    """Run for this many seconds, and return what was wrong."""
    wrong: list[str] = []
    figures: list[Figures] = []
    with (
        tempfile.TemporaryDirectory(prefix="polaris-soak-") as path,
        Fleet(nodes=nodes, store="mysql") as fleet,
        Clients() as clients,
    ):
        folder, world = Path(path), World(fleet, clients, random.Random(1), share)
        fleet.configure(record=False)
        for number in range(40):
            late = number % 4 == 0
            row = fleet.store.register("payments", "default", f"10.{7 if late else 6}.0.{number}", 8080)
            for node in fleet.nodes:
                node.beat(row.id, time.time() + (-600 if late else 7200))
        hosts = {name: {"polaris_url": node.url} for name, node in world.nodes()}
        common = {
            "ansible_connection": "local",
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            "polaris_timeout": TIMEOUT,
            "polaris_retries": 0,
        }
        inventory = {"polaris_servers": {"hosts": hosts, "vars": common}}
        (folder / "inventory.yml").write_text(json.dumps(inventory))
        rounds = max(2, round(seconds / 60 * ROUNDS_PER_MINUTE))
        (folder / "soak.yml").write_text(json.dumps(playbook(rounds)))
        results = folder / "results.jsonl"
        environment = environment_of(folder, fleet.tokens.owner, forks) | {
            "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS),
            "ANSIBLE_CALLBACKS_ENABLED": "results",
            "POLARIS_TEST_RESULTS": str(results),
        }
        with (folder / "output").open("w") as output:
            command = ["ansible-playbook", "-i", "inventory.yml", "soak.yml"]
            controller = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output)
        started, at, number = time.monotonic(), 0, 0
        try:
            while number < rounds and time.monotonic() - started < seconds:
                world.change()
                if RUNBOOKS[number % len(RUNBOOKS)] == "conn_drain":
                    world.connect()
                (folder / f"go-{number}").touch()
                data = None
                while data is None and controller.poll() is None:
                    time.sleep(0.2)
                    found, at = results_of(results, at)
                    data = next((one.result for one in found if one.task == "Summary"), None)
                if data is None:
                    wrong.append(f"round {number}: the controller ended: {(folder / 'output').read_text()[-2000:]}")
                    break
                runbook = RUNBOOKS[number % len(RUNBOOKS)]
                told = wrong_claims(world, runbook, number, data["ansible_stats"]["data"]["polaris"])
                wrong += [f"round {number}, {runbook}: {claim}" for claim in told]
                for claim in told:
                    say(f"    {claim}")
                time.sleep(2)
                figures.append(Figures.of(controller.pid))
                last = figures[-1]
                say(
                    f"{time.monotonic() - started:6.0f} s  round {number + 1:3} {runbook:<16} {last.memory:6.1f} MB "
                    f"{last.files:3} files {last.threads} threads {last.children} children  {len(told)} wrong"
                )
                if number % len(RUNBOOKS) == len(RUNBOOKS) - 1:
                    said = run_playbook(
                        folder / "report",
                        "polarismesh.maintenance.fleet_report",
                        inventory,
                        extra_vars=REPORT,
                        env=environment | {"POLARIS_TEST_RESULTS": str(folder / "report" / "results.jsonl")},
                        timeout=1200,
                    )
                    told = list(fleet_report(world, said.one("Summary")["ansible_stats"]["data"]["polaris"]))
                    wrong += [f"after round {number}, fleet_report: {claim}" for claim in told]
                    say(f"    fleet_report beside it: {len(told)} wrong")
                for _name, node in world.nodes():
                    node.levels["auth"] = "info"
                    if RUNBOOKS[(number + 1) % len(RUNBOOKS)] == "memory_free":
                        node.heap.surge(100 << 20)
                number += 1
        finally:
            controller.terminate()
            controller.wait()
        text = (folder / "output").read_text()
        wrong += ["a traceback in the output"] if "Traceback" in text else []
    minutes = (time.monotonic() - started) / 60
    say(f"{number} runbooks on {nodes} nodes in {minutes:.1f} min; faults: {dict(world.kinds)}")
    return wrong + grown(figures[WARM_UP:], say)


def grown(figures: list[Figures], say: Callable[[str], None]) -> list[str]:
    """What grew from the first third to the last."""
    third = len(figures) // 3
    if not third:
        say("too few rounds to tell whether anything grew")
        return []
    wrong = []
    for name, allowed in (("memory", GROWTH), ("files", 0.0), ("threads", 0.0), ("children", 0.0)):
        first, last = (
            statistics.median(getattr(one, name) for one in part) for part in (figures[:third], figures[-third:])
        )
        say(f"{name}: {first:.1f} at first, {last:.1f} at the end")
        if last > first * (1 + allowed):
            wrong.append(f"{name} grew from {first:.1f} to {last:.1f}")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=float(os.environ.get("MINUTES", "20")), help="how long")
    parser.add_argument("--nodes", type=int, default=200, help="how many nodes")
    parser.add_argument("--faulty", type=float, default=0.05, help="the share of them that is faulty")
    parser.add_argument("--forks", type=int, default=20, help="Ansible's forks")
    options = parser.parse_args()
    wrong = soak(
        options.nodes, options.faulty, options.minutes * 60, options.forks, lambda line: print(line, flush=True)
    )
    print("\n".join(["WRONG:", *wrong]) if wrong else "nothing was wrong")
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
