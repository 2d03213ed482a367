"""Faults of dropout: the mask, the division by p, and which of p and 1 - p is the probability."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradcheck_cli.layers.elementwise.dropout import DropoutCase, plausible
from gradcheck_cli.layers.framework.fault import Fault, ForwardFault, Observed
from gradcheck_cli.layers.framework.problem import Problem
from gradcheck_cli.numeric.arrays import Array

_KEEP = "Keep the mask of forward in the cache, and return dout times the mask, divided by p as in forward."


def faults(case: DropoutCase, _: Problem) -> Iterator[Fault]:
    """Yield gradients of elements that were dropped."""
    for what, divisor in (("dout", 1.0), ("dout / p", case.p)) if case.mode == "train" else ():
        cause = f"{{names}} {{have}} no mask: every element is that of {what}."
        yield _masked("mask-ignored", cause, _KEEP, np.ones((), bool), 1 / divisor)


def observed_faults(case: DropoutCase, problem: Problem, observed: Observed) -> Iterator[Fault]:
    """Yield gradients with the mask inverted, drawn again, or scaled otherwise than in forward.

    The mask of forward is read off the derivative, which is zero where an element was dropped and nowhere else: the
    output is zero where x is, too.
    """
    if case.mode != "train" or "x" not in observed.derivatives:
        return
    kept = observed.derivatives["x"] != 0
    remedy = "Multiply dout by what forward multiplied x by: 1 / p where an element is kept, 0 elsewhere."
    for scale, words in wrong_scales(case.p):
        yield _masked("dropout-scale", f"{{names}} {{have}} the mask of forward, but {words}.", remedy, kept, scale)
    if kept.all() or not kept.any():
        return
    inverted = "In {names} the mask is inverted: the gradient goes to the elements that forward dropped"
    remedy = "Use the mask as forward does: it is True, or not 0, where an element is kept."
    for scale, words in [(1 / case.p, ""), *wrong_scales(case.p)]:
        yield _masked("mask-inverted", f"{inverted}{f', {words}' if words else ''}.", remedy, ~kept, scale)
    if "x" not in observed.gradients or observed.gradients["x"].shape != kept.shape:
        return
    for scale in (1 / case.p, 1.0):
        own = abs(observed.gradients["x"]) > abs(problem.cotangent.astype(observed.out.dtype)) * scale / 2
        if plausible(own, case.p) and (own != kept).any() and not own.all():
            cause = "{names} {have} another mask than forward: it is drawn again in backward."
            yield _masked("mask-redrawn", cause, _KEEP, own, scale)


def _masked(code: str, cause: str, remedy: str, kept: Array, scale: float) -> Fault:
    """Make the fault whose dx is dout times a scale where an element is kept."""
    return Fault(code, cause, remedy, lambda _, dout: {"x": dout * kept * dout.dtype.type(scale)})


def wrong_scales(p: float) -> Iterator[tuple[float, str]]:
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


def forward_faults(case: DropoutCase, problem: Problem, out: Array) -> Iterator[ForwardFault]:
    """Yield outputs with another scale than 1 / p, or whose elements are kept with another probability than p."""
    rows = _in_test_mode if case.mode == "test" else _in_training
    for code, cause, remedy, output in rows(case.p, problem.inputs["x"], out):
        yield ForwardFault(code, cause, remedy, {"out": output})


def _in_test_mode(p: float, x: Array, out: Array) -> Iterator[tuple[str, str, str, Array]]:
    remedy = "Return x as it is in test mode: dropout is inverted, training divides by p already."
    for scale, words in ((p, "p"), (1 / p, "1 / p"), (1 - p, "1 - p")):
        if scale not in {0, 1}:
            yield "dropout-scale", f"In test mode {{names}} {{be}} x times {words}.", remedy, x * scale
    if (out == 0).any():
        dropped = "In test mode {names} {have} elements that are dropped, as in training."
        yield "mode-ignored", dropped, "Return x as it is in test mode.", np.where(out != 0, x / p, 0)


def _in_training(p: float, x: Array, out: Array) -> Iterator[tuple[str, str, str, Array]]:
    kept = (out != 0) | (x == 0)
    for scale, words in [(1 / p, ""), *wrong_scales(p)]:
        output = np.where(kept, x * scale, 0)
        if plausible(out[x != 0] != 0, p):
            if words:
                remedy = "Divide by p, the probability of keeping: then test mode needs no factor."
                yield "dropout-scale", f"{{names}} {{be}} x where an element is kept, {words}.", remedy, output
        elif plausible(out[x != 0] != 0, 1 - p):
            also = f", {words}" if words else ""
            cause = (
                "In {names} an element is dropped with probability p, where p is the probability of keeping: "
                f"{np.count_nonzero(out)} of {out.size} are kept, at p = {p:g}{also}."
            )
            remedy = "Keep an element where `np.random.rand(*x.shape) < p`, and divide by p: p is that of keeping."
            yield "drop-probability", cause, remedy, output
