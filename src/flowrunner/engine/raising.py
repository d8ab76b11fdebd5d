"""What user code raised, in one line that can be stored."""

from __future__ import annotations

import traceback
from pathlib import Path

from flowrunner.wire.tasks import shortened

_MOST_CHARACTERS = 4_000


def raised(error: BaseException) -> str:
    """The exception's type and words, and the place in the flow that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = str(Path(__file__).parents[1])
    theirs = [frame for frame in frames if not frame.filename.startswith(ours)]
    place = f" ({Path(theirs[-1].filename).name}:{theirs[-1].lineno})" if theirs else ""
    return shortened(f"{type(error).__name__}: {_words(error)}", _MOST_CHARACTERS) + place


def _words(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001  # its own __str__ is user code too
        return "(its message cannot be read)"
