"""What a loss is compared with, and what names say of its gradient: labels are indices, one-hot rows, or targets."""

from __future__ import annotations

import itertools

import numpy as np

from gradcheck_cli.implementation.conventions.reading import Reading
from gradcheck_cli.implementation.conventions.slots import SlotKind, is_cotangent
from gradcheck_cli.implementation.finding import names
from gradcheck_cli.implementation.finding.kinds import LABELS, ONE_HOT, Kind, kinds_of
from gradcheck_cli.implementation.finding.names import is_backward, layers_called, says_loss
from gradcheck_cli.implementation.finding.probe import PROBABILITIES, Probe, Sizes

_OF_TARGETS = 2  #: axes of predictions of which each has a target


class TargetProbe(Probe):
    """Calls of a function that tell what its targets are."""

    def _is_single_prediction(self, kinds: tuple[Kind, ...]) -> bool:
        """Tell whether beside a label there are only numbers: of one, a sum, a mean and an element are the same."""
        ranks = {kind.rank for kind in kinds if kind.name == "array"}
        return ranks == {0} and any(kinds_of(slot)[0].name == "labels" for slot in self._slots[self._made :])

    def _lacks_targets(self, kinds: tuple[Kind, ...], scale: Sizes) -> bool:
        """Tell whether labels are no indices, but targets of single elements, of which more may be meant.

        A target may be a fraction. Then a loss also takes one for each element of a matrix of predictions.
        """
        most = max((kind.rank for kind in kinds if kind.name == "array"), default=0)
        targets = [kind.rank for kind in kinds if kind.name == "labels"]
        if not targets or min(targets) >= max(most, _OF_TARGETS):
            return False
        fractions = tuple(Kind("array", kind.rank) if kind.name == "labels" else kind for kind in kinds)
        several = with_ranks(kinds, most, max(most, _OF_TARGETS))
        outs = [self._forward(own, self._all_equal(own), scale) for own in (fractions, several)]
        if not all(outs) or [np.shape(out) for out in outs[0] or ()] != [np.shape(out) for out in outs[1] or ()]:
            return False
        before = self._within, self._readings
        fits = self._fits(several, self._all_equal(several), scale)
        self._within, self._readings = before
        return fits

    def _takes_probabilities(self, kinds: tuple[Kind, ...], sizes: Sizes, scale: Sizes) -> bool:
        """Tell whether the gradient is right for numbers between 0 and 1, and let inputs lie there if it is."""
        before, self._within = self._within, PROBABILITIES
        if self._depends(kinds, sizes, scale) and self._slope_agrees(kinds, sizes, scale):
            return True
        self._within = before
        return False

    def _labels_that_agree(self, kinds: tuple[Kind, ...], sizes: Sizes, scale: Sizes) -> tuple[tuple[Kind, ...], Sizes]:
        """Return labels of another number of axes if the slope agrees with these alone.

        What is no index but a target for each element, as in a binary loss, is repeated where it has fewer axes.
        """
        if not any(kind.name == "labels" for kind in kinds):
            return kinds, sizes
        ranks = [[kind, *LABELS, ONE_HOT] if kind.name == "labels" else [kind] for kind in kinds]
        for others in itertools.product(*ranks):
            equal = self._all_equal(others)
            if self._lacks_targets(others, scale):
                continue
            if self._fits(others, equal, scale) and self._slope_agrees(others, equal, scale):
                return others, equal
        return kinds, sizes


def with_ranks(kinds: tuple[Kind, ...], most: int, rank: int) -> tuple[Kind, ...]:
    """Return the kinds in which predictions, the arrays of most axes, and their targets have so many axes."""
    return tuple(k._replace(rank=rank) if k.name == "labels" or k == Kind("array", most) else k for k in kinds)


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
