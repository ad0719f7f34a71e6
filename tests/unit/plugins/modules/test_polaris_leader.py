# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leaders, and giving up leadership: only if this node leads, and never by accident if no node can take over."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.polarismesh.maintenance.plugins.module_utils._api import memory
from ansible_collections.polarismesh.maintenance.plugins.module_utils._api.elections import leads
from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import Client
from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import PolarisError
from ansible_collections.polarismesh.maintenance.plugins.module_utils._model import Leader
from ansible_collections.polarismesh.maintenance.plugins.modules import polaris_leader_info
from ansible_collections.polarismesh.maintenance.plugins.modules.polaris_leader_release import run
from tests.simulator import Fault, Fleet

MakeFleet = Callable[..., Fleet]
MakeClient = Callable[..., Client]
KEY = "MaintainJob.CleanDeletedInstances"
CHECKER = "polaris.checker"
RELEASE = "/maintain/v1/leaders/release"


def release(client: Client, check_mode: bool = False, **options: Any) -> dict[str, Any]:
    return run(client, {"elect_key": KEY, "force": False, **options}, check_mode)


def leader(host: str = "10.0.0.1", valid: bool = True, ctime: int | None = 1700000000) -> Leader:
    return Leader(KEY, host, valid, ctime, 1700000100)


def sent(fleet: Fleet) -> list[str]:
    return [request.path for request in fleet.requests if request.method == "POST"]


def leading(fleet: Fleet) -> tuple[int, int]:
    """The index of the node that leads, and of one that does not."""
    election = fleet.elections.current(KEY)
    assert election is not None
    return election.leader, (election.leader + 1) % len(fleet.nodes)


@pytest.mark.parametrize(
    ("found", "own", "whether"),
    [
        (leader(), "10.0.0.1", True),
        (leader(), "10.0.0.2", False),
        (leader(), None, None),
        (leader(valid=False), "10.0.0.1", False),
        # All nodes of a cluster without a configured address have the same one.
        (leader("127.0.0.1"), "127.0.0.1", None),
        # boltdb.
        (leader("127.0.0.1", ctime=None), "127.0.0.1", True),
        (leader("127.0.0.1", ctime=None, valid=False), "127.0.0.1", False),
    ],
)
def test_whether_a_node_leads(found: Leader, own: str | None, whether: bool | None) -> None:
    assert leads(found, own) is whether


@pytest.mark.parametrize("profile", ["v1.16.0", "v1.18.1"])
def test_only_the_leader_gives_up_and_another_takes_over(
    profile: str, make_fleet: MakeFleet, make_client: MakeClient
) -> None:
    fleet = make_fleet(nodes=2, store="mysql", profile=profile, election_tick=0.1)
    here, there = leading(fleet)
    other = release(make_client(fleet.nodes[there], token=fleet.tokens.owner))
    assert not other["changed"]
    assert other["leader"] == fleet.nodes[here].host
    assert other["own_host"] == fleet.nodes[there].host
    assert sent(fleet) == []
    result = release(make_client(fleet.nodes[here], token=fleet.tokens.owner))
    assert result["changed"]
    assert result["leader"] == result["own_host"] == fleet.nodes[here].host
    assert sent(fleet) == [RELEASE]


def test_check_mode_sends_nothing(make_fleet: MakeFleet, make_client: MakeClient) -> None:
    fleet = make_fleet(nodes=2, store="mysql")
    here, there = leading(fleet)
    assert release(make_client(fleet.nodes[here], token=fleet.tokens.owner), check_mode=True)["changed"]
    assert not release(make_client(fleet.nodes[there], token=fleet.tokens.owner), check_mode=True)["changed"]
    assert sent(fleet) == []


def test_on_boltdb_it_is_guarded_forced_and_then_there_is_no_leader(fleet: Fleet, make_client: MakeClient) -> None:
    client = make_client(fleet.nodes[0], token=fleet.tokens.owner)
    for check_mode in (True, False):
        with pytest.raises(PolarisError) as caught:
            release(client, check_mode)
        assert caught.value.kind == "guard"
        assert "boltdb store, where no node takes over" in caught.value.msg
    assert sent(fleet) == []
    assert release(client, force=True)["changed"]
    again = release(client, force=True)
    assert not again["changed"]
    assert again["leader"] is None
    # Without a leader there is nothing to guard.
    assert not release(client)["changed"]
    assert sent(fleet) == [RELEASE]


@pytest.mark.parametrize("profile", ["v1.14.2", "v1.18.1", "head"])
def test_the_health_checks_are_guarded(profile: str, make_fleet: MakeFleet, make_client: MakeClient) -> None:
    """Heartbeats to the node that led fail for half a minute (seen on v1.18.1 with the checker heartbeatLeader)."""
    fleet = make_fleet(nodes=2, store="mysql", profile=profile)
    election = fleet.elections.current(CHECKER)
    assert election is not None
    leader, follower = (
        make_client(fleet.nodes[n], token=fleet.tokens.owner) for n in (election.leader, 1 - election.leader)
    )
    for check_mode in (True, False):
        with pytest.raises(PolarisError) as caught:
            release(leader, check_mode, elect_key=CHECKER)
        assert caught.value.kind == "guard"
        assert "live instances may become unhealthy" in caught.value.msg
    assert not release(follower, elect_key=CHECKER)["changed"]
    assert sent(fleet) == []
    assert release(leader, elect_key=CHECKER, force=True)["changed"]
    assert sent(fleet) == [RELEASE]


