"""How people name activations, and what they pass to them."""

from __future__ import annotations

from dataclasses import replace

from gradcheck_cli.implementation.vocabulary.geometry import one_of, setting
from gradcheck_cli.implementation.vocabulary.vocabulary import Argument, Vocabulary, arranged, words

ELEMENTWISE_X = {"x": words("x z input{,s} a data inp")}


def _activation(names: str, others: str = "", **arguments: Argument) -> Vocabulary:
    more = "affine conv linear lstm rnn gru attention softmax norm dropout loss"
    others = f"{others} {more}"
    return Vocabulary(
        names=words(names), others=words(others), inputs=ELEMENTWISE_X, arguments=arguments, varies=bool(arguments)
    )


def _rows(names: str, others: str = "") -> Vocabulary:
    more = "affine conv linear relu lstm rnn gru attention norm dropout loss"
    inputs = {"x": words("x z scores logits input{,s} a data inp s")}
    return Vocabulary(
        names=words(names),
        others=words(f"{others} {more}"),
        inputs=inputs,
        arrangements=(arranged(""), arranged("samples as columns", x="C N", out="C N")),
    )


#: PReLU and RReLU are other functions than ReLU.
ACTIVATIONS = {
    "relu": _activation("relu", "leaky lrelu prelu rrelu"),
    "sigmoid": _activation("sigmoid logistic", "log_sigmoid logsigmoid hard"),
    "tanh": _activation("tanh", "hard"),
    "leaky-relu": _activation(
        "leaky{,_}relu lrelu",
        alpha=one_of(
            "alpha",
            {alpha: f"a slope of {alpha}" for alpha in (0.01, 0.2, 0.1)},
            names="alpha negativeslope negslope slope leak leakage leakiness a",
            keys="negative_slope slope leak",
        ),
    ),
    "elu": _activation("elu", alpha=setting("alpha", 1.0, "alpha a")),
    "gelu": _activation(
        "gelu",
        approximate=one_of(
            "approximate",
            {word: f'approximate "{word}"' for word in ("none", "tanh", "sigmoid")},
            names="approximate approximation approx usetanh",
            forms={"approximate as True or False": "tanh".__eq__},
        ),
    ),
    "silu": replace(_activation("silu swish", "hard"), varies=True),  # Swish may have a factor beta
    "softmax-activation": _rows("softmax", "log cross_entropy crossentropy temporal sampled"),
    "log-softmax": _rows("log{,_}softmax"),
    "softplus": _activation("softplus soft_plus"),
}
