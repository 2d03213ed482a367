"""Results come in order, a bounded number ahead, the same whatever computes them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from gradcheck_cli.cases.cases import Product
from gradcheck_cli.checks.check import check_case
from gradcheck_cli.checks.settings import Settings
from gradcheck_cli.engine.call import Call, CallCancelledError, InProcess
from gradcheck_cli.engine.checker import Checker
from gradcheck_cli.engine.engine import Engine, WorkerDiedError
from gradcheck_cli.engine.pool import Pool
from gradcheck_cli.engine.task import Task
from gradcheck_cli.guard.limits import Limits
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.conv.conv import ConvCase
from gradcheck_cli.results.result import CaseResult, Verdict
from tests.engine.deeds import by_seed, fail_with, hanging, sleep

if TYPE_CHECKING:
    from pathlib import Path

    from gradcheck_cli.engine.task import Check
    from gradcheck_cli.layers.framework.case import Case
    from tests.conftest import LayerFile


def task(spec: str = "fast", check: Check = check_case, **settings: Any) -> Task:
    return Task(check=check, spec=spec, layer="conv", settings=Settings(**settings), limits=Limits(seconds=20))


def small(count: int) -> Product:
    """Make cases of a few milliseconds, all different, some of them impossible."""
    values = {"N": (1, 2), "C": (1,), "H": (3, 4), "W": (2, 3), "F": (1, 2), "HH": (1, 3, 6), "pad": (0, 1)}
    dtypes = ("float16", "float32", "float64", "longdouble")
    product = Product(case=ConvCase, values={**values, "stride": range(1, count), "dtype": dtypes}, seed=0)
    assert product.count >= count
    return product


def results(engine: Engine, cases: Any, tasks: list[Task]) -> list[CaseResult]:
    """Compute the results of the cases for each task, and close the executor."""
    with closing(engine.executor):
        return [replace(result, seconds=0.0) for result in engine.results([(task, cases) for task in tasks])]


def alone(cases: Any, tasks: list[Task]) -> list[CaseResult]:
    """Compute the results in this process."""
    with closing(Checker()) as checker:
        return results(Engine(executor=InProcess(checker)), cases, tasks)


def seeds(*numbers: int) -> list[ConvCase]:
    return [ConvCase(seed=number) for number in numbers]


def test_two_processes_give_the_results_of_one() -> None:
    cases = list(small(4))[:50]
    one = alone(cases, [task()])
    assert {result.verdict for result in one} == {Verdict.PASS, Verdict.SKIP}
    assert [result.case for result in one] == cases
    with closing(Pool(2)) as pool:
        for batch in 1, 7:
            engine = Engine(executor=pool, ahead=50 // batch, batch=batch)
            assert [replace(result, seconds=0.0) for result in engine.results([(task(), cases)])] == one


def test_files_are_distributed_and_reported_in_order(layer_file: LayerFile) -> None:
    wrong = layer_file(("db = dout.sum(axis=(0, 2, 3))", "db = dout.sum((0, 2, 3)) * 2"), name="b.py")
    tasks = [task(str(layer_file())), task("fast"), task(str(wrong)), task("nowhere.py")]
    cases = [ConvCase(N=2, H=3, W=3, stride=stride) for stride in (1, 2)]
    one = alone(cases, tasks)
    assert [result.verdict for result in one[::2]] == [Verdict.PASS, Verdict.PASS, Verdict.FAIL, Verdict.ERROR]
    assert results(Engine(executor=Pool(2), ahead=100), cases, tasks) == one


def test_each_task_has_its_own_cases() -> None:
    relu = replace(task(next(iter(LAYERS["relu"].builtin))), layer="relu")
    plan: list[tuple[Task, list[Any]]] = [
        (task(), seeds(1, 2)),
        (relu, list(LAYERS["relu"].standard())),
        (task("naive"), seeds(3)),
    ]
    expected = [(one.spec, case) for one, cases in plan for case in cases]
    for engine in Engine(executor=InProcess(Checker())), Engine(executor=Pool(1), ahead=10, batch=2):
        with closing(engine.executor):
            assert [(result.implementation, result.case) for result in engine.results(plan)] == expected


class Given:
    """An executor whose calls all have the same outcome."""

    def __init__(self, outcome: Callable[..., Any]) -> None:
        self._outcome = outcome

    def submit(self, function: Callable[..., Any], /, *args: Any) -> Call:
        call = Call(lambda: None)
        try:
            call.finish(self._outcome(*args))
        except Exception as error:  # noqa: BLE001  # any
            call.finish(error=error)
        return call

    def collect(self) -> None: ...

    def close(self) -> None: ...


class Kept(list[Any]):
    """A memory that only keeps."""

    def recall(self, number: int, case: Case) -> None:
        return None

    def keep(self, number: int, case: Case, result: CaseResult) -> None:
        self.append(result)


def test_a_million_cases_are_made_when_they_are_needed() -> None:
    made = 0

    def million() -> Iterator[Case]:
        nonlocal made
        for seed in range(10**6):
            made += 1
            yield ConvCase(seed=seed)

    def skip(task: Task, cases: tuple[Case, ...]) -> list[CaseResult]:
        return [CaseResult(implementation="", layer="conv", case=c, verdict=Verdict.SKIP, reason="") for c in cases]

    engine = Engine(executor=Given(skip), ahead=5, batch=2)
    with closing(engine.results([(task(), million())])) as stream:
        for number, result in zip(range(20), stream, strict=False):
            assert result.case.seed == number
            assert made <= number + 1 + (engine.ahead + 1) * engine.batch
    assert made < 50


def test_results_of_calls_that_failed_are_not_kept() -> None:
    def die(*_: object) -> None:
        raise WorkerDiedError("all is lost")

    def fail(*_: object) -> None:
        raise ValueError("v")

    for outcome, reason, bug in (die, "all is lost", False), (fail, "a bug in the checker: ValueError: v", True):
        kept = Kept()
        (found,) = Engine(executor=Given(outcome)).results([(task(), seeds(0))], [kept])
        assert (found.verdict, found.reason, found.command is None) == (Verdict.ERROR, reason, False)
        assert (found.bug is not None) == bug
        assert kept == []


def test_a_case_that_kills_each_worker_is_an_error_and_the_others_are_checked() -> None:
    found = results(Engine(executor=Pool(2), ahead=10), seeds(0, 1, 4, 5), [task(check=by_seed)])
    assert [result.verdict for result in found] == [Verdict.PASS, Verdict.ERROR, Verdict.PASS, Verdict.PASS]
    assert (found[1].reason or "").startswith("the worker process died of SIGKILL")
    assert (found[1].reason or "").endswith("(3 times in a row)")


def test_a_killed_worker_loses_no_case() -> None:
    pool, cases = Pool(2), seeds(*range(10, 15), *[3] * 4, *range(15, 20))
    found: list[CaseResult] = []
    with closing(pool):
        for result in Engine(executor=pool, ahead=100).results([(task(check=by_seed), cases)]):
            if len(found) == 4:
                os.kill(pool.pids[0], signal.SIGKILL)
            found.append(result)
    assert [result.case for result in found] == cases
    assert {result.verdict for result in found} == {Verdict.PASS}
    assert len({result.reason for result in found}) == 3, "the test killed nothing"


def test_a_case_that_hangs_delays_its_worker_only_and_an_interrupt_yields_the_others() -> None:
    cases = seeds(4, 2, *range(5, 25))
    with closing(Pool(2)) as pool:
        stream = Engine(executor=pool, ahead=100).results([(task(check=by_seed), cases)])
        found = [next(stream).case.seed]

        def interrupt(*_: object) -> None:
            raise KeyboardInterrupt

        before = signal.signal(signal.SIGALRM, interrupt)
        signal.setitimer(signal.ITIMER_REAL, 3)
        with pytest.raises(KeyboardInterrupt):
            found.extend(result.case.seed for result in stream)
        signal.signal(signal.SIGALRM, before)
    assert found == [4, *range(5, 25)]


class Earlier(dict[tuple[int, ConvCase], CaseResult]):
    """Results of an earlier run, with what one that was interrupted has of later cases."""

    def recall(self, number: int, case: Any) -> CaseResult | None:
        return self.get((number, case))

    def keep(self, number: int, case: Any, result: CaseResult) -> None:
        self[number, case] = result


def test_an_implementation_is_given_up_after_two_cases_that_hang_however_it_is_computed() -> None:
    cases, other = seeds(1, 2, 3, 4, 6, 100, 7, 9, 10), seeds(3, 5)
    plan = [(task(check=hanging), cases), (task(check=hanging), other)]
    untried = "not tried, because two cases before it took longer than --timeout allows"
    expected = [None, None, "stopped", None, "stopped", *[untried] * 4, "stopped", None]
    interrupted = Earlier({(0, cases[k]): hanging(cases[k], *[None] * 2) for k in (2, 4, 7)})  # type: ignore[arg-type]
    for engine, memory in (
        (Engine(executor=InProcess(Checker())), Earlier()),
        (Engine(executor=InProcess(Checker())), interrupted),
        (Engine(executor=Pool(2), ahead=100), Earlier()),
        (Engine(executor=InProcess(Checker()), ahead=3, batch=9), Earlier()),
    ):
        with closing(engine.executor):
            found = list(engine.results(plan, [memory]))
        assert [result.case for result in found] == cases + other
        assert [one.reason for one in found] == expected
        assert {one.verdict for one in found if one.reason == untried} == {Verdict.ERROR}
        assert len(memory) == 7 + (memory is interrupted), "what was not tried is not kept"


def test_workers_end_with_the_pool() -> None:
    pool = Pool(2)
    calls = [pool.submit(sleep, 1000), pool.submit(sleep, 1000)]
    pids = pool.pids
    assert len(pids) == 2
    pool.close()
    for call in calls:
        with pytest.raises(CallCancelledError):
            call.result()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_stream_that_is_closed_leaves_the_workers_to_others() -> None:
    cases = list(small(3))[:40]
    engine = Engine(executor=Pool(1), ahead=20)
    with closing(engine.executor):
        stopped = engine.results([(task(), cases)])
        next(stopped)
        stopped.close()
        found = [replace(engine.check(task(), case), seconds=0.0) for case in cases[:4]]
    assert found == alone(cases[:4], [task()])


def test_what_a_call_raises_in_a_worker_is_raised_here_with_its_traceback(tmp_path: Path) -> None:
    with closing(Pool(1)) as pool, pytest.raises(ValueError, match="v") as raised:
        pool.submit(fail_with, "v").result()
    (note,) = raised.value.__notes__
    assert "In a worker process" in note
    assert "in fail_with" in note
