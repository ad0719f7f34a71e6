# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m tests.simulator`: serve a fleet until interrupted."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from . import PROFILES, Fleet, PortInUseError
from .auth import MODES
from .store import KINDS


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="python -m tests.simulator", description=__doc__)
    result.add_argument("--nodes", type=int, default=5)
    result.add_argument(
        "--profile",
        default="v1.18.1",
        help=f"one of {', '.join(PROFILES)}; the nodes use several, separated by commas, in turn",
    )
    result.add_argument(
        "--address", default="127.0.1.1", help="of the first node; the others have the following addresses"
    )
    result.add_argument("--port", type=int, default=8090, help="HTTP port of all nodes; 0 picks a free one")
    result.add_argument("--grpc-port", type=int, default=8091, help="0 picks a free one")
    result.add_argument("--store", choices=KINDS, default="boltdb")
    result.add_argument("--auth", choices=MODES, default="strict")
    result.add_argument(
        "--conn-limit", action=argparse.BooleanOptionalAction, default=True, help="count connections (default: yes)"
    )
    result.add_argument("--ipv6", action="store_true", help="the first node also listens on ::1")
    result.add_argument(
        "--loopback", action="store_true", help="register the nodes as 127.0.0.1, as a default installation does"
    )
    result.add_argument("--latency", type=float, default=0.0, metavar="SECONDS")
    result.add_argument("--clock-offset", type=float, default=0.0, metavar="SECONDS")
    result.add_argument("--timezone", default="+00:00", metavar="+08:00")
    result.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"))
    result.add_argument("--client-ca", metavar="FILE", help="clients must present a certificate from this authority")
    result.add_argument("--owner-token", default="", help="the owner's token instead of a generated one")
    result.add_argument(
        "--version", default="", help="the version that the nodes register, instead of the one in the profile's builds"
    )
    result.add_argument("--seed-instances", type=int, default=0, metavar="N")
    result.add_argument(
        "--ready-file", type=Path, metavar="PATH", help="JSON for scripts, written when all nodes are listening"
    )
    result.add_argument(
        "--inventory-file", type=Path, metavar="PATH", help="an Ansible inventory of the nodes to write"
    )
    result.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="any setting of node.Config")
    return result


def write_whole(path: Path, text: str) -> None:
    """Write atomically, so that a reader never sees half of it."""
    partial = path.with_name(path.name + ".part")
    partial.write_text(text)
    partial.replace(path)


def ready(fleet: Fleet) -> dict[str, Any]:
    """The content of the ready file."""
    first = fleet.nodes[0]
    return {
        "url": fleet.url,
        "urls": fleet.urls,
        "hosts": [node.host for node in fleet.nodes],
        "port": first.port,
        "grpc_port": first.grpc_port,
        "profiles": [node.profile.name for node in fleet.nodes],
        "store": fleet.store.kind,
        "auth": first.config.auth,
        "tokens": dataclasses.asdict(fleet.tokens),
        "users": {"owner": {"username": fleet.accounts.owner_name, "password": fleet.accounts.owner_password}},
        "pid": os.getpid(),
    }


def inventory(fleet: Fleet) -> str:
    """An Ansible inventory (JSON is YAML)."""
    hosts = {f"polaris{node.index + 1}": {"polaris_url": node.url} for node in fleet.nodes}
    shared = {
        "ansible_connection": "local",
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
    }
    groups = {"polaris_servers": {"hosts": hosts, "vars": shared}}
    return json.dumps({"all": {"children": groups}}, indent=2) + "\n"


def banner(fleet: Fleet) -> str:
    """A few lines about what it serves, and where."""
    first, count = fleet.nodes[0], len(fleet.nodes)
    names = sorted({node.profile.name for node in fleet.nodes})
    lines = [f"Polaris fleet: {count} simulated node{'s' if count > 1 else ''}, {', '.join(names)}, {fleet.store.kind}"]
    shown = fleet.nodes if count <= 10 else [*fleet.nodes[:3], *fleet.nodes[-1:]]
    for node in shown:
        if node.index and node.index == count - 1 and count > 10:
            lines.append("  ...")
        lines.append(f"  {node.url}  {node.profile.name}")
    if first.config.auth == "open":
        lines.append("Auth: open, no token needed")
    else:
        user = f"{fleet.accounts.owner_name} / {fleet.accounts.owner_password}"
        lines += [f"Auth: {first.config.auth}; the owner is {user}", f"  token {fleet.tokens.owner}"]
    lines.append(f"State: {first.url}/_simulator/state   Stop: Ctrl-C, or kill {os.getpid()}")
    return "\n".join(lines)


async def serve(fleet: Fleet, options: argparse.Namespace) -> None:
    """Start, print the summary, wait, stop."""
    await fleet.start()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, fleet.stopping.set)
    if options.inventory_file:
        write_whole(options.inventory_file, inventory(fleet))
    if options.ready_file:
        write_whole(options.ready_file, json.dumps(ready(fleet), indent=2) + "\n")
    print(banner(fleet), flush=True)
    await fleet.stopping.wait()
    await fleet.stop()


def main() -> int:
    """Exit code 0 after a stop by signal, 2 when it cannot start."""
    options = parser().parse_args()
    try:
        settings = dict(pair.split("=", 1) if "=" in pair else (pair, "true") for pair in options.set)
        fleet = Fleet(
            nodes=options.nodes,
            profile=options.profile.split(","),
            address=options.address,
            port=options.port,
            grpc_port=options.grpc_port,
            store=options.store,
            tls=tuple(options.tls) if options.tls else None,
            client_ca=options.client_ca,
            seed_instances=options.seed_instances,
            loopback=options.loopback,
            ipv6=options.ipv6,
            owner_token=options.owner_token,
            version=options.version,
            **{
                "auth": options.auth,
                "conn_limit": options.conn_limit,
                "latency": options.latency,
                "clock_offset": options.clock_offset,
                "timezone": options.timezone,
                **settings,
            },
        )
        asyncio.run(serve(fleet, options))
    except (PortInUseError, ValueError, OSError) as problem:
        print(f"The simulator cannot start: {problem}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
