"""Persona files: Markdown, whose first heading is the title and the rest the role."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from flowrunner.core.errors import Problem
from flowrunner.definitions.pin import digest

MAX_BYTES = 64 * 1024

_HEADING = re.compile(r"#[ \t]+(?P<title>\S[^\n]*?)[ \t]*(?:\n|\Z)")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\Z")


@dataclass(frozen=True, slots=True)
class Persona:
    """One role; *text* is the whole file, and what an agent is told; *sha* is its SHA-256."""

    name: str
    title: str
    body: str
    text: str
    sha: str
    file: str


@dataclass(frozen=True, slots=True)
class Personas:
    """The personas of one folder by name, and what is wrong with the others."""

    by_name: dict[str, Persona]
    problems: tuple[Problem, ...]


def load_personas(folder: Path) -> Personas:
    """Read every `*.md` of *folder*; one that is no persona is a problem of that file only."""
    found: dict[str, Persona] = {}
    problems: list[Problem] = []
    for file in _files(folder):
        loaded = _load(file)
        if isinstance(loaded, Problem):
            problems.append(loaded)
        else:
            found[loaded.name] = loaded
    return Personas(found, tuple(problems))


def parse_persona(name: str, text: str, file: str) -> Persona | Problem:
    """Split the title from the role; both must be there."""
    if not _NAME.match(name):
        hint = "1 to 64 of a-z, 0-9, '-' and '_', beginning with a letter or digit"
        return Problem("bad-persona-name", f"'{name}' cannot name a persona", file, hint=hint)
    text = text.replace("\r\n", "\n").strip()
    heading = _HEADING.match(text)
    if heading is None:
        hint = "begin with a heading: # The role's title"
        return Problem("no-persona-title", "a persona begins with its title", file, 1, hint=hint)
    body = text[heading.end() :].strip()
    if not body:
        return Problem("empty-persona", f"persona '{name}' has a title but no role", file, 1)
    return Persona(name, heading["title"], body, text, digest(text), file)


def _files(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from sorted(file for file in folder.glob("*.md") if not file.name.startswith("."))


def _load(file: Path) -> Persona | Problem:
    try:
        content = file.read_bytes()
        text = content.decode("utf-8")
    except OSError as error:
        return Problem("unreadable", f"the persona cannot be read: {error.strerror}", str(file))
    except UnicodeDecodeError:
        return Problem("not-utf8", "a persona is UTF-8 text", str(file))
    if len(content) > MAX_BYTES:
        message = f"a persona has at most {MAX_BYTES} bytes, this one has {len(content)}"
        return Problem("too-large", message, str(file))
    return parse_persona(file.stem, text, str(file))
