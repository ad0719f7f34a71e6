# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Handlers of /naming/v1, /core/v1 and the client's heartbeat.

polaris v1.18.1 apiserver/httpserver/discover/v1, auth_access.go, service/instance.go, cache/service/instance_query.go,
and for versions that list from the store, v1.14.2 and v1.17.1 store/boltdb/instance.go.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from typing import Any

from . import codes, gojson, instances
from .auth import OWNER, ROLE_NAMES, Account
from .gojson import GoError
from .profiles import Profile
from .store import Row, instance_id
from .wire import TEXT, Call, Handler, Reply

MAX_PAGE = 100
MAX_UINT32 = 2**32 - 1
SERVICE_KEYS = frozenset(
    [
        "name",
        "namespace",
        "business",
        "department",
        "cmdb_mod1",
        "cmdb_mod2",
        "cmdb_mod3",
        "owner",
        "offset",
        "limit",
        "platform_id",
        "host",
        "port",
        "keys",
        "values",
        "instance_keys",
        "instance_values",
        "only_exist_health_instance",
        "sync_to_global_registry",
        "hidden_service",
    ]
)
BUILT_IN = ("Polaris", "default")
SERVICE_MESSAGE = (
    *("name", "namespace", "metadata", "ports", "business", "department", "cmdb_mod1", "cmdb_mod2", "cmdb_mod3"),
    *("comment", "owners", "token", "ctime", "mtime", "revision", "platform_id", "total_instance_count"),
    *("healthy_instance_count", "user_ids", "group_ids", "remove_user_ids", "remove_group_ids", "id", "editable"),
)
EXTRAS: dict[str, Any] = {"export_to": [], "service_export_to": [], "metadata": {}, "deleteable": True}
"""The newer fields of services and namespaces, as lists show them to their owner."""


def refusal(call: Call, function: str, writes: bool = False) -> Reply | None:
    """The {code, info} refusal if the caller may not call that function, else None; HEAD omits the reason."""
    refused = call.node.check(call, function, writes)
    if refused is None:
        return None
    profile = call.node.profile
    message = None if profile.policies else refused.text
    return codes.write(call, codes.response(profile, refused.code, message))


def query_refusal(call: Call, function: str, reason: bool = True) -> Reply | None:
    """The same in the envelope of a list; HEAD gives the reason only for instances."""
    refused = call.node.check(call, function)
    if refused is None:
        return None
    profile = call.node.profile
    message = refused.text if reason or not profile.policies else None
    return codes.write(call, codes.batch_query(profile, refused.code, message=message))


def wild(name: str, pattern: str) -> bool:
    """IsWildMatch of polaris common/utils/funcs.go: a star at the beginning or the end."""
    if pattern.endswith("*"):
        pattern = pattern.rstrip("*")
        if name.startswith(pattern):
            return True
        return pattern.startswith("*") and pattern.lstrip("*") in name
    if pattern.startswith("*"):
        return name.endswith(pattern.lstrip("*"))
    return name == pattern


def number(text: str) -> int | None:
    """strconv.ParseUint; None if it is not a number."""
    return int(text) if text.isascii() and text.isdigit() else None


TRUTHS = {
    **dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True),
    **dict.fromkeys(("0", "f", "F", "FALSE", "false", "False"), False),
}


def page(query: dict[str, str]) -> tuple[int, int] | None:
    """Offset and limit; a limit above 100 counts as 100. None if one is not a uint32."""
    offset, limit = number(query.get("offset", "0")), number(query.get("limit", str(MAX_PAGE)))
    if offset is None or limit is None or max(offset, limit) > MAX_UINT32:
        return None
    return offset, min(limit, MAX_PAGE)


# Lists


