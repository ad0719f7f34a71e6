# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts, tokens and permissions.

The order of the checks is that of polaris v1.18.1 auth/defaultauth/auth_checker.go (checkMaintainPermission) and, with
policies, of HEAD auth/policy/auth_checker.go. The texts are those of common/model/auth.go.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Literal

Mode = Literal["strict", "open", "non-strict"]
MODES: tuple[Mode, ...] = ("strict", "open", "non-strict")

ADMIN, OWNER, SUB = 0, 20, 50
ROLE_NAMES: dict[int | None, str] = {ADMIN: "admin", OWNER: "main", SUB: "sub"}


def made_up_token(name: str) -> str:
    """A token that looks like a real one and is the same in every run."""
    return base64.b64encode(hashlib.sha512(f"simulated/{name}".encode()).digest()).decode()


@dataclass
class Account:
    """A user, or a user group (role None)."""

    name: str
    password: str
    token: str
    role: int | None
    owner: str
    enabled: bool = True
    functions: frozenset[str] | None = None
    """What its policies allow (HEAD); None means everything."""
    id: str = ""

    def __post_init__(self) -> None:
        self.id = self.id or hashlib.md5(self.name.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class Tokens:
    """One token of each kind that the checks distinguish."""

    owner: str
    sub: str
    disabled: str
    disabled_owner: str
    group: str
    admin: str
    invalid: str = "not-a-token"
    unknown: str = made_up_token("nobody")
    """Decodes, but belongs to no user."""
    stale: str = made_up_token("stale")
    """Decodes to a user whose token has been refreshed since."""


@dataclass
class Refusal:
    """Why a call is refused: the error text, and the code in the answer of {code, info} endpoints."""

    text: str
    code: int = 401001


INVALID = Refusal("invalid token")
NOT_EXIST = Refusal("token not exist", 401004)
NO_USER = Refusal("no such user")
DISABLED = Refusal("token already disabled", 401003)
ONLY_USER = Refusal("only user role can access maintain API")
ONLY_OWNER = Refusal("only owner account can access maintain API")
NO_PERMISSION = Refusal("no permission")


@dataclass
class Accounts:
    """The users of a fleet; they are in the store, so all nodes have the same ones."""

    owner_name: str = "polaris"
    owner_password: str = "polaris"
    owner_token: str = ""
    by_token: dict[str, Account] = field(default_factory=dict)
    tokens: Tokens = field(init=False)

    def __post_init__(self) -> None:
        owner = self.add(self.owner_name, self.owner_password, OWNER, token=self.owner_token)
        sub = self.add("sub", "sub-password", SUB, functions=frozenset())
        disabled = self.add("disabled", "disabled-password", SUB, functions=frozenset(), enabled=False)
        disabled_owner = self.add("disabled-owner", "disabled-password", OWNER, owner="disabled-owner", enabled=False)
        admin = self.add("administrator", "admin-password", ADMIN, owner="administrator")
        group = self.add("group", "", None, functions=frozenset())
        self.tokens = Tokens(
            owner=owner.token,
            sub=sub.token,
            disabled=disabled.token,
            disabled_owner=disabled_owner.token,
            group=group.token,
            admin=admin.token,
        )

    def add(
        self,
        name: str,
        password: str,
        role: int | None,
        *,
        owner: str | None = None,
        token: str = "",
        enabled: bool = True,
        functions: frozenset[str] | None = None,
    ) -> Account:
        """A new account; `owner` is the name of its main account."""
        account = Account(
            name=name,
            password=password,
            token=token or made_up_token(name),
            role=role,
            owner=self.owner_name if owner is None else owner,
            enabled=enabled,
            functions=functions,
        )
        self.by_token[account.token] = account
        return account

    def user(self, name: str, owner: str) -> Account | None:
        """The user of that name under that main account (a main account is its own main account)."""
        for account in self.by_token.values():
            if account.role is not None and account.name == name and account.owner == owner:
                return account
        return None

    def identify(self, token: str) -> Account | Refusal:
        """The owner of the token."""
        account = self.by_token.get(token)
        if account is not None:
            return account
        if token == self.tokens.unknown:
            return NO_USER
        if token == self.tokens.stale:
            return NOT_EXIST
        return INVALID

    def check(self, token: str, *, mode: Mode, policies: bool, writes: bool, function: str) -> Refusal | None:
        """Why the bearer of the token may not call that function; None if allowed."""
        if mode == "open":
            return None
        found = self.identify(token)
        account: Account | None
        if isinstance(found, Refusal):
            if mode == "strict" or policies or found is NO_USER:
                return found
            account = None  # lowered to anonymous
        else:
            account = found
        if policies:
            return self._check_policies(account, function)
        if not writes:
            return None
        if account is not None and not account.enabled:
            return DISABLED
        if account is None or account.role is None:
            return ONLY_USER
        if account.role != OWNER:
            return ONLY_OWNER
        return None

    @staticmethod
    def _check_policies(account: Account | None, function: str) -> Refusal | None:
        if account is None:
            return NO_PERMISSION
        if not account.enabled:
            return DISABLED
        if account.functions is not None and function not in account.functions:
            return NO_PERMISSION
        return None
