"""A small case of the same kind as a large one: for questions about code whose answers do not depend on sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradcheck_cli.layers.framework.parameter import Integer

if TYPE_CHECKING:
    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.layers.framework.layer import Layer
    from gradcheck_cli.layers.framework.problem import Problem

#: A problem is large with more elements than this in inputs and output: 16 times those of the largest standard case.
_LARGE = 2**15

#: Sizes up to this are kept, as those of nearly all kernels are. Larger ones become multiples of 8: compiled code may
#: take no others.
_KEPT, _MULTIPLE = 11, 8


def is_large(problem: Problem) -> bool:
    """Tell by the number of elements whether calls at a problem are dear beside those at a small one."""
    return sum(x.size for x in problem.inputs.values()) + problem.cotangent.size > _LARGE


def small_case(case: Case, layer: Layer) -> Case:
    """Return a case with the same kernel, stride, pad, dilation and dtype, and few samples, channels and places.

    Sizes that are equal stay so. A case of which all sizes are small is returned as it is.
    """
    sizes = [one.name for one in case.parameters() if isinstance(one, Integer) and not one.pair]
    large = sorted({size for name in sizes if (size := getattr(case, name)) > _KEPT}, reverse=True)
    found, taken = case, set[int]()
    for size in large:
        names = [name for name in sizes if getattr(case, name) == size]
        for smaller in range(_MULTIPLE, size, _MULTIPLE):
            one = type(case)(**{**found.geometry, **dict.fromkeys(names, smaller)}, dtype=case.dtype, seed=case.seed)
            if smaller not in taken and not one.impossible() and layer.has_nonzero_gradient(one):
                found = one
                taken.add(smaller)
                break
    return found
