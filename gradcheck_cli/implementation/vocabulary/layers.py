"""What people call the layers of which little more than the name differs, and their inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradcheck_cli.implementation.vocabulary.vocabulary import Argument, Arrangement, BlockOrder, Vocabulary

if TYPE_CHECKING:
    from gradcheck_cli.implementation.vocabulary.vocabulary import Sizes

#: What inputs are called, by the layer's own name for them, where a layer has no words of its own.
INPUTS = {
    "x": ("x", "input", "inputs", "data", "inp"),
    "w": ("w", "weight", "weights"),
    "b": ("b", "bias", "biases"),
    "y": ("y", "labels", "targets"),
}


def _length(name: str, *names: str) -> Argument:
    return Argument(names=names, forms={"": lambda sizes: sizes[name]}, shapes=True)


_AFFINE = Vocabulary(
    names=("affine", "linear", "dense", "fc", "fullyconnected", "fully_connected"),
    others=("relu", "norm", "temporal", "dropout", "softmax", "loss", "conv", "bilinear"),
    inputs={
        "x": ("x", "input", "inputs", "data", "a", "aprev", "inp", "features"),
        "w": ("w", "weight", "weights", "theta"),
    },
    parameters={"w": ("D M", "M D"), "b": ("M", "1 M", "M 1")},
    arguments={
        "D": _length("D", "D", "infeatures", "insize", "inputsize", "indim", "inputdim", "nin", "ninputs"),
        "M": _length("M", "M", "outfeatures", "outsize", "outputsize", "outdim", "outputdim", "nout", "units"),
    },
    sizes=lambda inputs, _: {"D": inputs["w"].shape[0], "M": inputs["w"].shape[1]},
)

_TEMPORAL_AFFINE = Vocabulary(
    names=("temporal_affine", "temporalaffine", "time_affine", "timeaffine", "time_distributed", "timedistributed"),
    others=("relu", "norm", "softmax", "loss", "conv"),
    inputs={"x": ("x", "input", "inputs", "h", "data")},
)

_WORD_EMBEDDING = Vocabulary(
    names=("word_embedding", "wordembedding", "embedding"),
    others=("position", "affine", "softmax"),
    inputs={
        "x": ("x", "words", "indices", "index", "idx", "ids", "tokens"),
        "W": ("w", "weight", "weights", "embedding", "embeddings", "table"),
    },
)

_ELEMENTWISE_X = {"x": ("x", "z", "input", "inputs", "a", "data", "inp")}


def _activation(*names: str) -> Vocabulary:
    others = ("affine", "conv", "linear", "leaky", "lstm", "rnn", "softmax", "norm", "dropout", "loss")
    return Vocabulary(names=names, others=others, inputs=_ELEMENTWISE_X)


_DROPOUT = Vocabulary(
    names=("dropout", "drop_out"),
    others=("affine", "conv", "norm", "relu", "spatial"),
    inputs=_ELEMENTWISE_X,
    # In older courses p is the probability of dropping.
    meanings={"p as the probability of dropping": lambda param: {**param, "p": 1 - param["p"]}},
)


def _normalization(names: tuple[str, ...], *others: str) -> Vocabulary:
    return Vocabulary(names=names, others=(*others, "instance", "relu", "affine"), inputs={"x": ("x",)})


def _setting(name: str, usual: float, *names: str, keys: tuple[str, ...] = ()) -> Argument:
    def absent(sizes: Sizes) -> str | None:
        return None if sizes[name] == usual else f"it takes no {name}, to say {sizes[name]:g}"

    return Argument(names=names, keys=keys, forms={"": lambda sizes: sizes[name]}, absent={"": absent})


_IMAGES = {"x": "N C H W", "out": "N C H W"}
_GROUPNORM = Vocabulary(
    names=("groupnorm", "group_norm"),
    others=("batch", "layer", "instance", "relu", "conv", "affine"),
    inputs={"x": ("x",)},
    arguments={
        "G": _setting("G", 1, "G", "g", "groups", "numgroups", "ngroups", keys=("num_groups", "n_groups")),
        "eps": _setting("eps", 1e-5, "eps", "epsilon"),
    },
    sizes=lambda _, parameters: parameters or {},
    arrangements=(
        Arrangement(title="", axes={**_IMAGES, "gamma": "C", "beta": "C"}),
        Arrangement(
            title="gamma and beta (1, C, 1, 1)", axes={**_IMAGES, "gamma": "1 C 1 1", "beta": "1 C 1 1"}, exact=True
        ),
    ),
)


def _scores(names: tuple[str, ...], *others: str) -> Vocabulary:
    return Vocabulary(names=names, others=others, inputs={"x": ("x", "scores", "logits")})


def _recurrent(names: tuple[str, ...], *others: str, gates: tuple[str, ...] = ()) -> Vocabulary:
    """Return the words for a recurrent layer.

    Args:
        names: of the layer.
        others: words that tell other layers from it.
        gates: orders of the gates that are usual elsewhere, each a letter; the layer's own is i, f, o, g.
    """
    orders = {
        f"gates in the order {', '.join(order)}": BlockOrder(
            inputs=("Wx", "Wh", "b"), order=tuple("ifog".index(gate) for gate in order)
        )
        for order in gates
    }
    return Vocabulary(names=names, others=others, inputs={"x": ("x",), "b": ("b",)}, block_orders=orders)


#: PyTorch and Keras have i, f, g, o; TensorFlow i, g, f, o; ONNX i, o, f, g; Chainer g, i, f, o; courses f, i, g, o and
#: f, g, i, o.
_GATE_ORDERS = ("ifgo", "figo", "fgio", "igfo", "iofg", "gifo", "fiog")

SMALL_LAYERS = {
    "affine": _AFFINE,
    "temporal-affine": _TEMPORAL_AFFINE,
    "word-embedding": _WORD_EMBEDDING,
    "relu": _activation("relu"),
    "sigmoid": _activation("sigmoid", "logistic"),
    "tanh": _activation("tanh"),
    "dropout": _DROPOUT,
    "batchnorm": _normalization(
        ("batchnorm", "batch_norm", "bn"), "spatial", "layernorm", "layer_norm", "group", "conv"
    ),
    "spatial-batchnorm": _normalization(
        ("spatial_batchnorm", "spatial_batch_norm", "spatialbatchnorm", "batchnorm2d", "batch_norm2d", "batch_norm_2d"),
        *("layer", "group", "conv"),
    ),
    "layernorm": _normalization(("layernorm", "layer_norm", "ln"), "batch", "spatial", "group"),
    "groupnorm": _GROUPNORM,
    "softmax": _scores(("softmax", "cross_entropy", "crossentropy"), "temporal"),
    "temporal-softmax": _scores(("temporal_softmax", "temporalsoftmax", "time_softmax", "timesoftmax")),
    "svm": _scores(("svm", "hinge"), "temporal"),
    "rnn-step": _recurrent(("rnn_step", "rnnstep", "rnn_cell", "rnncell"), "lstm", "gru"),
    "rnn": _recurrent(("rnn",), "step", "cell", "lstm", "gru"),
    "lstm-step": _recurrent(("lstm_step", "lstmstep", "lstm_cell", "lstmcell"), "gru", gates=_GATE_ORDERS),
    "lstm": _recurrent(("lstm",), "step", "cell", "gru", gates=_GATE_ORDERS),
    "function": Vocabulary(),
}
