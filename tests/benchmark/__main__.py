# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make benchmark`: the cost of a fleet-wide log level change, compared to other ways and to Ansible's minimum.

The runs are interleaved, so that other load on the machine affects all contestants equally. Each run is a real
ansible-playbook process; the simulated fleet is a separate process whose costs are not counted.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from ansible.release import __version__ as ansible_version

from tools import collection_tree

Play = dict[str, Any]

SET = {
    "name": "Set",
    "polarismesh.maintenance.polaris_log_level": {"url": "{{ polaris_url }}", "levels": {"naming": "debug"}},
}
HEADERS = {
    "Content-Type": "application/json",
    "Accept": "application/json",
    "X-Polaris-Token": "{{ lookup('ansible.builtin.env', 'POLARIS_TOKEN') }}",
}
BY_URI = [
    {
        "name": "Read",
        "ansible.builtin.uri": {
            "url": "{{ polaris_url }}/maintain/v1/log/outputlevel",
            "headers": HEADERS,
            "return_content": True,
        },
        "register": "levels",
    },
    {
        "name": "Set",
        "ansible.builtin.uri": {
            "url": "{{ polaris_url }}/maintain/v1/log/outputlevel",
            "method": "PUT",
            "headers": HEADERS,
            "body_format": "json",
            "body": {"scope": "naming", "level": "debug"},
        },
        "when": "(levels.json | items2dict(key_name='Name', value_name='Level')).naming != 'debug'",
    },
]

#: Contestant -> (tasks, variables). All but the floor make the same change on every node.
CONTESTANTS: dict[str, tuple[list[Play], dict[str, Any]]] = {
    "uri": (BY_URI, {}),
    "module": ([SET], {"polaris_in_process": False}),
    "in-process": ([SET], {}),
    "debug": ([{"name": "Floor", "ansible.builtin.debug": {"msg": "{{ polaris_url }}"}}], {}),
}
FLOOR = "debug"
#: These take minutes for many nodes, so they run only once there.
SLOW = ("uri", "module")


@dataclass(frozen=True)
class Cost:
    """The cost of one ansible-playbook with all its children: seconds, CPU seconds, MB of the largest process."""

    wall: float
    cpu: float
    memory: float


@contextlib.contextmanager
def fleet(nodes: int, folder: Path, *options: str) -> Iterator[dict[str, Any]]:
    """A simulated fleet in a separate process; yields the content of its ready file."""
    ready = folder / "ready.json"
    ready.unlink(missing_ok=True)
    command = [
        sys.executable,
        "-m",
        "tests.simulator",
        "--nodes",
        str(nodes),
        "--port",
        "0",
        "--grpc-port",
        "0",
        *options,
    ]
    process = subprocess.Popen([*command, "--ready-file", str(ready)], stdout=subprocess.DEVNULL)
    try:
        while not ready.exists():
            if process.poll() is not None:
                raise SystemExit("The simulated fleet did not start.")
            time.sleep(0.05)
        yield json.loads(ready.read_text())
    finally:
        process.terminate()
        process.wait()


def levels(url: str) -> str:
    """The level of the scope naming on a simulated node."""
    state = requests.get(f"{url}/_simulator/state", timeout=30).json()
    return str(state["levels"]["naming"])


def reset(urls: Sequence[str]) -> None:
    for url in urls:
        requests.put(f"{url}/_simulator/levels", json={"naming": "info"}, timeout=30).raise_for_status()


def measure(command: Sequence[str], folder: Path, environment: dict[str, str]) -> Cost:
    """Run a command in a separate process, so that the resource usage of its children is only that of the command."""
    script = (
        "import json, resource, subprocess, sys, time\n"
        "start = time.perf_counter()\n"
        "done = subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=sys.stderr)\n"
        "wall = time.perf_counter() - start\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(json.dumps([done.returncode, wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    code, wall, cpu, memory = json.loads(done.stdout)
    if code != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    return Cost(wall, cpu, memory)


def environment_of(folder: Path, token: str, forks: int = 5) -> dict[str, str]:
    """The environment of an ansible-playbook with this checkout and that token, without the user's own settings."""
    (folder / "ansible.cfg").write_text(f"[defaults]\nforks = {forks}\n")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "POLARIS_"))},
        "ANSIBLE_COLLECTIONS_PATH": str(collection_tree.link()),
        "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
        "ANSIBLE_HOME": str(folder / "ansible"),
        "POLARIS_TOKEN": token,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "NO_PROXY": "*",
        "no_proxy": "*",
    }


