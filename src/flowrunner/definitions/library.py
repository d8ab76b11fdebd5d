"""Every flow that can be launched: found on levels, the nearest first; each file on its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from flowrunner.core.errors import InvalidFlowError, NotFoundError, Problem
from flowrunner.core.validation import suggest
from flowrunner.definitions.definition import Definition, Refused, define
from flowrunner.definitions.folders import shipped_folder
from flowrunner.definitions.personas import Persona, load_personas
from flowrunner.definitions.sources import Snapshot, entries, take_snapshot

PERSONAS = "personas"

Shelf: TypeAlias = tuple[Definition | Refused, ...]
"""One level's flows, in the order of their files."""


@dataclass(frozen=True, slots=True)
class Shadowed:
    """A flow that cannot be launched, because a nearer level has one of its name."""

    name: str
    file: str
    by: str


@dataclass(frozen=True, slots=True)
class Library:
    """Flows by name. A broken flow keeps its name: `get` then says what is wrong with it.

    *personas* are the names that a flow of the nearest level may use.
    """

    definitions: Mapping[str, Definition]
    refused: Mapping[str, Refused]
    shadowed: tuple[Shadowed, ...]
    problems: tuple[Problem, ...]
    personas: frozenset[str] = frozenset()

    @classmethod
    def discover(cls, levels: Sequence[Path]) -> Library:
        """Load every flow of the *levels*, nearest first; a folder that is absent is empty.

        A level's personas lie beside it. A flow sees those of its own level and of the levels
        after it: what a nearer level says cannot change what a shipped flow asks its agents.
        """
        folders = list(dict.fromkeys(level.resolve() for level in levels))
        roles = [load_personas(folder.parent / PERSONAS) for folder in folders]
        shelves: list[Shelf] = []
        for at, folder in enumerate(folders):
            visible: dict[str, Persona] = {}
            for personas in reversed(roles[at:]):
                visible |= personas.by_name
            shelves.append(_load_level(folder, visible))
        problems = [problem for personas in roles for problem in personas.problems]
        names = frozenset(name for personas in roles for name in personas.by_name)
        return replace(_stack(shelves, problems), personas=names)

    @classmethod
    def of_file(cls, file: Path) -> Library:
        """Load one flow alone: nothing beside it runs. It sees the personas of its level."""
        entry = file.resolve()
        home = entry.parent if entry.is_file() else entry
        entry = entry if entry.is_file() else entry / "__init__.py"
        level = home.parent if entry.name == "__init__.py" else home
        folders = (shipped_folder("flows").parent / PERSONAS, level.parent / PERSONAS)
        visible: dict[str, Persona] = {}
        for folder in folders:
            visible |= load_personas(folder).by_name
        return _stack([(_load(level, entry, visible),)], ())

    @classmethod
    def shipped(cls) -> Library:
        """Load what comes with the program."""
        return cls.discover([shipped_folder("flows")])

    def names(self) -> tuple[str, ...]:
        """Return what can be launched, sorted."""
        return tuple(sorted(self.definitions))

    def get(self, name: str) -> Definition:
        """Raise NotFoundError for an unknown name (R2-01), InvalidFlowError for a broken flow."""
        if name in self.definitions:
            return self.definitions[name]
        if name in self.refused:
            broken = self.refused[name]
            raise InvalidFlowError(f"flow '{name}' cannot be used", broken.problems)
        raise NotFoundError(f"there is no flow '{name}'", hint=suggest(name, self.names()))


def _load_level(level: Path, personas: Mapping[str, Persona]) -> Shelf:
    loaded = [_load(level, entry, personas) for entry in entries(level)]
    return tuple(_without_duplicates(loaded))


def _load(level: Path, entry: Path, personas: Mapping[str, Persona]) -> Definition | Refused:
    snapshot = take_snapshot(level, entry)
    if isinstance(snapshot, Snapshot):
        return define(snapshot, personas)
    stem = entry.parent.name if entry.name == "__init__.py" else entry.name.partition(".")[0]
    name = stem.replace("_", "-").encode("utf-8", "replace").decode()
    return Refused(name, snapshot[0].file or str(entry), snapshot)


def _without_duplicates(found: Sequence[Definition | Refused]) -> Iterator[Definition | Refused]:
    """Refuse every flow whose name another file of the level has: no order of files decides."""
    for each in found:
        twins = [o.file for o in found if o.name == each.name and isinstance(o, Definition)]
        if isinstance(each, Refused) or len(twins) == 1:
            yield each
        elif each.file == twins[0]:
            message = f"flow '{each.name}' is defined more than once: {', '.join(twins)}"
            problem = Problem("duplicate-flow", message, each.file, hint="rename one of them")
            yield Refused(each.name, each.file, (problem,))


def _stack(shelves: Sequence[Shelf], problems: Sequence[Problem]) -> Library:
    definitions: dict[str, Definition] = {}
    refused: dict[str, Refused] = {}
    shadowed: list[Shadowed] = []
    told = list(problems)
    for shelf in shelves:
        taken = {**definitions, **refused}
        for each in shelf:
            if isinstance(each, Refused):
                told += each.problems
            if each.name in taken:
                shadowed.append(Shadowed(each.name, each.file, taken[each.name].file))
            elif isinstance(each, Refused):
                refused[each.name] = each
            else:
                definitions[each.name] = each
    return Library(definitions, refused, tuple(shadowed), tuple(told))
