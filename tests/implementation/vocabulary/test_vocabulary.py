"""The words for a layer: no word means two things, and each is written as it is compared."""

from __future__ import annotations

import itertools

from gradcheck_cli.implementation.conventions.layout import orders_with_shape
from gradcheck_cli.implementation.vocabulary.lookup import vocabulary_of
from gradcheck_cli.implementation.vocabulary.vocabulary import word, words
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
            assert set(vocabulary.axes) >= {*layer.inputs, *layer.outputs}, layer.name


def test_alternatives_are_written_out() -> None:
    assert words("n{in,out} k{,s}") == ("nin", "nout", "k", "ks")
    assert words("{a,b}{1,2}") == ("a1", "a2", "b1", "b2")


def test_a_shape_shows_the_order_of_axes() -> None:
    here = (4, 2, 3, 5)
    for shape, orders in {
        (4, 2, 3, 5): ["F C HH WW"],
        (3, 5, 2, 4): ["HH WW C F"],
        (4, 30): ["F (C HH WW)", "F (HH C WW)", "F (HH WW C)"],
        (1, 30, 4): ["1 (C HH WW) F", "1 (HH C WW) F", "1 (HH WW C) F"],
        (5, 3, 2, 4): [],  # a kernel on its side
    }.items():
        assert orders_with_shape("F C HH WW", here, shape) == orders
    assert orders_with_shape("F", (4,), (1, 4, 1)) == ["1 F 1"]
    assert orders_with_shape("D M", (3, 3), (3, 3)) == ["D M", "M D"]
