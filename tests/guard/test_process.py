"""A guarded process: what functions return and print, how it dies, and what it leaves behind."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradcheck_cli.guard.clock import begin_call, end_call
from gradcheck_cli.guard.limits import GIGABYTE, Limits
from gradcheck_cli.guard.process import BugError, GuardedProcess, ProcessDiedError
from gradcheck_cli.guard.state import preserve_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HUNG = 1000  #: seconds; no test waits for it


@pytest.fixture
def process() -> Iterator[GuardedProcess]:
    guarded = GuardedProcess(Limits(seconds=10))
    yield guarded
    guarded.close()


def is_gone(pid: int) -> bool:
    """Tell whether a process has ended; it may still wait to be noticed by whoever started it."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def hang() -> None:
    time.sleep(HUNG)


def spin() -> None:
    while True:
        pass


def hang_with_a_child(path: str) -> None:
    with subprocess.Popen(["sleep", str(HUNG)]) as child:
        Path(path).write_text(f"{os.getpid()} {child.pid}")


def stop() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def crash() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def be_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def leave() -> None:
    os._exit(7)


def close_everything() -> None:
    os.closerange(0, 100)


def die_of(number: int) -> None:
    os.kill(os.getpid(), number)


def call_for(*seconds: float) -> int:
    """Call user code several times."""
    for duration in seconds:
        begin_call()
        time.sleep(duration)
        end_call()
    return len(seconds)


def fork() -> int:
    begin_call()
    os.fork()
    end_call()
    return os.getpid()


def fork_outside_of_a_call() -> str:
    os.fork()
    return "one answer"


def begin_an_answer() -> None:
    forge((1000).to_bytes(4, "big") + b"begun")
    time.sleep(HUNG)


def forge(text: bytes = (5).to_bytes(4, "big") + b"wrong") -> None:
    """Write what is no answer into the socket for answers."""
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            if str(link.readlink()).startswith("socket:"):
                os.write(int(link.name), text)


def print_a_report() -> None:
    os.write(2, b'Timeout (0:00:01)!\nThread 0x01 (most recent call first):\n  File "/etc/passwd", line 1 in f\n')
    os._exit(3)


def divide() -> float:
    return 1 / 0


def take(size: int) -> int:
    return len(bytearray(size))


def say(*words: str) -> None:
    sys.stdout.write(" ".join(words) + "\n")
    os.write(1, b"past Python\n")
    sys.stderr.write("to stderr\n")


def test_values_are_returned_and_one_process_serves_all_calls(process: GuardedProcess) -> None:
    assert process.call(max, 3, 4) == 4
    assert process.call(os.getpid) == process.call(os.getpid) != os.getpid()
    assert process.starts == 1
    np.testing.assert_array_equal(process.call(np.arange, 5), np.arange(5))


def test_an_expected_exception_is_raised_and_any_other_is_a_bug(process: GuardedProcess) -> None:
    with pytest.raises(ZeroDivisionError):
        process.call(divide, expected=(ZeroDivisionError,))
    with pytest.raises(BugError, match="return 1 / 0"):
        process.call(divide)
    assert process.starts == 1


def test_prints_are_captured_call_by_call(process: GuardedProcess, capfd: pytest.CaptureFixture[str]) -> None:
    process.call(say, "one")
    assert set(process.output.splitlines()) == {"one", "past Python", "to stderr"}
    process.call(max, 1, 2)
    assert process.output == ""
    assert capfd.readouterr() == ("", "")


def test_a_flood_is_kept_at_both_ends(process: GuardedProcess) -> None:
    process.call(say, "first", "x" * 10**7)
    assert process.output.startswith("first")
    assert process.output.endswith("to stderr\n")
    assert "bytes ...]" in process.output
    assert len(process.output) < 10_000


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (leave, "ended the process with exit code 7"),
        (crash, "died of a segmentation fault"),
        (be_killed, "died of SIGKILL"),
        (close_everything, "closed the connection to the checker"),
        (hang, "was stopped after 0.5 s"),
        (spin, "was stopped after 0.5 s"),
        (stop, "was stopped after 0.5 s"),
    ],
)
def test_each_death_is_described_and_the_next_call_is_answered(function: Callable[[], None], reason: str) -> None:
    process = GuardedProcess(Limits(seconds=0.5))
    pid = process.call(os.getpid)
    with pytest.raises(ProcessDiedError) as died:
        process.call(function)
    assert str(died.value).startswith(reason)
    assert died.value.late is ("stopped" in reason)
    if function in (crash, hang, spin):
        assert died.value.stack[-1][2] == function.__name__
        assert Path(died.value.stack[-1][0]).name == "test_process.py"
    assert is_gone(pid)
    assert process.call(max, 3, 4) == 4
    assert process.starts == 2
    process.close()


