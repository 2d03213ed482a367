"""Windows along any number of axes: the geometry that convolutions and poolings share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

from gradcheck_cli.layers.conv.naive import both
from gradcheck_cli.layers.framework.axes import Axis
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.coupling import Relations, window
from gradcheck_cli.layers.framework.drawing import Draw, Given, pick


class Windows(NamedTuple):
    """The windows along one axis: each sees `kernel` positions, `dilation` apart; they start `stride` apart."""

    length: str  #: what the size of the axis is called: its height, width or length
    axis: Axis
    out: Axis  #: that of the output along which the windows lie
    size: int
    kernel: int
    stride: int
    pad: int = 0
    dilation: int = 1

    @property
    def reach(self) -> int:
        """The positions from the first to the last that a window sees."""
        return self.dilation * (self.kernel - 1) + 1

    @property
    def padded(self) -> int:
        """The size with the pad on both sides."""
        return self.size + 2 * self.pad

    @property
    def total(self) -> int:
        """How many windows there are."""
        return (self.padded - self.reach) // self.stride + 1

    @property
    def unseen(self) -> int:
        """The positions at the end that no window reaches."""
        return (self.padded - self.reach) % self.stride

    @property
    def sees_image(self) -> bool:
        """Whether some window sees a position that is not pad."""
        return any(
            0 <= i * self.stride + k * self.dilation - self.pad < self.size
            for i in range(self.total)
            for k in range(self.kernel)
        )


class WindowedCase(Case):
    """A geometry with windows over the spatial axes of x. Stride, pad and dilation are a number, or one for each."""

    kernels: ClassVar[tuple[str, ...]] = ("HH", "WW")  #: the sizes of a window, in the order of the axes

    @cached_property
    def windows(self) -> tuple[Windows, ...]:
        """The windows along each spatial axis of x, in its order."""
        spatial = [(x, out) for x, out in zip(self.axes["x"], self.axes["out"], strict=True) if x.spatial]
        return tuple(
            Windows(
                _LENGTHS[x.size] if len(spatial) > 1 else "length",
                *(x, out, getattr(self, x.size), getattr(self, kernel)),
                *(
                    _along(k, getattr(self, name, usual))
                    for name, usual in (("stride", 1), ("pad", 0), ("dilation", 1))
                ),
            )
            for k, ((x, out), kernel) in enumerate(zip(spatial, self.kernels, strict=True))
        )

    @property
    def settings(self) -> dict[str, Any]:
        """The parameters of forward: one number for an even pair."""
        return {name: plain(value) for name, value in super().settings.items()}

    def impossible(self) -> str | None:
        """Say why no layer can have this geometry, or None if one can."""
        for w in self.windows:
            if w.reach > w.padded:
                image = f"{'padded ' if w.pad else ''}{w.length} of {w.padded}"
                return f"the kernel's {w.length} of {w.reach} does not fit into the {image}"
        return None


_LENGTHS = {"D": "depth", "H": "height", "W": "width"}


def _along(axis: int, value: int | tuple[int, ...]) -> int:
    return value[axis] if isinstance(value, tuple) else value


def plain(value: Any) -> Any:
    """Return one number for a tuple of equal ones."""
    return value[0] if isinstance(value, tuple) and len(set(value)) == 1 else value


def window_relations(case: WindowedCase, _: Mapping[str, object]) -> Relations:
    """Relate the rows and columns of x to the windows that see them."""
    return {
        "x": {
            w.axis: window(w.out, w.total, kernel=w.kernel, stride=w.stride, dilation=w.dilation, pad=w.pad)
            for w in case.windows
        }
    }


def _kind(of: Callable[[tuple[Windows, ...]], bool]) -> Callable[[WindowedCase], bool]:
    return lambda case: of(case.windows)


#: Some window sees the image; where all see nothing but pad, every gradient of x and w is 0.
HAS_GRADIENT = _kind(lambda windows: all(w.sees_image for w in windows))

#: Kinds of geometry on which faults depend: a window as large as the image; windows that overlap, that leave gaps, and
#: that lie on the pad; rows or columns that no window sees; height and width of a window, or of x, that differ.
ONE_WINDOW = _kind(lambda windows: all(w.kernel == w.size for w in windows))
OVERLAPS = _kind(lambda windows: all(w.stride < w.kernel for w in windows))
GAPS = _kind(lambda windows: all(w.stride > w.kernel for w in windows))
ON_THE_PAD = _kind(lambda windows: all(w.pad >= w.kernel for w in windows))
UNEVEN = _kind(lambda windows: any(w.unseen for w in windows))
OBLONG_WINDOW = _kind(lambda windows: len({w.kernel for w in windows}) > 1)
OBLONG_IMAGE = _kind(lambda windows: len({w.size for w in windows}) > 1)

#: Sizes that are taken for others when windows are counted: of which axis the size and the kernel are, for rows and for
#: columns.
_CONFUSED = {
    "W' is computed from {HH}": ((0, 0), (1, 0)),
    "H' is computed from {WW}": ((0, 1), (1, 1)),
    "H' is computed from {WW}, and W' from {HH}": ((0, 1), (1, 0)),
    "W' is computed from H": ((0, 0), (0, 1)),
    "H' is computed from W": ((1, 0), (1, 1)),
    "W' is computed from H and {HH}, as H' is": ((0, 0), (0, 0)),
    "H' is computed from W and {WW}, as W' is": ((1, 1), (1, 1)),
    "H' and W' are exchanged": ((1, 1), (0, 0)),
}


def confused_counts(case: WindowedCase) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield which sizes are taken for others along two axes, and the rows and columns of windows counted so."""
    windows = case.windows
    right = tuple(w.total for w in windows)
    for words, sources in _CONFUSED.items() if len(windows) == 2 else ():
        counted = [
            w._replace(size=windows[size].size, kernel=windows[kernel].kernel).total
            for w, (size, kernel) in zip(windows, sources, strict=True)
        ]
        counts = tuple(max(count, 0) for count in counted)
        if counts != right:
            yield words.format(**dict(zip(("HH", "WW"), case.kernels, strict=True))), counts


