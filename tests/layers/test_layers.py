"""The layers beside convolution: their references, their couplings, and user code in the literature's names."""

from __future__ import annotations

import inspect
import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradcheck_cli import Verdict, check
from gradcheck_cli.implementation.finding.find import find
from gradcheck_cli.layers import LAYERS, TITLES
from gradcheck_cli.layers.loss.svm import SvmCase
from tests.conftest import report_of
from tests.faults.layers import FAULTS
from tests.layers.slow import SLOW, gradients

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Program

OTHERS = [name for name in TITLES if name != "conv" and LAYERS[name].reference]
#: Pairs of evaluations for each input: what a coupling must come to, for the sizes of the first standard case.
PAIRS: dict[str, dict[str, int]] = {
    "affine": {"dx": 6, "dw": 6, "db": 1},  # over samples; over units
    "relu": {"dx": 1},
    "sigmoid": {"dx": 1},
    "tanh": {"dx": 1},
    "maxpool": {"dx": 2 * 2},  # places in a window
    "avgpool": {"dx": 2 * 2},
    "batchnorm": {"dx": 6, "dgamma": 1, "dbeta": 1},  # over features
    "spatial-batchnorm": {"dx": 3 * 3 * 2, "dgamma": 1, "dbeta": 1},  # over channels
    "layernorm": {"dx": 6, "dgamma": 1, "dbeta": 1},  # over samples; over features
    "groupnorm": {"dx": 6 // 2 * 3 * 2, "dgamma": 1, "dbeta": 1},  # over groups of samples; over channels
    "softmax": {"dx": 5 * 4},  # one number depends on all
    "svm": {"dx": 5 * 4},
    "rnn-step": {"dx": 4, "dprev_h": 5, "dWx": 4, "dWh": 5, "db": 1},
    "rnn": {"dx": 4 * 4, "dh0": 5, "dWx": 4 * 5, "dWh": 5 * 5, "db": 5},
    "lstm-step": {"dx": 4, "dprev_h": 5, "dprev_c": 5, "dWx": 4 * 4, "dWh": 4 * 5, "db": 4},
    "lstm": {"dx": 4 * 4, "dh0": 5, "dWx": 4 * 20, "dWh": 5 * 20, "db": 20},
    "conv1d": {"dx": 3 * 3, "dw": 3 * 3, "db": 1},
    "conv-transpose": {"dx": 3 * 2 * 2, "dw": 3 * 2 * 2, "db": 1},  # of a 4 x 4 kernel each second row and column
    "depthwise-conv": {"dx": 3 * 3, "dw": 3 * 3, "db": 1},  # channels do not meet
    "word-embedding": {"dW": 1},  # each output is one element
    "temporal-affine": {"dx": 5, "dw": 5, "db": 1},  # over samples and steps; over units
    "temporal-softmax": {"dx": 3 * 4 * 5},
    "dropout": {"dx": 1},
}


def test_an_unknown_layer_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        LAYERS["perceptron"]


def test_help_imports_neither_a_layer_nor_numpy() -> None:
    import subprocess

    program = (
        "import sys; sys.argv = ['gradcheck', '--help']; from gradcheck_cli.cli.main import gradcheck\n"
        "try: gradcheck()\n"
        "except SystemExit: pass\n"
        "print([m for m in sys.modules if m.startswith(('numpy.', 'gradcheck_cli.layers.conv.conv'))])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=True)
    assert run.stdout.splitlines()[-1] == "[]"
    assert all(f"  {name} " in run.stdout for name in TITLES)


@pytest.mark.parametrize("name", OTHERS)
def test_references_are_what_the_definition_says(name: str) -> None:
    layer = LAYERS[name]
    for case in layer.standard():
        problem = layer.problem(replace(case, seed=3))
        outs = SLOW[name](*problem.inputs.values(), *([] if problem.parameters is None else [problem.parameters]))
        parts = problem.parts(problem.expected)
        scales = problem.parts(problem.expected_scale)
        assert len(parts) == len(outs)
        for key, out in zip(parts, outs, strict=True):
            assert (abs(parts[key] - np.real(out)) <= 1e-14 * (scales[key] + 1e-300)).all(), (case, key)
        cotangents = list(problem.parts(problem.cotangent).values())
        slow = gradients(name, problem.inputs, problem.parameters, cotangents)
        fast = layer.gradients(problem, problem.inputs, problem.cotangent)
        assert list(fast) == list(slow) == list(problem.differentiable)
        for key, gradient in fast.items():
            known = problem.gradient_scale.get(key, np.zeros(gradient.shape))
            assert gradient.shape == problem.inputs[key].shape
            assert (abs(gradient - slow[key]) <= 1e-13 * (1e-3 + abs(slow[key]) + known)).all(), (case, key)


@pytest.mark.parametrize("name", OTHERS)
def test_references_pass(name: str) -> None:
    """Each case in two dtypes that follow each other, so that of all four there is one in every second case."""
    dtypes = ("float16", "float32", "float64", "longdouble")
    for number, case in enumerate(LAYERS[name].standard()):
        for seed in range(2):
            result = check(replace(case, dtype=dtypes[(2 * number + seed) % 4], seed=seed))
            assert result.passed, result.summary()


@pytest.mark.parametrize(
    ("name", "numbers", "seeds"),
    [
        # Each of 990 elements has others near by in its windows: differences beside a kink can agree by accident.
        ("maxpool", {"N": 3, "C": 3, "H": 11, "W": 10, "pool_height": 3, "pool_width": 4, "stride": 1}, (1, 2, 9, 17)),
        # Scores of 1,000 are rounded to whole numbers in float16, which can differ by 1.
        ("svm", {"N": 4, "C": 6, "scale": 1000.0}, (1,)),
        # The first step is a quarter of a score: seen from there, a softmax has kinks.
        ("temporal-softmax", {"N": 2, "T": 1, "V": 2, "shift": 1000.0}, (0,)),
    ],
)
def test_kinks_near_by_fail_no_right_layer(name: str, numbers: dict[str, Any], seeds: tuple[int, ...]) -> None:
    case: Any = LAYERS[name].case
    for seed in seeds:
        result = check(case(**numbers, dtype="float16", seed=seed))
        assert result.passed, result.summary()


@pytest.mark.parametrize("dtype", ["float16", "float64"])
@pytest.mark.parametrize("scale", [1.0, 10.0, 1000.0])
def test_no_margin_is_near_its_kink_and_one_is_missed(scale: float, dtype: str) -> None:
    for seed in range(100):
        problem = LAYERS["svm"].problem(SvmCase(N=3, C=4, scale=scale, dtype=dtype, seed=seed))
        x, y = problem.inputs["x"].astype(float), problem.inputs["y"]
        margins = [x[n, c] - x[n, y[n]] + 1 for n, c in np.ndindex(x.shape) if c != y[n]]
        assert min(map(abs, margins)) >= 0.008 * scale
        assert max(margins[:3]) > 0


@pytest.mark.parametrize("name", OTHERS)
def test_couplings_cost_what_they_promise(name: str) -> None:
    case = next(iter(LAYERS[name].standard()))
    result, dense = check(case), check(case, method="dense")
    assert set(result.gradients) == set(PAIRS[name])
    for key, gradient in result.gradients.items():
        pairs = PAIRS[name][key]
        # Each row of the tableau takes one pair per colour, and there are 7 rows at most; what is known of the point,
        # whether it is affine, and the verification of the coupling take 40 more at the most.
        colored = LAYERS[name].problem(case).coupling.get(key.removeprefix("d"))
        assert gradient.method == ("colored" if colored else "dense")
        assert (colored.colors if colored else LAYERS[name].problem(case).inputs[key.removeprefix("d")].size) == pairs
        assert gradient.evaluations <= max(dense.gradients[key].evaluations, 2 * 8 * pairs + 60)


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.name for fault in FAULTS])
def test_faults_are_caught(fault: Any) -> None:
    layer = LAYERS[fault.layer]
    smallest_first = sorted(layer.standard(), key=lambda case: layer.problem(case).expected.size)
    for seed in range(2):
        results = (check(replace(case, seed=seed), fault.functions) for case in smallest_first)
        codes = (
            {diagnosis.code for diagnosis in result.diagnosis} for result in results if result.verdict == Verdict.FAIL
        )
        assert any(fault.code is None or fault.code in told for told in codes), seed


