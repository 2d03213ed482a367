"""WHAT can be checked: one file a layer, and one line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradcheck_cli.layers import conv

if TYPE_CHECKING:
    from gradcheck_cli.layers.layer import Layer

LAYERS: dict[str, Layer] = {layer.name: layer for layer in (conv.LAYER,)}
