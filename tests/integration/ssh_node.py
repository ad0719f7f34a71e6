# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine that is reached by SSH, through a real sshd, with a Polaris server that only listens on 127.0.0.1.

If permitted, the machine is a network namespace: its 127.0.0.1 is not ours, and it has its own accounts. Otherwise it
is this machine itself, and tests that need the difference are skipped.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.clients import until
from tests.support import INTERPRETER

ROOT = Path(__file__).parents[2]
SSHD = shutil.which("sshd", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))
#: An account of the machine that has no rights without sudo.
LOGIN, LOGIN_ID = "polaris-ops", 61234
SECONDS = 60.0

CALL = """
import sys, urllib.request
request = urllib.request.Request(sys.argv[2], method=sys.argv[1], data=sys.argv[3].encode() or None)
print(urllib.request.urlopen(request, timeout=30).read().decode())
"""


def missing() -> str:
    """Why no machine can be created here; empty if one can."""
    if os.geteuid() != 0:
        return "only root may start an sshd that lets others in"
    if SSHD is None:
        return "there is no sshd (Debian: openssh-server)"
    absent = [name for name in ("ssh", "ssh-keygen") if shutil.which(name) is None]
    return f"there is no {' and no '.join(absent)} (Debian: openssh-client)" if absent else ""


@dataclass(frozen=True)
class Machine:
    """A machine with an sshd.

    :param inside: the prefix of a command to run it there.
    :param isolated: whether it has its own network and accounts.
    """

    folder: Path
    address: str
    port: int
    inside: tuple[str, ...]

    @property
    def isolated(self) -> bool:
        return bool(self.inside)

    @property
    def temporary(self) -> Path:
        """Its folder for temporary files. /tmp is that of all tests."""
        return self.folder / "temporary"

    def home(self, user: str) -> Path:
        return self.folder / user

    def variables(self, user: str = "root") -> dict[str, Any]:
        """Inventory variables. The ssh configuration and keys of the user are ignored."""
        options = {
            "UserKnownHostsFile": self.folder / "known_hosts",
            "StrictHostKeyChecking": "yes",
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
        }
        return {
            "ansible_connection": "ssh",
            "ansible_host": self.address,
            "ansible_port": self.port,
            "ansible_user": user,
            "ansible_ssh_private_key_file": str(self.folder / "key"),
            "ansible_ssh_common_args": " ".join(["-F none", *(f"-o {key}={value}" for key, value in options.items())]),
            "ansible_control_path_dir": str(self.folder / "cp"),
            # The home directories of this machine may contain a user's files.
            "ansible_remote_tmp": str(self.home(user) / "tmp"),
            "ansible_async_dir": str(self.home(user) / "async"),
            "ansible_python_interpreter": sys.executable,
        }

    @contextlib.contextmanager
    def process(self, name: str, *command: str) -> Iterator[subprocess.Popen[bytes]]:
        """A process there, with its output in a file; its process group ends with the block."""
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [*self.inside, *command],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")


@dataclass(frozen=True)
class Server:
    """A simulated Polaris server on a machine."""

    machine: Machine
    url: str
    port: int
    grpc_port: int
    token: str

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """A call of tests/simulator/control.py, from the machine itself."""
        text = "" if body is None else json.dumps(body)
        command = [*self.machine.inside, sys.executable, "-c", CALL, method, f"{self.url}/_simulator/{path}", text]
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=SECONDS).stdout)

    @property
    def levels(self) -> dict[str, str]:
        levels: dict[str, str] = self.control("GET", "state")["levels"]
        return levels

    def writes(self) -> list[tuple[str, str, str]]:
        """All requests but GET."""
        entries = self.control("GET", "requests")
        return sorted((each["method"], each["path"], each["body"]) for each in entries if each["method"] != "GET")


@contextlib.contextmanager
def server(machine: Machine, port: int = 0, **options: str) -> Iterator[Server]:
    """Start a server, with options of `python -m tests.simulator`; it listens on 127.0.0.1 of the machine only."""
    port = port or (8090 if machine.isolated else 0)
    ready = machine.folder / "ready.json"
    ready.unlink(missing_ok=True)
    given = {"nodes": "1", "address": "127.0.0.1", "port": str(port), "grpc-port": "0", **options}
    arguments = [word for key, value in given.items() for word in (f"--{key}", value)]
    with machine.process(
        "server", sys.executable, "-m", "tests.simulator", "--ready-file", str(ready), *arguments
    ) as process:
        started = until(lambda: ready.exists() or process.poll() is not None, SECONDS)
        assert started and ready.exists(), machine.log("server")
        told = json.loads(ready.read_text())
        yield Server(machine, told["url"], told["port"], told["grpc_port"], told["tokens"]["owner"])


@contextlib.contextmanager
def machine() -> Iterator[Machine]:
    """Create a machine, and remove everything at the end."""
    with contextlib.ExitStack() as stack:
        # A short name, for ssh's sockets, in a directory that the other account can enter.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pm-", dir="/tmp")))
        folder.chmod(0o755)
        for user, number in (("root", 0), (LOGIN, LOGIN_ID)):
            (folder / user).mkdir()
            os.chown(folder / user, number, number)
        for key in ("key", "host_key"):
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key, "-f", str(folder / key))
        try:
            name, address = stack.enter_context(namespace())
        except (OSError, subprocess.CalledProcessError):
            made = Machine(folder, "127.0.0.1", free_port(), ())
        else:
            made = Machine(folder, address, 22, ("ip", "netns", "exec", name))
        stack.enter_context(sshd(made))
        yield made


