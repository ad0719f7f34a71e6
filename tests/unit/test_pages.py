# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages of the runbooks match the playbooks."""

from __future__ import annotations

import pytest
import yaml

from tests.demo import pages


def test_each_runbook_has_a_page_in_the_table_of_contents() -> None:
    playbooks = {path.stem for path in (pages.ROOT / "playbooks").glob("*.yml")}
    sections = yaml.safe_load((pages.ROOT / "docs" / "docsite" / "extra-docs.yml").read_text())["sections"]
    listed = {name for section in sections for name in section["toctree"]}
    assert {name.removeprefix("runbook_") for name in listed if name.startswith("runbook_")} == playbooks
    assert set(pages.EXAMPLES) == playbooks


@pytest.mark.parametrize("name", pages.EXAMPLES)
def test_the_page_has_the_text_of_the_playbook(name: str) -> None:
    written = (pages.PAGES / f"runbook_{name}.rst").read_text()
    assert written == pages.page(name, pages.example_of(name)), "run `make docs-pages`"


def test_the_guide_to_troubleshooting_has_all_messages() -> None:
    written = (pages.PAGES / "guide_troubleshooting.rst").read_text()
    assert written == pages.troubleshooting(), "run `make docs-pages`"
