"""The layers with a fault beside two-dimensional convolutions: importing a family adds its own to `FAULTS`."""

from __future__ import annotations

from tests.faults import convolutions, dense, elementwise, losses, normalizations, pooling, recurrent
from tests.faults.layer_fault import FAULTS

__all__ = ["FAULTS", "convolutions", "dense", "elementwise", "losses", "normalizations", "pooling", "recurrent"]
