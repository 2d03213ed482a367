"""The words for a layer: no word means two things, and each is written as it is compared."""

from __future__ import annotations

import itertools

from gradcheck_cli.implementation.conventions.layout import Layout
from gradcheck_cli.implementation.vocabulary.lookup import vocabulary_of
from gradcheck_cli.implementation.vocabulary.vocabulary import word
from gradcheck_cli.layers import LAYERS


def test_no_word_means_two_things() -> None:
    for layer in LAYERS.values():
        vocabulary = vocabulary_of(layer)
        arguments = [argument.names for argument in vocabulary.arguments.values()]
        for kind in (arguments, vocabulary.inputs.values()):
            for one, other in itertools.combinations(kind, 2):
                assert not set(one) & set(other), layer.name


def test_words_are_reduced() -> None:
    for layer in LAYERS.values():
        vocabulary = vocabulary_of(layer)
        for name in itertools.chain(*(argument.names for argument in vocabulary.arguments.values())):
            assert name == word(name) or name != name.lower(), layer.name
        for name in itertools.chain(*vocabulary.inputs.values()):
            assert name == word(name), layer.name


def test_layer_without_words_of_its_own_is_called_as_it_calls_itself() -> None:
    for layer in LAYERS.values():
        vocabulary = vocabulary_of(layer)
        assert list(vocabulary.inputs) == list(layer.inputs)
        assert all(vocabulary.inputs.values()), layer.name
        if layer.reference:
            assert vocabulary.names, layer.name
            assert set(vocabulary.arrangements[0].axes) >= {*layer.inputs, *layer.outputs}, layer.name


def test_probe_cases_tell_the_arrangements_apart() -> None:
    layer = LAYERS["conv"]
    problem, vocabulary = layer.problem(layer.probe_cases[0]), vocabulary_of(layer)
    usual = vocabulary.arrangements[0].axes
    for name in ("w", "b"):
        orders = [order for order in vocabulary.parameters[name] if "(" not in order]
        shapes = {Layout(usual[name], order).shape(problem.inputs[name].shape) for order in orders}
        assert len(shapes) == len(orders)
