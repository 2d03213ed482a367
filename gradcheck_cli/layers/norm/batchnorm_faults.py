"""What people get wrong in batch normalization, spatial or not: its gradients, its output, its running statistics."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.layers.framework.fault import Fault, ForwardFault
from gradcheck_cli.layers.framework.reshapes import mistaken
from gradcheck_cli.layers.norm import normalization_faults
from gradcheck_cli.layers.norm.normalization import batch_mean, by_feature
from gradcheck_cli.layers.norm.normalization_faults import Normalization, deviations, gamma_sums, scaled_outputs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array


def batch_faults(case: Case, problem: Problem) -> Iterable[Fault]:
    """List what people get wrong in backward, in the mode of the case."""
    if case.geometry["mode"] == "train":
        norm = _normalization(case, problem)
        return normalization_faults.faults(norm)
    return _of_constants(case, problem)


def batch_forward_faults(case: Case, problem: Problem, _out: Array) -> Iterator[ForwardFault]:
    """Yield what people get wrong in forward: its output, and the running statistics that it leaves."""
    norm, x = _normalization(case, problem), problem.inputs["x"]
    if case.geometry["mode"] == "train":
        yield from normalization_faults.forward_faults(norm, problem.inputs)
        yield from _running(norm, problem, x)
        yield from _mistaken_images(norm, problem)
        return
    yield from _mistaken_images(norm, problem)
    constants = _constants(problem, x)
    yield from scaled_outputs(norm, problem.inputs, *constants)
    gamma, beta = (by_feature(problem.inputs[name], x) for name in ("gamma", "beta"))
    centred, variance = norm.moments(x)
    yield ForwardFault(
        code="mode-ignored",
        cause="In test mode {names} {be} normalized by the mean and variance of the batch.",
        remedy="In test mode use running_mean and running_var.",
        outputs={"out": gamma * centred / np.sqrt(variance + norm.eps) + beta},
    )
    old, found = _statistics(problem, x)
    momentum = case.geometry["momentum"]
    yield ForwardFault(
        code="running-statistics",
        cause="In test mode {names} {be} updated by the batch.",
        remedy="Update the running statistics in train mode only.",
        outputs={name: momentum * old[name] + (1 - momentum) * found[name] for name in old},
    )


def _normalization(case: Case, problem: Problem) -> Normalization:
    x, axes = problem.inputs["x"], problem.axes["x"]
    spatial = x.ndim > 2
    others = [("all elements", tuple(range(x.ndim)))]
    if spatial:
        others += [("the samples alone", (0,)), ("the rows and columns alone", (2, 3))]
    others.append(("the features of a sample", tuple(range(1, x.ndim))))
    return Normalization(
        mean=batch_mean,
        eps=case.geometry["eps"],
        size=" ".join(axis.size for axis in (axes[0], *axes[2:])),
        count=x.size // x.shape[1],
        over="the samples, rows and columns" if spatial else "the samples",
        spread=by_feature,
        summed=lambda terms: terms.sum(axis=(0, *range(2, terms.ndim))),
        dout=lambda cotangent: problem.parts(cotangent)["out"],
        others=tuple((words, partial(_mean_over, over)) for words, over in others),
    )


def _mean_over(axes: tuple[int, ...], x: Array) -> Array:
    return np.asarray(x.mean(axis=axes, keepdims=True))


def _mistaken_images(norm: Normalization, problem: Problem) -> Iterator[ForwardFault]:
    """Yield what is computed of images that are reshaped to rows of features without a transpose."""
    x, axes = problem.inputs["x"], problem.axes["x"]
    if x.ndim < 4:
        return
    own, gamma, beta = (0, 1, 2, 3), *(by_feature(problem.inputs[name], x) for name in ("gamma", "beta"))
    given: dict[str, Any] = dict(problem.parameters or {})
    momentum, trains = float(given["momentum"]), given["mode"] == "train"
    for order in ((0, 2, 3, 1), (1, 0, 2, 3)):
        taken = mistaken(x, own, order)
        centred, variance = norm.moments(taken) if trains else _constants(problem, taken)
        out = gamma * centred / np.sqrt(variance + norm.eps) + beta
        old, found = _statistics(problem, taken)
        running = {name: momentum * old[name] + (1 - momentum) * found[name] for name in old if trains}
        for returned in (out, mistaken(out, order, own)):
            yield ForwardFault(
                code="reshaped-not-transposed",
                cause=f"In {{names}} x is reshaped as if its axes were ({', '.join(axes[k].size for k in order)}), "
                "without a transpose.",
                remedy=f"Reshape `x.transpose({', '.join(map(str, order))})`: a reshape keeps the order in memory.",
                outputs={"out": returned, **running},
            )


def _constants(problem: Problem, x: Array) -> tuple[Array, Array]:
    """Return x - running_mean, and running_var laid along x."""
    given = dict(problem.parameters or {})
    mean, variance = (by_feature(np.asarray(given[f"running_{name}"], x.dtype), x) for name in ("mean", "var"))
    return x - mean, variance


def _of_constants(case: Case, problem: Problem) -> Iterator[Fault]:
    """Yield slips in test mode: terms of train mode, with z as forward had it or with that of the batch; and others."""
    norm = _normalization(case, problem)
    remedy = "In test mode mean and variance are constants: return gamma dout / sqrt(running_var + eps)."

    def in_training(inputs: Mapping[str, Array], cotangent: Array, *, of_batch: bool) -> Mapping[str, Array]:
        x, dout = inputs["x"], norm.dout(cotangent)
        centred, variance = norm.moments(x) if of_batch else _constants(problem, x)
        s = np.sqrt(variance + norm.eps)
        g, z = dout * by_feature(inputs["gamma"], x), centred / s
        return {"x": (g - norm.mean(g) - z * norm.mean(g * z)) / s, "gamma": norm.summed(dout * z)}

    for of_batch in (False, True):
        yield Fault(
            code="mode-ignored",
            cause="In {names} mean and variance are taken for the batch's, where in test mode they are constants.",
            remedy=remedy,
            gradients=partial(in_training, of_batch=of_batch),
        )

    def wrong(code: str, what: str, root: int | None, power: float = 1.0, *, gamma: bool = True) -> Fault:
        def gradients(inputs: Mapping[str, Array], cotangent: Array) -> Mapping[str, Array]:
            x, dout = inputs["x"], norm.dout(cotangent)
            centred, variance = _constants(problem, x)
            s = np.sqrt(variance + norm.eps) if root is None else [*deviations(variance, norm.eps)][root][2]
            found = {"x": dout * (by_feature(inputs["gamma"], x) if gamma else 1) / s**power}
            return found if root is None else {**found, "gamma": norm.summed(dout * centred / s)}

        return Fault(code=code, cause=f"In {{names}} {what}.", remedy=remedy, gradients=gradients)

    yield wrong("gamma-missing", "gamma is missing", None, gamma=False)
    yield wrong("scale-missing", "the division by s is missing", None, 0.0)
    for k, (code, what, _) in enumerate(deviations(np.ones(1), norm.eps)):
        yield wrong(code, what, k)
    yield from gamma_sums(norm, partial(_constants, problem))


def _statistics(problem: Problem, x: Array) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return the running statistics as they were given, and those of the batch, by name."""
    given = dict(problem.parameters or {})
    mean, variance = batch_mean(x), batch_mean((x - batch_mean(x)) ** 2)
    old = {name: np.asarray(given[name], x.dtype) for name in ("running_mean", "running_var")}
    return old, {"running_mean": mean.reshape(-1), "running_var": variance.reshape(-1)}


