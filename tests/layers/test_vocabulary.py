"""The words for a layer: no word means two things, and each is written as it is compared."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from gradcheck_cli.implementation.layout import Layout
from gradcheck_cli.implementation.vocabulary.vocabulary import word
from gradcheck_cli.layers import LAYERS

if TYPE_CHECKING:
    from gradcheck_cli.implementation.vocabulary.vocabulary import Vocabulary

ALL = pytest.mark.parametrize("vocabulary", [layer.vocabulary for layer in LAYERS.values()], ids=list(LAYERS))


@ALL
def test_no_word_means_two_things(vocabulary: Vocabulary) -> None:
    for one, other in itertools.combinations(vocabulary.arguments.values(), 2):
        assert not set(one.names) & set(other.names)
    for first, second in itertools.combinations(vocabulary.inputs.values(), 2):
        assert not set(first) & set(second)


@ALL
def test_words_are_reduced(vocabulary: Vocabulary) -> None:
    for name in itertools.chain(*(argument.names for argument in vocabulary.arguments.values())):
        assert name == word(name) or name != name.lower()
    for name in itertools.chain(*vocabulary.inputs.values()):
        assert name == word(name)


def test_trials_tell_the_arrangements_apart() -> None:
    layer = LAYERS["conv"]
    problem = layer.problem(layer.trials[0])
    usual = layer.vocabulary.arrangements[0].axes
    for name in ("w", "b"):
        orders = [order for order in layer.vocabulary.parameters[name] if "(" not in order]
        shapes = {Layout(usual[name], order).shape(problem.inputs[name].shape) for order in orders}
        assert len(shapes) == len(orders)
