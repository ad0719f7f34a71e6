# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The languages of the report's page."""

from __future__ import annotations

import re
from collections.abc import Iterator

from jinja2 import nodes

from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._report import Fleet, Node, report_of
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._report_page import TEMPLATES, environment, render
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._report_rules import RULES, warnings_of
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._report_zh import ZH


def texts() -> Iterator[str]:
    """All texts of the page that have translations."""
    for rule in RULES:
        yield from (rule.title, rule.advice)
    for name in ("fleet_report.html.j2", "fleet_report_parts.html.j2"):
        template = environment().parse((TEMPLATES / name).read_text(encoding="utf-8"))
        for call in template.find_all(nodes.Call):
            if isinstance(call.node, nodes.Name) and call.node.name in ("_", "n_"):
                for argument in call.args:
                    found = [argument] if isinstance(argument, nodes.Const) else argument.find_all(nodes.Const)
                    yield from (const.value for const in found if isinstance(const.value, str))


def test_every_text_is_translated_and_no_translation_is_left_over() -> None:
    assert set(ZH) == set(texts())


def test_translations_have_the_same_places() -> None:
    def places(text: str) -> set[str]:
        return set(re.findall(r"{\w+}", text))

    assert {text for text, chinese in ZH.items() if places(text) != places(chinese)} == set()


def test_a_page_in_chinese() -> None:
    fleet = Fleet((Node("node1", is_polaris=True, protocols=()), Node("node2")))
    page = render(report_of(fleet, warnings_of(fleet)), language="zh")
    assert '<html lang="zh-CN">' in page
    assert "连接限制已关闭" in page
    assert "Needs attention" not in page


def test_what_is_put_into_a_text_is_escaped() -> None:
    fleet = Fleet((Node("a", is_polaris=True, oldest_version="<b>{n}"),), limit="<i>")
    for language in ("en", "zh"):
        page = render(report_of(fleet, []), language=language)
        assert "<b>{n}" not in page
        assert "&lt;b&gt;{n}" in page
        assert "<i>" not in page
