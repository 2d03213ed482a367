"""Identifies returned values: of which input each is the gradient, in a tuple, a dictionary or nested in one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from gradcheck_cli.implementation.calling import describe
from gradcheck_cli.implementation.conventions.attributes import Wanted, gradient_entry
from gradcheck_cli.implementation.implementation import ImplementationError, Misshapen, NotExpressibleError
from gradcheck_cli.implementation.vocabulary.vocabulary import word
from gradcheck_cli.numeric.arrays import Array
from gradcheck_cli.text.names import join_names


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


def hold_shape(gradient: object, wanted: tuple[int, ...]) -> object:
    """Mark a gradient that has not the shape which its input has in the user's code."""
    if isinstance(gradient, np.ndarray) and gradient.shape != wanted:
        return Misshapen(gradient, wanted)
    return gradient


def as_array(value: object) -> object:
    """Make an array of a number in floating point."""
    return np.asarray(value) if isinstance(value, float | np.floating) else value
