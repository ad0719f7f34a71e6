# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m tests.benchmark.clean`: cleaning ten thousand instances in one task, compared to a bare loop of calls.

Interleaved in one run: the task through both doors, a bare loop over one requests.Session that repeats exactly the
calls of the task, and some single tasks of ansible.builtin.uri, from which the time for all is computed. Times are
those of the task itself, between two tasks that only read the clock; memory is that of the largest process.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import requests

from tests.benchmark.__main__ import environment_of, fleet, measure

CLEAN = "/maintain/v1/instance/clean"
LIST = "/naming/v1/instances"
NOW = "{{ now(utc=true, fmt='%s.%f') | float }}"


class Simulated:
    """A simulated node with deleted instances, and the directory that ansible-playbook runs in."""

    def __init__(self, served: dict[str, Any], folder: Path, instances: int, live: int) -> None:
        self.url: str = served["urls"][0]
        self.token: str = served["tokens"]["owner"]
        self.folder = folder
        self.environment = environment_of(folder, self.token)
        self.instances = instances
        self.live = live

    def control(self, method: str, path: str, body: Any = None) -> Any:
        reply = requests.request(method, f"{self.url}/_simulator/{path}", json=body, timeout=120)
        reply.raise_for_status()
        return reply.json()

    def service(self, name: str) -> list[dict[str, Any]]:
        """Create a service; the identities of its deleted instances."""
        address = {"service": name, "namespace": "default"}
        dead = {**address, "port": 8080, "repeat": self.instances, "deleted_ago": 3600}
        self.control("POST", "instances", [dead, {**address, "port": 80, "repeat": self.live}])
        return [
            {**address, "host": f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}", "port": 8080}
            for n in range(self.instances)
        ]

    def left(self, name: str) -> int:
        return sum(row["service"] == name for row in self.control("GET", "instances"))

    def play(self, tasks: list[dict[str, Any]], variables: dict[str, Any]) -> tuple[float, float]:
        """Run tasks with ansible-playbook; the seconds that they take, and the MB of the largest process."""
        took = self.folder / "took"
        tasks = [
            {"ansible.builtin.set_fact": {"began": NOW}},
            *tasks,
            {"ansible.builtin.copy": {"content": NOW[:-2] + "- began | float }}", "dest": str(took), "mode": "0600"}},
        ]
        variables = {
            "ansible_connection": "local",
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            **variables,
        }
        (self.folder / "variables.json").write_text(json.dumps(variables))
        (self.folder / "play.yml").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
        command = ["ansible-playbook", "-i", "node,", "-e", "@variables.json", "play.yml"]
        cost = measure(command, self.folder, self.environment)
        return float(took.read_text()), cost.memory

    def by_module(self, name: str, in_process: bool) -> tuple[float, float]:
        task = {
            "polarismesh.maintenance.polaris_instance_clean": {"url": self.url, "instances": "{{ instances }}"},
            "no_log": False,
        }
        found = self.play([task], {"instances": self.service(name), "polaris_in_process": in_process})
        assert self.left(name) == self.live, "not all were cleaned"
        return found

    def by_uri(self, name: str, count: int) -> float:
        """Seconds for each."""
        headers = {"Content-Type": "application/json", "X-Polaris-Token": self.token}
        call = {
            "url": self.url + CLEAN,
            "method": "POST",
            "headers": headers,
            "body_format": "json",
            "body": "{{ item }}",
        }
        task = {"ansible.builtin.uri": call, "loop": "{{ instances }}", "loop_control": {"label": ""}}
        seconds, _memory = self.play([task], {"instances": self.service(name)[:count]})
        return seconds / count

    def by_bare_loop(self, name: str, calls: list[dict[str, Any]]) -> float:
        """Repeat the same calls for another service, one after the other."""
        self.service(name)
        session = requests.Session()
        session.headers.update({"Content-Type": "application/json", "X-Polaris-Token": self.token})
        began = time.perf_counter()
        for call in calls:
            if call["method"] == "GET":
                query = {key: name if key in ("service", "name") else value for key, value in call["query"].items()}
                session.get(self.url + call["path"], params=query).raise_for_status()
            else:
                body = {**json.loads(call["body"]), "service": name}
                session.post(self.url + call["path"], data=json.dumps(body)).raise_for_status()
        seconds = time.perf_counter() - began
        assert self.left(name) == self.live, "not all were cleaned"
        return seconds


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark.clean", description=__doc__)
    parser.add_argument("--instances", type=int, default=10_000)
    parser.add_argument("--live", type=int, default=300, help="live instances of the same service")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--uri", type=int, default=50, help="tasks of ansible.builtin.uri to measure")
    options = parser.parse_args()
    times: dict[str, list[float]] = {"in-process": [], "module": [], "bare loop": [], "uri (computed)": []}
    memory: dict[str, list[float]] = {"in-process": [], "module": []}
    with tempfile.TemporaryDirectory(prefix="polaris-benchmark-") as path, fleet(1, Path(path)) as served:
        site = Simulated(served, Path(path), options.instances, options.live)
        for number in range(options.rounds):
            for door in memory:
                site.control("DELETE", "requests")
                seconds, megabytes = site.by_module(f"{door}-{number}", door == "in-process")
                times[door].append(seconds)
                memory[door].append(megabytes)
            calls = [call for call in site.control("GET", "requests") if not call["path"].startswith("/_simulator")]
            times["bare loop"].append(site.by_bare_loop(f"bare-{number}", calls))
            times["uri (computed)"].append(site.by_uri(f"uri-{number}", options.uri) * options.instances)
            print(
                f"round {number + 1}: " + ", ".join(f"{name} {each[-1]:.1f} s" for name, each in times.items()),
                flush=True,
            )
    bare = statistics.median(times["bare loop"])
    print(f"\n{options.instances} instances, {len(calls)} calls, medians of {options.rounds} rounds")
    for name, each in times.items():
        seconds = statistics.median(each)
        most = f", largest process {max(memory[name]):.0f} MB" if name in memory else ""
        print(f"  {name:<15} {seconds:9.1f} s = {seconds / bare:6.2f} x the bare loop{most}")
    faster = statistics.median(times["uri (computed)"]) / statistics.median(times["in-process"])
    print(f"  uri: {options.uri} tasks measured, all {options.instances} computed; in-process is {faster:.0f} x faster")


if __name__ == "__main__":
    main()
