"""The names that people use for the parts of a layer, and the forms in which they take them.

The conventions know nothing of any layer: they read signatures and attributes with these words. They are facts about
other people's code; a layer of which none are known has those that follow from its inputs and axes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import field
from itertools import product
from types import MappingProxyType
from typing import Any, NamedTuple

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.numeric.arrays import Array

#: The numbers of a geometry by name; of a pair, always both.
Sizes = Mapping[str, Any]

#: From inputs or parameters as the layer has them, by name, to those that have another form or sense: labels as one-hot
#: rows, the probability of dropping for that of keeping.
Encoding = Callable[[Mapping[str, Any]], Mapping[str, Any]]


def word(name: str) -> str:
    """Reduce a name to what is compared: `_in_channels` and `inChannels` are one word."""
    return name.replace("_", "").lower()


def words(text: str) -> tuple[str, ...]:
    """Split a text into words, and write out their alternatives: "n{in,out} k" is nin, nout and k."""
    found = []
    for pattern in text.split():
        parts = [part.split(",") for part in re.split(r"[{}]", pattern)]
        found += ["".join(chosen) for chosen in product(*parts)]
    return tuple(dict.fromkeys(found))


#: What stands in for an argument that code can always do without.
NEVER_NEEDED: Mapping[str, Callable[[Sizes], str | None]] = MappingProxyType({"": lambda _: None})


class Argument(NamedTuple):
    """A number, or whatever says a part of the geometry, as an argument of a function or a constructor."""

    names: tuple[str, ...]  #: as `word` reduces them; a name with a capital is compared as it is
    #: What may be passed, the most frequent first, by how the header says it ("" for nothing to say).
    #: One raises ValueError where it cannot express the geometry.
    forms: Mapping[str, Callable[[Sizes], object]]
    #: What can be done where there is no such argument, by how the header says it; None says that it can be done.
    absent: Mapping[str, Callable[[Sizes], str | None]] = NEVER_NEEDED
    keys: tuple[str, ...] = ()  #: what an entry of a dictionary is called besides, as it is written
    unless: tuple[str, ...] = ()  #: arguments that say the same: where there is one of them, nothing is absent
    pair: bool = False  #: (vertical, horizontal), given as one number where both are the same
    shapes: bool = False  #: it alone says the shape of a parameter: without it, a class has one shape only
    optional: bool = False  #: left out where it has a default and the geometry does not need it


class Arrangement(NamedTuple):
    """How arrays lie: of each that does not lie as the layer has it, the order of its axes, such as "N H W C"."""

    title: str  #: how the header says it; "" for the usual one
    axes: Mapping[str, str]
    telling: tuple[str, ...] = ()  #: names of arguments, reduced, that tell it
    exact: bool = False  #: what needs it cannot do with the usual one, and its gradients must lie so too
    single: bool = False  #: code takes one sample, and is called for each of a batch


def arranged(title: str, telling: str = "", **axes: str) -> Arrangement:
    """Return an arrangement; `telling` are words, separated by spaces."""
    return Arrangement(title=title, axes=axes, telling=words(telling))


class Part(NamedTuple):
    """An array of somebody's code that is made of the layer's: stacked as rows, and of these some blocks of columns."""

    names: tuple[str, ...]
    stacked: tuple[str, ...]  #: inputs of the layer
    blocks: tuple[int, ...] = ()  #: numbers of blocks, such as gates; () for an array without
    shares: tuple[float, ...] = ()  #: what each block is multiplied by; () for 1


@frozen
class Packing:
    """Another way to divide a layer's inputs into arrays, such as a matrix for each gate."""

    title: str  #: how the header says it
    parts: Mapping[str, Part]  #: the arrays of the code
    optional: tuple[str, ...]  #: those that code may lack
    axes: Mapping[str, str]  #: of these, and of the outputs
    arrangements: tuple[Arrangement, ...]
    letters: str = ""  #: of the blocks, in the layer's order, where code may have them in any other
    #: By array that may be absent, of which input an axis must be longer than 1 then, and why.
    longer: Mapping[str, tuple[str, int, str]] = field(default_factory=dict)


@frozen
class Vocabulary:
    """The words for a layer."""

    names: tuple[str, ...] = ()  #: of the layer itself, in names of functions and classes
    others: tuple[str, ...] = ()  #: of other layers, and of this one with something more
    inputs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  #: what each input is called
    parameters: tuple[str, ...] = ()  #: the inputs that classes keep
    axes: Mapping[str, str] = field(default_factory=dict)  #: of each input and output, as the layer has them
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    sizes: Callable[[Mapping[str, Array], Mapping[str, object] | None], Sizes] = lambda _inputs, _parameters: {}
    arrangements: tuple[Arrangement, ...] = (Arrangement("", {}),)  #: the usual one first
    #: Other forms of inputs and parameters, by how the header says it.
    encodings: Mapping[str, Encoding] = field(default_factory=dict)
    #: Other ways to divide the inputs into arrays; `packing` is the one that these words are for.
    packings: Callable[[], tuple[Packing, ...]] = tuple
    packing: Packing | None = None
    optional: tuple[str, ...] = ("b",)  #: inputs that code may lack; they are zero then
    siblings: tuple[str, ...] = ()  #: layers that may be meant by the same name, such as a step
    #: Arrays that code may ask for in a dictionary, and that do not change what is checked: their numbers of axes.
    spares: Mapping[str, int] = field(default_factory=dict)
    output_names: tuple[str, ...] = ()  #: what backward calls forward's first output
    #: Whether code of this name may well compute another function of the same kind: with another eps, or not inverted.
    varies: bool = False
    #: Whether samples depend on each other, so that code cannot take one at a time.
    mixes_samples: bool = False
    #: Whether some of the layer's parameters can only be passed in its dictionary.
    needs_dictionary: bool = False

    @property
    def has_packings(self) -> bool:
        """Whether there are other ways to divide the inputs."""
        return self.packings is not tuple
