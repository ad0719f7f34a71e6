# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's programs for the tests, imported once: imports take half of the CPU time of a short ansible-playbook.

A nursery is a process that has imported ansible-playbook, ansible-inventory, requests and Ansible's own plugins, but
nothing of the collection. It forks for each run. From there on, a run is a separate process, as if it had been
executed, except that it does not collect garbage. Ansible reads its settings while it is imported, so each set of
settings has its own nursery. The first run with each of them is executed.
"""

from __future__ import annotations

import atexit
import collections
import contextlib
import gc
import importlib.util
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
from typing import NoReturn

INTERPRETER = Path(__file__).parent / "interpreter"
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
    # One test hides requests.
    with contextlib.suppress(ImportError):
        importlib.import_module("requests")
    from ansible.config import manager

    prepare()
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
        for descriptor in descriptors:
            os.close(descriptor)
        connection.sendall(f"{pid}\n".encode())
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        with contextlib.suppress(BrokenPipeError):
            connection.sendall(f"{code}\n".encode())
    from ansible import constants

    # Ansible created it when its configuration was imported.
    shutil.rmtree(str(vars(constants)["DEFAULT_LOCAL_TMP"]), ignore_errors=True)


def prepare() -> None:
    """Do what each run does first, whatever it runs: half of the CPU time that is left after the imports."""
    from ansible.plugins import loader
    from ansible.utils.collection_loader import _collection_finder as finder

    warnings.filterwarnings("ignore", "AnsibleCollectionFinder has already been configured")
    loader.init_plugin_loader()
    importlib.import_module("ansible_collections.ansible.builtin")
    # Ansible imports all plugins of these kinds, or most, and reads their documentation.
    for kind in ("become", "callback", "connection", "inventory", "shell", "strategy"):
        collections.deque(getattr(loader, f"{kind}_loader").all(class_only=True), 0)
    for kind in ("filter", "test"):
        collections.deque(getattr(loader, f"{kind}_loader").all(), 0)
    # Since 2.21 it converts each result by the type hints of these classes.
    with contextlib.suppress(ImportError):
        from ansible._internal import _task

        for found in vars(_task).values():
            if mapping := getattr(found, "get_result_key_to_resolved_field_mapping", None):
                for source_is_module in (False, True):
                    mapping(source_is_module=source_is_module)
    # It compiles the collection's code in each run, and never keeps it.
    sitecustomize = importlib.util.spec_from_file_location("polaris_test_code", INTERPRETER / "sitecustomize.py")
    assert sitecustomize is not None and sitecustomize.loader is not None
    code = importlib.util.module_from_spec(sitecustomize)
    sitecustomize.loader.exec_module(code)
    if code.FOLDER and Path(code.FOLDER).is_dir():
        vars(finder)["compile"] = lambda source, filename, **options: code.kept(filename, source)


def become(command: list[str], cwd: str, environment: dict[str, str], descriptors: Sequence[int]) -> NoReturn:
    """Run that program in this process, and end it."""
    for number, descriptor in enumerate(descriptors, 1):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [shutil.which(command[0]) or command[0], *command[1:]]
    try:
        importlib.import_module(PROGRAMS[command[0]]).main()
    except SystemExit as end:
        if not isinstance(end.code, int):
            raise
        # Python would free each object first, and so copy all memory that the nursery shares with this process.
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code)
    sys.exit("The program returned without SystemExit.")


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
