"""The place of a failure is the line on which it was planted, or the function where several statements fit."""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradcheck_cli import CaseResult, Verdict, check
from gradcheck_cli.layers import LAYERS
from tests.checks.place.sources import CLASS, COLUMNS, COURSE, LOOP, LOOPS, SLIPS
from tests.sampling import in_parts

if TYPE_CHECKING:
    from gradcheck_cli.results.result import Place


@pytest.fixture
def checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Iterator[CaseResult]]:
    """Return what checks text as a file of the current folder, on the standard cases that do not pass."""
    monkeypatch.chdir(tmp_path)
    count = iter(range(1000))

    def results(text: str | bytes, layer: str, names: str = "") -> Iterator[CaseResult]:
        file = f"layers{next(count)}.py"
        Path(file).write_bytes(text.encode() if isinstance(text, str) else text)
        found = (check(case, file + names) for case in LAYERS[layer].standard())
        return (result for result in found if result.verdict in (Verdict.FAIL, Verdict.ERROR))

    return results


def first(results: Iterator[CaseResult], code: str = "") -> Place | None:
    """Return the place of the first failure with a cause."""
    return next(one.place for one in results if not code or code in [cause.code for cause in one.diagnosis])


def line_of(text: str, part: str, after: int = 0) -> int:
    return next(number for number, line in enumerate(text.split("\n"), 1) if part in line and number > after)


@in_parts(5)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_statement_is_where_it_was_planted(checked: Any, part: int) -> None:
    for slip in SLIPS[part::5]:
        text = slip.source.replace(slip.old, slip.new)
        assert slip.source.count(slip.old) == 1, slip.old
        place = first(checked(text, slip.layer), slip.code)
        assert place is not None, slip
        assert place.function == slip.function, slip
        planted, start = slip.new.strip().split("\n")[0], line_of(text, f"def {slip.function.split('.')[-1]}(")
        if slip.found:
            assert place.statement is not None, slip
            assert text.split("\n")[place.line - 1].strip().startswith(place.statement[:20]), slip
            assert (place.line, planted in place.statement) == (line_of(text, planted, start), True), slip
        else:
            assert (place.line, place.statement) == (start, None), slip


def replaced(text: str, *pairs: tuple[str, str]) -> str:
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    return text


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_where_two_statements_fit_it_is_the_function(checked: Any) -> None:
    loops = "for k in range(F - 1):\n        pass\n    " + LOOP.replace("(N)", "(N - 1)")  # the first is right
    scaled = "scaled = dout / 4\n    dw = rows.T @ scaled / (len(x) / 4)"
    twice = (
        (replaced(LOOPS, (LOOP, loops)), "conv", "last-sample-missed"),
        (replaced(COURSE, ("dw = rows.T @ dout", scaled)), "affine", "factor"),
        (
            replaced(COURSE, ("db = np.sum(dout, axis=0)", "db = dout.sum(axis=0)\n    db = np.sum(dout)")),
            "affine",
            "bias-axes",
        ),
        (
            replaced(
                COURSE,
                ("x, w, b = cache\n    rows", "x, w, b = cache\n    dout = dout * 1.0\n    rows"),  # needed by both
                ("dw = rows.T @ dout", "dw = rows.T @ np.ones_like(dout)"),
                ("db = np.sum(dout, axis=0)", "db = np.sum(np.ones_like(dout), axis=0)"),
            ),
            "affine",
            "cotangent-ones",
        ),
    )
    for text, layer, code in twice:
        place = first(checked(text, layer), code)
        assert place is not None
        assert place.statement is None, place
        assert f"def {place.function}(" in text.split("\n")[place.line - 1]


def test_a_statement_that_looks_like_the_fault_is_not_blamed_for_another(checked: Any) -> None:
    """`db[f] = ` in a loop is right; what is wrong has no statement."""
    for old, new in (
        ("dw[f] += window * dout[n, f, i, j]", "dw[f] += window * dout[n, f, i, j] if i else 0"),
        ("dx = np.zeros_like(x)", "dx = np.zeros_like(x)\n    w = w + 0 * x.sum()\n    w = np.roll(w, 1, 3) * 1.7 + w"),
    ):
        place = first(checked(replaced(LOOPS, (old, new)), "conv", ":conv_forward_naive,conv_backward_naive"))
        assert place is not None
        assert (place.function, place.statement) == ("conv_backward_naive", None)


