"""How often, and after what pauses, a fallen postgres is started again."""

from __future__ import annotations

PAUSES = (0.02, 0.1, 0.3, 0.8)
STEADY_SECONDS = 30.0


class Patience:
    """Runs out after as many falls as there are pauses; comes back once postgres has stood long."""

    def __init__(self) -> None:
        self._falls = 0

    def after_fall(self, stood_seconds: float) -> float | None:
        """Return the pause before the next start, or None when there is no hope left."""
        if stood_seconds >= STEADY_SECONDS:
            self._falls = 0
        self._falls += 1
        return PAUSES[self._falls - 1] if self._falls <= len(PAUSES) else None
