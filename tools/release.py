# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the files that accompany the archive of a release into dist/: checksums, bill of materials, release notes.

Refuses a version that differs from galaxy.yml or is not in the changelog, and fragments that are not yet released.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tarfile
import uuid
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "dist"
REPOSITORY = "https://github.com/polarismesh/ansible-collection-maintenance"


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def bill_of_materials(archive: Path, galaxy: dict[str, Any], date: str) -> dict[str, Any]:
    """Describe the archive in CycloneDX 1.6: the collection, each file in it, and the library it needs."""
    with tarfile.open(archive) as tar:
        listed = tar.extractfile("FILES.json")
        assert listed is not None
        files = [entry for entry in json.load(listed)["files"] if entry["ftype"] == "file"]
    version, name = galaxy["version"], f"{galaxy['namespace']}.{galaxy['name']}"
    reference = f"pkg:generic/{galaxy['namespace']}/{galaxy['name']}@{version}"
    needs = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if not line.startswith("#")]
    libraries = [f"pkg:pypi/{need}" for need in needs]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        # The same archive always gets the same number.
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{REPOSITORY}#{sha256(archive)}')}",
        "version": 1,
        "metadata": {
            "timestamp": f"{date}T00:00:00Z",
            "component": {
                "type": "library",
                "bom-ref": reference,
                "group": galaxy["namespace"],
                "name": name,
                "version": version,
                "purl": reference,
                "hashes": [{"alg": "SHA-256", "content": sha256(archive)}],
                "licenses": [{"license": {"id": licence}} for licence in galaxy["license"]],
                "externalReferences": [{"type": "vcs", "url": REPOSITORY}],
            },
        },
        "components": [
            *(
                {"type": "library", "bom-ref": library, "name": need, "purl": library}
                for need, library in zip(needs, libraries, strict=True)
            ),
            *(
                {
                    "type": "file",
                    "bom-ref": f"file:{entry['name']}",
                    "name": entry["name"],
                    "hashes": [{"alg": "SHA-256", "content": entry["chksum_sha256"]}],
                }
                for entry in files
            ),
        ],
        "dependencies": [{"ref": reference, "dependsOn": libraries}],
    }


def release_notes(changes: dict[str, list[str] | str]) -> str:
    """Render the changes of one release as Markdown, in the order of changelogs/config.yaml."""
    titles = dict(yaml.safe_load((ROOT / "changelogs" / "config.yaml").read_text())["sections"])
    lines = [str(changes.get("release_summary", "")).strip().replace("``", "`")]
    for section, title in titles.items():
        entries = changes.get(section, [])
        lines += [f"\n## {title}\n"] if entries else []
        lines += [f"- {entry.replace('``', '`')}" for entry in entries]
    return "\n".join(lines).strip() + "\n"


def main() -> int:
    wanted = sys.argv[1]
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text())
    release = yaml.safe_load((ROOT / "changelogs" / "changelog.yaml").read_text())["releases"].get(wanted)
    waiting = sorted(path.name for path in (ROOT / "changelogs" / "fragments").glob("*.yml"))
    archive = DIST / f"{galaxy['namespace']}-{galaxy['name']}-{wanted}.tar.gz"
    if galaxy["version"] != wanted:
        sys.exit(f"galaxy.yml has version {galaxy['version']}, not {wanted}: change it, or the tag")
    if release is None or waiting:
        sys.exit(f"the changelog is not ready ({', '.join(waiting) or f'no {wanted}'}): see CONTRIBUTING.md, A release")
    if not archive.exists():
        sys.exit(f"there is no {archive.relative_to(ROOT)}: run `make build` first")
    sbom = archive.with_name(archive.name.replace(".tar.gz", ".cdx.json"))
    sbom.write_text(json.dumps(bill_of_materials(archive, galaxy, release["release_date"]), indent=2) + "\n")
    (DIST / "SHA256SUMS").write_text("".join(f"{sha256(path)}  {path.name}\n" for path in (archive, sbom)))
    (DIST / "RELEASE_NOTES.md").write_text(release_notes(release["changes"]))
    print(f"ready in dist/: {archive.name}, {sbom.name}, SHA256SUMS, RELEASE_NOTES.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
