"""What a notebook shows of a result."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli import ConvCase, check, check_function
from gradcheck_cli.layers.conv.naive import conv_backward_naive, conv_forward_naive
from tests.report.course import HOSTILE, hostile
from tests.report.html.document import parse

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array


def doubled(dout: Array, cache: object) -> tuple[Array, ...]:
    dx, dw, db = conv_backward_naive(dout, cache)  # type: ignore[arg-type]
    return dx, 2 * dw, db


def test_a_failure_has_its_cause_its_picture_and_its_figures() -> None:
    shown = parse(check(ConvCase(N=1), (conv_forward_naive, doubled))._repr_html_())
    assert shown.one("p", "title").text == "FAIL dw is 2 times the derivative"
    assert len(shown.all("figure", "map")) == 1
    assert [row[:1] for row in shown.one("table", "arrays").rows()] == [["out"], ["dx"], ["dw"], ["db"]]
    assert not shown.all("script")
    assert not [one for one in shown if re.fullmatch(r"h\d", one.name)]


def test_so_has_a_function_with_arrays_of_your_own() -> None:
    def square(x: Array) -> tuple[Array, Array]:
        return x**2, x

    def backward(dout: Array, x: Array) -> Any:
        return dout * x

    shown = parse(check_function(square, backward, x=np.arange(1.0, 5.0))._repr_html_())
    assert shown.one("p", "title").text.startswith("FAIL dx is 0.5 times the derivative")
    assert len(shown.all("figure", "map")) == 1


def test_a_pass_has_its_figures() -> None:
    shown = parse(check(ConvCase(N=1), "naive")._repr_html_())
    assert shown.one("p", "title").text.startswith("pass conv 1x3x5x5")
    assert [row[1] for row in shown.one("table", "arrays").rows()] == ["1x2x5x5", "1x3x5x5", "2x3x3x3", "2"]


def test_its_styles_apply_to_nothing_else() -> None:
    shown = parse(check(ConvCase(N=1), "naive")._repr_html_())
    (root,) = [child for child in shown.children if not isinstance(child, str)]
    assert root.attributes["class"] == "gradcheck notebook"
    sheet = re.sub(r"/\*.*?\*/", "", root.one("style").text, flags=re.DOTALL)
    while "(" in sheet:
        sheet = re.sub(r"\([^()]*\)", "", sheet)
    for selectors in re.findall(r"([^{};]+)\{", sheet):
        for selector in selectors.split(","):
            assert ".gradcheck" in selector or "@media" in selector, selector


def test_hostile_text_is_text() -> None:
    for result in hostile():
        shown = parse(result._repr_html_())
        assert not shown.all("script")
        assert "<script>alert(1)</script>" in shown.text
        result._repr_html_().encode()
    assert "\x1b" in HOSTILE


def test_nothing_is_imported_before_it_is_called() -> None:
    program = (
        "import sys; from gradcheck_cli import ConvCase, check; result = check(ConvCase(N=1), 'naive')\n"
        "assert not [name for name in sys.modules if name.startswith(('gradcheck_cli.report', 'rich'))]\n"
        "assert result._repr_html_()"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