@contextlib.contextmanager
def namespace() -> Iterator[tuple[str, str]]:
    """A network namespace: its name, and its address as seen from here."""
    name = f"pm{secrets.token_hex(4)}"
    # One of the networks that are reserved for tests of network devices (RFC 2544).
    number = secrets.randbelow(1 << 15) * 4
    ours, theirs = (f"198.{18 + (number >> 16)}.{number >> 8 & 255}.{(number & 255) + last}" for last in (1, 2))
    with contextlib.ExitStack() as stack:
        run("ip", "netns", "add", name)
        stack.callback(run, "ip", "netns", "del", name)
        stack.callback(end_all_of, name)
        run("ip", "link", "add", f"{name}a", "type", "veth", "peer", "name", f"{name}b", "netns", name)
        stack.callback(run, "ip", "link", "del", f"{name}a")
        run("ip", "address", "add", f"{ours}/30", "dev", f"{name}a")
        run("ip", "link", "set", f"{name}a", "up")
        run("ip", "-n", name, "address", "add", f"{theirs}/30", "dev", f"{name}b")
        run("ip", "-n", name, "link", "set", f"{name}b", "up")
        run("ip", "-n", name, "link", "set", "lo", "up")
        yield name, theirs


def accounts(folder: Path) -> Path:
    """A separate /etc, with the system's accounts, a home for root, and the account that needs sudo.

    Only a directory mount is stable: a change of /etc/passwd outside replaces the file, and a mount on the file alone
    would be lost.
    """
    etc = folder / "etc"
    run("cp", "-a", "/etc", str(etc))
    system = [line for line in Path("/etc/passwd").read_text().splitlines() if not line.startswith("root:")]
    root = f"root:x:0:0::{folder / 'root'}:/bin/sh"
    login = f"{LOGIN}:x:{LOGIN_ID}:{LOGIN_ID}::{folder / LOGIN}:/bin/sh"
    (etc / "passwd").write_text("\n".join([root, *system, login]) + "\n")
    # No password is valid, and none is requested.
    (etc / "shadow").write_text("".join(f"{user}:*:20000:0:99999:7:::\n" for user in ("root", LOGIN)))
    if (etc / "sudoers").exists():
        (etc / "sudoers").write_text(f"{LOGIN} ALL=(ALL) NOPASSWD: ALL\n")
    return etc


def end_all_of(name: str) -> None:
    """End the processes that are left in the namespace, such as the sessions of an sshd."""
    for pid in run("ip", "netns", "pids", name).split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)


@contextlib.contextmanager
def sshd(made: Machine) -> Iterator[None]:
    # Debian's start script creates it, but no such script runs here.
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    made.temporary.mkdir(exist_ok=True)
    made.temporary.chmod(0o1777)
    environment = {"TMPDIR": made.temporary, **INTERPRETER}
    settings = {
        "ListenAddress": f"{made.address}:{made.port}",
        "HostKey": made.folder / "host_key",
        "AuthorizedKeysFile": made.folder / "key.pub",
        # The topmost directory is /tmp, which everybody can write to.
        "StrictModes": "no",
        "PermitRootLogin": "prohibit-password",
        "PasswordAuthentication": "no",
        "UsePAM": "no",
        "UseDNS": "no",
        "PidFile": "none",
        "SetEnv": " ".join(f'"{name}={value}"' for name, value in environment.items()),
        "Subsystem": "sftp internal-sftp",
    }
    config = made.folder / "sshd_config"
    config.write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
    host = made.address if made.port == 22 else f"[{made.address}]:{made.port}"
    (made.folder / "known_hosts").write_text(f"{host} {(made.folder / 'host_key.pub').read_text()}")
    command = [str(SSHD), "-D", "-e", "-f", str(config)]
    if made.isolated:
        # `ip netns exec` has given the process its own mounts.
        command = ["sh", "-c", 'mount --bind "$0" /etc && exec "$@"', str(accounts(made.folder)), *command]
    with made.process("sshd", *command) as process:
        started = until(lambda: listens(made.address, made.port) or process.poll() is not None, SECONDS)
        assert started and process.poll() is None, made.log("sshd")
        try:
            yield
        finally:
            disconnect(made.folder / "cp")


@contextlib.contextmanager
def cut(made: Machine) -> Iterator[None]:
    """Cut an isolated machine off the network until the block ends."""
    name = made.inside[-1]
    run("ip", "-n", name, "link", "set", f"{name}b", "down")
    try:
        yield
    finally:
        run("ip", "-n", name, "link", "set", f"{name}b", "up")


def disconnect(sockets: Path) -> None:
    """End the connections that ssh keeps open for a minute; an sshd does not end its sessions when it exits."""
    for path in sockets.glob("*"):
        command = ["ssh", "-F", "none", "-o", f"ControlPath={path}", "-O", "exit", "machine"]
        subprocess.run(command, check=False, capture_output=True, timeout=SECONDS)
    assert until(lambda: not list(sockets.glob("*")), SECONDS)


def listens(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=SECONDS):
            return True
    except ConnectionRefusedError:
        return False


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=SECONDS).stdout
