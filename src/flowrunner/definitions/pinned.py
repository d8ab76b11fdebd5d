"""A definition as it is stored with the runs that use it, and made from that again (D2-21)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flowrunner.core.graph import Graph
from flowrunner.definitions.definition import Definition, define
from flowrunner.definitions.personas import Persona
from flowrunner.definitions.pin import definition_hash, digest
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
    return found if isinstance(found, Definition) and is_pinned(found, stored, wanted) else None


def is_pinned(found: Definition, stored: Mapping[str, Any], wanted: str) -> bool:
    """Whether *found* is the definition *wanted*, which another release may have stored.

    A hash covers the graph as the release of that time wrote it; later ones may write more of the
    same graph. So text and personas are compared by that hash, the graph by what it means today.
    """
    if found.hash == wanted:
        return True
    graph = stored.get("graph")
    if graph is None or definition_hash(graph, found.sources, found.personas) != wanted:
        return False
    return Graph.from_json(graph).to_json() == found.graph_json


def _persona(name: str, text: str) -> Persona:
    return Persona(name, name, text, text, digest(text), f"{name}.md")
