# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that accompany the archive of a release."""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
from pathlib import Path

import pytest

from tools import release

ROOT = Path(__file__).resolve().parents[2]
REPOSITORY = "https://github.com/polarismesh/ansible-collection-maintenance"
SITE = "https://polarismesh.github.io/ansible-collection-maintenance/"
GALAXY = {"namespace": "polarismesh", "name": "maintenance", "version": "1.2.3", "license": ["GPL-3.0-or-later"]}


def test_the_bill_of_materials_names_each_file_with_its_hash(tmp_path: Path) -> None:
    archive = tmp_path / "polarismesh-maintenance-1.2.3.tar.gz"
    files = [
        {"name": "plugins", "ftype": "dir", "chksum_sha256": None},
        {"name": "README.md", "ftype": "file", "chksum_sha256": "c0ffee"},
    ]
    data = json.dumps({"files": files}).encode()
    with tarfile.open(archive, "w:gz") as tar:
        member = tarfile.TarInfo("FILES.json")
        member.size = len(data)
        tar.addfile(member, io.BytesIO(data))
    bill = release.bill_of_materials(archive, GALAXY, "2026-01-02")
    described = bill["metadata"]["component"]
    assert described["version"] == "1.2.3"
    assert described["hashes"][0]["content"] == hashlib.sha256(archive.read_bytes()).hexdigest()
    contents = {entry["name"]: entry.get("hashes") for entry in bill["components"]}
    assert contents == {"requests": None, "README.md": [{"alg": "SHA-256", "content": "c0ffee"}]}


def test_the_notes_have_the_sections_of_the_changelog_in_its_order() -> None:
    notes = release.release_notes(
        {"bugfixes": ["b - fixed."], "major_changes": ["``a`` - new."], "release_summary": "Short."}
    )
    assert notes == "Short.\n\n## Major Changes\n\n- `a` - new.\n\n## Bugfixes\n\n- b - fixed.\n"


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_links_of_a_readme_work_wherever_it_is_shown(name: str) -> None:
    """Galaxy shows the README of the archive, which has neither pictures nor CONTRIBUTING.md: no link is relative."""
    text = (ROOT / name).read_text(encoding="utf-8")
    links = set(re.findall(r"\]\(([^)\s]+)\)", text))
    assert [link for link in links if not link.startswith("https://")] == []
    in_repository = [link for link in links if re.match(f"{REPOSITORY}/(blob|raw)/main/", link)]
    pages = [link for link in links if link.startswith(f"{SITE}docsite/")]
    assert in_repository
    assert pages
    missing = [link for link in in_repository if not (ROOT / link.split("/main/", 1)[1]).is_file()]
    missing += [link for link in pages if not source_of(link).is_file()]
    assert missing == []


def source_of(page: str) -> Path:
    return (ROOT / "docs" / "docsite" / "rst" / page.removeprefix(f"{SITE}docsite/")).with_suffix(".rst")
