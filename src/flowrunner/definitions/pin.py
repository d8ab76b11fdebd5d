"""What a run runs, as one hash: the graph, the sources and the personas (D2-21, D2-37)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from pydantic import JsonValue


def canonical(value: JsonValue) -> str:
    """Return the one JSON text of *value*: sorted keys, no blanks. Equal values, equal bytes."""
    return json.dumps(
        value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
    )


def digest(text: str) -> str:
    """Return the SHA-256 of the text's UTF-8, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def definition_hash(
    graph: JsonValue, sources: Mapping[str, str], personas: Mapping[str, str]
) -> str:
    """Return 64 hex digits that change when anything does that a step could notice."""
    parts: dict[str, JsonValue] = {
        "graph": graph,
        "sources": {name: digest(text) for name, text in sources.items()},
        "personas": {name: digest(text) for name, text in personas.items()},
    }
    return digest(canonical(parts))
