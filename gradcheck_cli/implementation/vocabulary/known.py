"""How people name layers and lay out their arrays, known from course solutions and libraries."""

from __future__ import annotations

from dataclasses import replace

from gradcheck_cli.implementation.vocabulary.activations import ACTIVATIONS, ELEMENTWISE_X
from gradcheck_cli.implementation.vocabulary.attention import ATTENTIONS
from gradcheck_cli.implementation.vocabulary.geometry import KERNELS, SIZES, number, only, pick, setting
from gradcheck_cli.implementation.vocabulary.images import CONVOLUTIONS, POOLINGS
from gradcheck_cli.implementation.vocabulary.losses import LOSSES
from gradcheck_cli.implementation.vocabulary.recurrent import RECURRENT
from gradcheck_cli.implementation.vocabulary.vocabulary import Argument, Arrangement, Vocabulary, arranged, words

#: What inputs are called, by the layer's own name for them, where a layer has no words of its own.
INPUTS = {
    "x": words("x input{,s} data inp"),
    "w": words("w weight{,s}"),
    "b": words("b bias{,es}"),
    "y": words("y labels targets"),
}

_USUAL = arranged("")


def _row(**rows: str) -> Arrangement:
    """Return the arrangement of parameters with an axis of length 1 for samples, if their gradients have it too."""
    length = next(iter(rows.values()))
    return arranged(f"{' and '.join(rows)} ({', '.join(length.split())})", **rows)._replace(exact=True)


_AFFINE = Vocabulary(
    names=words("affine linear dense fc fully{,_}connected"),
    others=words("relu norm temporal dropout softmax loss conv bilinear"),
    inputs={"x": words("x input{,s} data a{,prev} inp features"), "w": words("w weight{,s} theta")},
    arguments={**pick(SIZES, "D M"), "activation": KERNELS["activation"]},
    arrangements=(
        _USUAL,
        arranged("samples as columns", x="D N", w="M D", b="M 1", out="M N"),
        arranged("w (M, D)", w="M D"),
        arranged("w (M, D), b (1, M)", w="M D", b="1 M"),
        _row(b="1 M"),
    ),
)


def _named(names: str, others: str = "", **inputs: str) -> Vocabulary:
    inputs_ = {name: words(called) for name, called in inputs.items()}
    return Vocabulary(names=words(names), others=words(others), inputs=inputs_)


def _normalization(names: str, others: str, **arguments: Argument) -> Vocabulary:
    return Vocabulary(
        names=words(names),
        others=words(f"{others} relu affine"),
        inputs={"x": ("x",)},
        arguments=arguments,
        arrangements=(_USUAL, _row(gamma="1 D", beta="1 D")) if "D" in arguments else (_USUAL,),
        mixes_samples="mode" in arguments,
        varies=True,
    )


_EPS = setting("eps", 1e-5, "eps epsilon")
_MODES = {
    "mode": number("mode", "mode", only("mode", "train"), unless=("training",)),
    "training": Argument(
        names=words("{is,}train{,ing} train{able,flg,flag,mode}"),
        forms={"": lambda sizes: sizes["mode"] == "train"},
        unless=("mode",),
    ),
}
_MODE = {"eps": _EPS, "momentum": number("momentum", "momentum"), **_MODES}
_DROPOUT = {
    "p": setting("p", 0.5, "p {keep,drop,dropout,}{p,prob,rate,ratio,probability} prob{keep,drop} pkeep pdrop keep"),
    "seed": number("seed", "seed randomstate"),
    **_MODES,
}
_GROUPNORM = Vocabulary(
    names=words("group{,_}norm"),
    others=words("batch layer instance relu conv affine"),
    inputs={"x": ("x",)},
    arguments={"G": setting("G", 1, "G g groups {num,n}groups", "{num,n}_groups"), "eps": _EPS},
    arrangements=(
        _USUAL,
        _row(gamma="1 C 1 1", beta="1 C 1 1"),
    ),
)


KNOWN = {
    **CONVOLUTIONS,
    **POOLINGS,
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
    **ACTIVATIONS,
    "dropout": Vocabulary(
        names=words("dropout drop_out"),
        others=words("affine conv norm relu spatial"),
        inputs=ELEMENTWISE_X,
        arguments=_DROPOUT,
        varies=True,
        # In older courses p is the probability of dropping.
        encodings={"p as the probability of dropping": lambda given: {"p": 1 - given["p"]}},
    ),
    "batchnorm": _normalization("batch{,_}norm bn", "spatial layer{,_}norm group instance conv", D=SIZES["D"], **_MODE),
    "spatial-batchnorm": _normalization(
        "spatial{_,}batch{,_}norm batch{,_}norm{,_}2d", "layer group instance conv", C=SIZES["C"], **_MODE
    ),
    "layernorm": _normalization("layer{,_}norm ln", "batch spatial group instance rms", D=SIZES["D"], eps=_EPS),
    "groupnorm": _GROUPNORM,
    "instancenorm": _normalization("instance{,_}norm", "batch layer group conv conditional adaptive", eps=_EPS),
    "rmsnorm": replace(
        _normalization("rms{,_}norm", "batch group instance conv", D=SIZES["D"], eps=_EPS),
        inputs={"x": words("x h inp input hidden"), "gamma": words("gamma g w weight scale gain")},
        arrangements=(_USUAL, _row(gamma="1 D")),
        encodings={"gamma added to 1": lambda given: {"gamma": given["gamma"] - 1}},
    ),
    **LOSSES,
    **ATTENTIONS,
    **RECURRENT,
}
