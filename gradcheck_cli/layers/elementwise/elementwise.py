"""What the activations have in common: one array of any shape, of which each element is mapped for itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.axes import Axis
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.layers.framework.make_problem import make_problem
from gradcheck_cli.layers.framework.words import shape
from gradcheck_cli.numeric.arrays import signed_uniform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gradcheck_cli.layers.framework.fault import Fault
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array

    Pair = tuple[Callable[..., Any], Callable[..., Any]]

_SHAPES = ((4, 5), (1,), (7,), (1, 3), (3, 1), (2, 3, 4), (2, 2, 3, 3))


@frozen
class ElementwiseCase(Case):
    """The shape of x, and of out."""

    layer: ClassVar[str]

    shape: tuple[int, ...] = shape((4, 5), "of x: 2,3 or 2x3")

    def label(self) -> str:
        """Name the geometry: `4x5`."""
        return "x".join(map(str, self.shape))


def axes(count: int) -> tuple[Axis, ...]:
    """Name the axes of an array that may be anything."""
    return tuple(Axis(name=f"index {k}", index=f"i{k}", size=f"shape[{k}]") for k in range(count))


def activation(
    case: type[ElementwiseCase],
    pair: Pair,
    *,
    slope: Callable[[Array], Array],
    faults: Callable[[], Iterable[Fault]],
    zeros: tuple[str, ...] = ("x",),
) -> Layer:
    """Make the layer of an activation.

    Args:
        case: the shape.
        pair: its forward and backward pass.
        slope: of the output, the sum of the absolute values of the terms that its slope is computed from.
        faults: what people get wrong in backward.
        zeros: as `make_problem` has them; none where it has a kink at 0.
    """

    def problem(case: ElementwiseCase) -> Problem:
        source = case.source()
        named = axes(len(case.shape))
        x = signed_uniform(source, case.shape)
        x.flat[0] = abs(x.flat[0])  # where all are negative, a rectifier has nothing to check
        return make_problem(
            case,
            axes={"x": named, "out": named},
            inputs={"x": x},  # of magnitudes from 0.5 to 1.5: the kink at zero is out of reach
            source=source,
            reference=pair,
            # None of them is steeper than 1, so that what x was rounded by counts once at most.
            scale=lambda x: (np.maximum(abs(x), abs(pair[0](x)[0])),),
            gradient_scale=lambda dout, x: {"x": abs(dout) * slope(pair[0](x)[0])},
            zeros=zeros,
        )

    return Layer(
        case=case,
        inputs=("x",),
        make_problem=problem,
        standard=lambda: tuple(case(shape=shape) for shape in _SHAPES),
        builtin={"vectorized": pair},
        probe_cases=(case(shape=(3, 4)),),
        faults=lambda _case, _problem: faults(),
    )