def test_the_head_of_a_loop_is_shown_without_its_body(checked: Any) -> None:
    loop = LOOP.replace("for n in range(N):\n", "for n in range(\n        N - 1\n    ):\n        # of all samples\n")
    place = first(checked(replaced(LOOPS, (LOOP, loop)), "conv"), "last-sample-missed")
    assert place is not None
    assert place.statement == "for n in range( N - 1 ):"


def test_what_else_a_return_statement_returns_is_not_looked_at(checked: Any) -> None:
    steps = """\
    dvar = (dxhat * xhat).sum(axis=0) * 0.5 / std**2
    dmu = -dxhat.sum(axis=0) / std
    if mode == "test":
        return dxhat / std, (dout * xhat).sum(axis=0), dout.sum(axis=0)
    return dxhat / std + dvar * 2 * xhat * std / N + dmu / N, (dout * xhat).sum(axis=0), dout.sum(axis=0)
"""
    head, _, rest = COURSE.partition('    if mode == "train":\n        dx = (N')
    text = f"{head}{steps}{rest.partition('    return dx, dgamma, dbeta')[2]}"
    place = first(checked(text, "batchnorm"), "variance-sign")
    assert place is not None
    assert (place.function, place.statement) == ("batchnorm_backward", None)


def test_an_index_array_adds_only_once(checked: Any) -> None:
    text = """\
import numpy as np


def word_embedding_forward(x, W):
    return W[x], (x, W.shape)


def word_embedding_backward(dout, cache):
    x, shape = cache
    dW = np.zeros(shape)
    dW[x] += dout
    return dW
"""
    place = first(checked(text, "word-embedding"), "assigned-not-accumulated")
    assert place is not None
    assert (place.line, place.statement) == (11, "dW[x] += dout")


def test_an_error_is_where_it_was_raised(checked: Any) -> None:
    inside = replaced(
        COLUMNS,
        ("wide = np.zeros((N, C, H + 2", "assert shape is None, (\n        'no')\n    wide = np.zeros((N, C, H + 2"),
    )
    place = first(checked(inside, "conv"))
    assert place is not None
    assert (place.line, place.function) == (line_of(inside, "assert shape"), "col2im")
    assert place.statement == "assert shape is None, ( 'no')"
    method = replaced(CLASS, ("self.grad_bias = grad_output.sum(axis=0)", "self.grad_bias = grad_output.summ(axis=0)"))
    place = first(checked(method, "affine"))
    assert place is not None
    assert (place.line, place.function) == (line_of(method, "summ("), "Linear.backward")
    odd = replaced(COURSE, ("return dx, dw, db", "return dx, dw"))  # breaks the convention: nothing was raised
    place = first(checked(odd, "affine", ":affine_forward,affine_backward"))
    assert place is not None
    assert (place.line, place.function) == (line_of(odd, "def affine_backward"), "affine_backward")


def test_forward_is_the_place_if_that_is_wrong(checked: Any) -> None:
    text = replaced(LOOPS, (" + b[f]", ""))
    place = first(checked(text, "conv"), "bias-missing")
    assert place is not None
    assert (place.function, place.statement) == ("conv_forward_naive", "out[n, f, i, j] = np.sum(window * w[f])")
    raising = replaced(COURSE, ("out = np.maximum(0, x)", "out = np.maximum(0, x, y)"))
    place = first(checked(raising, "relu"))
    assert place is not None
    assert (place.function, place.line) == ("relu_forward", line_of(raising, "maximum(0, x, y)"))


def test_duties_have_places(checked: Any) -> None:
    drawn = "np.sum(dout, axis=0) * np.random.default_rng().uniform()"
    for text, layer, part in (
        (replaced(COURSE, ("dx = dout.copy()", "dx = dout")), "relu", "dx[x <= 0] = 0"),
        (
            replaced(CLASS, ("self.grad_bias = ", "self.grad_bias += "),
                     ("self.bias = np", "self.grad_bias = np.zeros(out_features)\n        self.bias = np")),
            "affine",
            None,
        ),
        (replaced(COURSE, ("dw = rows.T @ dout", "dw = rows.T @ dout\n    w += 1")), "affine", "w += 1"),
        (
            replaced(COURSE, ("db = np.sum(dout, axis=0)", f"db = {drawn}")),
            "affine",
            "default_rng",
        ),
    ):  # fmt: skip
        place = next((result.place for result in checked(text, layer)), None)
        if part is None:
            assert place is None  # each call has a new instance: nothing is added up
        else:
            assert place is not None
            assert part in (place.statement or "")
            assert place.line == line_of(text, part)


