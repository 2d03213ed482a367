"""What people get wrong in dropout: the mask, the division by p, and which of p and 1 - p is the probability."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.layers.framework.fault import Fault, ForwardFault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gradcheck_cli.layers.elementwise.dropout import DropoutCase
    from gradcheck_cli.layers.framework.fault import Observed
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array

    #: (which elements are kept, p) -> whether that can be a draw in which each is kept with probability p
    Plausible = Callable[[Array, float], bool]

_KEEP = "Keep the mask of forward in the cache, and return dout times the mask, divided by p as in forward."


def faults(case: DropoutCase, _: Problem) -> Iterator[Fault]:
    """Yield gradients of elements that were dropped."""

    def whole(what: str, divisor: float) -> Fault:
        return Fault(
            code="mask-ignored",
            cause=f"{{names}} {{have}} no mask: every element is {what}.",
            remedy=_KEEP,
            gradients=lambda _, dout: {"x": dout / dout.dtype.type(divisor)},
        )

    if case.mode == "train":
        yield whole("that of dout", 1.0)
        yield whole("that of dout / p", case.p)


def first_faults(case: DropoutCase, problem: Problem, observed: Observed, *, plausible: Plausible) -> Iterator[Fault]:
    """Yield gradients with the mask inverted, drawn again, or scaled otherwise than in forward.

    The mask of forward is read off the derivative, which is zero where an element was dropped and nowhere else: the
    output is zero where x is, too.
    """
    if case.mode != "train" or "x" not in observed.derivatives:
        return
    kept = observed.derivatives["x"] != 0
    for scale, words in scales(case.p):
        yield Fault(
            code="dropout-scale",
            cause=f"{{names}} {{have}} the mask of forward, but {words}.",
            remedy="Multiply dout by what forward multiplied x by: 1 / p where an element is kept, 0 elsewhere.",
            gradients=_masked(kept, scale),
        )
    if kept.all() or not kept.any():
        return
    for scale, words in [(1 / case.p, ""), *scales(case.p)]:
        also = f", {words}" if words else ""
        yield Fault(
            code="mask-inverted",
            cause=f"In {{names}} the mask is inverted: the gradient goes to the elements that forward dropped{also}.",
            remedy="Use the mask as forward does: it is True, or not 0, where an element is kept.",
            gradients=_masked(~kept, scale),
        )
    if "x" not in observed.gradients or observed.gradients["x"].shape != kept.shape:
        return
    dout = problem.cotangent.astype(observed.out.dtype)
    for scale in (1 / case.p, 1.0):
        own = abs(observed.gradients["x"]) > abs(dout) * scale / 2
        if plausible(own, case.p) and (own != kept).any() and not own.all():
            yield Fault(
                code="mask-redrawn",
                cause="{names} {have} another mask than forward: it is drawn again in backward.",
                remedy=_KEEP,
                gradients=_masked(own, scale),
            )


def _masked(kept: Array, scale: float) -> Callable[..., dict[str, Array]]:
    return lambda _, dout: {"x": dout * kept * dout.dtype.type(scale)}


def scales(p: float) -> Iterator[tuple[float, str]]:
    """Yield what is taken for 1 / p: factors that differ from it and from each other, and what is wrong with each."""
    choices = [
        (1.0, "without its 1 / p"),
        (p, "multiplied by p rather than by 1 / p"),
        (1 / p**2, "divided by p twice"),
    ]
    if p < 1:
        choices += [
            (1 / (1 - p), "divided by 1 - p rather than by p"),
            (1 - p, "multiplied by 1 - p rather than by 1 / p"),
        ]
    seen = [1 / p]
    for scale, words in choices:
        if not np.isclose(scale, seen).any():
            seen.append(scale)
            yield scale, words


def forward_faults(case: DropoutCase, problem: Problem, out: Array, *, plausible: Plausible) -> Iterator[ForwardFault]:
    """Yield outputs with another scale than 1 / p, or whose elements are kept with another probability than p."""
    x = problem.inputs["x"]
    if case.mode == "test":
        for scale, words in ((case.p, "p"), (1 / case.p, "1 / p"), (1 - case.p, "1 - p")):
            if scale not in {0, 1}:
                yield ForwardFault(
                    code="dropout-scale",
                    cause=f"In test mode {{names}} {{be}} x times {words}.",
                    remedy="Return x as it is in test mode: dropout is inverted, training divides by p already.",
                    outputs={"out": x * scale},
                )
        if (out == 0).any():
            kept = out != 0
            yield ForwardFault(
                code="mode-ignored",
                cause="In test mode {names} {have} elements that are dropped, as in training.",
                remedy="Return x as it is in test mode.",
                outputs={"out": np.where(kept, x / case.p, 0)},
            )
        return
    kept = (out != 0) | (x == 0)
    keeps = "Keep an element where `np.random.rand(*x.shape) < p`, and divide by p: p is the probability of keeping."
    for scale, words in [(1 / case.p, ""), *scales(case.p)]:
        outputs = {"out": np.where(kept, x * scale, 0)}
        if plausible(out[x != 0] != 0, case.p):
            if words:
                remedy = "Divide by p, the probability of keeping: then test mode needs no factor."
                cause = f"{{names}} {{be}} x where an element is kept, {words}."
                yield ForwardFault(code="dropout-scale", cause=cause, remedy=remedy, outputs=outputs)
        elif plausible(out[x != 0] != 0, 1 - case.p):
            also = f", {words}" if words else ""
            cause = (
                f"In {{names}} an element is dropped with probability p, where p is the probability of keeping: "
                f"{np.count_nonzero(out)} of {out.size} are kept, at p = {case.p:g}{also}."
            )
            yield ForwardFault(code="drop-probability", cause=cause, remedy=keeps, outputs=outputs)
