"""Pictures of errors in a terminal, by shading."""

from __future__ import annotations

from rich.text import Text

from gradcheck_cli.results.result import Picture

#: Characters of the levels 0 to 4, and of the frame: top, side, bottom. The second set is for streams that are not
#: Unicode.
_SHADES = (" ░▒▓█", "┌─┐", "│", "└─┘")
_ASCII = (" .:*#", "+-+", "|", "+-+")

#: A character is about twice as high as it is wide: pictures up to this many columns are drawn two to an element.
_DOUBLED = 16


def shaded(name: str, picture: Picture, *, ascii_only: bool) -> Text:
    """Draw a picture of array `name` with its title and a frame."""
    shades, top, side, bottom = _ASCII if ascii_only else _SHADES
    times = 2 if len(picture.levels[0]) <= _DOUBLED else 1
    width = times * len(picture.levels[0])
    title = f"{name}[{', '.join(map(str, picture.index))}] error, worst slice" if picture.index else f"{name} error"
    text = Text(title, style="default")
    if picture.block != (1, 1):
        text.append(f", {picture.block[0]}x{picture.block[1]} elements a character")
    text.append(f"\n{top[0]}{top[1] * width}{top[2]}\n", style="dim")
    for row in picture.levels:
        text.append(side, style="dim")
        text.append("".join(shades[level] * times for level in row), style="red")
        text.append(f"{side}\n", style="dim")
    return text.append(f"{bottom[0]}{bottom[1] * width}{bottom[2]}", style="dim")
