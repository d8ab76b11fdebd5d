"""What a tree has that documents may speak of; gathered once, by reading only."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, cast

from flowrunner.evidence import languages
from flowrunner.evidence.modules import Modules, read_modules
from flowrunner.evidence.tree import Refusal, confine, decode, read_bytes

MAX_WORDS_FILE = 1_000_000
_WORD = re.compile(r"[A-Za-z][\w-]*")
_ENV_PREFIX = re.compile(r"env_prefix\s*[=:]\s*[\"']([A-Za-z]\w*_)[\"']")
_ENV_READ = re.compile(
    r"(?:environ(?:\.get)?|getenv|env::var|process\.env|ENV)[\[(.]+\s*[\"']?([A-Z][A-Z0-9_]{3,})"
)
_CFG_SCRIPT = re.compile(r"^\s*[\"']?([\w.-]+)\s*=\s*[\w.]+:[\w.]+", re.MULTILINE)
_CONSOLE = re.compile(r"console_scripts[\"']?\s*[=:](.*?)(?:^\S|\Z)", re.DOTALL | re.MULTILINE)
_MAKE_TARGET = re.compile(r"^([^\s#:=][^#:=]*):(?!=)", re.MULTILINE)
_MAKEFILES = ("GNUmakefile", "makefile", "Makefile")
_BUILD = ("pyproject.toml", "setup.cfg", "setup.py")
_READ_FOR_WORDS = frozenset({"json", "toml", "yaml", "ini", "xml", "text", "make", "other"})


@dataclass(frozen=True)
class Facts:
    """*paths* are all files of the project; what each property reads, it reads once."""

    root: Path
    paths: tuple[str, ...]

    def has(self, path: str) -> bool:
        """Return whether a relative path names something inside the project."""
        inside = not isinstance(confine(self.root, path), Refusal) or path in {"", "."}
        return inside and os.path.lexists(self.root / path)

    def ends_with(self, path: str) -> bool:
        """Return whether some file or folder of the project ends in *path*."""
        return path.strip("/") in self.tails

    def text(self, path: str) -> str:
        """Return a text file, or nothing."""
        content = read_bytes(self.root, path)
        return "" if isinstance(content, Refusal) else decode(content)

    @cached_property
    def folders(self) -> frozenset[str]:
        return frozenset(str(f) for path in self.paths for f in PurePosixPath(path).parents)

    @cached_property
    def tails(self) -> frozenset[str]:
        """Every ending of every path that begins at a slash."""
        found: set[str] = set()
        for path in (*self.paths, *self.folders):
            parts = path.split("/")
            found |= {"/".join(parts[at:]) for at in range(len(parts))}
        return frozenset(found)

    @cached_property
    def modules(self) -> Modules:
        paths = (path for path in self.paths if languages.language_of(path) == "python")
        return read_modules((path, self.text(path)) for path in paths)

    @cached_property
    def words(self) -> frozenset[str]:
        """Every word of the project's source, tests and prose aside, lower case, `-` as `_`."""
        found: set[str] = set()
        for path in self.paths:
            if _speaks(path) and len(text := self.text(path)) <= MAX_WORDS_FILE:
                found |= {word.lower().replace("-", "_") for word in _WORD.findall(text)}
        return frozenset(found)

    @cached_property
    def source_text(self) -> str:
        """All source of the project, tests aside, in one text."""
        return "\n".join(self.text(path) for path in self.paths if languages.is_source(path))

    @cached_property
    def quoted_text(self) -> str:
        """All source, and what configures the build: names may be texts there."""
        return "\n".join((self.source_text, *(self.text(path) for path in _BUILD)))

    @cached_property
    def programs(self) -> frozenset[str]:
        """The names of commands that this project installs."""
        return frozenset(_programs(self))

    @cached_property
    def variables(self) -> tuple[frozenset[str], frozenset[str]]:
        """Names of environment variables that the source reads, and prefixes of settings."""
        text = self.source_text
        return frozenset(_ENV_READ.findall(text)), frozenset(_ENV_PREFIX.findall(text))

    @cached_property
    def targets(self) -> frozenset[str] | None:
        """The targets of the Makefile; None if there is none, or it may have others."""
        text = next((t for name in _MAKEFILES if name in self.paths and (t := self.text(name))), "")
        if not text or "%" in text or re.search(r"^\s*-?s?include\b", text, re.MULTILINE):
            return None
        found = {word for line in _MAKE_TARGET.findall(text) for word in str(line).split()}
        return None if any("$" in target for target in found) else frozenset(found)

    @cached_property
    def project_table(self) -> Mapping[str, Any]:
        """The parsed pyproject.toml of the root, or nothing."""
        return _toml(self.text("pyproject.toml"))

    @cached_property
    def is_site(self) -> bool:
        """Return whether a generator makes pages of it, so that an address need not be a file."""
        marks = {"mkdocs.yml", "mkdocs.yaml", "conf.py", "_config.yml", "book.toml", "antora.yml"}
        marks |= {"docusaurus.config.js", "docusaurus.config.ts", "hugo.toml", "zensical.toml"}
        return any(PurePosixPath(path).name in marks for path in self.paths)

    @cached_property
    def has_automatic_labels(self) -> bool:
        configs = (path for path in self.paths if PurePosixPath(path).name == "conf.py")
        return any("autosectionlabel" in self.text(path) for path in configs)


def _speaks(path: str) -> bool:
    language = languages.language_of(path)
    if languages.is_test(path) or languages.is_generated(path) or languages.is_docs(path):
        return False
    return languages.is_source(path) or language in _READ_FOR_WORDS


def table_at(table: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """Return the table below *keys*; nothing where something else stands."""
    for key in keys:
        found = table.get(key)
        table = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    return dict(table)


def _programs(facts: Facts) -> Iterator[str]:
    for keys in (("project", "scripts"), ("tool", "poetry", "scripts")):
        yield from table_at(facts.project_table, *keys)
    config = facts.text("setup.cfg") + facts.text("setup.py")
    for section in _CONSOLE.findall(config):
        yield from _CFG_SCRIPT.findall(str(section).replace('"', "\n").replace("'", "\n"))
    yield from table_at(_json(facts.text("package.json")), "bin")


def _toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}


def _json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}
