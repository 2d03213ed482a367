"""Which layers a file has: identified by their names, and by what they compute."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gradcheck_cli.implementation.finding import names
from gradcheck_cli.implementation.finding.find import find
from gradcheck_cli.implementation.finding.folder import pattern_below, with_passes
from gradcheck_cli.implementation.finding.identify import Identified, identify_layer
from gradcheck_cli.implementation.finding.inventory import candidate_of, take_inventory
from gradcheck_cli.implementation.implementation import ImplementationNotFoundError
from gradcheck_cli.implementation.loading.load import Loader
from gradcheck_cli.layers import LAYERS

if TYPE_CHECKING:
    from tests.conftest import Program

#: What courses call their passes, and the layer of each; nothing is computed.
NAMED = {
    "affine_forward,affine_backward": "affine",
    "fc_forward,fc_backward": "affine",
    "batchnorm_forward,batchnorm_backward": "batchnorm",
    "batchnorm_forward,batchnorm_backward_alt": "batchnorm",
    "layernorm_forward,layernorm_backward": "layernorm",
    "conv_forward_naive,conv_backward_naive": "conv",
    "conv_forward_fast,conv_backward_fast": "conv",
    "conv2d,conv2d_backward": "conv",
    "conv2d,conv2d_backward_fft": "conv",
    "conv1d_forward,conv1d_backward": "conv1d",
    "conv3d_forward,conv3d_backward": "conv3d",
    "maxPoolForward,maxPoolBackward": "maxpool",
    "avg_pool_forward_im2col,avg_pool_backward": "avgpool",
    "max_pool_1d_forward,max_pool_1d_backward": "maxpool1d",
    "avgpool1d,avgpool1d_backward": "avgpool1d",
    "rnn_step_forward,rnn_step_backward": "rnn-step",
    "rnn_forward,rnn_backward": "rnn",
    "lstm_step_forward,lstm_step_backward": "lstm-step",
    "lstm_forward,lstm_backward": "lstm",
    "scaled_dot_product_attention_forward,scaled_dot_product_attention_backward": "attention",
    "attention_forward,attention_backward": "attention",
    "multihead_attention_forward,multihead_attention_backward": "multihead-attention",
    "gru_step_forward,gru_step_backward": "gru-step",
    "gru_forward,gru_backward": "gru",
    "tanh_fwd,tanh_bwd_vectorized": "tanh",
    "gelu_forward,gelu_backward": "gelu",
    "softmax_forward,softmax_backward": "softmax-activation",
    "log_softmax_forward,log_softmax_backward": "log-softmax",
    "leaky_relu_forward,leaky_relu_backward": "leaky-relu",
    "elu_forward,elu_backward": "elu",
    "swish,swish_backward": "silu",
    "softplus_forward,softplus_backward": "softplus",
    "spatial_batchnorm_forward,spatial_batchnorm_backward": "spatial-batchnorm",
    "instancenorm_forward,instancenorm_backward": "instancenorm",
    "instance_norm,instance_norm_backward": "instancenorm",
    "rms_norm_forward,rms_norm_backward": "rmsnorm",
    "rmsnorm_fwd,rmsnorm_bwd": "rmsnorm",
    "spatial_groupnorm_forward,spatial_groupnorm_backward": "groupnorm",
    "temporal_affine_forward,temporal_affine_backward": "temporal-affine",
    "word_embedding_forward,word_embedding_backward": "word-embedding",
    "dropout_forward,dropout_backward": "dropout",
    "temporal_softmax_loss": "temporal-softmax",
    "softmax_loss": "softmax",
    "svm_loss_vectorized": "svm",
    "mse_loss": "mse",
    "binary_cross_entropy_loss": "bce",
    "kl_divergence_loss": "kl-divergence",
    "cross_entropy_loss": "softmax",
}

#: What combines layers, helps, or is a layer of another kind.
UNNAMED = (
    *("affine_relu_forward", "affine_relu_backward", "conv_bn_relu_forward", "conv_bn_relu_backward"),
    *("conv_relu_pool_forward", "conv_relu_pool_backward", "selu_forward", "selu_backward"),
    *(
        "softmax_loss_forward",
        "softmax_loss_backward",
        "softmax",
        "eval_numerical_gradient",
        "fullnet_forward",
        "fullnet_backward",
        "get_im2col_indices",
    ),
)

MAX, MEAN = (
    """
