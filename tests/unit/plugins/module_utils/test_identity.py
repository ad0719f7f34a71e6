# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a task names instances, and the messages for wrong names."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.polarismesh.maintenance.plugins.module_utils import _identity
from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import PolarisError
from ansible_collections.polarismesh.maintenance.plugins.module_utils._identity import (
    INSTANCE_FIELDS,
    Target,
    instance_group,
    instance_id,
    instance_spec,
)
from ansible_collections.polarismesh.maintenance.plugins.module_utils._options import spec
from tests.unit.options import params_of

PAYMENTS = {"service": "payments", "namespace": "default", "host": "10.0.0.7", "port": 8080}


params = functools.partial(params_of, spec(instance_spec(INSTANCE_FIELDS)))


def targets(**options: Any) -> list[Target]:
    return _identity.targets(params(**options))


def refusal(**options: Any) -> str:
    with pytest.raises(PolarisError) as caught:
        targets(**options)
    assert caught.value.kind == "refused"
    return caught.value.msg


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        # From real servers (v1.12.2 to v1.18.1), which gave these ids to instances registered without one.
        (("default", "svcA", "10.1.0.1", 8080), "1da23781a2f30f90cc33881a91f97685f3fd4e44"),
        (("default", "svcA", "10.1.0.2", 8080), "ba5b5653fcfe7622e16d94cf7bb8aeb5a681326d"),
        (("default", "svcAuto", "10.1.0.9", 1), "5ed4e2a5d1f90cd95a15286118ff4de8206b7c0a"),
    ],
)
def test_the_id_is_the_one_that_servers_compute(parts: tuple[str, str, str, int], expected: str) -> None:
    assert instance_id(*parts) == expected


def test_an_empty_vpc_id_is_none() -> None:
    plain = instance_id("default", "svcA", "10.1.0.1", 8080)
    assert instance_id("default", "svcA", "10.1.0.1", 8080, "") == plain
    assert instance_id("default", "svcA", "10.1.0.1", 8080, "vpc-1") != plain
    assert targets(**PAYMENTS, vpc_id="")[0].vpc_id is None


def test_one_and_a_list_of_one_mean_the_same() -> None:
    assert targets(**PAYMENTS) == targets(instances=[PAYMENTS])
    assert targets(id="abc") == targets(instances=[{"id": "abc"}])


def test_what_is_sent_is_what_was_given() -> None:
    assert targets(**PAYMENTS)[0].request() == PAYMENTS
    assert targets(**PAYMENTS, vpc_id="v1")[0].request() == {**PAYMENTS, "vpc_id": "v1"}
    assert targets(id="abc")[0].request() == {"id": "abc"}
    assert targets(id="abc", **PAYMENTS)[0].request() == {"id": "abc", **PAYMENTS}


def test_a_computed_id_is_not_an_own_id() -> None:
    computed = targets(**PAYMENTS)[0]
    assert not computed.own_id
    assert targets(id=computed.id, **PAYMENTS) == [computed]
    assert targets(id=computed.id)[0].own_id  # the parts that it was computed from are unknown


def test_a_result_can_be_used_as_input() -> None:
    """In a result, an instance named by its id alone has null for the other parts."""
    back = [{"id": "abc", "service": None, "namespace": None, "host": None, "port": None}]
    assert targets(instances=back)[0].request() == {"id": "abc"}


def test_all_published_fields_are_sent_with_the_types_that_servers_accept() -> None:
    fields = {
        "protocol": "grpc",
        "version": 1.2,
        "priority": "1",
        "weight": 100,
        "enable_health_check": "yes",
        "health_check": {"type": 1, "heartbeat": {"ttl": "5"}},
        "healthy": True,
        "isolate": "false",
        "location": {"region": "r", "zone": "z"},
        "metadata": {"build": 7, "canary": True, "name": "x"},
        "service_token": "secret-word",
    }
    assert targets(instances=[{**PAYMENTS, **fields}])[0].request() == {
        **PAYMENTS,
        "protocol": "grpc",
        "version": "1.2",
        "priority": 1,
        "weight": 100,
        "enable_health_check": True,
        "health_check": {"type": "HEARTBEAT", "heartbeat": {"ttl": 5}},
        "healthy": True,
        "isolate": False,
        "location": {"region": "r", "zone": "z"},
        "metadata": {"build": "7", "canary": "true", "name": "x"},
        "service_token": "secret-word",
    }


