# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples on the pages of the runbooks match what the runbooks print."""

from __future__ import annotations

import re

import pytest

from tests.demo import pages


def shape(output: str) -> list[str]:
    """The words of an output: numbers and the order in which nodes answer differ from run to run."""
    return sorted(re.sub(r"[\s\d#]+|[kMG]B\b", " ", line).strip() for line in output.splitlines())


@pytest.mark.slow
@pytest.mark.parametrize("name", pages.EXAMPLES)
def test_the_example_is_what_the_runbook_prints(name: str) -> None:
    assert shape(pages.run_example(name)) == shape(pages.example_of(name)), "run `make docs-pages`"
