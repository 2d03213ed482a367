"""What a statement with a certain fault looks like, by the code of the cause."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from typing import NamedTuple

from gradcheck_cli.checks.diagnosis.place import loops
from gradcheck_cli.checks.diagnosis.place.flow import Definition
from gradcheck_cli.checks.diagnosis.place.syntax import called_name
from gradcheck_cli.checks.diagnosis.place.templates import has
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


def _calls(*names: str) -> Pattern:
    return has(*(f"{name}(...)" for name in names))


def _reduces(least: int) -> Pattern:
    """Return the pattern of a formula that has at least so many means or sums in it, and not only their names."""
    return lambda found: sum(called_name(one) in ("sum", "mean") for one in found.expressions) >= least


def _pads_by_one(found: Definition) -> bool:
    return has("pad(...)")(found) and has("1")(found)


_SUMS = _calls("sum", "mean", "einsum", "reduce", "nansum", "average")

#: A statement that draws random numbers.
DRAWS = _calls("rand", "random", "randn", "binomial", "uniform", "normal", "choice", "permutation", "random_sample")

#: The one statement that computes what is wrong, whatever it computes that from.
_DEFINING = Look(lambda found: found.computes, last=True)

#: A formula in one statement: of one in steps, the fault may be in any.
_BOTH_TERMS = Look(_reduces(2), last=True, only=True)

#: A division other than by a sum, which makes probabilities.
_DIVIDES = has(
    *("_ / _", "_ /= _", "mean(...)", "average(...)", "divide(...)", "true_divide(...)"),
    without=("_ / sum(...)", "_ /= sum(...)"),
)
_COMPARES = has("_ < _", "_ > _", "_ <= _", "_ >= _", "~_", "1 - _")
_MULTIPLIES = Look(has("NUMBER * _", "_ * NUMBER", "_ / NUMBER", "_ *= NUMBER", "_ /= NUMBER"))
_ENDS_EARLY = has(
    *(f"{name}({begin}_ - 1)" for name in ("range", "arange") for begin in ("", "_, ")),
    *("range(_, _ - 1, NUMBER)", "ndindex(..., _ - 1)", "[:-1]"),
)
_ROOTS = has("sqrt(...)", "rsqrt(...)", *(f"_ ** {sign}{power}" for sign in ("", "-") for power in (0.5, 1.5)))

#: By words of the cause. A factor, or another part, that is left out is in no statement.
_BY_WORDS = {
    "factor": {
        "divided by": Look(_DIVIDES),
        "wrong sign": Look(has("-_", "-1 * _", "_ -= _")),
        "Look for a constant factor": _MULTIPLIES,
        "2 times the derivative": _MULTIPLIES,
    },
    "loss-wrong": {
        "no margin": Look(_calls("maximum", "clip", "where", "max", "relu")),
        "squared margins": Look(has("square(...)", "_ ** 2", "a * a")),
        "divided by": _DEFINING,
    },
}

#: By regular expressions for codes.
_LOOKS = {
    "assigned-not-accumulated": Look(loops.adds_only_once),
    "crop-empty": Look(has("[a:-a]"), everywhere=True),
    "crop-fixed": Look(has("[1:-1]"), everywhere=True),
    "pad-fixed-at-1": Look(lambda found: has("[1:-1]")(found) or _pads_by_one(found), everywhere=True),
    "crop-(wrong-side|square|wrong-axes)": Look(loops.is_crop),
    "bias-axes|summed-axes": Look(_SUMS, last=True),
    "normalized-axes": Look(_SUMS),
    "zero": Look(loops.is_never_filled, last=True),
    "last-(windows|row|column|kernel-row|kernel-column)-missed": Look(
        lambda found: _ENDS_EARLY(found) or loops.lacks_a_window(found), everywhere=True
    ),
    "last-.*-missed|unfinished": Look(_ENDS_EARLY, everywhere=True),
    "size-of-wrong-axis": Look(loops.is_size_of_other_axis, everywhere=True),
    "bias-missing|beta-missing": _DEFINING,
    "matrix-not-transposed|weights-not-transposed|state-of-other-step|not-normalized|gamma-extra": _DEFINING,
    "statistics-constant|mean-path": _DEFINING,
    "variance-path": Look(_reduces(1), last=True, only=True),
    "(mean|variance)-(sign|power)|scale-missing|sum-not-mean|divided-twice|direct-term": _BOTH_TERMS,
    "softmax-diagonal": Look(has("1 - _")),
    "margin-missing|mask-inverted|mask-of-dout|drop-probability": Look(_COMPARES),
    "gate-columns-permuted": Look(_calls("hstack", "concatenate", "column_stack", "stack")),
    "reshaped-not-transposed": Look(has("_.reshape(_, _, _, _)", without=("transpose(...)",))),
    "reshaped": Look(_calls("reshape", "ravel", "flatten", "squeeze", "expand_dims", "sum", "mean"), last=True),
    "transposed": Look(
        has("_.T", *(f"{name}(...)" for name in ("transpose", "swapaxes", "moveaxis", "rollaxis", "permute"))),
        last=True,
    ),
    "kernel-rotated|kernel-flipped|.*s-permuted": Look(
        has(
            "[::-1]",
            *(f"{name}(...)" for name in ("flip", "fliplr", "flipud", "rot90", "roll", "argsort", "permutation")),
        )
    ),
    "single-axis-dropped": Look(_calls("squeeze"), everywhere=True),
    "mean-over-steps|words-averaged": Look(has("_ / _", "_ /= _")),
    "divided-by-n-minus-1": Look(has("_ / (_ - 1)", "_(..., ddof=_)"), everywhere=True),
    "mask-redrawn": Look(DRAWS, everywhere=True),
    "cotangent-ones": Look(_calls("ones", "ones_like", "full", "full_like")),
    "cotangent-(mean|sum)": Look(_SUMS),
    "cotangent-first": Look(has("_[0]", "[:1]", without=("_.shape[0]",))),
    "label-(sign|counted|shifted|assigned|in-all-rows)": Look(loops.at_labels),
    "eps-missing|eps-outside-root|root-missing": Look(_ROOTS, everywhere=True),
    "eps-fixed": Look(has("SMALL"), everywhere=True),
    "exp-overflow": Look(_calls("exp", "exp2")),
    "log-underflow|guarded-logarithm": Look(_calls("log", "log2", "log10")),
    **{
        f"{name}-inside": Look(has(name, f"_.{name}", f"'{name}'"), everywhere=True)
        for name in ("float16", "float32", "float64")
    },
    "time-not-reversed": Look(lambda found: isinstance(found.statement, ast.For), everywhere=True),
    "wrong-order": Look(lambda found: isinstance(found.statement, ast.Return), everywhere=True),
}
