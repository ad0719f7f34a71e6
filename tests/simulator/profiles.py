# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between Polaris versions, as data.

Profiles contain everything that depends on the version, so that the handlers do not. The sources of the facts are the
route lists of polaris apiserver/httpserver/maintain_access.go (v1.16 and older) and admin_access.go (v1.17 and newer),
the log scopes of common/log/type.go, the stores under store/mysql and store/boltdb, auth/defaultauth, and real servers
of v1.12.2, v1.14.1, v1.14.2, v1.17.1, v1.18.1 and HEAD.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Route = tuple[str, str]

# polaris v1.8.0 apiserver/httpserver/maintain_access.go
FIRST_ROUTES: tuple[Route, ...] = (
    ("GET", "/maintain/v1/apiserver/conn"),
    ("GET", "/maintain/v1/apiserver/conn/stats"),
    ("POST", "/maintain/v1/apiserver/conn/close"),
    ("POST", "/maintain/v1/memory/free"),
    ("POST", "/maintain/v1/instance/clean"),
    ("GET", "/maintain/v1/instance/heartbeat"),
    ("GET", "/maintain/v1/log/outputlevel"),
    ("PUT", "/maintain/v1/log/outputlevel"),
)
BATCH_CLEAN: tuple[Route, ...] = (("POST", "/maintain/v1/instance/batchclean"),)
LEADERS: tuple[Route, ...] = (
    ("GET", "/maintain/v1/leaders"),
    ("POST", "/maintain/v1/leaders/release"),
    ("GET", "/maintain/v1/cmdb/info"),
)
REPORT: tuple[Route, ...] = (("GET", "/maintain/v1/report/clients"),)
HEAD_ONLY: tuple[Route, ...] = (
    ("POST", "/maintain/v1/pprof/enable"),
    ("GET", "/maintain/v1/server/functions"),
)
# A server as the published documentation describes it: two calls have a path or method that no real server has.
DOCUMENTED: tuple[Route, ...] = (
    ("GET", "/maintain/v1/apiserver/conn"),
    ("GET", "/maintain/v1/apiserver/conn/stats"),
    ("POST", "/maintain/v1/apiserver/conn"),
    ("POST", "/maintain/v1/memory/free"),
    ("POST", "/maintain/v1/instance/clean"),
    ("POST", "/maintain/v1/instance/batchclean"),
    ("GET", "/maintain/v1/instance/heartbeat"),
    ("GET", "/maintain/v1/log/outputlevel"),
    ("POST", "/maintain/v1/log/outputlevel"),
)

FIRST_SCOPES = ("naming", "config", "cache", "auth", "store", "default")
SCOPES_1_12 = (*FIRST_SCOPES, "healthcheck", "apiserver", "xdsv3")
SCOPES_1_13 = (*SCOPES_1_12, "discoverEventLocal", "HistoryLogger", "token-bucket", "discoverLocal", "local")
SCOPES_1_14 = (*SCOPES_1_13, "sysop", "cmdb")
# eureka and discoverLocal are no longer scopes of the code, but keys of the shipped configuration.
SCOPES_1_18 = (*SCOPES_1_14, "nacos-apiserver", "nacos-trace", "discoverstat", "eureka")

LIST_KEYS = frozenset(
    [
        "service",
        "namespace",
        "host",
        "port",
        "keys",
        "values",
        "protocol",
        "version",
        "health_status",
        "healthy",
        "isolate",
        "weight",
        "logic_set",
        "cmdb_region",
        "cmdb_zone",
        "cmdb_idc",
        "priority",
        "offset",
        "limit",
    ]
)
JOBS_1_17 = ("polaris.checker", "MaintainJob.CleanDeletedInstances", "MaintainJob.CleanDeletedClients")


