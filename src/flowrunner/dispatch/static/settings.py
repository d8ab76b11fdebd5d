"""What the agent is told by its environment: whose eyes it lends."""

from __future__ import annotations

import os

PERSONA = "FLOWRUNNER_PERSONA"


def persona_from_environment() -> str | None:
    return os.environ.get(PERSONA) or None
