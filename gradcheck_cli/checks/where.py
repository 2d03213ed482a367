"""Where the wrong elements of an array are, in the words of its axes: the shortest true description."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gradcheck_cli.layers.framework.axes import Axis
    from gradcheck_cli.numeric.arrays import Array

#: Share of a described set that must be wrong to report "within" it. A shifted or cropped gradient is right by
#: accident in a few elements (where zeros are right); scattered errors fill far less of any set that holds them.
NEARLY_ALL = 0.75

#: A list of more indices than this is no description.
_LISTED = 3

_ORDINALS = {2: "second", 3: "third", 4: "fourth"}


def where(wrong: Array, axes: Sequence[Axis]) -> str | None:
    """Describe the set of wrong elements, or return None where there is no short way to.

    A place without "within" is exact: no element outside of the set described is wrong, and none inside is right.

    Args:
        wrong: which elements are wrong: bool, at least one of them true.
        axes: what its axes are called; without them only single elements and whole arrays can be named. An array that
            has none is the one element.
    """
    if not wrong.ndim:
        return None
    if wrong.all():
        return "everywhere"
    if wrong.sum() == 1:
        return f"at {place(np.argwhere(wrong)[0])}"
    if len(axes) != wrong.ndim:
        return None
    described = [(words, region) for words, region in (_box(wrong, axes), _frame(wrong, axes)) if words]
    for words, region in described:
        if (region == wrong).all():
            return words
    for words, region in described:
        if region[wrong].all() and wrong.sum() >= NEARLY_ALL * region.sum():
            return f"within {words}"
    return None


def place(index: Array | tuple[int, ...]) -> str:
    """Write an index as Python does: `[0, 1, 6, 3]`."""
    return f"[{', '.join(str(int(i)) for i in index)}]"


def _box(wrong: Array, axes: Sequence[Axis]) -> tuple[str | None, Array]:
    """Describe the smallest product of sets of indices that holds all wrong elements."""
    others = [tuple(other for other in range(wrong.ndim) if other != k) for k in range(wrong.ndim)]
    shadows = [np.asarray(wrong.any(axis=axis)) for axis in others]
    region = np.ones((), bool)
    for shadow in shadows:
        region = region[..., None] & shadow
    return _of(_indices(shadow, axis) for shadow, axis in zip(shadows, axes, strict=True)), region


def _frame(wrong: Array, axes: Sequence[Axis]) -> tuple[str | None, Array]:
    """Describe the smallest set that is the outside of a rectangle in the two spatial axes, a product in the others."""
    if len(axes) < 2 or not (axes[-2].spatial and axes[-1].spatial):
        return None, wrong
    plane = np.asarray(wrong.any(axis=tuple(range(wrong.ndim - 2))))
    if plane.all():
        return None, wrong
    # The hole is what is right around the right element that is furthest from the edges.
    inward = [np.minimum(np.arange(n), np.arange(n)[::-1]) for n in plane.shape]
    depth = np.where(plane, -1, np.minimum(inward[0][:, None], inward[1]))
    i, j = (int(k) for k in np.unravel_index(depth.argmax(), plane.shape))
    (top, bottom), (left, right) = _margins(plane[:, j], i), _margins(plane[i], j)
    frame = np.ones(plane.shape, bool)
    frame[top : plane.shape[0] - bottom, left : plane.shape[1] - right] = False
    hole = (plane.shape[0] - top - bottom, plane.shape[1] - left - right)
    if hole == plane.shape or any(2 * inside < whole for inside, whole in zip(hole, plane.shape, strict=True)):
        return None, wrong  # around a small hole, nobody sees a frame
    if top == bottom == left == right:
        words = f"the border of width {top}"
    else:
        sides = [_first(axes[-2], top, plane.shape[0]), _last(axes[-2], bottom, plane.shape[0])]
        sides += [_first(axes[-1], left, plane.shape[1]), _last(axes[-1], right, plane.shape[1])]
        words = " and ".join(side for side in sides if side)
    leading = np.asarray(wrong.any(axis=(-2, -1)))
    others, region = ("", leading) if leading.all() else _box(leading, axes[:-2])
    return _of((others, words)), region[..., None, None] & frame


def _margins(wrong: Array, i: int) -> tuple[int, int]:
    """Count the elements before and after the run of right ones that holds element i."""
    edges = np.flatnonzero(wrong)
    before, after = edges[edges < i], edges[edges > i]
    return int(before[-1]) + 1 if before.size else 0, wrong.size - int(after[0]) if after.size else 0


def _of(parts: Iterable[str | None]) -> str | None:
    """Join descriptions along each axis, the last axis first: `the last row of channel 0`."""
    parts = list(parts)
    if None in parts:
        return None
    return " of ".join(part for part in reversed(parts) if part) or None


def _indices(chosen: Array, axis: Axis) -> str | None:
    """Describe a set of indices along one axis: empty if it is all of them, None if it has no pattern."""
    count, indices = chosen.size, np.flatnonzero(chosen)
    first, last, steps = int(indices[0]), int(indices[-1]), set(np.diff(indices).tolist())
    if indices.size == count:
        return ""
    if indices.size == 1:
        return _one(axis, first, count)
    if axis.spatial and indices.size == count - 1:
        return f"all but {_one(axis, int(np.flatnonzero(~chosen)[0]), count)}"
    if steps == {1} and last == count - 1:
        return _last(axis, count - first, count)
    if steps == {1} and first == 0:
        return _first(axis, indices.size, count)
    if indices.size == count - 1:
        return f"all but {_one(axis, int(np.flatnonzero(~chosen)[0]), count)}"
    if axis.spatial and indices.size == 2 and (first, last) == (0, count - 1):
        return f"the first and the last {axis.name}"
    if len(steps) == 1 and indices.size > 2:
        return _every(axis, first, last, step=steps.pop(), count=count)
    if indices.size <= _LISTED:
        *most, final = indices.tolist()
        return f"{axis.plural} {', '.join(map(str, most))} and {final}"
    return None


def _every(axis: Axis, first: int, last: int, *, step: int, count: int) -> str | None:
    if step == 1:
        return f"{axis.plural} {first} <= {axis.letter} <= {last}"
    if first >= step or last + step < count:
        return None
    nth = f"every {_ORDINALS.get(step, f'{step}th')} {axis.name}"
    return nth if first == 0 else f"{nth} from {axis.name} {first} on"


def _one(axis: Axis, i: int, count: int) -> str:
    ends = {0: f"the first {axis.name}", count - 1: f"the last {axis.name}"} if axis.spatial else {}
    return ends.get(i, f"{axis.name} {i}")


def _last(axis: Axis, width: int, count: int) -> str:
    """Describe the last `width` indices along an axis."""
    if width <= 1:
        return _one(axis, count - 1, count) if width else ""
    return f"{axis.plural} {axis.letter} >= {count - width}"


def _first(axis: Axis, width: int, count: int) -> str:
    """Describe the first `width` indices along an axis."""
    if width <= 1:
        return _one(axis, 0, count) if width else ""
    return f"{axis.plural} {axis.letter} < {width}"
