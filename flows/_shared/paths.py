"""Inputs that several flows take: paths into the project, and words of whoever asked."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from flowrunner.core.errors import Problem
from flowrunner.evidence.tree import Refusal, confine

CONTEXT_WORDS = 200


def _is_short(text: str) -> str:
    count = len(text.split())
    if count > CONTEXT_WORDS:
        raise ValueError(f"at most {CONTEXT_WORDS} words, not {count}")
    return text


Place = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
Focus = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)]
Background = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=4000),
    AfterValidator(_is_short),
]


def bad_paths(root: Path, paths: Sequence[str]) -> Iterator[Problem]:
    """Yield a problem per path that is not there, or not inside, with its pointer."""
    for number, path in enumerate(paths):
        place = confine(root, path)
        outside = isinstance(place, Refusal) and place is not Refusal.NOT_A_FILE
        if outside or not os.path.lexists(root / path):
            why = "it is outside the project" if outside else "there is no such file or folder"
            hint = "give paths relative to the project, inside it"
            message = f"{path!r} cannot be reviewed: {why}"
            yield Problem("bad-path", message, pointer=f"/paths/{number}", hint=hint)


def below(files: Sequence[str], paths: Sequence[str]) -> list[str]:
    """Return the files that *paths* name; all of them without paths."""
    wanted = {os.path.normpath(path) for path in paths}
    if not wanted or "." in wanted:
        return list(files)
    return [f for f in files if any(f == each or f.startswith(f"{each}/") for each in wanted)]
