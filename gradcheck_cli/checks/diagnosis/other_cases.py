"""Other cases of the same code: a cause that fits one case may be refuted by another."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from gradcheck_cli.checks.diagnosis.cotangent import replaced_cotangents
from gradcheck_cli.checks.diagnosis.evidence import Evidence, Hypothesis, usable
from gradcheck_cli.checks.differentiation import ForwardFunction, numeric_inputs
from gradcheck_cli.checks.run import CaseRun, RunStoppedError, call_backward, call_forward, make_run
from gradcheck_cli.data.drawing import signed_uniform
from gradcheck_cli.implementation.implementation import ImplementationError, NotExpressibleError
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.fault import Fault
from gradcheck_cli.layers.framework.faults import faults_to_try
from gradcheck_cli.layers.framework.text_parameters import Choice
from gradcheck_cli.numeric.arrays import epsilon
from gradcheck_cli.results.result import Verdict

#: The most elements that the inputs of another case may have. Those of the standard sets have a few hundred.
_LARGEST = 20_000

#: Cases in which a cause is looked for before it is believed, if the first ones tell nothing.
_MOST = 3

#: Sizes that a function's axes are given instead of theirs: no two have a product, a root or a ratio in common.
_SIZES = (5, 7, 11, 13, 17, 19, 23)

#: Two slopes along a direction that are this near to each other are taken for the derivative; it is enough to tell
#: sizes and their roots from each other.
_SLOPE = 1e-3


class OtherCase:
    """The code under test in another case: one call of forward and one of backward, made when they are needed."""

    def __init__(self, run: CaseRun, case: Case) -> None:
        self.case = case
        self._prepared = make_run(case, run.layer, run.implementation, run.settings)
        self._raised: bool | None = None

    @cached_property
    def setting(self) -> Evidence | None:
        """The case before the code is run in it; where no reference states its output, after."""
        return Evidence(run=self._prepared) if self._prepared.problem.reference else self.result

    @property
    def raises(self) -> bool | None:
        """Whether the code raises here; None where it cannot be asked."""
        return False if self.result else self._raised

    @cached_property
    def result(self) -> Evidence | None:
        """The case with what backward returned; None where the code raises, or forward is wrong there already."""
        try:
            run = call_backward(call_forward(self._prepared))
        except RunStoppedError:
            self._raised = True
            return None
        except NotExpressibleError:
            return None
        self._raised = False
        if run.forward and run.forward.verdict is not Verdict.PASS:
            return None
        return Evidence(run=run, returned=usable(run.gradients or {}, run.dtype))

    def ratio(self, name: str) -> float | None:
        """Return the factor by which a gradient is off here; None if that is unknown, or it is no multiple."""
        evidence = self.result
        if evidence is None or name not in evidence.returned:
            return None
        if not evidence.problem.reference:
            return _slope_ratio(evidence, name)
        ratio = evidence.ratio(name)
        fits = ratio is not None and evidence.matches(name, evidence.multiple(name, ratio))
        return float(ratio) if ratio is not None and fits else None


def _slope_ratio(evidence: Evidence, name: str) -> float | None:
    """Return the factor between a gradient and slopes of forward along three directions, if they agree on one."""
    gradient, ratios = evidence.returned[name], []
    try:
        inputs = numeric_inputs(evidence.run)
        x, function = inputs[name], ForwardFunction(evidence.run, inputs, name)
        if gradient.shape != x.shape or not gradient.any():
            return None
        step = 2.0 ** np.round(np.log2(epsilon(x.dtype)) / 3)
        source = random.Random(0)  # noqa: S311  # directions, not secrets
        for direction in (gradient / abs(gradient).max(), *(signed_uniform(source, x.shape) for _ in range(2))):
            fine, coarse = (
                (evidence.cotangent * (function(x + h * direction) - function(x - h * direction))).sum() / (2 * h)
                for h in (step, 2 * step)
            )
            if not abs(fine - coarse) <= _SLOPE * abs(fine):
                return None
            ratios.append(float((gradient * direction).sum() / fine))
    except ImplementationError:
        return None
    near = max(ratios) - min(ratios) <= 4 * _SLOPE * abs(ratios[0])
    return ratios[0] if near and np.isfinite(ratios).all() else None


class OtherCases:
    """Other cases: small ones of the layer's standard set; for a function, other shapes.

    They depend on the failing case alone, so that a replay of it gives the same diagnosis.
    """

    def __init__(self, run: CaseRun) -> None:
        self._run = run
        self._made: dict[Case, OtherCase] = {}

    def __iter__(self) -> Iterator[OtherCase]:
        """Go through cases of other sizes; each is made once, however often that is done."""
        return map(self._case, _standard(self._run) if self._run.layer.reference else _reshaped(self._run.case))

    @cached_property
    def redrawn(self) -> OtherCase:
        """The same case with other numbers."""
        return self._case(replace(self._run.case, seed=self._run.case.seed + 1))

    def nonzero(self, names: frozenset[str]) -> frozenset[str]:
        """Return the gradients that are not zero everywhere in another case."""
        if not names or not self._run.layer.reference:
            return frozenset()
        results = [other.result for other in itertools.islice(self, _MOST)]
        return frozenset(
            n for n in names if any(one and n in one.returned and one.returned[n].any() for one in results)
        )

    def refute(self, hypothesis: Hypothesis) -> frozenset[str]:
        """Return the gradients that are right in another case in which the hypothesis would make them wrong."""
        if hypothesis.predict is None or not self._run.layer.reference:
            return frozenset()
        return frozenset(name for name in hypothesis.names if self._is_refuted(name, hypothesis))

    def _is_refuted(self, name: str, hypothesis: Hypothesis) -> bool:
        asked = 0
        for other in self:
            setting = other.setting
            if setting is None or name not in setting.problem.differentiable:
                continue
            predicted = hypothesis.predict(setting).get(name) if hypothesis.predict else None
            if predicted is None or not setting.differs(name, predicted):
                continue
            result = other.result
            if result is not None and name in result.returned:
                if result.matches(name, result.right(name)):
                    return True
                if result.matches(name, predicted):
                    return False
            asked += 1
            if asked == _MOST:
                break
        # Many faults make zeros in some case; so one is believed only if it fits another case as well.
        return bool(asked) and not np.asarray((self._run.gradients or {}).get(name)).any()

    def _case(self, case: Case) -> OtherCase:
        if case not in self._made:
            self._made[case] = OtherCase(self._run, case)
        return self._made[case]


@lru_cache(maxsize=64)  # the same cases are asked for each failing case, and for each implementation of a course
def faults_in(case: Case, absent: tuple[str, ...]) -> dict[tuple[str, str], Fault]:
    """Return the faults that can be made in a case by code that lacks some inputs, by their codes and causes."""
    layer = LAYERS[case.layer]
    problem = layer.problem_without(case, absent)
    found = (*faults_to_try(layer, case, problem), *replaced_cotangents(layer, problem))
    return {(fault.code, fault.cause): fault for fault in reversed(found)}


def _standard(run: CaseRun) -> Iterator[Case]:
    """Yield small cases of the layer."""
    # In another mode other lines of the code run: what is right there refutes nothing here.
    modes = [parameter.name for parameter in run.case.parameters() if isinstance(parameter, Choice)]
    for case in (*run.layer.standard(), *run.layer.probe_cases):
        other = replace(case, dtype=run.case.dtype, seed=run.case.seed)
        same_mode = all(getattr(other, mode) == getattr(run.case, mode) for mode in modes)
        if same_mode and other != run.case and not other.impossible():
            yield other


def _reshaped(case: Case) -> Iterator[Case]:
    for shapes in other_shapes(case.geometry["shape"]):
        if sum(int(np.prod(sizes)) for sizes in shapes.values()) <= _LARGEST:
            changed: dict[str, Any] = {"shape": shapes}
            yield replace(case, **changed)


def other_shapes(shapes: Mapping[str, tuple[int, ...]]) -> Iterator[dict[str, tuple[int, ...]]]:
    """Yield other shapes for the inputs of a function: first with every size changed (equal ones alike), then with one.

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