def test_decorators_are_looked_through(checked: Any) -> None:
    wrapping = """\
import functools


def timed(function):
    @functools.wraps(function)
    def wrapper(*args):
        return function(*args)
    return wrapper


def plain(function):
    def wrapper(dout, cache):
        return function(dout, cache)
    return wrapper


"""
    wrong = replaced(COURSE, ("dw = rows.T @ dout", "dw = 3 * rows.T @ dout"))
    for decorator in ("@timed", "@plain", "@timed\n@functools.lru_cache(None)\n@plain"):
        text = wrapping + replaced(wrong, ("def affine_backward", f"{decorator}\ndef affine_backward"))
        place = first(checked(text, "affine", ":affine_forward,affine_backward"))
        assert place is not None
        if "lru_cache" in decorator:  # raises: arrays cannot be hashed
            assert place.function == "wrapper"
        else:
            assert (place.function, place.line) == ("affine_backward", line_of(text, "3 * rows"))


def test_functions_in_python_have_a_place_and_those_of_a_prompt_none() -> None:
    def forward(x: Any, w: Any, b: Any) -> Any:
        return x.reshape(len(x), -1) @ w + b, (x, w)

    def backward(dout: Any, cache: Any) -> Any:
        x, w = cache
        return (dout @ w.T).reshape(x.shape), -(x.reshape(len(x), -1).T @ dout), dout.sum(axis=0)

    case = next(iter(LAYERS["affine"].standard()))
    place = check(case, (forward, backward)).place
    assert place is not None
    assert Path(place.file).resolve() == Path(__file__)
    assert place.statement is not None
    assert place.statement.startswith("return (dout @ w.T)")
    assert place.line == line_of(Path(__file__).read_text(encoding="utf-8"), place.statement)

    typed: dict[str, Any] = {"np": np}
    exec("def f(x, w, b): return x.reshape(len(x), -1) @ w + b, (x, w)", typed)
    exec("def g(dout, c): return dout @ c[1].T, c[0].T @ dout, 2 * dout.sum(axis=0)", typed)
    result = check(case, (typed["f"], typed["g"]))
    assert (result.verdict, result.place) == (Verdict.FAIL, None)
    assert check(case).place is None
    lambdas = (lambda x, w, b: (x.reshape(len(x), -1) @ w + b, (x, w)), lambda dout, c: (dout, dout, dout))
    place = check(case, lambdas).place
    assert place is not None
    assert place.function == "<lambda>"


