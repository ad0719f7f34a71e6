# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The switch of debug_window on nodes behind a real sshd: they restore their levels by themselves."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients import until
from tests.integration.ssh_node import SECONDS, Machine, Server, cut, machine, missing, server
from tests.support import PlaybookRun, in_background

pytestmark = [pytest.mark.skipif(missing() != "", reason=missing()), pytest.mark.core]

NAME = "polarismesh.maintenance.debug_window"
OPEN = "The window is open"
WINDOW = 12
Playbook = Callable[..., PlaybookRun]


@pytest.fixture(scope="module")
def node() -> Iterator[Machine]:
    with machine() as made:
        yield made


@pytest.fixture
def servers(node: Machine) -> Iterator[list[Server]]:
    """Two servers that listen on the machine's 127.0.0.1 only."""
    with contextlib.ExitStack() as stack:
        ports = (8090, 8091) if node.isolated else (0, 0)
        yield [stack.enter_context(server(node, port)) for port in ports]


def inventory(servers: list[Server], **variables: Any) -> dict[str, Any]:
    hosts = {
        f"node{number}": {
            **each.machine.variables(),
            "polaris_url": each.url,
            "polaris_token": each.token,
            **variables,
        }
        for number, each in enumerate(servers, 1)
    }
    return {"polaris_servers": {"hosts": hosts}}


def levels(servers: list[Server]) -> list[str]:
    return [each.levels["naming"] for each in servers]


def left_on(node: Machine) -> list[str]:
    """What Ansible left behind: files in the home directory there, temporary ones, and processes."""
    home = node.home("root")
    files = [str(path) for path in home.rglob("*") if not path.is_dir()]
    folders = [str(path) for path in (*(home / "tmp").glob("*"), *node.temporary.glob("*"))]
    return files + folders + [text for text in commands(node) if f"{home}/tmp" in text or f"{home}/async" in text]


def commands(node: Machine) -> Iterator[str]:
    """The command lines and environments of all processes there, which name the account's home."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            text = (process / "cmdline").read_bytes() + b"\0" + (process / "environ").read_bytes()
            if str(node.home("root")).encode() in text:
                yield text.decode(errors="replace")


class Searcher(threading.Thread):
    """Searches a node for secrets continuously, in files and in the command lines and environments of processes."""

    def __init__(self, node: Machine, secrets: list[str]) -> None:
        super().__init__(daemon=True)
        self.node, self.secrets, self.found, self.looks = node, secrets, set[str](), 0
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.is_set():
            self.looks += 1
            for top in (self.node.home("root"), self.node.temporary):
                # Unlike glob, it ignores folders that vanish.
                for folder, _folders, names in os.walk(top):
                    for path in (Path(folder, name) for name in names):
                        with contextlib.suppress(OSError):
                            if path.is_file() and any(secret.encode() in path.read_bytes() for secret in self.secrets):
                                self.found.add(path.name)
            self.found |= {text for text in commands(self.node) if any(secret in text for secret in self.secrets)}

    def __enter__(self) -> Searcher:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.ended.set()
        self.join()


@contextlib.contextmanager
def window(folder: Path, servers: list[Server], seconds: int = WINDOW) -> Iterator[subprocess.Popen[bytes]]:
    """The runbook in the background, with its window open."""
    output = folder / "output"
    variables = {"levels": {"naming": "debug"}, "seconds": seconds}
    with in_background(folder, NAME, inventory(servers), variables) as process:
        assert until(lambda: OPEN in output.read_text() or process.poll() is not None, 3 * SECONDS)
        assert levels(servers) == ["debug"] * 2, output.read_text()
        yield process


@pytest.mark.slow
def test_killed(node: Machine, servers: list[Server], tmp_path: Path) -> None:
    """Both are restored within 5 s of the end of the window, and nothing is left behind."""
    with window(tmp_path, servers) as process:
        opened = time.monotonic()
        process.kill()
        assert until(lambda: levels(servers) == ["info"] * 2, WINDOW + 5 - (time.monotonic() - opened))
        assert until(lambda: left_on(node) == [], 10), left_on(node)
        assert '{"naming": "info"}' in (tmp_path / "output").read_text()
    assert "WARNING" not in (tmp_path / "output").read_text()


@pytest.mark.slow
def test_the_network_is_cut(node: Machine, servers: list[Server], tmp_path: Path) -> None:
    """The play runs on, but reaches no node when the window is over. Later it finds nothing to do."""
    if not node.isolated:
        pytest.skip("needs a network namespace, whose network can be cut")
    with window(tmp_path, servers) as process:
        opened = time.monotonic()
        with cut(node):
            assert until(lambda: levels(servers) == ["info"] * 2, WINDOW + 5 - (time.monotonic() - opened))
            assert until(lambda: left_on(node) == [], 10), left_on(node)
        assert process.wait(SECONDS) == 0, (tmp_path / "output").read_text()
        assert "restored on 2 (node1, node2)" in (tmp_path / "output").read_text()
        assert [len(each.writes()) for each in servers] == [2, 2]


@pytest.mark.slow
def test_closed_by_the_play(node: Machine, servers: list[Server], playbook: Playbook) -> None:
    """Each switch is disarmed. No token is ever in a file, a command line or an environment."""
    with Searcher(node, [each.token for each in servers]) as searcher:
        run = playbook(NAME, inventory(servers), extra_vars={"levels": "naming=debug", "seconds": 15}).ok()
        assert left_on(node) == []
    assert searcher.found == set()
    assert searcher.looks > 10
    assert levels(servers) == ["info"] * 2
    assert "WARNING" not in run.output
    assert [len(result["switch"]["name"]) for result in run.of("Open the window")] == [32] * 2
    # One PUT each for the raise and for the restore: the switch has sent none.
    assert [len(each.writes()) for each in servers] == [2, 2]


@pytest.mark.slow
def test_a_slow_node_does_not_keep_another_raised(servers: list[Server], playbook: Playbook) -> None:
    """It had its levels for the seconds of the window, and the play says before the wait that it has them no longer."""
    fault = {"method": "PUT", "path": "/maintain/v1/log/outputlevel", "kind": "delay", "seconds": 15, "times": 1}
    servers[1].control("POST", "faults", fault)
    variables = {"levels": "naming=debug", "seconds": 1}
    run = playbook(NAME, inventory(servers, polaris_timeout=60), extra_vars=variables).ok()
    (warning,) = re.findall(r"\[WARNING\]: The job there restores .*", run.output)
    # On a busy machine, the job on the other node may be early, too.
    assert re.search(r"up to \d+ s before the window ends on .*node1.*: the play took too long to contact", warning)
    assert run.output.index(warning) < run.output.index(OPEN)
    assert re.search(r"already restored on .*node1.*, by the job there", run.output)
    assert len(servers[0].writes()) % 2 == 0
    assert levels(servers) == ["info"] * 2


@pytest.mark.slow
def test_without_pipelining_there_is_no_switch(node: Machine, servers: list[Server], playbook: Playbook) -> None:
    """One sentence says so before the wait. And the searcher finds a secret that Ansible wrote to a file."""
    hosts = inventory(servers, ansible_ssh_pipelining=False)
    with Searcher(node, [each.token for each in servers]) as searcher:
        run = playbook(NAME, hosts, extra_vars={"levels": "naming=debug", "seconds": 1}).ok()
    assert "AnsiballZ_polaris_log_level.py" in searcher.found
    warning = "[WARNING]: If this play is killed or loses its network, the levels stay raised on 2 (node1, node2): "
    assert warning in run.output
    assert run.output.index(warning) < run.output.index(OPEN)
    assert levels(servers) == ["info"] * 2
