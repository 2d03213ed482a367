"""The table of causes that any layer can have: code, cause and remedy. Layers bring causes of their own."""

from __future__ import annotations

from collections.abc import Sequence

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.fault import Fault, ForwardFault, Overflow
from gradcheck_cli.results.result import Diagnosis
from gradcheck_cli.text.names import join_names

_ALL_OF_DOUT = "Use all of dout, each element for its own output."
_EACH_OF_DOUT = "Multiply every contribution by its own element of dout."

#: For each cause a sentence about {names}, which {be} as they are, and a remedy, by its code and, after a slash, which
#: of several with that code. Other words in braces are filled in from the case. The order is that of the documentation.
CAUSES = {
    "factor": ("{names} {be} {factor} times the derivative.", "Look for a constant factor that is not in forward."),
    "factor/doubled": ("{names} {be} 2 times the derivative.", "Look for a contribution that is added twice."),
    "factor/negated": (
        "{names} {have} the wrong sign: every element is negated.",
        "Look for a minus that is not in forward.",
    ),
    "factor/several": (
        "{names} {be} {factor} times the derivative, a factor of {factors}.",
        "Look for a factor that is left out, or applied twice.",
    ),
    "factor/divided": (
        "{names} {be} the derivative divided by {size} = {value}.",
        "Look for a division by {size} that is one too many.",
    ),
    "factor/averaged": (
        "{names} {be} the derivative divided by {size} = {value}.",
        "Sum, and do not average: a mean, where the loss is one, comes with dout.",
    ),
    "factor/averaged-over-samples": (
        "{names} {be} the derivative divided by {size} = {value}, the number of samples.",
        "Sum, and do not average: a mean, where the loss is one, comes with dout; some courses average here instead.",
    ),
    "factor/repeated": (
        "{names} {be} {size} = {value} times the derivative.",
        "Look for a contribution that is added as often, or a division that backward leaves out.",
    ),
    "factor/not-averaged": (
        "{names} {be} {size} = {value} times the derivative.",
        "Divide by {size}, as the loss does.",
    ),
    "factor/power": (
        "{names} {be} {size} = {value} times the derivative.",
        "Look for a division by {size} that forward has and backward leaves out.",
    ),
    "zero": (
        "{names} {be} zero in every element.",
        "Look for a contribution that is never added, or for one of arrays that are empty or zero by then.",
    ),
    "unfinished": (
        "{names} {be} right where anything was written, and left at zero elsewhere: {place}.",
        "Look for a loop that ends early, or leaves some of its steps out.",
    ),
    "wrong-order": (
        "{names} {be} returned under another gradient's name.",
        "Return the gradients in the order ({order}).",
    ),
    "reshaped": ("{names} {have} the right numbers in the shape {shape}.", "Reshape to {right}."),
    "transposed": ("{names} {have} the axes in the order ({order}).", "Return the axes in the order ({right})."),
    "reshaped-not-transposed": (
        "{names} {be} reshaped, not transposed, from an array with the axes ({order}).",
        "Transpose before you reshape: a reshape keeps the order in memory.",
    ),
    "{kind}s-permuted": (
        "The {axis}s of {names} are {order}.",
        "Write {axis} {index} of the gradient where {axis} {index} of the input is.",
    ),
    "size-of-wrong-axis": (
        "It raises where {one} and {other} differ, and not where both are {size}.",
        "Take rows from {rows}, and columns from {columns}.",
    ),
    "size-of-wrong-axis/filters": (
        "It raises where F and {other} differ, and not where they are equal.",
        "Look for a number of {words} that is taken for the number of filters, or the other way round.",
    ),
    "stride-must-divide": (
        "It raises because the stride of {stride} does not divide {rest}; it does not at {even}.",
        "Round the output's size down, by `//`: what no window reaches has no part in it.",
    ),
    "stride-ignored": (
        "It raises at stride {stride}, and not at stride 1.",
        "Let the window of output i start at i * stride.",
    ),
    "crop-empty": (
        "It raises at pad {pad}, and not at pad 1.",
        "`[pad:-pad]` is an empty slice at pad 0. Crop by `[pad:pad + H]` instead.",
    ),
    "pad-fixed-at-1": ("It raises at pad {pad}, and not at pad 1.", "Use the pad that forward was given, everywhere."),
    "pad-ignored": ("It raises at pad {pad}, and not at pad 0.", "Look for sizes or windows that leave out the pad."),
    "single-axis-dropped": (
        "It raises at {size} = 1, and not at {size} = 2.",
        "Look for a `squeeze`, or an axis that is dropped.",
    ),
    "cotangent-ones": ("In {names} dout is ignored: it is replaced by ones.", _EACH_OF_DOUT),
    "cotangent-first/alone": ("In {names} only dout[0] is used: the rest of dout is left out.", _ALL_OF_DOUT),
    "cotangent-first/for-all": ("In {names} only dout[0] is used: it stands for all of dout.", _ALL_OF_DOUT),
    "cotangent-mean": ("In {names} dout is replaced by {mean}.", _EACH_OF_DOUT),
    "cotangent-sum": ("In {names} dout is replaced by its sum.", _EACH_OF_DOUT),
    "diagonal-only": (
        "{names} {be} dout times the diagonal of the Jacobian, as if each output depended on its own input alone.",
        "Sum over all outputs that an input reaches; for a softmax s that is `s * (dout - (dout * s).sum(axis))`.",
    ),
    "wrong-at-zero": (
        (
            "d{name} is wrong only where {name} is 0: there neither out / {name} nor out != 0 nor {name} > 0 tells "
            "the mask or the slope."
        ),
        "Keep the mask or the slope in the cache.",
    ),
    "two-axes-only": (
        "Forward is right for an x of three axes too, and backward is not.",
        (
            "Write axis=-1 for the last axis and axis=tuple(range(x.ndim - 1)) for all others, or let forward "
            "refuse such an x."
        ),
    ),
    "{dtype}-inside": (
        "{names} {be} computed in {dtype}: off by its roundings, in an array of {right}.",
        "Make the arrays of intermediate results of {right} too, by `dtype=x.dtype`.",
    ),
    "{dtype}-inside/rounded": ("In {names} {what} rounded to {dtype} first.", "Keep every array in {right}."),
    "rounded-on-the-way": (
        "{names} {be} right in float64, and off in {dtype}: what {names} {be} computed from is rounded first.",
        "Where digits cancel, as in 1 - out**2 with an out near 1, compute in a wider dtype.",
    ),
    "outlier": (
        "One element is off by far more than the others of its gradient, with other inputs too: {places}.",
        "It is within what roundings explain. Look for what is different there: a guard, a constant, a narrower dtype.",
    ),
    "own-function": (
        (
            "Forward and backward agree with each other, but forward computes something other than {layer}: "
            "{names} differs from the definition on the same inputs, and the gradients are right for that forward."
        ),
        "Compare forward with the definition first.",
    ),
    "reference-gradient": (
        "{names} {be} right for {layer}, but not for this forward, which computes something else.",
        "Correct forward.",
    ),
    "stale-cache": (
        "backward uses what the latest forward left behind, whatever cache it is given.",
        "Keep what it needs in the cache, not in a variable of the module.",
    ),
    "c-order-assumed": (
        "C order is assumed: arrays that are transposed or in Fortran order give other results.",
        "Take an array by np.ascontiguousarray before you use its memory, or compute with array.strides.",
    ),
    "flaky": (
        "Flaky: checked again, this case {result}. The same arguments do not give the same result twice:",
        "look for random numbers, and for state that one call leaves to the next.",
    ),
    "leak": ("forward leaks: {output} depends on {input}, which should not reach it", ""),
}


@frozen
class Explanation:
    """A cause of a failure and a remedy, in sentences about {names}, which {be} as they are."""

    code: str
    cause: str
    remedy: str

    def diagnosis(self, names: Sequence[str] = ()) -> Diagnosis:
        """Say it of some arrays."""
        one = len(names) == 1
        words = {"names": join_names(names or [""]), "be": "is" if one else "are", "have": "has" if one else "have"}
        return Diagnosis(code=self.code, text=f"{self.cause} {self.remedy}".strip().format(**words))


def explanation(cause: str, **words: object) -> Explanation:
    """Return a cause of the table, its words filled in but for {names}."""
    parts = (cause.partition("/")[0], *CAUSES[cause])
    code, text, remedy = (part.format(names="{names}", be="{be}", have="{have}", **words) for part in parts)
    return Explanation(code=code, cause=text, remedy=remedy)


def of_fault(fault: Fault | ForwardFault | Overflow) -> Explanation:
    """Return the explanation that a layer brings."""
    return Explanation(code=fault.code, cause=fault.cause, remedy=fault.remedy)