def _one_hot(x: Any, W: Any) -> Any:
    words = (x[..., None] == np.arange(len(W))).astype(W.dtype)
    return words @ W, words


def _step_by_step(x: Any, w: Any, b: Any) -> Any:
    return np.stack([x[:, t] @ w + b for t in range(x.shape[1])], axis=1), (x, w, b)


def _back_step_by_step(dout: Any, cache: Any) -> Any:
    x, w, b = cache
    dx, dw, db = np.zeros_like(x), np.zeros_like(w), np.zeros_like(b)
    for n, t in np.ndindex(x.shape[:2]):
        dx[n, t] = w @ dout[n, t]
        dw += np.outer(x[n, t], dout[n, t])
        db += dout[n, t]
    return dx, dw, db


def _flat_with_weights(x: Any, y: Any, mask: Any) -> Any:
    rows, labels, weights = x.reshape(-1, x.shape[2]), y.reshape(-1), mask.reshape(-1) / x.dtype.type(len(x))
    lowered = rows - rows.max(axis=1, keepdims=True)
    logs = lowered - np.log(np.exp(lowered).sum(axis=1, keepdims=True))
    dx = np.exp(logs)
    dx[np.arange(len(rows)), labels] -= 1
    return -(weights * logs[np.arange(len(rows)), labels]).sum(), (dx * weights[:, None]).reshape(x.shape)


