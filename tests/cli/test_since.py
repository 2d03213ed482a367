"""`--since`: results are carried over if nothing that they depend on has changed, and only then."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from gradcheck_cli.cli.about import versions
from gradcheck_cli.cli.origin import Sources
from gradcheck_cli.cli.recorded import read_report
from gradcheck_cli.cli.request import make_request
from gradcheck_cli.cli.since import _NOT_ITS_OWN, _difference
from gradcheck_cli.engine.errors import describe_bug
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.report.json import schema
from tests.conftest import SMALL, report_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import LayerFile, Program

RIGHT, DOUBLED = "return dx, dw, db", "return dx, 2 * dw, db"

RELU = """\
import numpy as np


def relu_forward(x):
    return np.maximum(x, 0), x


def relu_backward(dout, x):
    return dout * (x > 0)
"""
WRONG = RELU.replace("dout * (x > 0)", "2 * dout * (x > 0)")


@pytest.fixture
def course(tmp_path: Path) -> list[str]:
    """Return files: right, wrong, one that cannot be loaded, and one with a layer that has no backward pass."""
    (tmp_path / "right.py").write_text(RELU)
    (tmp_path / "wrong.py").write_text(WRONG)
    (tmp_path / "broken.py").write_text("import no_such_module_at_all\n\nx = no_such_module_at_all.x\n")
    (tmp_path / "two.py").write_text(RELU + "\n\ndef tanh_forward(x):\n    return np.tanh(x), x\n")
    return ["right.py", "wrong.py", "broken.py", "two.py"]


def carried(report: dict[str, Any]) -> dict[str, bool]:
    """Tell for each file whether its results are carried over; all of them or none."""
    found: dict[str, set[bool]] = {}
    for result in report["results"]:
        found.setdefault(result["implementation"].partition(":")[0], set()).add(result.get("carried_over", False))
    assert all(len(ways) == 1 for ways in found.values())
    return {file: ways == {True} for file, ways in found.items()}


def bare(report: dict[str, Any]) -> list[dict[str, Any]]:
    return [{name: one for name, one in result.items() if name != "carried_over"} for result in report["results"]]


def test_an_unchanged_course_is_reported_as_before(gradcheck: Program, course: list[str], tmp_path: Path) -> None:
    first = gradcheck(*course, "--json", "old.json")
    again = gradcheck(*course, "--since", "old.json", "--json", "new.json", "--csv", "new.csv", "--junit", "new.xml")
    old, new = (json.loads((tmp_path / name).read_text()) for name in ("old.json", "new.json"))
    Draft202012Validator(json.loads(schema())).validate(new)
    assert bare(new) == bare(old)  # seconds included: nothing was computed
    assert carried(new) == dict.fromkeys(course, True)
    assert new["summary"]["carried_over"] == new["summary"]["cases"] == len(new["results"])
    assert (again.returncode, first.returncode) == (1, 1)
    rows = [run.stdout.rpartition(" in ")[0] for run in (first, again)]
    assert rows[0] == rows[1]
    assert f"{new['summary']['cases']} carried over" in again.stdout
    assert "since old.json: 4 of 4 files have not changed" in again.stderr
    assert gradcheck("compare", "old.json", "new.json").stdout.endswith("unchanged\n")
    third = gradcheck(*course, "--since", "new.json", "--json", "-", "-q")  # from one to the next
    assert carried(report_of(third)) == carried(new)


def test_what_has_changed_is_checked_again(gradcheck: Program, course: list[str], tmp_path: Path) -> None:
    gradcheck(*course, "--json", "old.json")
    (tmp_path / "right.py").write_text(WRONG)
    (tmp_path / "wrong.py").write_text(RELU)
    (tmp_path / "no_such_module_at_all.py").write_text("x = 3\n")
    (tmp_path / "new.py").write_text(RELU)
    report = report_of(gradcheck(*course, "new.py", "--since", "old.json", "--json", "-"))
    assert carried(report) == {**dict.fromkeys([*course, "new.py"], False), "two.py": True}
    verdicts = {
        file: {r["verdict"] for r in report["results"] if r["implementation"].startswith(file)} for file in course
    }
    assert verdicts["right.py"] == {"fail"}
    assert verdicts["wrong.py"] == {"pass"}
    assert "no_such_module_at_all" not in json.dumps([one["reason"] for one in report["results"]])


def test_other_settings_and_versions_carry_nothing_over(
    convcheck: Program, layer_file: LayerFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer_file()
    convcheck("layers.py", *SMALL, "--json", "old.json")
    monkeypatch.chdir(tmp_path)
    old, now = json.loads((tmp_path / "old.json").read_text()), versions("convcheck")

    def difference(report: dict[str, Any], **flags: Any) -> str | None:
        (tmp_path / "other.json").write_text(json.dumps(report))
        request = make_request(LAYERS["conv"], {"implementations": ("layers.py",), **flags})
        return _difference(read_report("other.json"), request, Sources(request), now)

    assert difference(old) is None
    assert difference(old, tol=50.0) == "--tol was not given, now 50.0"
    assert difference(old, method="dense") == "--method was auto, now dense"
    assert difference(old, step=0.1, shard=(1, 2)) == "--step was not given, now 0.1; --shard was not given, now 1, 2"
    assert difference(old, skipped_duties=("finite",)) == "--skip-duty was not given, now finite"
    assert difference(old, timeout=50.0, memory=2.0) == "--timeout was 60.0, now 50.0; --memory was not given, now 2.0"
    for name, shown in {"version": "the checker", "numpy": "numpy", "python": "python"}.items():
        assert (difference(old | {"tool": old["tool"] | {name: "0.0.9"}}) or "").startswith(f"{shown} was 0.0.9, now")
    for name in ("layer", "platform"):
        assert f"the {name} was x" in (difference(old | {"origin": old["origin"] | {name: "x"}}) or "")
    del old["origin"]
    assert difference(old) == "the report does not say what its results depend on"
    run = convcheck("layers.py", *SMALL, "--tol", "50", "--since", "old.json", "--json", "-")
    assert "Warning: --since old.json: all is checked again: --tol was not given, now 50.0." in run.stderr
    assert carried(report_of(run)) == {"layers.py": False}


def test_what_is_unchanged_is_not_even_loaded(
    convcheck: Program, gradcheck: Program, layer_file: LayerFile, tmp_path: Path
) -> None:
    layer_file(("import numpy as np", 'import numpy as np\n\nnp.asarray(3).tofile("loaded")'))
    for program, flags in (convcheck, SMALL), (gradcheck, ()):
        assert program("layers.py", *flags, "--json", "old.json").returncode == 0
        (tmp_path / "loaded").unlink()
        assert program("layers.py", *flags, "--since", "old.json").returncode == 0
        assert not (tmp_path / "loaded").exists()


def test_each_case_is_carried_over_alone(convcheck: Program, layer_file: LayerFile) -> None:
    layer_file((RIGHT, DOUBLED))
    convcheck("layers.py", *SMALL, "--pad", "0,1", "--dtype", "float32", "--json", "old.json")
    run = convcheck(
        "layers.py", *SMALL, "--pad", "1,2", "--dtype", "float32,float64", "--since", "old.json", "--json", "-"
    )
    known = [(one["case"]["pad"], one["case"]["dtype"]) for one in report_of(run)["results"] if "carried_over" in one]
    assert known == [([1, 1], "float32")]
    seeded = convcheck("layers.py", *SMALL, "--pad", "1", "--seed", "1", "--dtype", "float32", "--since", "old.json")
    assert "carried over" not in seeded.stdout


def test_a_name_means_the_same_implementation(convcheck: Program, layer_file: LayerFile) -> None:
    """`layers.py` alone is the pair that fits; results of another pair of that file are not its own."""
    other = "\n\ndef conv_backward_other(dout, cache):\n    return conv_backward(dout, cache)[0], None, None\n"
    file = layer_file()
    file.write_text(file.read_text() + other)
    pair = "layers.py:conv_forward,conv_backward_other"
    convcheck(pair, *SMALL, "--json", "other.json")
    run = convcheck("layers.py:conv_forward,conv_backward", *SMALL, "--since", "other.json", "--json", "-")
    assert [(one["verdict"], "carried_over" in one) for one in report_of(run)["results"]] == [("pass", False)]
    convcheck(pair, "layers.py:conv_forward,conv_backward", *SMALL, "--json", "both.json")
    run = convcheck("layers.py:conv_forward,conv_backward", pair, *SMALL, "--since", "both.json", "--json", "-")
    assert [(one["verdict"], "carried_over" in one) for one in report_of(run)["results"]] == [
        ("pass", True),
        ("fail", True),
    ]


def test_a_report_that_needs_arrays_has_them(convcheck: Program, layer_file: LayerFile, tmp_path: Path) -> None:
    layer_file(name="right.py")
    layer_file((RIGHT, DOUBLED), name="wrong.py")
    names = ("right.py", "wrong.py", *SMALL)
    convcheck(*names, "--json", "old.json")
    for flags in ("--debug", "case.npz"), ("--html", "report.html"):
        run = convcheck(*names, "--since", "old.json", "--json", "-", *flags)
        assert carried(report_of(run)) == {"right.py": True, "wrong.py": False}
        assert (tmp_path / flags[1]).exists()


def test_code_that_may_read_other_files_is_always_checked(convcheck: Program, layer_file: LayerFile) -> None:
    layer_file(("import numpy as np", "import numpy as np\nimport os\n"))
    convcheck("layers.py", *SMALL, "--json", "old.json")
    run = convcheck("layers.py", *SMALL, "--since", "old.json", "--json", "-")
    assert carried(report_of(run)) == {"layers.py": False}
    assert "checked again, as it may depend on more than its imports: layers.py" in run.stderr


def test_a_file_that_is_edited_during_the_run_is_checked_again(convcheck: Program, layer_file: LayerFile) -> None:
    """It rewrites itself, as an editor might at that moment: its results may be those of either text."""
    layer_file(("import numpy as np", "import numpy as np\nimport helper\n"))
    editing = 'from numpy import asarray\n\nasarray(3).tofile("helper.py")\n'
    (layer_file(name="other.py").parent / "helper.py").write_text(editing)
    origin = report_of(convcheck("layers.py", *SMALL, "--json", "-"))["origin"]
    assert origin["sources"] == {"layers.py": None}


@pytest.mark.long
def test_an_interrupted_run_does_not_hide_what_it_had_not_found(
    gradcheck: Program, course: list[str], tmp_path: Path
) -> None:
    gradcheck(*course, "--json", "old.json")
    old = json.loads((tmp_path / "old.json").read_text())
    old["results"] = [one for one in old["results"] if "tanh" not in one["implementation"]][:-1]
    old["summary"] |= {"interrupted": True}
    (tmp_path / "old.json").write_text(json.dumps(old))
    report = report_of(gradcheck(*course, "--since", "old.json", "--json", "-"))
    assert any("tanh" in one["implementation"] for one in report["results"])
    ways = [
        one.get("carried_over", False) for one in report["results"] if one["implementation"].startswith("two.py:relu")
    ]
    assert ways.count(False) == 1  # the case that was cut off


def test_reasons_that_are_not_the_implementations_are_not_carried_over() -> None:
    assert describe_bug(ValueError("x")).reason.startswith(_NOT_ITS_OWN)


def test_the_report_that_is_read_is_not_written(convcheck: Program, layer_file: LayerFile, tmp_path: Path) -> None:
    layer_file()
    convcheck("layers.py", *SMALL, "--json", "old.json")
    before = (tmp_path / "old.json").read_text()
    for flags in ("--json", "old.json"), ("--resume", "old.json"):
        run = convcheck("layers.py", *SMALL, "--since", "old.json", *flags)
        assert run.returncode == 2
        assert re.search(r"--since 'old.json' and --\w+ 'old.json' are the same file", run.stderr)
    assert (tmp_path / "old.json").read_text() == before
    for name in "none.json", "layers.py":
        run = convcheck("layers.py", "--since", name)
        assert (run.returncode, run.stdout) == (2, "")
        assert f"--since: {name!r} cannot be read" in run.stderr


def test_together_with_random_cases(gradcheck: Program, course: list[str]) -> None:
    flags = ("relu", "wrong.py", "--fuzz", "4", "--json")
    assert "wrong.py" in course
    gradcheck(*flags, "old.json")
    old, new = report_of(gradcheck(*flags, "-")), report_of(gradcheck(*flags, "-", "--since", "old.json"))
    drawn = [one for one in new["results"] if "smallest" not in one]
    assert all("carried_over" in one for one in drawn)
    assert [one["verdict"] for one in new["results"]] == [one["verdict"] for one in old["results"]]
    assert [one["case"] for one in new["results"]] == [one["case"] for one in old["results"]]
