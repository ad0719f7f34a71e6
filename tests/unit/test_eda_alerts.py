# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event filter of the rulebooks: the node that an alert names, and the parts of an alert that it passes on."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.polarismesh.maintenance.plugins.inventory import polaris

ROOT = Path(__file__).parents[2]
# As ansible-rulebook loads it.
FILTER: dict[str, Any] = {}
# Under `ansible-test units`, runpy treats every path as a package.
exec((ROOT / "extensions" / "eda" / "plugins" / "event_filter" / "alerts.py").read_text(), FILTER)


def filtered(*alerts: Any) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = FILTER["main"]({"payload": {"version": "4", "alerts": list(alerts)}, "meta": {}})
    return events


def alert(instance: Any, **more: Any) -> dict[str, Any]:
    return {"status": "firing", "labels": {"alertname": "PolarisMemoryHigh", "instance": instance}, **more}


def host(instance: Any) -> str | None:
    (event,) = filtered(alert(instance))
    return event.get("host")


@pytest.mark.parametrize(
    ("name", "spellings"),
    [
        ("127.0.70.1", ["127.0.70.1:8090", "127.0.70.1:9100", "127.0.70.1", "[::ffff:127.0.70.1]:8090"]),
        ("fd00--5", ["[fd00::5]:8090", "[fd00::5]", "fd00::5", "[FD00:0:0:0::5]:9100", "fd00--5", "fd00--5:8090"]),
        (
            "polaris-1.example",
            ["polaris-1.example:8090", "polaris-1.example", "polaris-1.example.", "Polaris-1.Example"],
        ),
    ],
)
def test_all_spellings_of_a_node_are_one_node(name: str, spellings: list[str]) -> None:
    events = filtered(*map(alert, spellings))
    assert [event["node"] for event in events] == [name] * len(spellings)
    # A host name keeps its case, which matters to Ansible.
    assert {event["host"].lower() for event in events} == {name}


@given(st.ip_addresses(), st.integers(1, 65535), st.booleans())
def test_the_node_has_the_name_that_the_inventory_plugin_gives_it(address: Any, port: int, long: bool) -> None:
    spelled = address.exploded if long else str(address)
    label = f"[{spelled}]:{port}" if address.version == 6 else f"{spelled}:{port}"
    registered = str(getattr(address, "ipv4_mapped", None) or address)
    node: Any = SimpleNamespace(service=polaris.NODES)
    assert [host(label)] == polaris.names_of([polaris.Host(node, registered, {})])


@pytest.mark.parametrize(
    "instance",
    [
        *("all", "all:8090", "*", "*.*", "~.*[.].*", "polaris_servers", "!127.0.0.1", "127.0.1.*", "127.0.1.[1:6]", ""),
        *(
            "127.0.0.1,127.0.0.2",
            "127.0.0.1:&all",
            "127.0.0.1\n",
            " 127.0.0.1:8090",
            "127.0.0.1:8090000",
            "[fd00::5",
            "fd00::5]:1",
        ),
        *(
            "[fd00::zz]:8090",
            "fe80::1%eth0",
            "{{ 1 }}.x",
            "x.{{ 1 }}:8090",
            "polaris-1",
            "..",
            ".",
            "a..b",
            "[127.0.0.1].x",
        ),
        *(None, 8090, True, ["127.0.0.1"], {"a": "127.0.0.1"}),
    ],
)
def test_labels_that_name_no_single_host_give_no_node(instance: Any) -> None:
    assert filtered(alert(instance)) == [{"alertname": "PolarisMemoryHigh"}]


@given(st.text())
def test_no_text_becomes_a_template_or_a_pattern(text: str) -> None:
    found = host(text)
    assert found is None or (
        set(found) <= set(map(chr, range(128)))
        and found.replace("_", "a").replace("-", "a").replace(".", "a").isalnum()
    )


def test_only_firing_alerts_get_through_and_nothing_else_of_them() -> None:
    hostile = {"meta": {"hosts": "all"}, "annotations": {"a": "{{ 1 }}"}, "host": "127.0.0.9", "node": "x"}
    assert filtered(
        alert("127.0.0.1:8090", **hostile),
        alert("127.0.0.2:8090", status="resolved"),
        alert("127.0.0.2:8090", status=["firing"]),
        {"status": "firing"},
        {"status": "firing", "labels": {"alertname": ["PolarisMemoryHigh"], "instance": "127.0.0.2"}},
        {"status": "firing", "labels": ["alertname"]},
        None,
        1,
    ) == [{"alertname": "PolarisMemoryHigh", "host": "127.0.0.1", "node": "127.0.0.1"}]


@pytest.mark.parametrize(
    "event",
    [
        None,
        1,
        "x",
        [],
        {},
        {"payload": None},
        {"payload": []},
        {"payload": {"alerts": None}},
        {"payload": {"alerts": {}}},
    ],
)
def test_other_webhooks_give_no_event(event: Any) -> None:
    assert FILTER["main"](event) == []
