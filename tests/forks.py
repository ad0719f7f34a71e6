# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's programs for the tests, imported once: imports take half of the CPU time of a short ansible-playbook.

A nursery is a process that has imported ansible-playbook, ansible-inventory and requests, and read what ansible.builtin
contains, but nothing of the collection. It forks for each run. After these imports, a run is a separate process, as if
it had been executed, except that it does not collect garbage. Ansible reads its settings while it is imported, so each
set of settings has its own nursery.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

PROGRAMS = {"ansible-playbook": "ansible.cli.playbook", "ansible-inventory": "ansible.cli.inventory"}
#: Environment variables that Ansible reads while it is imported.
SETTINGS = ("ANSIBLE_", "PYTHON", "LC_", "LANG", "HOME", "TMPDIR")


def run(
    command: Sequence[str], cwd: Path, environment: Mapping[str, str], *, merged: bool = False, timeout: float = 240
) -> subprocess.CompletedProcess[str]:
    """Run a command like subprocess.run with text, captured output and no input.

    :param merged: redirect stderr to stdout, so that both stay in order.

    It runs in a nursery if it is one of PROGRAMS and the same settings were used before.
    """
    settings = frozenset((name, value) for name, value in environment.items() if name.startswith(SETTINGS))
    if command[0] not in PROGRAMS or settings not in _nurseries:
        _nurseries.setdefault(settings)
        return subprocess.run(
            command,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merged else subprocess.PIPE,
            text=True,
            timeout=timeout,
            check=False,
        )
    nursery = _nurseries[settings] or Nursery(environment)
    _nurseries[settings] = nursery
    return nursery.run(command, cwd, environment, merged, timeout)


def close() -> None:
    """End all nurseries."""
    while _nurseries:
        _settings, nursery = _nurseries.popitem()
        if nursery is not None:
            nursery.close()


class Nursery:
    """The tests' side of a nursery."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.socket, other = socket.socketpair()
        with other:
            # -P: prevents importing anything of this checkout by accident.
            command = [sys.executable, "-P", __file__, str(other.fileno())]
            self.process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, pass_fds=[other.fileno()]
            )
        self.answers = self.socket.makefile()

    def run(
        self, command: Sequence[str], cwd: Path, environment: Mapping[str, str], merged: bool, timeout: float
    ) -> subprocess.CompletedProcess[str]:
        with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
            request = json.dumps({"command": list(command), "cwd": str(cwd), "environment": dict(environment)}).encode()
            self.socket.settimeout(timeout)
            outputs = [stdout.fileno(), (stdout if merged else stderr).fileno()]
            socket.send_fds(self.socket, [len(request).to_bytes(4, "big")], outputs)
            self.socket.sendall(request)
            pid = int(self.answers.readline())
            try:
                returncode = int(self.answers.readline())
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(list(command), timeout) from None
            stdout.seek(0)
            stderr.seek(0)
            return subprocess.CompletedProcess(list(command), returncode, stdout.read(), stderr.read())

    def close(self) -> None:
        self.answers.close()
        self.socket.close()
        self.process.wait(60)


_nurseries: dict[frozenset[tuple[str, str]], Nursery | None] = {}


# --- the nursery's own side -------------------------------------------------------------------------------------------


def serve(connection: socket.socket) -> None:
    """Fork for each request; answer with the process's id, and with its exit code when it has ended."""
    for module in PROGRAMS.values():
        importlib.import_module(module)
    # (One test hides it.)
    with contextlib.suppress(ImportError):
        importlib.import_module("requests")
    from ansible.config import manager
    from ansible.plugins import loader

    # To read what ansible.builtin contains takes a fifth of the CPU time of a run.
    warnings.filterwarnings("ignore", "AnsibleCollectionFinder has already been configured")
    loader.init_plugin_loader()
    importlib.import_module("ansible_collections.ansible.builtin")
    # A run must not remove the temporary directory that all of them share.
    atexit.unregister(manager.cleanup_tmp_file)
    # Garbage collection takes a tenth of the CPU time of a run.
    gc.disable()
    while True:
        length, descriptors, _flags, _address = socket.recv_fds(connection, 4, 2)
        if not length:
            break
        request = json.loads(connection.recv(int.from_bytes(length, "big"), socket.MSG_WAITALL))
        pid = os.fork()
        if pid == 0:
            connection.close()
            become(request["command"], request["cwd"], request["environment"], descriptors)
            return
        for descriptor in descriptors:
            os.close(descriptor)
        connection.sendall(f"{pid}\n".encode())
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        with contextlib.suppress(BrokenPipeError):
            connection.sendall(f"{code}\n".encode())
    from ansible import constants

    # (Made by its configuration when it is imported.)
    shutil.rmtree(str(vars(constants)["DEFAULT_LOCAL_TMP"]), ignore_errors=True)


def become(command: list[str], cwd: str, environment: dict[str, str], descriptors: Sequence[int]) -> None:
    """Run that program in this process; it ends with SystemExit."""
    for number, descriptor in enumerate(descriptors, 1):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [shutil.which(command[0]) or command[0], *command[1:]]
    importlib.import_module(PROGRAMS[command[0]]).main()


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
