"""Which file of a project uses which other one: from syntax trees, or by the words of imports."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from flowrunner.evidence.languages import is_generated, is_test, language_of
from flowrunner.evidence.modules import Modules, When

SCRIPTS = frozenset({"javascript", "typescript", "vue", "svelte"})
_SCRIPT_IMPORT = re.compile(
    r"""^\s*(?:import|export)\s(?P<only>type\s)?[^'"();]*?from\s*['"](?P<from>[^'"\n]+)['"]
      | ^\s*import\s*['"](?P<bare>[^'"\n]+)['"]
      | \b(?:require|import)\(\s*['"](?P<call>[^'"\n]+)['"]\s*\)""",
    re.VERBOSE,
)
_SCRIPT_ENDS = (
    "", ".ts", ".tsx", ".js", ".jsx", ".mjs", ".cjs", ".vue", ".svelte",
    "/index.ts", "/index.tsx", "/index.js", "/index.jsx", "/index.mjs",
)  # fmt: skip
_GO_MODULE = re.compile(r"^module\s+(\S+)", re.MULTILINE)
_GO_IMPORT = re.compile(r'^\s*(?:import\s+)?(?:[\w.]+\s+)?"([\w./~-]+)"\s*(?://.*)?$')


@dataclass(frozen=True, slots=True)
class Edge:
    """*source* uses *target* at *line*; both are paths, in Go the target is a folder."""

    source: str
    target: str
    line: int
    when: When = "load"


@dataclass(frozen=True, slots=True)
class Outside:
    """A file that imports what is not the project's own, under the name it is imported by."""

    source: str
    name: str
    line: int
    when: When = "load"


Found = Edge | Outside


def read_edges(
    paths: Sequence[str], modules: Modules, text_of: Callable[[str], str]
) -> tuple[tuple[Edge, ...], tuple[Outside, ...]]:
    """Return what the files import of each other, and of others; sorted, without repeats."""
    known = frozenset(paths)
    go = _go_modules(paths, text_of)
    found: set[Found] = set(_python(modules))
    for path in paths:
        if is_generated(path):
            continue
        language = language_of(path)
        if language in SCRIPTS:
            found.update(_scripts(path, text_of(path), known))
        elif language == "go":
            found.update(_go(path, text_of(path), go))
    edges = (each for each in found if isinstance(each, Edge) and each.source != each.target)
    outside = (each for each in found if isinstance(each, Outside))
    return (
        tuple(sorted(edges, key=lambda e: (e.source, e.line, e.target, e.when))),
        tuple(sorted(outside, key=lambda o: (o.source, o.line, o.name, o.when))),
    )


def is_counted(path: str) -> bool:
    """Return whether a file is part of the structure that is judged: tests and copies are not."""
    return not is_test(path) and not is_generated(path)


def _python(modules: Modules) -> Iterator[Found]:
    for module in modules.by_path.values():
        for each in module.imports:
            target = modules.imported(each)
            if target is not None:
                yield Edge(module.path, target.path, each.line, each.when)
            elif each.target.partition(".")[0] not in modules.tops:
                yield Outside(module.path, each.target, each.line, each.when)


def _scripts(path: str, text: str, known: frozenset[str]) -> Iterator[Found]:
    for number, line in enumerate(text.splitlines(), start=1):
        for found in _SCRIPT_IMPORT.finditer(line[:2000]):
            name = found["from"] or found["bare"] or found["call"]
            when: When = "typing" if found["only"] else "late" if found["call"] else "load"
            if not name.startswith("."):
                yield Outside(path, name, number, when)
                continue
            base = posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
            base = base.removesuffix(".js") if f"{base}" not in known else base
            for end in _SCRIPT_ENDS:
                if base + end in known:
                    yield Edge(path, base + end, number, when)
                    break


def _go_modules(paths: Sequence[str], text_of: Callable[[str], str]) -> Mapping[str, str]:
    """Return the folder of each go.mod by the name of its module."""
    named: dict[str, str] = {}
    for path in paths:
        if posixpath.basename(path) == "go.mod" and (found := _GO_MODULE.search(text_of(path))):
            named[found[1]] = posixpath.dirname(path)
    return named


def _go(path: str, text: str, modules: Mapping[str, str]) -> Iterator[Found]:
    inside = False
    for number, line in enumerate(text.splitlines(), start=1):
        bare = line.strip()
        if bare.startswith(("func ", "type ", "var ", "const ")):
            return
        inside = (inside or bare.startswith("import (")) and bare != ")"
        found = _GO_IMPORT.match(line)
        if found is None or not (inside or bare.startswith("import ")):
            continue
        folder = _go_folder(found[1], modules)
        if folder is None:
            yield Outside(path, found[1], number)
        else:
            yield Edge(path, folder, number)


def _go_folder(name: str, modules: Mapping[str, str]) -> str | None:
    for module, folder in modules.items():
        if name == module or name.startswith(f"{module}/"):
            return posixpath.normpath(posixpath.join(folder, name.removeprefix(module).strip("/")))
    return None
