"""Results come in order, a bounded number ahead, the same whoever computes them."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from gradcheck_cli.cases.product import Product
from gradcheck_cli.checks.check import check_case
from gradcheck_cli.checks.settings import Settings
from gradcheck_cli.engine.here import InProcess
from gradcheck_cli.engine.pool import Pool
from gradcheck_cli.engine.runner import Work, do
from gradcheck_cli.engine.stream import Crew, run
from gradcheck_cli.guard.limits import Limits
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.conv.case import ConvCase
from gradcheck_cli.results.result import CaseResult, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gradcheck_cli.engine.runner import Check
    from gradcheck_cli.implementation.implementation import Implementation
    from gradcheck_cli.layers.framework.case import Case
    from tests.conftest import LayerFile


def work(spec: str = "fast", check: Check = check_case, **settings: Any) -> Work:
    return Work(check=check, spec=spec, layer="conv", settings=Settings(**settings), limits=Limits(seconds=20))


def small(count: int) -> Product:
    """Make cases of a few milliseconds, all different, some of them impossible."""
    values = {"N": (1, 2), "C": (1,), "H": (3, 4), "W": (2, 3), "F": (1, 2), "HH": (1, 3, 6), "pad": (0, 1)}
    dtypes = ("float16", "float32", "float64", "longdouble")
    product = Product(case=ConvCase, values={**values, "stride": range(1, count), "dtype": dtypes}, seed=0)
    assert product.count >= count
    return product


def results(crew: Crew, cases: Any, works: list[Work]) -> list[CaseResult]:
    try:
        return [replace(result, seconds=0.0) for result in run(crew, [(work, cases) for work in works])]
    finally:
        crew.executor.shutdown()


def alone(cases: Any, works: list[Work]) -> list[CaseResult]:
    return results(Crew(executor=InProcess()), cases, works)


def test_two_processes_give_what_one_does() -> None:
    cases = list(small(4))[:600]
    one = alone(cases, [work()])
    assert {result.verdict for result in one} == {Verdict.PASS, Verdict.SKIP}
    assert [result.case for result in one] == cases
    assert results(Crew(executor=Pool(2), ahead=100), cases, [work()]) == one
    assert results(Crew(executor=Pool(2), ahead=10, batch=7), cases, [work()]) == one


def test_files_are_shared_out_and_told_in_order(layer_file: LayerFile) -> None:
    right, wrong = (
        layer_file(),
        layer_file(("db = dout.sum(axis=(0, 2, 3))", "db = dout.sum((0, 2, 3)) * 2"), name="b.py"),
    )
    works = [work(str(right)), work("fast"), work(str(wrong)), work("nowhere.py")]
    cases = [ConvCase(N=2, H=3, W=3, stride=stride) for stride in (1, 2)]
    one = alone(cases, works)
    assert [result.verdict for result in one[::2]] == [Verdict.PASS, Verdict.PASS, Verdict.FAIL, Verdict.ERROR]
    assert results(Crew(executor=Pool(3), ahead=100), cases, works) == one


def test_each_work_has_its_own_cases() -> None:
    relu = replace(work(next(iter(LAYERS["relu"].builtin))), layer="relu")
    plan: list[tuple[Work, list[Any]]] = [
        (work(), seeds(1, 2)),
        (relu, list(LAYERS["relu"].standard())),
        (work("naive"), seeds(3)),
    ]
    expected = [(one.spec, case) for one, cases in plan for case in cases]
    for crew in Crew(executor=InProcess()), Crew(executor=Pool(2), ahead=10, batch=2):
        found = [(result.implementation, result.case) for result in run(crew, plan)]
        crew.executor.shutdown()
        assert found == expected


class Counting(Executor):
    """Notes how far ahead it is asked to work."""

    def __init__(self) -> None:
        self.asked = 0

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.asked += 1
        future: Future[Any] = Future()
        future.set_result(function(*args))
        return future


def test_a_million_cases_are_made_when_their_turn_comes() -> None:
    made = 0

    def million() -> Iterator[Case]:
        nonlocal made
        for seed in range(10**6):
            made += 1
            yield ConvCase(N=1, C=1, H=1, W=1, F=1, HH=1, WW=1, seed=seed)

    crew = Crew(executor=Counting(), ahead=5, batch=2)
    with closing(run(crew, [(work(), million())])) as stream:
        for number, result in zip(range(20), stream, strict=False):
            assert result.case.seed == number
            assert made <= number + 1 + (crew.ahead + 1) * crew.batch
    assert made < 50


def by_seed(case: Case, implementation: Implementation, settings: Settings) -> CaseResult:
    """Do as the seed says: 1 kills the worker at once, 2 hangs, 3 takes its time."""
    if case.seed == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep({2: 1000, 3: 0.3}.get(case.seed, 0))
    return CaseResult(implementation="x", layer="conv", case=case, verdict=Verdict.PASS, reason=str(os.getpid()))


def seeds(*numbers: int) -> list[ConvCase]:
    return [ConvCase(seed=number) for number in numbers]


def test_a_case_that_kills_its_worker_each_time_is_an_error_and_the_others_are_done() -> None:
    found = results(Crew(executor=Pool(2), ahead=10), seeds(0, 1, 4, 5), [work(check=by_seed)])
    assert [result.verdict for result in found] == [Verdict.PASS, Verdict.ERROR, Verdict.PASS, Verdict.PASS]
    assert found[1].reason == "the worker process died of SIGKILL, 3 times in a row"


def test_a_worker_that_is_killed_loses_no_case() -> None:
    pool = Pool(2)
    cases = seeds(*range(10, 15), *[3] * 4, *range(15, 20))
    found: list[CaseResult] = []
    for result in run(Crew(executor=pool, ahead=100), [(work(check=by_seed), cases)]):
        if len(found) == 4:
            os.kill(pool.pids[0], signal.SIGKILL)
        found.append(result)
    pool.shutdown()
    assert [result.case for result in found] == cases
    assert {result.verdict for result in found} == {Verdict.PASS}
    assert len({result.reason for result in found}) == 3, "the test killed nobody"


def test_what_cannot_be_finished_is_not_kept() -> None:
    class Broken(Executor):
        def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            future: Future[Any] = Future()
            future.set_exception(BrokenExecutor("all is lost"))
            return future

    class Kept(list[Any]):
        def recall(self, number: int, case: Case) -> None:
            return None

        def keep(self, number: int, case: Case, result: CaseResult) -> None:
            self.append(result)

    kept = Kept()
    (found,) = run(Crew(executor=Broken()), [(work(), seeds(0))], kept)
    assert (found.verdict, found.reason, found.command is None) == (Verdict.ERROR, "all is lost", False)
    assert kept == []


def test_one_that_hangs_holds_up_its_own_worker_only_and_an_interrupt_gives_out_the_others() -> None:
    pool = Pool(2)
    stream = run(Crew(executor=pool, ahead=100), [(work(check=by_seed), seeds(4, 2, *range(5, 25)))])
    found = [next(stream).case.seed]

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 3)
    with pytest.raises(KeyboardInterrupt):
        found.extend(result.case.seed for result in stream)
    signal.signal(signal.SIGALRM, before)
    pool.shutdown()
    assert found == [4, *range(5, 25)]


def test_workers_end_with_the_pool(tmp_path: Path) -> None:
    pool = Pool(2)
    futures = [pool.submit(time.sleep, 1000), pool.submit(time.sleep, 1000)]
    pids = pool.pids
    assert len(pids) == 2
    pool.shutdown()
    assert all(future.cancelled() for future in futures)
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_what_is_called_off_leaves_the_workers_to_others() -> None:
    cases = list(small(3))[:40]
    crew = Crew(executor=Pool(2), ahead=20)
    stopped = run(crew, [(work(), cases)])
    next(stopped)
    stopped.close()
    assert [replace(crew.executor.submit(do, work(), [case]).result()[0], seconds=0.0) for case in cases[:4]] == (
        alone(cases[:4], [work()])
    )
    crew.executor.shutdown()
