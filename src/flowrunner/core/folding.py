"""What committed events mean for a run's state."""

from __future__ import annotations

from collections.abc import Iterable

from flowrunner.core import meaning
from flowrunner.core.draft import Draft
from flowrunner.core.events import Event
from flowrunner.core.model import RunState


def fold(state: RunState, events: Iterable[Event]) -> RunState:
    """Apply committed *events*, in order. Costs what they change, never the size of the run."""
    draft = Draft(state)
    for event in events:
        meaning.apply(draft, event)
    return draft.freeze()
