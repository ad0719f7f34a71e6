# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. What to configure on a server so that a call works there."""

from __future__ import annotations

#: Protocol -> the apiservers in polaris-server.yaml whose listeners count under that name (GetProtocol of each in
#: polaris v1.18.1 apiserver/). The name is case-sensitive and differs from the apiserver's name.
COUNTED_BY = {
    "http": ("api-http",),
    "grpc": ("service-grpc", "config-grpc"),
    "eureka": ("service-eureka",),
    "xdsv3": ("xds-v3",),
    "prometheus": ("prometheus-sd",),  # v1.8 to v1.12 only
}

#: Their listeners also have a name, but with connLimit on the server exits at startup (seen on v1.18.1 and HEAD).
NEVER_COUNTED = {"nacos-http": "service-nacos"}


def how_to_count(protocol: str) -> str:
    """What to configure so that a server counts the connections of a protocol."""
    if protocol in NEVER_COUNTED:
        return (
            f"No server can count {protocol}: with connLimit on under {NEVER_COUNTED[protocol]}, it exits at startup."
        )
    servers = COUNTED_BY.get(protocol)
    if servers is None:
        return (
            f"Released servers have no protocol {protocol!r} to count. Use one of {', '.join(COUNTED_BY)}, in lower "
            f"case (grpc for service-grpc and config-grpc, http for api-http)."
        )
    hint = (
        f"To count {protocol}, set under connLimit of the apiserver {' or '.join(servers)} in polaris-server.yaml: "
        f"openConnLimit: true, maxConnPerHost: 1 or more, purgeCounterInterval (such as 10s) and purgeCounterExpire "
        f"(such as 5s); then restart that node. The shipped file misspells the last key as purgeCounterExpired; with "
        f"that spelling the server exits at startup."
    )
    if len(servers) > 1:
        hint += f" Only one of {' and '.join(servers)} can be counted; with both, the server also exits at startup."
    return hint


def how_to_profile(on: bool, by_call: bool) -> str:
    """How to switch the profiles of a server on or off.

    :param by_call: whether the server has the call that polaris_pprof makes.
    """
    if by_call:
        return f"Switch them {'on' if on else 'off'} with the module polaris_pprof."
    return (
        f"Set enablePprof to {str(on).lower()} in the option of the api-http apiserver in polaris-server.yaml, and "
        f"restart that node."
    )
