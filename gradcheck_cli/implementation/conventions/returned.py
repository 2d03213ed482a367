"""Identifies what passes return: the outputs and the cache of forward, and which gradient each value is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np

from gradcheck_cli.implementation.calling import describe
from gradcheck_cli.implementation.conventions.attributes import Wanted, gradient_entry
from gradcheck_cli.implementation.conventions.containers import Context
from gradcheck_cli.implementation.conventions.reading import Reading
from gradcheck_cli.implementation.conventions.slots import SlotKind, is_context
from gradcheck_cli.implementation.implementation import ImplementationError, NotExpressibleError
from gradcheck_cli.implementation.vocabulary.vocabulary import word
from gradcheck_cli.numeric.arrays import Array
from gradcheck_cli.text.names import join_names


def has_cache(reading: Reading, returned: object) -> bool:
    """Tell whether forward returned one thing more than its outputs."""
    return isinstance(returned, tuple | list) and len(returned) == len(reading.outputs) + 1


def outputs_in(reading: Reading, returned: object, context: Context | None) -> tuple[list[object], object]:
    """Tell the outputs of forward from its cache."""
    count = len(reading.outputs)
    returned = reading.joined(reading.outputs[0], with_cache_last(returned))
    several = list(returned) if isinstance(returned, tuple | list) else [returned]
    if reading.code.backward is None:
        return _number_and_gradients(reading, returned, several)
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
    elif not reading.layer.loss and caches and not context and len(several) > count + 1 and _may_return_more(reading):
        cache = several.pop()  # the outputs between, such as predictions, are not differentiated
    elif context is None and caches and not (any(slot.key for slot in caches) or reading.code.cls is not None):
        if count > 1 or len(several) > 1 or any(is_context(slot.name) for slot in caches):
            _refuse(reading, returned)
        cache = returned  # what backward takes may be the output
    several = several[:count] if not reading.layer.reference and _may_return_more(reading) and caches else several
    if len(several) < count or (not reading.layer.reference and len(several) > count):
        _refuse(reading, returned)
    return [_as_output(reading, one) for one in several[:count]], cache


def _number_and_gradients(reading: Reading, returned: object, several: list[object]) -> tuple[list[object], object]:
    """Tell a number from its gradients; a number beside them, such as an accuracy, is no gradient of scores."""
    if len(several) < 2:
        _refuse(reading, returned)
    number, *gradients = number_first(several)
    if reading.layer.reference:
        gradients = [one for one in gradients if not isinstance(one, int | float | np.number)] or gradients
    nested = len(gradients) == 1 and isinstance(gradients[0], tuple | list | dict)
    return [as_array(number)], gradients[0] if nested else gradients


def with_cache_last(returned: Any) -> Any:
    """Return what is in a dictionary of an output and a cache as a pair; anything else as it is."""
    keys = sorted(returned, key=lambda key: is_context(str(key))) if isinstance(returned, dict) else []
    is_pair = len(keys) == 2 and is_context(str(keys[1])) and isinstance(returned[keys[0]], np.ndarray)
    return tuple(returned[key] for key in keys) if is_pair else returned


def number_first(returned: list[object]) -> list[object]:
    """Return a number and its gradients with the number first, also where it is returned last: `return grad, loss`."""
    is_last = np.size(returned[0]) > 1 and isinstance(returned[-1], float | np.floating)  # type: ignore[arg-type]
    return [returned[-1], *returned[:-1]] if is_last else returned


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


def gradients_in(
    returned: object, names: Sequence[str], wanted: Callable[[str], Wanted], called: str
) -> dict[str, object]:
    """Identify the input of which each returned value is the gradient.

    Args:
        returned: one gradient, several in the order of `names`, a dictionary of them, or (the first, the others).
        names: the inputs that have a gradient.
        wanted: says what an input is called in a dictionary.
        called: the name of the function that returned them.

    Raises:
        ImplementationError: it is none of these.
    """
    returned = as_array(returned)
    if returned is None or not names:
        return {}
    if isinstance(returned, dict):
        entries = {name: gradient_entry(returned, name, wanted(name)) for name in names}
        return {name: as_array(value) for name, value in entries.items() if value is not None}
    if isinstance(returned, np.ndarray) and len(names) == 1:
        return {names[0]: returned}
    if isinstance(returned, tuple | list):
        kept, found, places = without_nones(returned, len(names)), dict[str, object](), list[object]()
        for value in kept:
            entries = gradients_in(value, names, wanted, called) if isinstance(value, dict) else {}
            found |= entries
            if isinstance(value, tuple | list) and len(kept) < len(names):
                places += value
            elif not entries:
                places.append(value)
        left = [name for name in names if name not in found]
        if len(places) <= len(left):
            return found | dict(zip(left, map(as_array, places), strict=False))
    expected = join_names(f"d{name}" for name in names)
    raise ImplementationError(f"{called} returned {describe(returned)}, where {expected} must be returned")


def is_list_of_numbers(value: object) -> bool:
    """Tell whether a value is a list of numbers, or of lists of them, as code without NumPy returns."""
    if not isinstance(value, list) or not value:
        return False
    return all(isinstance(one, float) or is_list_of_numbers(one) for one in value)


def entry_at(keys: Iterable[str], found: object) -> object:
    """Return the gradient of an array in a container from a container of gradients; None if there is none."""
    for key in keys:
        if isinstance(found, list | tuple) and key.isdecimal() and int(key) < len(found):
            found = found[int(key)]
        elif isinstance(found, dict):
            number = int(key) if key.isdecimal() else None
            found = found[number] if number in found else gradient_entry(found, key, Wanted((word(key),)))
        else:
            return None
    return as_array(found)


def without_nones(returned: Sequence[object], expected: int) -> Sequence[object]:
    """Leave out what is None for arguments without a gradient, where more values are returned than are expected.

    Static passes return a value for each argument of forward: `dx, dw, db, None, None` with a stride and a pad, or
    `None, dW` where the first argument is labels or indices.
    """
    kept = list(returned)
    while len(kept) > expected and kept[-1] is None:
        kept.pop()
    gradients = [value for value in kept if value is not None]
    return gradients if len(kept) > expected == len(gradients) else kept


def times_cotangent(gradients: Mapping[str, object], cotangent: Array, called: str) -> dict[str, object]:
    """Multiply gradients that know no cotangent: those of a number as a whole, others element by element.

    Raises:
        NotExpressibleError: a gradient has neither of the shapes that this takes.
    """
    found: dict[str, object] = {}
    for name, gradient in gradients.items():
        found[name] = gradient
        if not isinstance(gradient, np.ndarray) or not (gradient.dtype.kind == "f" or _is_step(gradient, cotangent)):
            continue
        if cotangent.size != 1 and gradient.shape != cotangent.shape:
            raise NotExpressibleError(
                f"{called} takes no cotangent, and d{name} has shape {gradient.shape}, and out {cotangent.shape}: "
                f"give it one, {called}(dout, ...), and return the gradients of sum(dout * out)"
            )
        factor = cotangent.reshape(()) if cotangent.size == 1 else cotangent
        found[name] = np.asarray(gradient * (factor.astype(gradient.dtype) if gradient.dtype.kind == "f" else factor))
    return found


def _is_step(slope: Array, cotangent: Array) -> bool:
    """Tell whether a slope is that of a function with a bend, such as `x > 0`, written without a decimal point."""
    return slope.dtype.kind in "bi" and slope.shape == cotangent.shape and bool(np.isin(slope, (-1, 0, 1)).all())


def _as_output(reading: Reading, value: object) -> object:
    """Return an output; a loss as a number also where it is a matrix of one element, as products with ones have it."""
    if reading.layer.loss and isinstance(value, np.ndarray) and value.size == 1:
        return np.reshape(value, ())
    return value if reading.layer.reference and not reading.layer.loss else as_array(value)


def as_array(value: object) -> object:
    """Make an array of a number in floating point."""
    return np.asarray(value) if isinstance(value, float | np.floating) else value


def with_kept_axes(gradient: object, shape: tuple[int, ...]) -> object:
    """Return the gradient of what an object keeps with the axes of length 1 that an update would broadcast.

    A number lacks more: it is that of a bias that was summed over all axes, and has the right size where that is 1.
    """
    lacks = isinstance(gradient, np.ndarray) and 0 < gradient.ndim < len(shape)
    if not isinstance(gradient, np.ndarray) or not lacks or gradient.size != math.prod(shape):
        return gradient
    is_same = [n for n in gradient.shape if n > 1] == [n for n in shape if n > 1]
    return gradient.reshape(shape) if is_same else gradient