def list_instances(call: Call) -> Reply:
    """GET /naming/v1/instances."""
    if refused := query_refusal(call, "DescribeInstances"):
        return refused
    node, profile = call.node, call.node.profile
    query = dict(call.query)
    # The memory checker adds nothing to the list.
    beats = profile.shows_last_heartbeat and query.pop("show_last_heartbeat", "") == "true"
    beats = beats and node.config.heartbeat_shared
    if wrong := wrong_query(call, query):
        return wrong
    window = page(query)
    if window is None:
        return codes.write(call, codes.batch_query(profile, 400103))
    offset, limit = window
    if limit == 0 and not profile.list_cached and node.store.kind == "boltdb":
        return codes.write(call, codes.batch_query(profile, codes.SUCCESS))
    service = (query.get("namespace"), query.get("service"))
    crashes = profile.unknown_service_panics and node.store.kind == "boltdb" and None not in service
    if crashes and service not in node.store.by_service:
        return Reply(abort=True)  # the id of a nil service
    node.synced = time.time()
    rows = node.remembered(query, lambda: find(call, query))
    shown = [node.rendered(row, beats) for row in rows[offset : offset + limit]]
    envelope = codes.batch_query(profile, codes.SUCCESS, len(rows), len(shown), instances=[])
    if profile.omits_empty:
        envelope = {**codes.without_empty(envelope), **({"instances": []} if shown else {})}
    text = gojson.pretty(envelope, proto=True)
    if shown:
        text = text.replace('"instances": [\n ]', '"instances": [' + ",".join(shown) + "\n ]", 1)
    return Reply(200, text.encode(), TEXT, codes.headers_of(call, codes.SUCCESS))


def count_instances(call: Call) -> Reply:
    """GET /naming/v1/instances/count: the live rows of the store, whatever the cache of this node lists."""
    if refused := query_refusal(call, "DescribeInstancesCount"):
        return refused
    store, profile = call.node.store, call.node.profile
    all_of_them = store.kind == "boltdb" and profile.boltdb_counts_deleted
    amount = sum(row.live or all_of_them for row in list(store.rows.values()))
    return codes.write(call, codes.batch_query(profile, codes.SUCCESS, amount))


def wrong_query(call: Call, query: dict[str, str]) -> Reply | None:
    """preGetInstances: checks for missing parameters, then for forbidden or empty ones."""
    profile = call.node.profile

    def refuse(code: int, message: str | None = None) -> Reply:
        return codes.write(call, codes.batch_query(profile, code, message=message))

    if not query:
        return refuse(400104)
    given = [key in query for key in ("service", "namespace", "host")]
    if profile.list_needs == "service" and not (all(given[:2]) or given[2]):
        return refuse(400105)
    if profile.list_needs == "any" and not any(given):
        return refuse(400105)
    if ("keys" in query) != ("values" in query):
        return refuse(400105, "instance metadata key and value must be both provided")
    pairs = [query.get(key, "").count(",") for key in ("keys", "values")]
    if profile.list_needs == "nothing" and pairs[0] != pairs[1]:
        return refuse(400105, "instance metadata key and value length are different")
    for key, value in query.items():
        if key not in profile.list_keys:
            return refuse(400103, f"{key} is not allowed")
        if not value:
            return refuse(400103, f"the value for {key} is empty")
    return None


def find(call: Call, query: dict[str, str]) -> tuple[list[Row], bool]:
    """All rows that match, the latest change first, and whether their order is stable."""
    node = call.node
    service, namespace, row_id = (
        "" if "*" in query.get(key, "") else query.get(key, "") for key in ("service", "namespace", "id")
    )
    tests = conditions(query, node.profile.list_cached, node.profile.list_cached or node.store.kind == "mysql")
    rows = node.visible(service, namespace, row_id)
    for test in tests:
        rows = list(filter(test, rows))
    if node.profile.list_cached:
        # Rows with equal times are in the order of a Go map, so two pages may be inconsistent.
        tied = len({row.modified for row in rows}) < len(rows)
        if tied:
            random.shuffle(rows)
        rows.sort(key=lambda row: row.modified, reverse=True)
        return rows, not tied
    rows.sort(key=lambda row: (-row.modified, row.id))
    return rows, True


Test = Callable[[Row], bool]


