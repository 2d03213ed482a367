"""Axes by their letters, and the words for arrays of which nothing is known."""

from __future__ import annotations

import pytest

from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.framework.axes import CHANNEL, CLASS, COLUMN, OUT_ROW, ROW, SAMPLE, anonymous, declare


def test_letters_are_axes_and_others_take_their_place() -> None:
    found = declare(x="N C H W", out="N H'", loss="")
    assert found == {"x": (SAMPLE, CHANNEL, ROW, COLUMN), "out": (SAMPLE, OUT_ROW), "loss": ()}
    assert declare(CLASS, x="N C") == {"x": (SAMPLE, CLASS)}
    with pytest.raises(KeyError, match="Q"):
        declare(x="N Q")


def test_axes_of_unknown_arrays_are_named_as_they_are_printed() -> None:
    assert [axis.name for axis in anonymous("x", 1)] == ["element"]
    assert [axis.name for axis in anonymous("x", 2)] == ["row", "column"]
    assert [axis.name for axis in anonymous("x", 5)] == ["block", "block", "plane", "row", "column"]
    assert [axis.size for axis in anonymous("w", 3)] == ["w.shape[0]", "w.shape[1]", "w.shape[2]"]


@pytest.mark.parametrize("name", [name for name in LAYERS if LAYERS[name].reference])
def test_arrays_have_the_axes_that_are_declared(name: str) -> None:
    """Each has as many; and where the size of an axis is a number of the case, that long it is."""
    for case in LAYERS[name].standard():
        problem = LAYERS[name].problem(case)
        shapes = {key: value.shape for key, value in problem.inputs.items()}
        shapes |= problem.outputs or {"out": problem.expected.shape}
        for key, shape in shapes.items():
            axes = problem.axes[key]
            assert len(axes) == len(shape), key
            for axis, size in zip(axes, shape, strict=True):
                number = case.geometry.get(axis.size, size)
                assert size in (
                    number,
                    number // case.geometry.get("groups", 1),
                    number // case.geometry.get("split", 1),
                )
