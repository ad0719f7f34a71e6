# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Handlers of /maintain/v1.

polaris v1.18.1 apiserver/httpserver/admin_access.go, admin/maintain.go, service/healthcheck/server.go.

As on the server, bodies are parsed before the caller is checked, and arguments after that.
"""

from __future__ import annotations

import asyncio
import random
from datetime import datetime, timezone
from functools import lru_cache

from . import codes, gojson, instances
from .gojson import GoError
from .naming import refusal as coded_refusal
from .store import Row
from .wire import JSON, Call, Handler, Reply, entity, error

LEVELS = ("debug", "info", "warn", "error", "fatal", "none")
LEVEL_STRUCT = gojson.anonymous({"scope": ("Scope", "string"), "level": ("Level", "string")})
SIZE_STRUCT = gojson.anonymous({"batch_size": ("BatchSize", "uint32")})
ENABLE_STRUCT = gojson.anonymous({"enable": ("Enable", "bool")})
CONN_REQ = {"Protocol": "string", "Host": "string", "Port": "int", "Amount": "int"}
# The answer of HEAD.
FUNCTIONS = {
    "Client": (
        "RegisterInstance DeregisterInstance ReportServiceContract DiscoverServices DiscoverInstances "
        "UpdateInstance DiscoverRouterRule DiscoverRateLimitRule DiscoverCircuitBreakerRule "
        "DiscoverFaultDetectRule DiscoverServiceContract DiscoverLaneRule DiscoverConfigFile WatchConfigFile "
        "DiscoverConfigFileNames DiscoverConfigGroups"
    ),
    "Namespace": ("CreateNamespace CreateNamespaces DeleteNamespaces UpdateNamespaces DescribeNamespaces"),
    "Service": (
        "CreateServices DeleteServices UpdateServices DescribeAllServices DescribeServices "
        "DescribeServicesCount CreateServiceAlias DeleteServiceAliases UpdateServiceAlias "
        "DescribeServiceAliases"
    ),
    "ServiceContract": (
        "CreateServiceContracts DescribeServiceContracts DescribeServiceContractVersions "
        "DeleteServiceContracts CreateServiceContractInterfaces AppendServiceContractInterfaces "
        "DeleteServiceContractInterfaces"
    ),
    "Instance": (
        "CreateInstances DeleteInstances DeleteInstancesByHost UpdateInstances UpdateInstancesIsolate "
        "DescribeInstances DescribeInstancesCount DescribeInstanceLabels CleanInstance BatchCleanInstances "
        "DescribeInstanceLastHeartbeat"
    ),
    "RouteRule": ("CreateRouteRules DeleteRouteRules UpdateRouteRules EnableRouteRules DescribeRouteRules"),
    "RateLimitRule": (
        "CreateRateLimitRules DeleteRateLimitRules UpdateRateLimitRules EnableRateLimitRules DescribeRateLimitRules"
    ),
    "CircuitBreakerRule": (
        "CreateCircuitBreakerRules DeleteCircuitBreakerRules EnableCircuitBreakerRules "
        "UpdateCircuitBreakerRules DescribeCircuitBreakerRules"
    ),
    "FaultDetectRule": (
        "CreateFaultDetectRules DeleteFaultDetectRules EnableFaultDetectRules UpdateFaultDetectRules "
        "DescribeFaultDetectRules"
    ),
    "LaneRule": ("CreateLaneGroups DeleteLaneGroups EnableLaneGroups UpdateLaneGroups DescribeLaneGroups"),
    "ConfigGroup": ("CreateConfigFileGroup DeleteConfigFileGroup UpdateConfigFileGroup DescribeConfigFileGroups"),
    "ConfigFile": (
        "PublishConfigFile CreateConfigFile UpdateConfigFile DeleteConfigFile DescribeConfigFileRichInfo "
        "DescribeConfigFiles BatchDeleteConfigFiles ExportConfigFiles ImportConfigFiles "
        "DescribeConfigFileReleaseHistories DescribeAllConfigFileTemplates DescribeConfigFileTemplate "
        "CreateConfigFileTemplate"
    ),
    "ConfigRelease": (
        "RollbackConfigFileReleases DeleteConfigFileReleases StopGrayConfigFileReleases "
        "DescribeConfigFileRelease DescribeConfigFileReleases DescribeConfigFileReleaseVersions "
        "UpsertAndReleaseConfigFile"
    ),
    "User": (
        "CreateUsers DeleteUsers DescribeUsers DescribeUserToken EnableUserToken ResetUserToken UpdateUser "
        "UpdateUserPassword"
    ),
    "UserGroup": (
        "CreateUserGroup UpdateUserGroups DeleteUserGroups DescribeUserGroups DescribeUserGroupDetail "
        "DescribeUserGroupToken EnableUserGroupToken ResetUserGroupToken"
    ),
    "AuthPolicy": (
        "CreateAuthPolicy UpdateAuthPolicies DeleteAuthPolicies DescribeAuthPolicies DescribeAuthPolicyDetail "
        "DescribePrincipalResources"
    ),
}


def refusal(call: Call, function: str, writes: bool = False, status: int = 400) -> Reply | None:
    """The plain-text refusal if the caller may not call that function; else None."""
    refused = call.node.check(call, function, writes)
    return None if refused is None else error(status, refused.text)


def index(call: Call) -> Reply:
    """GET / has no Produces, so net/http sniffs the content type."""
    return error(200, "Polaris Server")


# Connections


def get_connections(call: Call) -> Reply:
    """The count per host; Total is always that of the listener."""
    if refused := refusal(call, "DescribeServerConnections"):
        return refused
    protocol, host = call.query.get("protocol", ""), call.query.get("host", "")
    if not protocol:
        return error(400, "missing param protocol")
    listener = call.node.counted(protocol)
    if listener is None:
        return error(400, "not found the protocol")
    counts = listener.counts()
    shown = {host: counts.get(host, 0)} if host else counts
    return entity({"Protocol": protocol, "Total": listener.total, "Host": shown})


def get_stats(call: Call) -> Reply:
    """Every host with its open connections; amount keeps the hosts that have at least that many."""
    if refused := refusal(call, "DescribeServerConnStats"):
        return refused
    protocol = call.query.get("protocol", "")
    if not protocol:
        return error(400, "missing param protocol")
    listener = call.node.counted(protocol)
    if listener is None:
        return error(400, "not found the protocol")
    try:
        amount = int(call.query.get("amount", "0"))
    except ValueError:
        amount = 0
    stats = listener.stats(call.query.get("host", ""))
    kept = [stat for stat in stats if len(stat[2]) >= amount] if amount > 0 else stats
    listed = [
        {"Host": host, "Amount": len(actives), "LastAccess": call.node.rfc3339(accepted), "Actives": actives}
        for host, accepted, actives in kept
    ]
    return entity(
        {
            "Protocol": protocol,
            "ActiveConnTotal": listener.total,
            "StatsTotal": len(stats),
            "StatsSize": len(listed),
            "Stats": listed,
        }
    )


def close_connections(call: Call) -> Reply:
    """The answer is empty, whatever it closed; a port that is not open closes all connections of the host."""
    package = call.node.profile.go_package
    try:
        decoded = gojson.decode_first(call.body)
        if decoded is not None and not isinstance(decoded, list):
            raise GoError(f"json: cannot unmarshal {gojson.kind(decoded)} into Go value of type []{package}.ConnReq")
        wanted = [gojson.struct(each, CONN_REQ, "ConnReq", f"{package}.ConnReq") for each in decoded or []]
    except GoError as problem:
        return error(400, str(problem))
    for each in wanted:
        if not each["Protocol"]:
            return error(400, "missing protocol")
        if not each["Host"]:
            return error(400, "missing host")
    if refused := refusal(call, "CloseConnections", writes=True):
        return refused
    for each in wanted:
        listener = call.node.counted(each["Protocol"])
        if listener is not None:
            listener.close(each["Host"], each["Port"])
    return Reply()


# Memory


async def free_memory(call: Call) -> Reply:
    """One at a time; the work continues if the client disconnects."""
    if refused := refusal(call, "FreeOSMemory", writes=True):
        return refused
    node = call.node
    async with node.free_lock:
        if node.config.free_latency:
            await asyncio.sleep(node.config.free_latency)
        node.heap.give_back()
    return Reply()


# Instances


def clean_instance(call: Call) -> Reply:
    """The same success for a deleted, a live and an unknown instance."""
    profile = call.node.profile
    try:
        instance = instances.parse(gojson.decode_first(call.body), profile.lenient_messages)
    except GoError as problem:
        return codes.write(call, codes.response(profile, 400001, str(problem)))
    if refused := coded_refusal(call, "CleanInstance", writes=True):
        return refused
    row_id, code = instances.identify(instance, profile)
    if not code:
        if call.node.config.store_fails:
            code = 500001
        else:
            call.node.store.clean(row_id, profile)
            code = codes.SUCCESS
    return codes.write(call, codes.response(profile, code, instance=instances.echo(instance)))


def batch_clean(call: Call) -> Reply:
    """A refused caller and a failing store both give 500."""
    try:
        wanted = gojson.struct(gojson.decode_whole(call.body), {"batch_size": "uint32"}, "", SIZE_STRUCT)
    except GoError as problem:
        return error(400, str(problem))
    if refused := refusal(call, "BatchCleanInstances", writes=True, status=500):
        return refused
    if call.node.config.store_fails:
        return error(500, "store layer exception")
    try:
        return entity({"rows_affected": call.node.store.batch_clean(wanted["batch_size"], call.node.profile)})
    except MemoryError:
        call.node.stop()  # fatal error: runtime: out of memory
        return Reply(abort=True)


def last_heartbeat(call: Call) -> Reply:
    """The last heartbeat that this node knows, by its own clock."""
    if refused := coded_refusal(call, "DescribeInstanceLastHeartbeat"):
        return refused
    node, profile, query = call.node, call.node.profile, call.query
    if node.config.health_check == "none" or (node.config.health_check == "closed" and profile.closed_check_known):
        return codes.write(call, codes.response(profile, 400140))
    instance: instances.Instance
    if query.get("id"):
        instance = {"id": query["id"]}
    else:
        instance = {key: query.get(key, "") for key in ("service", "namespace", "vpc_id", "host")}
        port = query.get("port", "")
        instance["port"] = int(port) & 0xFFFFFFFF if port.lstrip("+-").isdecimal() else 0
    row_id, code = instances.identify(instance, profile)
    if code:
        return codes.write(call, codes.response(profile, code, instance=instances.echo(instance)))
    instance["id"] = row_id
    row = node.checked_row(row_id)
    if row is None:
        return codes.write(call, codes.response(profile, 400202, instance=instances.echo(instance)))
    if profile.heartbeat_panics:
        return Reply(abort=True)  # write to a nil map
    return codes.write(call, codes.response(profile, codes.SUCCESS, instance=found_heartbeat(call, row)))


def found_heartbeat(call: Call, row: Row) -> dict[str, object]:
    """The instance with three times as its metadata; `0` means that this node knows no heartbeat."""
    node = call.node
    beat = node.last_beat(row.id)
    named = node.profile.heartbeat_names
    return instances.echo(
        {
            "id": row.id,
            "service": row.service if named else None,
            "namespace": row.namespace if named else None,
            "vpc_id": row.vpc_id or ("" if node.store.kind == "mysql" else None),
            "host": row.host,
            "port": row.port,
            "healthCheck": {"type": "HEARTBEAT", "heartbeat": {"ttl": row.ttl}},
            "metadata": {
                "last-heartbeat-time": node.local_time(beat),
                "last-heartbeat-timestamp": str(int(beat)),
                "system-time": node.local_time(node.now()),
            },
        }
    )


# Log levels


def get_levels(call: Call) -> Reply:
    if refused := refusal(call, "DescribeGetLogOutputLevel"):
        return refused
    levels = call.node.levels
    if not call.node.profile.levels_as_list:
        return entity(dict(sorted(levels.items())))
    listed = [level_text(name, level) for name, level in levels.items()]
    random.shuffle(listed)  # Go iterates over maps in random order
    return Reply(200, f"[{','.join(listed)}\n]".encode(), JSON)


@lru_cache(maxsize=1024)
def level_text(name: str, level: str) -> str:
    """One entry of the list, cached because this is the most frequent call."""
    return "\n " + gojson.pretty({"Name": name, "Level": level}, "\n ")


def set_level(call: Call) -> Reply:
    """Set the level of one scope, immediately and only on this node."""
    try:
        wanted = gojson.struct(gojson.decode_whole(call.body), {"scope": "string", "level": "string"}, "", LEVEL_STRUCT)
    except GoError as problem:
        return error(400, str(problem))
    if refused := refusal(call, "UpdateLogOutputLevel", writes=True):
        return refused
    if wanted["scope"] not in call.node.levels:
        return error(400, "invalid scope name")
    if wanted["level"] not in LEVELS:
        return error(400, "invalid log level")
    call.node.levels[wanted["scope"]] = wanted["level"]
    return entity("ok")


# Elections, locations, clients, switches


def get_leaders(call: Call) -> Reply:
    """boltdb: this node's own view; MySQL: the shared rows."""
    if refused := refusal(call, "DescribeLeaderElections"):
        return refused
    node, elections = call.node, call.node.fleet.elections
    found: list[tuple[str, str, float, float, bool]] = []
    if node.store.kind == "boltdb":
        found = [(key, node.advertised, 0, node.now(), valid) for key, valid in elections.local[node.index].items()]
    else:
        for key in list(elections.shared):
            election = elections.current(key)
            if election is not None:
                leader = node.fleet.nodes[election.leader].advertised
                modified = elections.modified(election)
                valid = node.now() - modified <= 5 * elections.tick
                found.append((key, leader, election.since, modified, valid))
    random.shuffle(found)
    return entity(
        [
            {
                "ElectKey": key,
                "Host": host,
                "Ctime": int(created),
                "CreateTime": node.rfc3339(int(created)),
                "Mtime": int(modified),
                "ModifyTime": node.rfc3339(int(modified)),
                "Valid": valid,
            }
            for key, host, created, modified, valid in found
        ]
    )


