"""What people call the parts of a convolution, collected from course solutions and libraries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradcheck_cli.implementation.vocabulary.vocabulary import Argument, Arrangement, Vocabulary
from gradcheck_cli.layers.conv.naive import both

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gradcheck_cli.implementation.vocabulary.vocabulary import Sizes
    from gradcheck_cli.numeric.arrays import Array


def sizes_of(inputs: Mapping[str, Array], parameters: Mapping[str, object] | None) -> Sizes:
    """Return what a geometry comes to, from its arrays and parameters."""
    (N, C, H, W), (F, _, HH, WW) = inputs["x"].shape, inputs["w"].shape
    given = {"stride": 1, "pad": 0, "dilation": 1, "groups": 1, **(parameters or {})}
    pairs = {name: both(given[name]) for name in ("stride", "pad", "dilation")}  # type: ignore[arg-type]  # our own
    names = {"N": N, "C": C, "H": H, "W": W, "F": F, "HH": HH, "WW": WW, "kernel": (HH, WW)}
    return {**names, **pairs, "groups": given["groups"]}


def _padding_word(sizes: Sizes) -> str:
    """Say the pad as "same" or "valid", where all who use these words mean the same by them.

    At a stride above 1 they do not: some keep the input's size, some the size divided by the stride, some pad by
    (kernel - 1) // 2; and for an even kernel the two sides differ.
    """
    if sizes["pad"] == (0, 0):
        return "valid"
    reach = tuple(d * (k - 1) + 1 for d, k in zip(sizes["dilation"], sizes["kernel"], strict=True))
    if sizes["stride"] == (1, 1) and all(2 * p == r - 1 for p, r in zip(sizes["pad"], reach, strict=True)):
        return "same"
    raise ValueError('"same" and "valid" can only say pad 0 and, at stride 1, pad (kernel - 1) / 2')


def _always_same(sizes: Sizes) -> str | None:
    try:
        fits = _padding_word(sizes) == "same" or sizes["kernel"] == (1, 1)
    except ValueError:
        fits = False
    return None if fits else 'it always pads as "same" does: at stride 1, by (kernel - 1) / 2'


def _only(name: str, value: object) -> Callable[[Sizes], str | None]:
    def refuse(sizes: Sizes) -> str | None:
        return None if sizes[name] == value else f"it has no argument for {name}, here {_short(sizes[name])}"

    return refuse


def _short(value: object) -> str:
    if isinstance(value, tuple):
        return str(value[0]) if value[0] == value[1] else "x".join(map(str, value))
    return str(value)


def _size(name: str, *names: str, shapes: bool = False) -> Argument:
    return Argument(names=names, forms={"": lambda sizes: sizes[name]}, shapes=shapes)


def _around(*nouns: str, before: tuple[str, ...], after: tuple[str, ...] = ()) -> tuple[str, ...]:
    return tuple(f"{b}{noun}" for b in before for noun in nouns) + tuple(f"{noun}{a}" for a in after for noun in nouns)


_COUNT = ("n", "nb", "num", "no", "numberof", "numof")
_CHANNELS = ("channels", "channel", "ch", "depth", "planes", "maps", "features", "c", "dim")
_FILTERS = ("filters", "filter", "kernels", "kernel")

_ARGUMENTS = {
    "F": _size(
        "F",
        *("F", "filters", "filternumber", "filternum", "filtercount", "depth", "cout", "nout", "nf"),
        *_around(*_FILTERS, before=_COUNT),
        *_around(*_CHANNELS, before=("out", "output", "nout", "numout", "noutput", "numoutput", "next")),
    ),
    "C": _size(
        "C",
        *("channels", "channel", "c", "cin", "nin", "channelnumber", "nc"),
        *_around(*_CHANNELS, before=(*_COUNT, "in", "input", "nin", "numin", "ninput", "numinput", "prev")),
    ),
    "kernel": Argument(
        names=(
            *("f", "k", "kernel", "ksize", "size", "hw", "field", "receptivefield", "windowsize", "filterhw"),
            *_around("kernel", "filter", "kernels", "filters", before=(), after=("size", "shape", "dim", "dims")),
        ),
        forms={"": lambda sizes: sizes["kernel"]},
        pair=True,
        shapes=True,
    ),
    "HH": _size(
        "HH", "HH", "hh", "kh", "fh", "hf", *_around("kernel", "filter", before=(), after=("height", "h")), shapes=True
    ),
    "WW": _size(
        "WW", "WW", "ww", "kw", "fw", "wf", *_around("kernel", "filter", before=(), after=("width", "w")), shapes=True
    ),
    "stride": Argument(
        names=("stride", "strides", "s", "step", "steps", "stridesize", "stridelength"),
        forms={"": lambda sizes: sizes["stride"]},
        absent={"": _only("stride", (1, 1))},
        pair=True,
    ),
    "pad": Argument(
        names=(
            "pad",
            "padding",
            "pads",
            "paddings",
            "p",
            "padsize",
            "paddingsize",
            "zeropad",
            "zeropadding",
            "padwidth",
        ),
        forms={"": lambda sizes: sizes["pad"], 'pad as "same" or "valid"': _padding_word},
        absent={"": _only("pad", (0, 0)), 'pad always "same"': _always_same},
        pair=True,
    ),
    "dilation": Argument(
        names=("dilation", "dilations", "dilationrate"),
        forms={"": lambda sizes: sizes["dilation"]},
        absent={"": _only("dilation", (1, 1))},
        pair=True,
        optional=True,
    ),
    "groups": Argument(
        names=("groups", "group", "ngroups"),
        forms={"": lambda sizes: sizes["groups"]},
        absent={"": _only("groups", 1)},
        optional=True,
    ),
    "image": Argument(
        names=(
            *("xshape", "inputsize", "inputdims", "inputdimensions"),
            *_around("shape", before=("input", "in", "image", "img", "inputs", "prev")),
        ),
        forms={
            "input shape (C, H, W)": lambda sizes: (sizes["C"], sizes["H"], sizes["W"]),
            "input shape (H, W, C)": lambda sizes: (sizes["H"], sizes["W"], sizes["C"]),
            "input shape (N, C, H, W)": lambda sizes: (sizes["N"], sizes["C"], sizes["H"], sizes["W"]),
            "input shape (N, H, W, C)": lambda sizes: (sizes["N"], sizes["H"], sizes["W"], sizes["C"]),
            "input shape (H, W)": lambda sizes: (sizes["H"], sizes["W"]),
        },
    ),
    "N": _size("N", "N", "batchsize", "batch", "nbatch", "nsamples"),
    "H": _size("H", "H", "height", "inheight", "inputheight", "imageheight", "inh", "hin"),
    "W": _size("W", "width", "inwidth", "inputwidth", "imagewidth", "inw", "win"),
    "activation": Argument(
        names=("activation", "act", "actfn", "activationfn", "activationfunction", "nonlinearity", "activator"),
        forms={"": lambda _: _identity, "activation None": lambda _: None, 'activation "linear"': lambda _: "linear"},
        optional=True,
    ),
}


def _identity(z: object) -> object:
    return z


_FIRST = {"x": "N C H W", "w": "F C HH WW", "out": "N F H W"}
_LAST = {"x": "N H W C", "w": "HH WW C F", "out": "N H W F"}
_TELLS_LAST = ("aprev", "hparameters", "hparams", "dz")

WORDS = Vocabulary(
    names=("conv",),
    others=(
        *("relu", "pool", "norm", "bn", "affine", "dense", "linear", "dropout", "softmax", "rnn", "lstm", "embedding"),
        *(
            "transpose",
            "deconv",
            "depthwise",
            "separable",
            "1d",
            "3d",
            "sigmoid",
            "tanh",
            "flatten",
            "attention",
            "loss",
        ),
    ),
    inputs={
        "x": (
            *("x", "aprev", "input", "inputs", "data", "indata", "inputdata", "a", "image", "images", "im", "xprev"),
            *("bottom", "inputtensor", "inputfeatures", "featuremap", "prev", "inp", "inputarray", "imgs"),
        ),
        "w": ("w", "weight", "weights", "kernel", "kernels", "filter", "filters", "filt", "theta", "wt"),
        "b": ("b", "bias", "biases", "w0", "b0"),
    },
    arguments=_ARGUMENTS,
    sizes=sizes_of,
    arrangements=(
        Arrangement(title="", axes={**_FIRST, "b": "F"}),
        Arrangement(title="b (F, 1)", axes={**_FIRST, "b": "F 1"}),
        Arrangement(title="b (1, F, 1, 1)", axes={**_FIRST, "b": "1 F 1 1"}),
        Arrangement(title="channels last, b (1, 1, 1, F)", axes={**_LAST, "b": "1 1 1 F"}, telling=_TELLS_LAST),
        Arrangement(title="channels last", axes={**_LAST, "b": "F"}, telling=_TELLS_LAST),
        Arrangement(title="channels last, w (F, HH, WW, C)", axes={**_LAST, "w": "F HH WW C", "b": "F"}),
    ),
    parameters={
        "w": (
            *("F C HH WW", "HH WW C F", "F HH WW C", "C F HH WW", "C HH WW F", "HH WW F C"),
            *("F (C HH WW)", "(C HH WW) F", "F (HH WW C)", "(HH WW C) F"),
        ),
        "b": ("F", "F 1", "1 F", "1 1 1 F", "1 F 1 1", "F 1 1", "F 1 1 1", "1 1 F", "1 F 1"),
    },
)
