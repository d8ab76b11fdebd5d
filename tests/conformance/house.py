"""The house's measures as functions over source text; each answers with complaints, or none."""

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import TypeAlias

MODULE_LINES = 300
FUNCTION_LINES, FUNCTION_LINES_HARD, LONG_SHARE = 25, 40, 0.10
PARAMETERS = 5
NESTING = 4

# Plurals too, or the ban would only teach people to write `jobs`.
BANNED = {w + s for w in ("job", "item", "manager", "handler", "util") for s in ("", "s")}
FORBIDDEN_WORDS = frozenset(BANNED | {"data", "info"})
# `_data` is the wheel's folder; PostgreSQL has a data directory, the XDG standard a data home.
NAME_EXCEPTIONS = ("_data", "data_directory", "data_dir", "data_home")

POLLING_HELPERS = frozenset({"until"})
"""The only functions of the tests that may sleep, and only between two looks."""

# Frameworks fill these parameters by name, so nobody ever counts them at a call.
_TESTING = {"fixture", "given", "rule", "initialize"}
_COMMANDS = {"command", "group", "argument", "option"}
_ROUTES = {"get", "post", "put", "patch", "delete", "head", "websocket", "exception_handler"}
FILLED_BY_FRAMEWORK = frozenset(_TESTING | _COMMANDS | _ROUTES)

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
_BLOCK = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar)
_SLEEPERS = frozenset({"time", "asyncio", "anyio"})
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def long_module(text: str) -> list[str]:
    """Count every line, comments and blanks too."""
    count = len(text.splitlines())
    return [f"1: module of {count} lines"] if count > MODULE_LINES else []


def long_functions(text: str) -> list[str]:
    return [
        f"{line}: {name} has {count} lines"
        for line, name, count in function_lengths(text)
        if count > FUNCTION_LINES_HARD
    ]


def function_lengths(text: str) -> list[tuple[int, str, int]]:
    """Return (line, name, lines of code) per function: docstring, blanks and comments are free."""
    lines = text.splitlines()
    return [(f.lineno, f.name, _code_lines(f, lines)) for f in _functions(text)]


def share_of_long(texts: Iterable[str]) -> float:
    """Return which part of all functions is longer than it should be, 0.0 for no functions."""
    counts = [count for text in texts for _, _, count in function_lengths(text)]
    return sum(count > FUNCTION_LINES for count in counts) / len(counts) if counts else 0.0


def crowded_signatures(text: str) -> list[str]:
    """Count what can be given by position, without self; keyword-only parameters are free."""
    return [
        f"{f.lineno}: {f.name} has {count} parameters"
        for f in _functions(text)
        if (count := _positional(f)) > PARAMETERS
        and not f.name.startswith("test_")
        and not FILLED_BY_FRAMEWORK & set(_decorators(f))
    ]


def deep_nesting(text: str) -> list[str]:
    """Count blocks within blocks of one function; elif and case add no depth of their own."""
    return [
        f"{f.lineno}: {f.name} nests {depth} deep"
        for f in _functions(text)
        if (depth := _depth(f.body)) > NESTING
    ]


def forbidden_names(text: str, path: str = "") -> list[str]:
    """Look at the names of the module and its packages, of classes and of functions."""
    named = [(1, part.removesuffix(".py")) for part in path.split("/")]
    kinds = (ast.ClassDef, *_FUNCTION)
    named += [(n.lineno, n.name) for n in ast.walk(_parse(text)) if isinstance(n, kinds)]
    return [f"{line}: the name {name}" for line, name in named if _words(name) & FORBIDDEN_WORDS]


def undocumented_tests(text: str) -> list[str]:
    return [
        f"{f.lineno}: {f.name} has no docstring"
        for f in _functions(text)
        if f.name.startswith("test_") and not (ast.get_docstring(f) or "").strip()
    ]


def sleeps(text: str) -> list[str]:
    """Find sleeps outside a polling helper; sleep(0) only lets others run."""
    return [f"{line}: sleeps" for line in sorted(_sleeps_in(_parse(text)))]


def environment_reads(text: str) -> list[str]:
    names = {"environ", "environb", "getenv", "getenvb"}
    return [
        f"{node.lineno}: reads the environment"
        for node in ast.walk(_parse(text))
        if (isinstance(node, ast.Attribute) and node.attr in names and _is_name(node.value, {"os"}))
        or (
            isinstance(node, ast.ImportFrom)
            and node.module == "os"
            and names & {alias.name for alias in node.names}
        )
    ]


@cache
def _parse(text: str) -> ast.Module:
    return ast.parse(text)


def _functions(text: str) -> Iterator[Function]:
    return (node for node in ast.walk(_parse(text)) if isinstance(node, _FUNCTION))


def _code_lines(function: Function, lines: list[str]) -> int:
    numbers = set(range(function.lineno, (function.end_lineno or function.lineno) + 1))
    if ast.get_docstring(function) is not None:
        docstring = function.body[0]
        numbers -= set(range(docstring.lineno, (docstring.end_lineno or docstring.lineno) + 1))
    stripped = (lines[number - 1].strip() for number in numbers)
    return sum(bool(line) and not line.startswith("#") for line in stripped)


def _positional(function: Function) -> int:
    names = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def _decorators(function: Function) -> Iterator[str]:
    for decorator in function.decorator_list:
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        if isinstance(target, ast.Attribute):
            yield target.attr
        elif isinstance(target, ast.Name):
            yield target.id


def _depth(body: list[ast.stmt]) -> int:
    return max((_depth_of(statement) for statement in body), default=0)


def _depth_of(statement: ast.stmt) -> int:
    if isinstance(statement, ast.Match):
        return 1 + max(_depth(case.body) for case in statement.cases)
    if not isinstance(statement, _BLOCK):
        return 0
    bodies = [statement.body]
    elif_depth = 0
    if isinstance(statement, ast.Try | ast.TryStar):
        bodies += [statement.finalbody, *(h.body for h in statement.handlers)]
    if isinstance(statement, ast.If) and _is_elif(statement):
        elif_depth = _depth(statement.orelse)
    elif not isinstance(statement, ast.With | ast.AsyncWith):
        bodies.append(statement.orelse)
    return max(elif_depth, 1 + max(map(_depth, bodies)))


def _is_elif(statement: ast.If) -> bool:
    following = statement.orelse[:1]
    return (
        len(statement.orelse) == 1
        and isinstance(following[0], ast.If)
        and following[0].col_offset == statement.col_offset
    )


def _words(name: str) -> set[str]:
    for exception in NAME_EXCEPTIONS:
        name = re.sub(rf"(?<![a-z]){exception}(?![a-z])", "", name)
    return {word.lower() for word in _WORD.findall(name)}


def _sleeps_in(node: ast.AST) -> Iterator[int]:
    if isinstance(node, _FUNCTION) and node.name in POLLING_HELPERS:
        return
    if isinstance(node, ast.Call) and _is_sleep(node):
        yield node.lineno
    if isinstance(node, ast.ImportFrom) and node.module in _SLEEPERS:
        yield from (node.lineno for alias in node.names if alias.name == "sleep")
    for child in ast.iter_child_nodes(node):
        yield from _sleeps_in(child)


def _is_sleep(call: ast.Call) -> bool:
    match call:
        case ast.Call(args=[ast.Constant(value=0)]):
            return False
        case ast.Call(func=ast.Attribute(value=ast.Name(id=module), attr="sleep")):
            return module in _SLEEPERS
        case _:
            return False


def _is_name(node: ast.expr, names: Iterable[str]) -> bool:
    return isinstance(node, ast.Name) and node.id in names