def same(attribute: str, value: Any) -> Test:
    """Match rows whose attribute has that value."""
    return lambda row: getattr(row, attribute) == value


def named(attribute: str, pattern: str) -> Test:
    """Match rows whose attribute is that text or matches that pattern."""
    return (lambda row: wild(getattr(row, attribute), pattern)) if "*" in pattern else same(attribute, pattern)


def located(part: str, value: str) -> Test:
    """Match rows of that region, zone or campus."""
    return lambda row: (row.location or {}).get(part, "") == value


def labelled(keys: str, values: str) -> Test:
    """Match rows with all of these metadata."""
    pairs = list(zip(keys.split(","), values.split(","), strict=False))
    return lambda row: all(row.metadata.get(key) == value for key, value in pairs)


def conditions(query: dict[str, str], cached: bool, many_hosts: bool) -> list[Test]:
    """The conditions for a row. For a filter that cannot be parsed, the cache ignores it, the store finds nothing.

    All but boltdb accept several hosts separated by commas.
    """
    # The id first, because few rows match it.
    tests = [named(key, query[key]) for key in ("id", "service", "namespace") if key in query]
    tests += [same(key, query[key]) for key in ("protocol", "version") if key in query]
    if "host" in query:
        hosts = {each.strip() for each in query["host"].split(",")} if many_hosts else {query["host"]}
        tests.append(lambda row: row.host in hosts)
    for key in ("port", "weight") if cached else ("port",):
        if key in query and (number(query[key]) is not None or not cached):
            tests.append(same(key, number(query[key])))
    flags = {"isolate": query.get("isolate"), "healthy": query.get("healthy", query.get("health_status"))}
    for key, flag in flags.items():
        if flag is not None and (flag in TRUTHS or not cached):
            tests.append(same(key, TRUTHS.get(flag)))
    for key, part in (("cmdb_region", "region"), ("cmdb_zone", "zone"), ("cmdb_idc", "campus")) if cached else ():
        if key in query:
            tests.append(located(part, query[key]))
    if "keys" in query:
        tests.append(labelled(query["keys"], query["values"]))
    return tests


def list_services(call: Call) -> Reply:
    """GET /naming/v1/services."""
    if refused := query_refusal(call, "DescribeServices", reason=False):
        return refused
    node, profile, query = call.node, call.node.profile, call.query
    for key in query:
        if key not in SERVICE_KEYS:
            return codes.write(call, codes.batch_query(profile, 400103, message=f"{key} is not allowed"))
    window = page(query)
    if window is None:
        return codes.write(call, codes.batch_query(profile, 400103))
    offset, limit = window
    found = [
        (namespace, name, rows)
        for (namespace, name), rows in sorted(node.store.services().items())
        if wild(name, query.get("name", name)) and wild(namespace, query.get("namespace", namespace))
    ]
    shown = [service_json(call, *each) for each in found[offset : offset + limit]]
    return codes.write(call, codes.batch_query(profile, codes.SUCCESS, len(found), len(shown), services=shown))


def service_message(profile: Profile, **values: Any) -> dict[str, Any]:
    """A Service as jsonpb writes it: unset values are null, lists and mappings are empty."""
    result: dict[str, Any] = dict.fromkeys(SERVICE_MESSAGE)
    result.update({key: [] for key in ("user_ids", "group_ids", "remove_user_ids", "remove_group_ids")})
    result["metadata"] = {}
    result.update({key: [] if key == "export_to" else None for key in profile.service_extras})
    return {**result, **values}


def service_json(call: Call, namespace: str, name: str, rows: list[Row]) -> dict[str, Any]:
    """A service, with the counts of its instances."""
    created = call.node.local_time(call.node.started)
    texts = ("business", "department", "cmdb_mod1", "cmdb_mod2", "cmdb_mod3", "comment", "platform_id")
    return service_message(
        call.node.profile,
        name=name,
        namespace=namespace,
        ports=ports_of(call.node.profile, rows),
        **dict.fromkeys(texts, ""),
        owners=owner_of(call, namespace),
        ctime=created,
        mtime=created,
        revision=instance_id(namespace, name, "", len(rows))[:32],
        total_instance_count=len(rows),
        healthy_instance_count=sum(row.healthy for row in rows),
        id=service_id(namespace, name),
        editable=True,
        **{key: EXTRAS[key] for key in call.node.profile.service_extras},
    )


