"""One step of a network, a function or method, and what its arguments stand for by their names.

For networks that have no loss there are steps with the usual ones: their backward pass is that of one of these.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from typing import Any

import numpy as np

from gradcheck_cli.implementation.conventions.slots import CACHES, LEARNING_RATES, parameters_of
from gradcheck_cli.implementation.vocabulary.vocabulary import word, words
from gradcheck_cli.numeric.arrays import Array

DATA = words("x{,s,batch,train,b} input{,s,data} data{,set} feature{,s} image{,s} batch{,x} inp sample{,s}")
TARGETS = words("y{,s,batch,train,true,b} t target{,s} label{,s} truth groundtruth caption{,s} expected actual desired")
OUTPUTS = words(
    "ps al a{,1,2,3,4} output{,s,activations} out yhat ypred{,s} pred{,s} prediction{,s} prob{,s} score{,s} yp p o"
)
_PENALTIES = words("reg{,strength,ularization} l2{,reg,lambda} weightdecay lambda{,d} lambd lam")
_HOLDERS = words("param{,s,eters} model net network weights theta")


class Role(Enum):
    """What an argument of a step stands for, if it is none of the whole network's own."""

    DATA = "data"
    TARGETS = "targets"
    OUTPUT = "output"
    CACHE = "cache"
    PARAMETERS = "parameters"
    RATE = "rate"
    SIZE = "size"  #: of an argument of what makes a network
    PENALTY = "penalty"  #: the strength of a regularization


@dataclass(frozen=True)
class Step:
    """A function or method of a network, and the roles of its arguments; those without one are the network's own."""

    function: Callable[..., Any]  #: of a method, as it is written in the class
    roles: Mapping[str, Role]
    parameters: tuple[inspect.Parameter, ...]
    is_method: bool

    @property
    def own(self) -> list[inspect.Parameter]:
        """The arguments that the whole network takes: those of no role that must be given."""
        return [p for p in self.parameters if p.name not in self.roles]

    def takes(self, role: Role) -> bool:
        """Tell whether an argument has this role."""
        return role in self.roles.values()

    def call(self, holder: object, values: Mapping[Role, object], given: Mapping[str, object]) -> Any:
        """Call it with what is there; an argument that is not is left at its default."""
        named = {p.name: values[self.roles[p.name]] for p in self.parameters if self.roles.get(p.name) in values}
        named |= {p.name: given[p.name] for p in self.parameters if p.name in given}
        return getattr(holder, self.function.__name__)(**named) if self.is_method else self.function(**named)


def step_of(function: Callable[..., Any], *, is_method: bool = False, holds: bool = False) -> Step:
    """Read the arguments of a function or method.

    Args:
        function: as it is written.
        is_method: whether the first argument is the object.
        holds: whether there is a function that makes a dictionary of parameters.
    """
    parameters = parameters_of(function, skip=int(is_method and not isinstance(function, staticmethod)))
    kinds = {
        Role.DATA: DATA,
        Role.TARGETS: TARGETS,
        Role.OUTPUT: OUTPUTS,
        Role.CACHE: CACHES,
        Role.RATE: LEARNING_RATES,
        Role.PARAMETERS: _HOLDERS if holds else (),
    }
    roles: dict[str, Role] = {}
    for p in parameters:
        role = next((role for role, names in kinds.items() if word(p.name) in names), None)
        if role and role not in roles.values():
            roles[p.name] = role
    kept = [p for p in parameters if p.name in roles or p.default is p.empty or is_penalty(p)]
    return Step(function=function, roles=roles, parameters=tuple(kept), is_method=is_method)


def with_data(step: Step) -> Step:
    """Return a forward pass in which the only argument that must be given is the data, whatever it is called."""
    required = [p for p in step.parameters if p.default is p.empty]
    if len(required) != 1 or step.takes(Role.DATA):
        return step
    return replace(step, roles={**step.roles, required[0].name: Role.DATA})


def is_penalty(parameter: inspect.Parameter) -> bool:
    """Tell whether an argument is the strength of a regularization, which is tried with more than its default."""
    return word(parameter.name) in _PENALTIES


_SUMS: Mapping[str, Callable[[Array, Array], Any]] = {
    "half the squared error": lambda p, t: ((p - t) ** 2).sum() / 2,
    "the squared error": lambda p, t: ((p - t) ** 2).sum(),
    "the binary cross-entropy": lambda p, t: -(t * np.log(p) + (1 - t) * np.log(1 - p)).sum(),
    "the cross-entropy": lambda p, t: -(t * np.log(p)).sum(),
}
_DIVISORS: Mapping[str, Callable[[Array], int]] = {
    "": lambda _: 1,
    " divided by the number of rows": len,
    " divided by the number of columns": lambda p: np.shape(p)[-1],
    " divided by the number of elements": np.size,
}
_LAID = ("", " of columns")  #: how the samples lie, where labels are whole numbers


def usual_losses(target: inspect.Parameter) -> dict[str, Step]:
    """Return steps that compute a loss of the output of a network, by what each is in words.

    Args:
        target: the argument for the targets.
    """
    output = inspect.Parameter(f"output_of_{target.name}", target.POSITIONAL_OR_KEYWORD)
    roles = {output.name: Role.OUTPUT, target.name: Role.TARGETS}
    return {
        f"{of}{laid}{divided}": Step(
            function=partial(_loss, output.name, total, divisor, laid),
            roles=roles,
            parameters=(output, target),
            is_method=False,
        )
        for of, total in _SUMS.items()
        for divided, divisor in _DIVISORS.items()
        for laid in _LAID
        if not laid or (of == "the cross-entropy" and "rows" not in divided)
    }


def _loss(
    output: str, total: Callable[[Array, Array], Any], divisor: Callable[[Array], int], laid: str, **given: Any
) -> Any:
    p, t = _stacked(given.pop(output)), np.asarray(*given.values())
    if t.dtype.kind in "iu" and t.ndim == p.ndim - 2 and p.shape[-1] == 1:  # columns, one for each step
        p = p[..., 0]
    if t.dtype.kind in "iu" and t.ndim == p.ndim - 1 and p.shape[-1] > 1:
        t = np.eye(len(p))[:, t] if laid else np.eye(p.shape[-1])[t]
    if t.size != p.size:
        raise ValueError(f"there are {t.size} targets for {p.size} outputs")
    return total(p, t.reshape(p.shape)) / divisor(p)


def _stacked(output: Any) -> Array:
    """Return the outputs of all steps as one array; their state before the first has the key -1."""
    steps = isinstance(output, dict) and {key: value for key, value in output.items() if key != -1}
    return np.stack([steps[key] for key in sorted(steps)]) if steps else np.asarray(output)
