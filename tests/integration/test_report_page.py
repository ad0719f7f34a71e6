# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of fleet_report in a real browser: chromium, by its driver. Skipped where one of them is missing."""

from __future__ import annotations

import base64
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._report import Fleet, Node, Probes, report_of
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._report_page import render
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._report_rules import warnings_of

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
MARKUP = "<img src=x onerror=document.title='run'>"
SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        CHROMIUM is None or DRIVER is None,
        reason="there is no chromium with its driver (packages chromium, chromium-driver)",
    ),
]


class Browser:
    """What these tests need of WebDriver."""

    def __init__(self, base: str, profile: Path) -> None:
        options = {"binary": CHROMIUM, "args": [*SWITCHES, f"--user-data-dir={profile}"]}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}
        # The driver is on this machine: no proxy of the environment has a part in it.
        self.http = requests.Session()
        self.http.trust_env = False
        self.url = base
        answer = self._call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self.url = f"{base}/session/{answer['sessionId']}"

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        answer = self.http.request(method, self.url + path, json=body, timeout=120).json()["value"]
        assert not (isinstance(answer, dict) and "error" in answer), answer
        return answer

    def open(self, page: Path, fragment: str = "") -> None:
        self._call("POST", "/url", {"url": "about:blank"})
        self.log("performance")
        self._call("POST", "/url", {"url": page.as_uri() + fragment})

    def run(self, script: str) -> Any:
        return self._call("POST", "/execute/sync", {"script": script, "args": []})

    def chrome(self, command: str, **params: Any) -> Any:
        return self._call("POST", "/goog/cdp/execute", {"cmd": command, "params": params})

    def log(self, kind: str) -> list[str]:
        return [entry["message"] for entry in self._call("POST", "/se/log", {"type": kind})]

    def close(self) -> None:
        self._call("DELETE", "")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert DRIVER is not None
    driver = subprocess.Popen([DRIVER, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        session = requests.Session()
        session.trust_env = False
        for _attempt in range(300):
            try:
                if session.get(f"http://127.0.0.1:{port}/status", timeout=5).json()["value"]["ready"]:
                    break
            except requests.ConnectionError:
                time.sleep(0.1)
        opened = Browser(f"http://127.0.0.1:{port}", tmp_path_factory.mktemp("profile"))
        yield opened
        opened.close()
    finally:
        driver.terminate()
        driver.wait(timeout=60)


def node(index: int, **changes: Any) -> Node:
    told: dict[str, Any] = {
        "name": f"node{index}",
        "is_polaris": True,
        "url": f"http://10.0.0.{index}:8090",
        "version": "v1.18.1",
        "protocols": ("grpc",),
        "connections": {"grpc": 1000 + 7 * (index * 37 % 60)},
        "levels": {"naming": "info"},
        "memory": {"heap_in_use": 10 * index, "releasable": index, "sys": 100},
    }
    return Node(**{**told, **changes})


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty nodes: one with the published password, one at debug, one silent, one with a name of markup."""
    nodes = [node(index) for index in range(1, 58)]
    nodes += [
        node(58, probes=Probes(default_password=True)),
        node(59, levels={"naming": "debug"}),
        Node(MARKUP, url="http://10.0.0.99:8090"),
    ]
    fleet = Fleet(tuple(nodes), "2026-01-02T03:04:05Z", target="polaris_servers")
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(render(report_of(fleet, warnings_of(fleet)), "report.json"), encoding="utf-8")
    return file


FILTER = "const one = document.getElementById('filter-text'); one.value = 'TEXT'; one.dispatchEvent(new Event('input'))"
VISIBLE = "[...document.querySelectorAll(arguments_)].filter(one => one.offsetParent !== null)"


def names(browser: Browser, table: str) -> list[str]:
    """The nodes that one sees in a table, from the top."""
    rows = VISIBLE.replace("arguments_", f"'#{table}-table tbody tr'")
    found: list[str] = browser.run(f"return {rows}.map(row => row.cells[0].textContent.trim())")
    return found


def test_it_loads_nothing_and_violates_no_policy(browser: Browser, page: Path) -> None:
    browser.log("browser")
    browser.open(page)
    asked = [message for message in browser.log("performance") if "Network.requestWillBeSent" in message]
    urls = [message.split('"url":"')[1].split('"')[0] for message in asked if '"url":"' in message]
    assert {url for url in urls if not url.startswith(("about:", "data:"))} <= {page.as_uri()}
    assert browser.log("browser") == []


def test_markup_in_a_name_stays_text(browser: Browser, page: Path) -> None:
    browser.open(page)
    assert browser.run("return document.images.length") == 0
    assert browser.run("return document.title") == "Polaris fleet report, 2026-01-02T03:04:05Z"
    assert MARKUP in browser.run("return document.body.innerText")


def test_sorting(browser: Browser, page: Path) -> None:
    browser.open(page)
    click = "document.querySelectorAll('#connections-table thead th')[1].querySelector('button').click()"
    browser.run(click)
    up = names(browser, "connections")
    browser.run(click)
    down = names(browser, "connections")
    by_count = sorted(range(1, 60), key=lambda index: index * 37 % 60)
    assert up == [f"node{index}" for index in by_count[:20]]
    # Nodes that were not read come last in both orders.
    assert [name for name in down if name != MARKUP][:19] == [f"node{index}" for index in by_count[::-1][:19]]
    assert browser.run("return document.querySelectorAll('#connections-table [aria-sort=descending]').length") == 1


def test_filtering_by_text_and_by_severity(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.run(
        "const f = document.getElementById('filter-text'); f.value = 'node57'; f.dispatchEvent(new Event('input'))"
    )
    assert names(browser, "connections") == ["node57"], "also where it was folded away"
    browser.run(FILTER.replace("TEXT", ""))
    assert len(names(browser, "connections")) == 20
    browser.run(
        "const one = document.getElementById('filter-severity');"
        "one.value = 'warning'; one.dispatchEvent(new Event('change'))"
    )
    shown = VISIBLE.replace("arguments_", "'.warnings > li'")
    assert set(browser.run(f"return {shown}.map(one => one.dataset.severity)")) == {"warning"}


def test_unfolding_all(browser: Browser, page: Path) -> None:
    browser.open(page)
    assert len(names(browser, "memory")) == 20
    browser.run("document.getElementById('unfold-all').click()")
    assert len(names(browser, "memory")) == 60
    assert browser.run("return document.querySelectorAll('details:not([open])').length") == 0


def test_copying_a_command(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.chrome("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
    browser.run("document.querySelector('button.copy').click()")
    selected = browser.run("return String(window.getSelection())")
    assert selected.startswith("ansible node58 -m polarismesh.maintenance.polaris_log_level_info -a ")
    for _attempt in range(50):
        if browser.run("return document.querySelector('button.copy').textContent") == "copied":
            return
        time.sleep(0.02)
    pytest.fail("the button did not say that it copied")


def test_a_link_to_a_node_opens_its_details(browser: Browser, page: Path) -> None:
    browser.open(page, "#node-59")
    assert browser.run("return document.getElementById('node-59').open") is True
    assert "naming debug" in browser.run("return document.getElementById('node-59').innerText")


def test_without_a_script_nothing_is_missing(browser: Browser, page: Path) -> None:
    browser.chrome("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(page)
    finally:
        browser.chrome("Emulation.setScriptExecutionDisabled", value=False)
    assert browser.run("return document.querySelectorAll('details.more').length") >= 3
    assert browser.run("return getComputedStyle(document.querySelector('.tools')).display") == "none"
    assert browser.run("return document.querySelectorAll('#memory-table tbody tr').length") == 20


@pytest.mark.parametrize("width", [320, 390, 600])
def test_on_a_phone_nothing_overflows(browser: Browser, page: Path, width: int) -> None:
    browser.chrome("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=True)
    try:
        browser.open(page)
        browser.run("document.getElementById('unfold-all').click()")
        beyond = (
            "return [...document.querySelectorAll('td, th, .why, .where, code, dd')]"
            ".filter(one => one.offsetParent !== null && one.getBoundingClientRect().right > innerWidth + 1)"
            ".map(one => one.outerHTML.slice(0, 120)).slice(0, 5)"
        )
        assert browser.run("return document.documentElement.scrollWidth") <= width
        assert browser.run(beyond) == []
    finally:
        browser.chrome("Emulation.clearDeviceMetricsOverride")


def test_printing_shows_all_rows_and_the_screen_is_folded_again(browser: Browser, page: Path) -> None:
    browser.open(page)
    folded = browser.run("return document.querySelectorAll('details:not([open])').length")
    assert folded > 0
    browser.run("window.dispatchEvent(new Event('beforeprint'))")
    assert browser.run("return document.querySelectorAll('details:not([open])').length") == 0
    browser.run("window.dispatchEvent(new Event('afterprint'))")
    assert browser.run("return document.querySelectorAll('details:not([open])').length") == folded
    browser.chrome("Emulation.setEmulatedMedia", media="print")
    try:
        assert len(names(browser, "memory")) == 60
    finally:
        browser.chrome("Emulation.setEmulatedMedia", media="")
    printed = base64.b64decode(browser.chrome("Page.printToPDF")["data"])
    assert printed.startswith(b"%PDF")


def test_the_dark_theme_is_dark(browser: Browser, page: Path) -> None:
    browser.chrome("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    try:
        browser.open(page)
        assert browser.run("return getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 26)"
    finally:
        browser.chrome("Emulation.setEmulatedMedia", features=[])
