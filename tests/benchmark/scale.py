# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m tests.benchmark.scale`: what a whole fleet costs, compared to one `debug` task over the same hosts.

Interleaved in one run, each contestant a separate process: the report, a change of one log level, the same change
again. Then an audit of heartbeats, compared to a bare loop of eight threads that sends as many requests to one node. At
the end, the cost of one task by its parts. With `--table`, the table of scale in the guide to performance instead:
`make scale` measures it and writes it into the guide, in both languages.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import pickle
import re
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import requests

from tests.benchmark.__main__ import Cost, environment_of, fleet, measure, median
from tools import collection_tree

REPORT = ("polarismesh.maintenance.fleet_report", "-e", "dest=report.html", "-e", "probe_defaults=false")
LEVELS = ("polarismesh.maintenance.log_level", "-e", "levels=naming=debug")
AUDIT = ("polarismesh.maintenance.heartbeat_audit", "-e", "service=orders")
LEVEL = {"polarismesh.maintenance.polaris_log_level": {"url": "{{ polaris_url }}", "levels": {"naming": "debug"}}}
#: The contestants of a round, in their order: the change comes before the run that finds nothing to change.
COMMANDS: dict[str, Sequence[str]] = {
    "debug": ("debug.yml",),
    "report": (*REPORT, "-e", "heartbeats=false"),
    "report with 500 instances": (*REPORT, "-e", "service=orders"),
    "log level changed": ("level.yml",),
    "log level unchanged": ("level.yml",),
}
#: Options of the fleet: one node leads the health checks, and all nodes share heartbeats.
SHARED = ("--store", "mysql", "--set", "heartbeat_shared=true")
#: One in this many instances is overdue.
OVERDUE = 1000

SIZES = (5, 50, 200, 1000)
SLICES = 4
DOCS = Path(__file__).parents[2] / "docs" / "docsite" / "rst"
GUIDES = [DOCS / folder / "guide_performance.rst" for folder in ("", "zh")]
#: The rows of the table in the guides: nodes, runbook, slices, instances, seconds, requests, MB.
ROWS = re.compile(r"(   \d+, ``\w+``(, [\d.-]+){5}\n)+")


class Site:
    """A simulated fleet, and the folder that ansible-playbook runs in."""

    def __init__(self, served: dict[str, Any], folder: Path) -> None:
        self.urls: list[str] = served["urls"]
        self.token: str = served["tokens"]["owner"]
        self.folder = folder
        self.environment = environment_of(folder, self.token)
        hosts = {f"node{number}": {"polaris_url": url} for number, url in enumerate(self.urls, 1)}
        common = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
        # A slice of an AWX job has every SLICES-th host.
        one_slice = {name: hosts[name] for name in sorted(hosts)[::SLICES]}
        for name, part in (("inventory", hosts), ("slice", one_slice)):
            groups = {"polaris_servers": {"hosts": part, "vars": common}}
            (folder / f"{name}.yml").write_text(json.dumps(groups))
        for name, task in (("debug", {"ansible.builtin.debug": {"msg": "{{ polaris_url }}"}}), ("level", LEVEL)):
            play = {"hosts": "all", "gather_facts": False, "tasks": [task]}
            (folder / f"{name}.yml").write_text(json.dumps([play]))

    def play(self, *words: str, inventory: str = "inventory.yml") -> Cost:
        return measure(["ansible-playbook", "-i", inventory, *words], self.folder, self.environment)

    def control(self, method: str, path: str, node: int = 0, body: Any = None) -> Any:
        reply = requests.request(method, f"{self.urls[node]}/_simulator/{path}", json=body, timeout=300)
        reply.raise_for_status()
        return reply.json()

    def register(self, instances: int) -> None:
        """Register instances that have just sent a heartbeat, and a few that are overdue."""
        common = {"service": "orders", "namespace": "default", "ttl": 86400}
        late = max(instances // OVERDUE, 1)
        many = {**common, "port": 8080, "repeat": instances - late, "beat_ago": 1}
        few = {**common, "port": 8081, "repeat": late, "beat_ago": 500_000}
        self.control("POST", "instances", body={"register": [many, few]})

    def set_level(self, level: str) -> None:
        for url in self.urls:
            requests.put(f"{url}/_simulator/levels", json={"naming": level}, timeout=30).raise_for_status()

    def forget(self) -> None:
        for number in range(len(self.urls)):
            self.control("DELETE", "requests", number)

    def busiest(self) -> int:
        """The number of requests to the node that got most of them, since the counters were reset."""
        counts = []
        for number in range(len(self.urls)):
            sent = self.control("GET", "requests", number)
            counts.append(sum(not one["path"].startswith("/_simulator") for one in sent))
        return max(counts)


def contest(nodes: int, rounds: int) -> dict[str, list[Cost]]:
    names = [name for name in COMMANDS if nodes <= 50 or "instances" not in name]
    costs: dict[str, list[Cost]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory(prefix="polaris-benchmark-") as path, fleet(nodes, Path(path), *SHARED) as served:
        site = Site(served, Path(path))
        site.register(500)
        for number in range(rounds):
            site.set_level("info")
            for name in names:
                costs[name].append(site.play(*COMMANDS[name]))
                print(f"  round {number + 1}: {name}: {costs[name][-1].wall:.2f} s", flush=True)
    return costs


def table(nodes: int, costs: dict[str, list[Cost]]) -> str:
    row = "  {:<26} {:>8} {:>8} {:>6} {:>11} {:>10}"
    lines = [f"{nodes} nodes (medians)", row.format("", "wall s", "CPU s", "MB", "wall/debug", "CPU/debug")]
    floor = [median(costs["debug"], lambda cost: cost.wall), median(costs["debug"], lambda cost: cost.cpu)]
    for name, runs in costs.items():
        wall, cpu = median(runs, lambda cost: cost.wall), median(runs, lambda cost: cost.cpu)
        memory = median(runs, lambda cost: cost.memory)
        figures = (f"{wall:.2f}", f"{cpu:.2f}", f"{memory:.0f}", f"{wall / floor[0]:.2f}", f"{cpu / floor[1]:.2f}")
        lines.append(row.format(name, *figures))
    return "\n".join(lines)


def bare(url: str, token: str, ids: Sequence[str]) -> Cost:
    """What it costs eight threads to ask one node for these heartbeats, over one requests.Session."""
    session = requests.Session()
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=8))
    session.headers["X-Polaris-Token"] = token

    def ask(instance: str) -> None:
        query = {"id": instance}
        session.get(f"{url}/maintain/v1/instance/heartbeat", params=query, timeout=60).raise_for_status()

    began, spent = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, ids))
    return Cost(time.perf_counter() - began, time.process_time() - spent, 0.0)