def test_a_signal_without_a_name_is_described_by_its_number(process: GuardedProcess) -> None:
    number = signal.SIGRTMIN + 3
    assert number not in set(signal.Signals)
    with pytest.raises(ProcessDiedError, match=f"^died of signal {int(number)}$"):
        process.call(die_of, int(number))


def test_the_time_limit_is_for_each_call_of_user_code() -> None:
    process = GuardedProcess(Limits(seconds=0.6))
    assert process.call(call_for, *[0.2] * 5) == 5
    assert process.starts == 1
    with pytest.raises(ProcessDiedError) as died:
        process.call(call_for, 0.1, HUNG)
    assert (died.value.late, died.value.imported) == (True, True)
    assert died.value.stack[-1][2] == "call_for"
    process.close()


def test_the_checkers_own_time_is_not_limited() -> None:
    process = GuardedProcess(Limits(seconds=0.3))
    process.call(time.sleep, 1.0)  # no user code is on the stack
    assert process.starts == 1
    with pytest.raises(ProcessDiedError) as died:
        process.call(hang)  # user code, though not called as such
    assert (died.value.late, died.value.imported) == (True, False)
    process.close()


def test_a_copy_of_the_process_gives_no_second_answer(process: GuardedProcess) -> None:
    pid = process.call(os.getpid)
    for _ in range(5):
        assert process.call(fork) == pid
        assert process.call(fork_outside_of_a_call) == "one answer"
        assert process.call(max, 3, 4) == 4


def test_a_forged_answer_ends_the_process_only(process: GuardedProcess) -> None:
    with pytest.raises(ProcessDiedError, match="wrote into the connection"):
        process.call(forge)
    assert process.call(max, 3, 4) == 4


def test_an_unfinished_answer_is_not_waited_for() -> None:
    process = GuardedProcess(Limits(seconds=0.5))
    with pytest.raises(ProcessDiedError):
        process.call(begin_an_answer)
    assert process.call(max, 3, 4) == 4
    process.close()


def test_a_value_that_cannot_be_sent_is_a_bug(process: GuardedProcess) -> None:
    with pytest.raises(BugError, match="pickle"):
        process.call(eval, "lambda: 0")
    assert process.call(max, 3, 4) == 4


def test_printed_text_is_not_taken_for_a_stack_of_the_fault_handler(process: GuardedProcess) -> None:
    with pytest.raises(ProcessDiedError, match=r"^ended the process with exit code 3$") as died:
        process.call(print_a_report)
    assert (died.value.stack, died.value.late) == ([], False)
    assert "/etc/passwd" in process.output


def test_output_has_no_control_characters(process: GuardedProcess) -> None:
    process.call(say, "\x1b[2Jpass", "\x9b3m\x08")
    assert "pass" in process.output
    assert process.output.replace("\n", "").isprintable()


def test_a_dead_process_leaves_no_children(tmp_path: Path) -> None:
    process = GuardedProcess(Limits(seconds=0.5))
    with pytest.raises(ProcessDiedError):
        process.call(hang_with_a_child, str(tmp_path / "pids"))
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 2
    assert all(is_gone(pid) for pid in pids)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the limit may be without effect")
