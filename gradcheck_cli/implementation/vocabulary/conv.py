"""What people call the parts of convolutions, collected from course solutions and libraries."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gradcheck_cli.implementation.vocabulary.vocabulary import Argument, Arrangement, Vocabulary
from gradcheck_cli.layers.conv.naive import both

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gradcheck_cli.implementation.vocabulary.vocabulary import Sizes
    from gradcheck_cli.numeric.arrays import Array


def _sizes(inputs: Mapping[str, Array], parameters: Mapping[str, object] | None) -> Sizes:
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


_FIRST = {"x": "N C H W", "w": "F C HH WW", "out": "N F H' W'"}
_LAST = {"x": "N H W C", "w": "HH WW C F", "out": "N H' W' F"}
_TELLS_LAST = ("aprev", "hparameters", "hparams", "dz")

_CONV = Vocabulary(
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
    sizes=_sizes,
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


def _sizes_1d(inputs: Mapping[str, Array], parameters: Mapping[str, object] | None) -> Sizes:
    """Return what a geometry comes to; a number is a pair of equal ones, for the words of images."""
    (N, C, W), (F, _, WW) = inputs["x"].shape, inputs["w"].shape
    given = {"stride": 1, "pad": 0, "dilation": 1, **(parameters or {})}
    pairs = {name: (given[name], given[name]) for name in ("stride", "pad", "dilation")}
    return {"N": N, "C": C, "W": W, "F": F, "WW": WW, "kernel": (WW, WW), **pairs}


def _without(*names: str) -> dict[str, Argument]:
    return {name: argument for name, argument in _ARGUMENTS.items() if name not in names}


_FIRST_1D = {"x": "N C W", "w": "F C WW", "out": "N F W'"}
_CONV1D = replace(
    _CONV,
    names=("conv1d", "conv_1d"),
    others=("relu", "pool", "norm", "transpose", "2d", "3d"),
    arguments=_without("HH", "dilation", "groups", "image", "H", "activation"),
    sizes=_sizes_1d,
    arrangements=(
        Arrangement(title="", axes={**_FIRST_1D, "b": "F"}),
        Arrangement(title="b (F, 1)", axes={**_FIRST_1D, "b": "F 1"}),
        Arrangement(title="channels last", axes={"x": "N W C", "w": "WW C F", "b": "F", "out": "N W' F"}),
    ),
    parameters={"w": ("F C WW", "WW C F", "F WW C", "C F WW"), "b": ("F", "F 1", "1 F", "1 F 1", "1 1 F")},
)

_CONV_TRANSPOSE = replace(
    _CONV,
    names=("conv_transpose", "transpose", "deconv", "transconv", "upconv"),
    others=("relu", "norm", "pool", "1d", "3d", "depthwise"),
    arguments=_without("groups", "dilation"),
    sizes=lambda inputs, parameters: _sizes({**inputs, "w": inputs["w"].swapaxes(0, 1)}, parameters),
    arrangements=(
        Arrangement(title="", axes={**_FIRST, "w": "C F HH WW", "b": "F"}),
        Arrangement(title="w (F, C, HH, WW)", axes={**_FIRST, "b": "F"}),
        Arrangement(title="b (F, 1)", axes={**_FIRST, "w": "C F HH WW", "b": "F 1"}),
        Arrangement(title="channels last, w (HH, WW, F, C)", axes={**_LAST, "w": "HH WW F C", "b": "F"}),
    ),
)

# Code in NumPy mostly has w (C, HH, WW); PyTorch's is (C, 1, HH, WW), Chainer's (1, C, HH, WW), and TensorFlow's,
# where there is one filter for each channel, (HH, WW, C, 1).
_FIRST_DEPTHWISE = {"x": "N C H W", "b": "C", "out": "N C H' W'"}
_LAST_DEPTHWISE = {"x": "N H W C", "b": "C", "out": "N H' W' C"}
_DEPTHWISE_CONV = replace(
    _CONV,
    names=("depthwise_conv", "depthwise", "depth_wise", "dwconv"),
    others=("relu", "norm", "pool", "separable", "1d", "3d"),
    arguments=_without("F", "groups", "dilation"),
    sizes=lambda inputs, parameters: _sizes({**inputs, "w": inputs["w"][:, None]}, parameters),
    arrangements=(
        Arrangement(title="", axes={**_FIRST_DEPTHWISE, "w": "C HH WW"}),
        Arrangement(title="w (C, 1, HH, WW)", axes={**_FIRST_DEPTHWISE, "w": "C 1 HH WW"}),
        Arrangement(title="w (1, C, HH, WW)", axes={**_FIRST_DEPTHWISE, "w": "1 C HH WW"}),
        Arrangement(title="channels last, w (HH, WW, C)", axes={**_LAST_DEPTHWISE, "w": "HH WW C"}),
        Arrangement(title="channels last, w (HH, WW, C, 1)", axes={**_LAST_DEPTHWISE, "w": "HH WW C 1"}),
    ),
    parameters={
        "w": ("C HH WW", "C 1 HH WW", "1 C HH WW", "HH WW C", "HH WW C 1"),
        "b": ("C", "C 1", "1 C", "1 C 1 1", "1 1 1 C"),
    },
)

CONVOLUTIONS = {
    "conv": _CONV,
    "conv1d": _CONV1D,
    "conv-transpose": _CONV_TRANSPOSE,
    "depthwise-conv": _DEPTHWISE_CONV,
}
