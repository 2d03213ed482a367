"""Files that a run writes: none takes the place of another file of the run, and none is left half written."""

from __future__ import annotations

import errno
import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from gradcheck_cli.cli.collisions import refuse_collisions
from gradcheck_cli.cli.output_file import File
from gradcheck_cli.cli.outputs import open_files
from gradcheck_cli.cli.streams import OutputError
from tests.conftest import PROGRAMS, SMALL, clean_environment

if TYPE_CHECKING:
    from tests.conftest import LayerFile, Program

posix = pytest.mark.skipif(os.name != "posix", reason="permissions and links are others elsewhere")
full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a module that imports a helper, a package and a link; the current one."""
    monkeypatch.chdir(tmp_path)
    Path("model.py").write_text("import helper\n", encoding="utf-8")
    Path("helper.py").write_text("", encoding="utf-8")
    Path("adapter.py").write_text("", encoding="utf-8")
    Path("package").mkdir()
    Path("package/__init__.py").write_text("from .deep import f\n", encoding="utf-8")
    Path("package/deep.py").write_text("", encoding="utf-8")
    Path("broken.py").write_text("def (\0", encoding="utf-8")
    Path("old.json").write_text("{}", encoding="utf-8")
    Path("link.json").symlink_to("old.json")
    Path("to_model").symlink_to("model.py")
    return tmp_path


@pytest.mark.parametrize(
    ("written", "checked", "said"),
    [
        ({"--json": "model.py"}, ["model.py"], "--json 'model.py' would overwrite model.py, which is being checked"),
        ({"--json": "./package/../model.py"}, ["model.py:f,g"], "would overwrite model.py"),
        ({"--debug": "to_model"}, ["model.py"], "would overwrite model.py"),
        ({"--json": "package/deep.py"}, ["package"], "would overwrite package/deep.py, which is Python code"),
        ({"--plot": "adapter.py"}, ["model.py", "adapter.py:adapt"], "would overwrite adapter.py"),
        ({"--json": "broken.py"}, ["broken.py"], "would overwrite broken.py"),
        ({"--resume": "helper.py"}, ["model.py"], "--resume 'helper.py' would overwrite helper.py"),
        ({"--json": "new", "--debug": "./new"}, [], "--json 'new' and --debug './new' are the same file"),
        ({"--json": "old.json", "--debug": "link.json"}, [], "are the same file"),
        (
            {"--json": "new", "--resume": "package/../new"},
            [],
            "--json 'new' and --resume 'package/../new' are the same file",
        ),
    ],
)
@pytest.mark.usefixtures("folder")
def test_what_would_be_overwritten_is_refused(written: dict[str, str], checked: list[str], said: str) -> None:
    with pytest.raises(click.UsageError) as refused:
        refuse_collisions(written, checked)
    assert said in refused.value.format_message()


@pytest.mark.usefixtures("folder")
def test_what_harms_nothing_is_accepted() -> None:
    refuse_collisions({"--json": "old.json", "--debug": "new.npz", "--resume": "r.jsonl"}, ["model.py", "package"])
    refuse_collisions({"--json": "other.py"}, ["model.py"])
    refuse_collisions({"--json": os.devnull, "--debug": os.devnull}, [])


def test_nothing_is_touched_where_it_is_refused(convcheck: Program, layer_file: LayerFile, tmp_path: Path) -> None:
    source = layer_file()
    before = source.read_bytes()
    convcheck(source, *SMALL, "--resume", "r.jsonl")
    kept = (tmp_path / "r.jsonl").read_bytes()
    for flags in (
        ("--json", source),
        ("--debug", source),
        ("--json", "r.jsonl", "--resume", "r.jsonl"),
        ("--json", "new", "--debug", "new"),
    ):
        run = convcheck(source, *SMALL, *flags)
        assert (run.returncode, run.stdout, len(run.stderr.splitlines())) == (2, "", 2)
    assert (source.read_bytes(), (tmp_path / "r.jsonl").read_bytes()) == (before, kept)
    assert {path.name for path in tmp_path.iterdir()} == {source.name, "r.jsonl"}


def test_the_file_that_stdout_goes_to_is_refused(tmp_path: Path) -> None:
    for redirected, flags in ("> out.json", "--json out.json"), ("2> log", "--debug log"):
        command = f'"$0" --N 1 {flags} {redirected}'
        run = subprocess.run(["sh", "-c", command, PROGRAMS / "convcheck"], cwd=tmp_path, check=False)
        assert run.returncode == 2
    assert "is the file to which stderr goes" in (tmp_path / "log").read_text(encoding="utf-8")


def write(output: object) -> None:
    assert isinstance(output, File)
    output.stream.write("{}")
    output.commit()


@posix
def test_a_draft_is_no_more_open_than_what_it_replaces(tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    target.touch(mode=0o600)
    with open_files({"--json": str(target)}) as outputs:
        (draft,) = (path for path in tmp_path.iterdir() if path != target)
        assert stat.S_IMODE(draft.stat().st_mode) == 0o600
        target.chmod(0o640)  # while the run goes: what it was at the beginning counts
        write(outputs["--json"])
    assert (target.read_text(encoding="utf-8"), stat.S_IMODE(target.stat().st_mode)) == ("{}", 0o600)
    before = os.umask(0o027)
    try:
        with open_files({"--json": str(tmp_path / "new.json")}) as outputs:
            write(outputs["--json"])
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new.json").stat().st_mode) == 0o640
    assert {path.name for path in tmp_path.iterdir()} == {"report.json", "new.json"}


def test_names_of_drafts_cannot_be_foreseen(tmp_path: Path) -> None:
    names = set()
    for _ in range(3):
        with open_files({"--json": str(tmp_path / "report.json")}):
            names |= {path.name for path in tmp_path.iterdir()}
    assert len(names) == 3
    assert list(tmp_path.iterdir()) == []


def test_what_nothing_was_written_to_stays_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "case.npz"
    for before in (None, b"as it was"):
        if before is not None:
            target.write_bytes(before)
        with open_files({"--debug": str(target)}) as outputs:
            outputs["--debug"].commit()
        assert [path.read_bytes() for path in tmp_path.iterdir()] == ([] if before is None else [before])


def test_a_name_of_255_bytes_has_room_for_a_draft(tmp_path: Path) -> None:
    output = File(tmp_path / ("n" * 255), "--json")
    output.stream.write("{}")
    output.commit()
    assert [path.name for path in tmp_path.iterdir()] == ["n" * 255]


@posix
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("nowhere/report.json", "give a file in a folder that is there"),
        ("file/report.json", "give a file in a folder that is there"),
        ("n" * 300, os.strerror(errno.ENAMETOOLONG)),
        ("loop", os.strerror(errno.ELOOP)),
        ("loop/report.json", os.strerror(errno.ELOOP)),
        ("folder", os.strerror(errno.EISDIR)),
        (".", os.strerror(errno.EISDIR)),
        ("a\nb/report.json", r"a\nb/report.json"),
        ("\udcff/report.json", r"\udcff/report.json"),
        ("socket", os.strerror(errno.ENXIO)),
    ],
)
def test_what_cannot_be_opened_is_reported_before_anything_runs(
    name: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("folder").mkdir()
    Path("loop").symlink_to("loop")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket")
        with pytest.raises(click.BadParameter) as refused, open_files({"--json": name}):
            raise AssertionError
    assert "cannot be written" in refused.value.message
    assert why in refused.value.message
    assert {path.name for path in Path().iterdir()} == {"file", "folder", "loop", "socket"}


@posix
def test_a_pipe_is_written_to_as_soon_as_somebody_reads(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["sh", "-c", 'sleep 0.3; cat "$0"', pipe], stdout=subprocess.PIPE, text=True) as reader:
        output = File(pipe, "--json")
        output.stream.write("{}")
        output.commit()
        assert reader.communicate(timeout=20)[0] == "{}"
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@full
def test_a_full_disk_takes_no_other_output_along(convcheck: Program, layer_file: LayerFile, tmp_path: Path) -> None:
    layer = layer_file(("return dx, dw, db", "return dx, 2 * dw, db"))
    run = convcheck(layer, *SMALL, "--debug", "/dev/full", "--json", "report.json")
    assert run.returncode == 2
    assert "1 case failed" in run.stdout
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["summary"]["fail"] == 1
    assert run.stderr.splitlines()[-1] == "Error: --debug '/dev/full' cannot be written: No space left on device."
    assert "Traceback" not in run.stderr


def test_a_disk_that_fills_up_leaves_what_was_there(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    (tmp_path / "report.json").write_text("as it was", encoding="utf-8")

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    run = subprocess.run(
        [PROGRAMS / "convcheck", "--json", "report.json"],
        cwd=tmp_path,
        env=clean_environment(PYTHONDONTWRITEBYTECODE="1"),  # Python 3.11 would leave modules that are cut short
        capture_output=True,
        text=True,
        preexec_fn=limit,  # this process has no threads
        check=False,
    )
    assert run.returncode == 2
    assert run.stderr == "Error: --json 'report.json' cannot be written: File too large.\n"
    assert "passed" in run.stdout
    assert (tmp_path / "report.json").read_text(encoding="utf-8") == "as it was"
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


@full
def test_a_failed_write_is_an_output_error() -> None:
    output = File(Path("/dev/full"), "--json")
    output.stream.write("x")
    with pytest.raises(OutputError, match="--json '/dev/full' cannot be written: No space left"):
        output.commit()
    output.discard()
    assert output.stream.closed


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere processes are asked for otherwise")
def test_a_later_run_removes_what_a_killed_one_left(layer_file: LayerFile, convcheck: Program, tmp_path: Path) -> None:
    layer_file(
        ("import numpy as np\n", "import time\nfrom pathlib import Path\n\nimport numpy as np\n"),
        ("    H, W = x.shape[2:]\n", "    H, W = x.shape[2:]\n    Path('waiting').touch()\n    time.sleep(60)\n"),
    )
    with subprocess.Popen(
        [PROGRAMS / "convcheck", "layers.py", *SMALL, "--json", "report.json", "--debug", "case.npz"],
        cwd=tmp_path,
        env=clean_environment(),
        stdout=subprocess.DEVNULL,
    ) as run:
        while not (tmp_path / "waiting").exists():
            time.sleep(0.02)
        run.kill()
    drafts = {path.name for path in tmp_path.iterdir()} - {"layers.py", "waiting"}
    assert len(drafts) == 2
    assert convcheck(*SMALL, "--json", "other.json").returncode == 0
    assert {path.name for path in tmp_path.iterdir()} == {"layers.py", "waiting", "other.json"}


def test_each_report_can_be_on_stdout(convcheck: Program, layer_file: LayerFile, tmp_path: Path) -> None:
    layer_file(("return dx, dw, db", "return dx, 2 * dw, db"))
    for flags, start in (
        (("--format", "junit"), "<?xml "),
        (("--format", "csv"), "file,implementation,"),
        (("--markdown", "-", "--json", "report.json"), "### convcheck: FAIL"),
    ):
        run = convcheck("layers.py", *SMALL, *flags)
        assert (run.returncode, run.stderr) == (1, "")
        assert run.stdout.startswith(start)
        assert "dw is 2 times the derivative" in run.stdout
    assert (tmp_path / "report.json").exists()
    run = convcheck("layers.py", *SMALL, "--csv", "-", "--markdown", "-")
    assert (run.returncode, run.stdout) == (2, "")
    assert "--markdown - and --csv - both write to stdout; leave one of them out." in run.stderr


def test_feedback_goes_to_a_folder_that_is_made(convcheck: Program, layer_file: LayerFile, tmp_path: Path) -> None:
    for name in "ada", "bob":
        layer_file(("return dx, dw, db", "return dx, 2 * dw, db"), name=f"{name}/layers.py")
    flags = ("ada/layers.py", "bob/layers.py", *SMALL, "--feedback", "to/them")
    run = convcheck(*flags)
    assert (run.returncode, run.stderr) == (1, "")
    texts = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "to/them").iterdir()}
    assert set(texts) == {"ada--layers.py.txt", "bob--layers.py.txt"}
    assert "    convcheck layers.py:conv_forward,conv_backward --N 1" in texts["ada--layers.py.txt"]
    (tmp_path / "to/them/ada--layers.py.txt").write_text("notes of my own", encoding="utf-8")
    (tmp_path / "to/them/bob--layers.py.txt").write_text("Feedback of an earlier run", encoding="utf-8")
    run = convcheck(*flags, "--json", "report.json")
    assert run.returncode == 2
    assert run.stderr == (
        "Error: --feedback 'to/them/ada--layers.py.txt' cannot be written: it is there, and begins otherwise than "
        "'Feedback of'; move it, or give another folder.\n"
    )
    assert (tmp_path / "to/them/ada--layers.py.txt").read_text(encoding="utf-8") == "notes of my own"
    assert (tmp_path / "to/them/bob--layers.py.txt").read_text(encoding="utf-8") == texts["bob--layers.py.txt"]
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["summary"]["fail"] == 2


def test_feedback_that_cannot_be_written_is_refused(convcheck: Program, layer_file: LayerFile, tmp_path: Path) -> None:
    layer_file()
    (tmp_path / "notes").touch()
    for folder, said in (
        ("notes", "'notes' cannot be written: it is a file; give a folder."),
        ("layers.py", "'layers.py' would overwrite layers.py, which is being checked"),
        ("layers.py/x", "'layers.py/x' cannot be written: Not a directory; give a file in a folder that is there."),
        ("-", "'-' is no folder; give one, which is made if it is not there."),
        ("", "'' is no folder; give one, which is made if it is not there."),
    ):
        run = convcheck("layers.py", *SMALL, "--feedback", folder)
        assert run.returncode == 2
        assert said in run.stderr
        assert run.stdout == ""
    run = convcheck("layers.py", *SMALL, "--feedback", "new", "--json", "new")
    assert "--json 'new' and --feedback 'new' are the same file" in run.stderr
    assert convcheck("nothing.py", *SMALL, "--feedback", "new").returncode == 2
    assert {path.name for path in tmp_path.iterdir()} == {"layers.py", "notes"}
