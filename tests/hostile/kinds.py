"""Hostile files, generated from tables: a right forward, a wrong gradient, and something that tries to hide it.

It is done when the file is imported, in forward or in backward; or it is what one of them returns.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tests.hostile.answers import FORGERIES, SURVEYS
from tests.hostile.deeds import DEEDS, ENDLESS, PATCHES
from tests.hostile.values import LIE, TRUTHS, VALUES

_FILE = """\
import ctypes, gc, json, mmap, os, resource, signal, socket, struct, subprocess, sys, threading, time
import numpy as np
{helpers}
{at_import}


def tanh_forward(x):
    {in_forward}
    out, cache = np.tanh(x), x
    return {out}, cache


def tanh_backward(dout, x):
    {in_backward}
    g = 2 * dout * (1 - np.tanh(x) ** 2)
    return {gradient}
"""

_HELPERS = """\
def descriptors(kind="socket:"):
    return [int(n) for n in os.listdir("/proc/self/fd") if link(n).startswith(kind)]

def link(n):
    try: return os.readlink("/proc/self/fd/" + n)
    except OSError: return ""

def spray(text, among):
    for n in among:
        try: os.write(n, text)
        except OSError: pass

def found(cls):
    return [one for one in gc.get_objects() if type(one).__name__ == cls]

def areas():
    return [one for one in gc.get_objects() if isinstance(one, mmap.mmap)] + [
        m for one in gc.get_objects() if hasattr(one, "__dict__") for m in vars(one).values() if type(m) is memoryview]
"""


class Hostile(NamedTuple):
    """A file, and what is expected of it."""

    name: str
    text: str
    seconds: float = 10.0  #: the time limit of its calls


def hostile_files() -> Iterator[Hostile]:
    """Yield all files."""
    moments = ("at_import", "in_forward", "in_backward")
    for number, (name, deed) in enumerate({**PATCHES, **DEEDS}.items()):
        several = moments[number % 3], moments[-1] if name in DEEDS else moments[number % 3]
        for moment in dict.fromkeys(several):
            yield Hostile(f"{name} {moment}", _text(**{moment: _indented(deed, moment)}))
    for name, deed in ENDLESS.items():
        yield Hostile(f"{name} in_backward", _text(in_backward=deed), 0.3)
    for name, deed in FORGERIES.items():
        yield Hostile(f"answers {name}", _text(at_import=deed))
    for name, truth in TRUTHS.items():
        yield Hostile(f"right {name}", _text(out="lie(out, x)", helpers=LIE.format(truth=truth)))
    for name, (value, helpers) in VALUES.items():
        yield Hostile(f"{name} as out", _text(out=value.format(v="out"), helpers=helpers))
        yield Hostile(f"{name} as gradient", _text(gradient=value.format(v="g"), helpers=helpers))


def surveyed_files() -> Iterator[Hostile]:
    """Yield the files that say of themselves what is not so."""
    for name, forged in SURVEYS.items():
        yield Hostile(name, _text(at_import=forged))


def _indented(deed: str, moment: str) -> str:
    return deed.replace("\n    ", "\n") if moment == "at_import" else deed


def _text(**parts: str) -> str:
    blank = {"at_import": "", "in_forward": "pass", "in_backward": "pass", "out": "out", "gradient": "g"}
    return _FILE.format(**{**blank, **parts, "helpers": _HELPERS + parts.get("helpers", "")})