def audit(nodes: int, instances: int, rounds: int) -> str:
    """An audit, and as many bare requests to its first node."""
    costs, loops, sent = [], [], 0
    with tempfile.TemporaryDirectory(prefix="polaris-benchmark-") as path, fleet(nodes, Path(path), *SHARED) as served:
        site = Site(served, Path(path))
        site.register(instances)
        ids = [row["id"] for row in site.control("GET", "instances") if row["service"] == "orders"]
        for number in range(rounds):
            site.forget()
            costs.append(site.play(*AUDIT))
            sent = sum(
                one["path"].endswith("/instance/heartbeat")
                for index in range(nodes)
                for one in site.control("GET", "requests", index)
            )
            site.forget()
            asked = (ids * (sent // len(ids) + 1))[:sent]
            loops.append(bare(site.urls[0], site.token, asked))
            print(f"  round {number + 1}: audit {costs[-1].wall:.1f} s, bare loop {loops[-1].wall:.1f} s", flush=True)
    wall, loop = (median(each, lambda cost: cost.wall) for each in (costs, loops))
    cpu, loop_cpu = (median(each, lambda cost: cost.cpu) for each in (costs, loops))
    return (
        f"audit of {nodes} nodes x {instances} instances (medians): {wall:.1f} s, CPU {cpu:.1f} s, "
        f"{median(costs, lambda cost: cost.memory):.0f} MB, {sent} requests for heartbeats; a bare loop of 8 threads "
        f"needs {loop:.1f} s, CPU {loop_cpu:.1f} s; ratio {wall / loop:.2f}, CPU {cpu / loop_cpu:.2f}"
    )


# --- the cost of one task --------------------------------------------------------------------------------------------


def parts(repeats: int = 25) -> str:
    """The CPU milliseconds of one task (polaris_log_level, unchanged) in a fork of a controller, by what it does."""
    sys.path.insert(0, str(collection_tree.link()))
    import ansible.executor.task_queue_manager  # noqa: F401 (what a fork of the controller has loaded)

    from ansible_collections.polarismesh.maintenance.plugins.module_utils import _options, _runner
    from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import Client
    from ansible_collections.polarismesh.maintenance.plugins.module_utils._secrets import Scrubber
    from ansible_collections.polarismesh.maintenance.plugins.modules import polaris_log_level
    from ansible_collections.polarismesh.maintenance.plugins.plugin_utils import _action  # noqa: F401

    with tempfile.TemporaryDirectory(prefix="polaris-benchmark-") as path, fleet(1, Path(path)) as served:
        arguments = {"url": served["urls"][0], "token": served["tokens"]["owner"], "levels": {"naming": "info"}}

        def task() -> dict[str, float]:
            gc.freeze()  # as the worker does
            spent: dict[str, float] = {}
            began = time.process_time()

            def done(part: str) -> None:
                nonlocal began
                spent[part] = 1000 * (time.process_time() - began)
                began = time.process_time()

            params = _options.validated(polaris_log_level.SPEC, arguments, "polaris_log_level").params
            done("validation")
            client = Client(_options.settings(params), secrets={params["token"]})
            done("session")
            result = polaris_log_level.run(client, params, check_mode=False)
            client.close()
            done("requests")
            result = Scrubber(_runner.secrets_in(params))(result)
            done("scrubbing")
            pickle.dumps(result)
            done("result")
            return spent

        runs = [forked(task) for _number in range(repeats)]
    means = {part: statistics.median(run[part] for run in runs) for part in runs[0]}
    shown = ", ".join(f"{part} {spent:.1f}" for part, spent in means.items())
    return f"one task in CPU ms, in a fork (medians of {repeats}): {shown}; together {sum(means.values()):.1f}"


def forked(task: Callable[[], dict[str, float]]) -> dict[str, float]:
    """The cost of a task in a child process, and what the fork itself costs the parent."""
    reading, writing = os.pipe()
    before = time.process_time()
    child = os.fork()
    if child == 0:
        os.write(writing, json.dumps(task()).encode())
        os._exit(0)
    fork = 1000 * (time.process_time() - before)
    os.close(writing)
    with os.fdopen(reading) as answer:
        spent: dict[str, float] = json.loads(answer.read())
    os.waitpid(child, 0)
    return {"fork": fork, **spent}


# --- the table of the guide ------------------------------------------------------------------------------------------


def rows(nodes: int, instances: Sequence[int]) -> Iterator[str]:
    """The rows for a fleet: a change of levels, whole and one of its slices, the report, and audits of heartbeats."""
    with tempfile.TemporaryDirectory(prefix="polaris-benchmark-") as path, fleet(nodes, Path(path), *SHARED) as served:
        site = Site(served, Path(path))

        def row(name: str, command: Sequence[str], slices: str = "-", number: str = "-", **more: str) -> str:
            site.forget()
            cost = site.play(*command, **more)
            figures = [slices, number, f"{cost.wall:.1f}", str(site.busiest()), f"{cost.memory:.0f}"]
            return ", ".join([f"   {nodes}", f"``{name}``", *figures])

        for slices, inventory in ((1, "inventory.yml"), (SLICES, "slice.yml")):
            site.set_level("info")
            yield row("log_level", LEVELS, slices=str(slices), inventory=inventory)
        yield row("fleet_report", COMMANDS["report"])
        for number in instances:
            site.register(number)
            yield row("heartbeat_audit", AUDIT, number=str(number))


def measured(sizes: Sequence[int], instances: Sequence[int]) -> None:
    """Measure the table, and write it into the guides if it is whole."""
    found = []
    for nodes in sizes:
        for row in rows(nodes, instances):
            print(row, flush=True)
            found.append(f"{row}\n")
    if tuple(sizes) == SIZES:
        for guide in GUIDES:
            guide.write_text(ROWS.sub("".join(found), guide.read_text(encoding="utf-8"), count=1), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark.scale", description=__doc__)
    parser.add_argument("--nodes", type=int, nargs="+", help="fleet sizes; other than the usual ones change no guide")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--table", action="store_true", help="measure the table of scale in the guide")
    parser.add_argument("--parts", action="store_true", help="only the cost of one task by its parts")
    options = parser.parse_args()
    if options.parts:
        print(parts())
        return
    if options.table:
        measured(options.nodes or SIZES, [500, 10_000])
        return
    found = []
    for nodes in options.nodes or (50, 200):
        print(f"{nodes} nodes:", flush=True)
        found.append(table(nodes, contest(nodes, options.rounds)))
    found.append(audit(10, 10_000, options.rounds))
    found.append(parts())
    print("\n" + "\n\n".join(found))


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    main()
