# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How AWX prepares a job for ansible-runner, an execution node that runs it, and what comes back.

From the sources of AWX 24.6: the controller writes a private data folder (inventory script, extra variables whose text
is all `!unsafe`, environment with the credential injected) and streams it; `ansible-runner worker` runs it on an
execution node or in a container, without the controller's own environment; AWX keeps only the events that come back.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import yaml

from tests.awx.config import Survey, answer_problems
from tests.support import PlaybookRun, TaskResult

#: The settings that AWX passes to every job by default.
SETTINGS = {
    "ANSIBLE_FORCE_COLOR": "True",
    "ANSIBLE_HOST_KEY_CHECKING": "False",
    "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True",
    "ANSIBLE_RETRY_FILES_ENABLED": "False",
    "MAX_EVENT_RES": "700000",
}
STATUS = {"runner_on_ok": "ok", "runner_on_skipped": "skipped", "runner_on_unreachable": "unreachable"}

Inventory = dict[str, Any]


class Unsafe(yaml.SafeDumper):
    """Extra variables as AWX writes them: no text in them is a template."""


Unsafe.add_representer(str, lambda dumper, text: dumper.represent_scalar("!unsafe", text))


def survey_variables(survey: Survey, answers: Mapping[str, Any]) -> dict[str, Any]:
    """The extra variables from a survey: the answers, and the defaults of unanswered questions.

    A default that does not fit its own question is skipped, as in AWX. An unanswered text question without a default
    gives empty text, as the user interface sends it.
    """
    questions = {question["variable"]: question for question in survey["spec"]}
    assert answers.keys() <= questions.keys(), f"not asked for: {sorted(answers.keys() - questions.keys())}"
    for name, value in answers.items():
        assert not answer_problems(questions[name], value), f"the survey refuses {value!r} for {name}"
    defaults = {
        name: question["default"]
        for name, question in questions.items()
        if question.get("default") is not None and not answer_problems(question, question["default"])
    }
    missing = {name for name, question in questions.items() if question["required"]} - answers.keys()
    # A launch by the API need not repeat a default; a missing required answer without a default is refused.
    assert missing <= defaults.keys(), f"required, and neither answered nor with a default: {missing}"
    empty = {name: "" for name, question in questions.items() if question["type"] in ("text", "textarea")}
    return {**empty, **defaults, **answers}


def meta_variables(template: str, *, workflow: str = "") -> dict[str, Any]:
    """The variables that AWX adds to each job about itself. Whether it is a slice is not among them."""
    about: dict[str, Any] = {
        "job_id": 42,
        "job_launch_type": "manual",
        "job_template_id": 7,
        "job_template_name": template,
        "execution_node": "node",
        "inventory_id": 2,
        "inventory_name": "Polaris",
        "project_revision": "0" * 40,
        "project_scm_branch": "",
        "user_id": 1,
        "user_name": "admin",
        "user_email": "",
        "user_first_name": "",
        "user_last_name": "",
    }
    if workflow:
        about |= {"workflow_job_id": 41, "workflow_job_name": workflow, "workflow_job_launch_type": "manual"}
    return {f"{prefix}_{name}": value for prefix in ("awx", "tower") for name, value in about.items()}


def inventory_script_data(hosts: Mapping[str, Mapping[str, Any]], variables: Mapping[str, Any]) -> Inventory:
    """Hosts of the group polaris_servers as AWX passes them to a job; the variables are those of its inventory."""
    hostvars = {
        name: {**each, "remote_tower_enabled": "true", "remote_tower_id": number}
        for number, (name, each) in enumerate(sorted(hosts.items()), 1)
    }
    return {
        "all": {"vars": dict(variables), "hosts": [], "children": ["polaris_servers"]},
        "polaris_servers": {"hosts": sorted(hosts)},
        "_meta": {"hostvars": hostvars},
    }


def sliced(inventory: Inventory, count: int) -> list[Inventory]:
    """The inventories of the slices of a job: of the hosts, ordered by name, every count-th one."""
    names = sorted(inventory["_meta"]["hostvars"])
    return [_only(inventory, set(names[number::count])) for number in range(count)]


def _only(inventory: Inventory, names: set[str]) -> Inventory:
    groups = {
        name: {**group, "hosts": [host for host in group["hosts"] if host in names]}
        for name, group in inventory.items()
        if name != "_meta"
    }
    hostvars = inventory["_meta"]["hostvars"]
    return {**groups, "_meta": {"hostvars": {name: hostvars[name] for name in sorted(names)}}}


