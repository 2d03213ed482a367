"""Built-in passes as implementations. A run of them imports nothing that reads other people's code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gradcheck_cli.implementation.implementation import Implementation
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.numeric.arrays import Array


def built_in(layer: Layer, name: str) -> Implementation:
    """Return a built-in implementation of a layer, which is trusted: it is called directly, without copies.

    Raises:
        KeyError: the layer has none of this name.
    """
    if not layer.reference:
        from gradcheck_cli.implementation.from_python import from_functions  # 10 ms, and only for functions

        return from_functions(layer.builtin[name], layer, spec=name)
    forward, *others = layer.builtin[name]

    def run_forward(inputs: Mapping[str, Array], parameters: Mapping[str, object] | None) -> tuple[object, object]:
        written = dict(parameters or {})
        out, *rest = forward(*inputs.values(), *([] if parameters is None else [written]))
        if not others:
            return np.asarray(out), rest
        *more, cache = rest
        outputs = (out, *more, *map(written.get, layer.state))
        return outputs if len(outputs) > 1 else out, cache

    def run_backward(cotangent: Any, cache: Any, names: tuple[str, ...]) -> Mapping[str, object]:
        if not others:
            return {key: gradient * cotangent for key, gradient in zip(names, cache, strict=True)}
        cotangents = cotangent[: len(layer.outputs)] if isinstance(cotangent, tuple) else (cotangent,)
        returned = others[0](*cotangents, cache)
        return dict(zip(names, returned if isinstance(returned, tuple) else (returned,), strict=True))

    return Implementation(name=name, spec=name, convention="", forward=run_forward, backward=run_backward)
