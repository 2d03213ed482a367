"""What a run is to do: works with their cases, of one layer that is named or of all that files have."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from gradcheck_cli.checks.check import check_case
from gradcheck_cli.cli.cases import make_cases, part
from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.engine.interrupts import interruptible
from gradcheck_cli.engine.runner import Work
from gradcheck_cli.engine.sanitize import sanitized
from gradcheck_cli.implementation.implementation import ImplementationNotFoundError
from gradcheck_cli.layers import LAYERS, TITLES
from gradcheck_cli.layers.framework.case import NoCase
from gradcheck_cli.results.result import CaseResult, Verdict
from gradcheck_cli.text.clean import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gradcheck_cli.cases.cases import Cases
    from gradcheck_cli.checks.settings import Settings
    from gradcheck_cli.engine.blame import Blame
    from gradcheck_cli.engine.runner import Check
    from gradcheck_cli.engine.survey import Survey
    from gradcheck_cli.guard.limits import Limits
    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.layers.framework.layer import Layer


@frozen
class Asked:
    """What the flags that all layers share say of each work."""

    sweep: bool
    settings: Settings
    limits: Limits
    dtypes: tuple[str, ...]
    seed: int
    fuzz: int | None
    shard: tuple[int, int] | None


@frozen
class Part:
    """One implementation and its cases."""

    work: Work
    drawn: Cases  #: all of them
    cases: Cases  #: those that --shard leaves


@frozen
class Plan:
    """What is to be done, in this order, and what is known before that."""

    parts: tuple[Part, ...]
    known: tuple[CaseResult, ...] = ()  #: of what was named and cannot be checked

    @property
    def works(self) -> list[Work]:
        """What is to be done."""
        return [one.work for one in self.parts]

    @property
    def count(self) -> int:
        """How many cases there are, of what is known one each."""
        return sum(one.cases.count for one in self.parts) + len(self.known)

    def upcoming(self) -> Iterator[tuple[str, Case]]:
        """Go through all cases, with whose they are."""
        yield from ((result.implementation, result.case) for result in self.known)
        yield from ((one.work.spec, case) for one in self.parts for case in one.cases)


def plan_layer(layer: Layer, names: tuple[str, ...], geometry: Mapping[str, tuple[Any, ...]], asked: Asked) -> Plan:
    """Plan to check implementations of one layer.

    Raises:
        click.UsageError: there is no case to run.
    """
    drawn = make_cases(layer, geometry, asked.dtypes, asked.seed, alone=asked.sweep, fuzz=asked.fuzz)
    cases = part(drawn, asked.shard)
    names = names or (next(iter(layer.builtin)),)
    return _planned([Part(work=_work(name, layer.name, asked), drawn=drawn, cases=cases) for name in names], (), asked)


def plan_files(specs: tuple[str, ...], asked: Asked, *, quiet: bool, verbose: bool) -> Plan:
    """Plan to check all that files, folders and modules have, each on the standard set of its layer.

    Raises:
        click.UsageError: there is nothing in the only one, or it cannot be imported. Of several that is a result.
    """
    from gradcheck_cli.engine.survey import survey  # only where no layer is named
    from gradcheck_cli.implementation.loading.load import NothingToCheckError

    parts: list[Part] = []
    known: list[CaseResult] = []
    empty: list[str] = []  # what is said of files of a folder that have nothing
    cases: dict[str, tuple[Cases, Cases]] = {}  # of each layer, those that are drawn and those that --shard leaves
    if layers := [spec for spec in specs if spec in TITLES]:
        raise click.UsageError(f"{layers[0]} is a layer, and comes first: gradcheck {layers[0]} FILE.py")
    files = _files_of(specs, quiet=quiet)
    for file in files:
        try:
            with interruptible():
                found = survey(file, asked.limits)
        except KeyboardInterrupt:  # the run will end before its first case, and report what is known
            break
        except ImplementationNotFoundError as error:
            if len(files) == 1:
                raise click.UsageError(str(error)) from error
            if isinstance(error, NothingToCheckError) and file not in specs:  # nobody said that it has something
                empty.append(str(error))
                continue
            known.append(_known(file, "", Verdict.ERROR, str(error), asked))
            continue
        _remark(file, found, quiet=quiet, verbose=verbose)
        for spec, layer in found.layers.items():
            if layer not in cases:
                drawn = make_cases(LAYERS[layer], {}, asked.dtypes, asked.seed, alone=False, fuzz=asked.fuzz)
                cases[layer] = drawn, part(drawn, asked.shard)
            parts.append(Part(work=_work(spec, layer, asked), drawn=cases[layer][0], cases=cases[layer][1]))
        misfits = found.misfits.items()
        known += [_known(spec, one.layer, Verdict.SKIP, one.reason or "", asked) for spec, one in misfits]
        known += [_error(spec, one, asked) for spec, one in found.errors.items()]
    if empty and not parts and not known:
        raise click.UsageError(clean(f"{', '.join(specs)} has nothing that can be checked: {empty[0]}"))
    for line in empty if not quiet else ():
        click.echo(clean(line), err=True)
    return _planned(parts, tuple(known), asked)


def _files_of(specs: tuple[str, ...], *, quiet: bool) -> list[str]:
    """List the files to search, those of folders too, and say on stderr which of these are left out.

    Raises:
        click.UsageError: there are none.
    """
    from gradcheck_cli.implementation.finding.survey import files_in, left_out_of, unsearched

    files = list(dict.fromkeys(file for spec in specs for file in files_in(spec)))
    below = {spec: pattern for spec in specs if (pattern := unsearched(spec, files))}
    notes = {spec: note for spec in specs if (note := left_out_of(spec))}
    if not files:
        whose = "its" if len(specs) == 1 else "their"
        instead = f"{whose} folders are not searched: name them, {' '.join(below.values())}"
        why = f"{', '.join(specs)} has no file that speaks of a layer"
        left_out = f"; not searched: {'; '.join(notes.values())}" if notes else ""
        raise click.UsageError(clean(f"{why}{left_out}; {instead if below else 'name one, FILE.py'}."))
    for folder, note in notes.items() if not quiet else ():
        click.echo(clean(f"{folder}: not searched: {note}"), err=True)
    for folder, pattern in below.items() if not quiet else ():
        click.echo(clean(f"{folder}: its folders are not searched: name them, {pattern}"), err=True)
    return files


def list_cases(plan: Plan, *, layers: bool) -> int:
    """Show the cases, each once, and which of them would be skipped; on request with their layers."""
    once = {id(one.cases): one.cases for one in plan.parts}
    with interruptible():
        for case in itertools.chain.from_iterable(once.values()):
            reason = case.impossible()
            said = f"{case.label()} {case.dtype}" + (f"  (skipped: {reason})" if reason else "")
            click.echo(f"{case.layer} {said}" if layers else said)
    return 0


def _work(spec: str, layer: str, asked: Asked) -> Work:
    check: Check = check_case
    if asked.sweep:
        from gradcheck_cli.checks.sweep import sweep_case as check  # only --step-sweep needs it
    return Work(check=check, spec=spec, layer=layer, settings=asked.settings, limits=asked.limits)


def _planned(parts: list[Part], known: tuple[CaseResult, ...], asked: Asked) -> Plan:
    """Leave out that of which --shard leaves no cases."""
    left = tuple(one for one in parts if asked.shard is None or one.cases.count)
    if parts and not left and asked.shard:
        number, of = asked.shard
        what = f"shard {number}/{of} has none of the {sum(one.drawn.count for one in parts)} cases"
        raise click.UsageError(f"No case to run: {what}; split them into fewer.")
    return Plan(parts=left, known=known)


def _known(name: str, layer: str, verdict: Verdict, reason: str, asked: Asked) -> CaseResult:
    case = NoCase(dtype=asked.dtypes[0], seed=asked.seed)
    return sanitized(CaseResult(implementation=name, layer=layer, case=case, verdict=verdict, reason=reason))


def _error(name: str, blamed: Blame, asked: Asked) -> CaseResult:
    known = _known(name, "", Verdict.ERROR, blamed.reason, asked)
    return replace(known, traceback=blamed.traceback, bug=blamed.bug)


def _remark(file: str, found: Survey, *, quiet: bool, verbose: bool) -> None:
    """Say on stderr what is not checked, and on request what the file printed."""
    from gradcheck_cli.implementation.finding.folder import shortened

    if found.printed and verbose:
        click.echo(f"{clean(file)} printed, while it was loaded:\n{found.printed}", err=True)
    if found.others and not quiet:
        hint = f"; {found.command}" if found.command else ""
        click.echo(clean(f"{file}: not checked: {shortened(found.others)} (no known layer){hint}"), err=True)
