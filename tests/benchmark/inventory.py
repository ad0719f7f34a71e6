# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m tests.benchmark.inventory`: 5000 instances as hosts, compared to the bare calls and to no plugin.

Interleaved in one run, each in a separate process: the plugin, as every playbook loads it; a bare loop over one
requests.Session that reads all pages one after the other; ansible-inventory --list with the plugin, alone, with cache,
and with templates, and with static inventories of the same hosts, with and without the same variables. The figures of
10,000 instances: `--instances 10000 --only loaded bare`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import requests

from tests.benchmark.__main__ import Cost, environment_of, fleet, measure, median

SERVICE = {"service": "orders", "namespace": "production"}
CACHE = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": "cache", "cache_timeout": 86400}
CONSTRUCTED = {
    "filters": [{"exclude": "polaris_isolated"}],
    "compose": {"zone": "polaris_metadata.zone"},
    "keyed_groups": [{"key": "polaris_metadata.stage", "prefix": "stage"}],
}
BARE = """
import json, os, sys, requests
session = requests.Session()
session.headers["X-Polaris-Token"] = os.environ["POLARIS_TOKEN"]
found, amount = [], 1
while len(found) < amount:
    query = {"namespace": "production", "service": "orders", "offset": len(found), "limit": 100}
    page = session.get(sys.argv[1] + "/naming/v1/instances", params=query, timeout=30).json()
    found += page["instances"]
    amount = page["amount"]
json.dump(found, open("bare.json", "w"))
"""
LOADED = """
import json, ansible.inventory.manager, ansible.parsing.dataloader, ansible.plugins.loader
ansible.plugins.loader.init_plugin_loader([])
loader = ansible.parsing.dataloader.DataLoader()
found = ansible.inventory.manager.InventoryManager(loader, sources=["plugin.polaris.yml"])
json.dump({"orders": {"hosts": list(found.hosts)}}, open("loaded.json", "w"))
"""

#: Contestant -> description. The first is compared with the others.
CONTESTANTS = {
    "loaded": "this inventory plugin, loaded and not listed",
    "bare": "the bare calls, page after page over one requests.Session",
    "plugin": "this inventory plugin",
    "cached": "this inventory plugin, all of it from its cache",
    "composed": "this inventory plugin with a filter, a composed variable and a keyed group",
    "same": "a static inventory of the same hosts and variables",
    "empty": "a static inventory of the same hosts, without variables",
}


def commands(url: str, folder: Path) -> dict[str, list[str]]:
    """Contestant -> its command; also writes the files that it needs."""
    plugin: dict[str, Any] = {"plugin": "polarismesh.maintenance.polaris", "url": url, **SERVICE}
    options: dict[str, dict[str, Any]] = {"plugin": {}, "cached": CACHE, "composed": CONSTRUCTED}
    for name, more in options.items():
        (folder / f"{name}.polaris.yml").write_text(json.dumps({**plugin, **more}))
    sources = {name: f"{name}.polaris.yml" for name in options} | {"same": "same.yml", "empty": "empty.yml"}
    listing = {
        name: ["ansible-inventory", "-i", source, "--list", "--output", f"{name}.json"]
        for name, source in sources.items()
    }
    return {"loaded": [sys.executable, "-c", LOADED], "bare": [sys.executable, "-c", BARE, url], **listing}


def static(folder: Path) -> None:
    """Write static inventories of what the plugin found."""
    hosts = json.loads((folder / "plugin.json").read_text())["_meta"]["hostvars"]
    for name, listed in (("same", hosts), ("empty", dict.fromkeys(hosts))):
        (folder / f"{name}.yml").write_text(json.dumps({"orders": {"hosts": listed}}))


def size(folder: Path, name: str) -> int:
    """The number of hosts (or instances) that a contestant found."""
    found = json.loads((folder / f"{name}.json").read_text())
    return len(found) if name == "bare" else len(found["orders"]["hosts"])


def contest(instances: int, rounds: int, names: Sequence[str]) -> dict[str, list[Cost]]:
    costs: dict[str, list[Cost]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory(prefix="polaris-benchmark-") as path, fleet(1, Path(path)) as served:
        folder, url = Path(path), served["urls"][0]
        many = {**SERVICE, "port": 8080, "repeat": instances, "metadata": {"zone": "a", "stage": "canary"}}
        requests.post(f"{url}/_simulator/instances", json={"register": [many]}, timeout=120).raise_for_status()
        environment = environment_of(folder, served["tokens"]["owner"])
        todo = commands(url, folder)
        for name in ("plugin", "cached"):  # for the static files, and to fill the cache
            measure(todo[name], folder, environment)
        static(folder)
        for number in range(rounds):
            for name in names:
                cost = measure(todo[name], folder, environment)
                if size(folder, name) != instances:
                    raise SystemExit(f"{name} found {size(folder, name)} of {instances}.")
                costs[name].append(cost)
                print(f"  round {number + 1}: {name}: {cost.wall:.2f} s", flush=True)
    return costs


def table(instances: int, costs: dict[str, list[Cost]]) -> str:
    first = next(iter(costs))
    ours = [median(costs[first], lambda cost: cost.wall), median(costs[first], lambda cost: cost.cpu)]
    lines = [
        f"{instances} instances (medians)",
        f"  {'':<8} {'wall s':>8} {'CPU s':>8} {'MB':>6} {f'{first}/it, wall':>16} {'CPU':>6}",
    ]
    for name, runs in costs.items():
        wall, cpu = median(runs, lambda cost: cost.wall), median(runs, lambda cost: cost.cpu)
        memory = median(runs, lambda cost: cost.memory)
        ratios = f"{ours[0] / wall:>16.2f} {ours[1] / cpu:>6.2f}"
        lines.append(f"  {name:<8} {wall:>8.2f} {cpu:>8.2f} {memory:>6.0f} {ratios}   {CONTESTANTS[name]}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark.inventory", description=__doc__)
    parser.add_argument("--instances", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=CONTESTANTS, default=list(CONTESTANTS), help="contestants")
    options = parser.parse_args()
    costs = contest(options.instances, options.rounds, options.only)
    print("\n" + table(options.instances, costs))


if __name__ == "__main__":
    main()
