"""Sizes and shapes for a network, found by trying: the loss must be a number, and gradients must fit and be right.

First all sizes and lengths are equal. Where most gradients are right, they are given values of their own, alone or in
groups, as long as that goes on: what must be equal stays equal.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gradcheck_cli.data.drawing import signed_uniform
from gradcheck_cli.guard.clock import pass_on_interrupt
from gradcheck_cli.implementation.conventions.network import PARAMETERS, VOCABULARIES, Network, NoParametersError
from gradcheck_cli.implementation.conventions.own_trial import central_difference, is_close
from gradcheck_cli.implementation.conventions.step import Role, is_penalty
from gradcheck_cli.implementation.finding.kinds import NUMBER_NAMES
from gradcheck_cli.implementation.finding.lengths import untied
from gradcheck_cli.implementation.implementation import ImplementationError
from gradcheck_cli.implementation.quiet import quiet
from gradcheck_cli.implementation.seeding import seeds_from
from gradcheck_cli.implementation.vocabulary.vocabulary import word, words
from gradcheck_cli.layers.function import LAYER, FunctionCase
from gradcheck_cli.text.clean import clean, text_of, type_name

if TYPE_CHECKING:
    import inspect
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from gradcheck_cli.layers.framework.problem import Problem

_MOST_TRIES = 400
_IMAGES = 4  #: axes of a batch of images
_EQUAL = (3, 4)  #: lengths that all have at first: of images 4, which are halved by pooling
#: Lengths of their own, the likeliest to be those of parameters first: a loss is computed some ten times for each
#: element of a parameter. A loop over the pixels of an image takes a millisecond, so of these there are fewer.
_OWN, _OWN_OF_IMAGES = (4, 5, 2, 6, 7, 8), (2, 3, 5)
_MOST_TOGETHER = 3  #: axes that are given another length together
_FILTERS = words("filter{,size} kernel{,size} hh ww field fieldsize")  #: of odd size, that fits into what is padded


class Kind(NamedTuple):
    """What an argument may be: an array of some lengths, labels, one-hot rows, sizes or a number."""

    name: str
    lengths: int = 0
    value: float = 0
    tail: tuple[int, ...] = ()  #: lengths of further axes, which are fixed


Lengths = dict[tuple[str, int], int]


class NoNetworkError(Exception):
    """A network cannot be called with anything that was tried; `reason` says why, "" if it has no parameters."""

    def __init__(self, reason: str, name: str) -> None:
        self.reason = f"{name} {reason}" if reason else ""
        super().__init__(self.reason)


def find_network_shapes(function: Callable[..., Any]) -> tuple[FunctionCase, ...]:
    """Find cases for a network.

    Raises:
        NoNetworkError: there are none.
    """
    with quiet(), seeds_from(0):
        return _Search(function).found()


def likely_flags(function: Callable[..., Any]) -> str:
    """Write flags for a network, of sizes that are likely."""
    network: Network = function.network  # type: ignore[attr-defined]
    names = {p.name for p in network.sizes}
    kinds = {p.name: _kinds_of(p, network.role(p.name), is_size=p.name in names)[0] for p in network.arguments}
    return _case_of(kinds, {(name, k): 4 for name, kind in kinds.items() for k in range(kind.lengths)}).flags


def with_likeliest_loss(function: Callable[..., Any], case: FunctionCase) -> Callable[..., Any]:
    """Return a network that has no loss as one with that usual loss of which most gradients are right in a case."""
    network: Network = function.network  # type: ignore[attr-defined]
    if not network.losses:
        return function
    with quiet(), seeds_from(0):
        try:
            found = scores(network, case)
            return network.with_loss(max(found, key=found.__getitem__)).function()
        except BaseException as error:  # noqa: BLE001  # user code may raise anything
            pass_on_interrupt(error)
            return function


def scores(network: Network, case: FunctionCase) -> dict[str, tuple[int, int]]:
    """Return two for each gradient that is right and one for each of the right shape, and how many there are.

    By the loss of which they are taken for the gradients, "" for a network's own; of another at least one is right.

    Raises:
        NoParametersError: it keeps none.
    """
    problem = network.with_parameters(LAYER.problem(case))
    found = {"": (0, 0)}
    for loss in network.losses or [""]:
        own = network.with_loss(loss) if loss else network
        at, gradients = _call(own, problem, {})
        names = problem.differentiable
        fitting = [n for n in names if getattr(gradients.get(n), "shape", None) == problem.inputs[n].shape]
        if not names or (loss and len(fitting) < len(names)):
            break
        if np.isfinite(at):
            right = sum(_is_right(own, problem, name, gradients[name]) for name in fitting)
            counts = right or (len(fitting) == len(names) and not loss)
            found[loss] = (right + len(fitting) if counts else 0, len(names))
    return found


def _call(network: Network, problem: Problem, moved: Mapping[str, Any]) -> tuple[float, dict[str, Any]]:
    """Call a network; return the loss, and gradients by the names of the inputs."""
    given, kept = network.split({**problem.inputs, **moved}, problem.parameters)
    number, found = network.evaluate(given, kept)
    return float(number), {f"{PARAMETERS}.{n}" if n in kept else n: value for n, value in found.items()}


def _is_right(network: Network, problem: Problem, name: str, gradient: Any) -> bool:
    """Compare the slope along one direction with the difference of two losses."""
    direction = signed_uniform(random.Random(name), problem.inputs[name].shape)  # noqa: S311  # no secret
    value = problem.inputs[name]
    numeric = central_difference(lambda step: _call(network, problem, {name: value + step * direction})[0])
    return numeric != 0 and is_close(float((np.asarray(gradient) * direction).sum()), numeric)


class _Search:
    """The search for the sizes of one network."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._tries, self._raised, self._ran = 0, "", False
        self._network: Network = function.network  # type: ignore[attr-defined]

    def found(self) -> tuple[FunctionCase, ...]:
        """Take the first kinds for which all gradients fit, and one is right; or else those for which most are right.

        Not the first for which all are right: what is wrong may be right for a filter of one pixel, or for one sample.
        """
        best: tuple[int, dict[str, Kind], Lengths] = (0, {}, {})
        wanted = 1
        for equal, kinds in itertools.product(_EQUAL, self._kinds()):
            for lengths in _starts(kinds, equal, self._network.lengths):
                if self._tries > _MOST_TRIES or best[0] >= wanted:
                    break
                score, count = self._score(kinds, lengths)
                if score > best[0]:
                    best, wanted = (score, kinds, lengths), count + 1
        score, kinds, lengths = best
        if not score:
            without_loss = "has no loss, and its gradients are those of no usual one; give it a method loss(X, y)"
            is_open = self._network.losses and self._ran
            raise NoNetworkError(without_loss if is_open else self._raised, self._network.name)
        return self._vary(kinds, self._untied(kinds, lengths, score), score)

    def _kinds(self) -> Iterator[dict[str, Kind]]:
        """Yield the kinds of all arguments, the likeliest first."""
        arguments = self._network.arguments
        sizes = {p.name for p in self._network.sizes}
        choices = [_kinds_of(p, self._network.role(p.name), is_size=p.name in sizes) for p in arguments]
        places = itertools.product(*(range(len(choice)) for choice in choices))
        for chosen in sorted(itertools.islice(places, 20 * _MOST_TRIES), key=sum):
            yield {p.name: choice[k] for p, choice, k in zip(arguments, choices, chosen, strict=True)}

    def _score(self, kinds: Mapping[str, Kind], lengths: Lengths) -> tuple[int, int]:
        """Return two for each gradient that is right, and one for each of the right shape; and how many there are."""
        self._tries += 1
        case = _case_of(kinds, lengths)
        if not (case.shape or case.labels) or case.impossible():
            return 0, 0
        try:
            found = max(scores(self._network, case).values())
        except NoParametersError:
            return 0, 0
        except BaseException as error:  # noqa: BLE001  # user code may raise anything
            pass_on_interrupt(error)
            why = clean(text_of(error))
            raised = why if isinstance(error, ImplementationError) else f"raised {type_name(error)}: {why}"
            self._raised = self._raised or raised.removeprefix(f"{self._network.name} ")
            return 0, 0
        self._ran = True
        return found

    def _untied(self, kinds: Mapping[str, Kind], lengths: Lengths, score: int) -> Lengths:
        """Give lengths of their own, alone or as few together as possible, that do not spoil what is right."""

        def fits(trial: Lengths, group: tuple[tuple[str, int], ...]) -> bool:
            alone = len(group) == 1 and self._network.role(group[0][0]) is Role.TARGETS  # longer targets are cut off
            return not alone and self._tries <= 2 * _MOST_TRIES and self._score(kinds, trial)[0] >= score

        of_images = any(kind.name == "array" and kind.lengths == _IMAGES for kind in kinds.values())
        axes = [axis for axis in lengths if lengths[axis] > 1]
        return untied(lengths, axes, _OWN_OF_IMAGES if of_images else _OWN, _MOST_TOGETHER, fits)

    def _vary(self, kinds: dict[str, Kind], lengths: Lengths, score: int) -> tuple[FunctionCase, ...]:
        """List cases: what was found, and the same without a penalty."""
        cases = [_case_of(kinds, lengths)]
        without = {name: kind._replace(value=0) if kind.name == "penalty" else kind for name, kind in kinds.items()}
        if without != kinds and self._score(without, lengths)[0] >= score:
            cases.insert(0, _case_of(without, lengths))
        return tuple(replace(case, tried=cases[-1].flags) for case in cases)


