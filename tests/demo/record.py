# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Record `make demo` as an animated picture, docs/images/demo.svg, and its report as docs/images/report.png.

Long waits are shortened. The picture of the report needs chromium, and is skipped without it.
"""

from __future__ import annotations

import html
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
import time

from tests.demo.__main__ import REPORT
from tools import collection_tree

IMAGES = collection_tree.ROOT / "docs" / "images"
CLONE = "~/ansible-collection-maintenance"
COLUMNS, ROWS = 98, 34
CELL, LINE, MARGIN = 7.23, 16, 14
LONGEST_WAIT, LINE_TIME, END = 0.6, 0.04, 6.0
COLOURS = {
    "30": "#6e7681",
    "31": "#ff7b72",
    "32": "#7ee787",
    "33": "#e3b341",
    "34": "#79c0ff",
    "35": "#d2a8ff",
    "36": "#76e3ea",
    "37": "#e6edf3",
}


def record() -> list[tuple[float, str]]:
    """Run the demo in a terminal; return each line with its colours and its time in seconds."""
    command = [sys.executable, "-m", "tests.demo"]
    environment = os.environ | {"COLUMNS": str(COLUMNS - 2), "ANSIBLE_FORCE_COLOR": "true", "TERM": "xterm-256color"}
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    lines, rest, last, shown = [(0.0, "$ make demo")], b"", time.monotonic(), 1.0
    while True:
        try:
            data = os.read(ours, 65536)
        except OSError:  # the error of Linux when the other side is closed
            break
        if not data:
            break
        now = time.monotonic()
        shown += min(now - last, LONGEST_WAIT)
        last = now
        *complete, rest = (rest + data).split(b"\n")
        for line in complete:
            shown += LINE_TIME
            text = line.decode(errors="replace").rstrip("\r").replace(str(collection_tree.ROOT), CLONE)
            lines.append((shown, text))
    if process.wait() != 0:
        raise SystemExit("\n".join(line for _time, line in lines[-20:]))
    return lines


def spans(line: str) -> str:
    """A line with its colours as parts of an SVG text, cut at the width of the screen."""
    parts, colour, room = [], None, COLUMNS
    for piece in re.split(r"(\x1b\[[\d;]*m)", line):
        code = re.fullmatch(r"\x1b\[([\d;]*)m", piece)
        if code:
            colour = next((COLOURS[part] for part in code[1].split(";") if part in COLOURS), None)
        elif piece and room > 0:
            fill = f' fill="{colour}"' if colour else ""
            parts.append(f"<tspan{fill}>{html.escape(piece[:room])}</tspan>")
            room -= len(piece)
    return "".join(parts)


def picture(lines: list[tuple[float, str]]) -> str:
    total = lines[-1][0] + END
    width, height = COLUMNS * CELL + 2 * MARGIN, ROWS * LINE + 2 * MARGIN
    texts, steps, scrolled = [], ["0% { transform: translateY(0) }"], 0
    for number, (at, line) in enumerate(lines):
        place = f'x="{MARGIN}" y="{MARGIN + 12 + number * LINE}"'
        texts.append(f'<text {place} style="animation-delay:{at:.2f}s">{spans(line)}</text>')
        if number >= ROWS:
            percent = 100 * at / total
            steps.append(f"{percent - 0.001:.3f}% {{ transform: translateY(-{scrolled * LINE}px) }}")
            scrolled = number - ROWS + 1
            steps.append(f"{percent:.3f}% {{ transform: translateY(-{scrolled * LINE}px) }}")
    steps.append(f"100% {{ transform: translateY(-{scrolled * LINE}px) }}")
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" height="{height}">
<style>
text {{ font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #c9d1d9;
  white-space: pre; visibility: hidden; animation: show 1ms forwards }}
#screen {{ animation: scroll {total:.1f}s linear forwards }}
@keyframes show {{ to {{ visibility: visible }} }}
@keyframes scroll {{ {" ".join(steps)} }}
</style>
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
<svg x="0" y="{MARGIN}" width="{width:.0f}" height="{ROWS * LINE}"><g id="screen">
{"".join(text + chr(10) for text in texts)}</g></svg>
</svg>
"""


def photograph() -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        print("no chromium: the picture of the report is not updated")
        return
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [
                *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
                *(
                    "--disable-background-networking",
                    "--disable-component-update",
                    "--disable-sync",
                    "--hide-scrollbars",
                ),
                *(f"--user-data-dir={folder}", "--window-size=1100,1500", f"--screenshot={IMAGES / 'report.png'}"),
                REPORT.as_uri(),
            ],
            check=True,
            capture_output=True,
            timeout=300,
        )


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    (IMAGES / "demo.svg").write_text(picture(record()))
    photograph()
    print("docs/images: " + ", ".join(sorted(path.name for path in IMAGES.iterdir())))


if __name__ == "__main__":
    main()
