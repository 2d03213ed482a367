"""One case of one implementation: what it is given, and what one call of forward and one of backward returned."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.checks.form import Subject
from gradcheck_cli.checks.forward import adopt_output_shape, compare_output, unusable_output
from gradcheck_cli.checks.precision import kernel_dtype
from gradcheck_cli.checks.settings import Settings
from gradcheck_cli.data.frozen import frozen, replace
from gradcheck_cli.implementation.calling import watch_arguments
from gradcheck_cli.implementation.implementation import (
    NO_BACKWARD,
    BackwardStep,
    ForwardStep,
    Implementation,
    ImplementationError,
    NotExpressibleError,
)
from gradcheck_cli.implementation.outputs import is_empty, join_outputs, pack_outputs
from gradcheck_cli.implementation.seeding import depends_on_draws
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.problem import Problem
from gradcheck_cli.numeric.arrays import Array
from gradcheck_cli.results.result import ArrayResult, Verdict

if TYPE_CHECKING:
    from gradcheck_cli.checks.other_calls import OtherCalls
    from gradcheck_cli.implementation.implementation import Step
    from gradcheck_cli.layers.framework.layer import Layer


@frozen
class CaseRun:
    """One case of one implementation. What was returned is filled in by `call_passes`."""

    case: Case
    layer: Layer
    implementation: Implementation  #: as its author wrote it
    settings: Settings
    problem: Problem
    others: OtherCalls | None = None  #: the calls after the first ones, if these are expected in another process
    out: object = None  #: what forward returned
    cache: object = None
    forward: ArrayResult | None = None  #: `out` compared with the reference; None without a reference
    gradients: Mapping[str, object] | None = None  #: what backward returned, by input; None where none is expected
    overwritten: tuple[str, ...] = ()  #: the inputs and cotangents that were modified in place
    seeded: bool = False  #: whether the output depends on numbers drawn from the seeded global generators
    narrower_dtype: str | None = None  #: the dtype that forward computes in, if it is narrower than the case's
    error: ImplementationError | None = None  #: why the run was stopped

    @property
    def dtype(self) -> str:
        """The dtype under test."""
        return self.case.dtype

    @property
    def is_built_in(self) -> bool:
        """Whether it is our own code, in this process."""
        return self.implementation.name in self.layer.builtin and self.implementation.expect is None

    @property
    def output_fails(self) -> bool:
        """Whether an output is wrong; state alone leaves the function that is differentiated as it should be."""
        forward = self.forward
        return bool(forward and forward.verdict is Verdict.FAIL and forward.name not in self.problem.state)

    @cached_property
    def calls(self) -> Implementation:
        """The implementation with several outputs, and their cotangents, as one array."""
        return pack_outputs(self.implementation, self.problem)

    @cached_property
    def subjects(self) -> dict[str, Subject]:
        """The gradients under test, by input."""
        return {
            name: Subject(
                name=f"d{name}",
                array=(self.gradients or {}).get(name),
                dtype=self.dtype,
                shape=self.problem.inputs[name].shape,
                axes=self.problem.axes[name],
            )
            for name in self.problem.differentiable
        }

    @cached_property
    def reference_errors(self) -> Callable[[str], dict[str, Array]]:
        """From a dtype to how far off the reference's gradients are in it, by input, which is measured once."""
        from gradcheck_cli.checks.reference_errors import reference_errors  # only where something is wrong

        return cache(partial(reference_errors, self.problem, self.layer))


class RunStoppedError(Exception):
    """A run that cannot be checked: user code raised, or computes in a narrower dtype. `run` says which."""

    def __init__(self, run: CaseRun) -> None:
        super().__init__(str(run.error))
        self.run = run


def make_run(case: Case, layer: Layer, implementation: Implementation, settings: Settings) -> CaseRun:
    """Make the problem that a case poses to an implementation, of which nothing has been called yet."""
    problem = layer.problem_without(case, implementation.absent)
    problem = implementation.given(problem) if implementation.given else problem
    return CaseRun(case=case, layer=layer, implementation=implementation, settings=settings, problem=problem)


