"""What a module has to offer: pairs of functions whose names belong together, and classes."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gradcheck_cli.guard.clock import pass_on_interrupt
from gradcheck_cli.implementation.conventions.classes import has_passes
from gradcheck_cli.implementation.conventions.readings import readings_of
from gradcheck_cli.implementation.conventions.trial import Tried, best_reading
from gradcheck_cli.implementation.loading.missing import is_missing
from gradcheck_cli.implementation.vocabulary.lookup import vocabulary_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gradcheck_cli.implementation.loading.load import Loaded
    from gradcheck_cli.layers.framework.layer import Layer

#: What the passes are called, as words in the names of functions.
_FORWARD = {"forward", "forwards", "fwd", "fprop", "feedforward", "fw", "ff"}
_BACKWARD = {
    *("backward", "backwards", "bwd", "bprop", "backprop", "backpropagation", "back", "bw", "bp"),
    *("grad", "gradient", "gradients", "vjp", "derivative", "prime"),
}
_NOISE = {"pass", "prop", "propagation", "propagate", "step"}


@dataclass(frozen=True, kw_only=True, eq=False)  # what is the user's may have no equality and no hash
class Candidate:
    """A pair of functions or a class."""

    loaded: Loaded
    names: tuple[str, ...]
    objects: tuple[Any, ...]

    @property
    def spec(self) -> str:
        """What to type to get exactly this."""
        return f"{self.loaded.home}:{','.join(self.names)}"

    @property
    def is_class(self) -> bool:
        """Whether this is a class."""
        return inspect.isclass(self.objects[0])

    def try_readings(self, layer: Layer) -> Tried | None:
        """Return the best way to understand it as a layer; None if there is none at all.

        Raises:
            MisfitError: it cannot be understood as this layer.
        """
        return best_reading(readings_of(self.objects, layer))

    def speaks_of(self, words: tuple[str, ...]) -> bool:
        """Tell whether its name has one of these words in it."""
        return any(word in name.lower() for word in words for name in self.names)


def candidates(loaded: Loaded, layer: Layer) -> list[Candidate]:
    """List what a module defines, or for want of any what it imports."""
    own, all_ = public(loaded, own=True), public(loaded, own=False)
    return _among(loaded, own, layer) or _among(loaded, all_, layer)


def partner(name: str, loaded: Loaded) -> list[tuple[str, str]]:
    """List the pairs of names that a function is one of."""
    offered = {key: value for key, value in list(vars(loaded.module).items()) if _is_callable(key, value)}
    return [pair for pair in pairs(_functions(offered)) if name in pair]


def functions(loaded: Loaded) -> list[str]:
    """Name the functions and classes that a module defines, or for want of any those that it imports."""
    own = public(loaded, own=True)
    return list(own if any(pass_of(name)[1] for name in own) else public(loaded, own=False))


def _among(loaded: Loaded, offered: Mapping[str, Any], layer: Layer) -> list[Candidate]:
    names = _functions(offered)
    if layer.loss:
        called = [name for name in names if any(word in name.lower() for word in vocabulary_of(layer).names)]
        return [_candidate(loaded, (name,), offered) for name in called]
    if not layer.reference:
        alone = [(name,) for name in names]  # each may return its gradients itself
        return [_candidate(loaded, n, offered) for n in pairs(names) or alone]
    classes = [name for name, value in offered.items() if inspect.isclass(value) and has_passes(value)]
    found = [*(pairs(names) or _unmatched(names, layer)), *((name,) for name in sorted(classes))]
    return [_candidate(loaded, n, offered) for n in found]


def _candidate(loaded: Loaded, names: tuple[str, ...], offered: Mapping[str, Any]) -> Candidate:
    return Candidate(loaded=loaded, names=names, objects=tuple(offered[name] for name in names))


def public(loaded: Loaded, *, own: bool) -> dict[str, Any]:
    """Return what a module has that can be called: what it defines, or also what it imports.

    What raises when it is looked at is left out.
    """
    module = loaded.module.__name__ if own else None
    return {key: value for key, value in list(vars(loaded.module).items()) if _is_offered(key, value, module)}


def _is_offered(key: str, value: Any, module: str | None) -> bool:
    """Tell whether something is public and can be called, and is defined in a module where one is given."""
    return _is_callable(key, value, module) and not key.startswith("_")


def _is_callable(key: str, value: Any, module: str | None = None) -> bool:
    """Tell whether something under a name can be called, be looked at without raising, and is of the module if any."""
    try:
        key.isidentifier()
        home = getattr(value, "__module__", None)
        if inspect.isclass(value):
            has_passes(value)
        of_it = module is None or (isinstance(home, str) and home == module)
        return of_it and callable(value) and not is_missing(value)
    except BaseException as error:  # noqa: BLE001  # a metaclass or an object of the user's may raise anything
        pass_on_interrupt(error)
        return False


def _functions(offered: Mapping[str, Any]) -> list[str]:
    return [name for name, value in offered.items() if callable(value) and not inspect.isclass(value)]


def pairs(names: list[str]) -> list[tuple[str, str]]:
    """Match functions whose names differ only in which pass they name: `conv_forward_naive`, `conv_backward_naive`.

    A forward pass may name none: `conv2d`, `conv2d_backward`. The derivative of `f` may be `df`.
    """
    stems: dict[str, dict[str, list[str]]] = {}
    for name in names:
        stem, which = (name[1:], "backward") if name[:1] == "d" and name[1:] in names else pass_of(name)
        stems.setdefault(stem, {}).setdefault(which, []).append(name)
    return sorted(
        (forward, backward)
        for found in stems.values()
        for backward in found.get("backward", [])
        for forward in _nearest(found.get("forward", found.get("", [])), backward)
    )


def _nearest(forwards: list[str], backward: str) -> list[str]:
    """Prefer a name that differs in nothing but the pass: `rnn_step_backward` is no pass of `rnn_forward`."""
    wanted = _without_pass(backward, _BACKWARD)
    return [name for name in forwards if _without_pass(name, _FORWARD) == wanted] or forwards


def _without_pass(name: str, passes: set[str]) -> list[str]:
    return [word for word in words_in(name) if word not in passes]


def _unmatched(names: list[str], layer: Layer) -> list[tuple[str, str]]:
    """For want of names that match: every forward pass of the layer with every backward pass."""
    of_layer = [name for name in names if any(word in name.lower() for word in vocabulary_of(layer).names)]
    forwards = [name for name in of_layer if pass_of(name)[1] == "forward"]
    backwards = [name for name in of_layer if pass_of(name)[1] == "backward"]
    return [(forward, backward) for forward in forwards for backward in backwards]


def stem_of(name: str) -> list[str]:
    """List the words of a name that name no pass."""
    return _without_pass(name, _FORWARD | _BACKWARD)


def pass_of(name: str) -> tuple[str, str]:
    """Split a name into what is left without its pass, and "forward", "backward" or "" for none."""
    words = [word for word in words_in(name) if word not in _NOISE]
    for which, known in (("backward", _BACKWARD), ("forward", _FORWARD)):
        if found := [word for word in words if word in known]:
            words.remove(found[0])
            return "_".join(words), which
    return "_".join(words), ""


def words_in(name: str) -> list[str]:
    """Split a name into its words, in small letters: `convForward` and `conv_forward` have the same."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    snake = re.sub(r"(back|for)ward", r"_\1ward_", snake)
    return [word for word in snake.split("_") if word]