def ports_of(profile: Profile, rows: list[Row]) -> str:
    """The ports of a service's instances, without port 0."""
    if profile.service_ports == "none":
        return ""
    by_protocol = profile.service_ports == "by protocol"
    pairs = {(row.port, row.protocol if by_protocol else "") for row in rows if row.port}
    return ",".join(str(port) for port, _protocol in sorted(pairs))


def owner_of(call: Call, namespace: str) -> str:
    """The owner: a name for what the server ships with, the id of an account for everything created later."""
    name = call.node.accounts.owner_name
    owner = call.node.accounts.user(name, name)
    return name if owner is None or namespace in BUILT_IN else owner.id


def service_id(namespace: str, name: str) -> str:
    """The same in every run."""
    return instance_id(namespace, name, "", 0)[:32]


def list_namespaces(call: Call) -> Reply:
    """GET /naming/v1/namespaces and /core/v1/namespaces."""
    if refused := query_refusal(call, "DescribeNamespaces", reason=False):
        return refused
    node, profile = call.node, call.node.profile
    window = page(call.query)
    if window is None:
        return codes.write(call, codes.batch_query(profile, 400103))
    offset, limit = window
    by_name: dict[str, list[list[Row]]] = {name: [] for name in BUILT_IN}
    for (namespace, _dummy), rows in node.store.services().items():
        by_name.setdefault(namespace, []).append(rows)
    found = sorted(name for name in by_name if name == call.query.get("name", name))
    created = node.local_time(node.started)
    shown: list[dict[str, Any]] = [
        {
            "name": name,
            "comment": "",
            "owners": owner_of(call, name),
            "token": None,
            "ctime": created,
            "mtime": created,
            **counts_of([by_name[name]]),
            "user_ids": [],
            "group_ids": [],
            "remove_user_ids": [],
            "remove_group_ids": [],
            "id": name,
            "editable": True,
            **{key: EXTRAS[key] for key in profile.namespace_extras},
        }
        for name in found[offset : offset + limit]
    ]
    summary = counts_of(by_name[name] for name in found)
    result = codes.batch_query(profile, codes.SUCCESS, len(found), len(shown), namespaces=shown, summary=summary)
    return codes.write(call, result)


def counts_of(namespaces: Iterable[list[list[Row]]]) -> dict[str, int]:
    """The number of services and instances in these namespaces."""
    services = [rows for namespace in namespaces for rows in namespace]
    return {
        "total_service_count": len(services),
        "total_health_instance_count": sum(row.healthy for rows in services for row in rows),
        "total_instance_count": sum(len(rows) for rows in services),
    }


# Writing instances


def write_refusal(call: Call, function: str) -> Reply | None:
    """Owner and admin may register and deregister; others would need a policy for the service."""
    node = call.node
    if node.config.auth == "open":
        return None
    refused = node.check(call, function)
    code, text = (refused.code, refused.text) if refused else (0, "")
    if not code:
        account = node.accounts.identify(call.token)
        if isinstance(account, Account) and not account.enabled:
            code, text = 401003, "token already disabled"
        elif not isinstance(account, Account) or account.role is None or account.role > OWNER:
            code, text = 401001, "no permission"
    return codes.write(call, codes.batch_write_error(node.profile, code, text)) if code else None


def parse_instance(value: Any, lenient: bool) -> dict[str, Any]:
    """An element of the array."""
    return instances.parse(value, lenient)


