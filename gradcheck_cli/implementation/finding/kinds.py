"""What an argument of a function may be, of which only the name is known: an array, labels or a number."""

from __future__ import annotations

import re
from typing import NamedTuple

from gradcheck_cli.implementation.conventions.network import VOCABULARIES
from gradcheck_cli.implementation.conventions.network_steps import Role
from gradcheck_cli.implementation.conventions.slots import LABELS as LABEL_NAMES
from gradcheck_cli.implementation.conventions.slots import LEARNING_RATES, SIZE, Slot, SlotKind
from gradcheck_cli.implementation.vocabulary.vocabulary import word, words

_LABELS = {"Y", *LABEL_NAMES, *words("ys truelabels idx index indices words ids tokens")}
_INDICES = ("Idx", "_idx", "Index", "_index", "_ids")
NUMBER_NAMES = {
    *words(
        "stride pad padding axis k n size kernel kernelsize groups eps epsilon alpha p momentum scale "
        "temperature dim numheads heads nheads nhead numhead reg lambda lambd lam delta slope dilation margin "
        "numblocks nblocks numlayers nlayers depth power exponent minval maxval low high lo hi"
    )
}


#: Parameters that a constructor is given.
_PARAMETERS = {"w", "weight", "weights", "wx", "wh", "wo", "b", "bias", "biases", "gamma", "beta"}
#: Arrays that mostly have one axis, and arrays that may have an axis for steps.
_OFFSET = re.compile(r"b(ias)?(es)?\d*$|b(q|k|v|o|qkv|out|in|up|down|proj|fc)\d*$|gamma\d*$|beta\d*$|bias|.*bias$")
_DATA = {*words("x inputs input q query queries keys key values value hidden emb xs inp")}

#: Names of functions that are passed.
_FUNCTION = re.compile(r"prime|func|deriv|callback|^(act|activation|optimizer|loss|initializer|layers?)(_?fn?)?$")

_SIZES = {"n", "dim"}  #: numbers that are lengths of axes in a constructor

#: Numbers between 0 and 1.
_FRACTIONS = {"p", "rate", "ratio", "prob", "keepprob", "droprate", "dropoutrate", "alpha", "momentum", "slope", "eps"}


_FILTERS = words("filter{,size} kernel{,size} hh ww field fieldsize")  #: of odd size, that fits into what is padded


class Kind(NamedTuple):
    """What an argument may be."""

    #: An array, labels (binary: of two classes), one-hot rows, a value; of a constructor the length of an axis (size),
    #: or several (tuple).
    name: str
    rank: int = 0
    value: float = 0


def _arrays(*ranks: int) -> list[Kind]:
    return [Kind("array", rank) for rank in ranks]


ARRAYS = _arrays(2, 1, 3, 0, 4)
NUMBERS = [Kind("value", value=1), Kind("value", value=2), Kind("value", value=3)]
LABELS = [Kind("labels", 1), Kind("labels", 2), Kind("labels", 0)]
ONE_HOT = Kind("one-hot", 2)
COLUMN = Kind("array", 2, 1)  #: with a last axis of length 1
_SIZE, _HALF = Kind("size", 1), Kind("value", value=0.5)
_TARGETS = [LABELS[0], ONE_HOT, Kind("binary", 2), ARRAYS[0], LABELS[1], Kind("binary", 1), ARRAYS[1]]


def kinds_of(slot: Slot) -> list[Kind]:
    """List the kinds of an argument, the likeliest first."""
    name = word(slot.name)
    if slot.value is Role.TARGETS:
        return [LABELS[1], *_TARGETS] if name.startswith("caption") else _TARGETS
    if slot.value is Role.DATA:
        return [*_arrays(2, 4), LABELS[0], *_arrays(1, 3)]
    if slot.value is Role.PENALTY:
        return [_HALF]
    if slot.value is Role.SIZE:
        return _kinds_of_sizes(slot, name)
    name = _word_of(slot)
    if "onehot" in name:
        return [ONE_HOT, *LABELS, *ARRAYS]
    if _OFFSET.match(name):
        return [*_arrays(1, 2, 3, 0, 4), LABELS[0]]
    if is_data(slot):
        return [*_arrays(2, 3, 1, 4, 0), LABELS[0]]
    if name in _LABELS or slot.name.endswith(_INDICES):
        return [*LABELS, *ARRAYS]
    if name in NUMBER_NAMES or slot.whole or (len(slot.name) > 1 and SIZE.match(slot.name)):
        return [*NUMBERS, *ARRAYS]
    return [*ARRAYS, LABELS[0], COLUMN]  # no number: with 1 in its place much that is wrong would be right


def is_data(slot: Slot) -> bool:
    """Tell whether an argument is called what a layer transforms: an array."""
    return _word_of(slot) in _DATA


def _word_of(slot: Slot) -> str:
    return slot.name if len(slot.name) == 1 else word(slot.name)  # K and V may be arrays where k is a number


def flag_of(name: str, *, made_with: bool = False) -> str:
    """Write the flag that gives an argument a likely shape or value; "" for what is a function, and no flag gives."""
    if _FUNCTION.search(name.lower()):
        return ""
    slot = Slot(name=name, kind=SlotKind.INPUT)
    kind = (kinds_to_make if made_with else kinds_of)(slot)[0]
    if kind.name == "labels":
        return f"--labels {name}=2:3"
    if kind.name != "array":
        return f"--value {name}={3 if kind.name == 'size' else 2 if kind.value == 1 else kind.value or '2x3'}"
    is_weight = word(name) in _PARAMETERS and word(name).startswith("w")
    return f"--shape {name}={'3x4' if is_weight else '4' if kind.rank == 1 else '2x3'}"


def is_size(slot: Slot) -> bool:
    """Tell whether an argument of a constructor that may be left out can be the length of an axis."""
    is_whole = isinstance(slot.default, int) and not isinstance(slot.default, bool)
    return slot.kind is SlotKind.INPUT and is_whole and word(slot.name) not in NUMBER_NAMES | _FRACTIONS


def kinds_to_make(slot: Slot) -> list[Kind]:
    """List the kinds of an argument of a constructor, the likeliest first: the length of an axis, or a number."""
    name = word(slot.name)
    if name in _PARAMETERS and not slot.whole:
        return [ARRAYS[0], ARRAYS[1]] if name.startswith("w") else [ARRAYS[1], ARRAYS[0]]
    if "shape" in name or isinstance(slot.default, tuple):
        return [Kind("tuple", 3), Kind("tuple", 2), Kind("tuple", 1), _SIZE]
    if name in _FRACTIONS:
        return [_HALF, NUMBERS[0], _SIZE]
    return [*NUMBERS, _SIZE, _HALF] if name in NUMBER_NAMES - _SIZES else [_SIZE, _HALF, *NUMBERS]


def _kinds_of_sizes(slot: Slot, name: str) -> list[Kind]:
    """List the kinds of an argument of what makes a network: the length of a layer, or of several in a list."""
    if name in _FILTERS:
        return [NUMBERS[2]]
    if name in LEARNING_RATES:
        return [_HALF]
    if isinstance(slot.default, tuple | list):
        return [Kind("tuple", len(slot.default))]
    if name in VOCABULARIES or isinstance(slot.default, int):
        return [_SIZE]
    several = [Kind("tuple", 3), Kind("tuple", 2)]
    is_list = len(name) > 1 and name.endswith("s") and not name.startswith(("n", "num"))
    return [*several, _SIZE] if is_list else [_SIZE, *several, _HALF]
