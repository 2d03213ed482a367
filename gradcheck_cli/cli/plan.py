"""The plan of a run: which implementations are checked, on which cases, in which order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

import click

from gradcheck_cli.cases.cases import Cases, Listed, Product, Shard
from gradcheck_cli.checks.check import check_case
from gradcheck_cli.cli.request import Request
from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.engine.interrupts import interruptible
from gradcheck_cli.engine.task import Check, Task
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.results.result import CaseResult


@frozen
class Assignment:
    """One implementation and its cases."""

    task: Task
    cases: Cases
    unsharded: Cases  #: the cases before --shard


@frozen
class Plan:
    """What is checked, in this order, and what is known before that."""

    assignments: tuple[Assignment, ...]
    known: tuple[CaseResult, ...] = ()  #: of what was named and cannot be checked

    @property
    def tasks(self) -> list[Task]:
        """The implementations, and how they are checked."""
        return [one.task for one in self.assignments]

    @property
    def count(self) -> int:
        """The number of results."""
        return sum(one.cases.count for one in self.assignments) + len(self.known)

    def homes(self) -> list[str]:
        """The files and modules of the implementations, each once."""
        from gradcheck_cli.implementation.loading.paths import split_spec  # 30 ms

        return list(dict.fromkeys(split_spec(task.spec)[0] for task in self.tasks))

    def upcoming(self) -> Iterator[tuple[str, Case]]:
        """Yield the implementation and the case of each result, in order."""
        yield from ((result.implementation, result.case) for result in self.known)
        yield from ((one.task.spec, case) for one in self.assignments for case in one.cases)


def plan_layer(request: Request, layer: Layer) -> Plan:
    """Plan to check the implementations of one layer.

    Raises:
        click.UsageError: there is no case to run.
    """
    cases = make_cases(request, layer)
    names = request.implementations or (next(iter(layer.builtin)),)
    return make_plan(request, [assign(request, name, layer.name, cases) for name in names])


def assign(request: Request, spec: str, layer: str, cases: Cases) -> Assignment:
    """Assign the cases of its layer, or the part of them that --shard means, to an implementation."""
    check: Check = check_case
    if request.sweep:
        from gradcheck_cli.checks.sweep import sweep_case as check  # not for a check
    sharded = cases
    if request.shard is not None:
        sharded = Shard(cases=cases, number=request.shard[0], of=request.shard[1])
    task = Task(check=check, spec=spec, layer=layer, settings=request.settings, limits=request.limits)
    return Assignment(task=task, cases=sharded, unsharded=cases)


def make_plan(request: Request, assignments: list[Assignment], known: tuple[CaseResult, ...] = ()) -> Plan:
    """Make a plan, without the implementations of which --shard leaves no case.

    Raises:
        click.UsageError: it leaves none of any.
    """
    left = tuple(one for one in assignments if request.shard is None or one.cases.count)
    if assignments and not left and request.shard:
        number, of = request.shard
        count = sum(one.unsharded.count for one in assignments)
        what = f"shard {number}/{of} has none of the {count} cases"
        raise click.UsageError(f"No case to run: {what}; split them into fewer.")
    return Plan(assignments=left, known=known)


def make_cases(request: Request, layer: Layer) -> Cases:
    """Make the cases of a layer: random ones, the product of what is given, or the standard set.

    A sweep is of the default geometry instead of the standard set.

    Raises:
        click.UsageError: no random case of this layer is possible.
    """
    values = {**request.geometry, "dtype": request.dtypes}
    if request.fuzz is not None:
        from gradcheck_cli.cases.fuzz import RandomCases  # only --fuzz needs it

        cases = RandomCases(layer=layer, values=values, seed=request.seed, wanted=request.fuzz)
        with interruptible():
            count = cases.count
        if not count:
            why = "the other flags leave no geometry in which a fault could show; leave some out"
            raise click.UsageError(f"--fuzz: {why}.")
        return cases
    if request.geometry or request.sweep:
        return Product(case=layer.case, values=values, seed=request.seed)
    standard = [replace(case, dtype=dtype, seed=request.seed) for case in layer.standard() for dtype in request.dtypes]
    return Listed(cases=tuple(standard))


def refuse_impossible(request: Request, plan: Plan) -> None:
    """Refuse a single case that is impossible, and a report of one case where there are several.

    Raises:
        click.UsageError: there is such a case, or report.
    """
    if request.layer and plan.assignments[0].cases.count == 1:
        (case,) = plan.assignments[0].cases
        if reason := case.impossible():
            raise click.UsageError(f"Impossible geometry: {reason}.")
    for output, _ in request.outputs:
        if output.one_case and plan.count > 1:
            instead = "give one implementation and one value for each flag"
            raise click.UsageError(f"--{output.name} shows one case, and there are {plan.count}: {instead}.")


def list_cases(request: Request, plan: Plan) -> None:
    """Print the cases, each once, with their layers if none is named, and say which would be skipped."""
    distinct = {id(one.unsharded): one.cases for one in plan.assignments}
    with interruptible():
        for case in chain.from_iterable(distinct.values()):
            reason = case.impossible()
            layer = "" if request.layer else f"{case.layer} "
            click.echo(f"{layer}{case.label()} {case.dtype}" + (f"  (skipped: {reason})" if reason else ""))