def test_a_node_that_cannot_be_identified_is_guarded(make_fleet: MakeFleet, make_client: MakeClient) -> None:
    fleet = make_fleet(nodes=2, store="mysql", loopback=True)
    here, _dummy = leading(fleet)
    client = make_client(fleet.nodes[here], token=fleet.tokens.owner)
    with pytest.raises(PolarisError) as caught:
        release(client)
    assert caught.value.kind == "guard"
    assert "that node: give each node an address of its own" in caught.value.msg
    with pytest.raises(PolarisError, match=r"may lead polaris.checker.* live instances may become unhealthy"):
        release(client, elect_key=CHECKER)
    assert sent(fleet) == []
    assert release(client, force=True)["changed"]
    assert sent(fleet) == [RELEASE]


@pytest.mark.parametrize(
    ("key", "kind", "words"),
    [
        (
            "nonsense",
            "not_found",
            "it has MaintainJob.CleanDeletedClients, MaintainJob.CleanDeletedInstances, polaris.",
        ),
        (" ", "refused", "elect_key is empty"),
    ],
)
def test_a_wrong_key(key: str, kind: str, words: str, fleet: Fleet, make_client: MakeClient) -> None:
    with pytest.raises(PolarisError) as caught:
        release(make_client(fleet.nodes[0], token=fleet.tokens.owner), elect_key=key)
    assert caught.value.kind == kind
    assert words in caught.value.msg
    assert sent(fleet) == []


def test_servers_without_the_call_name_the_version_that_brought_it(
    make_fleet: MakeFleet, make_client: MakeClient
) -> None:
    fleet = make_fleet(profile="v1.13.0")
    client = make_client(fleet.nodes[0], token=fleet.tokens.owner)
    calls: list[Callable[[], object]] = [lambda: release(client), lambda: polaris_leader_info.run(client, {}, False)]
    for call in calls:
        with pytest.raises(PolarisError) as caught:
            call()
        assert caught.value.kind == "unsupported"
        assert "needs Polaris v1.14.0 or later" in caught.value.msg


@pytest.mark.parametrize("store", ["boltdb", "mysql"])
def test_the_list_is_sorted_and_shows_the_store(store: str, make_fleet: MakeFleet, make_client: MakeClient) -> None:
    fleet = make_fleet(nodes=2, store=store)
    found = polaris_leader_info.run(make_client(fleet.nodes[1], token=fleet.tokens.sub), {}, False)["leaders"]
    assert [entry["elect_key"] for entry in found] == sorted(entry["elect_key"] for entry in found)
    assert KEY in [entry["elect_key"] for entry in found]
    assert all(entry["valid"] and isinstance(entry["mtime"], int) for entry in found)
    hosts = {entry["host"] for entry in found}
    if store == "boltdb":
        assert hosts == {fleet.nodes[1].host}
        assert {entry["ctime"] for entry in found} == {None}
    else:
        assert hosts <= {node.host for node in fleet.nodes}
        assert all(entry["ctime"] > 0 for entry in found)


def test_a_new_key_that_no_node_has_taken_has_no_leader(
    make_fleet: MakeFleet, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """v1.18.1 on MySQL reports such a key as valid."""
    fleet = make_fleet(store="mysql")
    client = make_client(fleet.nodes[0], token=fleet.tokens.owner)
    row = {"ElectKey": KEY, "Host": "", "Ctime": 1700000000, "Mtime": 1700000000, "Valid": True}
    fleet.nodes[0].fault("GET", "/maintain/v1/leaders", Fault("status", status=200, body=json.dumps([row])))
    assert [entry["valid"] for entry in polaris_leader_info.run(client, {}, False)["leaders"]] == [False]
    result = release(client)
    assert (result["changed"], result["leader"]) == (False, None)


def test_the_url_may_name_the_leader_itself(
    make_fleet: MakeFleet, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If neither metrics nor the registry identify a node."""
    fleet = make_fleet(nodes=2, store="mysql", console=False)
    here, _there = leading(fleet)
    monkeypatch.setattr(memory, "metrics", lambda _client: None)
    assert release(make_client(fleet.nodes[here], token=fleet.tokens.owner))["changed"]
    assert sent(fleet) == [RELEASE]


@pytest.mark.parametrize("kind", ["drop", "cut"])
def test_without_an_answer_a_release_may_have_taken_effect(
    kind: Any, make_fleet: MakeFleet, make_client: MakeClient
) -> None:
    fleet = make_fleet(nodes=2, store="mysql")
    node = fleet.nodes[leading(fleet)[0]]
    node.fault("POST", RELEASE, Fault(kind))
    with pytest.raises(PolarisError) as caught:
        release(make_client(node, token=fleet.tokens.owner))
    assert caught.value.partial == {"changed": True, "outcome_unknown": True}
    assert "may have taken effect" in caught.value.msg
    assert sent(fleet) == [RELEASE]
