"""What names say of arguments of backward that are neither arrays of forward nor cotangents: labels, lengths, parts."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from gradcheck_cli.implementation.conventions.slots import (
    EMPTY,
    VARIABLE,
    MisfitError,
    Slot,
    SlotKind,
    is_context,
    is_cotangent,
    signature_of,
    slot_for,
    write_call,
)
from gradcheck_cli.implementation.vocabulary.vocabulary import word, words

#: What labels are called.
LABELS = words("y {,y}true t{,arget}{,s} label{,s} ytrue yonehot onehot {,ground}truth gt actual expected desired")

#: What the length of an axis is called: one capital letter, `hidden_size`, `n_heads`.
SIZE = re.compile(r"[A-Z]$|(n|num)_\w+$|num[a-z]+s$|(\w+_)?(dim|size|heads?|len|length)$")


def refuse_labels(name: str, parameters: list[inspect.Parameter]) -> None:
    """Refuse a backward pass that takes labels and no cotangent: `softmax_backward(A, Y)` is that of a loss.

    Raises:
        MisfitError: it is one.
    """
    required = [p for p in parameters if p.default is EMPTY]
    labels = [p.name for p in required if word(p.name) in LABELS]
    if labels and len(required) > 1 and not any(is_cotangent(p.name) or is_context(p.name) for p in required):
        called = write_call(name, required)
        raise MisfitError(f"`{called}` takes no cotangent but `{labels[0]}`, as the gradient of a loss does")


def spread_slots(function: Callable[..., Any], outputs: Sequence[str]) -> list[tuple[Slot, ...]]:
    """Read a backward pass that takes cotangents, and the parts of a cache as *args or **kwargs; [] for any other."""
    signature = signature_of(function)
    parameters = [*signature.parameters.values()] if signature else []
    left = [p for p in parameters if p.kind is not inspect.Parameter.KEYWORD_ONLY or p.default is EMPTY]
    if not left or left[-1].kind not in VARIABLE or len(left) != len(outputs) + 1:
        return []
    cotangents = (slot_for(p, SlotKind.COTANGENT, key) for p, key in zip(left, outputs, strict=False))
    return [(*cotangents, replace(slot_for(left[-1], SlotKind.CACHE), spread=True))]
