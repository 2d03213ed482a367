"""Signals end a program in each of its phases as they should: here in small programs of their own."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence

import pytest

#: Prints as it goes, and sends itself what `kill` says.
PROGRAM = """\
import os, signal, sys, time
from gradcheck_cli.engine import interrupts

def kill(*names):
    for name in names:
        os.kill(os.getpid(), getattr(signal, name))

def say(*words):
    print(*words, flush=True)

interrupts.install()
"""


def run(lines: str, *, ignored: Sequence[signal.Signals] = ()) -> subprocess.CompletedProcess[str]:
    def ignore() -> None:
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)

    return subprocess.run(
        [sys.executable, "-c", PROGRAM + lines],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        preexec_fn=ignore,  # this process has no threads
    )


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_at_first_a_signal_ends_the_program_at_once(name: str, code: int) -> None:
    done = run(f"kill({name!r}); say('not reached')")
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


def test_a_deferred_signal_is_raised_only_while_work_is_waited_for() -> None:
    done = run("""
interrupts.defer()
try:
    with interrupts.interruptible():
        say("working")
        kill("SIGTERM", "SIGINT", "SIGINT")
        say("not reached")
except KeyboardInterrupt:
    kill("SIGINT")
    say("reported")
say(interrupts.received() == signal.SIGTERM)
""")
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["working", "reported", "True"], "")


def test_an_earlier_signal_is_raised_as_soon_as_it_can_be() -> None:
    done = run("""
interrupts.defer()
kill("SIGINT")
say("written")
try:
    with interrupts.interruptible():
        say("not reached")
except KeyboardInterrupt:
    say("raised")
""")
    assert (done.stdout.split(), done.stderr) == (["written", "raised"], "")


def test_a_caught_interrupt_is_raised_again_at_the_end_of_the_block() -> None:
    done = run("""
interrupts.defer()
try:
    with interrupts.interruptible():
        try:
            kill("SIGINT")
        except BaseException:
            say("caught")
    say("not reached")
except KeyboardInterrupt:
    say("raised")
""")
    assert (done.stdout.split(), done.stderr) == (["caught", "raised"], "")


def test_after_the_end_signals_are_ignored() -> None:
    done = run("interrupts.defer(); interrupts.ignore(); kill('SIGINT', 'SIGTERM'); say(interrupts.received())")
    assert (done.returncode, done.stdout, done.stderr) == (0, "None\n", "")


def test_a_signal_that_the_parent_ignores_stays_ignored() -> None:
    done = run("kill('SIGHUP'); say('goes on'); kill('SIGTERM')", ignored=[signal.SIGHUP])
    assert (done.returncode, done.stdout) == (143, "goes on\n")


def test_a_fork_dies_of_sigterm_and_leaves_ctrl_c_to_its_parent() -> None:
    done = run("""
interrupts.defer()
pid = os.fork()
if pid == 0:
    kill("SIGINT")
    say("child goes on")
    kill("SIGTERM")
    say("not reached")
say(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), interrupts.received())
""")
    assert (done.stdout, done.stderr) == ("child goes on\n-15 None\n", "")


def test_only_the_programs_handle_signals() -> None:
    done = run("""
interrupts._reset_in_child()
signal.signal(signal.SIGINT, signal.default_int_handler)
interrupts.defer()
try:
    with interrupts.interruptible():
        kill("SIGINT")
except KeyboardInterrupt:
    say("raised by Python", interrupts.received())
""")
    assert done.stdout == "raised by Python None\n"
