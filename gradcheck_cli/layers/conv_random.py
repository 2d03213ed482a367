"""Random geometries of convolution: the output's size is drawn, and the input's follows, so that the kernel fits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradcheck_cli.layers.conv_naive import both

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gradcheck_cli.layers.conv import ConvCase
    from gradcheck_cli.layers.layer import Draw

#: The largest of each that is drawn, where no flag says more. Every fault that is planted in the tests shows with less,
#: and a case takes a few milliseconds.
_LARGEST = {"N": 3, "C": 3, "F": 3, "stride": 3, "pad": 3, "kernel": 4, "windows": 4}


def random_geometry(draw: Draw, given: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Draw a geometry.

    One that is free has an even stride and pad, no dilation and no groups: what every convolution written for a course
    can be asked. Where flags fix the image, the kernel and the pad, or groups and channels, what is drawn of their
    lists may be impossible together.

    Args:
        draw: returns a number from the first to the second of its arguments.
        given: for each number that a flag fixes, the values to draw from.

    Returns:
        The numbers of the geometry, by name.
    """

    def picked(name: str, otherwise: Callable[[], Any]) -> Any:
        return given[name][draw(0, len(given[name]) - 1)] if name in given else otherwise()

    groups = picked("groups", lambda: 1)
    found = {"N": picked("N", lambda: draw(1, _LARGEST["N"])), "groups": groups}
    found["C"] = picked("C", lambda: groups * draw(1, _LARGEST["C"]))
    found["F"] = picked("F", lambda: groups * draw(1, _LARGEST["F"]))
    found["stride"] = picked("stride", lambda: draw(1, _LARGEST["stride"]))
    found["dilation"] = picked("dilation", lambda: 1)
    sizes = {name: picked(name, lambda: None) for name in ("H", "W", "HH", "WW")}
    dilations = both(found["dilation"])
    least = max(
        _least_pad(sizes["H"], sizes["HH"], dilations[0]),
        _least_pad(sizes["W"], sizes["WW"], dilations[1]),
    )
    found["pad"] = picked("pad", lambda: draw(least, max(least, _LARGEST["pad"])))
    axes = zip((("H", "HH"), ("W", "WW")), both(found["stride"]), both(found["pad"]), dilations, strict=True)
    for (image, kernel), stride, pad, dilation in axes:
        found |= {
            kernel: sizes[kernel] or _kernel(draw, sizes[image], pad, dilation),
            image: sizes[image],
        }
        if sizes[image] is None:
            found[image] = _image(draw, dilation * (found[kernel] - 1) + 1, stride, pad)
    return found


def _least_pad(image: int | None, kernel: int | None, dilation: int) -> int:
    """Return the least pad with which a kernel fits, where both sizes are fixed."""
    if image is None or kernel is None:
        return 0
    return max(0, -((image - dilation * (kernel - 1) - 1) // 2))


def _kernel(draw: Draw, image: int | None, pad: int, dilation: int) -> int:
    """Draw the size of a kernel, that fits where the image is fixed."""
    largest = _LARGEST["kernel"]
    return draw(1, largest if image is None else min(largest, (image + 2 * pad - 1) // dilation + 1))


def _image(draw: Draw, reach: int, stride: int, pad: int) -> int:
    """Draw how many windows there are, and how many rows are left over that no window sees: H from H'."""
    remainder = draw(0, stride - 1)
    fewest = max(1, 1 - (reach + remainder - 2 * pad - 1) // stride)  # with which a row is left that is no pad
    windows = draw(fewest, fewest + _LARGEST["windows"] - 1)
    return (windows - 1) * stride + reach + remainder - 2 * pad


def shows(case: ConvCase) -> bool:
    """Tell whether some window sees the image; where all see nothing but pad, every gradient of x and w is 0."""
    return all(
        any(0 <= i * stride + h * dilation - pad < size for i in range(windows) for h in range(kernel))
        for windows, kernel, size, stride, pad, dilation in zip(
            case.out_shape[2:],
            (case.HH, case.WW),
            (case.H, case.W),
            *map(both, (case.stride, case.pad, case.dilation)),
            strict=True,
        )
    )


def _uneven(case: ConvCase) -> bool:
    return any(
        (padded - reach) % stride
        for padded, reach, stride in zip(case.padded_size, case.reach, both(case.stride), strict=True)
    )


#: What faults depend on: of each kind, one of the first cases is.
CORNERS: tuple[Callable[[ConvCase], bool], ...] = (
    lambda case: case.pad == (0, 0),
    lambda case: case.N == 1,
    lambda case: case.F == 1,
    lambda case: case.HH != case.WW,
    lambda case: case.H != case.W,
    _uneven,
    lambda case: (case.HH, case.WW) == (case.H, case.W),
    lambda case: both(case.stride)[0] > case.HH and both(case.stride)[1] > case.WW,
    lambda case: both(case.pad)[0] >= case.HH and both(case.pad)[1] >= case.WW,
)
