"""What has grown beyond what anybody reads."""

from __future__ import annotations

import ast
from collections.abc import Iterator

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
from flowrunner.evidence.languages import is_source
from flowrunner.wire.findings import Severity

LONG_FUNCTION, LONG_MODULE, UNEXPLAINED_MODULE = 150, 2000, 400

FUNCTION = Rule(
    "long-function",
    Severity.NOTE,
    "structure",
    "Nobody holds so many lines in the head at once; parts of it want names.",
)
MODULE = Rule(
    "long-module",
    Severity.NOTE,
    "structure",
    "Several concerns share this file; finding the one that matters takes longer each month.",
)
UNEXPLAINED = Rule(
    "unexplained-module",
    Severity.NOTE,
    "readability",
    "A newcomer gets no word on what this file is for.",
)


def find_long_functions(source: Source, _project: Project) -> Iterator[Hit]:
    for node in nodes_of(source.text):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            count = (node.end_lineno or node.lineno) - node.lineno + 1
            if count > LONG_FUNCTION:
                yield Hit(FUNCTION, node.lineno, f"{node.name} is {count} lines long")


def find_long_module(source: Source, _project: Project) -> Iterator[Hit]:
    if len(source.lines) > LONG_MODULE and not _is_table(source):
        yield Hit(MODULE, 1, f"The file is {len(source.lines)} lines long")


def find_unexplained(source: Source, _project: Project) -> Iterator[Hit]:
    module = syntax_tree(source.text)
    if module is None or len(source.lines) < UNEXPLAINED_MODULE or _is_table(source):
        return
    opening = any(line.startswith("#") for line in source.lines[:30])
    if ast.get_docstring(module) is None and not opening:
        yield Hit(UNEXPLAINED, 1, f"{len(source.lines)} lines without a word on their purpose")


def _is_table(source: Source) -> bool:
    """Return whether a Python file only lists values: nothing in it is to be understood."""
    behaves = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.For, ast.While)
    nodes = nodes_of(source.text) if is_python(source) else ()
    return bool(nodes) and not any(isinstance(node, behaves) for node in nodes)


def _is_ours(source: Source) -> bool:
    return is_source(source.path)


FUNCTIONS = Check("long functions", is_python, find_long_functions)
MODULES = Check("long files", _is_ours, find_long_module)
PURPOSE = Check(
    "files without a purpose", lambda s: is_python(s) and not s.is_test, find_unexplained
)
