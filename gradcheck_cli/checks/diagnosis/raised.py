"""Why code raises in one geometry and not in others: by the shapes in its error, and by geometries near by."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from gradcheck_cli.checks.diagnosis.codes import Explanation, explanation, of_fault
from gradcheck_cli.checks.diagnosis.other_cases import OtherCase
from gradcheck_cli.checks.precision import accepted_dtype
from gradcheck_cli.checks.run import CaseRun
from gradcheck_cli.layers.conv.geometry import WindowedCase
from gradcheck_cli.layers.conv.naive import both
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.faults import faults_to_try
from gradcheck_cli.results.result import Diagnosis

Shape = tuple[int, ...]

#: What a case near by shows if the code does not raise there, how its geometry differs, and what differs beside
#: that; with the latter alone it must still raise.
Change = tuple[Explanation, dict[str, Any], dict[str, Any]]

#: Two shapes that do not go together, in NumPy's words.
_SHAPES = re.compile(
    r"from shape (\([\d, ]*\)) into shape (\([\d, ]*\))|"
    r"operand with shape (\([\d, ]*\)) doesn't match the broadcast shape (\([\d, ]*\))|"
    r"with shapes (\([\d, ]*\)) (\([\d, ]*\))"
)
#: And of an array without elements.
_EMPTY = re.compile(r"[(,] ?0[,)]|size 0\b|zero-size|empty")
_SIZE = re.compile(r"cannot reshape array of size (\d+) into shape (\([\d, ]*\))")


def explain_error(run: CaseRun) -> tuple[str, tuple[Diagnosis, ...]]:
    """Say what an implementation raised in a case, and why.

    A crop is known by the shapes in the error. Else the code is run in geometries that differ from the case in one
    respect, at most a dozen: if it does not raise in one of them, that respect is the cause. Where forward runs in a
    narrower dtype, that is all that is reported.

    Returns:
        The reason, and one diagnosis or none.
    """
    case, reason = run.case, str(run.error)
    if run.out is None and (dtype := accepted_dtype(case, run.layer, run.implementation)):
        return f"{reason}; it runs in {dtype}: check it with --dtype {dtype}", ()
    if not (run.layer.reference and run.layer.inputs and run.problem.reference):
        return reason, ()
    if found := _crop(run, reason):
        return reason, (found.diagnosis(["dx"]),)
    for cause, changes, beside in _changes(case, reason):
        if _raises(run, changes | beside) is False and (not beside or _raises(run, beside)):
            return reason, (cause.diagnosis(),)
    return reason, ()


def _raises(run: CaseRun, changes: dict[str, Any]) -> bool | None:
    """Tell whether the code raises in a geometry that differs from the case; None if it is the same or impossible."""
    near = replace(run.case, **changes)
    return None if near == run.case or near.impossible() else OtherCase(run, near).raises


def _crop(run: CaseRun, message: str) -> Explanation | None:
    """Name the crop of dx whose shape is in the error, if there is only one."""
    shapes, size = _SHAPES.search(message), _SIZE.search(message)
    if shapes:
        one, other = (_read(text) for text in shapes.groups() if text)
        pairs: list[tuple[Shape | int, Shape]] = [(one, other), (other, one)]
    elif size:
        pairs = [(int(size[1]), _read(size[2]))]
    else:
        return None
    found: dict[str, Explanation] = {}
    name = run.layer.inputs[0]
    right = run.problem.inputs[name].shape
    for fault in faults_to_try(run.layer, run.case, run.problem):
        if not fault.code.startswith(("crop-", "unseen-")):
            continue
        cropped = fault.gradients(run.problem.inputs, run.problem.cotangent).get(name)
        if cropped is not None and cropped.shape != right and _matches(pairs, cropped.shape, right):
            found.setdefault(fault.code, of_fault(fault))
    return next(iter(found.values())) if len(found) == 1 else None


def _matches(pairs: list[tuple[Shape | int, Shape]], cropped: Shape, right: Shape) -> bool:
    """Tell whether an error gives the shape or size of a crop and of the right dx, of all samples or of one."""
    for order in (tuple, _channels_last):
        crop, whole = order(cropped), order(right)
        for given, wanted in pairs:
            if isinstance(given, int) and wanted == whole and given == math.prod(crop):
                return True
            if wanted and (given, wanted) in ((crop, whole), (crop[1:], whole[1:])):
                return True
    return False


def _channels_last(shape: Shape) -> Shape:
    return (shape[0], *shape[2:], shape[1]) if len(shape) > 2 else shape


def _read(text: str) -> Shape:
    return tuple(int(number) for number in re.findall(r"\d+", text))


def _changes(case: Case, message: str) -> Iterator[Change]:
    """Yield changes of the geometry, those first that tell most."""
    geometry = case.geometry
    if isinstance(case, WindowedCase):
        yield from _dividing(case)
        if "pad" in geometry:
            yield from _pads(geometry, empty=bool(_EMPTY.search(message)))
        if len(case.windows) > 1:
            yield from _squares(geometry, [*zip((w.axis.size for w in case.windows), case.kernels, strict=True)][-2:])
    if "stride" in geometry:
        yield explanation("stride-ignored", stride=_written(geometry["stride"])), {"stride": 1}, {}
    if geometry.get("groups", 1) == 1:
        yield from _filters(geometry)
        for size in ("N", "C", "F"):
            if geometry.get(size) == 1:
                apart = (other for other in ("N", "C", "F") if geometry.get(other) == 2)
                others = dict(zip(apart, (3, 4), strict=False))  # what is of another size by mistake still raises
                yield explanation("single-axis-dropped", size=size), {size: 2}, others


def _dividing(case: WindowedCase) -> Iterator[Change]:
    """Yield the image enlarged so that the stride divides it evenly."""
    uneven = [(w.axis.size, kernel, w) for w, kernel in zip(case.windows, case.kernels, strict=True) if w.unseen]
    if uneven:
        larger = {image: w.size + w.stride - w.unseen for image, _, w in uneven}
        pad = " + 2 pad" if "pad" in case.geometry else ""
        rest = " and ".join(f"{image}{pad} - {kernel} = {w.padded - w.reach}" for image, kernel, w in uneven)
        even = ", ".join(f"{name} = {size}" for name, size in larger.items())
        step = _written(case.geometry["stride"])
        yield explanation("stride-must-divide", stride=step, rest=rest, even=even), larger, {}


def _pads(geometry: dict[str, Any], *, empty: bool) -> Iterator[Change]:
    pad = geometry["pad"]
    cause = "crop-empty" if empty and 0 in both(pad) else "pad-fixed-at-1"
    yield explanation(cause, pad=_written(pad)), {"pad": 1}, {}
    yield explanation("pad-ignored", pad=_written(pad)), {"pad": 0}, {}


def _squares(geometry: dict[str, Any], axes: list[tuple[str, str]]) -> Iterator[Change]:
    """Yield a square kernel, with as many windows as before, and a square image."""
    (height, vertical), (width, horizontal) = axes
    kernel, image = (max(geometry[a], geometry[b]) for a, b in ((vertical, horizontal), (height, width)))
    square = {vertical: kernel, horizontal: kernel}
    square |= {height: geometry[height] + kernel - geometry[vertical]}
    square |= {width: geometry[width] + kernel - geometry[horizontal]}
    words = {"rows": f"{height} and {vertical}", "columns": f"{width} and {horizontal}"}
    for one, other, changed in ((vertical, horizontal, square), (height, width, {height: image, width: image})):
        yield explanation("size-of-wrong-axis", one=one, other=other, size=changed[one], **words), changed, {}


def _filters(geometry: dict[str, Any]) -> Iterator[Change]:
    """Yield as many filters as channels, and as samples. The third size is smaller: an index might fit into it.

    Where there is one of something, that may be why it raises.
    """
    if min(geometry.get(size, 1) for size in ("N", "C", "F")) > 1:
        for other, third, words in (("C", "N", "channels"), ("N", "C", "samples")):
            count = geometry[other]
            if geometry["F"] != count:
                cause = explanation("size-of-wrong-axis/filters", other=other, words=words)
                yield cause, {"F": count}, {third: count - 1} if geometry[third] >= count else {}


def _written(value: Any) -> str:
    vertical, horizontal = both(value)
    return str(vertical) if vertical == horizontal else f"{vertical}x{horizontal}"
