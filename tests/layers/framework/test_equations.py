"""Faults as equations: text that replaces the right equations of its names, evaluated in their order."""

from __future__ import annotations

import numpy as np
import pytest

from gradcheck_cli.layers.framework.fault import equations, evaluate, fault_table, replaced_in_backward, row_sum

RIGHT = equations("""
    s = np.exp(x); total = row_sum(s)
    dx = dout * s / total
""")


def test_equations_are_read_in_their_order() -> None:
    assert list(RIGHT) == ["s", "total", "dx"]
    assert equations("same = x == 1") == {"same": "x == 1"}
    with pytest.raises(ValueError, match="dictionary update sequence"):
        equations("dx: dout")


def test_a_replaced_equation_reaches_those_after_it_alone() -> None:
    x, dout = np.array([[1.0, 2.0]]), np.array([[3.0, 5.0]])
    (fault,) = fault_table("Divide by the sum.", ("not-normalized", "the sum is missing", "total = 1.0"))
    given = {"x": x, "dout": dout}
    assert fault.cause == "In {names} the sum is missing."
    np.testing.assert_array_equal(evaluate({**RIGHT, **fault.equations}, given).dx, dout * np.exp(x))
    (made,) = replaced_in_backward(RIGHT, [fault], lambda inputs, cotangent: {**inputs, "dout": cotangent})
    np.testing.assert_array_equal(made.gradients({"x": x}, dout)["x"], dout * np.exp(x))
    np.testing.assert_array_equal(evaluate(RIGHT, given).total, row_sum(np.exp(x)))
    assert given.keys() == {"x", "dout"}
