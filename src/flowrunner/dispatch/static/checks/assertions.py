"""Tests that cannot fail but by an error: nothing in them asserts."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TypeAlias

from flowrunner.dispatch.static.rules.rule import Rule
from flowrunner.dispatch.static.sources import Check, Hit, Project, Source, is_python, syntax_tree
from flowrunner.evidence.languages import is_test
from flowrunner.wire.findings import Severity

EMPTY = Rule(
    "empty-test",
    Severity.MINOR,
    "tests",
    "The test does nothing and is counted as passed.",
    in_tests=True,
)
ASSERTS_NOTHING = Rule(
    "test-without-assertion",
    Severity.NOTE,
    "tests",
    "It passes whatever the code answers, as long as nothing is raised.",
    in_tests=True,
)

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_ASSERTING = re.compile(
    r"assert|expect|check|verif|rais|warn|fail|should|must|match|compar|valid|ensure|approx"
    r"|snapshot|skip|exit|reject|refus|equal|golden|regress|benchmark|roundtrip|round_trip|test|until|eventually|wait_for",
    re.IGNORECASE,
)
_PLAIN_BASES = {"unittest.TestCase", "TestCase", "unittest.IsolatedAsyncioTestCase", "object"}
_KNOWN_FIXTURES = {"self", "monkeypatch", "tmp_path", "tmpdir", "caplog", "capsys"}
_HELPERS = re.compile(r"(?:^|/|_)(?:tests?|testing|conftest|support|helpers?|utils?)(?:/|$)")
_HARMLESS = re.compile(
    r"(?:pytest\.)?mark\.|given$|settings$|example$|patch|asyncio|anyio|override"
)


def find_idle_tests(source: Source, project: Project) -> Iterator[Hit]:
    """Stay silent about a test that calls anything whose inside is not known here."""
    module = syntax_tree(source.text)
    if module is None:
        return
    local = {node.name: node for node in ast.walk(module) if isinstance(node, _FUNCTIONS)}
    foreign = _foreign_names(module, source, project)
    for function in _tests(module):
        known = all(_HARMLESS.search(ast.unparse(_target(d))) for d in function.decorator_list)
        if not known or ">>>" in (ast.get_docstring(function) or ""):
            continue
        if _is_empty(function):
            yield Hit(EMPTY, function.lineno, f"{function.name} is empty")
        elif not _may_assert(function, local, foreign, set()):
            yield Hit(ASSERTS_NOTHING, function.lineno, f"{function.name} asserts nothing")


def _tests(module: ast.Module) -> Iterator[Function]:
    for node in module.body:
        body = node.body if isinstance(node, ast.ClassDef) and _is_own(node) else [node]
        for each in body:
            if isinstance(each, _FUNCTIONS) and each.name.startswith("test"):
                yield each


def _is_own(node: ast.ClassDef) -> bool:
    # With other bases an empty test may be there to switch an inherited one off.
    return "Test" in node.name and {ast.unparse(base) for base in node.bases} <= _PLAIN_BASES


def _foreign_names(module: ast.Module, source: Source, project: Project) -> set[str]:
    """Return names from the test suite's own modules: their functions may assert."""
    folders = [str(each) for each in PurePosixPath(source.path).parents if is_test(f"{each}/x.py")]
    names: set[str] = set()
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom):
            place = (node.module or "").replace(".", "/")
            near = any(
                project.has(f"{folder}/{place}{end}") for folder in folders for end in (".py", "")
            )
            if node.level > 0 or near or _HELPERS.search(place):
                names |= {alias.asname or alias.name for alias in node.names}
    return names


def _may_assert(
    function: Function, local: dict[str, Function], foreign: set[str], seen: set[str]
) -> bool:
    given = {a.arg for a in (*function.args.args, *function.args.kwonlyargs)} - _KNOWN_FIXTURES
    for node in (each for statement in function.body for each in ast.walk(statement)):
        if isinstance(node, ast.Assert | ast.Raise) or _ASSERTING.search(_name(node)):
            return True
        if not isinstance(node, ast.Call):
            continue
        root, last = _ends(node.func)
        if root in foreign | given or (root == "self" and last not in local):
            return True
        if last in local and last not in seen:
            seen.add(last)
            if _may_assert(local[last], local, foreign, seen):
                return True
    return False


def _name(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else str(getattr(node, "id", ""))


def _ends(node: ast.expr) -> tuple[str, str]:
    """Return the first and the last name of `a.b().c`."""
    last = _name(node)
    while isinstance(node, ast.Attribute | ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return _name(node), last


def _target(decorator: ast.expr) -> ast.expr:
    return decorator.func if isinstance(decorator, ast.Call) else decorator


def _is_empty(function: Function) -> bool:
    return all(
        isinstance(each, ast.Pass)
        or (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))
        for each in function.body
    )


def _is_test_module(source: Source) -> bool:
    name = PurePosixPath(source.path).name
    return is_python(source) and (name.startswith("test_") or name.endswith("_test.py"))


IDLE = Check("tests that assert nothing", _is_test_module, find_idle_tests)