def {0}forward(x, pool_param):
    height, width, stride = pool_param["pool_height"], pool_param["pool_width"], pool_param["stride"]
    rows, columns = 1 + (x.shape[2] - height) // stride, 1 + (x.shape[3] - width) // stride
    out = np.empty((*x.shape[:2], rows, columns), x.dtype)
    for i, j in np.ndindex(rows, columns):
        out[:, :, i, j] = x[:, :, i * stride : i * stride + height, j * stride : j * stride + width].HOW((2, 3))
    return out, (x, pool_param)


def {0}backward(dout, cache): ...
""".replace("HOW", how)
    for how in ("max", "mean")
)
AFFINE = "def {0}forward(x, w, b): return x.reshape(len(x), -1) @ w + b, (x, w)\ndef {0}backward(dout, cache): ...\n"
RELU = "def {0}forward(x): return np.maximum(x, 0), x\ndef {0}backward(dout, x): return dout * (x > 0)\n"
SELU = "def {0}forward(x): return 1.05 * np.where(x > 0, x, 1.67 * np.expm1(x)), x\ndef {0}backward(dout, x): ...\n"
SOFTMAX = """
def softmax_loss_and_gradient(x, y):
    p = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    return -np.log(p[range(len(x)), y]).mean(), (p - np.eye(x.shape[1])[y]) / len(x)
"""
CLASS = """
class {0}:
    def forward(self, x):
        self.out = np.tanh(x)
        return self.out
    def backward(self, dout):
        return dout * (1 - self.out**2)
"""
SIZED = """
class {0}:
    def __init__(self, secret): ...
    def forward(self, x): ...
    def backward(self, dout): ...
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Start each test in a folder of its own, and forget what was imported from there."""
    monkeypatch.chdir(tmp_path)
    yield
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


def found(text: str, spec: str = "layers.py") -> dict[str, Identified | None]:
    Path(spec.partition(":")[0]).write_text(f"import numpy as np\n{text}", encoding="utf-8")
    offers = take_inventory(spec, Loader()).offers
    layers = {",".join(offer.names): identify_layer(offer, candidate_of(offer, Loader())) for offer in offers}
    return {names: one and replace(one, open=False) for names, one in layers.items()}


def stubs(names: tuple[str, ...]) -> str:
    return "".join(f"def {name}(*given): ...\n" for name in dict.fromkeys(names))


def test_names_tell_layers_apart() -> None:
    text = stubs(tuple(name for names in NAMED for name in names.split(",")))
    assert {names: one.layer if one else None for names, one in found(text).items()} == NAMED
    assert take_inventory("layers.py", Loader()).halves == ()
    assert take_inventory("layers.py", Loader()).others == ()


def test_what_is_of_no_layer_is_no_layer() -> None:
    text = stubs(UNNAMED).replace("def softmax(*given): ...", "def softmax(x): return np.exp(x)")
    assert {one for one in found(text).values() if one} == set()
    inventory = take_inventory("layers.py", Loader())
    told = {name for offer in inventory.offers for name in offer.names} | set(inventory.others)
    assert told == set(UNNAMED)
    assert inventory.halves == ()


@pytest.mark.parametrize(
    ("text", "layer"),
    [
        (MAX.format("pool_"), "maxpool"),
        (MEAN.format("pool_"), "avgpool"),
        (MAX.format("avg_pool_"), "avgpool"),  # wrong: a name is a promise
        (AFFINE.format(""), "affine"),
        (MEAN.format(""), "avgpool"),
        (RELU.format(""), "relu"),
        (RELU.format("rectify_"), "relu"),
        (SELU.format("selu_"), None),
        (SELU.format("relu_"), "relu"),
        (SOFTMAX, "softmax"),
        (CLASS.format("Tanh"), "tanh"),
        (CLASS.format("Squash"), "tanh"),
        (CLASS.format("Sigmoid"), "sigmoid"),
    ],
)
def test_what_names_leave_open_is_tried(text: str, layer: str | None) -> None:
    (one,) = found(text).values()
    assert (one.layer if one else None) == layer
    assert one is None or one.reason is None


@pytest.mark.parametrize(
    ("name", "layer", "reason"),
    [
        ("AffineLayer", "affine", "`AffineLayer(secret)` takes `secret`, of which the meaning is not known"),
        ("BatchNormLayer", "batchnorm", "`BatchNormLayer(secret)` takes `secret`"),
        ("LayerNorm", "layernorm", "`LayerNorm(secret)` takes `secret`"),
        ("Dropout", "dropout", "`Dropout(secret)` takes `secret`"),
        ("Embedding", "word-embedding", "`Embedding(secret)` takes `secret`"),
        ("MaxPool", "maxpool", "`MaxPool(secret)` takes `secret`"),
        ("Sigmoid", "sigmoid", "`Sigmoid(secret)` takes `secret`"),
        ("Base", None, None),
        ("SoftmaxWithLoss", "softmax", "`SoftmaxWithLoss(secret)` takes `secret`"),
    ],
)
def test_what_cannot_be_called_says_why(name: str, layer: str | None, reason: str | None) -> None:
    one = found(SIZED.format(name)).get(name)
    assert (one.layer if one else None) == layer
    assert reason is None or (one is not None and one.reason is not None and reason in one.reason)


def test_static_methods_are_two_functions() -> None:
    text = """
