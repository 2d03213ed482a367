"""Numbers that describe a geometry, as arguments: sizes, kernels, strides and pads, and settings such as eps."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from gradcheck_cli.implementation.vocabulary.vocabulary import Argument, Sizes, words
from gradcheck_cli.numeric.arrays import Array

Refusal = Callable[[Sizes], str | None]


def sizes_from(
    axes: Mapping[str, str], inputs: Mapping[str, Array], parameters: Mapping[str, object] | None
) -> dict[str, Any]:
    """Return the numbers of a geometry: the lengths of axes, and the parameters; of a pair always both numbers."""
    found: dict[str, Any] = {"stride": 1, "pad": 0, "dilation": 1, "groups": 1, **(parameters or {})}
    for name, value in inputs.items():
        letters = axes[name].split()
        if value.ndim == len(letters):  # of x it may be another
            found = dict(zip(letters, value.shape, strict=True)) | found
    for name in ("stride", "pad", "dilation"):
        found[name] = found[name] if isinstance(found[name], tuple) else (found[name], found[name])
    height, width = (
        found.get(f"pool_{side}", found.get(letter)) for side, letter in (("height", "HH"), ("width", "WW"))
    )
    return {**found, "HH": height, "WW": width, "kernel": (width if height is None else height, width)}


def short(value: object) -> str:
    """Write a number, or a pair of numbers as `2x3`."""
    if isinstance(value, tuple):
        return str(value[0]) if value[0] == value[1] else "x".join(map(str, value))
    return str(value)


def number(key: str, names: str, *absent: Refusal, **more: Any) -> Argument:
    """Return an argument that is one of the numbers of a geometry; without a refusal it may be absent."""
    more = {"absent": {"": absent[0]}, **more} if absent else more
    return Argument(names=words(names), forms={"": lambda sizes: sizes[key]}, **more)


def only(name: str, value: object, why: str = "") -> Refusal:
    """Return what refuses all but one value of a number, and says why."""
    return lambda sizes: (
        None if sizes[name] == value else why or f"it has no argument for {name}, here {short(sizes[name])}"
    )


def setting(name: str, usual: object, names: str, keys: str = "") -> Argument:
    """Return an argument that has the usual value where there is none."""

    def absent(sizes: Sizes) -> str | None:
        return None if sizes[name] == usual else f"it takes no {name}, to say {sizes[name]:g}"

    return number(name, names, absent, keys=words(keys))


def one_of(
    name: str,
    choices: Mapping[Any, str],
    names: str,
    keys: str = "",
    forms: Mapping[str, Callable[[Any], object]] = MappingProxyType({}),
) -> Argument:
    """Return an argument that has one of some values where there is none: which, is found by trying.

    Args:
        name: what the layer calls it.
        choices: by each value what the header says of code that always has it.
        names: what it is called as an argument.
        keys: what it is called in a dictionary.
        forms: what may be passed in place of the value, a function of it, by how the header says it.
    """

    def formed(form: Callable[[Any], object]) -> Callable[[Sizes], object]:
        return lambda sizes: form(sizes[name])

    return Argument(
        names=words(names),
        forms={"": lambda sizes: sizes[name], **{said: formed(form) for said, form in forms.items()}},
        absent={said: only(name, value) for value, said in choices.items()},
        keys=words(keys),
    )


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


def _always_centered(sizes: Sizes) -> str | None:
    reach = (d * (k - 1) for d, k in zip(sizes["dilation"], sizes["kernel"], strict=True))
    centered = all(2 * p == r for p, r in zip(sizes["pad"], reach, strict=True))
    return None if centered else "it always pads by (kernel - 1) / 2"


def _always_same(sizes: Sizes) -> str | None:
    with contextlib.suppress(ValueError):
        if _padding_word(sizes) == "same" or sizes["kernel"] == (1, 1):
            return None
    return 'it always pads as "same" does: at stride 1, by (kernel - 1) / 2'


def _identity(z: object) -> object:
    return z


def _shape(*axes: str) -> Callable[[Sizes], object]:
    return lambda sizes: tuple(sizes[axis] for axis in axes)


_CHANNELS = "{channels,channel,ch,depth,planes,maps,features,c,dim}"
_COUNT = "{n,nb,num,no,numberof,numof}"
_IMAGE_SHAPES = (("C", "H", "W"), ("H", "W", "C"), ("N", "C", "H", "W"), ("N", "H", "W", "C"), ("H", "W"))

#: By axis, its length as an argument; `H` of images, and of hidden units.
SIZES = {
    "N": number("N", "N batchsize batch nbatch nsamples"),
    "C": number(
        "C",
        "channels channel c cin nin channelnumber nc "
        f"{{n,nb,num,no,numberof,numof,in,input,nin,numin,ninput,numinput,prev}}{_CHANNELS}",
    ),
    "F": number(
        "F",
        f"F filters filter{{number,num,count}} depth cout nout nf {_COUNT}{{filters,filter,kernels,kernel}} "
        f"{{out,output,nout,numout,noutput,numoutput,next}}{_CHANNELS}",
    ),
    "H": number("H", "H {,in,input,image}height inh hin"),
    "W": number("W", "{,in,input,image}width inw win"),
    "V": number("V", "V vocab{,size} numembeddings numwords nwords inputdim", shapes=True),
    "D": number("D", "D dim {n,num,in,input}features {in,input}{size,dim,nodes} nin ninput{,s} fanin", shapes=True),
    "M": number("M", "M {out,output}{features,size,dim} nout units", shapes=True),
}

KERNELS = {
    "kernel": number(
        "kernel",
        "f k kernel ksize size hw field receptivefield windowsize filterhw "
        "{kernel,filter,kernels,filters}{size,shape,dim,dims}",
        pair=True,
        shapes=True,
    ),
    "HH": number("HH", "HH hh kh fh hf {kernel,filter}{height,h}", shapes=True),
    "WW": number("WW", "WW ww kw fw wf {kernel,filter}{width,w}", shapes=True),
    "weights": Argument(
        names=words("convolutionshape convshape"),
        forms={"convolution shape (C, HH, WW)": _shape("C", "HH", "WW")},
        shapes=True,
    ),
    "stride": number("stride", "stride{,s,size,length,shape} s step{,s}", only("stride", (1, 1)), pair=True),
    "pad": Argument(
        names=words("pad{,s,size,width,ding,dings,dingsize} p zeropad{,ding}"),
        forms={"": lambda sizes: sizes["pad"], 'pad as "same" or "valid"': _padding_word},
        absent={
            "": only("pad", (0, 0)),
            "pad always (kernel - 1) / 2": _always_centered,
            'pad always "same"': _always_same,
        },
        pair=True,
    ),
    "dilation": number("dilation", "dilation{,s,rate}", only("dilation", (1, 1)), pair=True, optional=True),
    "groups": number("groups", "group{,s} ngroups", only("groups", 1), optional=True),
    "image": Argument(
        names=words("xshape input{size,dims,dimensions} {input,in,image,img,inputs,prev}shape"),
        forms={f"input shape ({', '.join(axes)})": _shape(*axes) for axes in _IMAGE_SHAPES},
    ),
    "activation": Argument(
        names=words("activation{,fn,function} act{,fn} nonlinearity activator"),
        forms={"": lambda _: _identity, "activation None": lambda _: None, 'activation "linear"': lambda _: "linear"},
        optional=True,
    ),
}


def _stride_of_window(sizes: Sizes) -> str | None:
    if sizes["kernel"] == sizes["stride"]:
        return None
    height, width = sizes["kernel"]
    return f"its stride is the size of its window, here {short(sizes['stride'])} and {height}x{width}"


def _square(sizes: Sizes) -> str | None:
    height, width = sizes["kernel"]
    return None if height == width else f"its window is always square, here {height}x{width}"


POOLING = {
    "HH": number("HH", "pool{height,h} ph hp hh", unless=("kernel",)),
    "WW": number("WW", "pool{width,w} pw wp ww", _square, unless=("kernel",)),
    "kernel": number(
        "kernel",
        "{pool,pooling}{,size,shape} size ksize kernel{,size,shape} f k window{,size,shape} filter{size,shape}",
        absent={f"a window of {n}x{n}": only("kernel", (n, n), f"its window is always {n}x{n}") for n in (2, 3, 4)},
        unless=("HH", "WW"),
        pair=True,
    ),
    "stride": KERNELS["stride"]._replace(
        absent={
            "a stride of the window's size": _stride_of_window,
            **{f"a stride of {n}": only("stride", (n, n), f"its stride is always {n}") for n in (2, 1, 3)},
        }
    ),
}


def pick(arguments: Mapping[str, Argument], names: str) -> dict[str, Argument]:
    """Return some arguments, in the order in which their names are given."""
    return {name: arguments[name] for name in names.split()}
