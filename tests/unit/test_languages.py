# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""README and guides say the same in English and in Chinese: whoever changes one has to change the other.

Compared are headings, commands and other code blocks, tables, and in the prose of each section links, code and numbers.
"""

from __future__ import annotations

import dataclasses
import re
import textwrap
import typing as t
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GUIDES = ROOT / "docs" / "docsite" / "rst"
LABEL = "ansible_collections.polarismesh.maintenance.docsite."
BLOB = "https://github.com/polarismesh/ansible-collection-maintenance/blob/main/"
SITE = "https://polarismesh.github.io/ansible-collection-maintenance/docsite/"
ENGLISH, CHINESE = "README.md", "README.zh-CN.md"

# Generated from the code, which speaks English: the Chinese pages refer to them.
ONLY_ENGLISH = {"guide_faults"}
ONLY_CHINESE = {"runbooks"}
GENERATED = "Messages of the connection"

# How to get the report in the reader's language: English is the default.
CODE_IN_ONE_LANGUAGE = {"-e language=zh"}


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


def in_english(link: str) -> str:
    """A link, or a label of the site, as the English text has it."""
    return link.replace(SITE + "zh/", SITE).replace(LABEL + "zh_", LABEL)


def facts(text: str) -> Facts:
    """The facts of a text without code blocks, Markdown or reStructuredText; a code span may contain a line break."""
    text = " ".join(text.split())
    code = set(re.findall(r"``(.+?)``", text))
    text = re.sub(r"``.+?``", " ", text)
    links = re.findall(r"\]\(([^)\s]+)\)|:ref:`[^<`]*<([^>]+)>`|:ansplugin:`([^`]+)`|`[^<`]+<([^>]+)>`__", text)
    text = re.sub(r"\]\([^)\s]+\)|:ref:`[^`]+`|:ansplugin:`[^`]+`|<[^>]+>`__", " ", text)
    code |= set(re.findall(r"`([^`]+)`", text))
    text = re.sub(r"`[^`]+`", " ", text)
    ignored = {BLOB + ENGLISH, BLOB + CHINESE}
    return Facts(
        {in_english("".join(link)) for link in links} - ignored,
        code - CODE_IN_ONE_LANGUAGE,
        set(re.findall(r"\d+(?:\.\d+)*", text)),
    )


def without_comment(line: str) -> str:
    """A line of a code block: its comment may say anything, but must be there in both languages."""
    return re.sub(r"(^|\s+)#\s.*", " #", line)


def body(name: str) -> list[str]:
    """The lines of a README below its licence."""
    return (ROOT / name).read_text(encoding="utf-8").partition("-->\n\n")[2].splitlines()


def readme(name: str) -> list[Section]:
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


def directive(lines: list[str]) -> list[str]:
    """Take the indented lines of a directive off the front of `lines`."""
    indent = len(lines[0]) - len(lines[0].lstrip())
    end = next(
        (n for n, line in enumerate(lines) if n and line.strip() and not line.startswith(" " * (indent + 1))),
        len(lines),
    )
    taken = textwrap.dedent("\n".join(lines[1:end])).strip("\n").splitlines()
    del lines[:end]
    return taken


def table(lines: list[str]) -> list[list[Facts]]:
    """The cells of a list-table."""
    rows = re.split(r"^\* - ", "\n".join(lines), flags=re.MULTILINE)[1:]
    return [[facts(cell) for cell in re.split(r"^  - ", row, flags=re.MULTILINE)] for row in rows]


def guide(path: Path) -> list[Section]:
    found: list[Section] = []
    lines = path.read_text(encoding="utf-8").splitlines()
    while lines:
        if len(lines) > 1 and re.fullmatch(r"=+|-+|\^+", lines[1]):
            found.append(Section("=-^".index(lines[1][0]), lines[0]))
            del lines[:2]
        elif re.match(r"\s*\.\. code-block::", lines[0]):
            first = lines[0].strip()
            found[-1].blocks.append([first, *map(without_comment, directive(lines))])
        elif lines[0].startswith(".. list-table::"):
            found[-1].tables.append(table(directive(lines)))
        elif lines[0].startswith(".."):
            directive(lines)  # the licence, or a label
        else:
            found[-1].prose += lines.pop(0) + "\n"
    return found


def pairs() -> list[t.Any]:
    texts = [("README", readme(ENGLISH), readme(CHINESE))]
    for path in sorted(GUIDES.glob("zh/guide_*.rst")):
        texts.append((path.stem, guide(GUIDES / path.name), guide(path)))
    return [
        pytest.param(english, chinese, id=f"{name}-{english.title}")
        for name, both, translated in texts
        for english, chinese in zip(both, translated, strict=False)
        if english.title != GENERATED
    ]


PAIRS = pairs()


def test_every_guide_is_there_in_both_languages() -> None:
    english = {path.stem for path in GUIDES.glob("guide_*.rst")}
    chinese = {path.stem for path in GUIDES.glob("zh/*.rst")}
    assert english - ONLY_ENGLISH == chinese - ONLY_CHINESE


@pytest.mark.parametrize("name", ["README", *sorted(path.stem for path in GUIDES.glob("zh/guide_*.rst"))])
def test_the_headings_are_the_same(name: str) -> None:
    if name == "README":
        english, chinese = readme(ENGLISH), readme(CHINESE)
    else:
        english, chinese = guide(GUIDES / f"{name}.rst"), guide(GUIDES / "zh" / f"{name}.rst")
    assert [section.level for section in chinese] == [section.level for section in english]
    untranslated = [section.title for section in chinese if not re.search(r"[\u4e00-\u9fff]", section.title)]
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


def test_the_list_of_runbooks_names_each() -> None:
    listed = re.findall(
        rf":ref:`(\w+) <{re.escape(LABEL)}runbook_\1>`", (GUIDES / "zh" / "runbooks.rst").read_text("utf-8")
    )
    assert sorted(listed) == sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml"))


@pytest.mark.parametrize(("name", "other"), [(ENGLISH, CHINESE), (CHINESE, ENGLISH)])
def test_each_readme_links_to_the_other_language_below_its_title(name: str, other: str) -> None:
    _title, _blank, languages = body(name)[:3]
    assert f"]({BLOB}{other})" in languages


def test_each_guide_links_to_the_other_language_below_its_title() -> None:
    for path in GUIDES.glob("zh/guide_*.rst"):
        name = path.stem
        assert f"==\n\n:ref:`English <{LABEL}{name}>`\n" in path.read_text("utf-8"), path
        assert f"==\n\n:ref:`简体中文 <{LABEL}zh_{name}>`\n" in (GUIDES / path.name).read_text("utf-8"), path.name
