"""Further cases of the same code: a cause that holds in one case may be refuted by another."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.checks.diagnosis.cotangent import replaced_cotangents
from gradcheck_cli.checks.diagnosis.evidence import Evidence
from gradcheck_cli.checks.forward import adopt_output_shape, check_forward
from gradcheck_cli.checks.gradients import along, numeric_inputs
from gradcheck_cli.implementation.implementation import ImplementationError, NotExpressibleError
from gradcheck_cli.implementation.outputs import pack_outputs
from gradcheck_cli.layers.framework.faults import faults_to_try
from gradcheck_cli.layers.framework.words import Choice
from gradcheck_cli.numeric.arrays import epsilon, signed_uniform, working_dtype
from gradcheck_cli.results.result import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gradcheck_cli.checks.diagnosis.evidence import Hypothesis, Prediction
    from gradcheck_cli.checks.settings import Settings
    from gradcheck_cli.implementation.implementation import Implementation
    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.layers.framework.fault import Fault
    from gradcheck_cli.layers.framework.layer import Layer
    from gradcheck_cli.numeric.arrays import Array

#: Elements of all inputs of a further case, at the most. Those of the standard sets have a few hundred.
_LARGEST = 20_000

#: Cases in which a cause is looked for before it is believed, if the first ones tell nothing.
_MOST = 3

#: Sizes that a function's axes are given instead of theirs: no two have a product, a root or a ratio in common.
_SIZES = (5, 7, 11, 13, 17, 19, 23)

#: Two slopes along a direction that are this near to each other are taken for the derivative; it is enough to tell
#: sizes and their roots from each other.
_SLOPE = 1e-3


def usable(array: object, dtype: str) -> bool:
    """Tell whether something returned as a gradient can be held against numbers; of another dtype all is said."""
    if not isinstance(array, np.ndarray | np.generic) or np.asarray(array).dtype.kind != "f":
        return False
    return bool(np.isfinite(array).all() and epsilon(array.dtype) <= epsilon(dtype))


class FurtherCase:
    """The code under test in another case: one call of forward and one of backward, made when they are asked for."""

    def __init__(self, case: Case, layer: Layer, implementation: Implementation, settings: Settings) -> None:
        self.case = case
        self._layer, self._settings = layer, settings
        self._problem = layer.problem(case)
        self._implementation = pack_outputs(implementation, self._problem)
        self._raised: bool | None = None

    @cached_property
    def setting(self) -> Evidence | None:
        """The case without what the code makes of it, if that is known before it is run."""
        return self._evidence({}) if self._problem.reference else self.run

    @cached_property
    def raises(self) -> bool | None:
        """Whether the code raises here; None where it cannot be asked."""
        if self.run is not None:
            return False
        return self._raised

    @cached_property
    def run(self) -> Evidence | None:
        """The case with what backward returned; None where the code raises, or forward is wrong there already."""
        try:
            out, cache = self._implementation.forward(self._problem.inputs, self._problem.parameters)
            out = out.copy() if isinstance(out, np.ndarray) else out
            self._problem = adopt_output_shape(out, self._problem, self.case, self._implementation.order)
            forward = check_forward(out, self._problem, self.case.dtype, self._settings)
            problem = self._problem
            found = self._implementation.backward(problem.cotangent, cache, problem.differentiable)
        except ImplementationError:
            self._raised = True
            return None
        except NotExpressibleError:
            return None
        self._raised = False
        if forward and forward.verdict is not Verdict.PASS:
            return None
        wide = working_dtype(self.case.dtype)
        returned = {n: np.asarray(a).astype(wide) for n, a in found.items() if usable(a, self.case.dtype)}
        return self._evidence(returned)

    def ratio(self, name: str) -> float | None:
        """Return the factor by which a gradient is off here; None where that cannot be told, or it is no multiple."""
        if self.run is None or name not in self.run.returned:
            return None
        if not self._problem.reference:
            return self._slope_ratio(self.run, name)
        ratio = self.run.ratio(name)
        return float(ratio) if ratio is not None and self.run.matches(name, self.run.multiple(name, ratio)) else None

    def _slope_ratio(self, run: Evidence, name: str) -> float | None:
        """Hold a gradient against slopes of forward along three directions."""
        gradient, ratios = run.returned[name], []
        try:
            inputs = numeric_inputs(self._implementation, self._problem)
            if gradient.shape != inputs[name].shape or not gradient.any():
                return None
            function, x = along(self._implementation, self._problem, inputs, name), inputs[name]
            step = 2.0 ** np.round(np.log2(epsilon(x.dtype)) / 3)
            source = random.Random(0)  # noqa: S311  # directions, not secrets
            for direction in (gradient / abs(gradient).max(), *(signed_uniform(source, x.shape) for _ in range(2))):
                fine, coarse = (
                    (run.cotangent * (function(x + h * direction) - function(x - h * direction))).sum() / (2 * h)
                    for h in (step, 2 * step)
                )
                if not abs(fine - coarse) <= _SLOPE * abs(fine):
                    return None
                ratios.append(float((gradient * direction).sum() / fine))
        except ImplementationError:
            return None
        near = max(ratios) - min(ratios) <= 4 * _SLOPE * abs(ratios[0])
        return ratios[0] if near and np.isfinite(ratios).all() else None

    def _evidence(self, returned: Mapping[str, Array]) -> Evidence:
        return Evidence(
            case=self.case,
            layer=self._layer,
            problem=self._problem,
            settings=self._settings,
            returned=returned,
            failing=(),
            derivatives={},
        )


class Further:
    """Further cases: small ones of the layer's standard set; of a function, other shapes.

    They depend on the failing case alone, so that a replay of it says the same.
    """

    def __init__(self, case: Case, layer: Layer, implementation: Implementation, settings: Settings) -> None:
        self._case = case
        self._layer, self._implementation, self._settings = layer, implementation, settings
        self._made: dict[Case, FurtherCase] = {}
        self._faults: dict[Case, dict[tuple[str, str], Fault]] = {}

    def __iter__(self) -> Iterator[FurtherCase]:
        """Go through cases of other sizes; each is made once, however often that is done."""
        for case in self._others():
            yield self._case_of(case)

    @cached_property
    def redrawn(self) -> FurtherCase:
        """The same case with other numbers."""
        return self._case_of(replace(self._case, seed=self._case.seed + 1))

    def faults(self, evidence: Evidence) -> dict[tuple[str, str], Fault]:
        """Return the faults that can be made in a case, by their codes and causes."""
        if evidence.case not in self._faults:
            found = (*faults_to_try(self._layer, evidence.case, evidence.problem), *replaced_cotangents(evidence))
            self._faults[evidence.case] = {(fault.code, fault.cause): fault for fault in reversed(found)}
        return self._faults[evidence.case]

    def refute(self, hypothesis: Hypothesis) -> set[str]:
        """Name the gradients of which a hypothesis does not hold: right in a case where it would make them wrong."""
        return {
            name
            for name, prediction in hypothesis.predictions.items()
            if prediction and self._refuted(name, prediction)
        }

    def _refuted(self, name: str, prediction: Prediction) -> bool:
        asked = 0
        for further in self if self._layer.reference else ():
            setting = further.setting
            if setting is None or name not in setting.problem.differentiable:
                continue
            predicted = prediction(setting)
            if predicted is None or not setting.differs(name, predicted):
                continue
            run = further.run
            if run is not None and name in run.returned:
                if run.matches(name, run.right(name)):
                    return True
                if run.matches(name, predicted):
                    return False
            asked += 1
            if asked == _MOST:
                break
        return False

    def _case_of(self, case: Case) -> FurtherCase:
        if case not in self._made:
            self._made[case] = FurtherCase(case, self._layer, self._implementation, self._settings)
        return self._made[case]

    def _others(self) -> Iterator[Case]:
        if self._layer.reference:
            # In another mode other lines of the code run: what is right there refutes nothing here.
            modes = [parameter.name for parameter in self._case.parameters() if isinstance(parameter, Choice)]
            for case in (*self._layer.standard(), *self._layer.probe_cases):
                other = replace(case, dtype=self._case.dtype, seed=self._case.seed)
                alike = all(getattr(other, mode) == getattr(self._case, mode) for mode in modes)
                if alike and other != self._case and not other.impossible():
                    yield other
            return
        for shape in reshaped(self._case.geometry["shape"]):
            if sum(int(np.prod(sizes)) for sizes in shape.values()) <= _LARGEST:
                changed: dict[str, Any] = {"shape": shape}
                yield replace(self._case, **changed)


def reshaped(shapes: Mapping[str, tuple[int, ...]]) -> Iterator[dict[str, tuple[int, ...]]]:
    """Yield other shapes for the inputs of a function: first with every size changed, equal ones alike; then with one.

    An axis of one element is left as it is: it may be there to be repeated.
    """
    sizes = sorted({size for shape in shapes.values() for size in shape if size > 1})
    unused = [size for size in _SIZES if size not in sizes]
    if not sizes or len(sizes) > len(unused):
        return
    for new in (dict(zip(sizes, unused, strict=False)), {size: 2 * size for size in sizes}):
        yield {name: tuple(new.get(size, size) for size in shape) for name, shape in shapes.items()}
    for name, shape in shapes.items():
        for k, size in enumerate(shape):
            if size > 1:
                yield {**shapes, name: (*shape[:k], unused[0], *shape[k + 1 :])}
