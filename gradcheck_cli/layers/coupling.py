"""Which elements of an input reach no output together, for the layers that treat something alike.

Each function here takes the shape of an input and those of all outputs, and says it of the outputs joined: raveled, one
after the other, if there are several.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.numeric.colored import Coupling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gradcheck_cli.arrays import Array

    Shape = tuple[int, ...]


def elementwise(shape: Shape, outputs: Sequence[Shape]) -> Coupling:
    """Each element of the input reaches the element of the output in its place: one colour."""
    place = np.arange(math.prod(shape)).reshape(shape)
    return Coupling(colors=1, owner=lambda _: _joined([place for _ in outputs], outputs))


def per_sample(shape: Shape, outputs: Sequence[Shape]) -> Coupling:
    """Each sample of the input reaches that sample of the outputs: a colour for each element of a sample."""
    within = math.prod(shape[1:])

    def owner(color: int) -> Array:
        samples = np.arange(shape[0]) * within + color
        return _joined([samples.reshape(-1, *[1] * (len(out) - 1)) for out in outputs], outputs)

    return Coupling(colors=within, owner=owner)


def per_row(shape: Shape, outputs: Sequence[Shape]) -> Coupling:
    """Each row along the input's last axis reaches that row of the outputs: a colour for each element of a row."""
    rows = np.arange(math.prod(shape[:-1])).reshape(*shape[:-1], 1) * shape[-1]
    return Coupling(colors=shape[-1], owner=lambda color: _joined([rows + color for _ in outputs], outputs))


def per_unit(shape: Shape, outputs: Sequence[Shape]) -> Coupling:
    """Each index along the input's last axis reaches that index along the outputs' last: a colour for each of the rest.

    An input whose last axis is some blocks of that of the outputs (gates) has a colour for each block.
    """
    units = outputs[0][-1]
    return Coupling(
        colors=math.prod(shape) // units,
        owner=lambda color: _joined([color * units + np.arange(units)] * len(outputs), outputs),
    )


def per_channel(shape: Shape, outputs: Sequence[Shape]) -> Coupling:
    """Each channel of an input (C,) or (N, C, ...) reaches that channel of the outputs: a colour for each of the rest.

    Outputs are (N, C, ...), and (C,) for what there is one of for each channel.
    """
    channels = shape[min(1, len(shape) - 1)]
    elements = np.arange(math.prod(shape)).reshape(shape)
    by_channel = elements.reshape(channels, 1) if len(shape) == 1 else np.moveaxis(elements, 1, 0).reshape(channels, -1)

    def owner(color: int) -> Array:
        own = by_channel[:, color]
        return _joined(
            [own if len(out) == 1 else own.reshape(1, -1, *[1] * (len(out) - 2)) for out in outputs], outputs
        )

    return Coupling(colors=by_channel.shape[1], owner=owner)


def _joined(owners: Sequence[Array], outputs: Sequence[Shape]) -> Array:
    """One output keeps its axes, of which those with one owner are cheap; several are raveled."""
    if len(outputs) == 1:
        return owners[0].reshape([1] * (len(outputs[0]) - owners[0].ndim) + list(owners[0].shape))
    return np.concatenate([np.broadcast_to(owner, out).reshape(-1) for owner, out in zip(owners, outputs, strict=True)])


@dataclass(frozen=True, kw_only=True)
class Windows:
    """How windows lie along one axis of an image: each sees `kernel` places, `dilation` apart."""

    starts: Array  #: first row of each window, in the padded image
    kernel: int
    size: int  #: of the image, without its pad
    dilation: int = 1
    pad: int = 0

    @property
    def colors(self) -> int:
        """Colours of its rows: as many as a window sees, or as there are."""
        return min(self.kernel, self.size)

    def seen(self, color: int) -> Array:
        """Return the row of that colour that each window sees, -1 where it sees none or that is on the pad."""
        if self.size < self.kernel:  # a colour for each row
            h, between = np.divmod(color + self.pad - self.starts, self.dilation)
            return np.where((between == 0) & (h >= 0) & (h < self.kernel), color, -1)
        h = (color - self.starts // self.dilation) % self.kernel
        row = self.starts + h * self.dilation - self.pad
        return np.where((row >= 0) & (row < self.size), row, -1)