def release_leader(call: Call) -> Reply:
    """On boltdb the leadership never comes back; on a MySQL follower nothing happens."""
    node, name = call.node, call.node.profile.elect_key
    shown = gojson.anonymous({name: ("ElectKey", "string")})
    try:
        key = gojson.struct(gojson.decode_whole(call.body), {name: "string"}, "", shown)[name]
    except GoError as problem:
        return error(400, str(problem))
    if refused := refusal(call, "ReleaseLeaderElection", writes=True):
        return refused
    elections = node.fleet.elections
    release = elections.release_local if node.store.kind == "boltdb" else elections.release_shared
    if not release(node.index, key):
        return error(400, f"LeaderElection({key}) not started")
    return entity("ok")


def get_cmdb(call: Call) -> Reply:
    """The data of the CMDB plugin; empty without one."""
    if refused := refusal(call, "DescribeCMDBInfo"):
        return refused
    keys = ("IP", "Region", "Zone", "Campus", "RegionID", "ZoneID", "CampusID")
    return entity(
        [{key: each.get(key, 0 if key.endswith("ID") else "") for key in keys} for each in call.node.store.locations]
    )


def targets(call: Call) -> list[dict[str, object]]:
    """Prometheus targets: the SDK clients, then the servers, which all get this node's HTTP port."""
    node = call.node
    found: list[dict[str, object]] = [
        {
            "targets": [f"{each['host']}:{each['port']}"],
            "labels": {
                "__meta_polaris_client_id": each["id"],
                "__metrics_path__": each.get("path", "/metrics"),
                "__scheme__": each.get("scheme", "http"),
            },
        }
        for each in node.store.clients
    ]
    for row in node.store.candidates(node.profile.checker_services[0], node.profile.checker_namespace, ""):
        if row.live:
            found.append(
                {
                    "targets": [f"{row.host}:{node.port}"],
                    "labels": {
                        "__meta_polaris_client_id": row.id,
                        "__metrics_path__": "/metrics",
                        "__scheme__": "http",
                    },
                }
            )
    return found


