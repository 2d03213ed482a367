"""A guarded process: what functions return and print, how it dies, and what it leaves behind."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import mmap
import os
import random
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradcheck_cli.guard import running as running_module
from gradcheck_cli.guard.channel import shared_memory
from gradcheck_cli.guard.clock import Clock, begin_call, end_call
from gradcheck_cli.guard.descendants import children
from gradcheck_cli.guard.limits import GIGABYTE, Limits
from gradcheck_cli.guard.output import Output
from gradcheck_cli.guard.process import Process, ProcessDiedError, RequestFailedError
from gradcheck_cli.guard.protocol import HEADER, INLINE, Answer
from gradcheck_cli.guard.state import preserve_state

HUNG = 1000  #: seconds; no test waits for it


@pytest.fixture
def process() -> Iterator[Process]:
    guarded = Process(Limits(seconds=10))
    yield guarded
    guarded.close()


def answer(function: Callable[..., Any], *arguments: Any) -> Answer:
    """Call a function in the other process; its arrays go with the answer."""
    value = function(*arguments)
    return Answer(None, [value]) if isinstance(value, np.ndarray) else Answer(value)


def ask(process: Process, function: Callable[..., Any], *arguments: Any) -> Any:
    process.send(answer, function, *arguments)
    value, arrays = process.receive()
    return arrays[0] if arrays else value


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
    forge(HEADER.pack(INLINE, 1000, 0) + b"begun")
    time.sleep(HUNG)


def forge(text: bytes = b"wrong") -> None:
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


def test_values_are_returned_and_one_process_serves_all_calls(process: Process) -> None:
    assert ask(process, max, 3, 4) == 4
    assert ask(process, os.getpid) == ask(process, os.getpid) != os.getpid()
    assert process.starts == 1
    np.testing.assert_array_equal(ask(process, np.arange, 5), np.arange(5))


def test_what_a_function_raises_comes_as_its_traceback(process: Process) -> None:
    with pytest.raises(RequestFailedError, match="return 1 / 0"):
        ask(process, divide)
    assert process.starts == 1


def test_an_answer_that_nobody_took_is_dropped(process: Process) -> None:
    for function in (os.getpid, divide, leave):
        process.send(answer, function)
        assert ask(process, max, 3, 4) == 4


def test_prints_are_captured_call_by_call(process: Process, capfd: pytest.CaptureFixture[str]) -> None:
    ask(process, say, "one")
    assert set(process.take_output().splitlines()) == {"one", "past Python", "to stderr"}
    ask(process, max, 1, 2)
    assert process.take_output() == ""
    assert capfd.readouterr() == ("", "")


def test_a_flood_is_kept_at_both_ends(process: Process) -> None:
    ask(process, say, "first", "x" * 10**7)
    output = process.take_output()
    assert output.startswith("first")
    assert output.endswith("to stderr\n")
    assert "bytes ...]" in output
    assert len(output) < 10_000


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (leave, "ended the process with exit code 7"),
        (crash, "died of a segmentation fault"),
        (be_killed, "died of SIGKILL"),
        (hang, "was stopped after 0.5 s"),
        (spin, "was stopped after 0.5 s"),
        (stop, "was stopped after 0.5 s"),
    ],
)
def test_each_death_is_described_and_the_next_call_is_answered(function: Callable[[], None], reason: str) -> None:
    process = Process(Limits(seconds=0.5))
    pid = ask(process, os.getpid)
    with pytest.raises(ProcessDiedError) as died:
        ask(process, function)
    assert str(died.value).startswith(reason)
    assert died.value.late is ("stopped" in reason)
    if function in (crash, hang, spin):
        assert died.value.stack[-1][2] == function.__name__
        assert Path(died.value.stack[-1][0]).name == "test_process.py"
    assert is_gone(pid)
    assert ask(process, max, 3, 4) == 4
    assert process.starts == 2
    process.close()


def test_a_signal_without_a_name_is_described_by_its_number(process: Process) -> None:
    number = signal.SIGRTMIN + 3
    assert number not in set(signal.Signals)
    with pytest.raises(ProcessDiedError, match=f"^died of signal {int(number)}$"):
        ask(process, die_of, int(number))


def test_the_time_limit_is_for_each_call_of_user_code() -> None:
    process = Process(Limits(seconds=0.6))
    assert ask(process, call_for, *[0.2] * 5) == 5
    assert process.starts == 1
    with pytest.raises(ProcessDiedError) as died:
        ask(process, call_for, 0.1, HUNG)
    assert (died.value.late, died.value.imported) == (True, True)
    assert died.value.stack[-1][2] == "call_for"
    process.close()


def test_the_time_limit_holds_while_something_is_printed_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    printing = Process(Limits(seconds=0.1))
    monkeypatch.setattr(running_module.Running, "wait", lambda *_: False)
    with contextlib.closing(printing), pytest.raises(ProcessDiedError, match=r"stopped after 0\.1 s"):
        ask(printing, call_for, HUNG)


def test_what_is_written_without_end_is_read_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradcheck_cli.guard.output._MOST_SECONDS", 0.01)
    with Path("/dev/zero").open("rb") as endless:
        output = Output(endless.fileno(), 4, 4)
        output.read_all(0.01, 0.01)
    assert output.bytes().startswith(bytes(4) + b"\n[... ")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is a file without a name")
def test_shared_memory_cannot_be_cut_off() -> None:
    memory = shared_memory()
    for size in (0, 2**40):
        with pytest.raises(PermissionError):
            os.truncate(memory, size)
    os.close(memory)


def is_open_to_others() -> int:
    """Tell whether other processes of the same user, without further rights, may open memory and descriptors."""
    return int(ctypes.CDLL(None).prctl(3))  # PR_GET_DUMPABLE


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere that takes rights of its own")
def test_memory_and_descriptors_of_the_checker_are_closed_to_user_code(process: Process) -> None:
    assert ask(process, is_open_to_others) == 1
    assert is_open_to_others() == 0


def test_the_checkers_own_time_is_not_limited() -> None:
    process = Process(Limits(seconds=0.3))
    ask(process, time.sleep, 1.0)  # no user code is on the stack
    assert process.starts == 1
    with pytest.raises(ProcessDiedError) as died:
        ask(process, hang)  # user code, though not called as such
    assert (died.value.late, died.value.imported) == (True, False)
    process.close()


def test_a_copy_of_the_process_gives_no_second_answer(process: Process) -> None:
    pid = ask(process, os.getpid)
    for _ in range(5):
        assert ask(process, fork) == pid
        assert ask(process, fork_outside_of_a_call) == "one answer"
        assert ask(process, max, 3, 4) == 4


def test_a_forged_answer_ends_the_process_only(process: Process) -> None:
    with pytest.raises(ProcessDiedError, match="wrote into the connection"):
        ask(process, forge)
    assert ask(process, max, 3, 4) == 4


def test_an_unfinished_answer_is_not_waited_for() -> None:
    process = Process(Limits(seconds=0.5))
    with pytest.raises(ProcessDiedError):
        ask(process, begin_an_answer)
    assert ask(process, max, 3, 4) == 4
    process.close()


def test_printed_text_is_not_taken_for_a_stack_of_the_fault_handler(process: Process) -> None:
    with pytest.raises(ProcessDiedError, match=r"^ended the process with exit code 3$") as died:
        ask(process, print_a_report)
    assert (died.value.stack, died.value.late) == ([], False)
    assert "/etc/passwd" in process.take_output()


def test_output_has_no_control_characters(process: Process) -> None:
    ask(process, say, "\x1b[2Jpass", "\x9b3m\x08")
    output = process.take_output()
    assert "pass" in output
    assert output.replace("\n", "").isprintable()


def test_a_dead_process_leaves_no_children(tmp_path: Path) -> None:
    process = Process(Limits(seconds=0.5))
    with pytest.raises(ProcessDiedError):
        ask(process, hang_with_a_child, str(tmp_path / "pids"))
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 2
    assert all(is_gone(pid) for pid in pids)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the limit may be without effect")
def test_memory_is_limited() -> None:
    process = Process(Limits(memory=GIGABYTE))
    assert ask(process, take, GIGABYTE // 4) == GIGABYTE // 4
    with pytest.raises(RequestFailedError, match="MemoryError"):
        ask(process, take, 2 * GIGABYTE)
    assert process.starts == 1
    process.close()


def take_shared(size: int) -> None:
    shared = mmap.mmap(-1, size)
    begin_call()
    for page in range(0, size, 4096):
        shared[page] = 1
    time.sleep(HUNG)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the limit may be without effect")
def test_shared_memory_is_limited_too(process: Process) -> None:
    process.limits = Limits(memory=GIGABYTE // 4)
    with pytest.raises(ProcessDiedError, match="took more memory than --memory allows"):
        ask(process, take_shared, GIGABYTE // 2)


def forge_the_clock() -> None:
    begin_call()
    clock = next(one for one in gc.get_objects() if isinstance(one, Clock) and one.running)
    while True:
        clock.begin()


def test_a_forged_clock_gives_no_unlimited_time() -> None:
    process = Process(Limits(seconds=0.1))
    started = time.monotonic()
    with pytest.raises(ProcessDiedError, match="was stopped"):
        ask(process, forge_the_clock)
    assert time.monotonic() - started < 20
    process.close()


def fork_and_leave() -> None:
    if not os.fork():
        time.sleep(HUNG)
    os._exit(3)


def end_the_parent(path: str) -> None:
    leave_a_daemon(path)
    while not Path(path).exists() or not Path(path).read_text():
        time.sleep(0.01)
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(HUNG)


def test_a_child_that_holds_the_pipes_delays_nothing(process: Process) -> None:
    started = time.monotonic()
    with pytest.raises(ProcessDiedError, match=r"^ended the process with exit code 3$"):
        ask(process, fork_and_leave)
    assert time.monotonic() - started < 5


def test_a_daemon_ends_even_if_its_file_has_ended_the_supervisor(process: Process, tmp_path: Path) -> None:
    with pytest.raises(ProcessDiedError, match="died of SIGKILL"):
        ask(process, end_the_parent, str(tmp_path / "pid"))
    assert is_gone(int((tmp_path / "pid").read_text()))
    assert ask(process, max, 3, 4) == 4


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it ends with its call")
def test_the_process_of_a_killed_parent_ends(tmp_path: Path) -> None:
    source = f"""
