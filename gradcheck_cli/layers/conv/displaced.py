"""Windows in the wrong places, or too few of them: what forward and backward of convolutions get wrong alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gradcheck_cli.layers.conv.geometry import confused_counts
from gradcheck_cli.text.names import join_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gradcheck_cli.layers.conv.geometry import WindowedCase
    from gradcheck_cli.layers.conv.images import Images, Pair


class Displaced(NamedTuple):
    """Windows that start elsewhere than at i * stride - pad, and what is wrong with them."""

    code: str
    cause: str
    remedy: str
    stride: Pair
    pad: Pair


def displaced_windows(images: Images) -> Iterator[Displaced]:
    """Yield the wrong strides and pads that make a difference, the most common first."""
    stride, pad = images.stride, images.pad

    def wrong(code: str, cause: str, remedy: str, strides: Pair = stride, pads: Pair = pad) -> Iterator[Displaced]:
        if (strides, pads) != (stride, pad):
            yield Displaced(code, cause, remedy, strides, pads)

    ignored, start = "The stride is left out of {names}: windows are taken one element apart.", "Let window i start at"
    yield from wrong("stride-ignored", ignored, f"{start} i * stride.", strides=images.with_value(stride, 1))
    fixed = "{names} {be} computed as if pad were 1."
    yield from wrong("pad-fixed-at-1", fixed, "Use the pad that forward is given.", pads=images.with_value(pad, 1))
    left_out = "The pad is left out of {names}: the first window starts where the array does."
    remedy = f"{start} i * stride - pad: put pad zeros around the array."
    yield from wrong("pad-ignored", left_out, remedy, pads=images.with_value(pad, 0))
    if len(images.spatial) == 2:
        swapped = "In {names} the vertical and the horizontal %s are exchanged."
        code = "height-width-confused"
        yield from wrong(code, swapped % "stride", "Step rows by the vertical stride.", strides=stride[::-1])
        yield from wrong(code, swapped % "pad", "Pad and crop rows by the vertical pad.", pads=pad[::-1])


def too_few_windows(
    case: WindowedCase, kernels: tuple[str, str] = ("HH", "WW")
) -> Iterator[tuple[str, str, str, tuple[slice, ...]]]:
    """Yield (code, cause, remedy, index of the windows that are left) of backward passes that miss some.

    Args:
        case: the case.
        kernels: what the height and the width of a window are called.
    """
    windows = case.windows
    right = tuple(w.total for w in windows)
    every = f"Loop over all of dout: {join_names(f'{w.total} {w.out.plural}' for w in windows)}."
    for words, *counts in confused_counts(case, kernels):
        remedy = f"Take rows from H and {kernels[0]}, columns from W and {kernels[1]}; or both from `dout.shape`."
        yield "size-of-wrong-axis", f"In {{names}} {words}: windows are missed.", remedy, _kept(counts)
    counted = {
        f"as many windows are taken as the input has {join_names(w.axis.plural for w in windows)}": [
            w.size for w in windows
        ],
        "windows are counted over the input without its pad": [max(w._replace(pad=0).total, 0) for w in windows],
        "windows start within the input's size, which leaves out those of the pad": [
            -(-w.size // w.stride) for w in windows
        ],
    }
    for how, counts in counted.items():
        if any(count < full for count, full in zip(counts, right, strict=True)):
            cause = f"{{names}} {{be}} summed over the input's size instead of the output's: {how}."
            yield "loop-over-input-size", cause, every, _kept(counts)


def _kept(counts: list[int]) -> tuple[slice, ...]:
    return (slice(None), slice(None), *map(slice, counts))
