"""WHAT can be checked: one file for each layer, and one line in `registry.py`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, cast

from gradcheck_cli.layers.registry import REGISTRY, TITLES

if TYPE_CHECKING:
    from gradcheck_cli.layers.framework.layer import Layer

__all__ = ["LAYERS", "TITLES"]


class _Layers(Mapping[str, "Layer"]):
    """The layers by name, each imported when it is looked up: a run needs one of many."""

    def __getitem__(self, name: str) -> Layer:
        if name not in REGISTRY:
            raise KeyError(name)
        _, module, attribute = REGISTRY[name]
        return cast("Layer", getattr(import_module(f"gradcheck_cli.layers.{module}"), attribute))

    def __iter__(self) -> Iterator[str]:
        return iter(REGISTRY)

    def __len__(self) -> int:
        return len(REGISTRY)


LAYERS: Mapping[str, Layer] = _Layers()
