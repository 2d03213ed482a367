"""How people name layers and lay out their arrays, known from course solutions and libraries."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.implementation.vocabulary.geometry import KERNELS, POOLING, SIZES, number, only, setting
from gradcheck_cli.implementation.vocabulary.vocabulary import (
    Argument,
    Arrangement,
    BlockOrder,
    Vocabulary,
    words,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gradcheck_cli.numeric.arrays import Array


def _one_hot(inputs: Mapping[str, Array]) -> Mapping[str, Array]:
    """Return labels y as rows that are 1 in the place of the label, and else 0."""
    x, y = inputs["x"], inputs["y"]
    return {**inputs, "y": (y[..., None] == np.arange(x.shape[-1])).astype(x.dtype)}


#: What inputs are called, by the layer's own name for them, where a layer has no words of its own.
INPUTS = {
    "x": words("x input{,s} data inp"),
    "w": words("w weight{,s}"),
    "b": words("b bias{,es}"),
    "y": words("y labels targets"),
}

_IMAGE_INPUTS = {
    "x": words(
        "x{,prev} aprev input{,s,data,tensor,features,array} data indata a image{,s} im imgs bottom featuremap prev inp"
    ),
    "w": words("w weight{,s} kernel{,s} filter{,s} filt theta wt"),
    "b": words("b bias{,es} w0 b0"),
}


def _arranged(title: str, telling: str = "", **axes: str) -> Arrangement:
    return Arrangement(title=title, axes=axes, telling=words(telling))


def _pick(arguments: dict[str, Argument], names: str) -> dict[str, Argument]:
    return {name: arguments[name] for name in names.split()}


_USUAL = _arranged("")
_LAST = {"x": "N H W C", "out": "N H' W' F"}
_TELLS_LAST = "aprev hparameters hparams dz"
_IMAGES = {**_pick(SIZES, "F C"), **KERNELS, **_pick(SIZES, "N H W")}

_CONVOLUTIONS = {
    "conv": Vocabulary(
        names=words("conv"),
        others=words(
            "relu pool norm bn affine dense linear dropout softmax rnn lstm embedding transpose deconv depthwise "
            "separable 1d 3d sigmoid tanh flatten attention loss"
        ),
        inputs=_IMAGE_INPUTS,
        arguments=_IMAGES,
        arrangements=(
            _USUAL,
            _arranged("b (F, 1)", b="F 1"),
            _arranged("b (1, F, 1, 1)", b="1 F 1 1"),
            _arranged("channels last, b (1, 1, 1, F)", _TELLS_LAST, **_LAST, w="HH WW C F", b="1 1 1 F"),
            _arranged("channels last", _TELLS_LAST, **_LAST, w="HH WW C F"),
            _arranged("channels last, w (F, HH, WW, C)", **_LAST, w="F HH WW C"),
        ),
    ),
    "conv1d": Vocabulary(
        names=words("conv{,_}1d"),
        others=words("relu pool norm transpose 2d 3d"),
        inputs=_IMAGE_INPUTS,
        arguments=_pick(_IMAGES, "F C kernel WW stride pad N W"),
        arrangements=(
            _USUAL,
            _arranged("b (F, 1)", b="F 1"),
            _arranged("channels last", x="N W C", w="WW C F", out="N W' F"),
        ),
    ),
    "conv-transpose": Vocabulary(
        names=words("conv_transpose transpose deconv transconv upconv"),
        others=words("relu norm pool 1d 3d depthwise"),
        inputs=_IMAGE_INPUTS,
        arguments=_pick(_IMAGES, "F C kernel HH WW stride pad image N H W activation"),
        arrangements=(
            _USUAL,
            _arranged("w (F, C, HH, WW)", w="F C HH WW"),
            _arranged("b (F, 1)", b="F 1"),
            _arranged("channels last, w (HH, WW, F, C)", **_LAST, w="HH WW F C"),
        ),
    ),
    # Code in NumPy mostly has w (C, HH, WW); PyTorch's is (C, 1, HH, WW), Chainer's (1, C, HH, WW), and TensorFlow's,
    # where there is one filter for each channel, (HH, WW, C, 1).
    "depthwise-conv": Vocabulary(
        names=words("depthwise_conv depthwise depth_wise dwconv"),
        others=words("relu norm pool separable 1d 3d"),
        inputs=_IMAGE_INPUTS,
        arguments=_pick(_IMAGES, "C kernel HH WW stride pad image N H W activation"),
        arrangements=(
            _USUAL,
            _arranged("w (C, 1, HH, WW)", w="C 1 HH WW"),
            _arranged("w (1, C, HH, WW)", w="1 C HH WW"),
            *(
                _arranged(f"channels last, w ({', '.join(w.split())})", x="N H W C", out="N H' W' C", w=w)
                for w in ("HH WW C", "HH WW C 1")
            ),
        ),
    ),
}


def _pooling(names: str, others: str) -> Vocabulary:
    return Vocabulary(
        names=words(names),
        others=words(f"{others} conv relu unpool global norm"),
        inputs={"x": words("x input{,s} a{,prev} data inp images")},
        arguments=POOLING,
    )


_AFFINE = Vocabulary(
    names=words("affine linear dense fc fully{,_}connected"),
    others=words("relu norm temporal dropout softmax loss conv bilinear"),
    inputs={"x": words("x input{,s} data a{,prev} inp features"), "w": words("w weight{,s} theta")},
    arguments=_pick(SIZES, "D M"),
    arrangements=(
        _USUAL,
        _arranged("samples as columns", x="D N", w="M D", b="M 1", out="M N"),
        _arranged("w (M, D)", w="M D"),
        _arranged("w (M, D), b (1, M)", w="M D", b="1 M"),
    ),
)

_ELEMENTWISE_X = {"x": words("x z input{,s} a data inp")}


def _activation(names: str) -> Vocabulary:
    others = "affine conv linear leaky lstm rnn softmax norm dropout loss"
    return Vocabulary(names=words(names), others=words(others), inputs=_ELEMENTWISE_X)


def _named(names: str, others: str = "", **inputs: str) -> Vocabulary:
    inputs_ = {name: words(called) for name, called in inputs.items()}
    return Vocabulary(names=words(names), others=words(others), inputs=inputs_)


def _scores(names: str, others: str = "") -> Vocabulary:
    return replace(_named(names, others, x="x scores logits"), encodings={"y as one-hot rows": _one_hot})


def _normalization(names: str, others: str, **arguments: Argument) -> Vocabulary:
    return Vocabulary(
        names=words(names),
        others=words(f"{others} instance relu affine"),
        inputs={"x": ("x",)},
        arguments=arguments,
        mixes_samples="mode" in arguments,
    )


_EPS = setting("eps", 1e-5, "eps epsilon")
_MODE = {
    "eps": _EPS,
    "momentum": number("momentum", "momentum"),
    "mode": number("mode", "mode", only("mode", "train"), unless=("training",)),
    "training": Argument(
        names=words("{is,}training train{,able}"), forms={"": lambda sizes: sizes["mode"] == "train"}, unless=("mode",)
    ),
}
_GROUPNORM = Vocabulary(
    names=words("group{,_}norm"),
    others=words("batch layer instance relu conv affine"),
    inputs={"x": ("x",)},
    arguments={"G": setting("G", 1, "G g groups {num,n}groups", "{num,n}_groups"), "eps": _EPS},
    arrangements=(
        _USUAL,
        _arranged("gamma and beta (1, C, 1, 1)", gamma="1 C 1 1", beta="1 C 1 1")._replace(exact=True),
    ),
)


def _recurrent(names: str, others: str, *gates: str) -> Vocabulary:
    """Return the words for a recurrent layer.

    Args:
        names: of the layer.
        others: words that tell other layers from it.
        gates: orders of the gates that are usual elsewhere, each a letter; the layer's own is i, f, o, g.
    """
    orders = {
        f"gates in the order {', '.join(order)}": BlockOrder(("Wx", "Wh", "b"), tuple(map("ifog".index, order)))
        for order in gates
    }
    return Vocabulary(names=words(names), others=words(others), inputs={"x": ("x",), "b": ("b",)}, block_orders=orders)


#: PyTorch and Keras have i, f, g, o; TensorFlow i, g, f, o; ONNX i, o, f, g; Chainer g, i, f, o; courses f, i, g, o and
#: f, g, i, o.
_GATES = ("ifgo", "figo", "fgio", "igfo", "iofg", "gifo", "fiog")

KNOWN = {
    **_CONVOLUTIONS,
    "maxpool": _pooling("max{_,}pool pool", "avg average mean"),
    "avgpool": _pooling("{avg,average}{_,}pool mean_pool pool", "max"),
    "affine": _AFFINE,
    "temporal-affine": _named(
        "{temporal,time}{_,}affine time{_,}distributed", "relu norm softmax loss conv", x="x input{,s} h data"
    ),
    "word-embedding": replace(
        _named(
            "word{_,}embedding embedding",
            "position affine softmax",
            x="x words indices index idx ids tokens",
            W="w weight{,s} embedding{,s} table",
        ),
        arguments={
            "V": SIZES["V"],
            "D": SIZES["D"]._replace(names=words("D dim {,embedding,embed}{dim,size} outputdim")),
        },
    ),
    "relu": _activation("relu"),
    "sigmoid": _activation("sigmoid logistic"),
    "tanh": _activation("tanh"),
    "dropout": Vocabulary(
        names=words("dropout drop_out"),
        others=words("affine conv norm relu spatial"),
        inputs=_ELEMENTWISE_X,
        # In older courses p is the probability of dropping.
        meanings={"p as the probability of dropping": lambda param: {**param, "p": 1 - param["p"]}},
    ),
    "batchnorm": _normalization("batch{,_}norm bn", "spatial layer{,_}norm group conv", **_MODE),
    "spatial-batchnorm": _normalization("spatial{_,}batch{,_}norm batch{,_}norm{,_}2d", "layer group conv", **_MODE),
    "layernorm": _normalization("layer{,_}norm ln", "batch spatial group", D=SIZES["D"], eps=_EPS),
    "groupnorm": _GROUPNORM,
    "softmax": _scores("softmax cross{_,}entropy", "temporal"),
    "temporal-softmax": _scores("{temporal,time}{_,}softmax"),
    "svm": _scores("svm hinge", "temporal"),
    "rnn-step": _recurrent("rnn{_,}{step,cell}", "lstm gru"),
    "rnn": _recurrent("rnn", "step cell lstm gru"),
    "lstm-step": _recurrent("lstm{_,}{step,cell}", "gru", *_GATES),
    "lstm": _recurrent("lstm", "step cell gru", *_GATES),
}
