"""The code under test: a forward and a backward pass in the form in which the checks call them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.guard.generators import has_drawn, seed_generators
from gradcheck_cli.layers.framework.problem import Problem
from gradcheck_cli.numeric.arrays import Array

if TYPE_CHECKING:
    from gradcheck_cli.guard.crash import Frame

#: forward(inputs, parameters) -> (out, cache)
Forward = Callable[[Mapping[str, Array], Mapping[str, object] | None], tuple[object, object]]
#: backward(cotangent, cache, names of the inputs) -> what was returned as the gradient of each. Of a layer with
#: several outputs, out is a tuple and so is the cotangent, until `pack_outputs` makes each one array.
Backward = Callable[[Any, object, tuple[str, ...]], Mapping[str, object]]


#: What forward leaves in a mode in which nothing is learned, of a class: in that mode its backward is never called.
NO_BACKWARD = object()


class ImplementationError(Exception):
    """The implementation raised, or broke its convention.

    `traceback` holds its own frames, as Python prints them, and `frame` the innermost of them; None if there are none.
    """

    def __init__(self, reason: str, traceback: str | None = None, frame: Frame | None = None) -> None:
        super().__init__(reason)
        self.traceback = traceback
        self.frame = frame


class ImplementationNotFoundError(Exception):
    """There is no such implementation, it cannot be loaded, or there are several; the message says what would do.

    `frame` is the innermost of the user's frames if its code raised, or where it is no Python.
    """

    def __init__(self, reason: str, frame: Frame | None = None) -> None:
        super().__init__(reason)
        self.frame = frame


class NotExpressibleError(Exception):
    """The implementation has no way to be asked for this geometry; the message says what stands in the way."""


class UnknownEntryError(NotExpressibleError):
    """The implementation asks a dictionary of parameters for one of which the meaning is not known.

    `known` is how many of them it had asked for before.
    """

    def __init__(self, reason: str, known: int) -> None:
        super().__init__(reason)
        self.known = known


class ForwardStep(NamedTuple):
    """A call of forward that comes next."""

    inputs: Mapping[str, Array]
    parameters: Mapping[str, object] | None
    when: str = ""  #: in which of several calls code dies, such as "again with the same inputs"
    seed: int | None = None  #: of the generators before it
    watched: bool = False  #: whether to see which arguments are written into
    quiet: bool = False  #: whether NumPy warns of nothing
    repeats: bool = False  #: whether no call follows unless it returns what the first call of forward did


class BackwardStep(NamedTuple):
    """A call of backward that comes next."""

    cotangent: Any
    cache: object  #: or the number of the step that makes it
    names: tuple[str, ...]
    when: str = ""
    seed: int | None = None
    watched: bool = False
    quiet: bool = False
    repeats: bool = False


Step = ForwardStep | BackwardStep


@frozen
class Implementation:
    """Forward and backward of a layer, in the form that the checks call."""

    name: str  #: how reports call it
    spec: str | None  #: what to type to check it; None for functions that have no such name
    convention: str  #: how it was understood, in its own terms
    forward: Forward  #: raises ImplementationError, or NotExpressibleError for a geometry that it cannot be asked for
    backward: Backward  #: raises ImplementationError
    #: Say which calls come, for code in another process, which makes them without being asked for each. One that never
    #: comes does no harm. None where that makes no difference.
    expect: Callable[[Sequence[Step]], None] | None = None
    announce: Callable[[int], None] = lambda _calls: None  #: how many calls are to come, as far as that is known
    seed: Callable[[int], None] = seed_generators  #: the global generators, before each call
    has_drawn: Callable[[int], bool] = has_drawn  #: whether numbers were drawn since they were seeded so
    #: Where code is in another process: from a result that failed to one with its place, given the current folder.
    locate: Callable[[Any, str | None], Any] | None = None
    left_by_forward: Callable[[object], object] = lambda cache: cache  #: of what `forward` returns second, user code's
    absent: tuple[str, ...] = ()  #: inputs of the layer that it does not have, such as a bias
    #: Where the case names the inputs: the order in which forward takes them, and why it cannot take those of a case.
    order: tuple[str, ...] = ()
    refusal: Callable[[Iterable[str]], str | None] = lambda _names: None
    #: Of a function that is called with given arguments: from a problem to the same with these.
    given: Callable[[Problem], Problem] | None = None
    outputs: tuple[str, ...] = ("out",)  #: of a function, the names of what forward returns before its cache
    cotangents: tuple[str, ...] = ()  #: what backward calls the cotangent of each output, where that is known
    warnings: tuple[str, ...] = ()  #: what went wrong when it was loaded and was worked around, a sentence each
    passes: tuple[object, object] = (None, None)  #: forward and backward as their author wrote them, if that is known
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  #: what people call the inputs


def in_turn(
    one: Callable[[Problem], Problem] | None, other: Callable[[Problem], Problem] | None
) -> Callable[[Problem], Problem] | None:
    """Return what puts the arguments of both in a problem."""
    return (lambda problem: other(one(problem))) if one and other else one or other


@dataclass(frozen=True)
class Misshapen:
    """An array that does not have the shape required in the user's code, though it may have the one required here."""

    array: Array
    wanted: tuple[int, ...]  #: in the user's code
