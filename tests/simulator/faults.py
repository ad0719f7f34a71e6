# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Failures between a client and a server, on demand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

Kind = Literal["status", "delay", "cut", "garbage", "hang", "redirect", "truncate", "drop"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass
class Fault:
    """One kind of failure.

    status: answers `status`, `body`, `headers` without doing the work. delay: works as usual, `seconds` later. cut:
    closes the connection without a response and does nothing. garbage: answers bytes that are not HTTP (or `body`).
    hang: never answers. redirect: 302 (or `status`) to `location`. truncate: does the work and sends half the body.
    drop: does the work and closes the connection without a response. `seconds` delays every kind.
    """

    kind: Kind
    status: int = 0
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    location: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"Unknown kind of fault {self.kind!r}; use one of {', '.join(KINDS)}.")


@dataclass
class Rule:
    """A fault and the requests that it applies to."""

    method: str
    path: str
    fault: Fault
    times: int | None = None
    skip: int = 0
    containing: str = ""

    def meets(self, method: str, path: str, text: str) -> bool:
        """Whether the fault applies to this request; counts the request if it matches."""
        if self.method not in ("*", method):
            return False
        prefix = self.path.removesuffix("*")
        if path != self.path and not (prefix != self.path and path.startswith(prefix)):
            return False
        if self.containing and self.containing not in text:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times is not None:
            if self.times <= 0:
                return False
            self.times -= 1
        return True
