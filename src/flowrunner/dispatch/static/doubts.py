"""What ruff says and this agent does not repeat, because it is harmless, a guess or said twice."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from flowrunner.dispatch.static.linter import SYNTAX_ERROR, Diagnostic
from flowrunner.dispatch.static.sources import Project, Source

_SAFE_VARIANT = "seems safe"
_SWALLOWED = frozenset({"S110", "S112"})
_REAL_CODE = re.compile(
    r"#+\s*(?:import \w|from \S+ import |return\b|def \w+\(|class \w+[(:]|(?:el)?if .+:$|for .+:$"
    r"|while .+:$|with .+:$|try:$|raise \w|await \w|@\w|[\w.\[\]'\"]+\s*[-+*/|&]?=\s?[^=]"
    r"|[\w.]+\(.*\)$)"
)
_SQL = re.compile(
    r"\b(?:SELECT|INSERT\s+INTO|UPDATE|DELETE\s+FROM|CREATE|ALTER|DROP)\s|\bselect\b.*\bfrom\b"
    r"|\binsert\s+into\b|\bdelete\s+from\b|\bupdate\b.*\bset\b",
    re.DOTALL,
)
_CONDITION = re.compile(r"#+\s*(?:isinstance|hasattr|issubclass|callable)\(.*\)$")
_WORDS = re.compile(r"#+\s*(?:>>>|[A-Za-z']+,? [a-z]+ [a-z]+\b|[A-Z][a-z]+ [a-z]+[:.]$)")
_VALUE = re.compile(r"(?:[A-Za-z_]\w*\.)*([A-Za-z_]\w*)")
_METHODS = frozenset(
    {"close", "flush", "commit", "rollback", "release", "acquire", "start", "stop", "join", "clear"}
    | {"save", "cancel", "shutdown", "wait", "notify", "connect", "disconnect", "reset", "run"}
)
_TARGET = re.compile(r"\s*([\w.]+)\s*(?::[^=]+)?=\s*[\w.]+\(")
CLOSED_WITHIN = 60
_IMPORTED = re.compile(r"`(?:[^`]*[. ])?(\w+)` imported but unused")
_DEFINITION = re.compile(r"(?:async\s+def|def|class)\s")
_WANTS_ERROR = re.compile(r"raises|warns|suppress|Raises|Warns")
_OTHERS_MAY_WRITE = re.compile(r"0o\d*[2367]`")


def believed(
    found: Sequence[Diagnostic], sources: Mapping[str, Source], project: Project
) -> Iterator[Diagnostic]:
    """Yield what is worth a reader's time, in order."""
    swallowed = {(each.path, each.row) for each in found if each.code in _SWALLOWED}
    for each in _first_syntax_errors(found):
        doubt = _DOUBTS.get(each.code)
        twice = each.code == "BLE001" and (each.path, each.row) in swallowed
        doubted = doubt is not None and doubt(each, sources[each.path])
        if not (doubted or twice or _SAFE_VARIANT in each.message or _is_used(each, project)):
            yield each


def _is_used(found: Diagnostic, project: Project) -> bool:
    """Return whether an import that its own module does not need is there for another one."""
    name = _IMPORTED.match(found.message) if found.code == "F401" else None
    return name is not None and project.is_imported_from(found.path, name[1])


def _first_syntax_errors(found: Iterable[Diagnostic]) -> Iterator[Diagnostic]:
    """Keep the first of a file: the others follow from it."""
    broken: set[str] = set()
    for each in found:
        if each.code == SYNTAX_ERROR:
            if each.path in broken:
                continue
            broken.add(each.path)
        yield each


def _is_remark(found: Diagnostic, source: Source) -> bool:
    """Return whether the line, or another of the same comment, is meant for readers."""
    line = _line(source, found.row).strip()
    if _REAL_CODE.match(line) is None or _CONDITION.match(line):
        return True
    return any(
        _WORDS.match(each) and not _REAL_CODE.match(each) for each in _comment(found, source)
    )


def _comment(found: Diagnostic, source: Source) -> Iterator[str]:
    """Yield the lines of the comment around a line."""
    first = last = found.row
    while _line(source, first - 1).lstrip().startswith("#") and first > 1:
        first -= 1
    while _line(source, last + 1).lstrip().startswith("#"):
        last += 1
    yield from (_line(source, row).strip() for row in range(first, last + 1))


def _is_offered(_found: Diagnostic, source: Source) -> bool:
    # What an __init__.py imports is there for others to import from it.
    return source.path.rpartition("/")[2] == "__init__.py"


def _is_read(found: Diagnostic, source: Source) -> bool:
    """Return whether reading the value is the point: a property may act, a name may be missing.

    What is known as a method was meant to be called.
    """
    read = _VALUE.fullmatch(_line(source, found.row).partition("#")[0].strip())
    return read is not None and read[1] not in _METHODS


def _is_kept(found: Diagnostic, source: Source) -> bool:
    """Return whether the file is closed by name, or belongs to an object that outlives the call."""
    target = _TARGET.match(_line(source, found.row))
    if target is None:
        return False
    name = target[1]
    rest = source.lines[found.row : found.row + CLOSED_WITHIN]
    return "." in name or any(f"{name}.close(" in line for line in rest)


def _is_readable(found: Diagnostic, _source: Source) -> bool:
    return "`l`" not in found.message


def _is_import(found: Diagnostic, source: Source) -> bool:
    # Importing a name twice does no harm; of two functions one is lost.
    return _DEFINITION.match(_line(source, found.row).strip()) is None


def _is_prose(found: Diagnostic, source: Source) -> bool:
    return _SQL.search("\n".join(source.lines[found.row - 1 : found.end_row])) is None


def _is_private(found: Diagnostic, _source: Source) -> bool:
    return _OTHERS_MAY_WRITE.search(found.message) is None


def _is_expected(found: Diagnostic, source: Source) -> bool:
    """Return whether a block around the line waits for an error: then the value is not wanted."""
    if _WANTS_ERROR.search(_line(source, found.row)):
        return True
    indent = _indent(_line(source, found.row))
    for row in range(found.row - 1, 0, -1):
        line = _line(source, row)
        if line.strip() and _indent(line) < indent:
            if line.lstrip().startswith(("with ", "async with ")):
                return _WANTS_ERROR.search(line) is not None
            indent = _indent(line)
        if indent == 0:
            break
    return False


def _line(source: Source, row: int) -> str:
    return source.lines[row - 1] if row <= len(source.lines) else ""


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


_DOUBTS: Mapping[str, Callable[[Diagnostic, Source], bool]] = {
    "B015": _is_expected,
    "B018": lambda found, source: _is_expected(found, source) or _is_read(found, source),
    "E741": _is_readable,
    "ERA001": _is_remark,
    "F401": _is_offered,
    "F403": _is_offered,
    "F811": _is_import,
    "PLW0133": _is_expected,
    "S103": _is_private,
    "S608": _is_prose,
    "SIM115": _is_kept,
}