class Embedding:
    @staticmethod
    def forward(x, W): return W[x], (x, W)
    @staticmethod
    def backward(dout, cache): ...
"""
    assert found(text) == {"Embedding": Identified(layer="word-embedding")}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "def svm_loss_naive(W, X, y, reg): ...\n",
            Identified(
                layer="svm", reason="`svm_loss_naive(W, X, y, reg)` takes `W`, of which the meaning is not known"
            ),
        ),
        ("def svm_loss(x, y, delta=1.0): ...\n", Identified(layer="svm")),
        ("svm_loss = max\n", Identified(layer="svm")),  # it does not say what it takes
        ("def softmax(x): ...\n", None),
        (
            "def dropout_forward(x): ...\ndef dropout_backward(dout, cache): ...\n",
            Identified(layer="dropout"),  # it may always drop half of x
        ),
        (
            "def lstm_step_forward(*given): ...\ndef lstm_step_backward(dnext_h, cache): ...\n",
            Identified(
                layer="lstm-step",
                reason="`lstm_step_backward(dnext_h, cache)` takes no dnext_c",
            ),
        ),
    ],
)
def test_what_does_not_take_the_arguments_is_not_called(text: str, expected: Identified | None) -> None:
    (one,) = found(text).values()
    assert (one and one.layer) == (expected and expected.layer)
    assert (one and (one.reason or "").partition("; gradcheck ")[0]) == (expected and (expected.reason or ""))


def test_a_pass_without_its_counterpart_is_a_half() -> None:
    text = stubs(("conv_forward", "rnn_forward", "rnn_step_backward", "batchnorm_backward", "relu_forward"))
    assert found(text) == {}
    halves = {half.names: half.layers[0] for half in take_inventory("layers.py", Loader()).halves}
    assert halves == {
        ("conv_forward",): "conv",
        ("rnn_forward",): "rnn",
        ("rnn_step_backward",): "rnn-step",
        ("batchnorm_backward",): "batchnorm",
        ("relu_forward",): "relu",
    }


def test_the_same_under_another_name_is_once() -> None:
    text = stubs(("conv_forward_im2col", "conv_backward_im2col"))
    again = "conv_forward_fast, conv_backward_fast = conv_forward_im2col, conv_backward_im2col\n"
    assert list(found(text + again)) == ["conv_forward_im2col,conv_backward_im2col"]
    assert take_inventory("layers.py", Loader()).others == ()


def test_names_after_a_colon_are_all() -> None:
    text = RELU.format("relu_") + stubs(("affine_forward", "affine_backward", "helper", "conv_forward"))
    assert list(found(text, "layers.py:relu_forward,relu_backward")) == ["relu_forward,relu_backward"]
    assert take_inventory("layers.py:relu_forward", Loader()).others == ()
    assert [half.names for half in take_inventory("layers.py:conv_forward", Loader()).halves] == [("conv_forward",)]
    with pytest.raises(ImplementationNotFoundError, match="no function or class 'relu_forwards'; it has relu_f"):
        take_inventory("layers.py:relu_forwards", Loader())


def test_a_file_that_imports_all_has_what_it_imports() -> None:
    Path("ours.py").write_text("import numpy as np\n" + RELU.format("relu_"))
    assert list(found("from ours import *\n")) == ["relu_forward,relu_backward"]
    assert list(found("from ours import *\ndef helper(): ...\n", "other.py")) == []


def test_a_layer_without_a_reference_is_not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    text = RELU.format("relu_") + RELU.format("")
    assert {one and one.layer for one in found(text).values()} == {"relu"}
    monkeypatch.setattr(names, "LAYERS", {**LAYERS, "relu": replace(LAYERS["relu"], reference=False)})
    assert set(found(text).values()) == {None}


#: A recurrent layer, and helpers that are called after it.
RNN = """
def rnn_forward(x, h0, Wx, Wh, b):
    h, hs = h0, []
    for t in range(x.shape[1]):
        h = np.tanh(x[:, t] @ Wx + h @ Wh + b)
        hs.append(h)
    return np.stack(hs, 1), None