def contest(
    nodes: int, rounds: int, forks: int, names: Sequence[str], say: Callable[[str], None]
) -> dict[str, list[Cost]]:
    """Run the contestants in turn, ``rounds`` times."""
    costs: dict[str, list[Cost]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory(prefix="polaris-benchmark-") as path, fleet(nodes, Path(path)) as served:
        folder = Path(path)
        hosts = {f"node{number}": {"polaris_url": url} for number, url in enumerate(served["urls"], 1)}
        common = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
        (folder / "inventory.yml").write_text(json.dumps({"all": {"hosts": hosts, "vars": common}}))
        environment = environment_of(folder, served["tokens"]["owner"], forks)
        for number in range(rounds):
            for name in names:
                if name in SLOW and nodes > 50 and number > 0:
                    continue
                tasks, variables = CONTESTANTS[name]
                play = {"hosts": "all", "gather_facts": False, "vars": variables, "tasks": tasks}
                (folder / f"{name}.yml").write_text(json.dumps([play]))
                reset(served["urls"])
                command = ["ansible-playbook", "-i", "inventory.yml", f"{name}.yml"]
                cost = measure(command, folder, environment)
                if name != FLOOR and {levels(url) for url in served["urls"]} != {"debug"}:
                    raise SystemExit(f"{name} did not change every node.")
                costs[name].append(cost)
                say(f"  round {number + 1}: {name}: {cost.wall:.2f} s")
    return costs


def median(costs: Sequence[Cost], figure: Callable[[Cost], float]) -> float:
    return statistics.median(figure(cost) for cost in costs)


def table(nodes: int, costs: dict[str, list[Cost]]) -> str:
    floor = costs.get(FLOOR) or []
    row = "  {:<11} {:>4} {:>8} {:>8} {:>6} {:>11} {:>10} {:>9}"
    lines = [
        f"{nodes} nodes (medians)",
        row.format("", "runs", "wall s", "CPU s", "MB", "wall/floor", "CPU/floor", "uri/wall"),
    ]
    for name, runs in costs.items():
        wall, cpu = median(runs, lambda cost: cost.wall), median(runs, lambda cost: cost.cpu)
        ratios = ("", "")
        if floor:
            ratios = (
                f"{wall / median(floor, lambda cost: cost.wall):.2f}",
                f"{cpu / median(floor, lambda cost: cost.cpu):.2f}",
            )
        faster = f"{median(costs['uri'], lambda cost: cost.wall) / wall:.1f}" if costs.get("uri") else ""
        memory = median(runs, lambda cost: cost.memory)
        lines.append(row.format(name, len(runs), f"{wall:.2f}", f"{cpu:.2f}", f"{memory:.0f}", *ratios, faster))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark", description=__doc__)
    parser.add_argument("--nodes", type=int, nargs="+", default=[50, 200], help="fleet sizes (also try 1000)")
    parser.add_argument(
        "--rounds", type=int, default=5, help="rounds; uri and module run only once with more than 50 nodes"
    )
    parser.add_argument("--forks", type=int, default=5, help="Ansible's forks (its default is 5)")
    parser.add_argument("--only", nargs="+", choices=CONTESTANTS, default=list(CONTESTANTS), help="contestants")
    options = parser.parse_args()
    tables = []
    for nodes in options.nodes:
        print(f"{nodes} nodes:", flush=True)
        costs = contest(nodes, options.rounds, options.forks, options.only, lambda line: print(line, flush=True))
        tables.append(table(nodes, costs))
    python = sys.version.split()[0]
    print(f"\nansible-core {ansible_version}, Python {python}, {os.cpu_count()} cores, {options.forks} forks")
    print("\n" + "\n\n".join(tables))


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    main()