def call_passes(prepared: CaseRun) -> CaseRun:
    """Call forward and backward once.

    Raises:
        RunStoppedError: one of them raised, or forward computes in a narrower dtype: by the standards of the dtype
            under test everything would be wrong.
        NotExpressibleError: the implementation cannot be asked for this case.
    """
    with watch_arguments() as watch:
        called = call_forward(prepared)
        _stop_if_narrower(called, {})
        left = called.implementation.left_by_forward(called.cache)
        if left is NO_BACKWARD or (called.problem.cache_optional and is_empty(left)):
            finished = called
        else:
            finished = call_backward(called)
            _stop_if_narrower(finished, finished.gradients or {})
    given = {**called.problem.inputs, **_cotangents(called.problem, called.implementation.cotangents)}
    return replace(finished, overwritten=watch.changed(given))


def first_steps(prepared: CaseRun, place: int = 0, *, watched: bool = True) -> list[Step]:
    """Return the first calls of forward and backward, of which that of forward has a place among all expected ones."""
    problem = prepared.problem
    return [
        ForwardStep(problem.inputs, problem.parameters, watched=watched),
        BackwardStep(problem.cotangent, place, problem.differentiable, watched=watched),
    ]


def call_forward(prepared: CaseRun) -> CaseRun:
    """Call forward, and compare its output with the reference.

    Raises:
        RunStoppedError: it raised, or returned something that cannot be differentiated.
        NotExpressibleError: see `call_passes`.
    """
    problem = prepared.problem
    try:
        returned, cache = prepared.calls.forward(problem.inputs, problem.parameters)
    except ImplementationError as error:
        if problem.skip_reason and _takes_another(prepared):
            raise NotExpressibleError(problem.skip_reason) from error
        raise RunStoppedError(replace(prepared, error=error)) from error
    out = returned.copy() if isinstance(returned, np.ndarray) else returned  # later calls may reuse the buffer
    if not problem.reference and (reason := unusable_output(out)):
        raise RunStoppedError(replace(prepared, out=out, error=ImplementationError(reason)))
    seeded = not problem.reference and depends_on_draws(prepared.implementation, problem, out)
    adopted = adopt_output_shape(out, problem, prepared.case, prepared.implementation)
    out = join_outputs(out, adopted) if adopted.outputs and not problem.outputs else out
    forward = compare_output(out, adopted, prepared.case.dtype, prepared.settings)
    if problem.meaning_open and forward and forward.verdict is Verdict.FAIL:
        raise NotExpressibleError(problem.skip_reason)
    return replace(prepared, problem=adopted, out=out, cache=cache, forward=forward, seeded=seeded)


def _takes_another(run: CaseRun) -> bool:
    """Tell whether forward takes the case on which readings are tried: what raises there too raises for any shape."""
    case = replace(run.layer.probe_cases[0], dtype=run.dtype)
    problem = run.layer.problem_without(case, run.implementation.absent)
    try:
        run.implementation.forward(problem.inputs, problem.parameters)
    except (ImplementationError, NotExpressibleError):
        return False
    return True


def call_backward(called: CaseRun) -> CaseRun:
    """Call backward with the cache of forward.

    Raises:
        RunStoppedError: it raised.
        NotExpressibleError: see `call_passes`.
    """
    problem = called.problem
    try:
        gradients = called.calls.backward(problem.cotangent, called.cache, problem.differentiable)
    except ImplementationError as error:
        if problem.meaning_open:
            raise NotExpressibleError(problem.skip_reason) from error
        raise RunStoppedError(replace(called, error=error)) from error
    return replace(called, gradients=gradients)


def _stop_if_narrower(run: CaseRun, gradients: Mapping[str, object]) -> None:
    if narrower := kernel_dtype(run.out, gradients, run.dtype):
        raise RunStoppedError(replace(run, narrower_dtype=narrower))


def _cotangents(problem: Problem, names: tuple[str, ...]) -> dict[str, Array]:
    """Return the cotangent of each output, by the name that backward has for it, or else by the output's."""
    parts = [*problem.parts(problem.cotangent).items()][: problem.cotangents]
    called = names if len(names) == len(parts) else [f"d{name}" for name, _ in parts]
    return {name: part for name, (_, part) in zip(called, parts, strict=True)}


@contextlib.contextmanager
def called(when: str, hint: str = "") -> Iterator[None]:
    """Say in an error of user code in which of several calls it was raised."""
    try:
        yield
    except ImplementationError as error:
        raise ImplementationError(f"called {when}, {error}{hint}", error.traceback, error.frame) from error
    except BaseException as death:  # of the process of user code
        if not hasattr(death, "__notes__"):
            death.add_note(f" when it was called {when}")
        raise
