"""The word embedding: each word, an index, becomes its row of W."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.axes import SAMPLE, STEP, WORD, declare
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.coupling import lookup
from gradcheck_cli.layers.framework.fault import Fault
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.layers.framework.make_problem import make_problem
from gradcheck_cli.layers.framework.parameter import size
from gradcheck_cli.numeric.arrays import signed_uniform

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array


@frozen
class WordEmbeddingCase(Case):
    """Sizes of an embedding: words x (N, T) from 0 to V - 1, W (V, D), out (N, T, D)."""

    layer: ClassVar[str] = "word-embedding"

    N: int = size(3, "samples")
    T: int = size(4, "steps")
    V: int = size(6, "words in the vocabulary")
    D: int = size(5, "features of a word")

    def label(self) -> str:
        """Name the geometry: `3x4 of 6x5`."""
        return f"{self.N}x{self.T} of {self.V}x{self.D}"


def word_embedding_forward(x: Array, W: Array) -> tuple[Array, tuple[Array, tuple[int, ...]]]:
    """Return of each word in x (N, T) its row of W, (N, T, D), and the cache."""
    return W[x], (x, W.shape)


def word_embedding_backward(dout: Array, cache: tuple[Array, tuple[int, ...]]) -> Array:
    """Carry dout (N, T, D) back.

    out[n, t, d] = W[x[n, t], d] = sum_v [v = x[n, t]] W[v, d]: an affine layer without a bias, of which the input is 1
    for the word and 0 for all others. So dW[v] is the sum of dout[n, t] wherever x[n, t] = v, and zero for a word that
    does not occur. (Goodfellow, Bengio and Courville, Deep Learning, section 12.4.2.)
    """
    x, shape = cache
    dW = np.zeros(shape, dout.dtype)
    np.add.at(dW, x, dout)
    return dW


AXES = declare(x="N T", W="V D", out="N T D")


def problem(case: WordEmbeddingCase) -> Problem:
    """Draw a case's arrays; wherever sizes allow, words repeat, and there are words that do not occur."""
    source = case.source()
    places = case.N * case.T
    used = source.sample(range(case.V), max(1, min(case.V - 1, places // 2)))
    x = np.array([source.choice(used) for _ in range(places)]).reshape(case.N, case.T)
    return make_problem(
        case,
        axes=AXES,
        inputs={"x": x, "W": signed_uniform(source, (case.V, case.D))},
        source=source,
        reference=(word_embedding_forward, word_embedding_backward),
        relations={"W": {WORD: lookup((SAMPLE, STEP), x)}},
    )


def faults(_: WordEmbeddingCase, problem: Problem) -> Iterator[Fault]:
    """Yield what is left of words that repeat where their shares are not added up."""
    words = problem.inputs["x"]
    if np.unique(words).size == words.size:
        return
    every = "`dW[x] = dout` and `dW[x] += dout` write to each row once"
    for what, left in (
        ("a repeated word the last is left", _last),
        ("a word that repeats in a sample the last is left", _last_of_sample),
        ("a word that repeats at a step the last sample's is left", _last_of_step),
    ):
        yield Fault(
            code="assigned-not-accumulated",
            cause=f"{{names}} {{be}} assigned where contributions are to be summed: of {what}.",
            remedy=f"Write `np.add.at(dW, x, dout)`: {every}.",
            gradients=lambda inputs, dout, left=left: {"W": left(inputs["x"], np.zeros_like(inputs["W"]), dout)},  # type: ignore[misc]
        )

    def averaged(inputs: Mapping[str, Array], dout: Array) -> Mapping[str, Array]:
        counts = np.maximum(1, np.bincount(words.reshape(-1), minlength=len(inputs["W"])))
        return {"W": word_embedding_backward(dout, (words, inputs["W"].shape)) / counts[:, None].astype(dout.dtype)}

    yield Fault(
        code="words-averaged",
        cause="In {names} the shares of a word are averaged, and not summed.",
        remedy="Add the shares up: do not divide by how often a word occurs.",
        gradients=averaged,
    )


def _last(x: Array, dW: Array, dout: Array) -> Array:
    dW[x] = dout  # of an index that repeats the last value stays
    return dW


def _last_of_sample(x: Array, dW: Array, dout: Array) -> Array:
    for words, shares in zip(x, dout, strict=True):
        dW[words] += shares  # an index that repeats is written once
    return dW


def _last_of_step(x: Array, dW: Array, dout: Array) -> Array:
    return _last_of_sample(x.T, dW, dout.swapaxes(0, 1))


def standard() -> tuple[WordEmbeddingCase, ...]:
    """Words that repeat within a sample and between samples, one of each size, a vocabulary of one word."""
    rows = [(3, 4, 6, 5), (2, 3, 9, 2), (1, 6, 4, 3), (5, 1, 3, 4), (3, 2, 4, 1), (2, 2, 1, 3), (1, 1, 3, 2)]
    return tuple(WordEmbeddingCase(N=N, T=T, V=V, D=D) for N, T, V, D in rows)


LAYER = Layer(
    case=WordEmbeddingCase,
    inputs=("x", "W"),
    problem=problem,
    standard=standard,
    builtin={"vectorized": (word_embedding_forward, word_embedding_backward)},
    trials=(WordEmbeddingCase(N=2, T=3, V=7, D=4),),
    faults=faults,
)
