"""The word embedding: each word, an index, becomes its row of W."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import numpy as np

from gradcheck_cli.data.drawing import signed_uniform
from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.axes import SAMPLE, STEP, WORD, declare
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.coupling import lookup
from gradcheck_cli.layers.framework.fault import Fault, Gradients
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.layers.framework.parameter import size
from gradcheck_cli.layers.framework.problem import Problem
from gradcheck_cli.numeric.arrays import Array


@frozen
class WordEmbeddingCase(Case):
    """Sizes of an embedding: words x (N, T) from 0 to V - 1, W (V, D), out (N, T, D)."""

    layer = "word-embedding"
    axes = declare(x="N T", W="V D", out="N T D")

    N: int = size(3, "samples")
    T: int = size(4, "steps")
    V: int = size(6, "words in the vocabulary")
    D: int = size(5, "features of a word")


def word_embedding_forward(x: Array, W: Array) -> tuple[Array, tuple[Array, tuple[int, ...]]]:
    """Return the row of W of each word in x (N, T), (N, T, D), and the cache."""
    return W[x], (x, W.shape)


def word_embedding_backward(dout: Array, cache: tuple[Array, tuple[int, ...]]) -> Array:
    """Return dW for dout (N, T, D).

    out[n, t, d] = W[x[n, t], d] = sum_v [v = x[n, t]] W[v, d]: an affine layer without a bias, of which the input is 1
    for the word and 0 for all others. So dW[v] is the sum of dout[n, t] wherever x[n, t] = v, and zero for a word that
    does not occur. (Goodfellow, Bengio and Courville, Deep Learning, section 12.4.2.)
    """
    x, shape = cache
    dW = np.zeros(shape, dout.dtype)
    np.add.at(dW, x, dout)
    return dW


def draw(case: WordEmbeddingCase, source: Random) -> dict[str, Array]:
    """Draw words and W; wherever sizes allow, words repeat, and some do not occur."""
    count = case.N * case.T
    used = source.sample(range(case.V), max(1, min(case.V - 1, count // 2)))
    x = np.array([source.choice(used) for _ in range(count)]).reshape(case.N, case.T)
    return {"x": x, "W": signed_uniform(source, (case.V, case.D))}


def faults(_: WordEmbeddingCase, problem: Problem) -> Iterator[Fault]:
    """Yield a mean over the positions where a word occurs."""
    words = problem.inputs["x"]
    if np.unique(words).size == words.size:
        return

    def averaged(inputs: Gradients, dout: Array) -> Gradients:
        counts = np.maximum(1, np.bincount(words.reshape(-1), minlength=len(inputs["W"])))
        return {"W": word_embedding_backward(dout, (words, inputs["W"].shape)) / counts[:, None].astype(dout.dtype)}

    cause = "In {names} the contributions to a word are averaged, and not summed."
    yield Fault("words-averaged", cause, "Add them up: do not divide by how often a word occurs.", averaged)


LAYER = Layer(
    case=WordEmbeddingCase,
    builtin={"vectorized": (word_embedding_forward, word_embedding_backward)},
    # Words that repeat within a sample and between samples, a size of 1 each, a vocabulary of one word.
    standard=lambda: WordEmbeddingCase.rows(
        "N T V D", (3, 4, 6, 5), (2, 3, 9, 2), (1, 6, 4, 3), (5, 1, 3, 4), (3, 2, 4, 1), (2, 2, 1, 3), (1, 1, 3, 2)
    ),
    draw=draw,
    relations=lambda _, inputs: {"W": {WORD: lookup((SAMPLE, STEP), inputs["x"])}},
    faults=faults,
)
