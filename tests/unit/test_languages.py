# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The README says the same in English and in Chinese: whoever changes one has to change the other."""

from __future__ import annotations

import dataclasses
import re
import typing as t
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BLOB = "https://github.com/polarismesh/ansible-collection-maintenance/blob/main/"
ENGLISH, CHINESE = "README.md", "README.zh-CN.md"

# How to get the report in the reader's language: English is the default.
ONLY_CHINESE = {"-e language=zh"}


class Facts(t.NamedTuple):
    """What must not differ in a text, in whatever order its language puts it."""

    links: set[str]
    code: set[str]
    numbers: set[str]


@dataclasses.dataclass
class Section:
    """A heading and what follows it, up to the next heading."""

    level: int
    title: str
    prose: str = ""
    blocks: list[list[str]] = dataclasses.field(default_factory=list)
    tables: list[list[list[Facts]]] = dataclasses.field(default_factory=list)


def facts(text: str) -> Facts:
    """The facts of a text without code blocks; a code span may contain a line break."""
    text = " ".join(text.split())
    code = set(re.findall(r"`([^`]+)`", text))
    text = re.sub(r"`[^`]+`", " ", text)
    links = set(re.findall(r"\]\(([^)\s]+)\)", text)) - {BLOB + ENGLISH, BLOB + CHINESE}
    text = re.sub(r"\]\([^)\s]+\)", " ", text)
    return Facts(links, code - ONLY_CHINESE, set(re.findall(r"\d+(?:\.\d+)*", text)))


def without_comment(line: str) -> str:
    """A line of a code block: its comment may say anything, but must be there in both languages."""
    return re.sub(r"(^|\s+)#\s.*", " #", line)


def body(name: str) -> list[str]:
    """The lines of a README below its licence."""
    return (ROOT / name).read_text(encoding="utf-8").partition("-->\n\n")[2].splitlines()


def sections(name: str) -> list[Section]:
    found: list[Section] = []
    in_block = in_table = False
    for line in body(name):
        if in_block or line.startswith("```"):
            if not in_block:
                found[-1].blocks.append([])
            found[-1].blocks[-1].append(without_comment(line))
            in_block = in_block != line.startswith("```")
        elif heading := re.match(r"(#+) (.+)", line):
            found.append(Section(len(heading[1]), heading[2]))
        elif line.startswith("|"):
            if not in_table:
                found[-1].tables.append([])
            found[-1].tables[-1].append([facts(cell) for cell in line.strip("|").split("|")])
        else:
            found[-1].prose += line + "\n"
        in_table = not in_block and line.startswith("|")
    return found


PAIRS = [
    pytest.param(english, chinese, id=english.title)
    for english, chinese in zip(sections(ENGLISH), sections(CHINESE), strict=False)
]


def test_the_headings_are_the_same() -> None:
    assert [section.level for section in sections(CHINESE)] == [section.level for section in sections(ENGLISH)]
    untranslated = [section.title for section in sections(CHINESE) if not re.search(r"[\u4e00-\u9fff]", section.title)]
    assert untranslated == []


@pytest.mark.parametrize(("english", "chinese"), PAIRS)
def test_the_commands_are_the_same(english: Section, chinese: Section) -> None:
    assert chinese.blocks == english.blocks


@pytest.mark.parametrize(("english", "chinese"), PAIRS)
def test_the_tables_are_the_same(english: Section, chinese: Section) -> None:
    assert chinese.tables == english.tables


@pytest.mark.parametrize(("english", "chinese"), PAIRS)
def test_links_code_and_numbers_are_the_same(english: Section, chinese: Section) -> None:
    assert facts(chinese.prose) == facts(english.prose)


@pytest.mark.parametrize(("name", "other"), [(ENGLISH, CHINESE), (CHINESE, ENGLISH)])
def test_each_language_links_to_the_other_below_its_title(name: str, other: str) -> None:
    _title, _blank, languages = body(name)[:3]
    assert f"]({BLOB}{other})" in languages
