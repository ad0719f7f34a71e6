# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. Removing deleted instances from the store permanently."""

from __future__ import annotations

import typing as t

from .._client import Client
from .routes import Route, call, json_object, not_polaris

CLEAN_INSTANCE = Route("POST", "/maintain/v1/instance/clean")
BATCH_CLEAN = Route("POST", "/maintain/v1/instance/batchclean", since="v1.13.0", fresh=True)

_SUCCESS = 200000


def clean(client: Client, instance: t.Dict[str, t.Any]) -> None:
    """Remove a deleted instance from the store permanently.

    Only for an instance that :func:`.instances.find` does not list: the server also removes or strips a live one,
    depending on its store. Its answer is the same whether or not the instance existed.

    :param instance: ``id``, or ``service``, ``namespace``, ``host``, ``port`` (and ``vpc_id``), and any other field of
        an instance, by the names of the published API. The server refuses unknown fields.
    """
    reply = call(client, CLEAN_INSTANCE, instance)
    if json_object(client, reply).get("code") != _SUCCESS:
        raise not_polaris(client, reply)


def clean_batch(client: Client, most: int) -> int:
    """Permanently remove up to ``most`` deleted instances, whichever the server chooses; the number removed.

    From v1.17.0 on the server keeps those that were deleted less than 10 minutes ago (admin/maintain.go).
    """
    reply = call(client, BATCH_CLEAN, {"batch_size": most})
    affected = json_object(client, reply).get("rows_affected")
    if not isinstance(affected, int):
        raise not_polaris(client, reply)
    return affected
