"""The text an agent gets: its role, a rule, the task; and fences around what others wrote."""

from __future__ import annotations

from flowrunner.core import substitution

RULE = "\n\n---\n\n"
"""Stands between persona and task (R2-29)."""

DEFAULT_CAP = 200_000


class UnresolvedError(Exception):
    """A text refers to something that has no value; its step fails `unresolved_reference`."""


def build_prompt(persona_text: str | None, text: str) -> str:
    """Return the full prompt; without a persona just *text* (R2-29)."""
    return f"{persona_text.strip()}{RULE}{text}" if persona_text else text


def quote(text: str, cap: int = DEFAULT_CAP) -> str:
    """Set apart, for a person, what the asker did not write; over *cap* characters it is cut."""
    return substitution.quote(text, cap)


def fence(text: str, nonce: str, label: str, cap: int = DEFAULT_CAP) -> str:
    """Mark *text* as quoted, not said; over *cap* characters it is cut and says so (V-07)."""
    return substitution.fence(text, nonce=nonce, label=label, cap=cap)
