"""The normalizations as courses write them: other signatures, a second backward pass, sums over too few axes."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradcheck_cli import Verdict, check
from gradcheck_cli.layers import LAYERS
from tests.conftest import report_of
from tests.faults.layers import FAULTS
from tests.faults.normalizations import NORMALIZATIONS
from tests.sampling import one_in

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Program

BATCHNORM = """\
import numpy as np


def batchnorm_forward(x, gamma, beta, bn_param):
    eps, momentum = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    if bn_param["mode"] == "test":
        x_hat = (x - bn_param["running_mean"]) / np.sqrt(bn_param["running_var"] + eps)
        return gamma * x_hat + beta, (x_hat, gamma, np.sqrt(bn_param["running_var"] + eps), True)
    mean, var = x.mean(axis=0), x.var(axis=0)
    bn_param["running_mean"] = momentum * bn_param["running_mean"] + (1 - momentum) * mean
    bn_param["running_var"] = momentum * bn_param["running_var"] + (1 - momentum) * var
    x_hat = (x - mean) / np.sqrt(var + eps)
    return gamma * x_hat + beta, (x_hat, gamma, np.sqrt(var + eps), False)


def batchnorm_backward(dout, cache):
    raise NotImplementedError


def batchnorm_backward_alt(dout, cache):
    x_hat, gamma, std, test = cache
    N = len(dout)
    dgamma, dbeta = (dout * x_hat).sum(axis=0), dout.sum(axis=0)
    if test:
        return dout * gamma / std, dgamma, dbeta
    return gamma / (N * std) * (N * dout - dbeta - x_hat * dgamma), dgamma, dbeta
"""

#: The body of a group normalization, for a gamma that can be broadcast; KEEP says whether sums keep their axes.
GROUPNORM = """\
import numpy as np