@dataclass(frozen=True)
class Profile:
    """One version of the server, or one dialect of it."""

    name: str
    version: str
    """The version in the instances of polaris.checker: builds of v1.13.0 to v1.18.1 report v0.1.0."""
    routes: tuple[Route, ...]
    """The maintenance routes; the others depend on the fields below."""
    scopes: tuple[str, ...]
    raised_levels: tuple[tuple[str, str], ...] = ()
    """Scopes whose initial level is not info."""
    levels_as_list: bool = True
    """The scope levels are an object up to v1.17.1, a list in random order from v1.17.2."""
    old_router: bool = False
    """go-restful v2.15.0: a POST without a Content-Length is 406 there, 415 in v3.9.0."""
    go_package: str = "admin"
    """The package of ConnReq, which Go's error texts name: maintain up to v1.16, admin from v1.17."""
    elect_key: str = "electKey"
    """The field's JSON name in Go's error texts, ElectKey up to v1.17.1; either case is accepted."""
    messages: int = 3
    """Generation of the protobuf messages: 1 up to v1.13, 2 up to v1.17.1, then 3; each has different empty keys."""
    policies: bool = False
    """Every call needs an allow policy (HEAD); otherwise any token may read and the owner's token may write."""
    auth_status: tuple[str, ...] = ("auth", "clientOpen", "consoleOpen")
    lenient_messages: bool = False
    """HEAD ignores unknown keys of an instance; the released versions refuse them."""
    batch_clean_age: float = 600.0
    """A batch clean keeps rows younger than this: 10 minutes from v1.17.0 on, 0 before."""
    mysql_strips_live: bool = True
    """From v1.17.3 a clean of a live row deletes its metadata and its health check."""
    boltdb_removes: bool = True
    """From v1.13.0 a clean removes the row, live or not; before, it only marked it as invalid."""
    boltdb_counts_deleted: bool = False
    """Up to v1.12 the count of instances includes deleted ones."""
    list_keys: frozenset[str] = LIST_KEYS | {"id"}
    """The filters of GET /naming/v1/instances; `id` from v1.17.0 on."""
    list_needs: Literal["nothing", "any", "service"] = "nothing"
    """Required filters. Up to v1.15: service and namespace, or host. v1.16: one of the three. From v1.17.0: none."""
    list_cached: bool = True
    """The list is from the node's cache (from v1.17.2 on: different matching, no service_token) or from the store."""
    unknown_service_panics: bool = False
    """Up to v1.15 on boltdb, listing an unknown service closes the connection."""
    shows_last_heartbeat: bool = False
    """v1.18.1 accepts show_last_heartbeat=true, with effect if beats are shared; older versions and HEAD do not."""
    heartbeat_panics: bool = False
    """Up to v1.14.1, finding the instance closes the connection."""
    heartbeat_names: bool = True
    """A found instance includes service and namespace (not up to v1.17.1)."""
    own_instances_hidden: bool = True
    """Polaris' own instances are not in the health-check cache from v1.14.0."""
    closed_check_known: bool = False
    """v1.8.0 answers 400140 with health checks switched off; newer versions load the checkers anyway."""
    metrics: Literal["none", "runtime", "memstats"] = "runtime"
    pprof_off_empty: bool = False
    """If pprof is switched off, HEAD answers an empty 200, the others 404."""
    pprof_trace: bool = False
    slash_in_names: bool = True
    translates: bool = True
    """`info` follows Accept-Language and ?lang."""
    swagger: bool = True
    """/apidocs.json, from v1.12."""
    prometheus_clients: bool = True
    """GET /prometheus/v1/clients, from v1.14.0."""
    summary: bool = True
    """Lists have a summary, which is null except in the list of namespaces; from v1.17.0 on."""
    service_ports: Literal["none", "each", "by protocol"] = "by protocol"
    """What a service shows of the ports of its instances: each pair of port and protocol, each port, or nothing."""
    service_extras: tuple[str, ...] = ("export_to",)
    """The newer fields of a service in the console's lists."""
    namespace_extras: tuple[str, ...] = ("service_export_to",)
    """The same for a namespace."""
    names_deleted: bool = False
    """HEAD answers a deleted instance with its computed id, older versions as the request named it."""
    names_beats: bool = False
    """Up to v1.16 the answer to a client's heartbeat contains the computed id."""
    takes_any_beat: bool = True
    """Newer versions accept the heartbeat of an unknown instance; v1.14.2 and older refuse it."""
    omits_empty: bool = False
    """Answers with a code leave out what is not set, empty lists too."""
    loses_tokens: bool = False
    """No token is accepted on the maintenance API while authentication is on; a clean is not refused at all."""
    counts_connections: bool = True
    """False: not even with connLimit switched on."""
    login_path: str = "/core/v1/user/login"
    auth_status_path: str | None = "/core/v1/auth/status"
    checker_namespace: str = "Polaris"
    checker_services: tuple[str, ...] = ("polaris.checker",)
    elections: tuple[str, ...] = JOBS_1_17


