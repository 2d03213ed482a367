"""The layers beside convolution: their references, their couplings, and user code in the literature's names."""

from __future__ import annotations

import inspect
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradcheck_cli import Verdict, check
from gradcheck_cli.implementation.finding.find import find
from gradcheck_cli.implementation.loading.load import Loader
from gradcheck_cli.layers import LAYERS, TITLES
from tests.conftest import report_of
from tests.faults.layers import FAULTS
from tests.layers.slow import SLOW, gradients
from tests.sampling import first_of_each, in_parts, one_in

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
    **{name: {"dx": 1} for name in ("leaky-relu", "elu", "gelu", "silu", "softplus")},
    "softmax-activation": {"dx": 5},  # over classes
    "log-softmax": {"dx": 5},
    "maxpool": {"dx": 2 * 2},  # places in a window
    "avgpool": {"dx": 2 * 2},
    "maxpool1d": {"dx": 2},
    "avgpool1d": {"dx": 2},
    "batchnorm": {"dx": 6, "dgamma": 1, "dbeta": 1},  # over features
    "spatial-batchnorm": {"dx": 3 * 3 * 2, "dgamma": 1, "dbeta": 1},  # over channels
    "layernorm": {"dx": 6, "dgamma": 1, "dbeta": 1},  # over samples; over features
    "groupnorm": {"dx": 6 // 2 * 3 * 2, "dgamma": 1, "dbeta": 1},  # over groups of samples; over channels
    "instancenorm": {"dx": 3 * 5, "dgamma": 1, "dbeta": 1},  # over channels of samples; over channels
    "rmsnorm": {"dx": 6, "dgamma": 1},
    "softmax": {"dx": 5 * 4},  # one number depends on all
    "svm": {"dx": 5 * 4},
    "mse": {"dx": 4 * 3},
    "bce": {"dx": 4 * 3},
    "cross-entropy": {"dx": 4 * 3},
    "kl-divergence": {"dx": 4 * 3},
    "rnn-step": {"dx": 4, "dprev_h": 5, "dWx": 4, "dWh": 5, "db": 1},
    "rnn": {"dx": 4 * 4, "dh0": 5, "dWx": 4 * 5, "dWh": 5 * 5, "db": 5},
    "lstm-step": {"dx": 4, "dprev_h": 5, "dprev_c": 5, "dWx": 4 * 4, "dWh": 4 * 5, "db": 4},
    "lstm": {"dx": 4 * 4, "dh0": 5, "dWx": 4 * 20, "dWh": 5 * 20, "db": 20},
    # The reset gate is before the product, so that all units meet.
    "gru-step": {"dx": 3, "dprev_h": 4, "dWx": 3 * 12, "dWh": 4 * 12, "db": 12},
    "gru": {"dx": 3 * 3, "dh0": 4, "dWx": 3 * 12, "dWh": 4 * 12, "db": 12},
    "attention": {"dq": 5, "dk": 4 * 5, "dv": 4},  # over features; over keys
    "multihead-attention": {
        "dquery": 4,
        "dkey": 5 * 4,
        "dvalue": 5 * 4,
        **dict.fromkeys(("dWq", "dWk", "dWv"), 16),
        "dWo": 4,
    },
    "conv1d": {"dx": 3 * 3, "dw": 3 * 3, "db": 1},
    "conv3d": {"dx": 2 * 3**3, "dw": 2 * 3**3, "db": 1},
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


@in_parts(3)
@pytest.mark.parametrize("name", OTHERS)
def test_references_are_what_the_definition_says(name: str, part: int) -> None:
    layer = LAYERS[name]
    for case in list(layer.standard())[part::3]:
        problem = layer.problem(replace(case, seed=3))
        outs = SLOW[name](*problem.inputs.values(), *([] if problem.parameters is None else [problem.parameters]))
        parts = problem.parts(problem.expected)
        scales = problem.parts(problem.expected_scale)
        assert len(parts) == len(outs)
        for key, out in zip(parts, outs, strict=True):
            assert (abs(parts[key] - np.real(out)) <= 1e-14 * (scales[key] + 1e-300)).all(), (case, key)
        cotangents = list(problem.parts(problem.cotangent).values())
        slow = gradients(name, problem.inputs, problem.parameters, cotangents, problem.constants)
        fast = layer.gradients(problem, problem.inputs, problem.cotangent)
        assert list(fast) == list(slow) == list(problem.differentiable)
        for key, gradient in fast.items():
            assert gradient.shape == problem.inputs[key].shape
            most = 1e-2 + 2 * abs(slow[key]).max(initial=0)
            assert (abs(gradient - slow[key]) <= 1e-13 * most).all(), (case, key)


@in_parts(3)
@pytest.mark.parametrize("name", OTHERS)
def test_references_pass(name: str, part: int) -> None:
    """The dtypes take turns, each for many layers in every run; `tests/cases/test_fuzz_layers.py` has other cases."""
    dtypes = ("float16", "float32", "float64", "longdouble")
    for number, case in list(enumerate(LAYERS[name].standard(), OTHERS.index(name)))[part::3]:
        result = check(replace(case, dtype=dtypes[(number // 3) % 4], seed=number % 3))
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


@pytest.mark.parametrize("name", one_in(3, OTHERS))
def test_couplings_cost_what_they_promise(name: str) -> None:
    case = next(iter(LAYERS[name].standard()))
    result = check(case)
    dense = cache(lambda: check(case, method="dense"))  # if one gradient is not cheap in itself
    assert set(result.gradients) == set(PAIRS[name])
    for key, gradient in result.gradients.items():
        pairs = PAIRS[name][key]
        # Each row of the tableau takes one pair per colour, and there are 7 rows at most; what is known of the point,
        # whether it is affine, and the verification of the coupling take 40 more at the most.
        colored = LAYERS[name].problem(case).coupling.get(key.removeprefix("d"))
        assert gradient.method == ("colored" if colored else "dense")
        assert (colored.colors if colored else LAYERS[name].problem(case).inputs[key.removeprefix("d")].size) == pairs
        promised = 2 * 8 * pairs + 60
        assert gradient.evaluations <= promised or gradient.evaluations <= dense().gradients[key].evaluations


@cache
def _smallest_first(name: str) -> list[Any]:
    return sorted(LAYERS[name].standard(), key=lambda case: LAYERS[name].problem(case).expected.size)


@pytest.mark.parametrize(
    "fault", first_of_each(lambda fault: (fault.layer, fault.code), FAULTS), ids=[fault.name for fault in FAULTS]
)
def test_faults_are_caught(fault: Any) -> None:
    seed = len(fault.layer) % 3
    results = (check(replace(case, seed=seed), fault.functions) for case in _smallest_first(fault.layer))
    codes = ({diagnosis.code for diagnosis in result.diagnosis} for result in results if result.verdict == Verdict.FAIL)
    assert any(fault.code is None or fault.code in told for told in codes)


def _course_file(folder: Path) -> Path:
    """Write a course's layers.py: every reference, as its author would have it in one file."""
    helpers = (
        "import math\n"
        "import numpy as np\n"
        "from gradcheck_cli.layers.conv.fast import conv_backward_fast, conv_forward_fast, gather\n"
        "from gradcheck_cli.layers.conv.naive import both, padded\n"
        "from gradcheck_cli.layers.pool.maxpool import positions\n"
        "from gradcheck_cli.layers.elementwise.gelu import phi_and_density\n"
        "from gradcheck_cli.layers.pool.pooling import spread, window_of, windows\n"
        "from gradcheck_cli.layers.recurrent.lstm import LstmCache\n"
        "from gradcheck_cli.layers.recurrent.rnn import RnnCache\n"
        "from gradcheck_cli.layers.attention.attention import AttentionCache\n"
        "from gradcheck_cli.layers.attention.multihead_attention import MultiheadCache, product_of_steps\n"
        "from gradcheck_cli.layers.attention.multihead_attention import join_heads, split_heads\n"
        "from gradcheck_cli.layers.recurrent.gru import GruCache\n"
        "from gradcheck_cli.layers.elementwise.sigmoid import sigmoid_forward\n"
        "from gradcheck_cli.layers.recurrent.time import over_time, through_time\n"
        "from gradcheck_cli.layers.loss.loss import label_scores, one_hot\n"
        "from gradcheck_cli.layers.loss.targets import divisor_of\n"
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


@in_parts(3)
def test_a_course_file_has_each_layer_under_its_own_name(part: int, tmp_path: Path, gradcheck: Program) -> None:
    path, loader = _course_file(tmp_path), Loader()
    for name in OTHERS[part::3]:
        implementation = find(str(path), LAYERS[name], loader=loader)
        assert implementation.name.endswith(",".join(function.__name__ for function in LAYERS[name].functions))
    run = gradcheck("affine", path.name, "--json", "-")
    assert run.returncode == 0, run.stderr
    report = report_of(run)
    assert {result["implementation"] for result in report["results"]} == {"layers.py:affine_forward,affine_backward"}
    assert report["tool"]["name"] == "gradcheck"
    replayed = gradcheck(*report["results"][0]["command"].split()[1:], "--json", "-")
    assert report_of(replayed)["results"][0]["case"] == report["results"][0]["case"]


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
        (["perceptron"], "No such layer or command 'perceptron'"),
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
