"""The inventory of a project: its parts, who uses whom, what stands out, with file and line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ConfigDict

from flowrunner.evidence.docs.facts import Facts
from flowrunner.evidence.languages import is_source
from flowrunner.evidence.listing import list_files
from flowrunner.evidence.modules import is_aside
from flowrunner.evidence.structure.edges import Edge, Outside, is_counted, read_edges
from flowrunner.evidence.structure.history import read_churn
from flowrunner.evidence.tree import printable

_ROOTS = frozenset({"src", "lib", "packages", "apps", "internal", "pkg", "cmd", "services"})
PARTED = 4
"""A package is parted if it holds at least one of so many modules."""
SHOWN = 12
"""How many files stand out by each measure."""


class Part(BaseModel):
    """A component: a package or folder; *uses* counts imports of other parts, by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    files: int
    lines: int
    uses: dict[str, int]
    used_by: int


class Shape(BaseModel):
    """One file: its length, who uses it and whom it uses, and how often it changed lately."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    lines: int
    fan_in: int
    fan_out: int
    churn: int | None


class Inventory(BaseModel):
    """*hot* are the files that stand out by size, use or change, the most used first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: int
    lines: int
    imports: int
    parts: tuple[Part, ...]
    hot: tuple[Shape, ...]
    languages: dict[str, int]
    has_history: bool
    unread: tuple[str, ...] = ()


@dataclass(frozen=True)
class Survey:
    """What is known of a tree; each property is computed once, from the same files."""

    facts: Facts

    @classmethod
    def of(cls, root: Path) -> Survey:
        """Survey what git lists, or a walk finds, but for names that cannot be written down."""
        paths = (path for path in list_files(root).paths if path == printable(path))
        return cls(Facts(root, tuple(paths)))

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """The files whose structure is judged: program text, without tests, copies and examples."""
        return tuple(path for path in self.facts.paths if is_source(path) and not is_aside(path))

    @cached_property
    def _read(self) -> tuple[tuple[Edge, ...], tuple[Outside, ...]]:
        return read_edges(self.facts.paths, self.facts.modules, self.facts.text)

    @property
    def edges(self) -> tuple[Edge, ...]:
        """Every use, also by tests."""
        return self._read[0]

    @property
    def outside(self) -> tuple[Outside, ...]:
        return self._read[1]

    @cached_property
    def inner(self) -> tuple[Edge, ...]:
        """Uses between files that count, of which none is for type checkers only."""
        kept = frozenset(self.sources)
        return tuple(
            e for e in self.edges
            if e.source in kept and (e.target in kept or "." not in e.target) and e.when != "typing"
        )  # fmt: skip

    @cached_property
    def lengths(self) -> Mapping[str, int]:
        return {path: self.facts.text(path).count("\n") for path in self.sources}

    @cached_property
    def fan_in(self) -> Mapping[str, int]:
        return Counter(target for _, target in {(e.source, e.target) for e in self.inner})

    @cached_property
    def fan_out(self) -> Mapping[str, int]:
        return Counter(source for source, _ in {(e.source, e.target) for e in self.inner})

    @cached_property
    def churn(self) -> Mapping[str, int] | None:
        return read_churn(self.facts.root)

    def part_of(self, path: str) -> str:
        """Return the component of a file: its package, or its folder.

        Only a package that holds much of the project is parted into those below it: of a project
        with one package the parts are wanted, of ten small ones beside each other they are noise.
        """
        module = self.facts.modules.by_path.get(path)
        is_script = module is not None and "." not in module.name and not module.is_package
        folder = PurePosixPath(path).parent.as_posix()
        if module is not None and not (is_script and folder not in {".", *_ROOTS}):
            parts = module.name.split(".")
            return ".".join(parts[: 2 if parts[0] in self._large else 1])
        folders = PurePosixPath(path).parts[:-1] if "." in PurePosixPath(path).name else (path,)
        folders = PurePosixPath("/".join(folders)).parts
        deep = 3 if folders[:1] and folders[0] in _ROOTS else 2
        return "/".join(folders[:deep]) or "."

    @cached_property
    def _large(self) -> frozenset[str]:
        modules = self.facts.modules.by_path
        tops = Counter(modules[p].name.partition(".")[0] for p in self.sources if p in modules)
        return frozenset(top for top, count in tops.items() if count * PARTED >= tops.total())

    @cached_property
    def part_edges(self) -> Mapping[tuple[str, str], tuple[Edge, ...]]:
        """Uses between components, at import of the module."""
        found: dict[tuple[str, str], list[Edge]] = {}
        for edge in self.inner:
            pair = (self.part_of(edge.source), self.part_of(edge.target))
            if pair[0] != pair[1] and edge.when in {"load", "guarded"}:
                found.setdefault(pair, []).append(edge)
        return {pair: tuple(edges) for pair, edges in sorted(found.items())}

    @cached_property
    def part_sizes(self) -> Mapping[str, tuple[int, int]]:
        """Files and lines by component."""
        sizes: dict[str, tuple[int, int]] = {}
        for path in self.sources:
            files, lines = sizes.get(self.part_of(path), (0, 0))
            sizes[self.part_of(path)] = (files + 1, lines + self.lengths[path])
        return dict(sorted(sizes.items()))

    def shape(self, path: str) -> Shape:
        return Shape(
            path=path,
            lines=self.lengths.get(path, 0),
            fan_in=self.fan_in.get(path, 0),
            fan_out=self.fan_out.get(path, 0),
            churn=None if self.churn is None else self.churn.get(path, 0),
        )


def inventory(survey: Survey) -> Inventory:
    """Return the numbers of a survey; the same tree and history give the same ones."""
    users: Counter[str] = Counter(target for _, target in survey.part_edges)
    parts = tuple(
        Part(
            name=name,
            files=files,
            lines=lines,
            uses={b: len(edges) for (a, b), edges in survey.part_edges.items() if a == name},
            used_by=users[name],
        )
        for name, (files, lines) in survey.part_sizes.items()
    )
    languages = Counter(PurePosixPath(path).suffix or "(none)" for path in survey.sources)
    return Inventory(
        files=len(survey.sources),
        lines=sum(survey.lengths.values()),
        imports=len({(e.source, e.target) for e in survey.inner}),
        parts=parts,
        hot=_hot(survey),
        languages=dict(languages.most_common(10)),
        has_history=survey.churn is not None,
        unread=tuple(p for p in survey.facts.modules.broken if is_counted(p)),
    )


def _hot(survey: Survey) -> tuple[Shape, ...]:
    shapes = [survey.shape(path) for path in survey.sources]
    kept: dict[str, Shape] = {}
    for rank in (_use, _length, _change):
        ranked = sorted(shapes, key=lambda shape: shape.path)
        ranked = [shape for shape in sorted(ranked, key=rank, reverse=True) if rank(shape)]
        kept |= {shape.path: shape for shape in ranked[:SHOWN]}
    return tuple(sorted(kept.values(), key=lambda s: (-s.fan_in, -s.lines, s.path)))


def _use(shape: Shape) -> int:
    return shape.fan_in


def _length(shape: Shape) -> int:
    return shape.lines


def _change(shape: Shape) -> int:
    return shape.churn or 0
