"""A definition as it is stored with the runs that use it, and made from that again (D2-21)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flowrunner.definitions.definition import Definition, define
from flowrunner.definitions.personas import Persona
from flowrunner.definitions.pin import digest
from flowrunner.definitions.sources import Snapshot


def stored_form(definition: Definition) -> dict[str, Any]:
    """Everything that `rebuild` needs, as JSON."""
    return {
        "level": str(definition.level),
        "entry": Path(definition.file).relative_to(definition.level).as_posix(),
        "texts": dict(definition.sources),
        "personas": {**definition.roles, **definition.personas},
    }


def rebuild(stored: Mapping[str, Any], wanted: str) -> Definition | None:
    """Load a flow from its stored text. None when that does not give the definition *wanted*.

    What the text imports from outside of its level is today's; that is all that may differ.
    """
    if "entry" not in stored:
        return None  # stored by a release that kept the texts only
    snapshot = Snapshot(Path(stored["level"]), stored["entry"], stored["texts"])
    texts: Mapping[str, str] = stored["personas"]
    personas = {name: _persona(name, text) for name, text in texts.items()}
    found = define(snapshot, personas)
    return found if isinstance(found, Definition) and found.hash == wanted else None


def _persona(name: str, text: str) -> Persona:
    return Persona(name, name, text, text, digest(text), f"{name}.md")
