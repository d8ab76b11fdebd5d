"""Python that is never reached, and coroutines that nobody awaits."""

from __future__ import annotations

import ast
import builtins
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import cast

from flowrunner.dispatch.static.rules.rule import Rule
from flowrunner.dispatch.static.sources import (
    Check,
    Hit,
    Project,
    Source,
    is_python,
    nodes_of,
    syntax_tree,
)
from flowrunner.wire.findings import Severity

HIDDEN_HANDLER = Rule(
    "unreachable-handler",
    Severity.MAJOR,
    "error-handling",
    "An earlier handler catches this exception already, so this one never runs.",
)
DEAD_CODE = Rule(
    "unreachable-code",
    Severity.MINOR,
    "correctness",
    "The statement before it always leaves the block, so this line never runs.",
)
NOT_AWAITED = Rule(
    "coroutine-not-awaited",
    Severity.MAJOR,
    "concurrency",
    "Calling an async function only makes a coroutine: without await nothing of it runs.",
    in_tests=True,
)
LOCK_HELD = Rule(
    "await-under-thread-lock",
    Severity.MINOR,
    "concurrency",
    "While this task waits it keeps a thread's lock: another task of the same loop that wants it"
    " stops the loop for ever.",
)

_LEAVES = (ast.Return, ast.Raise, ast.Continue, ast.Break)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_WAITS = (ast.Await, ast.AsyncFor, ast.AsyncWith)
_LOCKS = ("lock", "mutex")


def find_dead_code(source: Source, _project: Project) -> Iterator[Hit]:
    """Leave alone a lone yield, which makes a function a generator."""
    for block in _blocks(nodes_of(source.text)):
        for before, after in pairwise(block):
            if isinstance(before, _LEAVES) and not _is_yield(after):
                yield Hit(DEAD_CODE, after.lineno, "This line is never reached")
                break


def find_masked_excepts(source: Source, _project: Project) -> Iterator[Hit]:
    """Judge built-in exceptions only: of others the bases are not known."""
    if "except" not in source.text:
        return
    own = _bound_names(nodes_of(source.text))
    for node in nodes_of(source.text):
        if not isinstance(node, ast.Try | ast.TryStar):
            continue
        caught: list[type[BaseException]] = []
        for handler in node.handlers:
            classes = _classes(handler.type, own)
            if classes and all(issubclass(each, tuple(caught)) for each in classes):
                yield Hit(HIDDEN_HANDLER, handler.lineno, f"{_names(classes)} is caught above")
            caught += classes or []


def find_forgotten_awaits(source: Source, _project: Project) -> Iterator[Hit]:
    """Know a name only if the module binds it once, as an async function without decorators."""
    module = syntax_tree(source.text) if "async def" in source.text else None
    if module is None:
        return
    known = _plain_coroutines(module.body, _bound_names(nodes_of(source.text)))
    for node in nodes_of(source.text):
        if isinstance(node, ast.ClassDef):
            methods = _plain_coroutines(node.body, Counter(_defined(node.body)))
            yield from _dropped_calls(node, {f"self.{name}" for name in methods})
    yield from _dropped_calls(module, known)


def find_waits_under_locks(source: Source, _project: Project) -> Iterator[Hit]:
    for node in nodes_of(source.text) if "await" in source.text else ():
        if isinstance(node, ast.With) and any(_is_lock(i.context_expr) for i in node.items):
            waiting = [n for n in _walk_shallow(node.body) if isinstance(n, _WAITS)]
            if waiting:
                yield Hit(LOCK_HELD, node.lineno, "A thread's lock is held across an await")


def _blocks(nodes: Sequence[ast.AST]) -> Iterator[Sequence[ast.stmt]]:
    for node in nodes:
        for name in ("body", "orelse", "finalbody"):
            block: object = getattr(node, name, None)
            # A lambda's body is an expression, not a list.
            if isinstance(block, list):
                yield cast("list[ast.stmt]", block)


def _walk_shallow(body: Sequence[ast.AST]) -> Iterator[ast.AST]:
    """Yield nodes without entering functions, which run at another time."""
    waiting = list(body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, (*_FUNCTIONS, ast.Lambda)):
            continue
        yield node
        waiting += ast.iter_child_nodes(node)


def _is_yield(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(
        statement.value, ast.Yield | ast.YieldFrom
    )


def _classes(node: ast.expr | None, own: Counter[str]) -> list[type[BaseException]]:
    """Return the built-in classes that a handler catches, none if any is not built in."""
    if node is None:
        return [BaseException]
    nodes = node.elts if isinstance(node, ast.Tuple) else [node]
    classes: list[type[BaseException]] = []
    for each in nodes:
        found = getattr(builtins, each.id, None) if isinstance(each, ast.Name) else None
        if not (isinstance(found, type) and issubclass(found, BaseException)):
            return []
        if isinstance(each, ast.Name) and own[each.id]:
            return []
        classes.append(found)
    return classes


def _names(classes: Sequence[type[BaseException]]) -> str:
    return ", ".join(each.__name__ for each in classes)


def _bound_names(nodes: Sequence[ast.AST]) -> Counter[str]:
    """Count how often any scope of the module binds a name, parameters included."""
    names: Counter[str] = Counter()
    for node in nodes:
        match node:
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
            ):
                names[name] += 1
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.arg(arg=name):
                names[name] += 1
            case ast.alias(name=name, asname=other):
                names[other or name.partition(".")[0]] += 1
            case _:
                pass
    return names


def _defined(body: Sequence[ast.stmt]) -> Iterator[str]:
    for statement in body:
        if isinstance(statement, _FUNCTIONS):
            yield statement.name
        elif isinstance(statement, ast.Assign):
            yield from (t.id for t in statement.targets if isinstance(t, ast.Name))


def _plain_coroutines(body: Sequence[ast.stmt], bound: Counter[str]) -> set[str]:
    return {
        each.name
        for each in body
        if isinstance(each, ast.AsyncFunctionDef)
        and not each.decorator_list
        and bound[each.name] == 1
        and not any(isinstance(n, ast.Yield) for n in _walk_shallow(each.body))
    }


def _dropped_calls(within: ast.AST, known: set[str]) -> Iterator[Hit]:
    for node in ast.walk(within):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            name = ast.unparse(node.value.func) if _is_plain(node.value.func) else ""
            if name in known:
                yield Hit(NOT_AWAITED, node.lineno, f"{name}() is called and never awaited")


def _is_plain(node: ast.expr) -> bool:
    if isinstance(node, ast.Attribute):
        return isinstance(node.value, ast.Name) and node.value.id == "self"
    return isinstance(node, ast.Name)


def _is_lock(node: ast.expr) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    return str(name).lower().endswith(_LOCKS)


DEAD = Check("unreachable code", is_python, find_dead_code)
HANDLERS = Check("unreachable handlers", is_python, find_masked_excepts)
AWAITS = Check("forgotten awaits", is_python, find_forgotten_awaits)
LOCKS = Check("awaits under locks", is_python, find_waits_under_locks)
