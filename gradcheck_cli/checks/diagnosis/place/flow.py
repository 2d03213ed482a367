"""Which statements of a function compute which of its variables, as far as its text tells."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from gradcheck_cli.checks.diagnosis.place.source import Function, Source, statements_in
from gradcheck_cli.checks.diagnosis.place.syntax import expressions, is_plain, values_in, variable

Loop = ast.For | ast.AsyncFor | ast.While


#: What changes an array in place: `np.add.at(dx, index, values)`, `steps.append(dx)`.
_CHANGES_FIRST_ARGUMENT, _CHANGES_OBJECT = (
    {"at", "copyto", "put", "place", "fill_diagonal"},
    {"append", "fill", "insert"},
)

#: Calls within calls that are followed: backward, a helper, and what the helper calls.
_DEEPEST = 2


@dataclass(frozen=True, eq=False)
class Definition:
    """A statement that gives a variable a value, or a part of one."""

    flow: Flow
    variable: str
    statement: ast.stmt
    value: ast.expr | None = None
    target: ast.expr | None = None  #: what is assigned to; None for what a return statement returns
    augmented: bool = False  #: whether it adds to what was there
    loops: tuple[Loop, ...] = ()  #: around it, the outermost first
    mode: str = ""  #: "train" or "test", if it is carried out in that mode alone

    @property
    def expressions(self) -> list[ast.expr]:
        """The expressions of what is assigned or returned here; of a statement that does neither, all of its own."""
        parts = [part for part in (self.value, self.target) if part is not None]
        return [one for part in parts for one in expressions(part)] if parts else list(expressions(self.statement))

    @property
    def computes(self) -> bool:
        """Whether it computes anything, or only names, unpacks or copies what there is."""
        return self.augmented or not (self.value is None or is_plain(self.value))


class Flow:
    """The definitions in one function."""

    def __init__(self, source: Source, function: Function | ast.Lambda) -> None:
        self.source, self.function = source, function
        arguments = function.args
        self.parameters = [one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
        self.definitions: defaultdict[str, list[Definition]] = defaultdict(list)
        self.returned: list[tuple[ast.Return, list[ast.expr]]] = []
        self.statements: list[tuple[ast.stmt, tuple[Loop, ...]]] = []
        self._mode = ""  # of the statement that is read
        self.inner = {node.name: node for node in ast.walk(function) if isinstance(node, ast.FunctionDef)}
        if isinstance(function, ast.Lambda):
            self._read([ast.copy_location(ast.Return(function.body), function)], ())
        else:
            self._read(function.body, ())

    def _read(self, body: Iterable[ast.stmt], loops: tuple[Loop, ...], mode: str = "") -> None:
        for statement in body:
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                continue
            self.statements.append((statement, loops))
            self._mode = mode
            self._define(statement, loops)
            inside = loops
            if isinstance(statement, ast.For | ast.AsyncFor | ast.While):
                inside = (*loops, statement)
            if isinstance(statement, ast.If):
                then, otherwise = _modes(statement)
                self._read(statement.body, inside, then or mode)
                self._read(statement.orelse, inside, otherwise or mode)
            else:
                self._read(statements_in(statement), inside, mode)

    def _define(self, statement: ast.stmt, loops: tuple[Loop, ...]) -> None:
        match statement:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    self._assign(statement, target, value, loops)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self._assign(statement, target, value, loops)
            case ast.AugAssign(target=target, value=value):
                self._add(Definition(self, variable(target), statement, value, target, augmented=True, loops=loops))
            case ast.For(target=target, iter=value):
                self._assign(statement, target, value, loops)
            case ast.Return(value=ast.expr() as value):
                values = list(value.elts) if isinstance(value, ast.Tuple | ast.List) else [value]
                self.returned.append((statement, values))
                for number, one in enumerate(values):
                    self._add(Definition(self, returned(number), statement, one, loops=loops))
            case ast.Expr(value=ast.Call() as call):
                self._change(statement, call, loops)
            case _:
                pass

    def _assign(self, statement: ast.stmt, target: ast.expr, value: ast.expr, loops: tuple[Loop, ...]) -> None:
        if isinstance(target, ast.Tuple | ast.List):
            values = value.elts if isinstance(value, ast.Tuple | ast.List) else []
            paired = len(values) == len(target.elts)
            for number, one in enumerate(target.elts):
                self._assign(statement, one, values[number] if paired else value, loops)
            return
        self._add(Definition(self, variable(target), statement, value, target, loops=loops))

    def _change(self, statement: ast.stmt, call: ast.Call, loops: tuple[Loop, ...]) -> None:
        """Define what a call changes in place."""
        called = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        changed = [keyword.value for keyword in call.keywords if keyword.arg == "out"]
        if called in _CHANGES_FIRST_ARGUMENT or (isinstance(call.func, ast.Name) and call.args):
            changed += call.args[:1]
        if called in _CHANGES_OBJECT and isinstance(call.func, ast.Attribute):
            changed.append(call.func.value)
        for one in changed:
            self._add(Definition(self, variable(one), statement, call, one, augmented=True, loops=loops))

    def _add(self, definition: Definition) -> None:
        if definition.variable:
            self.definitions[definition.variable].append(replace(definition, mode=self._mode))


class Pass:
    """A forward or backward pass, with the functions of the same file that it calls."""

    def __init__(self, source: Source, function: Function | ast.Lambda) -> None:
        self._source = source
        self._flows: dict[ast.AST, Flow] = {}
        self.main = self._flow(function)
        self._methods = {
            node.name: node
            for cls in source.tree.body
            if isinstance(cls, ast.ClassDef) and function in cls.body
            for node in cls.body
            if isinstance(node, ast.FunctionDef)
        }
        self._functions = {node.name: node for node in source.tree.body if isinstance(node, ast.FunctionDef)}

    def helper(self, call: ast.expr | None, flow: Flow) -> Flow | None:
        """Return the function of this file that an expression calls, if it is such a call."""
        found: Function | None = None
        match call:
            case ast.Call(func=ast.Name(id=name)):
                found = flow.inner.get(name) or self.main.inner.get(name) or self._functions.get(name)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name)):
                found = self._methods.get(name)
            case _:
                pass
        return self._flow(found) if found and found is not flow.function else None

    def flows(self) -> list[Flow]:
        """Return the pass itself and the functions that it calls."""
        found, new = [self.main], [self.main]
        for _ in range(_DEEPEST):
            called = [self.helper(node, flow) for flow in new for s, _ in flow.statements for node in expressions(s)]
            new = [flow for flow in dict.fromkeys(called) if flow and flow not in found]
            found += new
        return found

    def slice(self, flow: Flow, variables: set[str], *, copies: bool = False) -> list[Definition]:
        """Return all definitions on which the values of variables depend; those of indices and shapes are left out.

        Args:
            flow: the function of the variables.
            variables: their names.
            copies: whether to follow only what names, copies or reshapes another variable, and nothing that computes.
        """
        found: dict[int, Definition] = {}
        self._collect(flow, variables, found, 0, copies=copies)
        return list(found.values())

    def _collect(
        self, flow: Flow, variables: set[str], found: dict[int, Definition], depth: int, *, copies: bool
    ) -> None:
        for name in sorted(variables):
            for definition in flow.definitions.get(name, []):
                if id(definition) in found or definition.value is None:
                    continue
                found[id(definition)] = definition
                follow = {variable(definition.value)} if copies else set(values_in(definition.value))
                self._collect(flow, follow, found, depth, copies=copies)
                for node in ast.walk(definition.value) if depth < _DEEPEST else ():
                    if isinstance(node, ast.Call) and (helper := self.helper(node, flow)):
                        self._collect(helper, self._results(helper, definition, node), found, depth + 1, copies=copies)

    def _results(self, helper: Flow, definition: Definition, call: ast.Call) -> set[str]:
        """Name the variables of a helper that reach a definition: what it returns, or its argument that it changes."""
        if isinstance(definition.statement, ast.Expr):
            return set(helper.parameters[:1])
        numbers = {number for _, values in helper.returned for number in range(len(values))}
        match definition.statement:
            case ast.Assign(targets=[ast.Tuple(elts=elements)], value=value) if value is call:
                numbers &= {k for k, one in enumerate(elements) if one is definition.target}
            case _:
                pass
        return {returned(number) for number in numbers}

    def _flow(self, function: Function | ast.Lambda) -> Flow:
        if function not in self._flows:
            self._flows[function] = Flow(self._source, function)
        return self._flows[function]


def _modes(statement: ast.If) -> tuple[str, str]:
    """Return the modes in which the branches of `if mode == "train":` are taken; empty if it asks something else."""
    match statement.test:
        case ast.Compare(ops=[ast.Eq()], comparators=[ast.Constant(value="train" | "test" as mode)]):
            return str(mode), "test" if mode == "train" else "train"
        case _:
            return "", ""


def returned(number: int) -> str:
    """Name what a function returns in that place, like a variable."""
    return f"return {number}"
