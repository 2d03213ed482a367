"""Pictures of what terminals show: the programs run, and rich draws their coloured output as SVG."""

from __future__ import annotations

import io
import re
import tempfile
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from docs.pages import DOCS, fill, run, without_figures

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Mapping

    Runner = Callable[[str, Path, Mapping[str, str]], subprocess.CompletedProcess[str]]

#: The pictures, by name: what is typed, and the width of the terminal.
PICTURES = {
    "failing": ("convcheck examples/missed_windows.py --H 7 --W 7 --stride 2", 88),
    "grades": ("gradcheck submissions/*/layers.py", 88),
    "course": ("gradcheck examples/course.py --show failed", 88),
}

FOLDER = DOCS / "images"


def _colors(codes: str) -> list[tuple[int, int, int]]:
    return [(code >> 16, code >> 8 & 255, code & 255) for code in (int(text, 16) for text in codes.split())]


#: Colours of the terminal: legible on a page that is light as on one that is dark.
_THEME = TerminalTheme(
    (22, 27, 34),
    (208, 215, 222),
    _colors("484f58 ff7b72 3fb950 d29922 58a6ff bc8cff 39c5cf b1bac4"),
    _colors("6e7681 ffa198 56d364 e3b341 79c0ff d2a8ff 56d4dd ffffff"),
)

#: As rich's own, without a font to be loaded from elsewhere and without buttons of a window.
_FORMAT = """\
<svg class="rich-terminal" viewBox="0 0 {width} HEIGHT" xmlns="http://www.w3.org/2000/svg" role="img">
<title>TITLE</title>
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; \
font-size: {char_height}px; line-height: {line_height}px; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
<rect width="{width}" height="HEIGHT" rx="10" fill="#161b22" />
<g transform="translate({terminal_x}, 12)" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def draw(name: str, run: Runner = run) -> str:
    """Run the program of a picture, and return the picture.

    Args:
        name: one of `PICTURES`.
        run: runs a command line in a folder with some variables.
    """
    command, width = PICTURES[name]
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder))
        done = run(f"{command} --color always", Path(folder), {"COLUMNS": str(width), "TERM": "xterm-256color"})
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{command}: {done.stderr}")
    console = Console(record=True, width=width, file=io.StringIO(), color_system="truecolor")
    console.print(Text(f"$ {command}", style="bold"))
    console.print(Text.from_ansi(done.stdout))
    picture = console.export_svg(theme=_THEME, code_format=_FORMAT, unique_id=f"picture-{name}")
    height = float(re.findall(r'height="([\d.]+)" />\n</clipPath>', picture)[0]) + 24
    return picture.replace("HEIGHT", f"{height:.0f}").replace("TITLE", escape(command))


def text_of(svg: str) -> str:
    """Return what a picture says, line by line, without figures that differ from machine to machine."""
    lines: dict[float, list[tuple[float, str]]] = {}
    for one in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text"):
        lines.setdefault(float(one.attrib["y"]), []).append((float(one.attrib["x"]), one.text or ""))
    joined = ("".join(text for _, text in sorted(parts)).replace("\xa0", " ") for _, parts in sorted(lines.items()))
    return re.sub(r"[─ ]+", " ", without_figures("\n".join(joined)))


def write() -> list[Path]:
    """Draw all pictures anew; return those that say something else than before."""
    FOLDER.mkdir(exist_ok=True)
    written = []
    for name in PICTURES:
        path, picture = FOLDER / f"{name}.svg", draw(name)
        if not path.exists() or text_of(path.read_text(encoding="utf-8")) != text_of(picture):
            path.write_text(picture, encoding="utf-8")
            written.append(path)
    return written