def rnn_backward(dh, cache): return None
"""
CONV = """
def conv_forward(x, w, b, conv_param):
    from gradcheck_cli.layers.conv.naive import conv_forward_naive
    return conv_forward_naive(x, w, b, conv_param)
def conv_backward(dout, cache): return None
"""


@pytest.mark.parametrize(
    ("text", "helpers", "layers"),
    [
        (RNN + "def rnn_test_forward(x, h0, Wx, Wh, b, steps=3): return x @ Wx", {"rnn_test_forward"}, 1),
        (RNN + "def rnn_words_forward(x, h0, Wx, Wh, b): return x[0] @ Wx, 1", {"rnn_words_forward"}, 1),
        (CONV + "def conv_demo_forward(x=3): print(x)", {"conv_demo_forward"}, 1),
        (CONV + "def conv_forward_plot(x, w, b, conv_param): return 1 / 0", {"conv_forward_plot"}, 1),
        (CONV + "def conv_backward_check(): ...\ndef check_conv_forward(): ...", {"conv_backward_check"}, 1),
        (CONV + "def conv_forward_fast(x, w, b, conv_param): return 1 / 0", set(), 2),  # a layer that raises
        (CONV + "def conv_forward_winograd(x, w, b, conv_param): return conv_forward(x, w, b, conv_param)", set(), 2),
        (CONV + "def conv_backward_other(dout, cache): return None", set(), 2),
        (
            CONV.replace("conv_f", "my_conv_f").replace("_forward(", "_forward_odd(").replace("conv_b", "my_conv_b"),
            set(),
            1,
        ),
        ("def softmax_loss_demo(): print(1)\ndef batchnorm_reference_check(x): ...", {"softmax_loss_demo"}, 0),
    ],
)
def test_a_helper_is_no_layer(text: str, helpers: set[str], layers: int) -> None:
    said = found(text)
    assert sum(1 for one in said.values() if one and not one.reason) == layers, said
    unknown = {name for names, one in said.items() if one is None for name in names.split(",")}
    others = set(take_inventory("layers.py", Loader()).others)
    assert helpers <= unknown | others
    assert all(one is None or not helpers & set(names.split(",")) for names, one in said.items())


def test_a_helper_is_listed_and_the_layer_passes(gradcheck: Program) -> None:
    text = RELU.format("relu_") + "def relu_test_forward(x, times): return x[times]\n"
    Path("layers.py").write_text(f"import numpy as np\n{text}", encoding="utf-8")
    run = gradcheck("layers.py")
    assert run.stderr == "layers.py: not checked: relu_test_forward (no known layer)\n"
    assert "relu_forward,relu_backward" in run.stdout


#: What raises when it is looked at.
HOSTILE = """
class Meta(type):
    def __getattr__(cls, name): raise RuntimeError(name)
    def __dir__(cls): raise RuntimeError
    def __eq__(cls, other): raise RuntimeError
    def __bool__(cls): raise RuntimeError
    __hash__ = None