def parse_service(value: Any, lenient: bool) -> dict[str, Any]:
    """The same for services; only their name matters here."""
    texts = ["name", "namespace", "ports", "business", "department", "comment", "owners", "token"]
    fields: dict[str, Callable[[Any], Any]] = dict.fromkeys(texts, lambda item: gojson.scalar(item, "string"))
    fields["metadata"] = instances.FIELDS["metadata"]
    return gojson.message(value, "Service", fields, lenient)


def each_of(
    call: Call,
    function: str,
    parse: Callable[[Any, bool], dict[str, Any]],
    handle: Callable[[dict[str, Any]], tuple[int, dict[str, Any]]],
) -> Reply:
    """Handle the elements of a body one by one; each has its own answer."""
    profile = call.node.profile
    try:
        decoded = gojson.decode_first(call.body)
        if not isinstance(decoded, list):
            raise GoError("not at beginning of value")
        wanted = [parse(each, profile.lenient_messages) for each in decoded]
    except GoError as problem:
        return codes.write(call, codes.batch_write_error(profile, 400001, str(problem)))
    if not wanted:
        return codes.write(call, codes.batch_write_error(profile, 400002))
    if refused := write_refusal(call, function):
        return refused
    responses = []
    for each in wanted:
        code, parts = handle(each)
        responses.append(codes.response(profile, code, **parts))
    return codes.write(call, codes.batch_write(profile, responses))