def test_memory_is_limited() -> None:
    process = GuardedProcess(Limits(memory=GIGABYTE))
    assert process.call(take, GIGABYTE // 4) == GIGABYTE // 4
    with pytest.raises(MemoryError):
        process.call(take, 2 * GIGABYTE, expected=(MemoryError,))
    assert process.starts == 1
    process.close()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it ends with its call")
def test_the_process_of_a_killed_parent_ends(tmp_path: Path) -> None:
    source = f"""
import sys; sys.path[:] = {sys.path!r}
from gradcheck_cli.guard.process import GuardedProcess
from gradcheck_cli.guard.clock import begin_call, end_call
from gradcheck_cli.guard.limits import Limits
from tests.guard.test_process import hang_with_a_child
GuardedProcess(Limits()).call(hang_with_a_child, {str(tmp_path / "pids")!r})
"""
    with subprocess.Popen([sys.executable, "-c", source]) as parent:
        written = tmp_path / "pids"
        while not written.exists() or " " not in written.read_text():
            time.sleep(0.05)
        guarded, child = (int(pid) for pid in written.read_text().split())
        parent.kill()
    assert is_gone(guarded)
    with contextlib.suppress(ProcessLookupError):  # a grandchild outlives a killed grandparent
        os.kill(child, signal.SIGKILL)


def disturb() -> None:
    os.chdir("/")
    os.environ["CHANGED"] = "1"
    np.seterr(all="raise")
    np.set_printoptions(precision=1)
    np.random.seed(1)  # noqa: NPY002
    random.seed(1)
    warnings.simplefilter("ignore")
    sys.setrecursionlimit(5000)
    sys.path.insert(0, "/nowhere")
    sys.stdout = None


def state() -> list[Any]:
    return [
        Path.cwd(),
        dict(os.environ),
        np.geterr(),
        np.get_printoptions(),
        str(np.random.get_state()),  # noqa: NPY002
        random.getstate(),
        list(warnings.filters),
        sys.getrecursionlimit(),
        list(sys.path),
        sys.stdout,
    ]


def test_disturbed_state_is_restored() -> None:
    before = state()
    with preserve_state():
        disturb()
        changed = [one != other for one, other in zip(before, state(), strict=True)]
    assert all(changed), "the test disturbs less than it says"
    assert state() == before


def write_everywhere() -> list[str]:
    """Write into all descriptors but the standard ones and that of the answer, and say where these lead."""
    places: list[str] = []
    for descriptor in range(3, 1000):
        with contextlib.suppress(OSError):
            place = str(Path(f"/proc/self/fd/{descriptor}").readlink())
            if not place.startswith("socket:"):
                places.append(place)
                os.write(descriptor, b"forged")
    return places


def test_no_descriptor_of_the_parent_can_be_written_to(process: GuardedProcess, tmp_path: Path) -> None:
    with (tmp_path / "report").open("w"):
        places = process.call(write_everywhere)
    assert (tmp_path / "report").read_text() == ""
    assert str(tmp_path / "report") not in places
    assert len([place for place in places if place.startswith("pipe:")]) == 1  # that of the fault handler


def close_and_go_on() -> None:
    os.closerange(3, 1000)
    time.sleep(HUNG)


def test_a_process_that_closes_its_connection_and_continues_is_ended(process: GuardedProcess) -> None:
    started = time.monotonic()
    with pytest.raises(ProcessDiedError, match="closed the connection to the checker"):
        process.call(close_and_go_on)
    assert time.monotonic() - started < 6


def remove_builtins() -> None:
    import builtins

    for name in "any", "isinstance", "len", "str":
        delattr(builtins, name)
    raise ValueError


def test_a_replaced_function_is_named_and_is_not_a_bug(process: GuardedProcess) -> None:
    with pytest.raises(ProcessDiedError, match=r"replaced builtins\.\w+, which the checker uses"):
        process.call(remove_builtins)


def leave_a_daemon(path: str) -> None:
    if not os.fork():
        os.setsid()
        if not os.fork():
            Path(path).write_text(str(os.getpid()))
            time.sleep(HUNG)
        os._exit(0)


def test_daemons_end_with_the_process(process: GuardedProcess, tmp_path: Path) -> None:
    process.call(leave_a_daemon, str(tmp_path / "pid"))
    for _ in range(100):
        if (tmp_path / "pid").exists() and (tmp_path / "pid").read_text():
            break
        time.sleep(0.05)
    process.close()
    assert is_gone(int((tmp_path / "pid").read_text()))


@pytest.mark.parametrize("moment", ["start", "join"])
def test_ctrl_c_while_a_process_starts_or_ends_leaves_none_behind(moment: str) -> None:
    program = f"""if True:
        import os
        from multiprocessing.context import ForkProcess
        from gradcheck_cli.guard.limits import Limits
        from gradcheck_cli.guard.process import GuardedProcess
        process, original = GuardedProcess(Limits(seconds=9)), ForkProcess.{moment}
        def interrupted(self, *timeout):
            ForkProcess.{moment} = original
            if {moment!r} == "start":
                original(self)
            raise KeyboardInterrupt
        ForkProcess.{moment} = interrupted
        process.call(os.getpid)
        process.close()
    """
    run = subprocess.run([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True, timeout=20, check=False)
    assert run.stderr.endswith("KeyboardInterrupt\n")
