"""WHAT can be checked: one file a layer, and one line in `titles.py`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, cast

from gradcheck_cli.layers.titles import TITLES

if TYPE_CHECKING:
    from gradcheck_cli.layers.framework.layer import Layer

__all__ = ["LAYERS", "TITLES"]


class _Layers(Mapping[str, "Layer"]):
    """The layers by name, each imported when it is asked for: there are many, and a run needs one."""

    def __getitem__(self, name: str) -> Layer:
        if name not in TITLES:
            raise KeyError(name)
        return cast("Layer", import_module(f"gradcheck_cli.layers.{name.replace('-', '_')}").LAYER)

    def __iter__(self) -> Iterator[str]:
        return iter(TITLES)

    def __len__(self) -> int:
        return len(TITLES)


LAYERS: Mapping[str, Layer] = _Layers()
