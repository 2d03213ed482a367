"""What files, folders and modules have to check, where no layer is named."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gradcheck_cli.cases.cases import Cases, Listed
from gradcheck_cli.cli.plan import Assignment, Plan, assign, make_cases, make_plan
from gradcheck_cli.cli.progress import SearchLine
from gradcheck_cli.cli.request import Request
from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.engine.checker import Checker
from gradcheck_cli.engine.interrupts import interruptible
from gradcheck_cli.engine.sanitize import sanitize
from gradcheck_cli.engine.survey import Survey
from gradcheck_cli.guard.state import current_folder
from gradcheck_cli.implementation.finding.examine import Examined
from gradcheck_cli.implementation.finding.folder import pattern_below, shorten, with_passes
from gradcheck_cli.implementation.finding.names import pairs_between
from gradcheck_cli.implementation.implementation import ImplementationNotFoundError
from gradcheck_cli.implementation.loading.load import NothingToCheckError
from gradcheck_cli.implementation.loading.paths import is_folder, join_homes, shown_home
from gradcheck_cli.layers import LAYERS, TITLES
from gradcheck_cli.layers.framework.case import Case, NoCase
from gradcheck_cli.results.result import CaseResult, Place, Verdict
from gradcheck_cli.text.clean import clean
from gradcheck_cli.text.names import join_names

if TYPE_CHECKING:
    from gradcheck_cli.cli.origin import Sources
    from gradcheck_cli.cli.since import Since


def plan_files(request: Request, checker: Checker, sources: Sources | None = None, since: Since | None = None) -> Plan:
    """Plan to check all that is found, each on the standard set of its layer. Files are loaded to find it.

    Args:
        request: what is asked.
        checker: looks through the files.
        sources: takes the fingerprint of each file before it is loaded, if a report tells it.
        since: has the results of files that need not be looked through again.

    Raises:
        click.UsageError: there is nothing in the only file, or it cannot be imported. Of several that is a result.
    """
    specs = request.implementations
    if layers := [spec for spec in specs if spec in TITLES]:
        raise click.UsageError(f"{layers[0]} is a layer, and comes first: gradcheck {layers[0]} FILE.py")
    found: dict[str, Survey | ImplementationNotFoundError] = {}
    known: list[CaseResult] = []
    files = _list_files(request)
    search = SearchLine(sys.stderr, len(files))
    for file in files:
        kept = _earlier_results(file, sources, since)
        try:
            with search.showing(file), interruptible():
                found[file] = _survey_of(kept) if kept else checker.survey(file, request.limits)
        except KeyboardInterrupt:  # the run ends before its first case, and reports what is known
            break
        except ImplementationNotFoundError as error:
            if len(files) == 1:
                raise click.UsageError(str(error)) from error
            found[file] = error
        known += [one for one in kept if not one.ran]
    halves = _Halves.between({file: getattr(one, "loose", ()) for file, one in found.items()})
    for spec in halves.joined:
        with interruptible():
            found[spec] = checker.survey(spec, request.limits)
    assignments = _assign_all(request, [one for one in found.values() if isinstance(one, Survey)])
    empty: list[str] = []  # for each file of a folder that has nothing, why
    helpers = _helpers(found)
    for file, one in found.items():
        if isinstance(one, Survey):
            _show_rest(request, file, one, halves)
            known += _unchecked(request, file, one, halves)
        elif file in helpers:
            _remark(request, f"{file}: has nothing to check; the files beside it import it")
        elif isinstance(one, NothingToCheckError) and file not in specs:  # it was not named
            empty += [] if halves.are_of(file) else [str(one)]
        elif not halves.are_of(file):
            known.append(_result(request, file, "", Verdict.ERROR, str(one), _place(one, file)))
    if empty and not assignments and not known:
        raise click.UsageError(clean(f"{', '.join(specs)} has nothing that can be checked: {empty[0]}"))
    _remark(request, *empty)
    return make_plan(request, assignments, tuple(known))


def _helpers(found: Mapping[str, Survey | ImplementationNotFoundError]) -> set[str]:
    """Return the files without a layer that others beside them import, such as one of a base class; and `__init__.py`.

    That somebody's submission has none is an error.
    """
    without = {Path(file): file for file, one in found.items() if isinstance(one, NothingToCheckError)}
    folders = {file.parent for file in without}
    beside = [Path(file) for file in found if Path(file) not in without and Path(file).parent in folders]
    if not beside:
        return set()
    from gradcheck_cli.implementation.loading.imports import words_imported  # only here

    imported = {(file.parent, word) for file in beside for word in ("__init__", *words_imported(file))}
    return {name for file, name in without.items() if (file.parent, file.stem) in imported}


def _assign_all(request: Request, surveys: Iterable[Survey]) -> list[Assignment]:
    assignments: list[Assignment] = []
    cases: dict[tuple[str, str], Cases] = {}  # of each layer, in the dtype that code says
    for found in surveys:
        for spec, one in found.examined.items():
            if one.reason:
                continue
            asked, key = _in_dtype(request, one.dtype), (one.layer, one.dtype)
            if one.cases:
                assignments.append(assign(asked, spec, one.layer, _function_cases(asked, one.cases)))
                continue
            if key not in cases:
                cases[key] = make_cases(asked, LAYERS[one.layer])
            assignments.append(assign(asked, spec, one.layer, cases[key]))
    return assignments


def _in_dtype(request: Request, own: str) -> Request:
    """Return the request in the dtype that code computes in by what it says, where no other was asked for."""
    return replace(request, dtypes=(own,)) if own and request.dtypes == type(request).dtypes else request


@frozen
class _Halves:
    """Forward and backward passes that are in two files."""

    joined: tuple[str, ...]  #: what to type for each pair
    paired: Mapping[str, str]  #: of each function by `FILE.py:name`, why it is no half that is left, or which to name

    @classmethod
    def between(cls, loose: Mapping[str, Iterable[str]]) -> _Halves:
        """Find them among the functions that are in no pair of their own file."""
        joined: list[str] = []
        paired: dict[str, str] = {}
        for names, where in pairs_between(loose):
            if all(len(files) == 1 for files in where):
                joined.append(f"{join_homes(files[0] for files in where)}:{','.join(names)}")
            places = [join_names(files) for files in where]
            several = f"{names[0]} is in {places[0]}, and {names[1]} in {places[1]}; name what belongs together: "
            several += f"gradcheck {join_homes(files[0] for files in where)}"
            told = "" if all(len(files) == 1 for files in where) else several
            paired |= {f"{file}:{name}": told for name, files in zip(names, where, strict=True) for file in files}
        return cls(joined=tuple(joined), paired=paired)

    def are_of(self, file: str) -> bool:
        """Tell whether one is in a file."""
        return any(spec.startswith(f"{file}:") for spec in self.paired)


def _function_cases(request: Request, cases: tuple[Case, ...]) -> Cases:
    """Return cases of a function in the dtypes and with the seed that are requested."""
    return Listed(
        cases=tuple(replace(case, dtype=dtype, seed=request.seed) for case in cases for dtype in request.dtypes)
    )


def _unchecked(request: Request, file: str, found: Survey, halves: _Halves) -> Iterator[CaseResult]:
    """Yield the results of what cannot be checked, and why."""
    for spec, one in found.examined.items():
        if reason := one.reason and halves.paired.get(spec, one.reason):
            yield _result(request, spec, one.layer, Verdict.SKIP, reason)
    for spec, report in found.errors.items():
        result = _result(request, spec, "", Verdict.ERROR, report.reason)
        place = report.place and _shown(report.place, file)
        yield replace(result, traceback=report.traceback, bug=report.bug, place=place)


def _earlier_results(file: str, sources: Sources | None, since: Since | None) -> list[CaseResult]:
    """Take the fingerprint of a file before it is loaded, and return its earlier results, if these still hold."""
    if sources:
        sources.take(file)
    return since.survey(file) if since else []


def _survey_of(results: list[CaseResult]) -> Survey:
    """Return what earlier results were of: functions with the shapes that were found."""
    found: dict[str, Examined] = {}
    for one in results:
        if one.ran:
            earlier = found.get(one.implementation, Examined(layer=one.layer))
            cases = (replace(one.case, dtype="float64"),) if one.layer == "function" else ()
            found[one.implementation] = replace(earlier, cases=tuple(dict.fromkeys((*earlier.cases, *cases))))
    return Survey(examined=found)


def _list_files(request: Request) -> list[str]:
    """List the files to search, those of folders too, and say on stderr which of these are left out.

    Raises:
        click.UsageError: there are none.
    """
    specs = request.implementations
    found = {spec: with_passes(Path(spec)) for spec in specs if is_folder(Path(spec))}
    inside = {spec: [shown_home(str(file)) for file in folder.searched] for spec, folder in found.items()}
    files = list(dict.fromkeys(file for spec in specs for file in inside.get(spec, [spec])))
    below = {spec: pattern for spec in found if (pattern := pattern_below(spec, files))}
    left_out = {spec: note for spec, folder in found.items() if (note := folder.note())}
    if not files:
        whose = "its" if len(specs) == 1 else "their"
        instead = f"{whose} folders are not searched: name them, {' '.join(below.values())}"
        why = f"{', '.join(specs)} has no file in which a layer or a backward pass is named"
        notes = f"; not searched: {'; '.join(left_out.values())}" if left_out else ""
        raise click.UsageError(clean(f"{why}{notes}; {instead if below else 'name one, FILE.py'}."))
    _remark(request, *(f"{folder}: not searched: {note}" for folder, note in left_out.items()))
    _remark(request, *(f"{folder}: its folders are not searched: name them, {p}" for folder, p in below.items()))
    return files


def _result(
    request: Request, name: str, layer: str, verdict: Verdict, reason: str, place: Place | None = None
) -> CaseResult:
    """Make the result of what cannot be checked."""
    case = NoCase(dtype=request.dtypes[0], seed=request.seed)
    return sanitize(
        CaseResult(implementation=name, layer=layer, case=case, verdict=verdict, reason=reason, place=place)
    )


def _place(error: ImplementationNotFoundError, file: str) -> Place | None:
    """Return where in a file it cannot be imported; the file itself is quoted, and no other that it names."""
    if error.frame is None:
        return None
    from gradcheck_cli.checks.diagnosis.place.frame import place_of_frame  # only after an error

    place = place_of_frame(error.frame, {str(Path(file).resolve())})
    return place and _shown(place, file)


def _shown(place: Place, file: str) -> Place:
    from gradcheck_cli.checks.diagnosis.place.frame import shown_place  # only after an error

    return shown_place(place, current_folder(), file)


def _show_rest(request: Request, file: str, found: Survey, halves: _Halves) -> None:
    """Say on stderr what of a file is not checked, and if verbose what it printed."""
    if found.printed and request.verbose:
        click.echo(f"{clean(file)} printed, while it was loaded:\n{found.printed}", err=True)
    if others := [name for name in found.others if f"{file}:{name}" not in halves.paired]:
        _remark(request, f"{file}: not checked: {shorten(others)} (no known layer)")


def _remark(request: Request, *lines: str) -> None:
    for line in lines if not request.quiet else ():
        click.echo(clean(line), err=True)
