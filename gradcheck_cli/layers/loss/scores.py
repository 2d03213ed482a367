"""What the losses over scores have in common: x (N, C), labels y (N,), and the mean over samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.axes import CLASS, declare
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.layers.framework.make_problem import make_problem
from gradcheck_cli.layers.framework.parameter import size
from gradcheck_cli.layers.framework.words import real

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gradcheck_cli.layers.framework.fault import Fault, ForwardFault, Guard, Overflow
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array


#: How near to a kink no margin is, as a share of the scale: ten roundings of the largest scores in float16.
_KINK = 0.01


@frozen
class ScoresCase(Case):
    """Sizes of a loss: scores x (N, C), labels y (N,) from 0 to C - 1."""

    layer: ClassVar[str]

    N: int = size(5, "samples")
    C: int = size(4, "classes", minimum=2)
    scale: float = real(1.0, "factor on the scores: 1000 shows what overflows", 10.0, 1000.0, low=1e-3)

    def label(self) -> str:
        """Name the geometry: `5x4 scale 1`."""
        return f"{self.N}x{self.C} scale {self.scale:g}"


def loss(
    case: type[ScoresCase],
    function: Callable[..., Any],
    *,
    scale: Callable[[Array, Array], Array],
    gradient_scale: Callable[[Array, Array], Array],
    faults: Callable[[], Iterable[Fault]],
    forward_faults: Callable[[Array, Array], Iterable[ForwardFault]],
    zeros: tuple[str, ...] = (),
    guards: Callable[[Problem], Iterable[Guard]] = lambda _problem: (),
    overflows: Callable[[Problem, bool], Iterable[Overflow]] = lambda _problem, _finite: (),
) -> Layer:
    """Make the layer of a loss.

    Args:
        case: its sizes.
        function: (x, y) -> (loss, dx).
        scale: (x, y) -> the sum of the absolute values of the loss's terms.
        gradient_scale: (x, y) -> the same of the gradient.
        zeros: as `make_problem` has them; a hinge may have its kink there.
        guards: as a `Layer` has them.
        overflows: as a `Layer` has them.
        faults: what people get wrong in the gradient.
        forward_faults: (x, y) -> what they get wrong in the loss.
    """
    axes = declare(CLASS, x="N C", y="N", out="")

    def problem(case: ScoresCase) -> Problem:
        source = case.source()
        # Two scores differ by a multiple of 0.4, give or take 0.1: never by 1, where a hinge has its kink.
        x = [0.4 * source.randrange(-4, 5) + source.uniform(-0.05, 0.05) for _ in range(case.N * case.C)]
        y = [source.randrange(case.C) for _ in range(case.N)]
        y[0] = int(np.argmin(x[: case.C]))  # at least one margin is missed, and a loss without one has no gradient
        scores, labels = np.array(x).reshape(case.N, case.C), np.array(y)
        # Nor do those that are scaled up: such as differ by nearly 1 then are moved, to where the margin is missed.
        near = abs(scores - picked(scores, labels) + 1 / case.scale) < _KINK
        scores += 2 * _KINK * near * (1 - of_label(scores, labels))
        return make_problem(
            case,
            axes=axes,
            inputs={"x": scores * case.scale, "y": labels},
            source=source,
            reference=(function,),
            scale=lambda x, y: (scale(x, y),),
            gradient_scale=lambda _, x, y: {"x": gradient_scale(x, y)},
            zeros=zeros,
        )

    def standard() -> tuple[ScoresCase, ...]:
        rows = [(5, 4, 1.0), (3, 5, 1.0), (1, 3, 1.0), (4, 2, 1.0), (2, 6, 1.0), (6, 3, 10.0), (4, 5, 1000.0)]
        return tuple(case(N=N, C=C, scale=scale) for N, C, scale in rows)

    return Layer(
        case=case,
        inputs=("x", "y"),
        make_problem=problem,
        standard=standard,
        builtin={"vectorized": (function,)},
        probe_cases=(case(N=3, C=4),),
        guards=guards,
        overflows=overflows,
        faults=lambda _case, _problem: faults(),
        forward_faults=lambda _case, problem, _out: forward_faults(problem.inputs["x"], problem.inputs["y"]),
        loss=True,
    )


def picked(x: Array, y: Array) -> Array:
    """Return of each sample the score of its label, (N, 1)."""
    return np.asarray(x[np.arange(len(y)), y][:, None])


def of_label(x: Array, y: Array) -> Array:
    """Return 1 where a score is that of its sample's label, else 0: (N, C)."""
    return np.asarray(np.arange(x.shape[1]) == y[:, None], x.dtype)
