"""WHAT can be checked: one file for each layer, and one line in `registry.py`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, cast

from gradcheck_cli.layers.registry import REGISTRY, TITLES, load_layer

if TYPE_CHECKING:
    from gradcheck_cli.layers.framework.layer import Layer

__all__ = ["LAYERS", "TITLES"]


class _Layers(Mapping[str, "Layer"]):
    """The layers by name, each imported when it is looked up: a run needs one of many."""

    def __getitem__(self, name: str) -> Layer:
        return cast("Layer", load_layer(name))

    def __iter__(self) -> Iterator[str]:
        return iter(REGISTRY)

    def __len__(self) -> int:
        return len(REGISTRY)


LAYERS: Mapping[str, Layer] = _Layers()