def test_files_that_cannot_be_read_have_no_statement(
    checked: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = replaced(COURSE, ("dw = rows.T @ dout", "dw = 3 * rows.T @ dout"))
    latin = f"# -*- coding: latin-1 -*-\n# é\n{wrong}".encode("latin-1")
    place = first(checked(latin, "affine"))
    assert place is not None
    assert place.line == line_of(latin.decode("latin-1"), "3 * rows")
    windows = codecs.BOM_UTF8 + wrong.replace("\n", "\r\n").encode()
    place = first(checked(windows, "affine"))
    assert place is not None
    assert place.statement == "dw = 3 * rows.T @ dout"

    changes = (
        "Path(__file__).write_text('# other\\n' * 9)",  # edited meanwhile
        "Path(__file__).write_text('(')",  # is no Python any more
        "Path(__file__).write_bytes(b'\\xff\\xfe')",
        "Path(__file__).unlink()",
        "Path(__file__).write_text('x = ' + '(' * 999)",
        "Path(__file__).write_text('x = 1\\n' * 20_000)",
    )
    for change in changes:
        text = f"from pathlib import Path\n{wrong}\n{change}\n"
        result = next(checked(text, "affine", ":affine_forward,affine_backward"))
        assert (result.verdict, result.place) == (Verdict.FAIL, None), change


def test_hostile_text_is_cleaned(checked: Any) -> None:
    odd = replaced(
        COURSE,
        ("dw = rows.T @ dout", "dw = 3 * rows.T @ dout + 0 * len('\\N{RIGHT-TO-LEFT OVERRIDE}\x1b[31m\u202e' * 99)"),
    )
    place = first(checked(odd, "affine"))
    assert place is not None
    assert place.statement is not None
    assert "\x1b" not in place.statement
    assert "\u202e" not in place.statement
    long = replaced(COURSE, ("dw = rows.T @ dout", f"dw = 3 * rows.T @ dout + 0 * len('{'y' * 5000}')"))
    place = first(checked(long, "affine"))
    assert place is not None
    assert len(place.statement or "") <= 200


def test_files_are_named_as_they_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = replaced(COURSE, ("dw = rows.T @ dout", "dw = 3 * rows.T @ dout"))
    (tmp_path / "below" / "deep").mkdir(parents=True)
    (tmp_path / "beside").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    case = next(iter(LAYERS["affine"].standard()))
    for number, (where, shown) in enumerate(
        (
            ("deep/a{}.py", "deep/a{}.py"),
            ("./b{}.py", "b{}.py"),
            ("../beside/c{}.py", "../beside/c{}.py"),
            (f"{tmp_path}/below/d{{}}.py", "d{}.py"),
            (f"{tmp_path}/beside/e{{}}.py", f"{tmp_path}/beside/e{{}}.py"),
        )
    ):
        typed = where.format(number)
        Path(typed).write_text(text, encoding="utf-8")
        place = check(case, typed).place
        assert place is not None
        assert place.file == os.path.normpath(shown.format(number))


def test_what_passes_has_no_place(checked: Any) -> None:
    for text, layer in ((COLUMNS, "conv"), (CLASS, "affine"), (COURSE, "relu")):
        assert list(checked(text, layer)) == []


def test_slips_are_planted_once() -> None:
    assert len({(slip.source, slip.new) for slip in SLIPS}) == len(SLIPS)
    assert all(re.fullmatch(r"[a-z0-9-]+", slip.code) for slip in SLIPS)


SVM = """import numpy as np

def svm_loss(x, y):
    rows = np.arange(len(x))
    margins = np.maximum(0, x - x[rows, y][:, None] + 1)
    margins[rows, y] = 0
    loss = margins.sum() / len(x)
    dx = (margins > 0).astype(x.dtype)
    dx[rows, y] -= dx.sum(axis=1)
    return loss, dx / len(x)
"""

LOSS = """import numpy as np

class SoftmaxLoss:
    def forward(self, x, y):
        z = x - x.max(axis=1, keepdims=True)
        logp = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        self.p, self.y = np.exp(logp), y
        return -logp[np.arange(len(y)), y].mean()

    def backward(self):
        d = self.p.copy()
        d[np.arange(len(self.y)), self.y] -= 1
        return d / len(self.y)
"""


def test_what_is_left_out_of_a_loss_is_in_no_statement(checked: Any) -> None:
    for text, layer, old, new, found in (
        (SVM, "svm", "margins[rows, y] = 0", "pass", ""),
        (SVM, "svm", "[:, None] + 1", "[:, None]", "np.maximum"),
        (LOSS, "softmax", "return d / len(self.y)", "return d", ""),
    ):
        place = first(checked(text.replace(old, new), layer))
        assert place is not None
        assert (place.statement is not None) is bool(found), place
        assert found in (place.statement or ""), place


def test_a_reshape_of_the_output_without_a_transpose_is_the_one_that_is_blamed(checked: Any) -> None:
    text = """import numpy as np

def conv_forward(x, w, b, conv_param):
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    s, p = conv_param["stride"], conv_param["pad"]
    wide = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    seen = np.lib.stride_tricks.sliding_window_view(wide, (HH, WW), axis=(2, 3))[:, :, ::s, ::s]
    rows, columns = seen.shape[2:4]
    cols = seen.transpose(1, 4, 5, 2, 3, 0).reshape(C * HH * WW, -1)
    out = w.reshape(F, -1) @ cols + b.reshape(-1, 1)
    out = out.reshape(N, F, rows, columns)
    return out, None

def conv_backward(dout, cache):
    return None, None, None
"""
    place = first(checked(text, "conv"), "reshaped-not-transposed")
    assert place is not None
    assert place.statement == "out = out.reshape(N, F, rows, columns)"
