"""Arrays of every kind in the place of an output or a gradient: a verdict, and never an exception of the checker's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradcheck_cli import check
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.results.result import Verdict
from tests.sampling import one_in


class Plain(np.ndarray):
    pass


WRONG: dict[str, Callable[[Any], object]] = {
    "64 axes": lambda a: a.reshape(a.shape + (1,) * (64 - a.ndim)),
    "40 axes of one element": lambda a: np.ones((1,) * 40),
    "no axes": lambda a: np.array(1.5),
    "empty": lambda a: a[..., :0] if a.ndim else np.zeros(0),
    "objects": lambda a: a.astype(object),
    "nothing but objects": lambda a: np.full(a.shape, None),
    "structured": lambda a: np.zeros(a.shape, "f8,i4"),
    "bytes, as of bfloat16": lambda a: np.zeros(a.shape, "V2"),
    "text": lambda a: np.full(a.shape, "x"),
    "dates": lambda a: np.zeros(a.shape, "datetime64[s]"),
    "complex": lambda a: a + 1j,
    "whole numbers": lambda a: np.full(a.shape, 7),
    "truth values": lambda a: a > 0,
    "a list": lambda a: a.tolist(),
    "a number": lambda a: 2.5,
    "nothing": lambda a: None,
    "text alone": lambda a: "array",
    "infinities": lambda a: np.full(a.shape, np.inf, a.dtype),
    "no numbers": lambda a: np.full(a.shape, np.nan, a.dtype),
}
HARMLESS: dict[str, Callable[[Any], object]] = {
    "masked": lambda a: np.ma.masked_array(a, mask=False),
    "a subclass": lambda a: a.view(Plain),
    "Fortran order": np.asfortranarray,
    "the other byte order": lambda a: a.astype(a.dtype.newbyteorder()),
    "read-only": lambda a: np.broadcast_to(a, a.shape),
}
NAMES = ("conv", "layernorm", "maxpool", "rnn")


def odd_verdict(name: str, odd: Callable[[Any], object], place: str) -> Verdict:
    """Check a built-in layer of which an output or a gradient is made odd, on the smallest case of its standard set."""
    layer = LAYERS[name]
    forward, backward = next(iter(layer.builtin.values()))
    case = min(layer.standard(), key=lambda case: sum(array.size for array in layer.problem(case).inputs.values()))

    def made_odd(returned: Any, at: int) -> Any:
        if not isinstance(returned, tuple):
            return odd(returned)
        return tuple(odd(one) if number == at else one for number, one in enumerate(returned))

    def odd_forward(*args: Any, **kwargs: Any) -> Any:
        returned = forward(*args, **kwargs)
        return made_odd(returned, 0) if place == "out" else returned

    def odd_backward(*args: Any, **kwargs: Any) -> Any:
        returned = backward(*args, **kwargs)
        return made_odd(returned, 0) if place == "dx" else returned

    odd_forward.__wrapped__ = forward  # type: ignore[attr-defined]  # what `inspect.signature` goes by
    odd_backward.__wrapped__ = backward  # type: ignore[attr-defined]
    return check(case, (odd_forward, odd_backward)).verdict


@pytest.mark.parametrize("name", one_in(2, NAMES))
@pytest.mark.parametrize("place", ["out", "dx"])
def test_what_is_no_array_of_numbers_is_never_a_pass(name: str, place: str) -> None:
    passed = {
        kind: verdict
        for kind, odd in WRONG.items()
        if (verdict := odd_verdict(name, odd, place)) not in (Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE)
    }
    assert not passed


@pytest.mark.parametrize("name", one_in(2, NAMES))
@pytest.mark.parametrize("place", ["out", "dx"])
def test_right_numbers_in_an_array_of_another_kind_pass(name: str, place: str) -> None:
    verdicts = {kind: odd_verdict(name, odd, place) for kind, odd in HARMLESS.items()}
    assert set(verdicts.values()) == {Verdict.PASS}, verdicts
