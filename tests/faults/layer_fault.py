"""A layer with a fault, and the list to which the modules of this package add theirs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class LayerFault:
    name: str
    layer: str
    functions: Any
    code: str | None = None  #: of the diagnosis that names it


FAULTS: list[LayerFault] = []


def in_backward(layer: str, forward: Callable[..., Any] | None = None, code: str | None = None) -> Callable[..., Any]:
    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        functions = (forward, function) if forward else function
        FAULTS.append(LayerFault(f"{layer}-{function.__name__}", layer, functions, code))
        return function

    return add


def in_forward(layer: str, backward: Callable[..., Any], code: str | None = None) -> Callable[..., Any]:
    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        FAULTS.append(LayerFault(f"{layer}-{function.__name__}", layer, (function, backward), code))
        return function

    return add
