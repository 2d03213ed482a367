"""WHAT can be checked: one file for each layer, and one line in `registry.py`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, cast

from gradcheck_cli.layers.registry import REGISTRY, TITLES

if TYPE_CHECKING:
    from gradcheck_cli.layers.framework.layer import Layer

__all__ = ["LAYERS", "TITLES"]


@cache  # a case asks six times
def _imported(name: str) -> Layer:
    _, module, attribute = REGISTRY[name]
    return cast("Layer", getattr(import_module(f"gradcheck_cli.layers.{module}"), attribute))


class _Layers(Mapping[str, "Layer"]):
    """The layers by name, each imported when it is looked up: a run needs one of many."""

    def __getitem__(self, name: str) -> Layer:
        return _imported(name)

    def __iter__(self) -> Iterator[str]:
        return iter(REGISTRY)

    def __len__(self) -> int:
        return len(REGISTRY)


LAYERS: Mapping[str, Layer] = _Layers()
