# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. Removes secrets from results, messages, and the arguments that Ansible shows.

Ansible's own censoring is not enough here. It ignores the keys of mappings and escaped text. And if the token is 2026,
it censors port 12026, so that a runbook could not use the result.
"""

from __future__ import annotations

import json
import re
import typing as t

from ._advice import COUNTED_BY, NEVER_COUNTED
from ._api.log_levels import LEVELS

#: What replaces a secret: a whole value, and a part of a text. The same as Ansible's.
WHOLE = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
PART = "********"

#: Words of Polaris itself. One may be used as a password (the default account does), but a result that contains it does
#: not reveal that. Without these words a result would be useless: it has levels to restore and names to look up.
PUBLIC = frozenset(
    [
        *LEVELS,
        *COUNTED_BY,
        *NEVER_COUNTED,
        "naming",
        "config",
        "cache",
        "auth",
        "store",
        "default",
        "healthcheck",
        "apiserver",
        "sysop",
        "cmdb",
        "local",
        "discoverstat",
        "discoverEventLocal",
        "discoverLocal",
        "HistoryLogger",
        "nacos-apiserver",
        "nacos-trace",
        "token-bucket",
        "polaris",
        "Polaris",
        "polaris.checker",
        "true",
        "false",
        "null",
    ]
)

# A shorter secret only matches as a whole word: 2026 does not match in 12026.
_LONG = 8


class Scrubber:
    """Removes secrets from values of any depth."""

    def __init__(self, secrets: t.AbstractSet[str]) -> None:
        hidden = {secret for secret in secrets if secret.strip() and secret not in PUBLIC}
        self._long = {secret for secret in hidden if len(secret) >= _LONG}
        self._whole = {form for secret in hidden for form in _forms(secret)}
        # If the password is nacos, the scope nacos-apiserver must still be found in a result, to restore its level.
        kept = {word for word in PUBLIC if any(secret in word for secret in hidden)}
        # The longest first, so that nothing is left of two that overlap.
        patterns = [
            rf"(?<![\w-]){re.escape(form)}(?![\w-])" if form in kept else _pattern(form)
            for form in sorted(self._whole | kept, key=len, reverse=True)
        ]
        self._any = re.compile("|".join(patterns)) if patterns else None

    def text(self, value: str) -> str:
        """The text without any secret."""
        if self._any is None:
            return value
        if value in self._whole:
            return WHOLE
        return self._any.sub(lambda found: found[0] if found[0] in PUBLIC else PART, value)

    def __call__(self, value: t.Any) -> t.Any:
        """The value without any secret, also in keys. Short numbers and booleans keep their type."""
        if self._any is None:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self(key): self(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self(item) for item in value]
        # The text of a boolean is never long enough to match.
        if isinstance(value, (int, float)) and str(value) in self._long:
            return WHOLE
        return value


def _forms(secret: str) -> t.Set[str]:
    """The secret as it is, and as escaped by JSON and repr(). Which quotes repr() escapes depends on the other text."""
    return {
        secret,
        repr(secret)[1:-1],
        repr(secret + '"')[1:-2],
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
    }


def _pattern(form: str) -> str:
    escaped = re.escape(form)
    if len(form) >= _LONG:
        return escaped
    before = r"(?<![0-9A-Za-z])" if form[0].isalnum() else ""
    after = r"(?![0-9A-Za-z])" if form[-1].isalnum() else ""
    return f"{before}{escaped}{after}"


def shown_arguments(params: t.Any, argument_spec: t.Mapping[str, t.Any], scrub: Scrubber) -> t.Any:
    """The arguments of a task for its ``invocation``: no value of a ``no_log`` option, and no secret elsewhere."""
    if isinstance(params, list):
        return [shown_arguments(item, argument_spec, scrub) for item in params]
    if not isinstance(params, dict):
        return scrub(params)
    shown = {}
    for name, value in params.items():
        rules = argument_spec.get(name, {})
        if rules.get("no_log") and value is not None:
            shown[name] = WHOLE
        elif "options" in rules and value is not None:
            shown[name] = shown_arguments(value, rules["options"], scrub)
        else:
            shown[scrub(name)] = scrub(value)
    return shown