class Sealed(type):
    def __getattribute__(cls, name): raise RuntimeError(name)
class Odd(metaclass=Meta): ...
class Closed(metaclass=Sealed):
    def forward(self, x): ...
    def backward(self, dout): ...
class Thing:
    def __getattribute__(self, name): raise RuntimeError(name)
    def __eq__(self, other): raise RuntimeError
    def __bool__(self): raise RuntimeError
    def __repr__(self): raise RuntimeError
    def __call__(self, x): raise RuntimeError
    __hash__ = None
thing = relu_thing_forward = thing_backward = Thing()
class Unsigned:
    def __call__(self, x): return x * (x > 0), x
    @property
    def __signature__(self): raise RuntimeError
sigmoid_forward = sigmoid_backward = Unsigned()
def __getattr__(name): raise RuntimeError(name)
globals()[3] = thing
class Tanh(metaclass=Meta):
    def forward(self, x):
        self.out = np.tanh(x)
        return self.out
    def backward(self, dout): return dout * (1 - self.out ** 2)
class ReLU:
    def __init__(self): self.kept = Thing()
    def __getattr__(self, name): raise RuntimeError(name)
    def forward(self, x):
        self.mask = x > 0
        return x * self.mask
    def backward(self, dout): return dout * self.mask
"""


def test_what_cannot_be_looked_at_is_left_out() -> None:
    said = found(RELU.format("relu_") + HOSTILE)
    layers = {names: one.layer for names, one in said.items() if one and not one.reason}
    assert layers == {
        "relu_forward,relu_backward": "relu",
        "sigmoid_forward,sigmoid_backward": "sigmoid",  # at its name: it can be called
        "Tanh": "tanh",
        "ReLU": "relu",
    }


def test_the_rest_of_a_file_is_checked(gradcheck: Program) -> None:
    Path("layers.py").write_text(f"import numpy as np\n{RELU.format('relu_')}{HOSTILE}", encoding="utf-8")
    run = gradcheck("layers.py")
    assert "Traceback" not in run.stderr
    assert [line.split()[0] for line in run.stdout.splitlines() if "7/7" in line] == ["pass"] * 3
    for layer, name in (("tanh", "Tanh"), ("relu", "ReLU")):
        assert gradcheck(layer, f"layers.py:{name}").returncode == 0
    run = gradcheck("sigmoid", "layers.py:__getattr__")
    assert (run.returncode, "Traceback" in run.stderr) == (2, False)


@pytest.mark.parametrize(
    ("text", "layer", "reason"),
    [
        ("class Affine:\n    def __init__(self, b): self.b = b\n", "affine", "`Affine(b)` takes b, and no w"),
        ("class Conv:\n    def __init__(self, bias, stride=1): ...\n", "conv", "takes bias, and no w"),
    ],
)
def test_a_class_that_takes_some_parameters_says_which(text: str, layer: str, reason: str) -> None:
    methods = "    def forward(self, x): return x\n    def backward(self, dout): return dout\n"
    Path("layers.py").write_text(text + methods, encoding="utf-8")
    with pytest.raises(ImplementationNotFoundError, match=re.escape(reason)):
        find(f"layers.py:{text.split()[1].strip(':')}", LAYERS[layer])
    for offer in take_inventory("layers.py", Loader()).offers:
        identify_layer(offer, candidate_of(offer, Loader()))


@pytest.mark.parametrize("name", ["sigmoid_cross_entropy", "tanh_loss", "relu_cost", "conv_loss", "sigmoid_bce_loss"])
def test_a_loss_that_is_called_after_a_layer_is_none_of_that_layer(name: str) -> None:
    said = found(f"def {name}(x, t): return 1.0\n" + RELU.format("relu_"))
    assert {names: one.layer for names, one in said.items() if one} == {"relu_forward,relu_backward": "relu"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (RELU.format("relu_"), "layers.py has no convolution; it has relu_forward,relu_backward: `gradcheck layers"),
        (RELU.format("") , "it has forward,backward: `gradcheck layers.py` checks it"),
        (RELU.format("relu_") + CLASS.format("Tanh"), "it has relu_forward,relu_backward and Tanh: `gradcheck layers"),
        (RELU.format("warp_"), "it has warp_forward,warp_backward: `gradcheck layers.py` checks it"),
        ("def plot(x): ...\n", "it has plot"),
    ],
)  # fmt: skip
def test_another_command_is_named(text: str, said: str, convcheck: Program) -> None:
    Path("layers.py").write_text(f"import numpy as np\n{text}", encoding="utf-8")
    run = convcheck("layers.py")
    assert run.returncode == 2
    assert said in run.stderr
    if "relu" not in said:
        with pytest.raises(ImplementationNotFoundError, match=re.escape(said)):
            find("layers.py", LAYERS["affine"])


def test_a_folder_says_what_it_leaves_out() -> None:
    Path("mine/deep").mkdir(parents=True)
    for name, text in {
        "a.py": "async def warp_backward(x): ...\n",
        "b.py": "class Thing:\n    def backward(self, dout): ...\n",
        "c.py": "def affine_forward(x, w, b:\n",
        "d.py": "def helper(x): ...\n",
        "test_e.py": RELU.format("relu_"),
        "deep/f.py": "def warp_backward(x): ...\n",
    }.items():
        Path("mine", name).write_text(text)
    os.mkfifo("mine/g.py")
    read = with_passes(Path("mine"))
    assert [str(file) for file in read.searched] == ["mine/a.py", "mine/b.py", "mine/c.py"]
    why = "nothing is called after a layer or a backward pass"
    assert read.note() == f"g.py (no regular file); test_e.py (a test); d.py ({why})"
    assert pattern_below("mine", []) == "mine/*/f.py"
    with pytest.raises(
        ImplementationNotFoundError, match=r"without convolution in its files; not searched: .*a\.py, b\.py"
    ):
        find("mine", LAYERS["conv"])


#: A layer that its network prepares.
PREPARED = """
class ReLU:
    def forward(self, x):
        self.mask = x > self.threshold
        return x * self.mask
    def backward(self, dout):
        return dout * self.mask
