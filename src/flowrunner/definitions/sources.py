"""The text of a flow, read once: what is hashed is what runs (D2-21)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from flowrunner.core.errors import Problem
from flowrunner.definitions.pin import canonical, digest

MAX_BYTES = 1024 * 1024
YAML_SUFFIXES = (".flow.yaml", ".flow.yml")
"""Of flows in YAML; the second is read only to say that it is wrong."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A flow's own files and its level's shared modules, by path relative to *level*.

    *entry* is `x.py`, `x/__init__.py`, or `x.flow.yaml`, which shares nothing. Shared modules begin
    with an underscore; those that the flow does not import are left out once it is loaded
    (`without_unused`).
    """

    level: Path
    entry: str
    texts: Mapping[str, str]

    @property
    def file(self) -> str:
        """The entry's path as messages show it."""
        return str(self.level / self.entry)

    @property
    def module(self) -> str:
        """The entry's dotted name below the level."""
        if self.is_yaml:
            return self.entry.rpartition(".flow.")[0]
        return self.entry.removesuffix(".py").removesuffix("/__init__")

    @property
    def is_yaml(self) -> bool:
        return self.entry.endswith(YAML_SUFFIXES)

    @property
    def fingerprint(self) -> str:
        """Equal only if level, entry and every text are: such modules need not run twice."""
        return digest(canonical([str(self.level), self.entry, dict(self.texts)]))[:24]

    def without_unused(self, used: frozenset[str]) -> Snapshot:
        """Keep the flow's own files, and of the shared ones those that were *used*."""
        kept = {p: text for p, text in self.texts.items() if self._is_own(p) or p in used}
        return replace(self, texts=kept)

    def _is_own(self, path: str) -> bool:
        return path == self.entry or path.startswith(f"{self.module}/")


def entries(level: Path) -> Iterator[Path]:
    """Yield the flow files and packages of *level*, sorted; `_x` and `.x` are not flows."""
    if not level.is_dir():
        return
    for place in sorted(level.iterdir()):
        if place.name.startswith(("_", ".")):
            continue
        if place.is_dir() and (place / "__init__.py").is_file():
            yield place / "__init__.py"
        elif is_flow_file(place):
            yield place


def is_flow_file(place: Path) -> bool:
    """Tell whether *place* is a file that is read as a flow, wherever it lies."""
    return place.name.endswith((".py", *YAML_SUFFIXES)) and place.is_file()


def take_snapshot(level: Path, entry: Path) -> Snapshot | tuple[Problem, ...]:
    """Read what *entry* may import: its package, and the level's modules that begin with `_`."""
    own = sorted(_below(entry.parent)) if entry.name == "__init__.py" else [entry]
    shares = () if entry.name.endswith(YAML_SUFFIXES) else sorted(level.glob("_*"))
    shared = [file for place in shares for file in sorted(_modules(place))]
    texts: dict[str, str] = {}
    problems: list[Problem] = []
    for file in (*own, *shared):
        text = _read(file)
        if isinstance(text, Problem):
            problems.append(text)
        else:
            texts[file.relative_to(level).as_posix()] = text
    if problems:
        return tuple(problems)
    return Snapshot(level, entry.relative_to(level).as_posix(), texts)


def _below(folder: Path) -> Iterator[Path]:
    for place in folder.iterdir():
        if place.name == "__pycache__" or place.name.startswith("."):
            continue
        if place.is_dir():
            yield from _below(place)
        elif place.is_file():
            yield place


def _modules(place: Path) -> Iterator[Path]:
    found = _below(place) if place.is_dir() and place.name != "__pycache__" else iter((place,))
    yield from (file for file in found if file.suffix == ".py" and file.is_file())


def _read(file: Path) -> str | Problem:
    try:
        content = file.read_bytes()
        if len(content) > MAX_BYTES:
            message = f"a file of a flow has at most {MAX_BYTES} bytes, not {len(content)}"
            return Problem("too-large", message, str(file))
        return content.decode("utf-8")
    except OSError as error:
        return Problem("unreadable", f"the file cannot be read: {error.strerror}", str(file))
    except UnicodeDecodeError:
        return Problem("not-utf8", "a file of a flow is UTF-8 text", str(file))
