# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No secret is left anywhere in a result, and what a runbook needs from it stays."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.polarismesh.maintenance.plugins.module_utils._options import spec
from ansible_collections.polarismesh.maintenance.plugins.module_utils._secrets import (
    PART,
    PUBLIC,
    WHOLE,
    Scrubber,
    shown_arguments,
)
from tests.simulator.profiles import PROFILES

PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x2FF, exclude_categories=["Cc"]), max_size=30)
# Long enough not to match the stars by chance, and not a word of Polaris.
SECRETS = (
    st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=8, max_size=40)
    .filter(lambda secret: secret.strip() and secret not in PUBLIC)
    .filter(lambda secret: secret not in WHOLE and secret not in PART)
)


def places(secret: str, before: str, after: str) -> dict[str, Any]:
    text = f"{before}{secret}{after}"
    return {
        "alone": secret,
        "within": text,
        secret: "a key",
        text: ["in", {"a": {text: secret}}],
        "escaped": f"got {text!r}",
        "alone, escaped": f"{secret!r}",
        "as JSON": json.dumps({text: secret}),
    }


@given(SECRETS, PRINTABLE, PRINTABLE)
def test_no_secret_is_left_anywhere(secret: str, before: str, after: str) -> None:
    left = str(Scrubber({secret})(places(secret, before, after)))
    for form in (secret, repr(secret)[1:-1], json.dumps(secret)[1:-1]):
        assert form not in left


@pytest.mark.parametrize("secret", ["back\\slash'and\"quotes", "it's-a-secret", 'say-"secret"', "tab\\tsecret"])
def test_escaped_secrets(secret: str) -> None:
    scrub = Scrubber({secret})
    for text in (f"{secret!r}", f"{[secret, chr(34), chr(39)]!r}", json.dumps(secret), f"{('x' + secret + chr(39))!r}"):
        left = scrub.text(f"got {text}")
        assert "secret" not in left or PART in left
        assert secret not in left
        assert repr(secret)[1:-1] not in left


def test_what_a_runbook_needs_stays() -> None:
    result = {"previous": {"naming": "info"}, "port": 12026, "count": 2026, "changed": True, "diff": None}
    assert Scrubber({"info"})(result) == result
    assert Scrubber({"2026"})(result) == result
    assert Scrubber({"2026"}).text("closed 10.0.0.7:12026") == "closed 10.0.0.7:12026"
    assert Scrubber({"2026"}).text("the token 2026 is wrong") == f"the token {PART} is wrong"
    assert Scrubber({" ", ""}).text("nothing to hide here") == "nothing to hide here"
    assert Scrubber({"polaris"}).text("polaris.checker of polaris") == "polaris.checker of polaris"


@pytest.mark.parametrize("secret", ["nacos", "token", "bucket", "trace", "discover"])
def test_the_scopes_of_every_server_stay_if_a_password_is_a_part_of_one(secret: str) -> None:
    scopes = {scope: "info" for profile in PROFILES.values() for scope in profile.scopes}
    assert Scrubber({secret})(scopes) == scopes
    assert Scrubber({secret}).text(f"wrong: {secret}, x-{secret}") == f"wrong: {PART}, x-{PART}"
    assert Scrubber(scopes.keys())(scopes) == scopes


def test_a_scope_as_part_of_a_secret_does_not_protect_it() -> None:
    scrub = Scrubber({"nacos", "apiserver-and-more"})
    assert scrub.text("nacos-apiserver nacos-apiserver-and-more") == f"nacos-apiserver {PART}-{PART}"


def test_a_long_number_that_is_a_secret_is_removed() -> None:
    assert Scrubber({"1234567890"})({"metadata": {"a": 1234567890}, "b": True}) == {"metadata": {"a": WHOLE}, "b": True}


def test_of_two_secrets_that_overlap_nothing_is_left() -> None:
    assert Scrubber({"my-secret", "my-secret-and-more"}).text("x my-secret-and-more y") == f"x {PART} y"


def test_shown_arguments() -> None:
    options = {
        "levels": {"type": "dict"},
        "instances": {
            "type": "list",
            "elements": "dict",
            "options": {"id": {"type": "str"}, "service_token": {"type": "str", "no_log": True}},
        },
    }
    params = {
        "token": "info",
        "password": None,
        "levels": {"secret-token": "debug"},
        "instances": [{"id": "a", "service_token": "st"}, {"id": "secret-token", "service_token": None}],
    }
    shown = shown_arguments(params, spec(options)["argument_spec"], Scrubber({"info", "st", "secret-token"}))
    assert shown == {
        "token": WHOLE,
        "password": None,
        "levels": {WHOLE: "debug"},
        "instances": [{"id": "a", "service_token": WHOLE}, {"id": WHOLE, "service_token": None}],
    }