import sys; sys.path[:] = {sys.path!r}
from gradcheck_cli.guard.process import Process
from gradcheck_cli.guard.limits import Limits
from tests.guard.test_process import ask, hang_with_a_child
ask(Process(Limits()), hang_with_a_child, {str(tmp_path / "pids")!r})
"""
    with subprocess.Popen([sys.executable, "-c", source]) as parent:
        written = tmp_path / "pids"
        while not written.exists() or " " not in written.read_text():
            time.sleep(0.05)
        guarded, child = (int(pid) for pid in written.read_text().split())
        parent.kill()
    assert is_gone(guarded)
    assert is_gone(child)


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


@pytest.mark.torch
def test_draws_of_pytorch_are_as_if_nobody_had_drawn() -> None:
    torch = pytest.importorskip("torch")
    before = torch.get_rng_state()
    with preserve_state():
        torch.rand(3)
        assert not torch.equal(torch.get_rng_state(), before)
    assert torch.equal(torch.get_rng_state(), before)


def write_everywhere() -> list[str]:
    """Write into all descriptors but the standard ones and that of the answer, and say where these lead."""
    places: list[str] = []
    for descriptor in range(3, 30_000):
        with contextlib.suppress(OSError):
            place = str(Path(f"/proc/self/fd/{descriptor}").readlink())
            if not place.startswith("socket:"):
                places.append(place)
                os.write(descriptor, b"forged")
    return places


def test_no_descriptor_of_the_parent_can_be_written_to(process: Process, tmp_path: Path) -> None:
    with (tmp_path / "report").open("w"):
        places = ask(process, write_everywhere)
    assert (tmp_path / "report").read_text() == ""
    assert str(tmp_path / "report") not in places
    assert len([place for place in places if place.startswith("pipe:")]) == 1  # that of the fault handler


def close_and_go_on() -> None:
    os.closerange(3, 30_000)
    time.sleep(HUNG)


def test_a_process_that_closes_its_connection_and_continues_is_ended(process: Process) -> None:
    started = time.monotonic()
    with pytest.raises(ProcessDiedError, match="closed the connection to the checker"):
        ask(process, close_and_go_on)
    assert time.monotonic() - started < 6


def leave_a_daemon(path: str) -> None:
    if not os.fork():
        os.setsid()
        if not os.fork():
            Path(path).write_text(str(os.getpid()))
            time.sleep(HUNG)
        os._exit(0)


def test_no_zombies_are_left(process: Process) -> None:
    before = set(children(os.getpid()))
    for deed in (leave, fork_and_leave, be_killed, hang):
        process.limits = Limits(seconds=0.2)
        with pytest.raises(ProcessDiedError):
            ask(process, deed)
        process.close()
    assert set(children(os.getpid())) <= before


def test_daemons_end_with_the_process(process: Process, tmp_path: Path) -> None:
    ask(process, leave_a_daemon, str(tmp_path / "pid"))
    for _ in range(100):
        if (tmp_path / "pid").exists() and (tmp_path / "pid").read_text():
            break
        time.sleep(0.05)
    process.close()
    assert is_gone(int((tmp_path / "pid").read_text()))


@pytest.mark.parametrize("moment", ["start_supervised", "end_descendants"])
def test_ctrl_c_while_a_process_starts_or_ends_leaves_none_behind(moment: str) -> None:
    program = f"""if True:
        import sys; sys.path[:] = {sys.path!r}
        from gradcheck_cli.guard import running as module
        from gradcheck_cli.guard.process import Process
        from gradcheck_cli.guard.limits import Limits
        from tests.guard.test_process import ask, os
        process, original = Process(Limits(seconds=9)), module.{moment}
        def interrupted(*arguments):
            module.{moment} = original
            if {moment!r} == "start_supervised":
                print(original(*arguments).pid, flush=True)
            raise KeyboardInterrupt
        module.{moment} = interrupted
        print(ask(process, os.getpid), flush=True)
        process.close()
    """
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=False)
    assert run.stderr.endswith("KeyboardInterrupt\n")
    assert is_gone(int(run.stdout))


def test_where_nothing_is_forked_a_fresh_process_does_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(running_module, "FORKS", False)
    process = Process(Limits(seconds=1))
    assert ask(process, say, "one") is None
    assert "past Python" in process.take_output()
    large = np.arange(10.0**5)
    np.testing.assert_array_equal(ask(process, np.negative, large), -large)
    with pytest.raises(ProcessDiedError, match="exit code 7"):
        ask(process, leave)
    with pytest.raises(ProcessDiedError, match="was stopped after 1 s"):
        ask(process, call_for, HUNG)
    ask(process, leave_a_daemon, str(tmp_path / "pid"))
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        time.sleep(0.05)
    process.close()
    assert is_gone(int((tmp_path / "pid").read_text()))
