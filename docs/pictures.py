"""Pictures of what the programs show, as SVG: rich draws what they print, and an HTML report becomes a part of one.

All of them say what the programs say, which a test compares, and load nothing.
"""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Callable, Mapping
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from docs.pages import DOCS, fill, run, without_figures

if TYPE_CHECKING:
    import subprocess

    Runner = Callable[[str, Path, Mapping[str, str]], subprocess.CompletedProcess[str]]

#: The pictures, by name: what is typed, and the width of the terminal.
PICTURES = {
    "failing": ("convcheck examples/missed_windows.py --H 7 --W 7 --stride 2", 88),
    "grades": ("gradcheck submissions/*/layers.py", 88),
}

#: Pictures of HTML reports, by name: what is typed, the width and the height of the page.
REPORTS = {"html": ("convcheck examples/missed_windows.py --N 2 --H 7 --W 7 --stride 2", 900, 830)}

#: Pictures of step sweeps, by name: what is typed.
SWEEPS = {"sweep": "gradcheck sweep batchnorm --N 4 --D 3"}

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
        name: one of `PICTURES`, `REPORTS` or `SWEEPS`.
        run: runs a command line in a folder with some variables.
    """
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder))
        if name in SWEEPS:
            run(f"{SWEEPS[name]} --plot sweep.svg", Path(folder), {})
            chart = Path(folder, "sweep.svg").read_text(encoding="utf-8")
            return re.sub(r"(\.\d\d)\d+|\n\s*(?=[^<\s])", lambda found: found[1] or " ", chart)  # finer is not seen
        if name in REPORTS:
            command, *size = REPORTS[name]
            run(f"{command} --html report.html", Path(folder), {})
            return _page(Path(folder, "report.html").read_text(encoding="utf-8"), *size)
        command, width = PICTURES[name]
        done = run(f"{command} --color always", Path(folder), {"COLUMNS": str(width), "TERM": "xterm-256color"})
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{command}: {done.stderr}")
    console = Console(record=True, width=width, file=io.StringIO(), color_system="truecolor")
    console.print(Text(f"$ {command}", style="bold"))
    console.print(Text.from_ansi(done.stdout))
    picture = console.export_svg(theme=_THEME, code_format=_FORMAT, unique_id=f"picture-{name}")
    height = float(re.findall(r'height="([\d.]+)" />\n</clipPath>', picture)[0]) + 24
    return picture.replace("HEIGHT", f"{height:.0f}").replace("TITLE", escape(command))


def _page(html: str, width: int, height: int) -> str:
    """Return a picture of an HTML report: its style and its elements, without scripts and what only these read."""
    page = _Page()
    page.feed(html)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
        f'<foreignObject width="{width}" height="{height}"><div xmlns="http://www.w3.org/1999/xhtml" '
        f'class="gradcheck-page">{"".join(page.parts)}</div></foreignObject></svg>\n'
    )


class _Page(HTMLParser):
    """Writes a page anew as XML: an element that has no end in HTML has one here."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._left_out = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "title"):
            self._left_out += 1
        if self._left_out or tag in _OUTSIDE:
            return
        kept = [(name, value) for name, value in attrs if not name.startswith(("data-", "on"))]
        words = "".join(f' {_CAPITALS.get(name, name)}="{escape(value or "")}"' for name, value in kept)
        space = ' xmlns="http://www.w3.org/2000/svg"' if tag == "svg" else ""
        self.parts.append(f"<{tag}{space}{words}{'/' * (tag in _VOID)}>")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "title"):
            self._left_out -= 1
        elif not self._left_out and tag not in (*_OUTSIDE, *_VOID):
            self.parts.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if not self._left_out:
            self.parts.append(escape(data, quote=False))


#: Elements around a page, of which nothing is kept but what is inside.
_OUTSIDE = ("html", "head", "body", "meta", "link")

#: Elements without an end.
_VOID = ("br", "hr", "img", "input", "wbr")

#: Names that HTML reads without regard to capitals, and SVG does not.
_CAPITALS = {"viewbox": "viewBox", "preserveaspectratio": "preserveAspectRatio"}


def text_of(svg: str) -> str:
    """Return what a picture says, line by line, without figures that differ from machine to machine."""
    if "<foreignObject" in svg:
        tree = ET.fromstring(svg)
        for style in tree.iter("{http://www.w3.org/1999/xhtml}style"):
            style.text = ""
        return without_figures(" ".join(" ".join(tree.itertext()).split()).partition(" Arrays ")[0])
    if "matplotlib" in svg:  # which draws letters, and writes what they say beside them
        return "\n".join(re.findall(r"<!-- (.*?) -->", svg))
    lines: dict[float, list[tuple[float, str]]] = {}
    for one in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text"):
        lines.setdefault(float(one.attrib["y"]), []).append((float(one.attrib["x"]), one.text or ""))
    joined = ("".join(text for _, text in sorted(parts)).replace("\xa0", " ") for _, parts in sorted(lines.items()))
    return re.sub(r"[─ ]+", " ", without_figures("\n".join(joined)))


def write(*, figures: bool = False) -> list[Path]:
    """Draw all pictures anew; return those that say something else than before, if only other figures."""
    FOLDER.mkdir(exist_ok=True)
    written = []
    for name in (*PICTURES, *REPORTS, *SWEEPS):
        path, picture = FOLDER / f"{name}.svg", draw(name)
        if figures or not path.exists() or text_of(path.read_text(encoding="utf-8")) != text_of(picture):
            path.write_text(picture, encoding="utf-8")
            written.append(path)
    return written
