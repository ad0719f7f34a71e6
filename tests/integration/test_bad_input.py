# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input and a bad environment, through a real ansible-playbook: one sentence, nothing changed, nothing written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import trustme

from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import KINDS
from tests.raw_server import RawServer, response
from tests.simulator import PROFILES, Fault, Fleet
from tests.support import PlaybookRun

MODULE = "polarismesh.maintenance.polaris_log_level"
LEVELS = "/maintain/v1/log/outputlevel"
DEBUG = {"levels": {"naming": "debug"}}
#: test_doors.py proves that both give the same.
BOTH_DOORS = pytest.mark.parametrize("door", [pytest.param("module", marks=pytest.mark.slow), "in-process"])


@dataclass(frozen=True)
class Case:
    """Options of the task (None removes one), parts of the sentence, and the kind of error.

    ``kind`` None: Ansible itself refuses the options, before there is a result with an error in it.
    """

    options: dict[str, Any]
    says: list[str]
    kind: str | None
    env: dict[str, str] = field(default_factory=dict)


@pytest.fixture
def foreign() -> Iterator[RawServer]:
    """A web server that is not Polaris."""
    server = RawServer(lambda request: [response(b"<html><title>Welcome</title></html>")])
    yield server
    server.join()


@pytest.fixture
def grpc_like() -> Iterator[RawServer]:
    server = RawServer(lambda request: [b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x05\x00\x00\x40\x00"])
    yield server
    server.join()


def check(playbook: Callable[..., PlaybookRun], door: str, cases: dict[str, Case], defaults: dict[str, Any]) -> None:
    """Every case in one play: each fails with its own sentence."""
    tasks = []
    for name, case in cases.items():
        options = {key: value for key, value in {**defaults, **case.options}.items() if value is not None}
        tasks.append({"name": name, MODULE: options, "ignore_errors": True})
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        "polaris_in_process": door == "in-process",
    }
    run = playbook(
        [{"hosts": "all", "gather_facts": False, "tasks": tasks}], {"all": {"hosts": {"node": None}, "vars": variables}}
    ).ok()
    for name, case in cases.items():
        result = run.one(name)
        message = result["msg"]
        assert result["failed"], name
        assert not result.get("changed"), name
        for part in case.says:
            assert part in message, f"{name}: {message}"
        assert "\n" not in message, f"{name}: {message}"
        assert "Traceback" not in str(result.get("exception")), name
        # Options that Ansible itself refuses fail in the same way.
        assert result["error"]["kind"] in ((case.kind,) if case.kind else KINDS), f"{name}: {result}"
        assert set(result["error"]) == {"kind", "status", "code", "info", "method", "path"}, name
        assert "url" in result, name
        if case.kind is not None:
            # One sentence: it does not end in the middle and start again.
            assert message.endswith("."), f"{name}: {message}"
            assert not re.search(r"\.\s+[A-Z]", message), f"{name}: {message}"


@BOTH_DOORS
def test_bad_input(door: str, fleet: Fleet, playbook: Callable[..., PlaybookRun]) -> None:
    before = dict(fleet.nodes[0].levels)
    known = sorted(before)
    cases = {
        "unknown scope": Case({"levels": {"nonsense": "debug", "naming": "debug"}}, ["nonsense", *known], "not_found"),
        "unknown scope, other form": Case(
            {"levels": None, "scope": "nonsense", "level": "debug"}, ["nonsense", *known], "not_found"
        ),
        "unknown level": Case(
            {"levels": {"naming": "loud", "auth": "debug"}}, ["loud", "debug, info, warn"], "refused"
        ),
        "level in capitals": Case({"levels": {"naming": "DEBUG"}}, ["DEBUG", "lower case"], "refused"),
        "unknown level, other form": Case(
            {"levels": None, "scope": "naming", "level": "loud"}, ["loud", "debug"], None
        ),
        "empty levels": Case({"levels": {}}, ["levels is empty"], "refused"),
        "both forms": Case({"scope": "naming", "level": "debug"}, ["mutually exclusive", "levels", "scope"], None),
        "neither form": Case({"levels": None}, ["levels", "scope"], None),
        "half a form": Case({"levels": None, "scope": "naming"}, ["scope", "level"], None),
        "levels that are none": Case({"levels": "naming"}, ["levels"], None),
        "misspelt option": Case({"levles": {"naming": "debug"}}, ["levles"], None),
        "no url": Case({"url": None}, ["url"], None),
        "url without scheme": Case({"url": "127.0.0.1:8090"}, ["http://HOST:PORT", "127.0.0.1:8090"], "refused"),
        "url with credentials": Case({"url": "http://me:hidden-word@127.0.0.1:1"}, ["must not contain"], "refused"),
        "url with a bad port": Case({"url": "http://127.0.0.1:eighty"}, ["port must be a number"], "refused"),
        "url with a query": Case({"url": "http://127.0.0.1:8090/?x=1"}, ["without a query"], "refused"),
        "host name that is none": Case({"url": "http://a..b:8090"}, ["url"], "refused"),
        "token that is none": Case({"token": "not-a-token"}, ["does not accept the token", "invalid token"], "auth"),
        "token of no account": Case({"token": fleet.tokens.unknown}, ["does not accept the token"], "auth"),
        "token with a line break": Case({"token": "two\nlines"}, ["token is not a Polaris token"], "refused"),
        "no token": Case({"token": None}, ["requires a token, and none was given"], "auth"),
        "two accounts": Case({"username": "me", "password": "word"}, ["token and username"], "refused"),
        "half a login": Case({"token": None, "username": "me"}, ["username and password"], "refused"),
        "wrong password": Case({"token": None, "username": "polaris", "password": "word"}, ["login"], "auth"),
        "timeout of zero": Case({"timeout": 0}, ["timeout must be"], "refused"),
        "timeout that is no number": Case({"timeout": "nan"}, ["timeout must be"], "refused"),
        "fewer retries than none": Case({"retries": -1}, ["retries must be"], "refused"),
        "no such file": Case({"ca_path": "/no/such/file"}, ["ca_path", "/no/such/file"], "refused"),
    }
    defaults = {"url": fleet.url, "token": fleet.tokens.owner, **DEBUG}
    check(playbook, door, cases, defaults)
    assert fleet.nodes[0].levels == before
    assert {entry.method for entry in fleet.requests if entry.path == LEVELS} == {"GET"}


@BOTH_DOORS
def test_bad_environment(
    door: str,
    make_fleet: Callable[..., Fleet],
    playbook: Callable[..., PlaybookRun],
    foreign: RawServer,
    grpc_like: RawServer,
    tmp_path: Path,
) -> None:
    authority = trustme.CA()
    certificate, ca = tmp_path / "server.pem", tmp_path / "ca.pem"
    authority.issue_cert("127.0.1.1").private_key_and_cert_chain_pem.write_to_path(certificate)
    authority.cert_pem.write_to_path(ca)
    fleet = make_fleet()
    secured = make_fleet(tls=(str(certificate), str(certificate)))
    picky = make_fleet(tls=(str(certificate), str(certificate)), client_ca=str(ca))
    closed = make_fleet(admin=False)
    consoleless = make_fleet(console=False)
    kept = tuple(route for route in PROFILES["v1.8.0"].routes if route[1] != LEVELS)
    old = make_fleet(profile=replace(PROFILES["v1.8.0"], routes=kept))
    moved, hung, broken, cut = make_fleet(), make_fleet(), make_fleet(), make_fleet()
    moved.nodes[0].fault("*", "*", Fault("redirect", location="http://login.example/"))
    hung.nodes[0].fault("*", "*", Fault("hang"))
    broken.nodes[0].fault("*", "*", Fault("status", status=503, body="busy"))
    cut.nodes[0].fault("*", "*", Fault("cut"))
    down = RawServer(lambda request: [])
    down.close()

    cases = {
        "server down": Case({"url": down.url}, ["nothing listens at", "start the Polaris server"], "unreachable"),
        "wrong port": Case({"url": grpc_like.url}, ["8091", "8090"], "protocol"),
        "another server": Case({"url": foreign.url}, ["is not a Polaris server", "8090"], "protocol"),
        "HTTPS to HTTP": Case({"url": fleet.url.replace("http", "https")}, ["write http://"], "tls"),
        "HTTP to HTTPS": Case({"url": secured.url.replace("https", "http")}, ["HTTP"], None),
        "untrusted certificate": Case({"url": secured.url}, ["is not trusted here", "ca_path"], "tls"),
        "certificate of another name": Case(
            {"url": secured.url.replace("127.0.1.1", "127.0.1.9"), "ca_path": str(ca)}, ["127.0.1.9"], None
        ),
        "client certificate": Case({"url": picky.url, "ca_path": str(ca)}, ["client_cert and client_key"], None),
        "maintenance API off": Case({"url": closed.url}, ["api.admin.enable", "restart"], "unsupported"),
        "console API off": Case(
            {"url": consoleless.url, "token": None, "username": "polaris", "password": "polaris"},
            ["api.console.enable"],
            "unsupported",
        ),
        "too old": Case({"url": old.url}, ["needs Polaris", "or later: this server is older"], "unsupported"),
        "not the owner": Case({"url": fleet.url, "token": fleet.tokens.sub}, ["main (owner)"], "permission"),
        "token switched off": Case({"token": fleet.tokens.disabled_owner}, ["enabled"], "auth"),
        "redirect": Case({"url": moved.url}, ["redirects to login.example", "never followed"], "protocol"),
        "no answer": Case({"url": hung.url, "timeout": 1}, ["within 1 s", "timeout"], "timeout"),
        "busy": Case({"url": broken.url}, ["503", "busy"], "server"),
        "cut": Case({"url": cut.url}, ["closed the connection"], "server"),
    }
    check(playbook, door, cases, {"url": fleet.url, "token": fleet.tokens.owner, "retries": 0, **DEBUG})
    for each in (fleet, secured, picky, closed, old, moved, hung, broken, cut):
        assert set(each.nodes[0].levels.values()) == {"info"}
        refused = [entry.status for entry in each.requests if entry.method in ("PUT", "POST")]
        # Only for the two accounts without permission does the message come from the server itself.
        assert refused == ([400, 400] if each is fleet else [])


@pytest.mark.parametrize("door", ["module", "in-process"])
def test_requests_missing_is_reported_as_ansible_does_it(
    door: str, fleet: Fleet, playbook: Callable[..., PlaybookRun], tmp_path: Path
) -> None:
    hidden = tmp_path / "path"
    hidden.mkdir()
    (hidden / "requests.py").write_text('raise ImportError("No module named requests")\n')
    task = {"name": "Set", MODULE: {"url": fleet.url, "token": fleet.tokens.owner, **DEBUG}, "ignore_errors": True}
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        "polaris_in_process": door == "in-process",
    }
    run = playbook(
        [{"hosts": "all", "gather_facts": False, "tasks": [task]}],
        {"all": {"hosts": {"node": None}, "vars": variables}},
        env={"PYTHONPATH": str(hidden)},
    )
    assert run.returncode == 0, run.output
    result = run.one("Set")
    assert result["failed"]
    assert (result["url"], result["error"]["kind"]) == (fleet.url, "refused")
    assert "Failed to import the required Python library (requests)" in result["msg"]
    assert fleet.requests == []
