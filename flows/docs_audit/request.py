"""What an audit may be asked for, and how deep it goes when nobody says."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from flowrunner import Launch
from flowrunner.core.errors import Problem
from flowrunner.evidence.docs.pages import is_page
from flowrunner.evidence.listing import list_files

from .._shared.paths import Background, Focus, Place, bad_paths, below

SMALL_PAGES = 5


class Request(BaseModel):
    """Without *paths* every page is audited. *focus* and *context* are untrusted text."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    paths: tuple[Place, ...] = Field(default=(), max_length=1000)
    focus: Focus = ""
    context: Background = ""


def check(launch: Launch) -> Sequence[Problem]:
    """Return what only the project can tell: paths that are not there."""
    return tuple(bad_paths(launch.project.root, launch.given(Request).paths))


def choose_band(launch: Launch) -> str:
    """Serve the band "auto": small for a few pages, else medium; who wants the large one says so.

    Band large has every statement examined almost by itself: on a handbook that is a dear run, and
    nobody should get it by leaving a field empty.
    """
    files = below(list_files(launch.project.root).paths, launch.given(Request).paths)
    return "small" if sum(map(is_page, files)) <= SMALL_PAGES else "medium"
