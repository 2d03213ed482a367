"""A file of results: complete lines are read back, an incomplete one is dropped, and other files are left alone."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from gradcheck_cli.checks.check import check
from gradcheck_cli.engine.journal import Journal, UnusableError
from gradcheck_cli.layers.conv.conv import ConvCase
from tests.conftest import SMALL

if TYPE_CHECKING:
    from pathlib import Path

    from gradcheck_cli.results.result import CaseResult
    from tests.conftest import Program

RUN = {"convcheck": "0.1.0", "implementations": ["fast"], "--tol": None}
CASES = [ConvCase(N=1, C=1, H=3, W=3, F=1, seed=seed) for seed in range(4)]


@pytest.fixture(scope="module")
def results() -> list[CaseResult]:
    return [check(case) for case in CASES]


@pytest.fixture
def kept(tmp_path: Path, results: list[CaseResult]) -> Path:
    path = tmp_path / "results.jsonl"
    journal = Journal(path, RUN)
    for case, result in zip(CASES, results, strict=True):
        journal.keep(0, case, result)
    journal.close()
    return path


def recalled(path: Path) -> list[bool]:
    """Tell of each case whether it is there."""
    journal = Journal(path, RUN)
    try:
        return [journal.recall(0, case) is not None for case in CASES]
    finally:
        journal.close()


def test_what_was_kept_comes_back(kept: Path, results: list[CaseResult]) -> None:
    journal = Journal(kept, RUN)
    assert [journal.recall(0, case) for case in CASES] == results
    assert journal.recall(1, CASES[0]) is None
    journal.close()


def test_what_is_written_while_results_are_read_disturbs_neither(kept: Path, results: list[CaseResult]) -> None:
    journal = Journal(kept, RUN)
    for number in range(1, 9):
        for case, result in zip(CASES, results, strict=True):
            assert journal.recall(number - 1, case) is None or journal.recall(0, case) == result
            journal.keep(number, case, result)
    journal.close()
    assert recalled(kept) == [True] * 4
    assert len(kept.read_bytes().splitlines()) == 1 + 9 * 4


@pytest.mark.parametrize("torn", [1, 2, 50, -1])
def test_a_torn_line_is_dropped_and_nothing_else(kept: Path, torn: int) -> None:
    lines = kept.read_bytes().splitlines(keepends=True)
    kept.write_bytes(b"".join(lines[:-1]) + lines[-1][:torn])
    assert recalled(kept) == [True, True, True, False]
    assert kept.read_bytes() == b"".join(lines[:-1])


def test_a_run_that_was_cut_at_its_beginning_begins_anew(kept: Path) -> None:
    header = kept.read_bytes().splitlines(keepends=True)[0]
    for length in 0, 1, 30, len(header) - 1:
        kept.write_bytes(header[:length])
        assert recalled(kept) == [False] * 4
        assert kept.read_bytes() == header


def nested(depth: int) -> bytes:
    return b'{"implementation": 0, "result": ' + b"[" * depth + b"]" * depth + b"}\n"


def twice(line: bytes) -> bytes:
    """Give an object its first key again, with another value."""
    return b'{"implementation": 5, ' + line[1:]


DAMAGES: dict[str, tuple[Callable[[list[bytes]], list[bytes]], str]] = {
    "a letter": (lambda lines: [*lines[:2], lines[2].replace(b"pass", b"paws", 1), *lines[3:]], "line 3 is no result"),
    "a digit": (lambda lines: [*lines[:2], re.sub(rb"(\d)\.(\d)", rb"\2.\1", lines[2]), *lines[3:]], "line 3"),
    "a checksum": (lambda lines: [*lines[:-1], re.sub(rb"\d}\n", b"x}\n", lines[-1])], "line 5 is no result"),
    "no checksum": (lambda lines: [*lines[:-1], lines[-1].partition(b', "crc32"')[0] + b"}\n"], "line 5"),
    "cut short": (lambda lines: [lines[0], lines[1][:80] + b"\n", *lines[2:]], "line 2 is no result"),
    "two joined": (lambda lines: [lines[0], lines[1][:80] + lines[2], *lines[3:]], "line 2 is no result"),
    "an empty line": (lambda lines: [*lines, b"\n"], "line 6 is no result"),
    "binary": (lambda lines: [*lines, bytes(range(256)).replace(b"\n", b"") + b"\n"], "line 6 is no result"),
    "bad UTF-8": (lambda lines: [*lines[:-1], lines[-1].replace(b"fast", b"f\xffst", 1)], "line 5 is no result"),
    "NaN": (lambda lines: [*lines[:-1], lines[-1].replace(b'"pass"', b"NaN", 1)], "line 5 is no result"),
    "a key twice": (lambda lines: [*lines[:-1], twice(lines[-1])], "line 5 is no result"),
    "a huge number": (lambda lines: [*lines, b'{"implementation": ' + b"9" * 5000 + b"}\n"], "line 6"),
    "deep nesting": (lambda lines: [*lines, nested(100_000)], "line 6 is no result"),
    "deep header": (lambda lines: [b'{"gradcheck_run": ' + nested(100_000), *lines[1:]], "line 1 does not say"),
    "huge version": (lambda lines: [b'{"gradcheck_run": ' + b"9" * 5000 + b"}\n"], "line 1 does not say"),
    "old version": (lambda lines: [b'{"gradcheck_run": 1}\n', *lines[1:]], "its format is version 1, and this program"),
    "new version": (lambda lines: [b'{"gradcheck_run": 20}\n', *lines[1:]], "its format is version 20"),
    "no version": (lambda lines: [b'{"gradcheck_run": null}\n', *lines[1:]], "its format is version not given"),
    "cut header": (lambda lines: [lines[0][:40] + b"\n", *lines[1:]], "line 1 does not say what run it is"),
    "a list": (lambda lines: [b"[1, 2]\n"], "it is no file of results"),
    "text": (lambda lines: [b"dear diary\n"], "it is no file of results"),
    "text without an end": (lambda lines: [b"dear diary"], "it is no file of results"),
    "no line ends": (lambda lines: [b"".join(lines).replace(b"\n", b"\r")], "it is no file of results"),
    "UTF-16": (lambda lines: [b"".join(lines).decode().encode("utf-16")], "it is no file of results"),
    "zeros": (lambda lines: [bytes(10_000)], "it is no file of results"),
    "another run": (lambda lines: [lines[0].replace(b"fast", b"slow"), *lines[1:], b"torn"], "was slow, now fast"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_refused_and_left_alone(kept: Path, damage: str) -> None:
    change, said = DAMAGES[damage]
    before = b"".join(change(kept.read_bytes().splitlines(keepends=True)))
    assert before != kept.read_bytes()
    kept.write_bytes(before)
    with pytest.raises(UnusableError) as refused:
        Journal(kept, RUN)
    assert said in str(refused.value)
    assert kept.read_bytes() == before


def test_a_line_without_end_is_not_read_to_its_end(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradcheck_cli.engine.journal._LONGEST", 100_000)
    with kept.open("ab") as file:
        file.truncate(file.tell() + 10**9)  # of zeros, which take no room
    with pytest.raises(UnusableError, match="longer than any result"):
        Journal(kept, RUN)
    assert kept.stat().st_size > 10**9


def test_a_result_that_could_not_be_read_again_is_not_kept(
    tmp_path: Path, results: list[CaseResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gradcheck_cli.engine.journal._LONGEST", 500)
    journal = Journal(tmp_path / "r", RUN)
    journal.keep(0, CASES[0], results[0])
    journal.close()
    assert recalled(tmp_path / "r") == [False] * 4


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there are other devices")
@pytest.mark.parametrize("what", ["pipe", "/dev/full", "/dev/zero", "/dev/null", "folder", "loop"])
def test_only_regular_files_are_opened(what: str, tmp_path: Path) -> None:
    path = tmp_path / what
    if what == "pipe":
        os.mkfifo(path)
    elif what == "folder":
        path.mkdir()
    elif what == "loop":
        path.symlink_to("loop")
    with pytest.raises((UnusableError, OSError), match=r"pipe or a device|directory|symbolic links"):
        Journal(path, RUN)


def test_a_link_is_followed_and_a_new_file_is_the_users_to_share(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("there")
    before = os.umask(0o027)
    try:
        Journal(tmp_path / "link", RUN).close()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "there").stat().st_mode) == 0o640


def test_two_runs_do_not_write_the_same_file(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    first = Journal(tmp_path / "r", RUN)
    with pytest.raises(UnusableError, match="another run is writing it"):
        Journal(tmp_path / "r", RUN)
    first.close()
    Journal(tmp_path / "r", RUN).close()


def test_a_disk_that_fills_up_within_a_line_leaves_whole_lines(
    kept: Path, results: list[CaseResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, before, write = Journal(kept, RUN), kept.read_bytes(), os.write
    room = [100]

    def filling(descriptor: int, data: bytes) -> int:
        if not room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data[: room.pop()])

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", filling)
        with pytest.raises(OSError, match="No space left"):
            journal.keep(1, CASES[0], results[0])
    assert kept.read_bytes() == before
    journal.keep(1, CASES[0], results[0])
    journal.close()
    assert recalled(kept) == [True] * 4


def test_a_full_disk_ends_the_keeping_and_not_the_run(convcheck: Program, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    from tests.conftest import PROGRAMS, clean_environment

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (12_000, 12_000))

    arguments = ("--stride", "1,2", "--pad", "0..2", *SMALL, "--resume", "r.jsonl", "--format", "json")
    run = subprocess.run(
        [PROGRAMS / "convcheck", *arguments],
        cwd=tmp_path,
        env=clean_environment(PYTHONDONTWRITEBYTECODE="1"),  # on 3.11 a full disk would leave half a .pyc
        capture_output=True,
        text=True,
        preexec_fn=limit,  # this process has no threads
        check=False,
    )
    assert run.returncode == 2
    assert json.loads(run.stdout)["summary"]["pass"] == 6
    warning, error = run.stderr.splitlines()
    assert "--resume 'r.jsonl' cannot be written: File too large; the run goes on" in warning
    assert error == "Error: --resume 'r.jsonl' cannot be written: File too large."
    whole = (tmp_path / "r.jsonl").read_bytes()
    assert 1 < len(whole.splitlines()) < 7
    assert whole.endswith(b"\n")
    assert convcheck(*arguments).returncode == 0
    assert (tmp_path / "r.jsonl").read_bytes().startswith(whole)
    assert len((tmp_path / "r.jsonl").read_bytes().splitlines()) == 7


def test_from_the_command_line_it_is_two_lines(convcheck: Program, tmp_path: Path) -> None:
    for name in "folder/", "", "nowhere/r", "n" * 300, "-":
        run: Any = convcheck(*SMALL, "--resume", name)
        assert (run.returncode, run.stdout, len(run.stderr.splitlines())) == (2, "", 2)
        assert "--resume" in run.stderr
    assert list(tmp_path.iterdir()) == []
