"""Which function or class a line belongs to: from the syntax tree, or from its indentation."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TypeAlias

from flowrunner.evidence.languages import language_of

Spans: TypeAlias = tuple[tuple[int, int, str], ...]

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_NO_SYMBOLS = frozenset(
    {"markdown", "rst", "asciidoc", "text", "json", "toml", "yaml", "ini", "xml", "lock", "other"}
)
_WORD_HEAD = re.compile(
    r"^\s*(?:(?:export|default|pub(?:\([\w\s]+\))?|public|private|protected|static|final|abstract"
    r"|async|unsafe|override|virtual|inline|sealed|data|open|const)\s+)*"
    r"(?:def|class|func|function\*?|fn|impl|struct|enum|interface|trait|module|type|object|sub)\s+"
    r"(?:\([^)]*\)\s*)?([A-Za-z_$][\w$]*(?:(?:\.|::)\w+)*)"
)
_TYPED_HEAD = re.compile(r"^\s*(?:[A-Za-z_][\w<>\[\],*&:?]*\s+)+[*&]*([A-Za-z_]\w*)\s*\([^;]*$")
_BRACED_HEAD = re.compile(
    r"^\s*(?:(?:async|static|get|set)\s+)*([A-Za-z_$][\w$-]*)\s*\([^;]*\{\s*$"
)
_NOT_NAMES = frozenset({"if", "for", "while", "switch", "return", "else", "catch", "new", "throw"})


def enclosing_symbol(path: str, lines: Sequence[str], line: int) -> str | None:
    """Return the dotted name around *line* (from 1), or None at the top of the file."""
    if language_of(path) in _NO_SYMBOLS or not 1 <= line <= len(lines):
        return None
    if language_of(path) == "python":
        spans = _python_spans("\n".join(lines))
        if spans is not None:
            return _innermost(spans, line)
    return _by_indentation(lines, line)


@lru_cache(maxsize=4)
def _python_spans(text: str) -> Spans | None:
    try:
        module = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return tuple(_spans(module))


def _spans(module: ast.Module) -> Iterator[tuple[int, int, str]]:
    # A stack, not recursion: a hostile file may nest deeper than Python may call.
    waiting: list[tuple[ast.AST, str]] = [(module, "")]
    while waiting:
        node, prefix = waiting.pop()
        for child in ast.iter_child_nodes(node):
            name = prefix
            if isinstance(child, _DEFINITIONS):
                name = f"{prefix}.{child.name}" if prefix else child.name
                first = min([child.lineno, *(d.lineno for d in child.decorator_list)])
                yield first, child.end_lineno or child.lineno, name
            waiting.append((child, name))


def _innermost(spans: Spans, line: int) -> str | None:
    around = [span for span in spans if span[0] <= line <= span[1]]
    return min(around, key=lambda span: (span[1] - span[0], -len(span[2])))[2] if around else None


def _by_indentation(lines: Sequence[str], line: int) -> str | None:
    names: list[str] = []
    limit = _indent(lines[line - 1]) + 1
    for text in reversed(lines[:line]):
        if not text.strip() or _indent(text) >= limit:
            continue
        if name := _head(text):
            names.append(name)
            limit = _indent(text)
        if limit == 0:
            break
    return ".".join(reversed(names)) or None


def _head(text: str) -> str | None:
    for pattern in (_WORD_HEAD, _TYPED_HEAD, _BRACED_HEAD):
        found = pattern.match(text[:400])
        if found and found[1] not in _NOT_NAMES and text.split(maxsplit=1)[0] not in _NOT_NAMES:
            return found[1]
    return None


def _indent(text: str) -> int:
    expanded = text.expandtabs(4)
    return len(expanded) - len(expanded.lstrip())
