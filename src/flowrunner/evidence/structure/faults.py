"""What stands out in a structure, as faults at a file and line; few, and each one checkable."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from flowrunner.evidence.languages import language_of
from flowrunner.evidence.modules import Module, is_aside
from flowrunner.evidence.structure.cycles import Knot, arrows_of, find_knots
from flowrunner.evidence.structure.edges import SCRIPTS, Edge, Outside
from flowrunner.evidence.structure.requirements import (
    Requirements,
    imported_names,
    is_standard,
    python_requirements,
    script_package,
    script_requirements,
)
from flowrunner.evidence.structure.survey import Survey

Kind = Literal[
    "import-cycle", "deferred-cycle", "mutual-components", "crossroads", "hot-spot",
    "unused-module", "undeclared-dependency", "unused-dependency",
]  # fmt: skip

WAY_SHOWN, NAMES_SHOWN = 8, 6
CROSSROADS_LINES, CROSSROADS_FAN = 600, 10
HOT_LINES, HOT_CHANGES, HOT_SHOWN = 400, 15, 5
MUTUAL_SHOWN = 12
_STARTED = frozenset(
    {"__main__", "conftest", "setup", "manage", "wsgi", "asgi", "settings", "urls", "admin", "apps"}
    | {"tasks", "plugin", "main", "cli", "models", "signals", "version", "_version"}
)
_LOADED_BY_FOLDER = frozenset({"migrations", "versions", "plugins", "commands", "templatetags"})
_MAIN = re.compile(r"__name__\s*==\s*[\"']__main__")
_LOADS_BY_NAME = re.compile(
    r"\b(?:import_module|__import__|iter_modules|walk_packages)\((?!\s*[\"'])"
)
_BUILD = frozenset({"setuptools", "pkg_resources", "pip", "wheel", "distutils"})


@dataclass(frozen=True, slots=True)
class Fault:
    """*told* says in words what is so, with the places that a reader may look up."""

    kind: Kind
    path: str
    line: int
    title: str
    told: str
    suggestion: str = ""


def find_faults(survey: Survey) -> tuple[Fault, ...]:
    """Return all faults, in an order that only depends on the files."""
    found = [
        *_cycles(survey),
        *_mutual(survey),
        *_crossroads(survey),
        *_hot_spots(survey),
        *_unused_modules(survey),
        *_python_needs(survey),
        *_script_needs(survey),
    ]
    return tuple(sorted(found, key=lambda f: (f.kind, f.path, f.line, f.title)))


def _cycles(survey: Survey) -> Iterator[Fault]:
    at_load = [e for e in survey.inner if e.when == "load"]
    tight = find_knots(arrows_of((e.source, e.target) for e in at_load))
    for knot in tight:
        yield _cycle(knot, at_load, "import-cycle")
    late = [e for e in survey.inner if e.when in {"load", "late", "guarded"}]
    inside = [frozenset(knot.nodes) for knot in tight]
    for knot in find_knots(arrows_of((e.source, e.target) for e in late)):
        if not any(frozenset(knot.nodes) & nodes for nodes in inside):
            yield _cycle(knot, late, "deferred-cycle")


def _cycle(knot: Knot, edges: Sequence[Edge], kind: Kind) -> Fault:
    first = {(e.source, e.target): e for e in reversed(edges)}
    hops = [first[pair] for pair in zip(knot.way, knot.way[1:], strict=False) if pair in first]
    way = ", ".join(f"{e.source}:{e.line} imports {e.target}" for e in hops[:WAY_SHOWN])
    count = len(knot.nodes)
    more = "" if count == len(hops) else f" {count} files are tied together in all: "
    names = "" if not more else _some(knot.nodes) + "."
    deferred = kind == "deferred-cycle"
    title = f"{count} modules import each other in a circle" + (", some of them late" * deferred)
    return Fault(
        kind,
        hops[0].source,
        hops[0].line,
        title,
        f"The shortest way around: {way}.{more}{names}",
        "Move what both sides need into a module of its own, which imports neither.",
    )


def _mutual(survey: Survey) -> Iterator[Fault]:
    """Name components that use each other; the side that does it less goes against the grain."""
    found: list[tuple[int, Fault]] = []
    for (one, other), forth in survey.part_edges.items():
        back = survey.part_edges.get((other, one), ())
        sizes = survey.part_sizes
        both = sizes.get(one, (0, 0))[0] > 1 and sizes.get(other, (0, 0))[0] > 1
        inside = f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")
        if not back or not both or inside or (len(forth), one) > (len(back), other):
            continue
        places = ", ".join(f"{e.source}:{e.line}" for e in forth[:NAMES_SHOWN])
        told = (
            f"{other} imports {one} {_times(back)}, and {one} imports {other} {_times(forth)}: "
            f"{places}{_rest(forth)}. Neither can be tested or moved without the other."
        )
        title = f"{one} and {other} depend on each other"
        hint = f"Turn round what {one} imports of {other}, or join the two."
        fault = Fault("mutual-components", forth[0].source, forth[0].line, title, told, hint)
        found.append((len(forth), fault))
    yield from (
        fault for _, fault in sorted(found, key=lambda f: (-f[0], f[1].path))[:MUTUAL_SHOWN]
    )


def _crossroads(survey: Survey) -> Iterator[Fault]:
    few = max(CROSSROADS_FAN, len(survey.sources) // 25)
    for path in survey.sources:
        shape = survey.shape(path)
        if shape.lines >= CROSSROADS_LINES and min(shape.fan_in, shape.fan_out) >= few:
            told = (
                f"{shape.lines} lines, used by {shape.fan_in} files, and itself using "
                f"{shape.fan_out}: a change to any of those may end here, and from here anywhere."
            )
            title = f"Everything meets in {PurePosixPath(path).name}"
            hint = "Part it by who uses what: the names that its users import tell the seams."
            yield Fault("crossroads", path, _first_line(survey, path), title, told, hint)


def _hot_spots(survey: Survey) -> Iterator[Fault]:
    churn = survey.churn or {}
    hot = [
        (churn.get(path, 0) * survey.lengths[path], path)
        for path in survey.sources
        if churn.get(path, 0) >= HOT_CHANGES and survey.lengths[path] >= HOT_LINES
    ]
    for _, path in sorted(hot, key=lambda h: (-h[0], h[1]))[:HOT_SHOWN]:
        shape = survey.shape(path)
        told = (
            f"Changed in {shape.churn} of the last commits and {shape.lines} lines long, "
            f"used by {shape.fan_in} files: where many changes meet much code, mistakes gather."
        )
        title = f"{PurePosixPath(path).name} is long and changes often"
        yield Fault("hot-spot", path, _first_line(survey, path), title, told)


def _unused_modules(survey: Survey) -> Iterator[Fault]:
    used = {edge.target for edge in survey.edges}
    text = survey.facts.quoted_text
    loaders = _loaders(survey)
    for module in survey.facts.modules.by_path.values():
        if module.path not in used and _could_be_unused(module, survey):
            stem = module.name.rpartition(".")[2]
            quoted = re.search(rf"[\"'./:]{re.escape(stem)}[\"'.:]", text)
            if module.name in text or quoted or _MAIN.search(survey.facts.text(module.path)):
                continue
            if any(_may_load(path, words, module) for path, words in loaders.items()):
                continue
            title = f"Nothing imports {module.name}"
            told = (
                f"No file of the project imports {module.path} ({module.line_count} lines), "
                "and no text in its source names it."
            )
            hint = "Delete it, or say in it who loads it, and how."
            yield Fault(
                "unused-module", module.path, _first_line(survey, module.path), title, told, hint
            )


def _loaders(survey: Survey) -> dict[str, str]:
    """Return the files that import modules by a name that they compute, with their text."""
    texts = {path: survey.facts.text(path) for path in survey.sources}
    return {path: text for path, text in texts.items() if _LOADS_BY_NAME.search(text)}


def _may_load(path: str, text: str, module: Module) -> bool:
    """Return whether a file that loads modules by name means those beside this one."""
    is_beside = PurePosixPath(path).parent == PurePosixPath(module.path).parent
    return is_beside or module.name.rpartition(".")[0] in text


def _could_be_unused(module: Module, survey: Survey) -> bool:
    folders = {part.lower() for part in PurePosixPath(module.path).parts[:-1]}
    is_entry = module.name.rpartition(".")[2] in _STARTED or module.is_package
    counted = module.path in survey.lengths and not is_aside(module.path)
    by_folder = not folders.isdisjoint(_LOADED_BY_FOLDER)
    return counted and not is_entry and not by_folder and "." in module.name


def _python_needs(survey: Survey) -> Iterator[Fault]:
    needs = python_requirements(survey.facts.text)
    if needs is None:
        return
    tops = {each.name.partition(".")[0].lower() for each in survey.outside}
    unmet = [n for n in needs.needed if not {i.lower() for i in imported_names(n)} & tops]
    strange = _undeclared(survey, needs)
    # An unknown import may be what a requirement that nobody seems to import provides.
    if needs.is_whole and not unmet:
        for each in strange:
            top = each.name.partition(".")[0]
            told = f"{each.source}:{each.line} imports {top}, which {needs.file} does not ask for."
            title = f"{top} is imported and not declared"
            hint = "Declare it; that something else brings it along may end with any release."
            yield Fault("undeclared-dependency", each.source, each.line, title, told, hint)
    words = survey.facts.words
    for name in unmet if not strange else ():
        if not any(guess.lower() in words - _named_in(needs) for guess in imported_names(name)):
            told = f"{needs.file} asks for {name}; no file of the project imports it."
            title = f"{name} is declared and not imported"
            yield Fault("unused-dependency", needs.file, needs.needed[name], title, told)


def _named_in(needs: Requirements) -> frozenset[str]:
    return frozenset(name.replace("-", "_") for name in needs.known)


def _undeclared(survey: Survey, needs: Requirements) -> list[Outside]:
    known = {name.lower() for each in needs.known for name in imported_names(each)} | _BUILD
    modules = survey.facts.modules.by_path
    found: dict[str, Outside] = {}
    for each in survey.outside:
        top = each.name.partition(".")[0]
        module = modules.get(each.source)
        inside = each.source in survey.lengths and module is not None and "." in module.name
        if each.when == "load" and inside and not is_standard(top) and top.lower() not in known:
            found.setdefault(top, each)
    return list(found.values())


def _script_needs(survey: Survey) -> Iterator[Fault]:
    text = survey.facts.text("package.json")
    needs = script_requirements("package.json", text) if text else None
    own = frozenset(p for p in survey.facts.paths if PurePosixPath(p).name == "package.json")
    if needs is None or len(own) > 1:
        return
    seen: set[str] = set()
    for each in survey.outside:
        is_script = language_of(each.source) in SCRIPTS
        package = script_package(each.name) if is_script else None
        counted = each.source in survey.lengths and each.when != "typing"
        if package is None or not counted or package in needs.known or package in seen:
            continue
        seen.add(package)
        told = f"{each.source}:{each.line} imports {package}, which package.json does not ask for."
        title = f"{package} is imported and not declared"
        yield Fault("undeclared-dependency", each.source, each.line, title, told)


def _first_line(survey: Survey, path: str) -> int:
    lines = survey.facts.text(path).splitlines()
    return next((n for n, line in enumerate(lines, 1) if line.strip()), 1)


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:NAMES_SHOWN])
    more = len(names) - NAMES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def _times(edges: Sequence[Edge]) -> str:
    return "once" if len(edges) == 1 else f"{len(edges)} times"


def _rest(edges: Sequence[Edge]) -> str:
    more = len(edges) - NAMES_SHOWN
    return f" and {more} more" if more > 0 else ""
