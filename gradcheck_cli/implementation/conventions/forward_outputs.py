"""Tells the outputs of a forward pass from what else it returns."""

from __future__ import annotations

from typing import NoReturn

import numpy as np

from gradcheck_cli.implementation.calling import describe
from gradcheck_cli.implementation.conventions.context import Context
from gradcheck_cli.implementation.conventions.reading import Reading
from gradcheck_cli.implementation.conventions.returned import as_array
from gradcheck_cli.implementation.conventions.slots import SlotKind, is_context
from gradcheck_cli.implementation.implementation import ImplementationError
from gradcheck_cli.implementation.vocabulary.vocabulary import word


def has_cache(reading: Reading, returned: object) -> bool:
    """Tell whether forward returned one thing more than its outputs."""
    return isinstance(returned, tuple | list) and len(returned) == len(reading.outputs) + 1


def outputs_in(reading: Reading, returned: object, context: Context | None) -> tuple[list[object], object]:
    """Tell the outputs of forward from its cache."""
    count = len(reading.outputs)
    returned = reading.joined(reading.outputs[0], returned)
    several = list(returned) if isinstance(returned, tuple | list) else [returned]
    if reading.code.backward is None:
        if len(several) < 2:
            _refuse(reading, returned)
        gradients = several[1:]
        nested = len(gradients) == 1 and isinstance(gradients[0], tuple | list | dict)
        return [as_array(several[0])], gradients[0] if nested else gradients
    if reading.output_at:
        if len(several) <= reading.output_at:
            _refuse(reading, returned)
        return [as_array(several[reading.output_at])], None
    caches = reading.caches
    state = sum(slot.kind is SlotKind.ENTRY for slot in reading.forward)
    if state and len(several) == count + 1 + state:  # running means, after the cache or before it
        last = all(isinstance(value, np.ndarray) for value in several[-state:])
        returned = several = several[:-state] if last else [*several[:count], several[-1]]
    parts = [slot.value for slot in caches if isinstance(slot.value, int)]
    own = bool(parts) and not reading.layer.reference and len(several) > count + max(parts)
    is_spread = any(slot.spread for slot in caches) and len(several) > count + 1
    if own or is_spread or (parts and len(several) == count + len(parts)):  # what backward takes one by one
        returned = several = [*several[:count], tuple(several[count:])]
    if parts and not (isinstance(several[-1], tuple | list) and len(several[-1]) > max(parts)):
        _refuse(reading, returned)
    cache: object = context
    if has_cache(reading, returned):
        cache = several.pop()
        cache = context if context is not None and context.is_filled and _shares_context(reading) else cache
    elif not reading.layer.loss and caches and not context and len(several) > count + 1 and _may_return_more(reading):
        cache = several.pop()  # the outputs between, such as predictions, are not differentiated
    elif context is None and caches and not (any(slot.key for slot in caches) or reading.code.cls is not None):
        if count > 1 or len(several) > 1 or any(is_context(slot.name) for slot in caches):
            _refuse(reading, returned)
        cache = returned  # what backward takes may be the output
    several = several[:count] if not reading.layer.reference and _may_return_more(reading) and caches else several
    if len(several) < count or (not reading.layer.reference and len(several) > count):
        _refuse(reading, returned)
    number = reading.layer.loss or not reading.layer.reference
    return list(map(as_array, several[:count])) if number else several[:count], cache


def _may_return_more(reading: Reading) -> bool:
    """Tell whether code may return predictions and the like between its output and its cache."""
    return reading.vocabulary.packing is not None or (not reading.layer.reference and len(reading.outputs) == 1)


def _refuse(reading: Reading, returned: object) -> NoReturn:
    both, known = reading.code.backward is None, reading.layer.reference
    expected = "loss, gradient" if both and known else "number, gradients" if both else ""
    expected = expected or ", ".join([*reading.outputs, "cache"])
    hint = "; of two functions name both, FILE.py:f,gradient" if both and not known else ""
    name = reading.code.name("forward")
    raise ImplementationError(f"{name} returned {describe(returned)}, not ({expected}){hint}")


def _shares_context(reading: Reading) -> bool:
    """Tell whether backward takes a cache under the name that the context has in forward."""
    names = {word(slot.name) for slot in reading.forward if slot.kind is SlotKind.CONTEXT}
    return any(word(slot.name) in names for slot in reading.backward if slot.kind is SlotKind.CACHE)
