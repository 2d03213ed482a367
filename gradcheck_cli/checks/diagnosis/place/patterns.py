"""What a statement with a certain fault looks like, by the code of the cause."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from gradcheck_cli.checks.diagnosis.place import formulas, loops
from gradcheck_cli.checks.diagnosis.place.formulas import calls

if TYPE_CHECKING:
    from gradcheck_cli.checks.diagnosis.place.flow import Definition
    from gradcheck_cli.results.result import Diagnosis

#: Tells whether a statement looks like the fault.
Pattern = Callable[["Definition"], bool]


class Look(NamedTuple):
    """Where to look for a fault, and for what."""

    pattern: Pattern
    everywhere: bool = False  #: in all statements of the pass, not only in those on which the wrong arrays depend
    last: bool = False  #: only where the wrong arrays themselves are computed, not what they are computed from
    only: bool = False  #: whether no statement is blamed that does not look so, be it the only one


def look_for(cause: Diagnosis) -> Look | None:
    """Return what a fault looks like; None if its statement can only be told by what depends on it."""
    if by_words := _BY_WORDS.get(cause.code):
        return next((look for words, look in by_words.items() if words in cause.text), None)
    return next((look for codes, look in _LOOKS.items() if re.fullmatch(codes, cause.code)), None)


_SUMS = calls("sum", "mean", "einsum", "reduce", "nansum", "average")

#: A statement that draws random numbers.
DRAWS = calls("rand", "random", "randn", "binomial", "uniform", "normal", "choice", "permutation", "random_sample")

#: The one statement that computes what is wrong, whatever it computes that from.
_DEFINING = Look(lambda found: found.computes, last=True)

#: A formula in one statement: of one in steps, the fault may be in any.
_BOTH_TERMS = Look(formulas.reduces(2), last=True, only=True)

_LAST = Look(loops.ends_early, everywhere=True)

#: By words of the cause. A factor, or another part, that is left out is in no statement.
_BY_WORDS = {
    "factor": {
        "divided by": Look(formulas.divides),
        "wrong sign": Look(formulas.negates),
        "Look for a constant factor": Look(formulas.multiplies),
        " is 2 times the derivative": Look(formulas.multiplies),
        " are 2 times the derivative": Look(formulas.multiplies),
    },
    "loss-wrong": {
        "no margin": Look(calls("maximum", "clip", "where", "max", "relu")),
        "squared margins": Look(formulas.squares),
        "divided by": _DEFINING,
    },
}

#: By regular expressions for codes.
_LOOKS = {
    "assigned-not-accumulated": Look(loops.adds_only_once),
    "crop-empty": Look(loops.is_empty_crop, everywhere=True),
    "crop-fixed": Look(loops.is_fixed_crop, everywhere=True),
    "pad-fixed-at-1": Look(loops.has_fixed_pad, everywhere=True),
    "crop-(wrong-side|square|wrong-axes)": Look(loops.is_crop),
    "bias-axes|summed-axes": Look(_SUMS, last=True),
    "normalized-axes": Look(_SUMS),
    "zero": Look(loops.is_never_filled, last=True),
    "last-(windows|row|column|kernel-row|kernel-column)-missed": Look(loops.lacks_a_window, everywhere=True),
    "last-.*-missed|unfinished": _LAST,
    "size-of-wrong-axis": Look(loops.is_size_of_other_axis, everywhere=True),
    "bias-missing|beta-missing": _DEFINING,
    "matrix-not-transposed|weights-not-transposed|state-of-other-step|not-normalized|gamma-extra": _DEFINING,
    "statistics-constant|mean-path": _DEFINING,
    "variance-path": Look(formulas.reduces(1), last=True, only=True),
    "(mean|variance)-(sign|power)|scale-missing|sum-not-mean|divided-twice|direct-term": _BOTH_TERMS,
    "softmax-diagonal": Look(formulas.takes_from_one),
    "margin-missing": Look(formulas.compares),
    "output-tanh": Look(formulas.squares_cell),
    "gate-columns-permuted": Look(calls("hstack", "concatenate", "column_stack", "stack")),
    "reshaped-not-transposed": Look(formulas.only_reshapes),
    "reshaped": Look(calls("reshape", "ravel", "flatten", "squeeze", "expand_dims", "sum", "mean"), last=True),
    "transposed": Look(formulas.moves_axes, last=True),
    "kernel-rotated|kernel-flipped|.*s-permuted": Look(formulas.reverses),
    "single-axis-dropped": Look(calls("squeeze"), everywhere=True),
    "mean-over-steps|words-averaged": Look(formulas.divides_by_anything),
    "divided-by-n-minus-1": Look(formulas.divides_by_one_less, everywhere=True),
    "mask-inverted|mask-of-dout": Look(formulas.compares),
    "mask-redrawn": Look(DRAWS, everywhere=True),
    "drop-probability": Look(formulas.compares),
    "cotangent-ones": Look(calls("ones", "ones_like", "full", "full_like")),
    "cotangent-(mean|sum)": Look(_SUMS),
    "cotangent-first": Look(formulas.takes_first),
    "label-(sign|counted|shifted|assigned|in-all-rows)": Look(formulas.at_labels),
    "eps-missing|eps-outside-root|root-missing": Look(formulas.takes_root, everywhere=True),
    "eps-fixed": Look(formulas.has_small_number, everywhere=True),
    "exp-overflow": Look(calls("exp", "exp2")),
    "log-underflow|guarded-logarithm": Look(calls("log", "log2", "log10")),
    "float16-inside": Look(formulas.names_dtype("float16"), everywhere=True),
    "float32-inside": Look(formulas.names_dtype("float32"), everywhere=True),
    "float64-inside": Look(formulas.names_dtype("float64"), everywhere=True),
    "time-not-reversed": Look(loops.is_loop, everywhere=True),
    "wrong-order": Look(loops.is_return, everywhere=True),
}
