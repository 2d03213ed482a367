"""Random geometries of all that has windows: the output's size is drawn, and the input's follows, so that they fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gradcheck_cli.layers.conv.naive import both
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.drawing import Draw, Given, pick

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
    least = max(_least_pad(fixed[image], fixed[kernel], steps[k]) for k, image, kernel in axes)
    found["pad"] = number("pad", up_to("pad", least))
    for k, image, kernel in axes:
        step, stride, pad = steps[k], both(found["stride"])[k], both(found["pad"])[k]
        found[kernel] = fixed[kernel] or draw(1, _largest_kernel(largest["kernel"], fixed[image], pad, step))
        found[image] = fixed[image] or _image(draw, step * (found[kernel] - 1) + 1, stride, pad, largest["windows"])
    return {name: found[called] for called, name in own.items()}


def _least_pad(image: int | None, kernel: int | None, dilation: int) -> int:
    """Return the least pad with which a kernel fits, where both sizes are fixed."""
    return 0 if image is None or kernel is None else max(0, -((image - dilation * (kernel - 1) - 1) // 2))


def _largest_kernel(largest: int, image: int | None, pad: int, dilation: int) -> int:
    """Return the largest kernel to draw; one that fits, where the image is fixed."""
    return largest if image is None else min(largest, (image + 2 * pad - 1) // dilation + 1)


def _image(draw: Draw, reach: int, stride: int, pad: int, most: int) -> int:
    """Draw how many windows there are, and how many rows are left over that no window sees: H from H'."""
    remainder = draw(0, stride - 1)
    fewest = max(1, 1 - (reach + remainder - 2 * pad - 1) // stride)  # with which a row is left that is no pad
    windows = draw(fewest, fewest + most - 1)
    return (windows - 1) * stride + reach + remainder - 2 * pad
