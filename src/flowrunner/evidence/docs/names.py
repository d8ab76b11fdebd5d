"""Names of the project that a page uses: functions, classes, modules, variables, paths."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath

from flowrunner.evidence.docs.examples import python_tree
from flowrunner.evidence.docs.facts import Facts
from flowrunner.evidence.docs.pages import Page
from flowrunner.evidence.docs.statements import Kind, Statement
from flowrunner.evidence.modules import MORE, Module, Modules

_SPAN = re.compile(r"(?<!`)(`{1,2})(?!`)([^`]+)\1(?!`)")
_ROLE = re.compile(
    r"(?<!`)[{:](?:py:)?(?:func|meth|class|mod|attr|data|exc|obj)[}:]"
    r"`(?:[^`<]*<)?[~!.]?([\w.]+)(?:\(\))?>?`"
)
_DOTTED = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+)(?:\(.*\))?$")
_VARIABLE = re.compile(r"\b[A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+\b")
_PATH = re.compile(r"(?:\./)?([\w.@+-]+(?:/[\w.@+-]+)+/?)(?::\d+(?:-\d+)?)?$")
_MADE_THERE = re.compile(
    r"\b(?:creat|generat|writ(?:e|ten|ing)|produc|add(?:s|ed|ing)?\b|renam|mov(?:e|ed|ing)\b|sav"
    r"|e\.g\.|example|for instance|such as|your|new\b|if (?:you|there|it)|would|could|optional"
    r"|download|install|build|output|put\b|place\b|remov|delet|no longer|used to|was\b|were\b)",
    re.IGNORECASE,
)
_PAST = re.compile(
    r"\b(?:no longer|remov(?:ed|al)|used to|former(?:ly)?|previous(?:ly)?|earlier|deprecat\w*|old"
    r"|legacy|in the beginning|renamed?|obsolete|replaced|before version|instead of)\b",
    re.IGNORECASE,
)
_AROUND_NAME, _AROUND_CODE = 1, 8
"""How many lines may separate a name from the words that call it a thing of the past."""
_SUFFIX = re.compile(r"\.[A-Za-z]\w{0,7}$")
_DOCUMENT = frozenset({"py", "md", "rst", "txt", "toml", "cfg", "json", "yaml", "yml", "html"})


def read_names(page: Page, facts: Facts) -> Iterator[Statement]:
    """Yield what inline code and roles name of this project."""
    for number, line in page.prose:
        for name in dict.fromkeys(_dotted_names(line)):
            yield from _unless_past(_name(name, number, facts), page, _AROUND_NAME)
        for _, code in _SPAN.findall(line):
            yield from _path(page, str(code), number, line, facts)
    for number, line in enumerate(page.lines, start=1):
        for name in dict.fromkeys(_VARIABLE.findall(line)):
            yield from _variable(str(name), number, facts)


def read_imports(page: Page, facts: Facts) -> Iterator[Statement]:
    """Yield what the Python examples import from this project."""
    for block in page.blocks:
        if block.language not in {"python", "py", "python3", "pycon", ""}:
            continue
        tree = python_tree(block)
        for node in ast.walk(tree) if tree else ():
            line = block.start + getattr(node, "lineno", 1) - 1
            for target, name in _imported(node):
                found = _import(target, name, line, facts.modules)
                yield from _unless_past(found, page, line - block.start + _AROUND_CODE)


def _unless_past(found: Iterator[Statement], page: Page, reach: int) -> Iterator[Statement]:
    """Leave undecided what the page itself calls a thing of the past."""
    for each in found:
        around = page.lines[max(0, each.line - 1 - reach) : each.line + _AROUND_NAME]
        past = each.holds is False and _PAST.search(" ".join(around))
        yield replace(each, holds=None, why="") if past else each


def _imported(node: ast.AST) -> Iterator[tuple[str, str | None]]:
    match node:
        case ast.Import(names=names):
            yield from ((alias.name, None) for alias in names)
        case ast.ImportFrom(module=str(module), names=names, level=0):
            yield from ((module, alias.name) for alias in names)
        case _:
            return


def _dotted_names(line: str) -> Iterator[str]:
    yield from (str(name) for name in _ROLE.findall(line) if "." in name)
    for _, code in _SPAN.findall(_ROLE.sub(" ", line)):
        if found := _DOTTED.fullmatch(str(code).strip()):
            yield found[1]


def _name(dotted: str, number: int, facts: Facts) -> Iterator[Statement]:
    first, last = dotted.partition(".")[0], dotted.rpartition(".")[2]
    if first not in facts.modules.tops or last.lower() in _DOCUMENT:
        return
    holds, why = resolve(dotted, facts.modules)
    if holds is False and dotted in facts.quoted_text:
        # A task, an entry point, a logger: names that are texts in the source.
        holds, why = None, ""
    yield Statement(Kind.NAME, dotted, number, holds, why)


def _import(target: str, name: str | None, line: int, modules: Modules) -> Iterator[Statement]:
    if target.partition(".")[0] not in modules.tops:
        return
    dotted = target if name in {None, "*"} else f"{target}.{name}"
    holds, why = resolve(dotted, modules)
    if name is None and holds and modules.find(target) is None:
        holds, why = False, f"{target} is no module"
    yield Statement(Kind.IMPORT, dotted, line, holds, why)


def resolve(dotted: str, modules: Modules) -> tuple[bool | None, str]:
    """Return whether a name of the project exists; None where it cannot be read off the source."""
    nearest = modules.nearest(dotted)
    if nearest is None:
        return None, ""
    module, rest = nearest
    first, second = rest[:1], rest[1:2]
    if not first:
        return True, ""
    if first[0].startswith("__"):
        return None, ""
    if first[0] not in module.names:
        kind = "module or name" if module.is_package else "name"
        told = f"{module.path} has no {kind} `{first[0]}`"
        return (None, "") if module.is_open else (False, told)
    members = module.names[first[0]]
    if not second or (members is not None and second[0] in members):
        return True, ""
    if members is None:
        return _elsewhere(module, rest, modules)
    if MORE in members or len(rest) > len((*first, *second)):
        return None, ""
    return False, f"class `{first[0]}` in {module.path} has no `{second[0]}`"


def _elsewhere(module: Module, rest: tuple[str, ...], modules: Modules) -> tuple[bool | None, str]:
    """Follow a name to the module of this project that it was imported from."""
    for found in module.imports:
        home = modules.find(found.target) if found.name == rest[0] else None
        if home is not None and home is not module and home.names.get(rest[0]) is not None:
            return resolve(".".join((home.name, *rest)), modules)
    return None, ""


def _variable(name: str, number: int, facts: Facts) -> Iterator[Statement]:
    """Judge variables with a prefix of the project's own settings; others may be anybody's."""
    read, prefixes = facts.variables
    prefix = next(
        (p for p in sorted(prefixes, key=len, reverse=True) if name.startswith(p.upper())), ""
    )
    if name in read:
        yield Statement(Kind.VARIABLE, name, number, holds=True)
    elif prefix and (rest := name.removeprefix(prefix.upper())):
        known = name in facts.source_text or rest.lower() in facts.words
        known = known or rest.partition("__")[0].lower() in facts.words
        why = "" if known else f"No setting and no source has the name {name}"
        yield Statement(Kind.VARIABLE, name, number, known, why)


def _path(page: Page, code: str, number: int, line: str, facts: Facts) -> Iterator[Statement]:
    """Judge paths whose folder is one of the project's and whose sentence speaks of what is."""
    found = _PATH.fullmatch(code.strip())
    if found is None:
        return
    path = found[1].rstrip("/")
    first = path.partition("/")[0]
    if first not in facts.folders or not (_SUFFIX.search(path) or found[1].endswith("/")):
        return
    near = str(PurePosixPath(page.path).parent / path)
    if facts.has(path) or facts.has(near) or facts.ends_with(path):
        yield Statement(Kind.PATH, path, number, holds=True)
    elif _MADE_THERE.search(line.replace(path, " ")):
        yield Statement(Kind.PATH, path, number, holds=None)
    else:
        yield Statement(Kind.PATH, path, number, holds=False, why=f"{path} does not exist")