def _case_of(kinds: Mapping[str, Kind], lengths: Lengths) -> FunctionCase:
    shapes, values, labels = dict[str, Any](), dict[str, Any](), dict[str, Any]()
    classes = min([n for (name, _), n in lengths.items() if kinds[name].name in ("size", "sizes")] or [3])
    for name, kind in kinds.items():
        own = tuple(lengths[name, k] for k in range(kind.lengths)) + kind.tail
        if kind.name == "array":
            shapes[name] = own
        elif kind.name in ("labels", "binary", "one-hot"):
            labels[name] = (own, {"labels": max(classes, 2), "binary": 2, "one-hot": 0}[kind.name])
        elif kind.name == "size":
            values[name] = own[0]
        else:
            values[name] = own if kind.name == "sizes" else kind.value
    return FunctionCase(shape=shapes, value=values, labels=labels)


def _starts(kinds: Mapping[str, Kind], equal: int, fixed: Iterable[int]) -> Iterator[Lengths]:
    """Yield lengths to begin with: all equal, or one of the last layer, which is a size, and of the targets.

    Arrays that go with parameters of fixed shapes may have a length of those.
    """
    lengths = {(name, k): equal for name, kind in kinds.items() for k in range(kind.lengths)}
    yield lengths
    for length in fixed:
        yield {axis: length if kinds[axis[0]].name == "array" else equal for axis in lengths}
    sizes = [(name, kind.lengths - 1) for name, kind in kinds.items() if kind.name in ("size", "sizes")]
    targets = [(name, k) for name, kind in kinds.items() if kind.name == "binary" for k in range(kind.lengths)]
    for size, target in itertools.product(sizes[::-1], targets):
        yield {**lengths, size: 1, target: 1}
    for target in [axis for axis in targets if kinds[axis[0]].lengths > 1]:
        yield {**lengths, target: 1}
    several = {name: kind for name, kind in kinds.items() if kind.name in ("array", "binary") and kind.lengths > 1}
    yield {**lengths, **{(name, kind.lengths - 1): 1 for name, kind in several.items()}}  # one sample as a column


