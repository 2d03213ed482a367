"""How people name convolutions and poolings, and lay out their arrays."""

from __future__ import annotations

from gradcheck_cli.implementation.vocabulary.geometry import KERNELS, POOLING, SIZES, pick
from gradcheck_cli.implementation.vocabulary.vocabulary import Sizes, Vocabulary, arranged, words

_IMAGE_INPUTS = {
    "x": words(
        "x{,prev} aprev input{,s,data,tensor,features,array} data indata a image{,s} im imgs bottom featuremap prev inp"
    ),
    "w": words("w weight{,s} kernel{,s} filter{,s} filt theta wt"),
    "b": words("b bias{,es} w0 b0"),
}

_USUAL = arranged("")
_LAST = {"x": "N H W C", "out": "N H' W' F"}
_TELLS_LAST = "aprev hparameters hparams dz"
_IMAGES = {**pick(SIZES, "F C"), **KERNELS, **pick(SIZES, "N H W")}


def _side(sizes: Sizes) -> int:
    """Return the size of a kernel that is as deep as it is high and wide."""
    if len({sizes[name] for name in ("DD", "HH", "WW")}) > 1:
        raise ValueError("its kernel is one number, and here depth, height and width differ")
    return int(sizes["DD"])


_CUBE = KERNELS["kernel"]._replace(
    forms={"": _side, "three numbers": lambda sizes: tuple(sizes[name] for name in ("DD", "HH", "WW"))}, pair=False
)

CONVOLUTIONS = {
    "conv": Vocabulary(
        names=words("conv"),
        others=words(
            "relu pool norm bn affine dense linear dropout softmax rnn lstm embedding transpose deconv depthwise "
            "separable 1d 3d sigmoid tanh flatten attention loss"
        ),
        inputs=_IMAGE_INPUTS,
        arguments=_IMAGES,
        arrangements=(
            _USUAL,
            arranged("b (F, 1)", b="F 1"),
            arranged("b (1, F, 1, 1)", b="1 F 1 1"),
            arranged("channels last, b (1, 1, 1, F)", _TELLS_LAST, **_LAST, w="HH WW C F", b="1 1 1 F"),
            arranged("channels last", _TELLS_LAST, **_LAST, w="HH WW C F"),
            arranged("channels last, w (F, HH, WW, C)", **_LAST, w="F HH WW C"),
        ),
    ),
    "conv1d": Vocabulary(
        names=words("conv{,_}1d"),
        others=words("relu pool norm transpose 2d 3d"),
        inputs=_IMAGE_INPUTS,
        arguments=pick(_IMAGES, "F C kernel WW stride pad N W"),
        arrangements=(
            _USUAL,
            arranged("b (F, 1)", b="F 1"),
            arranged("channels last", x="N W C", w="WW C F", out="N W' F"),
        ),
    ),
    "conv3d": Vocabulary(
        names=words("conv{,_}3d"),
        others=words("relu pool norm transpose 1d 2d"),
        inputs=_IMAGE_INPUTS,
        arguments={**pick(_IMAGES, "F C"), "kernel": _CUBE, **pick(_IMAGES, "HH WW stride pad N H W")},
        arrangements=(
            _USUAL,
            arranged("b (F, 1)", b="F 1"),
            arranged("channels last", x="N D H W C", w="DD HH WW C F", out="N D' H' W' F"),
        ),
    ),
    "conv-transpose": Vocabulary(
        names=words("conv_transpose transpose deconv transconv upconv"),
        others=words("relu norm pool 1d 3d depthwise"),
        inputs=_IMAGE_INPUTS,
        arguments=pick(_IMAGES, "F C kernel HH WW stride pad image N H W activation"),
        arrangements=(
            _USUAL,
            arranged("w (F, C, HH, WW)", w="F C HH WW"),
            arranged("b (F, 1)", b="F 1"),
            arranged("channels last, w (HH, WW, F, C)", **_LAST, w="HH WW F C"),
        ),
    ),
    # Code in NumPy mostly has w (C, HH, WW); PyTorch's is (C, 1, HH, WW), Chainer's (1, C, HH, WW), and TensorFlow's,
    # where there is one filter for each channel, (HH, WW, C, 1).
    "depthwise-conv": Vocabulary(
        names=words("depthwise_conv depthwise depth_wise dwconv"),
        others=words("relu norm pool separable 1d 3d"),
        inputs=_IMAGE_INPUTS,
        arguments=pick(_IMAGES, "C kernel HH WW stride pad image N H W activation"),
        arrangements=(
            _USUAL,
            arranged("w (C, 1, HH, WW)", w="C 1 HH WW"),
            arranged("w (1, C, HH, WW)", w="1 C HH WW"),
            *(
                arranged(f"channels last, w ({', '.join(w.split())})", x="N H W C", out="N H' W' C", w=w)
                for w in ("HH WW C", "HH WW C 1")
            ),
        ),
    ),
}


def _pooling(names: str, others: str, arguments: str = "HH WW kernel stride", last: str = "N H W C") -> Vocabulary:
    out = last.replace("H", "H'").replace("W", "W'")
    return Vocabulary(
        names=words(names),
        others=words(f"{others} conv relu unpool global norm"),
        inputs={"x": words("x input{,s} a{,prev} data inp images")},
        arguments=pick(POOLING, arguments),
        arrangements=(_USUAL, arranged("channels last", _TELLS_LAST, x=last, out=out)),
    )


POOLINGS = {
    "maxpool": _pooling("max{_,}pool pool", "avg average mean 1d 3d"),
    "avgpool": _pooling("{avg,average}{_,}pool mean_pool pool", "max 1d 3d"),
    "maxpool1d": _pooling("max{_,}pool{_,}1d max{_,}pooling{_,}1d", "avg average mean 3d", "WW kernel stride", "N W C"),
    "avgpool1d": _pooling(
        "{avg,average}{_,}pool{_,}1d {avg,average}{_,}pooling{_,}1d", "max 3d", "WW kernel stride", "N W C"
    ),
}