def _running(norm: Normalization, problem: Problem, x: Array) -> Iterator[ForwardFault]:
    """Yield updates of the running statistics, each other than momentum * old + (1 - momentum) * the batch's."""
    old, found = _statistics(problem, x)
    momentum = float(dict(problem.parameters or {})["momentum"])  # type: ignore[arg-type]

    def blended(keep: float, add: float, batch: Mapping[str, Array] = found) -> dict[str, Array]:
        return {name: keep * old[name] + add * batch[name] for name in batch}

    def wrong(what: str, outputs: dict[str, Array]) -> ForwardFault:
        return ForwardFault(
            code="running-statistics",
            cause=f"{{names}} {{be}} {what}.",
            remedy="Take momentum * old + (1 - momentum) * the batch's mean, or variance (divided by N, without eps).",
            outputs=outputs,
        )

    exchanged = "updated with momentum and 1 - momentum exchanged"
    if momentum in {0, 1}:  # where one is all there is, several mistakes come to the same
        said = {0: f"left as given: not updated, or {exchanged}", 1: f"replaced by the batch's, or {exchanged}"}
        yield wrong(said[int(momentum)], blended(1 - momentum, momentum))
    else:
        yield wrong(exchanged, blended(1 - momentum, momentum))
        yield wrong("left as given: not updated", blended(1, 0))
        yield wrong("replaced by the batch's", blended(0, 1))
        yield wrong("computed as if they had been zero before", blended(0, 1 - momentum))
        yield wrong("multiplied by momentum, with all of the batch's added", blended(momentum, 1))
    variance = found["running_var"]
    choices = {
        "updated by the variance with eps added": variance + norm.eps,
        "updated by the standard deviation, and not by the variance": np.sqrt(variance),
        "updated by sqrt(var + eps), and not by the variance": np.sqrt(variance + norm.eps),
    }
    if norm.count > 1:
        unbiased = f"updated by a variance divided by {norm.size} - 1, as PyTorch does, and not by {norm.size}"
        choices[unbiased] = variance * norm.count / (norm.count - 1)
    for what, batch in choices.items():
        yield wrong(what, blended(momentum, 1 - momentum, {"running_var": batch}))
