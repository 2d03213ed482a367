"""What people call the parts of max and average pooling."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gradcheck_cli.implementation.vocabulary.vocabulary import Argument, Vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gradcheck_cli.implementation.vocabulary.vocabulary import Sizes
    from gradcheck_cli.numeric.arrays import Array


def _sizes(_: Mapping[str, Array], parameters: Mapping[str, object] | None) -> dict[str, object]:
    given = dict(parameters or {})
    return {**given, "pool": (given["pool_height"], given["pool_width"])}


def _value(name: str) -> Callable[[Sizes], object]:
    return lambda sizes: sizes[name]


def _fixed_window(side: int) -> Callable[[Sizes], str | None]:
    return lambda sizes: None if sizes["pool"] == (side, side) else f"its window is always {side}x{side}"


def _fixed_stride(stride: int) -> Callable[[Sizes], str | None]:
    return lambda sizes: None if sizes["stride"] == stride else f"its stride is always {stride}"


def _stride_of_window(sizes: Sizes) -> str | None:
    if sizes["pool"] == (sizes["stride"], sizes["stride"]):
        return None
    height, width = sizes["pool"]
    return f"its stride is the size of its window, here {sizes['stride']} and {height}x{width}"


def _square(sizes: Sizes) -> str | None:
    height, width = sizes["pool"]
    return None if height == width else f"its window is always square, here {height}x{width}"


_ARGUMENTS = {
    "pool_height": Argument(
        names=("poolheight", "poolh", "ph", "hp", "hh"), forms={"": _value("pool_height")}, unless=("pool",)
    ),
    "pool_width": Argument(
        names=("poolwidth", "poolw", "pw", "wp", "ww"),
        forms={"": _value("pool_width")},
        absent={"": _square},
        unless=("pool",),
    ),
    "pool": Argument(
        names=("pool", "poolsize", "size", "kernelsize", "f", "k", "kernel", "windowsize"),
        forms={"": _value("pool")},
        absent={f"a window of {side}x{side}": _fixed_window(side) for side in (2, 3, 4)},
        unless=("pool_height", "pool_width"),
        pair=True,
    ),
    "stride": Argument(
        names=("stride", "strides", "s", "step"),
        forms={"": _value("stride")},
        absent={
            "a stride of the window's size": _stride_of_window,
            **{f"a stride of {stride}": _fixed_stride(stride) for stride in (2, 1, 3)},
        },
    ),
}

_SOMETHING_MORE = ("conv", "relu", "unpool", "global", "norm")

_MAXPOOL = Vocabulary(
    names=("max_pool", "maxpool", "pool"),
    others=("avg", "average", "mean", *_SOMETHING_MORE),
    inputs={"x": ("x", "input", "inputs", "a", "aprev", "data", "inp", "images")},
    arguments=_ARGUMENTS,
    sizes=_sizes,
)

POOLINGS = {
    "maxpool": _MAXPOOL,
    "avgpool": replace(
        _MAXPOOL,
        names=("avg_pool", "avgpool", "average_pool", "averagepool", "mean_pool", "pool"),
        others=("max", *_SOMETHING_MORE),
    ),
}
