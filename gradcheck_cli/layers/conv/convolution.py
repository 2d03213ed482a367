"""What convolutions of images, of sequences and of single channels have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from gradcheck_cli.layers.conv.geometry import (
    GAPS,
    ON_THE_PAD,
    ONE_WINDOW,
    WindowedCase,
    has_nonzero_gradient,
    uneven,
    window_relations,
)
from gradcheck_cli.layers.conv.random_geometry import random_geometry
from gradcheck_cli.layers.framework.layer import Layer, imported

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gradcheck_cli.layers.conv.conv import ConvCase
    from gradcheck_cli.layers.conv.geometry import Windows


class ConvolutionCase(WindowedCase):
    """A geometry that can be computed as a convolution of images."""

    #: The place of an axis of length 1 that makes images of an array.
    inserted: ClassVar[Mapping[str, int]] = {}
    spatial: ClassVar[tuple[int, ...]] = (0, 1)  #: of rows (0) and columns (1) those that there are

    @property
    def as_conv(self) -> ConvCase:
        """The same, as a convolution of images."""
        raise NotImplementedError

    @property
    def windows(self) -> tuple[Windows, ...]:
        """The windows along each spatial axis of x, in its order."""
        return tuple(self.as_conv.windows[axis] for axis in self.spatial)

    @property
    def settings(self) -> dict[str, Any]:
        """What forward takes beside arrays: one number for an even pair."""
        return {name: plain(self.geometry[name]) for name in ("stride", "pad")}


def plain(value: int | tuple[int, int]) -> int | tuple[int, int]:
    """Return one number for an even pair."""
    return value[0] if isinstance(value, tuple) and value[0] == value[1] else value


def convolution(case: type[ConvolutionCase], *, special_cases: tuple[Any, ...] = (), **declared: Any) -> Layer:
    """Declare a layer that is a convolution; `special_cases` are kinds beside those that all have."""
    shared: dict[str, Any] = {
        "relations": window_relations,
        "param": "conv_param",
        "random": random_geometry,
        "has_nonzero_gradient": has_nonzero_gradient,
        **imported("conv.faults", "faults"),
        **imported("conv.forward_faults", "forward_faults"),
    }
    kinds = (*special_cases, uneven, ONE_WINDOW, GAPS, ON_THE_PAD)
    return Layer(case=case, special_cases=kinds, **{**shared, **declared})
