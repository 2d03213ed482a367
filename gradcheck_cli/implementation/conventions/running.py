"""Runs code as a reading says: forward leaves a `Call`, which its backward is given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from gradcheck_cli.data.frozen import frozen, replace
from gradcheck_cli.implementation.calling import WrittenArray, WrittenDict, name_of
from gradcheck_cli.implementation.conventions.arguments import Values, settings_in
from gradcheck_cli.implementation.conventions.attributes import (
    Path,
    attributes,
    gradients_held,
    newest_gradient,
    stored_output,
)
from gradcheck_cli.implementation.conventions.containers import Context
from gradcheck_cli.implementation.conventions.instances import (
    copied,
    make_instance,
    set_parameters,
    set_state,
    with_kept,
)
from gradcheck_cli.implementation.conventions.network_steps import Role
from gradcheck_cli.implementation.conventions.one_by_one import OneByOne
from gradcheck_cli.implementation.conventions.packing import Packed, called, left_at_zero, origins
from gradcheck_cli.implementation.conventions.parts import last_calls
from gradcheck_cli.implementation.conventions.reading import Reading
from gradcheck_cli.implementation.conventions.returned import (
    as_array,
    entry_at,
    gradients_in,
    has_cache,
    is_list_of_numbers,
    outputs_in,
    times_cotangent,
    with_kept_axes,
)
from gradcheck_cli.implementation.conventions.slots import LABELS, Slot, SlotKind, has
from gradcheck_cli.implementation.conventions.source import sets_on_context
from gradcheck_cli.implementation.conventions.updates import read_updates
from gradcheck_cli.implementation.implementation import (
    NO_BACKWARD,
    Implementation,
    ImplementationError,
    NotExpressibleError,
)
from gradcheck_cli.implementation.vocabulary.vocabulary import word
from gradcheck_cli.layers.framework.problem import fresh
from gradcheck_cli.numeric.arrays import Array

#: Why a loss of one-hot labels is not checked where it is NaN and its gradient is not.
_UNDERFLOW = (
    "one-hot labels are multiplied by log(p), and 0 * log(0) is NaN: a probability underflows to 0; "
    "take the logarithm of the label's probability alone, or log(sum(exp(x - max))) - (x[y] - max)"
)


@frozen
class Call:
    """A forward call, as far as backward needs it."""

    inputs: Mapping[str, Array]
    parameters: Mapping[str, object] | None = None
    output: object = None
    cache: object = None  #: None where there is none; of one function that returns both, the gradients
    instance: object = None


def implementation_of(reading: Reading, name: str, spec: str | None) -> Implementation:
    """Return a reading in the form that the checks call."""
    whole = _Run(reading)
    run: _Run | OneByOne | Packed = whole
    if reading.single:
        outputs = (*reading.outputs, *reading.layer.state)
        run = OneByOne(whole.forward, whole.backward, reading.vocabulary.axes, outputs, average=reading.layer.loss)
    absent, packing, words = reading.absent, reading.vocabulary.packing, reading.vocabulary.inputs
    if packing:
        run = Packed(run.forward, run.backward, packing, absent)
        words = called(packing)

    def left(cache: Any) -> object:
        return cache if reading.single else whole.left_by_forward(cache[0] if packing else cache)

    without, optional = reading.found.without, {slot.key for slot in reading.forward if slot.has_default}
    lacking = reading.unread if reading.code.title else without  # data of networks have no gradient
    unread = [one for one in lacking if word(one) not in LABELS and one not in optional]
    unread += left_at_zero(packing, absent)
    own = (*reading.order, *(name for slot in reading.forward for name in slot.inputs if name in without))
    found = dict.fromkeys(unread, "no gradient of {} was found")
    found |= dict.fromkeys(reading.found.overwritten, "the gradient of {} is that of the last of several calls")
    warnings = [f"{what.format(name)}; it is not checked" for name, what in found.items()]
    for argument in reading.output_in_place_of_input:
        passes = reading.code.name("backward"), reading.code.name("forward")
        warnings.append("{0}({2}) is right only where {2} is the output of {1}".format(*passes, argument))
    return Implementation(
        name=name,
        spec=spec,
        convention=reading.convention,
        forward=run.forward,
        backward=run.backward,
        left_by_forward=left,
        order=() if reading.layer.reference else own,
        refusal=reading.refusal,
        given=partial(with_kept, reading) if reading.found.kept or reading.found.without else None,
        outputs=reading.outputs,
        absent=origins(packing, absent),
        cotangents=reading.cotangents,
        passes=(reading.code.written("forward"), reading.code.written("backward")),
        warnings=tuple(warnings),
        words=words,
    )


def after_backward(reading: Reading, call: Call, cotangent: object) -> tuple[object, Mapping[Path, Array]]:
    """Return a copy of the instance of a call on which backward was called, and what its parts kept of their last call.

    Raises:
        ImplementationError: it raised.
    """
    twin = copied(call.instance)
    with last_calls(twin, reading.code.backward) as kept:
        reading.call("backward", twin, _Run(reading).values_back(cotangent, call))
    return twin, kept


@dataclass(frozen=True)
class _Run:
    """The passes of a reading."""

    reading: Reading

    def forward(self, inputs: Mapping[str, Array], parameters: Mapping[str, object] | None) -> tuple[object, object]:
        """Call forward; of a class, that of a new instance, so that nothing of one call reaches another."""
        reading = self.reading
        if why := reading.refusal([*inputs, *(parameters or ())]):
            raise NotExpressibleError(why)
        if reading.code.tensors and any(value.dtype.char == "g" for value in inputs.values()):
            raise NotExpressibleError("PyTorch has no tensors of longdouble")
        values = reading.values(inputs, parameters)
        try:
            instance = make_instance(reading, values) if reading.code.cls is not None else None
            set_parameters(reading, instance, values, inputs)
            set_state(reading, instance, values)
            before = attributes(instance)
            if has(SlotKind.FILLED, reading.forward):
                buffers = self._buffers(reading.forward, values, Call(inputs=inputs, parameters=parameters))
                values = replace(values, filled=buffers)
            contexts = [s for s in reading.forward if s.kind is SlotKind.CONTEXT and s.key not in values.inputs]
            needs_cache = has(SlotKind.CACHE, reading.backward)
            is_required = any(not s.has_default or (needs_cache and instance is not None) for s in contexts)
            values = replace(values, context=self._context(values)) if is_required else values
            returned = self._call_forward(instance, values)
            if contexts and needs_cache and not is_required and not has_cache(reading, returned):
                values = replace(values, context=self._context(values))  # which forward fills only if it is given one
                returned = self._call_forward(instance, values)
        except ImplementationError as error:
            if isinstance(error.__cause__, NotExpressibleError):
                raise error.__cause__ from error
            # A tuple stood where a number was wanted; a wrong shape is another mistake.
            cause = error.__cause__
            no_number = isinstance(cause, TypeError) or (isinstance(cause, ValueError) and "a sequence" in str(cause))
            if reading.code.cls is not None and no_number:  # forward computes with what was kept
                reading.arguments("constructor", values).blame_pair(name_of(reading.code.cls), error)
            raise
        if returned is None and instance is not None:
            returned = stored_output(instance, before)
        if reading.reduced and isinstance(returned, np.ndarray):
            returned = reading.reduced(returned)
        if returned is None and values.filled:
            returned = np.array(next(iter(values.filled.values())))
        outputs, cache = outputs_in(reading, returned, values.context)
        if cache is None and instance is not None and needs_cache:
            cache = stored_output(instance, before)
        call = Call(inputs=inputs, parameters=parameters, output=outputs[0], cache=cache, instance=instance)
        if reading.layer.loss and reading.encoding and self._is_nan_with_finite_gradients(call):
            raise NotExpressibleError(_UNDERFLOW)
        found = [reading.take(name, output) for name, output in zip(reading.outputs, outputs, strict=True)]
        found += [values.dictionary.get(name) for name in reading.layer.state]
        return tuple(found) if len(found) > 1 else found[0], call

    def left_by_forward(self, call: object) -> object:
        """Return the cache that user code returned, or what else forward leaves to backward: an object, the inputs."""
        assert isinstance(call, Call)
        keeps_state = self.reading.code.cls is not None or has(SlotKind.ENTRY, self.reading.forward)
        if keeps_state and (call.parameters or {}).get("mode") == "test":
            return NO_BACKWARD
        return call.cache if has(SlotKind.CACHE, self.reading.backward) and call.instance is None else call

    def backward(self, cotangent: Any, cache: object, names: tuple[str, ...]) -> Mapping[str, object]:
        """Call backward, of a class on a copy of the instance, and gather the gradients from wherever they are."""
        assert isinstance(cache, Call)
        reading, code = self.reading, self.reading.code
        tops = {name.partition(".")[0]: None for name in names} if not reading.layer.reference else names
        spares = [slot.key for slot in reading.forward if slot.key in reading.inputs and reading.vocabulary.packing]
        order = [name for name in reading.order or tuple(cache.inputs) if name in tops or name in spares]
        if code.backward is None:
            found = self._opened(gradients_in(cache.cache, order, reading.wanted, code.name("forward")), names)
            return self._taken(times_cotangent(found, cotangent, code.name("forward")), cache)
        slots = reading.backward
        values = self.values_back(cotangent, cache)
        instance = copied(cache.instance)
        holder = cache.cache if instance is None and isinstance(cache.cache, Context) else instance
        left = names if holder is not None else ()
        before = {name: gradients_held(holder, reading.wanted(name)) for name in left}
        values = replace(values, filled=self._buffers(slots, values, cache))
        returned = reading.call("backward", instance, values)
        returned = reading.joined(order[0], returned) if order else returned
        returned = None if isinstance(returned, np.ndarray) and not returned.size else returned
        if len(order) == 1 and not reading.layer.reference and is_list_of_numbers(returned):
            returned = np.asarray(returned, dtype=float)
        if isinstance(returned, np.ndarray) and holder is not None and names:
            passed = [slot.key for slot in reading.forward if slot.key in names and slot.value is not Role.DATA]
            found = {next(iter(passed), names[0]): returned}
        else:
            found = self._opened(gradients_in(returned, order, reading.wanted, code.name("backward")), names)
        for slot in (slot for slot in slots if slot.kind is SlotKind.FILLED):
            filled = values.filled[slot.name]
            own = {slot.key: np.array(filled)} if slot.key else gradients_in(filled, order, reading.wanted, "")
            found = {**own, **found}
        for name in (name for name in left if name not in found):
            found[name] = as_array(newest_gradient(holder, reading.wanted(name), before[name]))
        if unread := [name for name in names if name in reading.kept and found.get(name) is None]:
            found |= read_updates(reading, cache.instance, values, unread)
        if not has(SlotKind.COTANGENT, slots):
            found = times_cotangent(found, cotangent, code.name("backward"))
        return self._taken(found, cache)

    def _buffers(self, slots: Iterable[Slot], values: Values, call: Call) -> dict[str, object]:
        """Make what a pass is given to fill: arrays of zeros, as its outputs or gradients will be, or a dictionary."""
        found: dict[str, object] = {}
        for slot in (slot for slot in slots if slot.kind is SlotKind.FILLED):
            like = values.inputs.get(slot.key)
            if slot.key in self.reading.outputs:
                layer = self.reading.layer
                if tuple(call.inputs) != layer.inputs:  # its parameters come in other arrays: what they give is unknown
                    raise NotExpressibleError(f"it is given an array `{slot.name}` to fill, of which no size is known")
                given = [fresh(call.parameters or {})] if layer.param else []
                like = self.reading.give(slot.key, layer.functions[0](*call.inputs.values(), *given)[0])
            zeros = np.zeros_like(np.asarray(like)).view(WrittenArray)
            found[slot.name] = zeros if slot.key else WrittenDict()
        return found

    def values_back(self, cotangent: Any, call: Call) -> Values:
        reading = self.reading
        parts = zip(reading.outputs, cotangent if isinstance(cotangent, tuple) else (cotangent,), strict=False)
        return replace(
            reading.values(call.inputs, call.parameters),
            cache=call.cache,
            cotangents={name: reading.give(name, part) for name, part in parts},
            output=call.output,
            rate=1.0,  # by which code may multiply a gradient that it keeps
        )

    def _opened(self, found: Mapping[str, object], names: tuple[str, ...]) -> dict[str, object]:
        """Find the gradients of arrays in containers, by their paths."""
        opened = {path: entry_at(path.split("."), found) for path in names if path not in found}
        opened = {path: value for path, value in opened.items() if value is not None}
        return {name: value for name, value in found.items() if name in names} | opened

    def _taken(self, found: Mapping[str, object], call: Call) -> dict[str, object]:
        """Bring gradients back into the layer's order of axes."""
        taken = {name: self.reading.take(name, value, call.inputs[name].shape) for name, value in found.items()}
        kept = self.reading.found.kept
        return {n: with_kept_axes(value, call.inputs[n].shape) if n in kept else value for n, value in taken.items()}

    def _is_nan_with_finite_gradients(self, call: Call) -> bool:
        out = call.output
        if not isinstance(out, np.ndarray) or out.dtype.kind != "f" or not np.isnan(out).any():
            return False
        found = gradients_in(call.cache, list(call.inputs), self.reading.wanted, "")
        return any(isinstance(value, np.ndarray) and bool(np.isfinite(value).all()) for value in found.values())

    def _call_forward(self, instance: object, values: Values) -> object:
        code, arguments = self.reading.code, self.reading.arguments("forward", values)
        if values.context is not None and sets_on_context(code.written("forward")):
            vars(values.context).update(settings_in(self.reading.forward, arguments))
        return arguments.call(code.function("forward", instance))

    def _context(self, values: Values) -> Context:
        """Make a context that says for each argument of forward whether it has a gradient."""
        passed = (s for s in self.reading.forward if s.kind is not SlotKind.CONTEXT)
        given = (values.inputs.get(s.key) if s.kind is SlotKind.INPUT else None for s in passed)
        return Context(tuple(isinstance(value, np.ndarray) and value.dtype.kind == "f" for value in given))
