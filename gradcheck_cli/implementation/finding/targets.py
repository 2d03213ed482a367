"""What a loss is compared with, and what names say of its gradient: labels are indices, one-hot rows, or targets."""

from __future__ import annotations

import itertools

import numpy as np

from gradcheck_cli.data.frozen import replace
from gradcheck_cli.implementation.conventions.reading import Reading
from gradcheck_cli.implementation.conventions.slots import SlotKind, is_cotangent
from gradcheck_cli.implementation.finding import names
from gradcheck_cli.implementation.finding.kinds import LABELS, ONE_HOT, Kind, kinds_of
from gradcheck_cli.implementation.finding.names import is_backward, layers_called, says_loss
from gradcheck_cli.implementation.finding.probe import PROBABILITIES, Guess, Probe

_OF_TARGETS = 2  #: axes of predictions of which each has a target


class TargetProbe(Probe):
    """Calls of a function that tell what its targets are."""

    def is_single_prediction(self, kinds: tuple[Kind, ...]) -> bool:
        """Tell whether beside a label there are only numbers: of one, a sum, a mean and an element are the same."""
        ranks = {kind.rank for kind in kinds if kind.name == "array"}
        return ranks == {0} and any(kinds_of(slot)[0].name == "labels" for slot in self.slots[self.made :])

    def lacks_targets(self, guess: Guess) -> bool:
        """Tell whether labels are no indices, but targets of single elements, of which more may be meant.

        A target may be a fraction, and the output depends on it; code may make indices of fractions. Then a loss also
        takes one for each element of a matrix of predictions.
        """
        kinds = guess.kinds
        most = max((kind.rank for kind in kinds if kind.name == "array"), default=0)
        targets = [kind.rank for kind in kinds if kind.name == "labels"]
        if not targets or min(targets) >= max(most, _OF_TARGETS):
            return False
        fractions = tuple(Kind("array", kind.rank) if kind.name == "labels" else kind for kind in kinds)
        within = replace(self.like(guess, fractions), within=PROBABILITIES)
        if not self.depends(within, guess.numbers("labels")):
            return False
        several = self.like(guess, with_ranks(kinds, most, max(most, _OF_TARGETS)))
        outs = [self.forward(self.like(guess, fractions)), self.forward(several)]
        if not all(outs) or [np.shape(out) for out in outs[0] or ()] != [np.shape(out) for out in outs[1] or ()]:
            return False
        return self.fitted(several) is not None

    def as_probabilities(self, guess: Guess) -> Guess | None:
        """Return a guess with inputs between 0 and 1 if the gradient is right there."""
        guess = replace(guess, within=PROBABILITIES)
        return guess if self.depends(guess) and self.slope_agrees(guess) else None

    def with_labels_that_agree(self, guess: Guess) -> Guess:
        """Return labels of another number of axes if the slope agrees with these alone.

        What is no index but a target for each element, as in a binary loss, is repeated where it has fewer axes.
        """
        if not guess.numbers("labels"):
            return guess
        ranks = [[kind, *LABELS, ONE_HOT] if kind.name == "labels" else [kind] for kind in guess.kinds]
        trials = (self.like(guess, kinds) for kinds in itertools.product(*ranks))
        meant = (trial for trial in trials if not self.lacks_targets(trial))
        return next(filter(None, map(self.agreeing, meant)), guess)

    def agreeing(self, guess: Guess) -> Guess | None:
        """Return a guess that fits, and of which the slope agrees; None for any other."""
        found = self.fitted(guess)
        return found if found and self.slope_agrees(found) else None

    def like(self, guess: Guess, kinds: tuple[Kind, ...]) -> Guess:
        """Return the guess of other kinds, with all axes equally long."""
        return replace(self.all_equal(kinds, guess.blocks), within=guess.within, readings=guess.readings)


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
    if (says_loss([forward]) or layers_called([forward], loss=True)) and is_backward(backward):
        return True
    return names.says_gradient([backward]) or backward in (f"d{forward}", f"d_{forward}")
