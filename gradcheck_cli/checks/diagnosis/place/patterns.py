"""What a statement with a certain fault looks like, by the code of the cause."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from typing import NamedTuple

from gradcheck_cli.checks.diagnosis.place.flow import Definition
from gradcheck_cli.checks.diagnosis.place.syntax import called_name, names_in, values_in, variable
from gradcheck_cli.checks.diagnosis.place.templates import has
from gradcheck_cli.results.result import Diagnosis


def adds_only_once(found: Definition) -> bool:
    """`=` in a loop, or `dW[x] += dout`, which adds only one of several contributions to the same row."""
    return _is_overwriting(found) or _is_added_at_array(found)


def _is_overwriting(found: Definition) -> bool:
    """`=` in a loop, of something that other rounds of the loop give a value too."""
    if not found.loops or found.augmented or found.target is None or found.value is None:
        return False
    if found.variable in values_in(found.value) or _is_part_of_gradient(found):
        return False
    others = found.flow.definitions[found.variable]
    if not any(len(other.loops) < len(found.loops) for other in others):  # nothing to add to
        return False
    own = {name for loop in found.loops if isinstance(loop, ast.For) for name in names_in(loop.target)}
    return not own <= {one.id for one in _indices(found.target) if isinstance(one, ast.Name)}


def _is_added_at_array(found: Definition) -> bool:
    if found.loops or not isinstance(found.statement, ast.AugAssign):
        return False
    return any(isinstance(one, ast.Name) for one in _indices(found.target))


def _is_part_of_gradient(found: Definition) -> bool:
    """Tell whether what is assigned is a part of an array that is added to elsewhere, as by a crop."""
    whole = variable(found.value) if isinstance(found.value, ast.Subscript | ast.Name) else ""
    return any(other.augmented for other in found.flow.definitions.get(whole, []))


def is_never_filled(found: Definition) -> bool:
    """`db = np.zeros_like(b)`, to which nothing is added."""
    made = called_name(found.value) in ("zeros", "zeros_like")
    return made and len(found.flow.definitions[found.variable]) == 1


def is_crop(found: Definition) -> bool:
    """A slice of an array whose bounds do not depend on a loop."""
    return any(
        isinstance(one, ast.Slice)
        and (one.lower or one.upper)
        and not any(other.loops for name in names_in(one) for other in found.flow.definitions.get(name, []))
        for one in _indices(found.value)
    )


def at_labels(found: Definition) -> bool:
    """`dx[np.arange(N), y] -= 1`."""
    indices = _indices(found.target)
    return len(indices) > 1 and any(not isinstance(one, ast.Slice) for one in indices)


def lacks_a_window(found: Definition) -> bool:
    """An output size without its `+ 1`."""
    sized = isinstance(found.statement, ast.Assign | ast.For)
    return sized and has("_ // _", without=("_ + 1", "1 + _"))(found)


def is_size_of_other_axis(found: Definition) -> bool:
    """`W_out = (W + 2 * pad - HH) // stride + 1`."""
    if found.target is None or found.value is None or not has("_ // _")(found):
        return False
    axis = _axis(variable(found.target))
    return axis is not None and any(_axis(name) not in (axis, None) for name in names_in(found.value))


def _indices(part: ast.expr | None) -> list[ast.expr]:
    """List the indices of a part of an array, or of a copy of one, along its axes."""
    if isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute) and called_name(part) == "copy":
        part = part.func.value
    if not isinstance(part, ast.Subscript):
        return []
    return list(part.slice.elts) if isinstance(part.slice, ast.Tuple) else [part.slice]


def _axis(name: str) -> str | None:
    """Tell from a name whether it is a size across or down."""
    lower = name.lower().replace("width", "w").replace("height", "h").replace("weight", "")
    lower = lower.replace("cols", "w").replace("rows", "h").replace("col", "w").replace("row", "h")
    across, down = "w" in lower, "h" in lower
    return None if across == down or len(lower) > 6 else "across" if across else "down"


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
    "assigned-not-accumulated": Look(adds_only_once),
    "crop-empty": Look(has("[a:-a]"), everywhere=True),
    "crop-fixed": Look(has("[1:-1]"), everywhere=True),
    "pad-fixed-at-1": Look(lambda found: has("[1:-1]")(found) or _pads_by_one(found), everywhere=True),
    "crop-(wrong-side|square|wrong-axes)": Look(is_crop),
    "bias-axes|summed-axes": Look(_SUMS, last=True),
    "normalized-axes": Look(_SUMS),
    "zero": Look(is_never_filled, last=True),
    "last-(windows|row|column|kernel-row|kernel-column)-missed": Look(
        lambda found: _ENDS_EARLY(found) or lacks_a_window(found), everywhere=True
    ),
    "last-.*-missed|unfinished": Look(_ENDS_EARLY, everywhere=True),
    "size-of-wrong-axis": Look(is_size_of_other_axis, everywhere=True),
    "bias-missing|beta-missing": _DEFINING,
    "matrix-not-transposed|weights-not-transposed|state-of-other-step|not-normalized|gamma-extra": _DEFINING,
    "statistics-constant|mean-path": _DEFINING,
    "variance-path": Look(_reduces(1), last=True, only=True),
    "(mean|variance)-(sign|power)|scale-missing|sum-not-mean": _BOTH_TERMS,
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
    "label-(sign|counted|shifted|assigned|in-all-rows)": Look(at_labels),
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
