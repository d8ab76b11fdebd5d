"""What an agent that reads pages answers: the statements in them that somebody may rely on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from flowrunner.evidence.docs.statements import Kind, Statement
from flowrunner.evidence.text import visible
from flowrunner.wire.findings import Line, Path, Untold

About = Literal["path", "command", "setting", "name", "example", "behaviour", "number", "other"]
ABOUT: Mapping[Kind, About] = {
    Kind.LINK: "path", Kind.ANCHOR: "path", Kind.FILE: "path", Kind.PATH: "path",
    Kind.TARGET: "command", Kind.OPTION: "command", Kind.COMMAND: "command",
    Kind.VARIABLE: "setting", Kind.NAME: "name", Kind.IMPORT: "example", Kind.CODE: "example",
    Kind.VERSION: "number",
}  # fmt: skip
Quote = Annotated[str, Field(max_length=2000)]


class Said(BaseModel):
    """One statement of a page; *says* is it in words that can be true or false."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    file: Path
    line_start: Line
    line_end: Line | None = None
    quote: Quote
    says: str = Field(min_length=1, max_length=1000)
    about: About = "other"


class Extract(BaseModel):
    """*pages_read* lists only pages that were read whole."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    statements: tuple[Said, ...] = Field(max_length=1000)
    pages_read: tuple[Path, ...] = Field(default=(), max_length=10_000)
    summary: str = Field(default="", max_length=4000)
    model_asked: Untold = True
    truncated: bool = False


def words_of(statement: Statement) -> str:
    """Say in words what a statement that code has read off a page claims."""
    what = "the example parses" if statement.kind is Kind.CODE else f"{statement.subject} exists"
    return visible(what)[:1000]