def create_services(call: Call) -> Reply:
    """POST /naming/v1/services."""
    node = call.node

    def create(service: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        key = (service.get("namespace") or "default", service.get("name") or "")
        existed = key in node.store.by_service
        node.store.by_service.setdefault(key, {})
        if not key[1]:
            named: dict[str, Any] = {"owners": owner_of(call, "")}
        else:
            made = {"owners": owner_of(call, "")} if existed else {"token": instance_id(*key, "token", 0)[:32]}
            named = {"name": key[1], "id": service_id(*key), **made}
        code = 400120 if not key[1] else 400201 if existed else codes.SUCCESS
        return code, {"service": service_message(node.profile, namespace=key[0], **named)}

    return each_of(call, "CreateServices", parse_service, create)


def create_instances(call: Call) -> Reply:
    """POST /naming/v1/instances; an unknown service is created."""
    node = call.node

    def register(instance: instances.Instance) -> tuple[int, dict[str, Any]]:
        if code := instances.check_tetrad(instance, node.profile):
            return code, {"instance": instances.echo(instance)}
        tetrad = {key: instance[key] for key in ("service", "namespace", "host", "port")}
        heartbeat = (instance.get("healthCheck") or {}).get("heartbeat")
        checked = heartbeat is not None and instance.get("enableHealthCheck", True)
        ttl = (heartbeat or {}).get("ttl") or 5
        optional = (
            "protocol",
            "version",
            "priority",
            "weight",
            "healthy",
            "isolate",
            "logic_set",
            "location",
            "metadata",
        )
        row = node.store.register(
            **tetrad,
            id=instance.get("id") or "",
            vpc_id=instance.get("vpc_id") or "",
            ttl=(ttl if ttl <= 60 else 5) if checked else None,
            **{key: instance[key] for key in optional if key in instance},
        )
        return codes.SUCCESS, {"instance": instances.echo({"id": row.id, "vpc_id": row.vpc_id or None, **tetrad})}

    return each_of(call, "CreateInstances", parse_instance, register)


def delete_instances(call: Call) -> Reply:
    """POST /naming/v1/instances/delete: deleting an unknown instance also succeeds."""
    node = call.node

    def deregister(instance: instances.Instance) -> tuple[int, dict[str, Any]]:
        row_id, code = instances.identify(instance, node.profile)
        if not code:
            node.store.deregister(row_id)
            if node.profile.names_deleted:
                instance["id"] = row_id
        return code or codes.SUCCESS, {"instance": instances.echo(instance)}

    return each_of(call, "DeleteInstances", parse_instance, deregister)


def client_heartbeat(call: Call) -> Reply:
    """POST /v1/Heartbeat, the heartbeat of SDKs over HTTP: needs no token by default."""
    node, profile = call.node, call.node.profile
    try:
        instance = instances.parse(gojson.decode_first(call.body), profile.lenient_messages)
    except GoError as problem:
        return codes.write(call, codes.response(profile, 400001, str(problem)))
    row_id, code = instances.identify(instance, profile)
    if code:
        return codes.write(call, codes.response(profile, code, instance=instances.echo(instance)))
    if not profile.takes_any_beat and row_id not in {row.id for row in node.visible("", "", row_id)}:
        return codes.write(call, codes.response(profile, 400202))
    if profile.names_beats:
        instance["id"] = row_id
    if not profile.takes_any_beat and node.checked_row(row_id) is None:
        return codes.write(call, codes.response(profile, 400141, instance=instances.echo(instance)))
    node.beat(row_id)
    return codes.write(call, codes.response(profile, codes.SUCCESS, instance=instances.echo(instance)))


# Accounts


def login(call: Call) -> Reply:
    """POST /core/v1/user/login."""
    node, profile = call.node, call.node.profile
    separator = ": " if profile.messages == 1 else ":"
    fields: dict[str, Callable[[Any], Any]] = dict.fromkeys(
        ("name", "password", "owner"), lambda item: gojson.scalar(item, "string")
    )
    try:
        found = gojson.message(gojson.decode_first(call.body), "LoginRequest", fields, profile.lenient_messages)
    except GoError as problem:
        return codes.write(call, codes.response(profile, 400001, str(problem), separator=separator))
    name = found.get("name", "")
    account = node.accounts.user(name, found.get("owner") or name)
    if account is None:
        return codes.write(call, codes.response(profile, 400312))
    if account.password != found.get("password", ""):
        return codes.write(call, codes.response(profile, 401001, "name or password is wrong", separator))
    owner = node.accounts.user(account.owner, account.owner)
    logged_in: dict[str, Any] = {
        "user_id": account.id,
        "name": account.name,
        "role": ROLE_NAMES[account.role],
        "owner_id": "" if owner is None or owner is account else owner.id,
        "token": account.token,
    }
    if profile.policies:
        logged_in["options"] = {}
    return codes.write(call, codes.response(profile, codes.SUCCESS, loginResponse=logged_in))


def auth_status(call: Call) -> Reply:
    """GET /core/v1/auth/status: no token needed."""
    node, profile = call.node, call.node.profile
    opened = str(node.config.auth != "open").lower()
    values = {"auth": opened, "clientOpen": "false", "consoleOpen": opened}
    options = {key: values[key] for key in profile.auth_status}
    return codes.write(call, codes.response(profile, codes.SUCCESS, optionSwitch={"options": options}))


def limited(call: Call) -> Reply | None:
    """The rate limit plugin, off by default (server.go, enterRateLimit)."""
    node, config = call.node, call.node.config
    profile = node.profile
    host = call.peer[0]
    if ":" in host:
        return None
    key = host if config.rate_limit == "ip" else f"{call.method}:{call.path.rstrip('/')}"
    if node.take_token(key, time.monotonic()):
        return None
    of_ip, of_api = (403001, 403002) if profile.messages == 1 else (429002, 403003)
    return codes.write(call, codes.response(profile, of_ip if config.rate_limit == "ip" else of_api))


HANDLERS: dict[tuple[str, str], Handler] = {
    ("GET", "/naming/v1/instances"): list_instances,
    ("GET", "/naming/v1/instances/count"): count_instances,
    ("POST", "/naming/v1/instances"): create_instances,
    ("POST", "/naming/v1/instances/delete"): delete_instances,
    ("GET", "/naming/v1/services"): list_services,
    ("POST", "/naming/v1/services"): create_services,
    ("GET", "/naming/v1/namespaces"): list_namespaces,
    ("GET", "/core/v1/namespaces"): list_namespaces,
}
CLIENT_HANDLERS: dict[tuple[str, str], Handler] = {("POST", "/v1/Heartbeat"): client_heartbeat}