HEAD = Profile(
    name="head",
    version="v1.19.0-alpha.0",
    routes=FIRST_ROUTES + BATCH_CLEAN + LEADERS + REPORT + HEAD_ONLY,
    scopes=SCOPES_1_18,
    raised_levels=(("config", "debug"),),
    policies=True,
    lenient_messages=True,
    pprof_off_empty=True,
    pprof_trace=True,
    service_extras=("export_to", "deleteable"),
    namespace_extras=("service_export_to", "metadata", "deleteable"),
    names_deleted=True,
    elections=("polaris.checker", "MaintainJob"),
)
V1_18_1 = replace(
    HEAD,
    name="v1.18.1",
    version="v0.1.0",
    raised_levels=(),
    routes=FIRST_ROUTES + BATCH_CLEAN + LEADERS + REPORT,
    policies=False,
    lenient_messages=False,
    shows_last_heartbeat=True,
    pprof_off_empty=False,
    pprof_trace=False,
    service_extras=("export_to",),
    namespace_extras=("service_export_to",),
    names_deleted=False,
    elections=JOBS_1_17,
)
V1_17_9 = replace(V1_18_1, name="v1.17.9", scopes=SCOPES_1_14, shows_last_heartbeat=False)
V1_17_1 = replace(
    V1_17_9,
    name="v1.17.1",
    messages=2,
    elect_key="ElectKey",
    auth_status=("auth",),
    levels_as_list=False,
    mysql_strips_live=False,
    list_cached=False,
    heartbeat_names=False,
    service_ports="each",
    service_extras=(),
    namespace_extras=(),
)
V1_17_0 = replace(V1_17_1, name="v1.17.0")
V1_16_0 = replace(
    V1_17_0,
    name="v1.16.0",
    go_package="maintain",
    batch_clean_age=0.0,
    list_keys=LIST_KEYS,
    list_needs="any",
    summary=False,
    names_beats=True,
    elections=("polaris.checker", "MaintainJob.CleanDeletedInstances"),
)
V1_14_2 = replace(
    V1_16_0,
    name="v1.14.2",
    routes=FIRST_ROUTES + BATCH_CLEAN + LEADERS,
    list_needs="service",
    unknown_service_panics=True,
    service_ports="none",
    takes_any_beat=False,
    elections=("polaris.checker",),
)
V1_14_1 = replace(V1_14_2, name="v1.14.1", heartbeat_panics=True)
V1_13_0 = replace(
    V1_14_1,
    name="v1.13.0",
    routes=FIRST_ROUTES + BATCH_CLEAN,
    messages=1,
    scopes=SCOPES_1_13,
    own_instances_hidden=False,
    prometheus_clients=False,
    elections=(),
)
V1_12_2 = replace(
    V1_13_0,
    name="v1.12.2",
    version="v1.12.2",
    routes=FIRST_ROUTES,
    scopes=SCOPES_1_12,
    boltdb_removes=False,
    boltdb_counts_deleted=True,
)
V1_8_0 = replace(
    V1_12_2,
    name="v1.8.0",
    version="v1.8.0",
    scopes=FIRST_SCOPES,
    old_router=True,
    translates=False,
    closed_check_known=True,
    metrics="none",
    swagger=False,
    slash_in_names=False,
    checker_services=("polaris.checker", "polaris.config"),
)
# The fork pole-io/pole-server of 2025-05-04, as it ran with MySQL, the only store that it has.
POLE = replace(
    HEAD,
    name="pole",
    raised_levels=(),
    omits_empty=True,
    loses_tokens=True,
    counts_connections=False,
    login_path="/auth/v1/user/login",
    auth_status_path=None,
    checker_namespace="pole-system",
    checker_services=("pole.checker",),
    elections=("MaintainJob",),
)
DOCUMENTED_ONLY = replace(V1_17_1, name="documented", routes=DOCUMENTED)

PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        V1_8_0,
        V1_12_2,
        V1_13_0,
        V1_14_1,
        V1_14_2,
        V1_16_0,
        V1_17_0,
        V1_17_1,
        V1_17_9,
        V1_18_1,
        HEAD,
        POLE,
        DOCUMENTED_ONLY,
    )
}


def named(profile: str | Profile) -> Profile:
    """The profile of that name; a Profile is returned as it is."""
    if isinstance(profile, Profile):
        return profile
    try:
        return PROFILES[profile]
    except KeyError:
        raise ValueError(f"Unknown profile {profile!r}; use one of {', '.join(PROFILES)}.") from None
