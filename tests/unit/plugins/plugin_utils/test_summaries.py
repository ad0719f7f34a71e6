# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The summaries of log_level, heartbeat_audit, instance_clean and memory_free, from plain values."""

from __future__ import annotations

from typing import Any

from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._summaries import (
    heartbeat_audit,
    instance_clean,
    log_level,
    memory_free,
)
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._summary import Node, Run, Summary

MIB = 1024 * 1024
REFUSED = {"failed": True, "msg": "nothing listens"}
#: As ansible-core 2.21 registers it.
LOST = {"unreachable": True, "failed": False, "changed": False, "msg": "Task failed: Connection refused"}


def nodes(register: str, **results: Any) -> list[Node]:
    return [Node(name, {} if result is None else {register: result}) for name, result in results.items()]


def texts(summary: Summary) -> list[str]:
    return [line.text for line in summary.lines]


def failing(summary: Summary) -> list[str]:
    return [line.text for line in summary.lines if line.failure]


# --- log_level -------------------------------------------------------------------------------------------------------


def raised(**steps: str) -> dict[str, Any]:
    return {
        "changed": bool(steps),
        "changed_scopes": list(steps),
        "previous": dict.fromkeys(steps, "info"),
        "levels": {"auth": "info", **steps},
    }


def test_log_level_names_what_changed_where_and_each_failure_once() -> None:
    run = Run(
        nodes(
            "polaris_set",
            a=raised(naming="debug", store="debug", cache="warn"),
            b=raised(),
            c=raised(naming="debug", store="debug", cache="warn"),
            d=LOST,
            e=REFUSED,
            f=REFUSED,
            g=None,
        )
    )
    summary = log_level.summarize(run)
    assert texts(summary) == [
        "Polaris log levels: 7 nodes",
        "changed on 2 (a, c): naming, store info -> debug; cache info -> warn",
        "unchanged on 1 (b)",
        "FAILED on d: Connection refused",
        "FAILED on 2 (e, f): nothing listens",
        "FAILED on g: no answer",
    ]
    assert failing(summary) == texts(summary)[3:]
    assert summary.data["failed"] == {
        "d": "Connection refused",
        "e": "nothing listens",
        "f": "nothing listens",
        "g": "no answer",
    }


def test_log_level_in_check_mode() -> None:
    run = Run(nodes("polaris_set", a=raised(naming="debug")), check_mode=True)
    assert texts(log_level.summarize(run)) == [
        "Polaris log levels (check mode: nothing was changed): 1 node",
        "would change on 1 (a): naming info -> debug",
    ]


# --- heartbeat_audit -------------------------------------------------------------------------------------------------


def instance(host: str, age: int | None, **values: Any) -> dict[str, Any]:
    base = {"id": host, "service": "payments", "namespace": "default", "host": host, "port": 80, "ttl": 5}
    heard = {"found": True, "health_check": True, "last_heartbeat": age, "age_seconds": age}
    return {**base, **heard, "overdue": None, **values}


def audited(results: dict[str, Any], **options: Any) -> Summary:
    given = {"polaris_namespace": "default", "service": None, "fail_on_overdue": options.pop("fail", False)}
    return heartbeat_audit.summarize(Run(nodes("polaris_heartbeats", **results), given=given, **options))


def test_heartbeat_audit_takes_the_newest_and_says_what_is_missing() -> None:
    results = {
        "a": {"instances": [instance("1", 600), instance("2", 600), instance("3", None)]},
        "b": {"instances": [instance("1", 1), instance("2", 500), instance("4", None, found=False)]},
        "c": LOST,
    }
    summary = audited(results, target="servers", left_out=["d"], fail=True)
    assert texts(summary) == [
        "Polaris heartbeats of default/*: 1 of 3 watched instances overdue, according to 2 of 3 nodes",
        "OVERDUE payments 2:80: last heartbeat 500 s ago (b), ttl 5 s",
        "no heartbeat on any node (1): payments 3:80",
        "with a health check, but not watched (just registered, or servers themselves): 1",
        "FAILED on c: Connection refused",
        "Heartbeats on nodes that failed are missing here.",
        "Heartbeats on 1 other node of servers are missing here, because of --limit.",
    ]
    assert summary.failure == "1 instance is overdue."
    assert [one["host"] for one in summary.data["overdue"]] == ["2"]


def test_heartbeat_audit_is_short_when_all_are_overdue() -> None:
    results = {"a": {"instances": [instance(str(number), 600) for number in range(1000)]}}
    summary = audited(results)
    assert len(summary.lines) == 7
    assert texts(summary)[-1].startswith("OVERDUE and 995 others: payments 5:80 (600 s), payments 6:80 (600 s), ")
    assert texts(summary)[-1].endswith(" and 945 more")
    assert len(summary.data["overdue"]) == 1000
    assert summary.failure is None


