"""A statement that a page makes about the project, and whether the project bears it out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a statement is about; the values are the names of rules."""

    LINK = "broken-link"
    ANCHOR = "broken-anchor"
    FILE = "missing-file-in-command"
    TARGET = "missing-make-target"
    OPTION = "unknown-option"
    COMMAND = "unknown-command"
    VARIABLE = "unknown-variable"
    PATH = "stale-path"
    NAME = "unknown-name"
    IMPORT = "missing-module-in-example"
    CODE = "code-does-not-parse"
    VERSION = "other-version-required"


@dataclass(frozen=True, slots=True)
class Statement:
    """*holds* is None where code cannot tell; *why* says in a sentence what is so instead."""

    kind: Kind
    subject: str
    line: int
    holds: bool | None
    why: str = ""
    end: int | None = None
