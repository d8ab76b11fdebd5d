"""What an answer must prove beyond its form: that what it cites and names is really there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from flowrunner.definitions.context import Context

Files: TypeAlias = Sequence[str] | Callable[[Context, Any], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Citations:
    """How a claim names its place: whatever object of the answer has all three is one.

    *line* and the others are keys, or several of which the first that is there counts. With
    *exact* the quote must stand on the cited lines; without, it may stand elsewhere in that file.
    """

    file: str = field(default="file", kw_only=True)
    line: str | Sequence[str] = field(default=("line_start", "line"), kw_only=True)
    line_end: str = field(default="line_end", kw_only=True)
    quote: str = field(default="quote", kw_only=True)
    exact: bool = field(default=True, kw_only=True)


@dataclass(frozen=True, slots=True)
class Produces:
    """What is checked by code once an answer fits its `output=`; what breaks it is sent back.

    *files* are paths that must be there, or a function of context and answer that names them.
    *check* gets the same and returns what is wrong, one sentence each. *pins* says against which
    bytes citations are held (path to sha256, as `pin_tree` gives them); without it, and for files
    that it does not have, the project as it is when the answer comes.
    """

    citations: bool | Citations = field(default=False, kw_only=True)
    files: Files = field(default=(), kw_only=True)
    check: Callable[[Context, Any], Sequence[str]] | None = field(default=None, kw_only=True)
    pins: Callable[[Context], Mapping[str, str]] | None = field(default=None, kw_only=True)

    @property
    def citing(self) -> Citations | None:
        """How citations are found, if they are looked for."""
        if isinstance(self.citations, Citations):
            return self.citations
        return Citations() if self.citations else None
