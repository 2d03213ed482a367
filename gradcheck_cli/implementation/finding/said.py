"""What the names of passes and arguments say: whether backward takes a cotangent, and whether it is a gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradcheck_cli.implementation.conventions.slots import SlotKind, is_cotangent
from gradcheck_cli.implementation.finding import names
from gradcheck_cli.implementation.finding.names import is_backward, layers_called, says_loss

if TYPE_CHECKING:
    from gradcheck_cli.implementation.conventions.reading import Reading


def says_cotangent(reading: Reading) -> bool:
    """Tell whether a name says that backward takes a cotangent."""
    slots = [slot for slot in reading.backward if slot.kind is SlotKind.COTANGENT]
    said = reading.code.backward is None or any(is_cotangent(slot.name) for slot in slots)
    return said or (reading.code.cls is not None and bool(slots))


def says_gradient(reading: Reading) -> bool:
    """Tell whether names say that backward returns a gradient."""
    if reading.code.backward is None:
        return False
    forward, backward = reading.code.name("forward"), reading.code.name("backward")
    if reading.code.cls is not None and not reading.backward:  # the backward pass of a loss, which keeps its inputs
        return True
    if (says_loss([forward]) or layers_called([forward], loss=True)) and is_backward(backward):
        return True
    return names.says_gradient([backward]) or backward in (f"d{forward}", f"d_{forward}")
