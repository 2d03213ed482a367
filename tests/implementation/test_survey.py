"""Of which layer what a file has is: by its names, and by what it computes."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gradcheck_cli.implementation import survey
from gradcheck_cli.implementation.find import ImplementationNotFoundError
from gradcheck_cli.implementation.survey import Found, files_in, take_inventory, whose
from gradcheck_cli.layers import LAYERS

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    "maxPoolForward,maxPoolBackward": "maxpool",
    "avg_pool_forward_im2col,avg_pool_backward": "avgpool",
    "rnn_step_forward,rnn_step_backward": "rnn-step",
    "rnn_forward,rnn_backward": "rnn",
    "lstm_step_forward,lstm_step_backward": "lstm-step",
    "lstm_forward,lstm_backward": "lstm",
    "tanh_fwd_loop,tanh_bwd_vectorised": "tanh",
    "spatial_batchnorm_forward,spatial_batchnorm_backward": "spatial-batchnorm",
    "spatial_groupnorm_forward,spatial_groupnorm_backward": "groupnorm",
    "temporal_affine_forward,temporal_affine_backward": "temporal-affine",
    "word_embedding_forward,word_embedding_backward": "word-embedding",
    "dropout_forward,dropout_backward": "dropout",
    "temporal_softmax_loss": "temporal-softmax",
    "softmax_loss": "softmax",
    "svm_loss_vectorized": "svm",
}

#: What combines layers, helps, or is a layer of another kind.
UNNAMED = (
    *("affine_relu_forward", "affine_relu_backward", "conv_bn_relu_forward", "conv_bn_relu_backward"),
    *("conv_relu_pool_forward", "conv_relu_pool_backward", "leaky_relu_forward", "leaky_relu_backward"),
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
GELU = "def {0}forward(x): return x / (1 + np.exp(-1.702 * x)), x\ndef {0}backward(dout, x): ...\n"
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


def found(text: str, spec: str = "layers.py") -> dict[str, Found | None]:
    Path(spec.partition(":")[0]).write_text(f"import numpy as np\n{text}", encoding="utf-8")
    return {",".join(offer.names): whose(offer) for offer in take_inventory(spec).offers}


def stubs(names: tuple[str, ...]) -> str:
    return "".join(f"def {name}(*given): ...\n" for name in dict.fromkeys(names))


def test_names_tell_layers_apart() -> None:
    text = stubs(tuple(name for names in NAMED for name in names.split(",")))
    assert {names: one.layer if one else None for names, one in found(text).items()} == NAMED
    assert take_inventory("layers.py").halves == ()
    assert take_inventory("layers.py").others == ()


def test_what_is_of_no_layer_is_no_layer() -> None:
    text = stubs(UNNAMED).replace("def softmax(*given): ...", "def softmax(x): return np.exp(x)")
    assert {one for one in found(text).values() if one} == set()
    inventory = take_inventory("layers.py")
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
        (GELU.format("gelu_"), None),
        (GELU.format("relu_"), "relu"),
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
        ("BatchNormLayer", "batchnorm", "of this layer only functions can be checked so far"),
        ("LayerNorm", "layernorm", "of this layer only functions can be checked so far"),
        ("Dropout", "dropout", "of this layer only functions can be checked so far"),
        ("Embedding", "word-embedding", "of this layer only functions can be checked so far"),
        ("MaxPool", "maxpool", "`MaxPool(secret)` takes `secret`"),
        ("Sigmoid", "sigmoid", "`Sigmoid(secret)` takes `secret`"),
        ("Base", None, None),
        ("SoftmaxWithLoss", None, None),
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
    assert found(text) == {"Embedding": Found(layer="word-embedding")}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "def svm_loss_naive(W, X, y, reg): ...\n",
            Found(layer="svm", reason="`svm_loss_naive(W, X, y, reg)` does not take (x, y)"),
        ),
        ("def svm_loss(x, y, delta=1.0): ...\n", Found(layer="svm")),
        ("svm_loss = max\n", Found(layer="svm")),  # it does not say what it takes
        ("def softmax(x): ...\n", None),
        (
            "def batchnorm_forward(x, gamma, beta): ...\ndef batchnorm_backward(dout, cache): ...\n",
            Found(
                layer="batchnorm",
                reason="`batchnorm_forward(x, gamma, beta)` does not take (x, gamma, beta, bn_param)",
            ),
        ),
        (
            "def lstm_step_forward(*given): ...\ndef lstm_step_backward(dnext_h, cache): ...\n",
            Found(
                layer="lstm-step",
                reason="`lstm_step_backward(dnext_h, cache)` does not take (dnext_h, dnext_c, cache)",
            ),
        ),
    ],
)
def test_what_does_not_take_the_arguments_is_not_called(text: str, expected: Found | None) -> None:
    assert list(found(text).values()) == [expected]


def test_a_pass_without_its_counterpart_is_a_half() -> None:
    text = stubs(("conv_forward", "rnn_forward", "rnn_step_backward", "batchnorm_backward", "relu_forward"))
    assert found(text) == {}
    halves = {half.names: half.layers[0] for half in take_inventory("layers.py").halves}
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
    assert take_inventory("layers.py").others == ()


def test_names_after_a_colon_are_all() -> None:
    text = RELU.format("relu_") + stubs(("affine_forward", "affine_backward", "helper", "conv_forward"))
    assert list(found(text, "layers.py:relu_forward,relu_backward")) == ["relu_forward,relu_backward"]
    assert take_inventory("layers.py:relu_forward").others == ()
    assert [half.names for half in take_inventory("layers.py:conv_forward").halves] == [("conv_forward",)]
    with pytest.raises(ImplementationNotFoundError, match="no function or class 'relu_forwards'; it has relu_f"):
        take_inventory("layers.py:relu_forwards")


def test_a_file_that_imports_all_has_what_it_imports() -> None:
    Path("ours.py").write_text("import numpy as np\n" + RELU.format("relu_"))
    assert list(found("from ours import *\n")) == ["relu_forward,relu_backward"]
    assert list(found("from ours import *\ndef helper(): ...\n", "other.py")) == []


def test_of_a_folder_only_files_that_speak_of_layers_are_run() -> None:
    Path("mine").mkdir()
    for name, text in {
        "layers.py": RELU.format("relu_"),
        "broken.py": "def affine_forward(x, w, b:\n",
        "script.py": "raise SystemExit('run')\n",
        "test_layers.py": RELU.format("relu_"),
    }.items():
        Path("mine", name).write_text(text)
    assert files_in("mine") == ["mine/broken.py", "mine/layers.py"]
    assert files_in("mine/script.py") == ["mine/script.py"]


def test_a_layer_without_a_reference_is_not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    text = RELU.format("relu_") + RELU.format("")
    assert {one and one.layer for one in found(text).values()} == {"relu"}
    monkeypatch.setattr(survey, "LAYERS", {**LAYERS, "relu": replace(LAYERS["relu"], reference=False)})
    assert set(found(text).values()) == {None}