def test_heartbeat_audit_without_answers_or_instances() -> None:
    assert "according to 0 of 1 node" in texts(audited({"a": None}))[0]
    assert texts(audited({"a": {"instances": []}}))[1].startswith("NO INSTANCES are registered there")


# --- instance_clean --------------------------------------------------------------------------------------------------

ANSWERED = {"changed": False, "instances": []}
ONE = {"id": "x", "service": "payments", "namespace": "default", "host": "10.0.0.1", "port": 80}


def cleaned(probe: dict[str, Any], at: str, register: str, result: Any, **options: Any) -> Summary:
    hosts = [
        Node(name, {"polaris_probe": answer, **({register: result} if name == at else {})})
        for name, answer in probe.items()
    ]
    given = {
        "instances": [ONE, ONE],
        "on_live": options.pop("on_live", "fail"),
        "batch": register == "polaris_removed",
    }
    return instance_clean.summarize(Run(hosts, given=given, **options))


def test_instance_clean_counts_what_is_named_twice_once() -> None:
    result = {"changed": True, "count": 1, "live": [], "warnings": []}
    assert texts(cleaned({"a": ANSWERED}, "a", "polaris_cleaned", result)) == [
        "Polaris instances: cleaned 1 of 1 at a",
    ]


def test_instance_clean_names_the_first_node_that_answered() -> None:
    result = {"changed": True, "count": 1, "live": [ONE], "warnings": ["look at the names"]}
    summary = cleaned({"a": LOST, "b": ANSWERED, "c": ANSWERED}, "b", "polaris_cleaned", result, on_live="skip")
    assert texts(summary) == [
        "Polaris instances: cleaned 1 of 2 at b",
        "live, left alone (1): default/payments 10.0.0.1:80",
        "note: look at the names",
        "no answer from a: Connection refused",
    ]


def test_instance_clean_says_what_is_unknown_or_damaged() -> None:
    result = {**REFUSED, "count": 1, "not_cleaned": [ONE], "unknown": [ONE], "live_again": [ONE]}
    summary = cleaned({"a": ANSWERED}, "a", "polaris_cleaned", result)
    assert failing(summary) == [
        "LIVE AGAIN, PERHAPS DAMAGED (1): default/payments 10.0.0.1:80",
        "NOT CLEANED (1): default/payments 10.0.0.1:80",
        "UNKNOWN (1): default/payments 10.0.0.1:80",
        "FAILED at a: nothing listens",
    ]


def test_instance_clean_without_a_node() -> None:
    summary = cleaned({"a": REFUSED, "b": REFUSED}, "a", "polaris_cleaned", REFUSED)
    assert texts(summary) == [
        "Polaris instances: NOTHING CLEANED, no node answers",
        "FAILED at a: nothing listens",
        "no answer from b: nothing listens",
    ]


def test_instance_clean_by_batches() -> None:
    result = {"changed": True, "rows_affected": 25, "batches": 3}
    assert texts(cleaned({"a": ANSWERED}, "a", "polaris_removed", result)) == [
        "Polaris instances: removed 25 deleted instances in 3 batches at a"
    ]
    nothing = cleaned({"a": ANSWERED}, "a", "polaris_removed", {"changed": False, "rows_affected": 0, "batches": 1})
    assert texts(nothing)[1].startswith("there was nothing to remove")
    lost = cleaned(
        {"a": ANSWERED}, "a", "polaris_removed", {"failed": True, "msg": "no answer", "outcome_unknown": True}
    )
    assert "UNKNOWN whether the last batch was removed" in failing(lost)


# --- memory_free -----------------------------------------------------------------------------------------------------


def freed(released: int | None, *, changed: bool = True) -> dict[str, Any]:
    before = {"heap": 400 * MIB, "releasable": 10 * MIB}
    after = {"heap": 400 * MIB - (released or 0), "releasable": 0}
    return {"changed": changed, "released": released, "memory_before": before, "memory_after": after}


def test_memory_free_adds_up_and_separates_failures_from_unknown_outcomes() -> None:
    results = {
        "a": freed(100 * MIB),
        "b": freed(None),
        "c": freed(0, changed=False),
        "d": LOST,
        "e": {"failed": True, "msg": "the answer was lost", "outcome_unknown": True},
    }
    summary = memory_free.summarize(Run(nodes("polaris_freed", **results), given={"min_releasable": "32M"}))
    assert texts(summary) == [
        "Polaris memory: freed on 2 of 5 nodes, 100 MiB returned to the system",
        "freed on a: 100 MiB returned, heap 400 MiB -> 300 MiB",
        "freed on b: how much was returned is unknown",
        "less than 32M to free on 1 (c 10.0 MiB)",
        "OUTCOME UNKNOWN on e: the answer was lost",
        "FAILED on d: Connection refused",
    ]
    assert summary.data["released"] == 100 * MIB