RIGHT: dict[str, Any] = {
    "word-embedding": (_one_hot, lambda dout, words: np.einsum("ntv,ntd->vd", words, dout)),
    "temporal-affine": (_step_by_step, _back_step_by_step),
    "temporal-softmax": _flat_with_weights,
}


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("layer", RIGHT)
def test_right_layers_that_are_written_otherwise_pass(layer: str, dtype: str) -> None:
    for seed in range(3):
        for case in LAYERS[layer].standard():
            result = check(replace(case, dtype=dtype, seed=seed), RIGHT[layer])
            assert result.passed, result.summary()
            assert result.diagnosis == ()


@pytest.mark.parametrize(("layer", "fault"), [("softmax", "overflowing"), ("temporal-softmax", "scores_not_lowered")])
def test_what_overflows_fails_at_large_scores_alone(layer: str, fault: str) -> None:
    (function,) = [other.functions for other in FAULTS if other.name == f"{layer}-{fault}"]
    case = next(iter(LAYERS[layer].standard()))
    large = partial(LAYERS[layer].case, **{**case.geometry, "scale": 1000.0})
    for seed in range(10):
        assert check(replace(case, seed=seed), function).passed
        result = check(large(seed=seed), function)
        assert result.verdict is Verdict.FAIL
        assert result.forward is not None
        assert result.forward.verdict is Verdict.FAIL


def test_words_repeat_and_some_do_not_occur() -> None:
    layer = LAYERS["word-embedding"]
    for case in list(layer.standard())[:5]:
        for seed in range(10):
            words = layer.problem(replace(case, seed=seed)).inputs["x"]
            seen, counts = np.unique(words, return_counts=True)
            assert counts.max() > 1
            assert len(seen) < case.geometry["V"]
            assert 0 <= seen.min() <= seen.max() < case.geometry["V"]


