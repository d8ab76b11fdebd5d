"""What a review may be asked for, and how deep it goes when nobody says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from flowrunner import Launch
from flowrunner.core.errors import Problem
from flowrunner.evidence.listing import list_files
from flowrunner.evidence.scope import MEDIUM_FILES, SMALL_FILES, band_of, build_scope

from .._shared.paths import Background, Focus, Place, bad_paths, below

Revision = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=256)]


class Request(BaseModel):
    """Everything is optional: without *base* and *paths* the whole tree is reviewed.

    *base* and *head* are git revisions, *head* the working tree if left out; *paths* narrow either
    kind of review. *focus* and *context* are handed to the reviewers as untrusted text. With
    *approve* a person looks at the findings before the report is made.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    base: Revision | None = None
    head: Revision | None = None
    paths: tuple[Place, ...] = Field(default=(), max_length=1000)
    focus: Focus = ""
    context: Background = ""
    approve: bool = False

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
    return tuple(bad_paths(launch.project.root, request.paths))


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
    count = len(below(list_files(root).paths, request.paths))
    return "small" if count <= SMALL_FILES else "medium" if count <= MEDIUM_FILES else "large"
