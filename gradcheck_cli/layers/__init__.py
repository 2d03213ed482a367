"""WHAT can be checked: one file a layer, and one line here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from gradcheck_cli.layers.layer import Layer

#: By the name on the command line, what the layer is called in a sentence; its module has the same name.
TITLES = {
    "conv": "convolution",
    "conv1d": "one-dimensional convolution",
    "affine": "affine layer",
    "temporal-affine": "temporal affine layer",
    "word-embedding": "word embedding",
    "relu": "rectified linear unit",
    "sigmoid": "logistic sigmoid",
    "tanh": "hyperbolic tangent",
    "dropout": "dropout",
    "maxpool": "max pooling",
    "avgpool": "average pooling",
    "batchnorm": "batch normalisation",
    "spatial-batchnorm": "spatial batch normalisation",
    "layernorm": "layer normalisation",
    "groupnorm": "group normalisation",
    "softmax": "softmax loss",
    "temporal-softmax": "temporal softmax loss",
    "svm": "hinge loss",
    "rnn-step": "recurrent step",
    "rnn": "recurrent layer",
    "lstm-step": "LSTM step",
    "lstm": "LSTM layer",
    "function": "function of your own",
}


class _Layers(Mapping[str, "Layer"]):
    """The layers by name, each imported when it is asked for: there are many, and a run needs one."""

    def __getitem__(self, name: str) -> Layer:
        if name not in TITLES:
            raise KeyError(name)
        return cast("Layer", import_module(f"gradcheck_cli.layers.{name.replace('-', '_')}").LAYER)

    def __iter__(self) -> Iterator[str]:
        return iter(TITLES)

    def __len__(self) -> int:
        return len(TITLES)


LAYERS: Mapping[str, Layer] = _Layers()
