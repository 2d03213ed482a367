"""What arguments stand for: no name breaks a reading, and contexts are filled by forward and reach backward."""

from __future__ import annotations

import keyword
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradcheck_cli.checks.check import check_case
from gradcheck_cli.checks.settings import Settings
from gradcheck_cli.implementation.conventions.containers import Context
from gradcheck_cli.implementation.conventions.readings import readings_of
from gradcheck_cli.implementation.conventions.running import implementation_of
from gradcheck_cli.implementation.conventions.slots import (
    BIAS_FLAGS,
    CACHES,
    COTANGENTS,
    DICTIONARIES,
    GENERATORS,
    INDIFFERENT,
    MisfitError,
)
from gradcheck_cli.implementation.finding.find import find
from gradcheck_cli.implementation.from_python import from_functions
from gradcheck_cli.implementation.implementation import ImplementationError, NotExpressibleError
from gradcheck_cli.implementation.outputs import pack_outputs
from gradcheck_cli.implementation.vocabulary.lookup import probe_problems, vocabulary_of
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.results.result import Verdict
from tests.sampling import in_parts, one_in

if TYPE_CHECKING:
    from pathlib import Path

    from gradcheck_cli.layers.framework.layer import Layer
    from tests.conftest import Program

COMMON = (*DICTIONARIES, *CACHES, *COTANGENTS, *INDIFFERENT, *BIAS_FLAGS, "state", "self_", "out", "stuff")


def words(layer: Layer) -> list[str]:
    """Every word that is known, and that can be an argument beside the inputs."""
    vocabulary = vocabulary_of(layer)
    known = [*COMMON, *vocabulary.arguments, *vocabulary.inputs]
    known += [name for argument in vocabulary.arguments.values() for name in argument.names]
    known += [name for names in vocabulary.inputs.values() for name in names]
    return [
        w for w in dict.fromkeys(known) if w.isidentifier() and not keyword.iskeyword(w) and w not in layer.arguments
    ]


