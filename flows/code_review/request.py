"""What a review may be asked for, and how deep it goes when nobody says."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from flowrunner import Launch
from flowrunner.core.errors import Problem
from flowrunner.evidence.listing import list_files
from flowrunner.evidence.scope import MEDIUM_FILES, SMALL_FILES, band_of, build_scope
from flowrunner.evidence.tree import Refusal, confine

CONTEXT_WORDS = 200

Revision = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=256)]
Path_ = Annotated[str, StringConstraints(min_length=1, max_length=1024)]


class Request(BaseModel):
    """Everything is optional: without *base* and *paths* the whole tree is reviewed.

    *base* and *head* are git revisions, *head* the working tree if left out; *paths* narrow either
    kind of review. *focus* and *context* are handed to the reviewers as untrusted text.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    base: Revision | None = None
    head: Revision | None = None
    paths: tuple[Path_, ...] = Field(default=(), max_length=1000)
    focus: Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)] = ""
    context: Annotated[str, StringConstraints(strip_whitespace=True, max_length=4000)] = ""

    @field_validator("context")
    @classmethod
    def _is_short(cls, text: str) -> str:
        count = len(text.split())
        if count > CONTEXT_WORDS:
            raise ValueError(f"at most {CONTEXT_WORDS} words, not {count}")
        return text

    @model_validator(mode="after")
    def _has_both_ends(self) -> Request:
        if self.head is not None and self.base is None:
            raise ValueError("a head without a base compares nothing: give base too")
        return self

    @property
    def is_whole_tree(self) -> bool:
        return self.base is None and not self.paths


def check(launch: Launch) -> Sequence[Problem]:
    """Return what only the project can tell: revisions and paths that are not there.

    Raises InvalidInputError for a base; both have pointers into the input.
    """
    request = launch.given(Request)
    if request.base is not None:
        build_scope(launch.project.root, base=request.base, head=request.head, paths=request.paths)
        return ()
    return tuple(_bad_paths(launch.project.root, request.paths))


def choose_band(launch: Launch) -> str:
    """Serve the band "auto": by the number of files, and small for a whole tree.

    A band says how many pairs of eyes a change is worth, and a change grows with its files. A
    whole tree is no change: its size says how old the project is, not how risky today's request,
    and the deepest band on a thousand files would be the dearest run of all, bought by leaving two
    fields empty. Who wants it says so: `band=large`.
    """
    request = launch.given(Request)
    root = launch.project.root
    if request.is_whole_tree:
        return "small"
    if request.base is not None:
        return band_of(build_scope(root, base=request.base, head=request.head, paths=request.paths))
    # Counted, not read: a scope reads every file for its signals, and a launch must be quick.
    count = len(_below(list_files(root).paths, request.paths))
    return "small" if count <= SMALL_FILES else "medium" if count <= MEDIUM_FILES else "large"


def _bad_paths(root: Path, paths: Sequence[str]) -> Iterator[Problem]:
    for number, path in enumerate(paths):
        place = confine(root, path)
        outside = isinstance(place, Refusal) and place is not Refusal.NOT_A_FILE
        if outside or not os.path.lexists(root / path):
            why = "it is outside the project" if outside else "there is no such file or folder"
            hint = "give paths relative to the project, inside it"
            message = f"{path!r} cannot be reviewed: {why}"
            yield Problem("bad-path", message, pointer=f"/paths/{number}", hint=hint)


def _below(files: Sequence[str], paths: Sequence[str]) -> list[str]:
    wanted = {os.path.normpath(path) for path in paths}
    if not wanted or "." in wanted:
        return list(files)
    return [f for f in files if any(f == each or f.startswith(f"{each}/") for each in wanted)]
