"""What in a project a program would run by itself: it is hidden, or nothing is started."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from flowrunner.dispatch.adapters.adapter import Adapter
from flowrunner.dispatch.gates.gate import Gate, Right
from flowrunner.wire.tasks import TaskError

CONFIGURES = "project_configures_agent"
_HINT = (
    "let agents read a checkout without it, or allow user namespaces or install bubblewrap, behind"
    " which it is hidden"
)


def hidden_from(adapter: Adapter, root: Path) -> tuple[str, ...]:
    """Return what is hidden: programs look for it from the project upwards."""
    root = root.resolve()
    places = (root, *root.parents)
    return tuple(str((place / name).resolve()) for place in places for name in adapter.hides)


def refuse(adapter: Adapter, root: Path, gate: Gate) -> TaskError | None:
    """Return why *adapter* is not started in *root*: something would run, and *gate* hides nothing.

    Looks at a few names; blocking.
    """
    if Right.HIDDEN in gate.rights:
        return None
    found = [place / name for place in _up_to_repository(root) for name in adapter.hides]
    for path in found:
        if os.path.lexists(path):
            message = (
                f"{adapter.name} would run what {path} names, and gate {gate.name} hides it not"
            )
            return TaskError(code=CONFIGURES, message=message, hint=_HINT)
    return None


def _up_to_repository(root: Path) -> Iterator[Path]:
    root = root.resolve()
    places = (root, *root.parents)
    tops = [number for number, place in enumerate(places) if os.path.lexists(place / ".git")]
    return iter(places[: tops[0] + 1] if tops else (root,))
