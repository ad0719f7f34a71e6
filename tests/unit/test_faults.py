# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every module against every fault, through both doors: the kind, one sentence, nothing changed, no secret."""

from __future__ import annotations

import re

import pytest

from tests import faults

pytestmark = pytest.mark.slow

UNKNOWN = "(?i)unknown|may still take effect"
#: Outcomes that say nothing about the fault: the module meets it in another request than the others, or in none.
SOMEWHERE = {"ok", "unsupported", "not_found", "guard"}


@pytest.mark.parametrize("fault", faults.WRONGS, ids=lambda fault: fault.name)
def test_a_server_that_goes_wrong(fault: faults.Wrong) -> None:
    shown: dict[str, faults.Cell] = {}
    for name in faults.MODULES:
        cells = {door: faults.cell(name, fault, door) for door in faults.DOORS}
        for door, cell in cells.items():
            place = f"{name} by the door {door}: {cell.outcome}: {cell.msg}"
            assert cell.outcome in fault.kinds | SOMEWHERE, place
            # If no request comes before the one that changes something, its outcome may be unknown.
            assert not cell.changed or re.search(UNKNOWN, cell.msg), place
            assert cell.outcome == "ok" or (cell.msg.endswith(".") and "\n" not in cell.msg), place
            assert faults.TOKEN not in str({**cell.result, "invocation": None}), place
        assert cells["in-process"].outcome == cells["module"].outcome, name
        assert cells["in-process"].msg == cells["module"].msg, name
        assert cells["in-process"].changed == cells["module"].changed, name
        assert cells["in-process"].requests == cells["module"].requests, name
        shown[name] = cells["in-process"]
    # Not by chance: the simplest module shows what the fault is.
    assert shown["polaris_log_level_info"].outcome in fault.kinds
    assert faults.section(fault, shown) in faults.PAGE.read_text(encoding="utf-8"), "run: make fault-page"


@pytest.mark.parametrize("name", faults.WRITES)
def test_the_call_that_changes_something_goes_wrong(name: str) -> None:
    for kind, fault in faults.WRITE_FAULTS.items():
        cell, sent = faults.write_cell(name, fault)
        place = f"{name}, {kind}: {cell.outcome}: {cell.msg}"
        assert sent == 1 or (faults.WRITES[name][0] == "PUT" and sent <= 2), place
        if kind in ("refused by the server", "account without rights", "500 with plain text"):
            assert cell.outcome in ("refused", "permission", "server", "unsupported"), place
            assert cell.changed is False, place
        if kind in ("closed, all done", "no answer in time") and cell.outcome != "ok":
            # A change that may have happened is never reported as not done.
            assert cell.changed or re.search(UNKNOWN, cell.msg), place


def test_the_page_shows_nothing_else() -> None:
    page = faults.PAGE.read_text(encoding="utf-8")
    assert page.startswith(faults.HEADER)
    assert page.endswith(faults.second()), "run: make fault-page"
    assert page.count("~~~\n") == len(faults.WRONGS)