def test_the_port_may_be_text_because_templates_make_it_so() -> None:
    assert targets(instances=[{**PAYMENTS, "port": "8080"}]) == targets(**PAYMENTS)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"service": None}, "service is missing"),
        ({"namespace": None}, "namespace is missing"),
        ({"host": None}, "host is missing"),
        ({"port": None}, "port is missing"),
        ({"host": None, "port": None}, "host and instances[1].port are missing"),
        ({"service": ""}, "service is ''"),
        ({"service": "pay ments"}, "service is 'pay ments'"),
        ({"service": "payments\n"}, r"service is 'payments\n'"),
        ({"namespace": "défaut"}, "namespace is 'défaut'"),
        ({"host": ""}, "host is ''"),
        ({"host": "10.0.0.7,10.0.0.8"}, "host is '10.0.0.7,10.0.0.8'"),
        ({"host": " 10.0.0.7"}, "host is ' 10.0.0.7'"),
        ({"port": -1}, "port must be a whole number from 0 to 65535; got -1"),
        ({"port": 70000}, "port must be a whole number from 0 to 65535; got 70000"),
        ({"port": -1}, "port must be a whole number"),
        ({"port": "http"}, "port must be a whole number from 0 to 65535; got 'http'"),
        ({"port": 80.5}, "port must be a whole number"),
        ({"port": True}, "port must be a whole number"),
        ({"vpc_id": "a b"}, "vpc_id is 'a b'"),
        ({"id": ""}, "id is ''"),
        ({"id": "abc "}, "id is 'abc '"),
        ({"priority": -1}, "priority must be a whole number from 0"),
        ({"weight": 2**32}, "weight must be a whole number"),
        ({"healthy": "maybe"}, "healthy must be true or false; got 'maybe'"),
        ({"health_check": {"type": "TCP"}}, "health_check.type must be HEARTBEAT or UNKNOWN; got 'TCP'"),
        ({"health_check": {"heartbeat": {"ttl": "soon"}}}, "health_check.heartbeat.ttl must be a whole number"),
        ({"metadata": {"a": None}}, "metadata.a must be text"),
    ],
)
def test_a_wrong_instance_is_named_by_its_position(change: dict[str, Any], told: str) -> None:
    bad = {key: value for key, value in {**PAYMENTS, **change}.items() if value is not None}
    message = refusal(instances=[{"id": "fine"}, bad])
    assert message.startswith(f"instances[1].{told}")
    assert message.endswith("Nothing was sent.")


def test_an_id_alone_does_not_go_with_parts_of_the_rest() -> None:
    assert refusal(id="abc", service="payments").startswith("namespace and host and port are missing")
    assert refusal(id="abc", vpc_id="v1").startswith("vpc_id can be used with service, namespace, host and port,")


def test_an_empty_list() -> None:
    assert refusal(instances=[]) == "instances is empty: name at least one instance."


def test_an_instance_that_is_named_twice_counts_once() -> None:
    others = [{**PAYMENTS, "port": port} for port in range(1, 6)]
    assert targets(instances=[*others, others[2]]) == targets(instances=others)
    assert targets(instances=[{"id": "abc"}, {"id": "abc"}]) == targets(id="abc")
    computed = targets(**PAYMENTS)
    for both in ([PAYMENTS, {"id": computed[0].id}], [{"id": computed[0].id}, PAYMENTS]):
        assert targets(instances=both) == computed
    token = {"service_token": "secret"}
    assert targets(instances=[{**PAYMENTS, **token}, PAYMENTS]) == targets(**PAYMENTS, **token)
    assert targets(instances=[PAYMENTS, {**PAYMENTS, **token}]) == targets(**PAYMENTS, **token)
    assert len(targets(instances=[PAYMENTS, {**PAYMENTS, "vpc_id": "v1"}])) == 2


def test_one_id_for_two_addresses_is_refused() -> None:
    assert refusal(instances=[{"id": "a", **PAYMENTS}, {"id": "a", **PAYMENTS, "port": 1}]) == (
        "instances[1] has the same id as instances[0], but another address: correct one of them. Nothing was sent."
    )


def test_one_bad_instance_among_thousands() -> None:
    many = [{**PAYMENTS, "host": f"10.1.{n >> 8}.{n & 255}"} for n in range(5000)]
    many[4711] = {**many[4711], "port": -1}
    assert refusal(instances=many).startswith("instances[4711].port must be")


def test_many_bad_instances_are_counted() -> None:
    message = refusal(instances=[{**PAYMENTS, "port": -1}] * 12)
    assert message.count("instances[") == 5
    assert "and 7 more" in message


def test_a_whole_service_and_a_whole_namespace() -> None:
    assert instance_group(params(namespace="default", service="payments")) == ("default", "payments")
    assert instance_group(params(namespace="default")) == ("default", None)
    assert instance_group(params(**PAYMENTS)) is None
    assert instance_group(params(id="abc")) is None
    assert instance_group(params(service="payments")) is None
    with pytest.raises(PolarisError, match="service is 'a b'"):
        instance_group(params(namespace="default", service="a b"))


@given(st.dictionaries(st.sampled_from([*PAYMENTS, "id", "vpc_id", "weight"]), st.none() | st.text() | st.integers()))
def test_whatever_is_given_is_accepted_or_refused(values: dict[str, Any]) -> None:
    """Never a traceback, and never an instance with an incomplete name."""
    try:
        found = targets(instances=[values])
    except PolarisError as error:
        assert error.kind == "refused"
        return
    request = found[0].request()
    assert request.get("id") or all(request.get(key) not in (None, "") for key in PAYMENTS)
