"""Who asks may read; whoever would change, run or reach out is refused (P8)."""

from __future__ import annotations

from flowrunner.dispatch.acp.messages import Json, parts_at, section, text_at

READING = frozenset({"read", "search", "think"})


def decide(kind: str, call: Json, options: list[Json]) -> tuple[bool, Json]:
    """Return whether *call* is allowed, and the answer. *kind* is what was known of it before.

    A call of no known kind, one that shows a diff, and one whose options hold no "once" is
    refused: what is allowed for ever could not be refused later.
    """
    kind = text_at(call, "kind") or kind
    shows_diff = any(part.get("type") == "diff" for part in parts_at(call, "content"))
    if kind in READING and not shows_diff and (option := _option(options, "allow_once")):
        return True, _selected(option)
    if option := _option(options, "reject_once") or _option(options, "reject_always"):
        return False, _selected(option)
    return False, {"outcome": {"outcome": "cancelled"}}


def _option(options: list[Json], kind: str) -> str:
    return next((text_at(o, "optionId") for o in options if o.get("kind") == kind), "")


def _selected(option: str) -> Json:
    return {"outcome": {"outcome": "selected", "optionId": option}}


def asked(params: Json) -> tuple[Json, list[Json]]:
    """Return the call that a permission is asked for, and the offered options."""
    return section(params.get("toolCall")), parts_at(params, "options")