def compiled(text: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    exec(text, found)
    return found


def try_first(layer: Layer, *objects: Any) -> bool:
    """Run the first reading forward and back. What it cannot do it says in exceptions of its own, and in no other."""
    problem = probe_problems(layer.name)[0]
    try:
        reading = pack_outputs(implementation_of(next(readings_of(objects, layer)), "", None), problem)
        _, cache = reading.forward(problem.inputs, problem.parameters)
        reading.backward(problem.cotangent, cache, problem.differentiable)
    except MisfitError:
        return False
    except (ImplementationError, NotExpressibleError):
        pass
    return True


@in_parts(4)
@pytest.mark.parametrize(
    "name", one_in(4, ["conv", "maxpool", "affine", "groupnorm", "word-embedding", "dropout", "lstm-step"])
)
def test_every_word_may_be_an_argument(name: str, part: int) -> None:
    layer = LAYERS[name]
    x, inputs, understood = layer.inputs[0], ", ".join(layer.arguments), 0
    cotangents = ", ".join(f"d{output}" for output in layer.outputs)
    for number, each in list(enumerate(words(layer)))[part::4]:
        asked = f"{each}=None" if number % 3 == 0 else each
        found = compiled(
            f"def forward({inputs}, {asked}): return {x}, ()\n"
            f"def backward({cotangents}, {asked}): return (dout,)\n"
            f"class Kept:\n"
            f"    def __init__(self, {asked}): pass\n"
            f"    def forward(self, {inputs}, {asked}): return {x}\n"
            f"    def backward(self, {cotangents}, {asked}): return {cotangents}\n"
        )
        understood += try_first(layer, found["forward"], found["backward"]) + try_first(layer, found["Kept"])
    assert understood > 0


@pytest.mark.parametrize("default", ["", "=None"])
def test_every_word_may_be_an_argument_of_a_function_of_ones_own(default: str) -> None:
    x = {"x": np.ones(3)}
    ran = 0
    for each in COMMON:
        if keyword.iskeyword(each):
            continue
        found = compiled(
            f"def f(x, {each}{default}): return 2 * x, x\n"
            f"def g(dout, {each}{default}): return 2 * dout\n"
            f"def of_an_input(x, {each}): return 2 * x * {each}\n"
            f"def its_gradient(dout, x, {each}): return 2 * dout * {each}, 2 * dout * x\n"
        )
        try:
            own = from_functions((found["f"], found["g"]), LAYERS["function"])
            _, cache = own.forward(x, None)
            own.backward(np.ones(3), cache, ("x",))
        except (TypeError, ImplementationError, NotExpressibleError):
            pass
        inputs = {"x": np.full(3, 5.0), each: np.full(3, 7.0)}
        if each not in ("out", *GENERATORS):  # which no array is called
            own = from_functions((found["of_an_input"], found["its_gradient"]), LAYERS["function"])
            out, cache = own.forward(inputs, None)
            back = own.backward(np.ones(3), cache, ("x", each))
            assert [set(np.asarray(a)) for a in (out, back["x"], back[each])] == [{70.0}, {14.0}, {10.0}], each
            ran += 1
    assert ran > 40


#: Sigmoids whose forward is given something to fill: (forward, backward), and what makes each of them wrong.
FILLED = {
    "attributes": (
        "def sigmoid_forward(ctx, x): ctx.s = 1 / (1 + np.exp(-x)); return ctx.s",
        "def sigmoid_backward(ctx, g): return g * ctx.s * (1 - ctx.s)",
    ),
    "saved tensors": (
        "def sigmoid_forward(context, inp): s = 1 / (1 + np.exp(-inp)); context.save_for_backward(s); return s",
        "def sigmoid_backward(context, up): (s,) = context.saved_tensors; return up * s * (1 - s)",
    ),
    "a dictionary": (
        "def sigmoid_forward(x, cache): cache['s'] = 1 / (1 + np.exp(-x)); return cache['s']",
        "def sigmoid_backward(dout, cache): s = cache['s']; return dout * s * (1 - s)",
    ),
    "a dictionary that is returned too": (
        "def sigmoid_forward(x, memory): memory['s'] = 1 / (1 + np.exp(-x)); return memory['s'], memory",
        "def sigmoid_backward(dout, memory): s = memory['s']; return dout * s * (1 - s)",
    ),
    "a list": (
        "def sigmoid_forward(x, tmp): tmp.append(1 / (1 + np.exp(-x))); return tmp[-1]",
        "def sigmoid_backward(tmp, dout): s = tmp[0]; return dout * s * (1 - s)",
    ),
    "a list that is unpacked": (
        "def sigmoid_forward(x, saved): s = 1 / (1 + np.exp(-x)); saved.extend([x, s]); return s",
        "def sigmoid_backward(dout, saved): _, s = saved; return dout * s * (1 - s)",
    ),
    "scratch": (
        "def sigmoid_forward(x, tmp): tmp['e'] = np.exp(-x); return 1 / (1 + tmp['e']), 1 / (1 + tmp['e'])",
        "def sigmoid_backward(dout, kept): return dout * kept * (1 - kept)",
    ),
    "only if it is given": (
        "def sigmoid_forward(x, cache=None): s = 1 / (1 + np.exp(-x)); cache is None or cache.update(s=s); return s",
        "def sigmoid_backward(dout, cache): s = cache['s']; return dout * s * (1 - s)",
    ),
    "never given": (
        "def sigmoid_forward(x, cache=None): s = 1 / (1 + np.exp(-x)); return s, s",
        "def sigmoid_backward(dout, cache): s = cache; return dout * s * (1 - s)",
    ),
    "by name": (
        "def sigmoid_forward(x, *, ctx): ctx.s = 1 / (1 + np.exp(-x)); return ctx.s",
        "def sigmoid_backward(dout, *, ctx): return dout * ctx.s * (1 - ctx.s)",
    ),
}


def checked(path: Path, layer: str, text: str) -> set[Verdict]:
    path.write_text(text, encoding="utf-8")
    implementation = find(str(path), LAYERS[layer])
    return {check_case(case, implementation, Settings()).verdict for case in islice(LAYERS[layer].standard(), 3)}


@pytest.mark.parametrize("name", one_in(3, FILLED))
def test_forward_fills_what_backward_gets(name: str, tmp_path: Path) -> None:
    passes = FILLED[name]
    functions = "import numpy as np\n{}\n{}\n".format(*passes)
    static = "".join(f"    @staticmethod\n    {one.replace('sigmoid_', '')}\n" for one in passes)
    for number, text in enumerate((functions, f"import numpy as np\nclass Sigmoid:\n{static}")):
        assert checked(tmp_path / f"right{number}.py", "sigmoid", text) == {Verdict.PASS}
        head, dout, tail = text.rpartition("return ")  # of backward
        assert checked(tmp_path / f"wrong{number}.py", "sigmoid", f"{head}{dout}1.5 * {tail}") == {Verdict.FAIL}
    found = compiled(functions)
    own = from_functions((found["sigmoid_forward"], found["sigmoid_backward"]), LAYERS["function"])
    x = {"inp" if "inp)" in passes[0] else "x": np.zeros(3)}
    out, cache = own.forward(x, None)
    back = own.backward(np.ones(3), cache, tuple(x))
    assert (set(np.asarray(out)), {value for array in back.values() for value in np.asarray(array)}) == ({0.5}, {0.25})


def test_every_program_passes_a_context(gradcheck: Program, tmp_path: Path) -> None:
    text = "\n".join(["import numpy as np", *FILLED["saved tensors"]])
    (tmp_path / "layers.py").write_text(text, encoding="utf-8")
    pair = "layers.py:sigmoid_forward,sigmoid_backward"
    for arguments in (("layers.py",), ("sigmoid", "layers.py"), ("function", pair, "--shape", "inp=2x3")):
        run = gradcheck(*arguments)
        assert run.returncode == 0, run.stdout + run.stderr


def test_of_a_method_too(tmp_path: Path) -> None:
    text = """
class Affine:
    def __init__(self, W, b, memory):
        self.W, self.b, self.memory = W, b, memory
    def forward(self, ctx, x):
        ctx.x, self.memory["shape"] = x, x.shape
        return x.reshape(len(x), -1) @ self.W + self.b
    def backward(self, ctx, grad):
        self.dW, self.db = ctx.x.reshape(len(ctx.x), -1).T @ grad, grad.sum(0)
        return (grad @ self.W.T).reshape(self.memory["shape"])
"""
    assert checked(tmp_path / "right.py", "affine", text) == {Verdict.PASS}
    wrong = text.replace("grad.sum(0)", "2 * grad.sum(0)")
    assert checked(tmp_path / "wrong.py", "affine", wrong) == {Verdict.FAIL}


def test_of_several_outputs_too(tmp_path: Path) -> None:
    text = """
from gradcheck_cli.layers.recurrent.lstm import LstmCache, lstm_step_forward as ahead, lstm_step_backward as back
def lstm_step_forward(ctx, x, prev_h, prev_c, Wx, Wh, b):
    h, c, cache = ahead(x, prev_h, prev_c, Wx, Wh, b)
    ctx.save_for_backward(*cache)
    return h, c
def lstm_step_backward(ctx, dnext_h, dnext_c):
    return back(dnext_h, dnext_c, LstmCache(*ctx.saved_tensors))
"""
    assert checked(tmp_path / "right.py", "lstm-step", text) == {Verdict.PASS}
    wrong = text.replace("back(dnext_h, dnext_c", "back(dnext_h, 2 * dnext_c")
    assert checked(tmp_path / "wrong.py", "lstm-step", wrong) == {Verdict.FAIL}


@pytest.mark.parametrize("returned", ["dx, dw, db, None, None", "dx, dw, db"])
def test_a_none_for_each_argument_without_a_gradient(returned: str, tmp_path: Path) -> None:
    text = """
from gradcheck_cli.layers.conv.naive import conv_forward_naive as ahead, conv_backward_naive as back
class Conv:
    @staticmethod
    def forward(ctx, x, w, b, stride=1, pad=0):
        out, ctx.cache = ahead(x, w, b, {"stride": stride, "pad": pad})
        return out
    @staticmethod
    def backward(ctx, dout):
        dx, dw, db = back(dout, ctx.cache)
        return RETURNED
"""
    assert checked(tmp_path / "right.py", "conv", text.replace("RETURNED", returned)) == {Verdict.PASS}
    lacking = text.replace("RETURNED", returned.replace("dw", "None"))
    assert checked(tmp_path / "wrong.py", "conv", lacking) == {Verdict.FAIL}


def test_a_context_is_a_dictionary_and_a_list() -> None:
    ctx = Context((True, True))
    assert (len(ctx), ctx.needs_input_grad) == (0, (True, True))
    ctx.extend(["a", "b"])
    assert (list(ctx), ctx[-1], ctx[0], ctx.pop(), len(ctx)) == (["a", "b"], "b", "a", "b", 1)
    named = Context()
    named["x"] = 1
    assert (list(named), {**named}, named.pop("x"), named.get("y")) == (["x"], {"x": 1}, 1, None)
    with pytest.raises(KeyError):
        named["y"]
    named.save_for_backward(3)
    assert (named.saved_values, named.get_saved()) == ((3,), (3,))
    assert not hasattr(named, "kept")


#: What is left beside the cotangent is the cache, whatever its name.
LEFT_OVER = ("state", "tape", "mem", "residuals", "stuff", "pull", "layer", "l", "m", "c", "kept", "q7")


@pytest.mark.parametrize("order", ["dout, {}", "{}, dout", "g, {}"])
def test_what_is_left_is_the_cache(order: str) -> None:
    for name in LEFT_OVER:
        arguments = order.format(name)
        text = (
            f"def f(x, k): return x * k, (x, k)\ndef b({arguments}): x, k = {name}; return dout * k, (dout * x).sum()"
        )
        found = compiled(text.replace("dout", arguments.replace(name, "").strip(" ,")))
        own = from_functions((found["f"], found["b"]), LAYERS["function"])
        _, cache = own.forward({"x": np.full(3, 5.0), "k": np.asarray(7.0)}, None)
        back = own.backward(np.ones(3), cache, ("x", "k"))
        assert (set(np.asarray(back["x"])), back["k"]) == ({7.0}, 15.0), name


@pytest.mark.parametrize("name", ["conv", "affine", "maxpool"])
def test_a_cache_may_be_called_as_a_number_is(name: str) -> None:
    layer = LAYERS[name]
    for each in ("c", "m", "l", "state", "layer"):
        found = compiled(
            f"from gradcheck_cli.layers import LAYERS\nF, B = next(iter(LAYERS[{name!r}].builtin.values()))\n"
            f"def forward({', '.join(layer.arguments)}): return F({', '.join(layer.arguments)})\n"
            f"def backward(dout, {each}): return B(dout, {each})\n"
        )
        reading = implementation_of(next(readings_of((found["forward"], found["backward"]), layer)), "", None)
        problem = probe_problems(name)[0]
        _, cache = reading.forward(problem.inputs, problem.parameters)
        gradients = reading.backward(problem.cotangent, cache, problem.differentiable)
        assert set(gradients) == set(problem.differentiable)


#: Sigmoids whose backward has an argument that is called as an input may be: what forward returned second, or z.
SAME_NAME = {
    "cached": "def sigmoid_forward(z): a = 1 / (1 + np.exp(-z)); return a, a\n"
    "def sigmoid_backward(da, a): return da * a * (1 - a)",
    "computed again": "def sigmoid_forward(z): a = 1 / (1 + np.exp(-z)); return a\n"
    "def sigmoid_backward(da, a): s = 1 / (1 + np.exp(-a)); return da * s * (1 - s)",
}


def test_what_forward_returned_second_is_the_cache_and_else_it_is_the_input(tmp_path: Path) -> None:
    for number, text in enumerate(SAME_NAME.values()):
        assert checked(tmp_path / f"activations{number}.py", "sigmoid", f"import numpy as np\n{text}") == {Verdict.PASS}