@dataclass(frozen=True)
class ExecutionNode:
    """Where jobs run: a home directory with only the collection, as ansible-galaxy installed it."""

    home: Path

    @property
    def collections(self) -> Path:
        """Where ansible-galaxy installs to."""
        return self.home / ".ansible" / "collections"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a job there, without what AWX sends along."""
        return {
            "HOME": str(self.home),
            "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
        }

    def worker(self, folder: Path) -> list[str]:
        """The command that runs the incoming job, with a clean environment."""
        clean = ["env", "-i", *(f"{name}={value}" for name, value in self.environment.items())]
        return [*clean, "ansible-runner", "worker", f"--private-data-dir={folder}", "--delete"]


@dataclass
class Job:
    """A job on its way through transmit, worker and process."""

    folder: Path
    name: str
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def _artifacts(self) -> Path:
        return self.folder / "controller" / "artifacts" / self.name

    def kept(self) -> str:
        """The text of all events so far, which is what AWX keeps and shows."""
        return "\n".join(path.read_text() for path in (self._artifacts / "job_events").glob("*.json"))

    def artifacts(self) -> dict[str, Any]:
        """The custom stats of the job, which AWX passes to the next jobs of a workflow; none if it was killed."""
        (stats,) = [event for event in self._events() if event["event"] == "playbook_on_stats"] or [{}]
        found: dict[str, Any] = stats.get("event_data", {}).get("artifact_data", {})
        return found

    def _events(self) -> list[dict[str, Any]]:
        events = [json.loads(path.read_text()) for path in (self._artifacts / "job_events").glob("*.json")]
        return sorted(events, key=lambda event: event["counter"])

    def wait(self, timeout: float = 240) -> None:
        """Wait until it ends, whatever the outcome."""
        for process in self.processes.values():
            process.wait(timeout)

    def lose(self) -> None:
        """Kill everything that runs on the execution node at once, as the loss of its container does."""
        worker = self.processes["worker"].pid
        stopped: list[int] = []
        # A process that is stopped starts no other one: so nothing is left when a listing shows nothing new.
        while new := [pid for pid in [worker, *descendants(worker)] if pid not in stopped]:
            for pid in new:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
            stopped += new
        for pid in stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def end(self) -> None:
        """Cancel it, if it is still running."""
        for process in self.processes.values():
            if process.poll() is None:
                process.terminate()
                process.wait(60)

    def result(self, timeout: float = 240) -> PlaybookRun:
        """Wait until it ends; what AWX then knows about it from the events."""
        self.wait(timeout)
        logs = "".join(f"\n[{name}] {(self.folder / f'{name}.log').read_text()}" for name in self.processes)
        rc = self._artifacts / "rc"
        assert rc.exists(), f"the job came to no end:{logs}"
        events = self._events()
        output = "\n".join(event["stdout"] for event in events if event["stdout"])
        return PlaybookRun(int(rc.read_text()), output, [found for event in events for found in task_results(event)])


def descendants(pid: int) -> list[int]:
    """The processes that this one started, and those that these started."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            children.setdefault(int(stat.read_text().rpartition(")")[2].split()[1]), []).append(int(stat.parent.name))
    found, at = [], [pid]
    while at:
        at = [child for parent in at for child in children.get(parent, [])]
        found += at
    return found


def task_results(event: Mapping[str, Any]) -> list[TaskResult]:
    """The result of a task on a host, if the event is one."""
    kind, data = event["event"], event.get("event_data", {})
    if kind == "runner_on_failed":
        status = "ignored" if data.get("ignore_errors") else "failed"
    elif kind in STATUS:
        status = STATUS[kind]
    else:
        return []
    return [TaskResult(data["host"], data["task"], data["task_action"], status, data.get("res", {}))]


def launch(
    folder: Path,
    node: ExecutionNode,
    project: Path,
    playbook: str,
    inventory: Inventory,
    variables: Mapping[str, Any],
    credential: Mapping[str, str],
    *,
    trusted: Mapping[str, Any] | None = None,
    arguments: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Job:
    """Start a job as AWX does: `ansible-runner transmit | worker | process`, with the worker in its own session.

    :param project: the checkout that AWX has of its project.
    :param variables: survey and meta variables.
    :param credential: the environment variables that the credential injects.
    :param trusted: the extra variables of the job template, in which AWX allows templates.
    :param arguments: the arguments that the job template adds to the command line: --check, --diff, -vvv.
    """
    controller = folder / "controller"
    envvars = {
        **SETTINGS,
        "AWX_PRIVATE_DATA_DIR": str(controller),
        "JOB_ID": "42",
        "INVENTORY_ID": "2",
        "ANSIBLE_COLLECTIONS_PATH": ":".join(
            ["/runner/requirements_collections", "~/.ansible/collections", "/usr/share/ansible/collections"]
        ),
        **credential,
        **(environment or {}),
    }
    files = {
        "inventory/hosts": f"#!/usr/bin/env python3\nprint({json.dumps(inventory)!r})\n",
        "env/extravars": "".join(yaml.dump({name: value}, Dumper=Unsafe) for name, value in variables.items())
        + "".join(yaml.safe_dump({name: value}) for name, value in (trusted or {}).items()),
        "env/envvars": json.dumps(envvars),
        "env/cmdline": shlex.join(["-u", "root", *arguments]),
        "env/settings": json.dumps({"job_timeout": 0, "suppress_ansible_output": True, "suppress_output_file": True}),
    }
    shutil.copytree(project, controller / "project")
    for name, text in files.items():
        (controller / name).parent.mkdir(exist_ok=True)
        (controller / name).write_text(text)
    (controller / "inventory" / "hosts").chmod(0o700)
    ident = ["--ident", "42"]
    job = Job(folder, "42")
    commands = {
        "transmit": ["ansible-runner", "transmit", str(controller), "-p", playbook, *ident],
        "worker": node.worker(folder / "worker"),
        "process": ["ansible-runner", "process", str(controller), *ident],
    }
    source: IO[bytes] | int | None = subprocess.DEVNULL
    for name, command in commands.items():
        with (folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                command,
                stdin=source,
                stdout=log if name == "process" else subprocess.PIPE,
                stderr=log,
                start_new_session=name == "worker",
            )
        if source is not None and not isinstance(source, int):
            source.close()
        source = process.stdout
        job.processes[name] = process
    return job
