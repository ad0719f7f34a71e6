# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. Ansible's values as plain values."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

#: Types that are plain already: most values of a result, so these are checked first.
_PLAIN = frozenset([str, int, float, bool, type(None)])


def plain(value: t.Any) -> t.Any:
    """The same value, made of dict, list, str and the like only, without tags and lazy templates of ansible-core."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, Mapping):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    for kind in (str, bool, int, float):
        if isinstance(value, kind):
            return kind(value)
    return value