def test_steps_count_and_do_not() -> None:
    layer = LAYERS["temporal-softmax"]
    for case in layer.standard():
        for seed in range(10):
            mask = layer.problem(replace(case, seed=seed)).inputs["mask"]
            assert mask.dtype == bool
            assert 0 < mask.sum() < mask.size


def _to_all_maxima(x: Any, pool_param: Any) -> Any:
    out, _ = LAYERS["maxpool"].builtin["vectorized"][0](x, pool_param)
    return out, (x, out, pool_param)


def _from_all_maxima(dout: Any, cache: Any) -> Any:
    x, out, param = cache
    height, width, stride = param["pool_height"], param["pool_width"], param["stride"]
    dx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(dout.shape):
        window = np.s_[n, c, i * stride : i * stride + height, j * stride : j * stride + width]
        dx[window] += (x[window] == out[n, c, i, j]) * dout[n, c, i, j]
    return dx


def test_to_all_maxima_is_right_where_there_is_one() -> None:
    for dtype in ("float16", "float64"):
        for seed in range(2):
            for case in LAYERS["maxpool"].standard():
                result = check(replace(case, dtype=dtype, seed=seed), (_to_all_maxima, _from_all_maxima))
                assert result.passed, result.summary()


@pytest.mark.parametrize("pair", ["vectorized", (_to_all_maxima, _from_all_maxima)])
def test_ties_are_kinks(pair: Any) -> None:
    """10,000 multiples of an eighth are more than float16 has: some windows have two maxima."""
    layer = LAYERS["maxpool"]
    case = layer.case(N=1, C=1, H=100, W=100, pool_height=5, pool_width=5, stride=5, dtype="float16")  # type: ignore[call-arg]
    x = layer.problem(case).inputs["x"].reshape(20, 5, 20, 5)
    largest = x == x.max(axis=(1, 3), keepdims=True)
    tied = int((largest & (largest.sum(axis=(1, 3), keepdims=True) > 1)).sum())
    assert tied >= 2
    result = check(case, pair)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert (result.reason or "").startswith(f"dx could not be decided in {tied} of 10000 elements")
    assert "forward is not differentiable at x[" in (result.reason or "")


def _course_file(folder: Path) -> Path:
    """Write a course's layers.py: every reference, as its author would have it in one file."""
    helpers = (
        "import numpy as np\n"
        "from gradcheck_cli.layers.conv.fast import conv_backward_fast, conv_forward_fast, gather\n"
        "from gradcheck_cli.layers.conv.naive import both, padded\n"
        "from gradcheck_cli.layers.pool.maxpool import places\n"
        "from gradcheck_cli.layers.pool.pooling import spread, windows\n"
        "from gradcheck_cli.layers.recurrent.lstm_step import LstmCache\n"
        "from gradcheck_cli.layers.recurrent.rnn_step import RnnCache\n"
        "from gradcheck_cli.layers.recurrent.time import over_time, through_time\n"
        "from gradcheck_cli.layers.loss.loss import label_scores, one_hot\n"
        "from gradcheck_cli.layers.norm.normalization import standardize, standardize_backward\n"
    )
    sources = [
        inspect.getsource(function).replace("Array", "object").replace("Param", "dict")
        for name in OTHERS
        for function in next(iter(LAYERS[name].builtin.values()))
    ]
    path = folder / "layers.py"
    path.write_text("from __future__ import annotations\n" + helpers + "\n\n".join(sources), encoding="utf-8")
    return path


def test_a_course_file_has_each_layer_under_its_own_name(tmp_path: Path, gradcheck: Program) -> None:
    path = _course_file(tmp_path)
    for name in OTHERS:
        implementation = find(str(path), LAYERS[name])
        assert implementation.name.endswith(",".join(function.__name__ for function in LAYERS[name].functions))
        for case in LAYERS[name].standard():
            result = check(case, implementation)
            assert result.passed, result.summary()
    run = gradcheck("affine", path.name, "--json", "-")
    assert run.returncode == 0, run.stderr
    report = report_of(run)
    assert {result["implementation"] for result in report["results"]} == {"layers.py:affine_forward,affine_backward"}
    assert report["tool"]["name"] == "gradcheck"
    replayed = gradcheck(*report["results"][0]["command"].split()[1:], "--json", "-")
    assert report_of(replayed)["results"][0]["case"] == report["results"][0]["case"]


