"""What is asked of the program: a frozen request, one field for each flag."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from gradcheck_cli.checks.method import METHODS
from gradcheck_cli.checks.settings import DUTIES, Settings
from gradcheck_cli.cli.collisions import refuse_collisions
from gradcheck_cli.cli.flags import OUTPUT, flag
from gradcheck_cli.cli.values import ADAPTER, JOBS, SHARD, FileName, names, path, positive_number, whole_number
from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.guard.limits import GIGABYTE, LEAST_MEMORY, LONGEST, MOST_MEMORY, SHORTEST, Limits
from gradcheck_cli.numeric.arrays import DTYPES
from gradcheck_cli.report.formats import FORMATS, SWEEP_FORMATS, Format
from gradcheck_cli.text.workflow_commands import in_actions

if TYPE_CHECKING:
    from gradcheck_cli.layers.framework.layer import Layer

#: More random cases than this take minutes to draw.
_MOST_RANDOM = 100_000

#: More calls than this take an hour where one takes 4 ms.
_MOST_REPEATED = 1_000_000

#: With more cases than this, only those that did not pass are shown.
MANY_CASES = 20

_TIMEOUT = positive_number(SHORTEST, LONGEST, "give the seconds that one call of your code may take")
_MEMORY = positive_number(LEAST_MEMORY, MOST_MEMORY, "give GiB; Python and NumPy alone hold an eighth of one")
_ON_STDOUT = [one.name for one in FORMATS if one.stdout]
_FORMAT = "table; in GitHub Actions github"
_TOLERANCE = "100, but at most 1/256 of the scale"
_COLOR = "auto: on a terminal; NO_COLOR and FORCE_COLOR are honoured"
_SHOWN = f"each failure once; up to {MANY_CASES} cases that you ask for all; of several files grades"

# A sweep is of one case, tries all steps, and judges nothing.
_case, _bulk = (partial(flag, section, not_for="sweep") for section in ("Cases", "Many cases"))
_inputs, _check, _output = partial(flag, "Check"), partial(flag, "Check", decides=True), partial(flag, OUTPUT)


@frozen
class Request:
    """What to check, how, and what to report: what stands before the flags, and a field for each of them."""

    layer: Layer | None  #: None to find out which layers files have
    sweep: bool  #: whether plain differences are tried step by step, and nothing is checked
    implementations: tuple[str, ...]
    geometry: Mapping[str, tuple[Any, ...]]  #: the values that were given for each parameter of the layer

    fuzz: int | None = _case(
        "--fuzz", whole_number(1, _MOST_RANDOM, "K"), "K random geometries, and the smallest that fail"
    )
    shard: tuple[int, int] | None = _case("--shard", SHARD, "the part I of N of the cases, the same on every machine")
    max_failures: int | None = _case("--max-failures", whole_number(1, metavar="K"), "stops when K cases have failed")

    dtypes: tuple[str, ...] = _inputs(
        "--dtype", names(DTYPES), f"{', '.join(DTYPES)}, or a list  [float64]", ("float64",)
    )
    seed: int = _inputs("--seed", whole_number(), "fixes the inputs, the cotangent and random cases  [0]", 0)
    method: str = _check("--method", click.Choice(METHODS), "how derivatives are computed  [auto]", "auto")
    tol: float | None = _check(
        "--tol", positive_number(), f"tolerance in roundings (eps of the dtype)  [{_TOLERANCE}]", not_for="sweep"
    )
    step: float | None = _check(
        "--step", positive_number(), "fixes the step h of the differences  [chosen and bounded]", not_for="sweep"
    )
    repeat: int = _check(
        "--repeat",
        whole_number(0, _MOST_REPEATED, "K"),
        "calls both passes K times more at the same inputs, to find what is wrong only sometimes  [0]",
        0,
        not_for="sweep",
    )
    skipped_duties: tuple[str, ...] = _check(
        "--skip-duty",
        names(DUTIES),
        f"duties beside the right numbers that are not tried: {', '.join(DUTIES)}",
        (),
        metavar="DUTY",
        not_for="sweep",
    )
    adapter: str | None = _check(
        "--adapter",
        ADAPTER,
        "makes (forward, backward) of what IMPLEMENTATION names, for code that no convention fits",
        not_for="files",
    )
    timeout: float = _check("--timeout", _TIMEOUT, "seconds for one call of your code  [60]", 60.0)
    memory: float | None = _check("--memory", _MEMORY, "GiB that one implementation may hold  [half of the machine's]")

    jobs: int = _bulk("--jobs", JOBS, "worker processes; auto is one for each core  [1]", 1)
    dask: str | None = _bulk(
        "--dask", str, "sends the cases to a Dask cluster instead; needs distributed", metavar="ADDRESS"
    )
    resume: str | None = _bulk(
        "--resume",
        path(),
        "writes each result to a file as it comes, and resumes an interrupted run from there",
        metavar="FILE",
    )
    since: str | None = _bulk(
        "--since",
        FileName(str, "FILE"),
        "a JSON report: files that have not changed since are not checked again, and their results carried over",
    )

    format_: str | None = _output(
        "--format", click.Choice(_ON_STDOUT), f"what stdout shows  [{_FORMAT}]", not_for="sweep"
    )
    paths: Mapping[str, str]  #: by the names of formats, each of which has a flag; `-` is stdout
    show: str | None = _output(
        "--show",
        click.Choice(["all", "failed", "worst", "grades"]),
        f"which cases, or only a row for each implementation  [{_SHOWN}]",
        not_for="sweep",
    )
    by: str = _output(
        "--by",
        click.Choice(["file", "verdict"]),
        "the order of the table of implementations: each file by its worst, or each row by its own verdict  [file]",
        "file",
        not_for="sweep",
    )
    quiet: bool = _output("-q --quiet", None, "one line for each implementation, with the cause", default=False)
    verbose: bool = _output("-v --verbose", None, "everything, arrays included", default=False)
    color: str = _output("--color", click.Choice(["auto", "always", "never"]), f"colour on stdout  [{_COLOR}]", "auto")
    list_cases: bool = _output("--list-cases", None, "shows the cases and checks nothing", default=False)

    @property
    def program(self) -> str:
        """The program that checks this layer."""
        return self.layer.command.split()[0] if self.layer else "gradcheck"

    @property
    def settings(self) -> Settings:
        """How each case is checked."""
        evidence = any(output.shows_evidence for output, _ in self.outputs)
        return Settings(
            method=self.method,
            tol=self.tol,
            step=self.step,
            adapter=self.adapter,
            repeat=self.repeat,
            skipped_duties=self.skipped_duties,
            keep_arrays=self.verbose or any(output.keeps_arrays for output, _ in self.outputs),
            keep_wrong=evidence,
            sweep_wrong=evidence,
        )

    @property
    def limits(self) -> Limits:
        """What user code may take."""
        memory = None if self.memory is None else int(self.memory * GIGABYTE)
        return Limits(seconds=self.timeout, memory=memory)

    @property
    def formats(self) -> tuple[Format, ...]:
        """The formats that reports of this kind can have."""
        return SWEEP_FORMATS if self.sweep else FORMATS

    @property
    def outputs(self) -> list[tuple[Format, str]]:
        """The reports and where they are written, that on stdout first."""
        default = "github" if in_actions() and not self.sweep else self.formats[0].name
        shown = next((name for name, path in self.paths.items() if path == "-"), self.format_ or default)
        on_stdout = [(one, "-") for one in self.formats if one.name == shown]
        return on_stdout + [(one, path) for one in self.formats if (path := self.paths.get(one.name, "-")) != "-"]

    @property
    def files(self) -> dict[str, str]:
        """The files and folders that are written, by the flags that name them."""
        return {f"--{output.name}": path for output, path in self.outputs if path != "-"}

    @property
    def folders(self) -> set[str]:
        """Those of these flags that name a folder."""
        return {f"--{output.name}" for output, _ in self.outputs if output.folder}


def make_request(layer: Layer | None, flags: Mapping[str, Any], *, sweep: bool = False) -> Request:
    """Make the request of a command line.

    Args:
        layer: the layer that is named, if one is.
        flags: the values of all flags, by the names of the request's fields, of formats and of parameters.
        sweep: whether plain differences are tried, and nothing is checked.

    Raises:
        click.UsageError: flags contradict each other, or cannot be satisfied here.
    """
    fields = {name: value for name, value in flags.items() if name in Request.__dataclass_fields__}
    formats = [one.name for one in (SWEEP_FORMATS if sweep else FORMATS)]
    rest = {name: value for name, value in flags.items() if name not in fields and value}
    request = Request(
        layer=layer,
        sweep=sweep,
        paths={name: rest.pop(name) for name in formats if name in rest},
        geometry=rest,
        **fields,
    )
    _validate(request)
    return request


def _validate(request: Request) -> None:
    """Refuse what cannot be, before anything is opened or run."""
    try:
        os.getcwd()
    except OSError as error:
        why = f"The current folder cannot be used ({error.strerror}): it may have been deleted; change to another."
        raise click.UsageError(why) from error
    to_stdout = [f"--{name} -" for name, path in request.paths.items() if path == "-"]
    if request.format_ and to_stdout != [f"--{request.format_} -"]:
        to_stdout.append(f"--format {request.format_}")
    contradictions = {
        "-q and -v contradict each other; give one of them.": request.quiet and request.verbose,
        f"{' and '.join(to_stdout)} both write to stdout; leave one of them out.": len(to_stdout) > 1,
        f"--adapter {request.adapter} has nothing to adapt; name an IMPLEMENTATION, such as FILE.py.": (
            request.adapter and not request.implementations
        ),
        "--jobs are processes here, and --dask computes elsewhere; give one of them.": (
            request.dask is not None and request.jobs != 1
        ),
        "'' is no implementation: the name is empty; give FILE.py.": "" in request.implementations,
    }
    for message, contradicts in contradictions.items():
        if contradicts:
            raise click.UsageError(message)
    for output, target in request.outputs:
        if reason := output.refuse(target):
            raise click.BadParameter(f"{reason}.", param_hint=f"--{output.name}")
    builtin = request.layer.builtin if request.layer else ()
    implementations = [name for name in (*request.implementations, request.adapter) if name and name not in builtin]
    written = request.files | ({} if request.resume is None else {"--resume": request.resume})
    if written:
        read = {} if request.since is None else {"--since": request.since}
        refuse_collisions(written, implementations, read)
