"""Descriptions of masks are true: each is read back into a set of elements and compared."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gradcheck_cli import ConvCase
from gradcheck_cli.checks.where import where
from gradcheck_cli.layers.conv.conv import LAYER

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array

AXES = LAYER.problem(ConvCase()).axes
SHAPE = (3, 4, 7, 6)


def masked(*indices: Any, shape: tuple[int, ...] = SHAPE) -> Array:
    mask = np.zeros(shape, bool)
    for index in indices:
        mask[index] = True
    return mask


BORDER = np.pad(np.zeros((3, 4, 5, 4), bool), ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=True)


DESCRIBED: list[tuple[Any, str | None]] = [
    (masked(np.s_[:]), "everywhere"),
    (masked((0, 1, 6, 3)), "at [0, 1, 6, 3]"),
    (masked(np.s_[:, :, -1]), "the last row"),
    (masked(np.s_[:, :, :, 0]), "the first column"),
    (masked(np.s_[:, :, 2]), "row 2"),
    (masked(np.s_[1:]), "samples n >= 1"),
    (masked(np.s_[:, 0]), "channel 0"),
    (masked(np.s_[:, :2]), "channels c < 2"),
    (masked(np.s_[:, [0, 1, 3]]), "all but channel 2"),
    (masked(np.s_[:, :, :, ::2]), "every second column"),
    (masked(np.s_[:, :, 1::2]), "every second row from row 1 on"),
    (masked(np.s_[:, :, ::3]), "every third row"),
    (masked(np.s_[:, :, 4:]), "rows i >= 4"),
    (masked(np.s_[:, :, 2:5]), "rows 2 <= i <= 4"),
    (masked(np.s_[:, :, :, 1:]), "all but the first column"),
    (masked(np.s_[:, :, ::6]), "the first and the last row"),
    (masked(np.s_[:, :, [1, 4]]), "rows 1 and 4"),
    (masked(np.s_[:, :, [0, 1, 4]]), "rows 0, 1 and 4"),
    (masked(np.s_[:, :, [0, 2, 3, 5]]), None),
    (masked(np.s_[:, 0, -1]), "the last row of channel 0"),
    (masked(np.s_[1, :, 4:, 0]), "the first column of rows i >= 4 of sample 1"),
    (BORDER, "the border of width 1"),
    (BORDER & masked(np.s_[:, 3]), "the border of width 1 of channel 3"),
    (masked(np.s_[:, :, -1], np.s_[:, :, :, -1]), "the last row and the last column"),
    (masked(np.s_[:, :, -2:], np.s_[:, :, :, 0]), "rows i >= 5 and the first column"),
    (masked(np.s_[:, :, -1]) & ~masked((0, 1, 6, 3)), "within the last row"),
    (BORDER & ~masked((0, 1, 0, 3), (1, 1, 0, 3)), "within the border of width 1"),
    (masked((0, 0, 0, 0), (2, 3, 6, 5)), None),
    (~masked((0, 0, 0, 0), (2, 3, 6, 5)), None),
    (~masked(np.s_[:, :, ::6, ::5]), None),  # all but the corners
]


def test_words() -> None:
    for mask, words in DESCRIBED:
        assert where(mask, AXES["x"]) == words


def test_kernels_and_filters() -> None:
    assert where(masked(np.s_[:, :, -1], shape=(2, 3, 3, 3)), AXES["w"]) == "the last kernel row"
    assert where(masked(3, shape=(4,)), AXES["b"]) == "at [3]"
    assert where(masked(np.s_[2:], shape=(4,)), AXES["b"]) == "filters f >= 2"
    assert where(masked(3, shape=(4, 2, 3, 3)), AXES["w"]) == "filter 3"


def test_without_names_only_elements_and_the_whole_are_described() -> None:
    assert where(masked(np.s_[:, :, -1]), ()) is None
    assert where(masked((0, 0, 0, 1)), ()) == "at [0, 0, 0, 1]"
    assert where(masked(np.s_[:]), ()) == "everywhere"


def read(words: str, shape: tuple[int, ...]) -> Array:
    """Turn a description back into a mask, by its words alone."""
    if words == "everywhere":
        return np.ones(shape, bool)
    if found := re.fullmatch(r"at \[(.*)\]", words):
        return masked(tuple(int(i) for i in found[1].split(", ")), shape=shape)
    mask = np.ones(shape, bool)
    for part in words.split(" of ") if "border" not in words else re.split(r" of (?!width)", words):
        sides = [part] if part.startswith("the first and the last") else re.split(r" and (?=the |rows |columns )", part)
        mask &= np.any([one(side, shape) for side in sides], axis=0)
    return mask


def one(part: str, shape: tuple[int, ...]) -> Array:
    if found := re.fullmatch(r"the border of width (\d+)", part):
        hole = np.ones(shape, bool)
        width = int(found[1])
        hole[:, :, width : shape[2] - width, width : shape[3] - width] = False
        return hole
    if found := re.fullmatch(r"all but (.*)", part):
        return ~one(found[1], shape)
    axis = next(k for k, axis in enumerate(AXES["x"]) if axis.name in part)
    size = shape[axis]
    indices = np.arange(size)
    every = {"second": 2, "third": 3, "fourth": 4, "5th": 5}
    if "first and the last" in part:
        chosen = (indices == 0) | (indices == size - 1)
    elif found := re.search(r"the (first|last)", part):
        chosen = indices == (0 if found[1] == "first" else size - 1)
    elif found := re.search(r"every (\w+) \w+(?: from \w+ (\d+) on)?", part):
        chosen = indices % every[found[1]] == int(found[2] or 0)
    elif found := re.search(r"(\d+) <= \w <= (\d+)", part):
        chosen = (indices >= int(found[1])) & (indices <= int(found[2]))
    elif found := re.search(r"(<|>=) (\d+)", part):
        chosen = indices < int(found[2]) if found[1] == "<" else indices >= int(found[2])
    else:
        chosen = np.isin(indices, [int(number) for number in re.findall(r"\d+", part)])
    return np.broadcast_to(chosen.reshape([-1 if k == axis else 1 for k in range(4)]), shape)


SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 7), st.integers(1, 7))


@st.composite
def masks(draw: st.DrawFn) -> Array:
    """Draw products of sets, outsides of rectangles within them, and the like with a few elements changed."""
    shape = draw(SHAPES)
    mask = np.ones(shape, bool)
    for axis, size in enumerate(shape):
        chosen = np.array(draw(st.lists(st.booleans(), min_size=size, max_size=size)))
        if draw(st.booleans()) and chosen.any():
            mask &= chosen.reshape([-1 if k == axis else 1 for k in range(4)])
    if draw(st.booleans()):
        top, bottom, left, right = (draw(st.integers(0, 2)) for _ in range(4))
        mask[:, :, top : max(shape[2] - bottom, 0), left : max(shape[3] - right, 0)] = False
    for _ in range(draw(st.integers(0, 3))):
        index = tuple(draw(st.integers(0, size - 1)) for size in shape)
        mask[index] = draw(st.booleans())
    return mask


@settings(max_examples=150, deadline=None)
@given(masks().filter(lambda mask: bool(mask.any())))
def test_descriptions_are_true(mask: Array) -> None:
    words = where(mask, AXES["x"])
    if words is None:
        return
    region = read(words.removeprefix("within "), mask.shape)
    if words.startswith("within "):
        assert region[mask].all()
        assert mask.sum() < region.sum() < mask.size
        assert mask.sum() >= 0.75 * region.sum()
    else:
        assert (region == mask).all()


def test_every_slice_along_one_axis_has_a_description() -> None:
    for axis, size in enumerate(SHAPE):
        for start, stop in itertools.combinations(range(size + 1), 2):
            assert where(masked((*[slice(None)] * axis, slice(start, stop))), AXES["x"]) is not None
