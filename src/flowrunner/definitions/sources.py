"""The text of a flow, read once: what is hashed is what runs (D2-21)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from flowrunner.core.errors import Problem
from flowrunner.definitions.pin import canonical, digest

MAX_BYTES = 1024 * 1024
MAX_FILES = 1000
MAX_TOTAL = 8 * MAX_BYTES
"""Of all that one flow may import: it is stored with its runs."""
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
    if wrong := _wrong_name(level, entry):
        return (wrong,)
    files = _files_for(level, entry)
    if len(files) > MAX_FILES:
        message = f"a flow has at most {MAX_FILES:,} files beside it, and here are more"
        hint = "name what is no part of it with a dot, or put it elsewhere"
        return (Problem("too-large", message, str(entry), hint=hint),)
    texts: dict[str, str] = {}
    problems: list[Problem] = []
    for file in files:
        text = _read(file)
        if isinstance(text, Problem):
            problems.append(text)
        else:
            texts[file.relative_to(level).as_posix()] = text
    if sum(map(len, texts.values())) > MAX_TOTAL:
        message = f"the files of a flow have at most {MAX_TOTAL} characters together"
        problems.append(Problem("too-large", message, str(entry)))
    if problems:
        return tuple(problems)
    return Snapshot(level, entry.relative_to(level).as_posix(), texts)


def _wrong_name(level: Path, entry: Path) -> Problem | None:
    """Refuse what Python could not import, and what no report of it could name."""
    path = entry.relative_to(level).as_posix()
    hint = "rename it: letters, digits and _"
    try:
        path.encode()
    except UnicodeEncodeError:
        shown = str(entry).encode("utf-8", "replace").decode()
        return Problem("bad-file-name", "the file's name is not UTF-8", shown, hint=hint)
    if path.endswith(".py") and "." in path.removesuffix(".py"):
        message = "a flow's file has no dot in its name, or it could not be imported"
        return Problem("bad-file-name", message, str(entry), hint=hint)
    return None


def _files_for(level: Path, entry: Path) -> Sequence[Path]:
    """Return the files, or one more than there may be: folders can be linked in a circle."""
    own = _below(entry.parent) if entry.name == "__init__.py" else iter((entry,))
    found = sorted(islice(own, MAX_FILES + 1))
    shares = () if entry.name.endswith(YAML_SUFFIXES) else sorted(level.glob("_*"))
    for place in shares:
        found += sorted(islice(_modules(place), MAX_FILES + 1))
    return found


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
        size = file.stat().st_size
        if size > MAX_BYTES:
            message = f"a file of a flow has at most {MAX_BYTES} bytes, not {size}"
            return Problem("too-large", message, str(file))
        text = file.read_bytes().decode("utf-8")
    except OSError as error:
        return Problem("unreadable", f"the file cannot be read: {error.strerror}", str(file))
    except UnicodeDecodeError:
        return Problem("not-utf8", "a file of a flow is UTF-8 text", str(file))
    at = text.find("\0")
    if at < 0:
        return text
    # No database stores it as text, and a run keeps the texts of its flow.
    line = text.count("\n", 0, at) + 1
    return Problem("not-text", "a file of a flow is text, without a NUL", str(file), line)