#: The largest of each that is drawn, where no flag says more. Every fault that the tests make shows with less, and a
#: case takes a few milliseconds.
_LARGEST = {"N": 3, "C": 3, "F": 3, "stride": 3, "pad": 3, "kernel": 4, "windows": 4}
_LARGEST_OF_THREE_AXES = {"N": 2, "C": 2, "F": 2, "stride": 3, "pad": 2, "kernel": 3, "windows": 2}


def random_geometry(
    case: type[Case], draw: Draw, given: Given, names: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Draw the numbers of a geometry, by name.

    One that is free has an even stride and pad, no dilation and no groups: what every convolution written for a course
    can be asked. Where flags fix the image, the kernel and the pad, or groups and channels, what is drawn of their
    lists may be impossible together.

    Args:
        case: whose numbers are wanted; those that it lacks, such as groups, are 1, or of pads 0.
        draw: returns a number from the first to the second of its arguments.
        given: for each number that a flag fixes, the values to draw from.
        names: of a case that calls numbers otherwise than convolution does, what convolution calls them.
    """
    own = {(names or {}).get(parameter.name, parameter.name): parameter.name for parameter in case.parameters()}
    largest = _LARGEST_OF_THREE_AXES if "DD" in own else _LARGEST

    def number(name: str, otherwise: Callable[[], Any]) -> Any:
        return pick(own[name], draw, given, otherwise) if name in own else int(name != "pad")

    def up_to(name: str, least: int = 1) -> Callable[[], int]:
        return lambda: draw(least, max(least, largest[name]))

    groups = number("groups", lambda: 1)
    found = {"N": number("N", up_to("N")), "groups": groups}
    found["C"] = number("C", lambda: groups * up_to("C")())
    found["F"] = number("F", lambda: groups * up_to("F")())
    found |= {"stride": number("stride", up_to("stride")), "dilation": number("dilation", lambda: 1)}
    axes = [(0, "H", "HH"), (1, "W", "WW"), *([(0, "D", "DD")] if "DD" in own else [])]
    fixed = {name: number(name, lambda: None) for _, *sizes in axes for name in sizes}
    steps = both(found["dilation"])
    reaches = [(fixed[image], steps[k] * (fixed[kernel] - 1) + 1) for k, image, kernel in axes if fixed[kernel]]
    lacking = [reach - size for size, reach in reaches if size]  # of sizes that are fixed, what a pad must add
    found["pad"] = number("pad", up_to("pad", max([0, *(-(-rows // 2) for rows in lacking)])))
    for k, image, kernel in axes:
        step, stride, pad = steps[k], both(found["stride"])[k], both(found["pad"])[k]
        most = largest["kernel"]
        if fixed[image]:  # then a kernel that fits
            most = min(most, (fixed[image] + 2 * pad - 1) // step + 1)
        found[kernel] = fixed[kernel] or draw(1, most)
        found[image] = fixed[image] or _image(draw, step * (found[kernel] - 1) + 1, stride, pad, largest["windows"])
    return {name: found[called] for called, name in own.items()}


def _image(draw: Draw, reach: int, stride: int, pad: int, most: int) -> int:
    """Draw how many windows there are, and how many rows are left over that no window sees: H from H'."""
    remainder = draw(0, stride - 1)
    fewest = max(1, 1 - (reach + remainder - 2 * pad - 1) // stride)  # with which a row is left that is no pad
    windows = draw(fewest, fewest + most - 1)
    return (windows - 1) * stride + reach + remainder - 2 * pad