def get_report_clients(call: Call) -> Reply:
    """No token needed."""
    return entity({"Code": 200000, "Response": targets(call)})


def get_prometheus_clients(call: Call) -> Reply:
    """The bare list; no token needed."""
    return entity(targets(call))


def enable_pprof(call: Call) -> Reply:
    """HEAD; no token needed."""
    try:
        wanted = gojson.struct(gojson.decode_whole(call.body), {"enable": "bool"}, "", ENABLE_STRUCT)
    except GoError as problem:
        return error(400, str(problem))
    call.node.config.pprof = wanted["enable"]
    return entity("ok")


def get_functions(call: Call) -> Reply:
    """HEAD; no token needed."""
    return entity([{"name": name, "functions": functions.split()} for name, functions in FUNCTIONS.items()])


def zoned(moment: float, zone: timezone) -> str:
    """RFC 3339 as Go writes it: Z for UTC."""
    return datetime.fromtimestamp(moment, zone).isoformat(timespec="seconds").replace("+00:00", "Z")


HANDLERS: dict[tuple[str, str], Handler] = {
    ("GET", "/maintain/v1/apiserver/conn"): get_connections,
    ("GET", "/maintain/v1/apiserver/conn/stats"): get_stats,
    ("POST", "/maintain/v1/apiserver/conn/close"): close_connections,
    ("POST", "/maintain/v1/apiserver/conn"): close_connections,
    ("POST", "/maintain/v1/memory/free"): free_memory,
    ("POST", "/maintain/v1/instance/clean"): clean_instance,
    ("POST", "/maintain/v1/instance/batchclean"): batch_clean,
    ("GET", "/maintain/v1/instance/heartbeat"): last_heartbeat,
    ("GET", "/maintain/v1/log/outputlevel"): get_levels,
    ("PUT", "/maintain/v1/log/outputlevel"): set_level,
    ("POST", "/maintain/v1/log/outputlevel"): set_level,
    ("GET", "/maintain/v1/leaders"): get_leaders,
    ("POST", "/maintain/v1/leaders/release"): release_leader,
    ("GET", "/maintain/v1/cmdb/info"): get_cmdb,
    ("GET", "/maintain/v1/report/clients"): get_report_clients,
    ("POST", "/maintain/v1/pprof/enable"): enable_pprof,
    ("GET", "/maintain/v1/server/functions"): get_functions,
}
