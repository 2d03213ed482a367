"""From what a user types (`naive`, `FILE.py`, `package.module:forward,backward`) to an implementation of a layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.implementation.built_in import built_in
from gradcheck_cli.implementation.calling import call, describe
from gradcheck_cli.implementation.conventions.both_passes import expanded, instance_passes, part_of
from gradcheck_cli.implementation.conventions.given_arguments import bind_arguments, call_arguments
from gradcheck_cli.implementation.conventions.running import implementation_of
from gradcheck_cli.implementation.conventions.slots import MisfitError
from gradcheck_cli.implementation.conventions.trial import Fit, Tried
from gradcheck_cli.implementation.finding.candidates import Candidate, candidates, names_in, pairs_with, public
from gradcheck_cli.implementation.finding.folder import contents
from gradcheck_cli.implementation.finding.names import layers_called, speaks_of
from gradcheck_cli.implementation.finding.networks import network_of
from gradcheck_cli.implementation.finding.places import joined, named_objects, open_place
from gradcheck_cli.implementation.from_python import from_functions
from gradcheck_cli.implementation.implementation import (
    Implementation,
    ImplementationError,
    ImplementationNotFoundError,
    in_turn,
)
from gradcheck_cli.implementation.loading.load import Loaded, Loader
from gradcheck_cli.implementation.loading.paths import is_file, is_folder, join_homes, shown_home, split_spec
from gradcheck_cli.implementation.seeding import seeds_from
from gradcheck_cli.implementation.vocabulary.lookup import expected_signature, vocabulary_of
from gradcheck_cli.implementation.vocabulary.vocabulary import Vocabulary
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.layers.framework.problem import Problem
from gradcheck_cli.text.names import join_names

_LISTED = 8  #: how many of the functions that are there are named
_NEAREST = 3  #: and of those that come near


def find(
    spec: str, layer: Layer, adapter: str | None = None, loader: Loader | None = None, case: Case | None = None
) -> Implementation:
    """Load what `spec` names.

    Args:
        spec: a built-in name; a file, a folder or a dotted module, with or without `:forward,backward` or `:Class`.
        layer: what is to be checked: it has the built-in pairs, and its vocabulary tells candidates apart.
        adapter: `FILE.py:function`, which makes a pair of functions of what `spec` names.
        loader: loads the files; by default from the current folder.
        case: of a layer without a reference, the case on which readings are tried.

    Raises:
        ImplementationNotFoundError: nothing, or nothing that can be loaded, or several candidates are there.
    """
    if adapter is None and spec in layer.builtin:
        return built_in(layer, spec)
    home, names = split_spec(spec)
    search = _Search(
        layer=layer, vocabulary=vocabulary_of(layer), home=shown_home(home), loader=loader or Loader(), case=case
    )
    return search.adapted(names, adapter) if adapter is not None else search.found(spec, names)


@frozen
class _Search:
    """The search for an implementation of a layer in one place."""

    layer: Layer
    vocabulary: Vocabulary
    home: str
    loader: Loader
    case: Case | None

    def found(self, spec: str, names: list[str]) -> Implementation:
        """Return the one that is there; of several, the one that does as the layer does."""
        places = self._open(spec)
        offered = [self._named(places[0], names)] if names else [c for p in places for c in candidates(p, self.layer)]
        offered = offered or self._across(places)
        tried, misfits = self._try(self._likeliest(offered))
        best = _best(tried)
        if not names and all(map(self._is_another, best, best.values())):
            raise ImplementationNotFoundError(self._describe_others(places, offered, misfits))
        if len(best) > 1:
            choices = "\n".join(f"  {candidate.spec}" for candidate in best)
            raise ImplementationNotFoundError(
                f"{self.home} has several pairs or classes that fit; name one:\n{choices}"
            )
        for candidate, one in best.items():
            implementation = implementation_of(one.reading, candidate.spec, candidate.spec)
            convention = implementation.convention
            if flags := getattr(self.case, "tried", ""):
                convention += f"; shapes found by trying, which `gradcheck function {candidate.spec} {flags}` fixes"
            return replace(
                implementation,
                convention=convention,
                given=in_turn(self._given(candidate), implementation.given),
                warnings=(*candidate.loaded.warnings, *implementation.warnings),
            )
        raise ImplementationNotFoundError(self._describe_nothing(places, misfits))

    def _across(self, places: list[Loaded]) -> list[Candidate]:
        """List the pairs of which forward and backward are in two files."""
        own = {place.home: [*public(place, own=True)] for place in places}
        found: list[Candidate] = []
        for candidate in candidates(joined(places), self.layer) if len(places) > 1 else []:
            where = [[place for place in places if name in own[place.home]] for name in candidate.names]
            if several := [name for name, files in zip(candidate.names, where, strict=True) if len(files) > 1]:
                files = join_names(place.home for place in where[candidate.names.index(several[0])])
                together = join_homes(homes[0].home for homes in where)
                why = f"{several[0]} is in {files}; name what belongs together, {together}"
                raise ImplementationNotFoundError(why)
            found.append(replace(candidate, loaded=joined(place for files in where for place in files)))
        return found

    def adapted(self, names: list[str], adapter: str) -> Implementation:
        """Call an adapter with what was named, or the module, and take the functions that it returns."""
        adapt = self._function_of("--adapter", adapter)
        places = self._open(self.home)
        if len(places) > 1:
            raise ImplementationNotFoundError(f"{self.home} has several files; name the one to adapt")
        spec = f"{self.home}:{','.join(names)}" if names else self.home
        try:
            returned = call(adapt, *(named_objects(places[0], names) if names else (places[0].module,)))
            is_one = (self.layer.loss and callable(returned)) or instance_passes((returned,))
            objects = (returned,) if is_one else returned
            are_called = isinstance(objects, tuple | list) and (is_one or all(map(callable, objects)))
            if not are_called or len(objects) > 2:
                wrong = f"returned {describe(returned)}, not (forward, backward) or an instance with both"
                raise ImplementationNotFoundError(f"--adapter {adapter} {wrong}")
            found = from_functions(tuple(objects), self.layer, spec, self.case)
        except (ImplementationError, TypeError) as error:
            raise ImplementationNotFoundError(f"--adapter {adapter}: {error}") from error
        adapted = f"adapted by {adapter}"
        # What the adapter made says nothing of where the code is that it calls.
        return replace(found, name=spec, convention=adapted, warnings=places[0].warnings, passes=(None, None))

    def _function_of(self, flag: str, spec: str) -> Any:
        """Load the function that a flag names."""
        where, names = split_spec(spec)
        if len(names) != 1 or not is_file(self.loader.path(where)):
            raise ImplementationNotFoundError(f"{flag} {spec}: give FILE.py:function, of a file that is there")
        (function,) = named_objects(self.loader.load_file(where), names)
        return function

    def _open(self, spec: str) -> list[Loaded]:
        """Load the place; of a folder the package, or if that has nothing itself, the files that speak of the layer."""
        path = self.loader.path(self.home)
        if not is_folder(path) or not self.home.strip("."):
            accepted = f"give {', '.join(self.layer.builtin)}, FILE.py, FILE.py:forward,backward, FILE.py:Class, "
            accepted += "a package's folder or package.module:forward,backward"
            return [open_place(self.home, spec, accepted, self.loader)]
        if is_file(path / "__init__.py"):
            package = self.loader.load_file(self.home)
            if candidates(package, self.layer):
                return [package]

        title, words = self.layer.title_with_article, self.vocabulary.names
        found = contents(path).only(
            lambda defined: speaks_of(defined.outermost, words), f"nothing is called after {title}"
        )
        note = found.note()
        if not found.searched:
            lacking = f"{self.home} is a folder without {title} in its files"
            raise ImplementationNotFoundError(
                f"{lacking}{f'; not searched: {note}' if note else ''}; name one, FILE.py"
            )
        places = [self.loader.load_file(str(Path(self.home, file.name))) for file in found.searched]
        warnings = (f"{self.home}: not searched: {note}",) if note else ()
        return [replace(place, warnings=(*warnings, *place.warnings)) for place in places]

    def _named(self, place: Loaded, names: list[str]) -> Candidate:
        """Return what was named, with the other half of a function that was named alone."""
        if self.layer.loss:
            wanted = f"name one function, {place.home}:loss"
        elif self.layer.reference:
            wanted = f"name two functions, {place.home}:forward,backward, or a class, {place.home}:Class"
        else:
            wanted = f"name a function and its gradient, {place.home}:f,gradient"
        refused = ImplementationNotFoundError(f"{wanted}, not {','.join(names)!r}")
        if not all(names) or (len(names) > 2 and not all(map(part_of, names[1:]))):
            raise refused
        objects = named_objects(place, names)
        network = None if self.layer.reference else network_of(objects, place.module)
        if network:
            return Candidate(loaded=place, names=tuple(names), objects=(network,))
        has_class = any(isinstance(value, type) and expanded((value,)) == (value,) for value in objects)
        if len(names) > 1 and (has_class or self.layer.loss):
            raise refused
        is_half = len(names) == 1 and not has_class and not self.layer.loss and expanded(objects) == objects
        pairs = pairs_with(names[0], place) if is_half else []
        if len(pairs) == 1:
            return Candidate(loaded=place, names=pairs[0], objects=named_objects(place, pairs[0]))
        if is_half and (pairs or self.layer.reference):  # any other function may return its gradients itself
            why = f"it is in {join_names(map(','.join, pairs))}" if pairs else "its other half is not found"
            raise ImplementationNotFoundError(f"{refused} alone: {why}")
        return Candidate(loaded=place, names=tuple(names), objects=objects)

    def _likeliest(self, offered: list[Candidate]) -> list[Candidate]:
        """Leave out what is called after another layer, if something is left; then what is not called after this."""
        if len(offered) > 1:
            offered = [one for one in offered if not speaks_of(one.names, self.vocabulary.others)] or offered
            offered = [one for one in offered if speaks_of(one.names, self.vocabulary.names)] or offered
        once = {tuple(map(id, candidate.objects)): candidate for candidate in reversed(offered)}
        return list(reversed(once.values()))

    def _try(self, offered: list[Candidate]) -> tuple[dict[Candidate, Tried], dict[Candidate, str]]:
        tried, misfits = {}, {}
        for candidate in offered:
            try:
                found = candidate.try_as(self.layer, self.case, self._given(candidate))
            except MisfitError as misfit:
                misfits[candidate] = str(misfit)
                continue
            if found:
                tried[candidate] = found
        return tried, misfits

    def _given(self, candidate: Candidate) -> Callable[[Problem], Problem] | None:
        """Return what puts the arguments of --example in place of those that are drawn; None without it.

        Raises:
            ImplementationNotFoundError: it returns none, or not those of the function.
        """
        example = getattr(self.case, "example", "")
        if not example:
            return None
        make = self._function_of("--example", example)
        try:
            with seeds_from(0):
                args, kwargs = call_arguments(call(make))
            return bind_arguments(candidate.objects[0], args, kwargs).given_to
        except (ImplementationError, TypeError) as error:
            raise ImplementationNotFoundError(f"--example {example}: {error}") from error

    def _is_another(self, candidate: Candidate, tried: Tried) -> bool:
        """Tell whether code is called after another layer, and does not do as this one."""
        is_called = speaks_of(candidate.names, self.vocabulary.others) or layers_called(candidate.names)
        is_meant = speaks_of(candidate.names, self.vocabulary.names)
        return bool(self.layer.reference and is_called) and not is_meant and tried.fit < Fit.PARTLY

    def _describe_others(self, places: list[Loaded], offered: list[Candidate], misfits: dict[Candidate, str]) -> str:
        """Say what is there, if nothing is called after the layer, and how it is checked."""
        is_meant = any(speaks_of(candidate.names, self.vocabulary.names) for candidate in offered)
        if is_meant or not self.layer.reference or not offered:
            return self._describe_nothing(places, misfits)
        has = join_names(",".join(candidate.names) for candidate in offered[:_NEAREST])
        more = f" and {len(offered) - _NEAREST} more" if len(offered) > _NEAREST else ""
        found = f"it has {has}{more}: `gradcheck {self.home}` checks {'it' if len(offered) == 1 else 'them'}"
        return f"{self.home} has no {self.layer.title}; {found}{_describe_warnings(places)}"

    def _describe_nothing(self, places: list[Loaded], misfits: dict[Candidate, str]) -> str:
        """Say what was looked for, and what comes nearest or is there instead."""
        classes = "" if self.layer.loss or not self.layer.reference else ", and no class with these passes"
        sought = f"{self.home} has no {expected_signature(self.layer)}{classes}"
        if misfits:
            return f"{sought}; nearest: {'; '.join([*misfits.values()][:_NEAREST])}"
        names = [name for place in places for name in names_in(place)]
        more = " and more" if len(names) > _LISTED else ""
        found = f"it has {join_names(names[:_LISTED])}{more}" if names else "it has no functions"
        return f"{sought}; {found}{_describe_warnings(places)}"


def _describe_warnings(places: list[Loaded]) -> str:
    return "".join(f"; {warning}" for place in places for warning in place.warnings)


def _best(tried: dict[Candidate, Tried]) -> dict[Candidate, Tried]:
    """Take those that reproduce the reference, or do so in part, if any does; of these functions, if there are any."""
    right = {candidate: one for candidate, one in tried.items() if one.fit is Fit.REPRODUCES}
    right = right or {candidate: one for candidate, one in tried.items() if one.fit is Fit.PARTLY} or tried
    return {candidate: one for candidate, one in right.items() if not candidate.is_class} or right