def _kinds_of(parameter: inspect.Parameter, role: Role | None, *, is_size: bool) -> list[Kind]:
    """List what an argument of a network may be, the likeliest first."""
    name, default = word(parameter.name), parameter.default
    if is_penalty(parameter):
        return [Kind("penalty", value=0.5)]
    if name in _FILTERS:
        return [Kind("number", value=3)]
    if is_size and role not in (Role.DATA, Role.TARGETS):
        if isinstance(default, tuple | list):
            return [Kind("sizes", len(default))]
        several = [Kind("sizes", 3), Kind("sizes", 2)]
        if name in VOCABULARIES or isinstance(default, int):
            return [Kind("size", 1)]
        is_list = name.endswith("s") and not name.startswith(("n", "num"))
        return [*several, Kind("size", 1)] if is_list else [Kind("size", 1), *several, Kind("number", value=0.5)]
    if role is Role.DATA:
        return [Kind("array", 2), Kind("array", 4), Kind("labels", 1), Kind("array", 1), Kind("array", 3)]
    if role is Role.TARGETS and name.startswith("caption"):
        return [Kind("labels", 2)]
    if role is Role.TARGETS:
        labels = [Kind("labels", 1), Kind("one-hot", 2), Kind("binary", 2), Kind("array", 2), Kind("labels", 2)]
        return [*labels, Kind("binary", 1), Kind("array", 1)]
    if name in NUMBER_NAMES:
        return [Kind("number", value=1), Kind("array", 2)]
    column = Kind("array", 1, tail=(1,))
    return [Kind("array", 2), Kind("array", 1), column, Kind("array", 0), Kind("size", 1), Kind("number", value=0.5)]