def test_an_affine_layer_need_not_flatten() -> None:
    _, backward = next(iter(LAYERS["affine"].builtin.values()))

    def plain(x: Any, w: Any, b: Any) -> Any:
        return x.dot(w) + b, (x, w)

    results = [check(case, (plain, backward)) for case in LAYERS["affine"].standard()]
    assert [result.verdict for result in results] == [*["pass"] * 6, "skip"]
    assert results[-1].reason == "it does not flatten an x of three axes, or cannot"

    def wrongly(x: Any, w: Any, b: Any) -> Any:
        return x.reshape(-1, len(x)).T @ w + b, (x, w)

    assert check(list(LAYERS["affine"].standard())[-1], (wrongly, backward)).verdict == "fail"


def test_several_outputs_are_named() -> None:
    forward, backward = next(iter(LAYERS["lstm-step"].builtin.values()))
    case = next(iter(LAYERS["lstm-step"].standard()))

    def exchanged(*inputs: Any) -> Any:
        next_h, next_c, cache = forward(*inputs)
        return next_h, next_c + 1, cache

    result = check(case, (exchanged, backward))
    assert result.forward is not None
    assert result.forward.name == "next_c"
    assert result.reason is not None
    assert result.reason.startswith("next_c is wrong in 15 of 15 elements")

    def turned(*inputs: Any) -> Any:
        next_h, next_c, cache = forward(*inputs)
        return next_h, next_c.T, cache

    assert check(case, (turned, backward)).reason == "forward's next_c has shape (5, 3) instead of (3, 5)"
    assert check(case, (lambda *x: forward(*x)[1:], backward)).verdict == "error"


def test_a_loss_is_one_function() -> None:
    case = next(iter(LAYERS["softmax"].standard()))
    (function,) = next(iter(LAYERS["softmax"].builtin.values()))
    assert check(case, function).passed
    with pytest.raises(TypeError, match="softmax loss is one function, not 2"):
        check(case, (function, function))
    assert "not (loss, gradient)" in str(check(case, lambda x, y: function(x, y)[0]).reason)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["relu", "--shape", "2,"], "give a shape such as 2,3 or 2x3"),
        (["relu", "--shape", "2x0"], "shape must be 1 or more sizes of at least 1, not 2x0"),
        (["batchnorm", "--mode", "both"], "mode must be train or test, not 'both'"),
        (["batchnorm", "--momentum", "2"], "momentum must be from 0 to 1, not 2"),
        (["batchnorm", "--eps", "small"], "give a number such as 0.9"),
        (["affine", "--split", "4"], "split 4 must divide D 6"),
        (["groupnorm", "--G", "4"], "G 4 must divide C 6"),
        (["perceptron"], "No such command 'perceptron'"),
    ],
)
def test_flags_say_what_would_do(args: list[str], said: str, gradcheck: Program) -> None:
    run = gradcheck(*args)
    assert run.returncode == 2
    assert said in run.stderr


def test_flags_take_lists(gradcheck: Program) -> None:
    run = gradcheck("batchnorm", "--mode", "train,test", "--eps", "1e-5,0.1", "--list-cases")
    assert len(run.stdout.splitlines()) == 4
    assert gradcheck("tanh", "--shape", "2x3,4", "--list-cases").stdout.splitlines() == ["2x3 float64", "4 float64"]
    assert gradcheck("tanh", "--shape", "2,3", "--list-cases").stdout.splitlines() == ["2x3 float64"]