def forward(x, gamma, beta, G, eps):
    N, C, H, W = x.shape
    groups = x.reshape(N, G, C // G, H, W)
    mean, var = groups.mean(axis=(2, 3, 4), keepdims=True), groups.var(axis=(2, 3, 4), keepdims=True)
    x_hat = ((groups - mean) / np.sqrt(var + eps)).reshape(N, C, H, W)
    return gamma * x_hat + beta, (x_hat, gamma, np.sqrt(var + eps), G)


def backward(dout, cache):
    x_hat, gamma, std, G = cache
    N, C, H, W = dout.shape
    split, over = (N, G, C // G, H, W), dict(axis=(2, 3, 4), keepdims=True)
    g, z = (dout * gamma).reshape(split), x_hat.reshape(split)
    dx = ((g - g.mean(**over) - z * (g * z).mean(**over)) / std).reshape(N, C, H, W)
    return dx, (dout * x_hat).sum(axis=(0, 2, 3), keepdims=KEEP), dout.sum(axis=(0, 2, 3), keepdims=KEEP)
"""

#: Signatures that people give it: what is understood, and what the functions do.
SIGNATURES = {
    "course": (
        "gamma and beta (1, C, 1, 1)",
        """
def spatial_groupnorm_forward(x, gamma, beta, G, gn_param):
    return forward(x, gamma, beta, G, gn_param.get("eps", 1e-5))


def spatial_groupnorm_backward(dout, cache):
    return backward(dout, cache)
""",
    ),
    "dictionary": (
        "groupnorm_forward(x, gamma, beta, gn_param)",
        """
def groupnorm_forward(x, gamma, beta, gn_param):
    return forward(x, gamma[:, None, None], beta[:, None, None], gn_param["num_groups"], gn_param["eps"])


def groupnorm_backward(dout, cache):
    return backward(dout, cache)
""",
    ),
    "numbers": (
        "group_norm_forward(x, gamma, beta, num_groups, eps)",
        """
def group_norm_forward(x, gamma, beta, num_groups=32, eps=1e-5):
    return forward(x, gamma.reshape(1, -1, 1, 1), beta.reshape(1, -1, 1, 1), num_groups, eps)


def group_norm_backward(dout, cache):
    return backward(dout, cache)
""",
    ),
}


@pytest.mark.parametrize("signature", one_in(3, SIGNATURES))
def test_group_normalization_is_understood(signature: str, tmp_path: Path, gradcheck: Program) -> None:
    understood, text = SIGNATURES[signature]
    text = GROUPNORM.replace("KEEP", str(signature == "course")) + text
    (tmp_path / "layers.py").write_text(text, encoding="utf-8")
    run = gradcheck("groupnorm", "layers.py", "--dtype", "float32")
    assert run.returncode == 0, run.stdout + run.stderr
    assert understood in run.stdout
    assert "6 cases passed" in run.stdout
    # dx without the term through the mean, in the same code.
    (tmp_path / "layers.py").write_text(text.replace("g - g.mean(**over) - z", "g - z"), encoding="utf-8")
    run = gradcheck("groupnorm", "layers.py", "--json", "-")
    assert run.returncode == 1
    failed = [result for result in report_of(run)["results"] if result["verdict"] == "fail"]
    assert "mean-path" in {cause["code"] for result in failed for cause in result["diagnosis"]}
    assert {key for result in failed for key, one in result["gradients"].items() if one["verdict"] == "fail"} == {"dx"}


def test_what_a_signature_cannot_say_is_skipped(tmp_path: Path, gradcheck: Program) -> None:
    text = SIGNATURES["numbers"][1].replace("num_groups=32, eps=1e-5", "G").replace("num_groups, eps", "G, 1e-5")
    (tmp_path / "layers.py").write_text(GROUPNORM.replace("KEEP", "False") + text, encoding="utf-8")
    run = gradcheck("groupnorm", "layers.py")
    assert run.returncode == 0
    assert "6 cases: 2 passed, 4 skipped" in run.stdout
    assert "skipped 4: it takes no eps, to say 0.001..0.1\n" in run.stdout


def test_gradients_have_the_shape_that_gamma_has_there(tmp_path: Path, gradcheck: Program) -> None:
    _, text = SIGNATURES["course"]
    (tmp_path / "layers.py").write_text(GROUPNORM.replace("KEEP", "False") + text, encoding="utf-8")
    run = gradcheck("groupnorm", "layers.py", "--N", "2", "--json", "-")
    (result,) = report_of(run)["results"]
    assert (run.returncode, result["verdict"]) == (1, "fail")
    found = result["gradients"]
    assert {name: (one["verdict"], one["shape"], one["expected_shape"]) for name, one in found.items()} == {
        "dx": ("pass", [2, 6, 3, 2], [2, 6, 3, 2]),
        "dgamma": ("fail", [6], [1, 6, 1, 1]),
        "dbeta": ("fail", [6], [1, 6, 1, 1]),
    }
    assert "dgamma has shape (6,) instead of (1, 6, 1, 1)" in result["reason"]
    assert result["duties"]["shapes"]["verdict"] == "fail"
    assert result["duties"]["deterministic"]["verdict"] == "pass"


def test_a_second_backward_pass_is_named(tmp_path: Path, gradcheck: Program) -> None:
    path = tmp_path / "layers.py"
    path.write_text(BATCHNORM, encoding="utf-8")
    named = "layers.py:batchnorm_forward,batchnorm_backward_alt"
    flags = ("--N", "4", "--D", "3", "--mode", "train,test")
    run = gradcheck("batchnorm", named, *flags)
    assert run.returncode == 0, run.stdout
    assert "batchnorm_backward_alt(dout, cache)" in run.stdout
    # The other one is the pair that belongs together.
    assert gradcheck("batchnorm", "layers.py", *flags).returncode == 1
    path.write_text(BATCHNORM.replace(" - x_hat * dgamma)", ")"), encoding="utf-8")
    results = report_of(gradcheck("batchnorm", named, *flags, "--json", "-"))["results"]
    failed = [result for result in results if result["verdict"] == "fail"]
    assert {result["case"]["mode"] for result in failed} == {"train"}
    assert "variance-path" in {cause["code"] for result in failed for cause in result["diagnosis"]}


def usual(layer: str) -> list[Any]:
    """List the standard cases in which x has as many axes as the layer is usually given."""
    return [case for case in LAYERS[layer].standard() if case.geometry.get("T", 1) == 1]


#: Sums of what belongs to gamma or beta, terms of the shape of x, over less than all of it.
TOO_FEW: dict[str, Any] = {
    "first sample": lambda terms: terms[0].reshape(terms.shape[1], -1).sum(axis=1),
    "all but the last sample": lambda terms: terms[:-1].sum(axis=tuple(k for k in range(terms.ndim) if k != 1)),
    "first column": lambda terms: terms[..., 0].sum(axis=(0, 2)),
    "samples only": lambda terms: terms.sum(axis=0),
    "places only": lambda terms: terms.sum(axis=(2, 3)),
}


@pytest.mark.parametrize("layer", one_in(3, NORMALIZATIONS))
def test_sums_over_too_few_axes_are_caught(layer: str) -> None:
    right, right_backward, _ = NORMALIZATIONS[layer]
    cases = [case for case in usual(layer) if case.geometry["N"] > 1 and case.geometry.get("W") != 1][:2]
    sums = TOO_FEW if layer in ("spatial-batchnorm", "groupnorm") else [over for over in TOO_FEW if "sample" in over]

    def forward(x: Any, gamma: Any, beta: Any, param: Any) -> Any:
        out, cache = right(x, gamma, beta, param)
        lie = (-1, *[1] * (x.ndim - 2))
        return out, (cache, (out - beta.reshape(lie)) / gamma.reshape(lie))

    for over, wrong in itertools.product(sums, ("gamma", "beta")):
        if over == "samples only" and layer in ("batchnorm", "layernorm"):
            continue  # there are no other axes

        def backward(dout: Any, kept: Any, over: str = over, wrong: str = wrong) -> Any:
            cache, normal = kept
            dx, dgamma, dbeta = right_backward(dout, cache)
            if wrong == "gamma":
                return dx, TOO_FEW[over](dout * normal), dbeta
            return dx, dgamma, TOO_FEW[over](dout)

        for seed, case in enumerate(cases):
            result = check(replace(case, seed=seed), (forward, backward))
            verdicts = {name for name, gradient in result.gradients.items() if gradient.verdict is Verdict.FAIL}
            assert verdicts == {f"d{wrong}"}, (over, case.label())


@pytest.mark.parametrize("layer", one_in(2, ["layernorm", "groupnorm"]))
def test_statistics_of_the_wrong_set_are_no_such_layer(layer: str) -> None:
    """Batch normalization, forward and backward, in place of a layer that treats samples apart."""

    def forward(x: Any, gamma: Any, beta: Any, param: Any) -> Any:
        axes, lie = tuple(k for k in range(x.ndim) if k != 1), (-1, *[1] * (x.ndim - 2))
        s = np.sqrt(x.var(axis=axes, keepdims=True) + param["eps"])
        z = (x - x.mean(axis=axes, keepdims=True)) / s
        return gamma.reshape(lie) * z + beta.reshape(lie), (z, s, gamma.reshape(lie), axes)

    def backward(dout: Any, cache: Any) -> Any:
        z, s, gamma, axes = cache
        g = dout * gamma
        dx = (g - g.mean(axis=axes, keepdims=True) - z * (g * z).mean(axis=axes, keepdims=True)) / s
        return dx, (dout * z).sum(axis=axes), dout.sum(axis=axes)

    for case in usual(layer)[:3]:
        result = check(case, (forward, backward))
        assert result.verdict is Verdict.FAIL
        assert result.forward is not None
        assert result.forward.verdict is Verdict.FAIL


def _without_cache(layer: str, empty: Any) -> tuple[Any, Any]:
    """Return a layer that leaves nothing behind in test mode, whose backward pass knows train mode alone."""
    right, right_backward, _ = NORMALIZATIONS[layer]

    def forward(x: Any, gamma: Any, beta: Any, bn_param: Any) -> Any:
        out, cache = right(x, gamma, beta, bn_param)
        return out, cache if bn_param["mode"] == "train" else empty

    def backward(dout: Any, cache: Any) -> Any:
        normal, gamma, deviation, _ = cache
        return right_backward(dout, (normal, gamma, deviation, True))

    return forward, backward


#: What a forward leaves that leaves nothing: at most shapes and words.
EMPTY: tuple[Any, ...] = (
    *(None, (), [], {}, (None, (3, 4, 3, 2)), (None, None, "test"), {"x_hat": None, "shape": [3, 4]}, ((None, 3), ())),
)


@pytest.mark.parametrize("layer", one_in(2, ["batchnorm", "spatial-batchnorm"]))
def test_no_cache_in_test_mode_is_judged_by_forward_alone(layer: str) -> None:
    cases = [replace(case, dtype=dtype) for case in usual(layer) for dtype in ("float32", "float64")]
    tests = [case for case in cases if case.geometry["mode"] == "test"]
    for empty, case in [*((None, case) for case in cases), *((empty, tests[-1]) for empty in EMPTY)]:
        forward, backward = _without_cache(layer, empty)
        calls: list[Any] = []

        def counted(*given: Any, forward: Any = forward, calls: Any = calls) -> Any:
            calls.append(given)
            return forward(*given)

        result = check(case, (counted, backward))
        assert result.passed, (empty, result.summary())
        if case in tests:
            assert result.gradients == {}
            assert set(result.duties) == {"deterministic", "inputs_unchanged"}
            assert len(calls) == 2
        else:
            assert set(result.gradients) == {"dx", "dgamma", "dbeta"}


def test_a_wrong_forward_without_cache_fails() -> None:
    forward, backward = _without_cache("batchnorm", None)

    def drifting(x: Any, gamma: Any, beta: Any, bn_param: Any) -> Any:
        found = forward(x, gamma, beta, bn_param)
        bn_param["running_var"] = bn_param["running_var"] + 1
        return found

    def written(x: Any, gamma: Any, beta: Any, bn_param: Any) -> Any:
        found = forward(x, gamma, beta, bn_param)
        x[:] = 0
        return found

    wrong = {
        "out is wrong": lambda x, gamma, *rest: forward(x, np.ones_like(gamma), *rest),
        "running_var is wrong": drifting,
        "x was modified in place": written,
        "forward is noisy": lambda x, *rest: (forward(x, *rest)[0] * (1 + 1e-9 * np.random.random()), None),  # noqa: NPY002
    }
    case: Any = LAYERS["batchnorm"].case
    for reason, function in wrong.items():
        result = check(case(mode="test"), (function, backward))
        assert result.verdict is Verdict.FAIL
        assert reason in (result.reason or "")
        assert result.gradients == {}
        assert [found.code for found in result.diagnosis] == ["gamma-missing"] * (reason == "out is wrong")


@pytest.mark.parametrize("empty", [None, (None, (6, 4))], ids=repr)
def test_no_cache_in_train_mode_is_an_error_still(empty: Any) -> None:
    right, backward = NORMALIZATIONS["batchnorm"][:2]
    case: Any = LAYERS["batchnorm"].case
    result = check(case(), (lambda *given: (right(*given)[0], empty), backward))
    assert result.verdict is Verdict.ERROR
    assert "backward raised" in (result.reason or "")


def test_a_cache_with_an_array_in_test_mode_owes_gradients() -> None:
    right, backward = NORMALIZATIONS["batchnorm"][:2]

    def doubled(dout: Any, cache: Any) -> Any:
        dx, dgamma, dbeta = backward(dout, cache[0])
        return 2 * dx, dgamma, dbeta

    def forward(*given: Any) -> Any:
        out, cache = right(*given)
        return out, (cache, None)

    case: Any = LAYERS["batchnorm"].case
    result = check(case(mode="test"), (forward, doubled))
    assert result.gradients["dx"].verdict is Verdict.FAIL


def test_the_table_of_a_forward_alone_has_no_gradients(tmp_path: Path, gradcheck: Program) -> None:
    alone = "gamma * x_hat + beta, None"
    text = BATCHNORM.replace(
        'gamma * x_hat + beta, (x_hat, gamma, np.sqrt(bn_param["running_var"] + eps), True)', alone
    )
    assert alone in text
    (tmp_path / "layers.py").write_text(text, encoding="utf-8")
    run = gradcheck("batchnorm", "layers.py", "--N", "5", "--mode", "test")
    assert run.returncode == 0, run.stdout + run.stderr
    lines = run.stdout.splitlines()
    assert any(line.startswith("out  5x4 ") for line in lines)
    assert not any(line.startswith(("dx", "dgamma", "dbeta")) for line in lines)


@pytest.mark.long
@pytest.mark.parametrize("layer", ["batchnorm", "spatial-batchnorm"])
def test_wrong_statistics_are_not_another_function(layer: str) -> None:
    right, backward, _ = NORMALIZATIONS[layer]
    # In test mode, or where all is kept, there is nothing to write.
    cases = [case for case in usual(layer) if case.geometry["mode"] == "train" and case.geometry["momentum"] < 1]
    for wrong in (("running_mean",), ("running_var",), ("running_mean", "running_var")):

        def forward(x: Any, gamma: Any, beta: Any, bn_param: Any, wrong: tuple[str, ...] = wrong) -> Any:
            before = {name: bn_param[name] for name in wrong}
            found = right(x, gamma, beta, bn_param)
            bn_param |= before
            return found

        def of_another(*given: Any, forward: Any = forward) -> Any:
            out, cache = forward(*given)
            return out + 1, cache

        for case in cases[:2]:
            result = check(case, (forward, backward))
            assert result.verdict is Verdict.FAIL
            assert [cause.code for cause in result.diagnosis] == ["running-statistics"]
            assert result.forward is not None
            assert result.forward.name in wrong
            result = check(case, (of_another, backward))
            assert [cause.code for cause in result.diagnosis] == ["running-statistics", "own-function"]
            assert result.forward is not None
            assert result.forward.name == "out"  # though more of the statistics may be wrong, and further off
            assert all(f"{name} is wrong" in (result.reason or "") for name in ("out", *wrong))


@pytest.mark.parametrize("dtype", one_in(3, ["float16", "float32", "float64"]))
@pytest.mark.parametrize("layer", ["batchnorm", "spatial-batchnorm"])
def test_of_a_right_forward_its_output_is_shown(layer: str, dtype: str) -> None:
    for seed, case in enumerate(LAYERS[layer].standard()):
        result = check(replace(case, dtype=dtype, seed=seed))
        assert result.forward is not None
        assert result.forward.name == "out"
        assert result.forward.expected_shape == result.gradients["dx"].expected_shape


@pytest.mark.parametrize("name", one_in(2, ["sample_variance", "variance_path_twice"]))
def test_of_sets_of_two_no_divisor_is_named(name: str) -> None:
    """There N / (N - 1) is 2: which of the faults it was cannot be seen."""
    (functions,) = [fault.functions for fault in FAULTS if fault.name == f"batchnorm-{name}"]
    case: Any = LAYERS["batchnorm"].case
    for seed in range(3):
        for N in (2, 5):
            result = check(case(N=N, D=6, eps=0.1, seed=seed), functions)
            assert result.verdict is Verdict.FAIL
            assert len(result.diagnosis) == (N > 2)
