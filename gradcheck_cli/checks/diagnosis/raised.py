"""Why code raises in one geometry and not in others: by the shapes in its error, and by geometries near by."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gradcheck_cli.checks.diagnosis.further import FurtherCase
from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.conv.naive import both
from gradcheck_cli.layers.framework.faults import faults_to_try
from gradcheck_cli.results.result import Diagnosis

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gradcheck_cli.checks.settings import Settings
    from gradcheck_cli.implementation.implementation import Implementation, ImplementationError
    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.layers.framework.layer import Layer
    from gradcheck_cli.layers.framework.problem import Problem

    Shape = tuple[int, ...]

#: Two shapes that do not go together, in NumPy's words.
_SHAPES = re.compile(
    r"from shape (\([\d, ]*\)) into shape (\([\d, ]*\))|"
    r"operand with shape (\([\d, ]*\)) doesn't match the broadcast shape (\([\d, ]*\))|"
    r"with shapes (\([\d, ]*\)) (\([\d, ]*\))"
)
#: And of an array without elements.
_EMPTY = re.compile(r"[(,] ?0[,)]|size 0\b|zero-size|empty")
_SIZE = re.compile(r"cannot reshape array of size (\d+) into shape (\([\d, ]*\))")


def explain_error(
    case: Case,
    layer: Layer,
    problem: Problem,
    implementation: Implementation,
    settings: Settings,
    error: ImplementationError,
) -> tuple[Diagnosis, ...]:
    """Find why an implementation raises in a case.

    A crop is known by the shapes in the error. Else the code is run in geometries that differ from the case in one
    respect, at most a dozen: if it does not raise in one of them, that respect is the cause.

    Args:
        case: the case.
        layer: the layer, with the faults that it knows.
        problem: the case's arrays.
        implementation: the code under test.
        settings: the tolerance.
        error: what was raised.

    Returns:
        One diagnosis, or none.
    """
    if not (layer.reference and layer.inputs and problem.reference):
        return ()
    if found := _crop(case, layer, problem, str(error)):
        return (found,)
    for near in _near(case, str(error)):
        if near.case.impossible() or near.case == case:
            continue
        if FurtherCase(near.case, layer, implementation, settings).raises is False:
            return (Diagnosis(code=near.code, text=near.text),)
    return ()


def _crop(case: Case, layer: Layer, problem: Problem, message: str) -> Diagnosis | None:
    """Name the crop of dx whose shape the error tells, if there is just one such."""
    x = problem.inputs[layer.inputs[0]].shape
    shapes, size = _SHAPES.search(message), _SIZE.search(message)
    if shapes:
        one, other = (_read(text) for text in shapes.groups() if text)
        pairs: list[tuple[Shape | int, Shape]] = [(one, other), (other, one)]
    elif size:
        pairs = [(int(size[1]), _read(size[2]))]
    else:
        return None
    found: dict[tuple[str, str], str] = {}
    for fault in faults_to_try(layer, case, problem):
        if not fault.code.startswith(("crop-", "unseen-")):
            continue
        cropped = fault.gradients(problem.inputs, problem.cotangent).get(layer.inputs[0])
        if cropped is None or cropped.shape == x:
            continue
        for given, wanted in pairs:
            if any(_agree(given, wanted, order(cropped.shape), order(x)) for order in (tuple, _channels_last)):
                text = f"{fault.cause} {fault.remedy}".format(names="dx", be="is", have="has")
                found.setdefault((fault.code, fault.remedy), text)
    codes = {code for code, _ in found}
    return Diagnosis(code=codes.pop(), text=next(iter(found.values()))) if len(codes) == 1 else None


def _agree(given: Shape | int, wanted: Shape, cropped: Shape, x: Shape) -> bool:
    """Tell whether what was given is a crop, and what was wanted dx: of all samples or of one."""
    if isinstance(given, int):
        size = 1
        for length in cropped:
            size *= length
        return wanted == x and given == size
    return (given, wanted) in ((cropped, x), (cropped[1:], x[1:])) and bool(wanted)


def _channels_last(shape: Shape) -> Shape:
    return (shape[0], *shape[2:], shape[1]) if len(shape) > 2 else shape


def _read(text: str) -> Shape:
    return tuple(int(number) for number in re.findall(r"\d+", text))


@frozen
class _Near:
    """A case that differs from another in one respect, and what it means if the code does not raise there."""

    case: Case
    code: str
    text: str


#: The numbers of windows along each axis, as layers call them: image, kernel, and their words.
_AXES = (("H", "HH"), ("W", "WW")), (("H", "pool_height"), ("W", "pool_width"))


def _near(case: Case, message: str) -> Iterator[_Near]:
    """Yield cases near by, those first that tell most."""
    geometry = case.geometry
    axes = next(([a for a in named if a[1] in geometry] for named in _AXES if named[1][1] in geometry), [])
    if axes and "stride" in geometry and case.layer != "conv-transpose":
        yield from _dividing(case, axes)
    if axes and "pad" in geometry:
        yield from _pads(case, empty=bool(_EMPTY.search(message)))
    if len(axes) == 2:
        yield from _squares(case, axes)
    if "stride" in geometry and set(both(geometry["stride"])) != {1}:
        text = f"It raises at stride {_written(geometry['stride'])}, and not at stride 1. "
        yield _of(case, "stride-ignored", text + "Let the window of output i start at i * stride.", stride=1)
    if (
        geometry.get("F", 0) != geometry.get("C", 0)
        and {"F", "C"} <= geometry.keys()
        and geometry.get("groups", 1) == 1
    ):
        text = "It raises where F and C differ, and not where they are equal. "
        remedy = "Look for a number of channels that is taken for the number of filters, or the other way round."
        yield _of(case, "size-of-wrong-axis", text + remedy, F=geometry["C"])
    for name in ("N", "C", "F"):
        if geometry.get(name) == 1 and geometry.get("groups", 1) == 1:
            text = f"It raises at {name} = 1, and not at {name} = 2. Look for a `squeeze`, or an axis that is dropped."
            yield _of(case, "single-axis-dropped", text, **{name: 2})


def _dividing(case: Case, axes: list[tuple[str, str]]) -> Iterator[_Near]:
    """Yield the image enlarged so that the stride divides it evenly."""
    geometry, larger, rests = case.geometry, {}, []
    for k, (image, kernel) in enumerate(axes):
        stride, pad, dilation = (both(geometry.get(n, d))[k] for n, d in (("stride", 1), ("pad", 0), ("dilation", 1)))
        span = geometry[image] + 2 * pad - dilation * (geometry[kernel] - 1) - 1
        if rest := span % stride:
            larger[image] = geometry[image] + stride - rest
            rests.append(
                f"{image} + 2 pad - {kernel} = {span}" if "pad" in geometry else f"{image} - {kernel} = {span}"
            )
    if larger:
        step, even = _written(geometry["stride"]), ", ".join(f"{name} = {size}" for name, size in larger.items())
        text = (
            f"It raises because the stride of {step} does not divide {' and '.join(rests)}; it does not at {even}. "
            "Round the output's size down, by `//`: what no window reaches has no part in it."
        )
        yield _of(case, "stride-must-divide", text, **larger)


def _pads(case: Case, *, empty: bool) -> Iterator[_Near]:
    pad = case.geometry["pad"]
    if set(both(pad)) != {1}:
        text = f"It raises at pad {_written(pad)}, and not at pad 1. "
        if empty and 0 in both(pad):
            crop = "`[pad:-pad]` is an empty slice at pad 0. Crop by `[pad:pad + H]` instead."
            yield _of(case, "crop-empty", text + crop, pad=1)
        else:
            yield _of(case, "pad-fixed-at-1", f"{text}Use the pad that forward was given, everywhere.", pad=1)
    if set(both(pad)) != {0}:
        text = f"It raises at pad {_written(pad)}, and not at pad 0. Look for sizes or windows that leave out the pad."
        yield _of(case, "pad-ignored", text, pad=0)


def _squares(case: Case, axes: list[tuple[str, str]]) -> Iterator[_Near]:
    """Yield a square kernel, with as many windows as before, and a square image."""
    geometry, ((height, vertical), (width, horizontal)) = case.geometry, axes
    remedy = f"Take rows from {height} and {vertical}, and columns from {width} and {horizontal}."
    kernel, image = (max(geometry[a], geometry[b]) for a, b in ((vertical, horizontal), (height, width)))
    square = {vertical: kernel, horizontal: kernel}
    square |= {height: geometry[height] + kernel - geometry[vertical]}
    square |= {width: geometry[width] + kernel - geometry[horizontal]}
    for one, other, changed in ((vertical, horizontal, square), (height, width, {height: image, width: image})):
        if geometry[one] != geometry[other]:
            text = f"It raises where {one} and {other} differ, and not where both are {changed[one]}. {remedy}"
            yield _of(case, "size-of-wrong-axis", text, **changed)


def _of(case: Case, code: str, text: str, **changed: Any) -> _Near:
    return _Near(case=replace(case, **changed), code=code, text=text)


def _written(value: Any) -> str:
    vertical, horizontal = both(value)
    return str(vertical) if vertical == horizontal else f"{vertical}x{horizontal}"