"""
NETWORK = "class Network:\n    def add(self, layer):\n        layer.threshold = 0.0\n"
MAKE = "def make(cls):\n    instance = cls()\n    instance.threshold = 0.0\n    return instance\n"


def test_what_only_a_network_sets_is_told_apart_from_a_slip(gradcheck: Program) -> None:
    Path("layers.py").write_text(f"{PREPARED}{NETWORK}", encoding="utf-8")
    Path("glue.py").write_text(MAKE, encoding="utf-8")
    run = gradcheck("layers.py", "--format", "markdown")
    assert run.returncode == 2
    assert "its forward reads the attribute threshold, which only other code sets" in run.stdout
    command = "relu layers.py:ReLU --adapter"
    assert f"gradcheck {command} FILE.py:make" in run.stdout
    assert gradcheck(*command.split(), "glue.py:make").returncode == 0
    Path("layers.py").write_text(PREPARED, encoding="utf-8")
    run = gradcheck("layers.py")
    assert run.returncode == 1
    assert "has no attribute 'threshold'" in run.stdout


def test_passes_that_are_called_functions_are_found(gradcheck: Program) -> None:
    text = CLASS.format("Tanh").replace("forward(", "forward_fct(").replace("backward(", "vjp_fct(")
    for wrong in ("", "2 * "):
        Path("layers.py").write_text(f"import numpy as np\n{text.replace('return dout', f'return {wrong}dout')}")
        run = gradcheck("layers.py", "-q")
        assert run.returncode == bool(wrong), run.stdout
