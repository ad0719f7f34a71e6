# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rulebook `alerts_controller` in a real ansible-rulebook, with the part of a controller's API that it needs."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from tests.awx import config
from tests.clients import until
from tests.eda.running import CONNECTIONS, MEMORY, Listening, alert, listening, skip_without_ansible_rulebook

skip_without_ansible_rulebook()

TEMPLATES = config.by_name("controller_templates")
IDS = {name: number for number, name in enumerate(TEMPLATES, 1)}


class Controller(ThreadingHTTPServer):
    """Has the job templates of extensions/awx, and records what is launched."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.launched: list[tuple[str, dict[str, Any]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"


class Handler(BaseHTTPRequestHandler):
    server: Controller

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/api/v2/unified_job_templates/":
            self.answer(
                {"count": 1, "next": None, "results": [described(query["name"])] if query["name"] in IDS else []}
            )
        elif parts.path == "/api/v2/jobs/":
            jobs = [
                {"id": int(one), "status": "successful", "created": "2026", "artifacts": {}}
                for one in query["id__in"].split(",")
            ]
            self.answer({"count": len(jobs), "next": None, "results": jobs})
        else:
            self.answer({"version": "24.6.1"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        found = re.fullmatch(r"/api/v2/job_templates/([0-9]+)/launch/", self.path)
        assert found and self.headers["Authorization"] == "Bearer t"
        self.server.launched.append((list(IDS)[int(found[1]) - 1], body))
        number = len(self.server.launched)
        self.answer({"id": number, "url": f"/api/v2/jobs/{number}/"})

    def answer(self, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_arguments: Any) -> None:
        """Says nothing."""


def described(name: str) -> dict[str, Any]:
    """A job template as the controller lists it."""
    asks = {
        f"ask_{what}_on_launch": TEMPLATES[name].get(f"ask_{what}_on_launch", False)
        for what in ("limit", "labels", "inventory", "variables")
    }
    return {
        "id": IDS[name],
        "type": "job_template",
        "name": name,
        "related": {"launch": f"/api/v2/job_templates/{IDS[name]}/launch/"},
        "summary_fields": {"organization": {"name": TEMPLATES[name]["organization"]}},
        **asks,
    }


@pytest.fixture(scope="module")
def controller() -> Iterator[Controller]:
    with Controller() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def rulebook(tmp_path_factory: pytest.TempPathFactory, controller: Controller) -> Iterator[Listening]:
    folder = tmp_path_factory.mktemp("eda")
    arguments = ["--controller-url", controller.url, "--controller-token", "t"]
    with listening(folder, "alerts_controller", arguments, {}, {"EDA_JOB_TEMPLATE_REFRESH_DELAY": "0.2"}) as running:
        yield running


def test_alerts_launch_the_job_templates_that_awx_has(rulebook: Listening, controller: Controller) -> None:
    # For one node in several spellings, and for no node.
    rulebook.send(
        *(alert(MEMORY, instance) for instance in ("[fd00::5]:8090", "fd00::5", "[FD00:0:0::5]:9100", "all", None))
    )
    rulebook.send(alert(MEMORY, "10.0.0.1:8090", "resolved"), alert(MEMORY, "10.0.0.2:8090", meta={"hosts": "all"}))
    rulebook.send(alert(CONNECTIONS, "10.0.0.1:8090"), alert(CONNECTIONS, None))
    assert until(lambda: len(controller.launched) >= 3 or rulebook.process.poll() is not None, 90), rulebook.log
    rulebook.send(alert(MEMORY, "10.0.0.3"))
    assert until(lambda: len(controller.launched) >= 4 or rulebook.process.poll() is not None, 90), rulebook.log
    launched = [(name, body["limit"]) for name, body in controller.launched]
    incident, rebalance = "Polaris memory incident", "Polaris connection rebalance"
    assert sorted(launched) == sorted(
        [(incident, "fd00--5"), (incident, "10.0.0.2"), (rebalance, "all"), (incident, "10.0.0.3")]
    )
    for name, body in controller.launched:
        survey = {question["variable"]: question for question in TEMPLATES[name]["survey_spec"]["spec"]}
        # The controller ignores what ansible-rulebook adds, because no job template asks for variables.
        answers = {key: value for key, value in body["extra_vars"].items() if key != "ansible_eda"}
        assert all(config.answer_problems(survey[variable], answer) == [] for variable, answer in answers.items())
        assert {variable for variable, question in survey.items() if question["required"]} <= answers.keys()
        if name == incident:
            assert TEMPLATES[name]["ask_limit_on_launch"]


def test_the_example_activation_runs_this_rulebook() -> None:
    folder = Path(__file__).parents[2] / "extensions" / "eda"
    example = yaml.safe_load((folder / "activation.yml").read_text())
    (activation,) = example["eda_rulebook_activations"]
    (source,) = yaml.safe_load((folder / "rulebooks" / activation["rulebook"]).read_text())[0]["sources"]
    assert [stream["source_name"] for stream in activation["event_streams"]] == [source["name"]]
    assert activation["project"] == example["eda_projects"][0]["name"]
    assert activation["decision_environment"] == example["eda_decision_environments"][0]["name"]
    assert yaml.safe_load(activation["extra_vars"])["POLARIS_ALERTS_TOKEN"]
