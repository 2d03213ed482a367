"""The names of all layers. They are known before any of them is imported: a run needs one."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any, NamedTuple


class Entry(NamedTuple):
    """The facts about a layer that are known without importing it."""

    title: str  #: what it is called in a sentence
    module: str  #: below `gradcheck_cli.layers`
    attribute: str = "LAYER"  #: of the module: it may have a layer and its variant


#: By the name on the command line.
REGISTRY = {
    "conv": Entry("convolution", "conv.conv"),
    "conv1d": Entry("one-dimensional convolution", "conv.variants", "SEQUENCES"),
    "conv3d": Entry("three-dimensional convolution", "conv.variants", "VOLUMES"),
    "conv-transpose": Entry("transposed convolution", "conv.conv_transpose"),
    "depthwise-conv": Entry("depthwise convolution", "conv.variants", "DEPTHWISE"),
    "affine": Entry("affine layer", "dense.affine"),
    "temporal-affine": Entry("temporal affine layer", "dense.affine", "TEMPORAL"),
    "word-embedding": Entry("word embedding", "dense.word_embedding"),
    "relu": Entry("rectified linear unit", "elementwise.relu"),
    "sigmoid": Entry("logistic sigmoid", "elementwise.sigmoid"),
    "tanh": Entry("hyperbolic tangent", "elementwise.sigmoid", "TANH"),
    "leaky-relu": Entry("leaky rectified linear unit", "elementwise.relu", "LEAKY"),
    "elu": Entry("exponential linear unit", "elementwise.relu", "ELU"),
    "gelu": Entry("Gaussian error linear unit", "elementwise.gelu"),
    "silu": Entry("sigmoid linear unit", "elementwise.sigmoid", "SILU"),
    "softplus": Entry("softplus", "elementwise.sigmoid", "SOFTPLUS"),
    "softmax-activation": Entry("softmax activation", "rowwise.softmax_activation"),
    "log-softmax": Entry("log-softmax activation", "rowwise.softmax_activation", "LOG"),
    "dropout": Entry("dropout", "elementwise.dropout"),
    "maxpool": Entry("max pooling", "pool.maxpool"),
    "avgpool": Entry("average pooling", "pool.avgpool"),
    "maxpool1d": Entry("one-dimensional max pooling", "pool.maxpool", "LAYER_1D"),
    "avgpool1d": Entry("one-dimensional average pooling", "pool.avgpool", "LAYER_1D"),
    "batchnorm": Entry("batch normalization", "norm.batchnorm"),
    "spatial-batchnorm": Entry("spatial batch normalization", "norm.batchnorm", "SPATIAL"),
    "layernorm": Entry("layer normalization", "norm.layernorm"),
    "groupnorm": Entry("group normalization", "norm.groupnorm"),
    "instancenorm": Entry("instance normalization", "norm.groupnorm", "INSTANCE"),
    "rmsnorm": Entry("RMS normalization", "norm.layernorm", "RMS"),
    "softmax": Entry("softmax loss", "loss.softmax"),
    "temporal-softmax": Entry("temporal softmax loss", "loss.softmax", "TEMPORAL"),
    "svm": Entry("hinge loss", "loss.svm"),
    "cross-entropy": Entry("cross-entropy of probabilities", "loss.probabilities"),
    "bce": Entry("binary cross-entropy", "loss.probabilities", "BINARY"),
    "kl-divergence": Entry("Kullback-Leibler divergence", "loss.probabilities", "KL"),
    "mse": Entry("mean squared error", "loss.mse"),
    "rnn-step": Entry("recurrent step", "recurrent.rnn", "STEP"),
    "rnn": Entry("recurrent layer", "recurrent.rnn"),
    "lstm-step": Entry("LSTM step", "recurrent.lstm", "STEP"),
    "lstm": Entry("LSTM layer", "recurrent.lstm"),
    "gru-step": Entry("GRU step", "recurrent.gru", "STEP"),
    "gru": Entry("GRU layer", "recurrent.gru"),
    "attention": Entry("scaled dot-product attention", "attention.attention"),
    "multihead-attention": Entry("multi-head attention", "attention.multihead_attention"),
    "function": Entry("function of your own", "function"),
}

TITLES = {name: entry.title for name, entry in REGISTRY.items()}


@cache  # a case asks six times
def load_layer(name: str) -> Any:
    """Import a layer.

    Raises:
        KeyError: there is none of this name.
    """
    _, module, attribute = REGISTRY[name]
    return getattr(import_module(f"gradcheck_cli.layers.{module}"), attribute)
