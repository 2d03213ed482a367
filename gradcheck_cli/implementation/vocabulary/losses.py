"""How people name losses, what they pass to them, and what they divide them by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gradcheck_cli.implementation.vocabulary.geometry import one_of
from gradcheck_cli.implementation.vocabulary.vocabulary import Argument, Vocabulary, words
from gradcheck_cli.numeric.arrays import Array


def _one_hot(given: Mapping[str, Any]) -> Mapping[str, Array]:
    """Return labels y as rows that are 1 in the place of the label, and else 0."""
    x, y = given["x"], given["y"]
    return {"y": (y[..., None] == np.arange(x.shape[-1])).astype(x.dtype)}


_ONE_HOT = {"y as one-hot rows": _one_hot}
_TARGETS = "y t d target{,s} label{,s} ytrue truth groundtruth gt actual expected"
_PREDICTIONS = "ypred yhat pred{,s} prediction{,s} predicted output{,s} out yp"


def _scores(names: str, others: str = "") -> Vocabulary:
    inputs = {"x": words("x scores logits")}
    return Vocabulary(names=words(names), others=words(others), inputs=inputs, encodings=_ONE_HOT)


#: What a sum over all elements is divided by where no argument says it, the most frequent first.
_DIVISORS = {
    "ND": "a mean over all elements",
    "NC": "a mean over all elements",
    "N": "a sum divided by N",
    "2ND": "half of a mean over all elements",
    "2N": "a sum divided by 2 N",
    "1": "a sum",
    "2": "half of a sum",
}


def _divided(names: str, x: str, y: str, divisors: str, others: str = "", **arguments: Argument) -> Vocabulary:
    choices = {name: _DIVISORS[name] for name in divisors.split()}
    return Vocabulary(
        names=words(names),
        others=words(others),
        inputs={"x": words(x), "y": words(y)},
        arguments={"divisor": one_of("divisor", choices, names="divisor"), **arguments},
    )


LOSSES = {
    "softmax": _scores("softmax cross{_,}entropy", "temporal binary"),
    "temporal-softmax": _scores("{temporal,time}{_,}softmax"),
    "svm": _scores("svm hinge", "temporal"),
    "cross-entropy": Vocabulary(
        names=words("cross{_,}entropy"),
        others=words("temporal binary softmax logits"),
        inputs={"x": words(f"x p prob{{,s}} probabilities a al softmaxoutput {_PREDICTIONS}"), "y": words(_TARGETS)},
        arguments={"divisor": one_of("divisor", {name: _DIVISORS[name] for name in ("N", "1")}, names="divisor")},
        encodings=_ONE_HOT,
    ),
    "bce": _divided(
        "bce binary{_,}cross{_,}entropy",
        f"x p prob{{,s}} probabilities a al {_PREDICTIONS}",
        _TARGETS,
        "ND N 1",
        "logits scores softmax sigmoid",
    ),
    "kl-divergence": _divided(
        "kl kld kullback",
        f"x q logq logx input {_PREDICTIONS}",
        f"p {_TARGETS}",
        "N NC 1",
        "gaussian normal vae",
        input=one_of("input", {"probabilities": "x as probabilities", "logarithms": "x as logarithms"}, names=""),
    ),
    "mse": _divided(
        "mse mean{_,}squared{_,}error squared{_,}error quadratic_{loss,cost,error} l2{_,}loss",
        f"x a scores {_PREDICTIONS}",
        _TARGETS,
        "ND N 2ND 2N 1 2",
        "root",
    ),
}
