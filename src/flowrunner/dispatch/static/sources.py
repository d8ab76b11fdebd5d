"""The files under review, read once, and the shape of a check over them."""

from __future__ import annotations

import ast
import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from flowrunner.dispatch.static.rules.rule import Rule
from flowrunner.evidence import languages
from flowrunner.evidence.docs.audit import Audit
from flowrunner.evidence.structure.faults import Fault, find_faults
from flowrunner.evidence.structure.survey import Survey
from flowrunner.evidence.tree import Refusal, Tree, confine, read_bytes, read_lines


@dataclass(frozen=True, slots=True)
class Source:
    """One readable text file; *text* has LF line ends, *is_utf8* is about the bytes on disk."""

    path: str
    lines: tuple[str, ...]
    text: str
    language: str
    is_test: bool
    is_docs: bool
    is_generated: bool
    is_utf8: bool


@dataclass(frozen=True)
class Project:
    """What a check may ask about the rest of the project."""

    root: Path

    @cached_property
    def documents(self) -> Audit:
        """What the project's pages say of it; read when first asked for."""
        return Audit(self.root)

    @cached_property
    def faults(self) -> Mapping[str, tuple[Fault, ...]]:
        """What stands out in the project's structure, by file."""
        found: dict[str, tuple[Fault, ...]] = {}
        for fault in find_faults(Survey(self.documents.facts)):
            found[fault.path] = (*found.get(fault.path, ()), fault)
        return found

    @cached_property
    def _offers(self) -> frozenset[tuple[str, str]]:
        modules = self.documents.facts.modules
        return frozenset(
            (home.path, found.name)
            for module in modules.by_path.values()
            for found in module.imports
            if found.name is not None and (home := modules.find(found.target)) is not None
        )

    def is_imported_from(self, path: str, name: str) -> bool:
        """Return whether a file of the project imports *name* from the module in *path*."""
        return (path, name) in self._offers or (path, "*") in self._offers

    def has(self, path: str) -> bool:
        """Return whether a relative path names something inside the project."""
        inside = not isinstance(confine(self.root, path), Refusal)
        return inside and os.path.lexists(self.root / path)

    def read(self, path: str) -> str:
        """Return a small text file, or nothing."""
        place = confine(self.root, path)
        if isinstance(place, Refusal) or not (self.root / place).is_file():
            return ""
        return (self.root / place).read_bytes()[:200_000].decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule that holds at a place; lines count from 1. *title* and *told* never hold a secret."""

    rule: Rule
    line: int
    title: str
    end: int | None = None
    suggestion: str = ""
    told: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One plain look at one file; deterministic, and nothing of the project is run or imported."""

    name: str
    applies: Callable[[Source], bool]
    find: Callable[[Source, Project], Iterable[Hit]]


def load(tree: Tree) -> tuple[tuple[Source, ...], dict[str, Refusal]]:
    """Read what was pinned, sorted by path; what cannot be read is told with the reason."""
    sources: list[Source] = []
    refused: dict[str, Refusal] = dict(tree.refused)
    for path in sorted(tree.files):
        lines = read_lines(tree, path)
        if isinstance(lines, Refusal):
            refused[path] = lines
        else:
            sources.append(_source(tree, path, lines))
    return tuple(sources), refused


def _source(tree: Tree, path: str, lines: tuple[str, ...]) -> Source:
    text = "\n".join(lines) + "\n" if lines else ""
    return Source(
        path=path,
        lines=lines,
        text=text,
        language=languages.language_of(path),
        is_test=languages.is_test(path),
        is_docs=languages.is_docs(path),
        is_generated=languages.is_generated(path),
        is_utf8="\ufffd" not in text or _is_utf8(read_bytes(tree.root, path)),
    )


def _is_utf8(content: bytes | Refusal) -> bool:
    try:
        return isinstance(content, Refusal) or bool(content.decode("utf-8"))
    except UnicodeDecodeError:
        return False


@lru_cache(maxsize=2)
def syntax_tree(text: str) -> ast.Module | None:
    """Return Python's syntax tree; None if broken, newer than this Python or too deep for it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


@lru_cache(maxsize=2)
def nodes_of(text: str) -> tuple[ast.AST, ...]:
    """Return every node of the syntax tree, outer ones first; none if there is no tree."""
    module = syntax_tree(text)
    return tuple(ast.walk(module)) if module is not None else ()


def is_python(source: Source) -> bool:
    return source.language == "python" and not source.is_generated
