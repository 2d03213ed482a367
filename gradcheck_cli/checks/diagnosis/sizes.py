"""The sizes by which people multiply or divide a gradient."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gradcheck_cli.checks.diagnosis.evidence import Evidence
    from gradcheck_cli.layers.framework.axes import Axis


def likely_sizes(evidence: Evidence, name: str) -> dict[str, int]:
    """Return sizes and products of sizes by their symbols, the likeliest for the gradient of `name` first."""
    problem = evidence.problem
    out, own = problem.output_axes, problem.axes[name]
    others = [key for key in problem.differentiable if key != name]
    shapes = {**{key: value.shape for key, value in problem.inputs.items()}, "out": evidence.cotangent.shape}
    known: dict[str, int] = {}
    for key in (*(["out"] if out else []), name, *others):
        axes = problem.axes.get(key, ())
        if len(axes) == len(shapes[key]):
            known = {axis.size: size for axis, size in zip(axes, shapes[key], strict=True)} | known
    spatial, kernel = (tuple(axis for axis in axes if axis.spatial) for axes in (out, own))
    choices: list[Iterable[Axis]] = [out[:1], spatial, (*out[:1], *spatial), out, *((axis,) for axis in out)]
    choices += [*((axis,) for axis in own), kernel, own[1:]]
    choices += [(axis,) for key in others for axis in problem.axes.get(key, ())]
    found: dict[str, int] = {}
    for choice in choices:
        symbols = tuple(dict.fromkeys(axis.size for axis in choice))
        if symbols and all(symbol in known for symbol in symbols):
            found.setdefault(" ".join(symbols), math.prod(known[symbol] for symbol in symbols))
    return found
