# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Details of answers in which a simulator can easily differ from a real server.

Each expectation is recorded per version, and the version of a real server is known from its routes. So the simulator's
profile and the server that it represents must meet the same expectations.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.server import NAMESPACE, Server

LIST = "/naming/v1/instances"
CLEAN = "/maintain/v1/instance/clean"
VERSIONS = ("v1.12.2", "v1.14.2", "v1.17.1", "v1.18.1", "head")
pytestmark = pytest.mark.profiles(*VERSIONS)


@pytest.fixture
def version(server: Server) -> str:
    """The profile of the server, or the one that matches a real server."""
    return server.like.name


def tetrad(service: str, host: str = "10.1.0.1", **more: Any) -> dict[str, Any]:
    return {"service": service, "namespace": NAMESPACE, "host": host, "port": 8080, **more}


# --- the count of instances ------------------------------------------------------------------------------------------


def test_the_count_has_the_registered_instances(server: Server, service: str, version: str) -> None:
    def count() -> int:
        reply = server.call("GET", f"{LIST}/count")
        assert (reply.status_code, reply.json()["code"], reply.json()["size"]) == (200, 200000, 0)
        return int(reply.json()["amount"])

    before = count()
    gone = server.register(service, "10.1.0.1")
    server.register(service, "10.1.0.2")
    assert count() == before + 2
    server.deregister(gone, service)
    # boltdb up to v1.12 also counts instances that are marked as deleted.
    assert count() == before + (2 if version == "v1.12.2" and server.store == "boltdb" else 1)


# --- what the decoder of a clean accepts and refuses -----------------------------------------------------------------


@pytest.mark.parametrize(("sent", "echoed"), [(0, "UNKNOWN"), (1, "HEARTBEAT"), (7, 7), (-1, -1)])
def test_an_enum_accepts_any_number(server: Server, service: str, sent: int, echoed: str | int) -> None:
    reply = server.call("POST", CLEAN, tetrad(service, health_check={"type": sent}))
    assert (reply.status_code, reply.json()["code"]) == (200, 200000)
    assert reply.json()["instance"]["healthCheck"]["type"] == echoed


def test_null_metadata_is_empty_text(server: Server, service: str) -> None:
    reply = server.call("POST", CLEAN, tetrad(service, metadata={"a": None}))
    assert reply.json()["code"] == 200000
    assert reply.json()["instance"]["metadata"] == {"a": ""}


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"health_check": {"type": "NOPE"}}, r'unknown value "\"NOPE\"" for enum v1.HealthCheck.HealthCheckType'),
        ({"health_check": {"type": True}}, "json: cannot unmarshal bool into Go value of type protoreflect.EnumNumber"),
        ({"port": "x"}, "invalid character 'x' looking for beginning of value"),
        ({"port": ""}, "unexpected end of JSON input"),
        ({"port": -1}, "json: cannot unmarshal number -1 into Go value of type uint32"),
        ({"health_check": {"heartbeat": {"ttl": "x"}}}, "invalid character 'x' looking for beginning of value"),
    ],
    ids=str,
)
def test_the_error_text_for_a_wrong_field(server: Server, service: str, wrong: dict[str, Any], text: str) -> None:
    reply = server.call("POST", CLEAN, tetrad(service, **wrong))
    assert (reply.status_code, reply.json()["code"]) == (400, 400001)
    assert reply.json()["info"] == f"request decode failed: {text}"


@pytest.mark.parametrize("wrong", [{"nope": 1}, {"location": {"nope": 1}}, {"health_check": {"nope": 1}}], ids=str)
def test_unknown_keys_are_refused_up_to_v1_18(
    server: Server, service: str, version: str, wrong: dict[str, Any]
) -> None:
    reply = server.call("POST", CLEAN, tetrad(service, **wrong))
    assert reply.json()["code"] == (200000 if version == "head" else 400001)


@pytest.mark.parametrize(
    ("body", "code", "text"),
    [
        ({"id": ""}, 400130, "实例ID非法"),
        ({}, 400120, "服务名称非法"),
        ({"id": "no-such-id"}, 200000, "execute success"),
    ],
)
def test_chinese(server: Server, body: dict[str, Any], code: int, text: str) -> None:
    reply = server.call("POST", f"{CLEAN}?lang=zh", body).json()
    assert (reply["code"], reply["info"]) == (code, text)


