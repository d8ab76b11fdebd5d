"""What an analysis may be asked for, and how deep it goes when nobody says."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from flowrunner import Launch
from flowrunner.core.errors import Problem
from flowrunner.evidence.languages import is_source
from flowrunner.evidence.listing import list_files

from .._shared.paths import Background, Focus

SMALL_FILES = 60


class Request(BaseModel):
    """The whole project is analysed. *focus* and *context* are handed on as untrusted text."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    focus: Focus = ""
    context: Background = ""


def check(_launch: Launch) -> Sequence[Problem]:
    return ()


def choose_band(launch: Launch) -> str:
    """Serve the band "auto": small for a few source files, else medium; large has to be asked for.

    The deepest band has ten agents read the whole project: nobody should get that by leaving a
    field empty.
    """
    count = sum(map(is_source, list_files(launch.project.root).paths))
    return "small" if count <= SMALL_FILES else "medium"
