"""The codes of diagnoses: those that there are have a description, and no others."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradcheck_cli import ConvCase
from gradcheck_cli.checks.diagnosis.codes import CAUSES, explanation
from gradcheck_cli.checks.diagnosis.reference import entries
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.framework.fault import Observed
from gradcheck_cli.layers.framework.faults import faults_to_try, forward_faults_to_try

if TYPE_CHECKING:
    from gradcheck_cli.layers.framework.layer import Layer


def codes_of_table() -> set[str]:
    """Write out what is in braces: the axes of a convolution, and the dtypes narrower than another."""
    axes = {axis.name.replace(" ", "-") for axes in LAYERS["conv"].problem(ConvCase()).axes.values() for axis in axes}
    words = {"{kind}": axes, "{dtype}": {"float16", "float32", "float64"}}
    found: set[str] = set()
    for code in {cause.partition("/")[0] for cause in CAUSES}:
        name = re.search(r"{\w+}|$", code)[0]  # type: ignore[index]  # an empty match at least
        found |= {code.replace(name, word) for word in words[name]} if name else {code}
    return found


@np.errstate(all="ignore")
def codes_of_layer(layer: Layer) -> set[str]:
    """Return the codes that a layer brings.

    Some depend on what was observed: so each case is also looked at as if all were zero where it is not, and the other
    way round, as by a layer that draws another mask.
    """
    found: set[str] = set()
    for case in (*layer.standard(), *layer.probe_cases):
        problem = layer.problem(case)
        right = layer.gradients(problem, problem.inputs, problem.cotangent)
        other = {name: np.where(array == 0, problem.cotangent.max(), 0) for name, array in right.items()}
        for out, gradients in (
            (problem.expected, right),
            (np.where(problem.expected == 0, problem.cotangent.max(), 0), other),
        ):
            observed = Observed(out=out, derivatives=right, gradients=gradients)
            explanations: Iterator[Any] = itertools.chain(
                faults_to_try(layer, case, problem),
                forward_faults_to_try(layer, case, problem, out),
                layer.observed_faults(case, problem, observed),
                layer.guards(problem),
                *(layer.overflows(problem, gradients) for gradients in (right, {})),
            )
            found |= {each.code for each in explanations}
    return found


def test_every_code_is_described_and_no_other() -> None:
    layers = [layer for layer in LAYERS.values() if layer.reference]
    codes = codes_of_table().union(*map(codes_of_layer, layers))
    assert len(codes) > 100
    described = [code for entry in entries() if entry.kind == "cause" for code in entry.codes]
    assert set(described) == codes
    assert len(described) == len(codes)


def test_every_cause_is_a_sentence_and_has_a_remedy() -> None:
    for cause, (text, remedy) in CAUSES.items():
        words = dict.fromkeys(re.findall(r"{(\w+)}", cause + text + remedy), "5") | {"kind": "row", "dtype": "float32"}
        said = explanation(cause, **{key: word for key, word in words.items() if key not in ("names", "be", "have")})
        one, several = said.diagnosis(["dx"]), said.diagnosis(["dx", "dw"])
        assert "{" not in one.text + several.text
        assert one.code == several.code == said.code
        assert (one.text != several.text) == ("{names}" in text)
        assert one.text.endswith(".") or cause == "leak"
        assert remedy or cause == "leak"


def test_a_word_that_is_missing_is_an_error() -> None:
    with pytest.raises(KeyError):
        explanation("wrong-order")