# --- contents of lists -----------------------------------------------------------------------------------------------


def test_an_instance_without_a_health_check(server: Server, service: str) -> None:
    server.register(service)
    listed = server.call("GET", LIST, params={"namespace": NAMESPACE, "service": service}).json()["instances"][0]
    assert listed["enableHealthCheck"] is (False if server.store == "mysql" else None)
    assert listed["healthCheck"] is None


def test_a_list_of_instances_has_no_summary(server: Server, service: str, version: str) -> None:
    listed = server.call("GET", LIST, params={"namespace": NAMESPACE, "host": "10.99.99.99"}).json()
    assert listed.get("summary", "none") == ("none" if version in ("v1.12.2", "v1.14.2") else None)


def test_services(server: Server, service: str, version: str) -> None:
    for port in (8080, 8081):
        server.register(service, port=port)
    query = {"namespace": NAMESPACE, "name": service}
    found: list[dict[str, Any]] = []

    def listed() -> bool:
        found[:] = server.call("GET", "/naming/v1/services", params=query).json()["services"]
        return bool(found) and found[0]["total_instance_count"] == 2

    server.until(listed, "the service to be listed")
    extras = {"v1.18.1": {"export_to": []}, "head": {"export_to": [], "deleteable": True}}
    assert {key: found[0][key] for key in ("export_to", "deleteable") if key in found[0]} == extras.get(version, {})
    ports = "" if version in ("v1.12.2", "v1.14.2") else "8080,8081"
    assert ",".join(sorted(found[0]["ports"].split(","))) == ports
    assert found[0]["owners"] != "polaris"  # but the id of the account


def test_namespaces(server: Server, service: str, version: str) -> None:
    server.register(service)
    counts = ("total_service_count", "total_health_instance_count", "total_instance_count")
    reply: dict[str, Any] = {}

    def listed() -> bool:
        reply.update(server.call("GET", "/naming/v1/namespaces", params={"name": NAMESPACE}).json())
        return bool(reply["namespaces"]) and reply["namespaces"][0]["total_service_count"] > 0

    server.until(listed, "the namespace to be listed")
    namespace = reply["namespaces"][0]
    extras = {
        "v1.18.1": {"service_export_to": []},
        "head": {"service_export_to": [], "metadata": {}, "deleteable": True},
    }
    keys = ("service_export_to", "metadata", "deleteable")
    assert {key: namespace[key] for key in keys if key in namespace} == extras.get(version, {})
    if version not in ("v1.12.2", "v1.14.2"):
        assert reply["summary"].keys() == set(counts)


# --- what answers name -----------------------------------------------------------------------------------------------


def test_a_deletion_names_the_id_at_head(server: Server, service: str, version: str) -> None:
    registered = server.register(service)
    reply = server.call("POST", f"{LIST}/delete", [tetrad(service)]).json()
    assert reply["responses"][0]["instance"]["id"] == (registered if version == "head" else None)


def test_a_heartbeat_names_the_id_in_old_versions(server: Server, service: str, version: str) -> None:
    registered = server.register(service, ttl=5)
    reply: dict[str, Any] = {}

    def known() -> bool:
        reply.update(server.call("POST", "/v1/Heartbeat", tetrad(service)).json())
        return bool(reply["code"] == 200000)

    server.until(known, "the health check to know the instance")
    assert reply["instance"]["id"] == (registered if version in ("v1.12.2", "v1.14.2") else None)


def test_the_functions_that_policies_name(server: Server, version: str) -> None:
    reply = server.call("GET", "/maintain/v1/server/functions", token=None)
    if version != "head":
        assert reply.status_code == 404
        return
    groups = {group["name"]: group["functions"] for group in reply.json()}
    assert len(groups) == 16
    assert list(groups)[:5] == ["Client", "Namespace", "Service", "ServiceContract", "Instance"]
    assert {"CleanInstance", "BatchCleanInstances", "DescribeInstanceLastHeartbeat"} <= set(groups["Instance"])
    # Those of the maintenance API itself are in no group, although policies can name them.
    assert not {"CloseConnections", "FreeOSMemory"} & {name for functions in groups.values() for name in functions}
