"""The forms that code comes in, and the samples of each: at least two, each right and with a planted fault.

To add a sample, append a `Form` to `SAMPLES` of a module in `samples`, with the keys of the forms that it shows; to add
a form, add a row to `FORMS`. `test_table` checks every sample, and that no form lacks any.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

from tests.implementation.forms import samples, test_single_samples, test_updates

if TYPE_CHECKING:
    from tests.implementation.forms.checked import Form

FORMS = {
    # containers
    "dictionaries": "parameters or gradients in dictionaries",
    "one-matrix": "several parameters in one matrix",
    "lists": "parameters or gradients in lists",
    # arrays
    "columns": "samples as columns",
    "channels-last": "images with their channels last",
    "time-first": "steps first, as an array or as a list",
    "one-sample": "a single sample without an axis for it",
    "one-image": "one image (C, H, W) or (H, W, C)",
    "bias-shape": "a bias (F, 1), (1, F) or (1, 1, 1, F)",
    "no-bias": "no bias",
    "gates": "gates in another order",
    "heads": "heads as an axis of their own",
    # arguments
    "pairs": "a pair or a number for kernel, stride and pad",
    "fixed": "stride or window that no argument says, such as a stride of the window's size",
    "same": "pads in words",
    "settings": "eps, momentum, rates and the like as arguments",
    "named-only": "arguments by name only, with defaults, *args and **kwargs",
    "own-order": "arguments, and gradients in their order, that are not the layer's",
    # passes
    "cache-name": "a cache under any name",
    "no-cache": "a backward pass that is given forward's inputs again",
    "one-by-one": "a function for each gradient",
    "context": "a context: static passes, save_for_backward, attributes, entries",
    "returns-none": "passes that return None and leave what they compute in attributes, dictionaries or `out`",
    "slopes": "derivatives without a cotangent",
    "loss-pair": "a loss and its gradient as two functions",
    "several-outputs": "several outputs, each with a cotangent",
    "labels": "labels as integers",
    "one-hot": "labels as one-hot rows",
    "probabilities": "probabilities as inputs",
    "masks": "masks",
    "unseeded": "random numbers that nobody seeds",
    "globals": "parameters that are globals",
    # classes
    "classes": "classes of layers",
    "nested": "gradients one level down",
    "param-lists": "`params` and `grads` of a class",
    "updates": "a backward pass that updates the parameters, at a learning rate",
    "callables": "bound methods, objects and callables",
    "networks": "whole networks, with a loss and named parameters",
    # places
    "unknown": "layers that are not known, whose shapes are found by trying",
    "halves": "passes in two files of a folder",
    "odd-names": "files whose names cannot be imported",
    "packages": "packages with circular imports, and modules that are missing",
    "notebooks": "notebooks",
}


def all_samples() -> dict[str, Form]:
    """Return every sample by its module and its number there."""
    found: dict[str, Form] = {}
    for module in sorted(info.name for info in pkgutil.iter_modules(samples.__path__)):
        listed = importlib.import_module(f"{samples.__name__}.{module}").SAMPLES
        found |= {f"{module}-{sample.shows.replace(' ', '-')}-{number}": sample for number, sample in enumerate(listed)}
    return found


def shown(key: str) -> int:
    """Count the samples of a form, those of the other tests of forms too."""
    others = (*test_single_samples.FORMS.values(), *test_updates.FORMS.values())
    return sum(key in sample.shows.split() for sample in (*all_samples().values(), *others))
