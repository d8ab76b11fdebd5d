"""The form that an agent is told to answer in: the JSON Schema of what its answer must fit."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, TypeAlias, cast

from pydantic import TypeAdapter

from flowrunner.definitions.outputs import adapter, is_structured

SCHEMA_CHARACTERS = 20_000
"""A longer schema loses its descriptions; one that is longer still is cut, and says so."""

_FORM = """\

---

## The form of your answer

End your answer with one fenced block that holds one JSON value, and write nothing after it. A \
program reads that block alone:

```json
...
```
"""
_SCHEMA = """
The value must fit this JSON Schema:

{}
"""
_NAMED = frozenset({"properties", "$defs", "patternProperties", "dependentSchemas"})
"""Keywords whose members have names of the author's choice; all else in a schema is keywords."""

Schema: TypeAlias = dict[str, Any]


def with_form(prompt: str, output: object, *, is_wanted: bool) -> str:
    """Return *prompt*, closed by the form of an answer that must fit *output*, where it has one."""
    if not is_wanted or not is_structured(output):
        return prompt
    return f"{prompt.rstrip()}\n{form_of(adapter(output))}"


@lru_cache(maxsize=256)
def form_of(checks: TypeAdapter[Any]) -> str:
    """Return what an agent is told; types that can be checked but not described have no schema."""
    try:
        schema = checks.json_schema()
    except Exception:  # noqa: BLE001  # pydantic asks an author's types, which may raise
        return _FORM
    return _FORM + _SCHEMA.format(_written(schema))


def _written(schema: Schema) -> str:
    """Return the schema on one line, in the order of its fields: equal types, equal bytes."""
    text = _compact(_slim(schema, {"title"}))
    if len(text) > SCHEMA_CHARACTERS:
        text = _compact(_slim(schema, {"title", "description", "examples"}))
    more = len(text) - SCHEMA_CHARACTERS
    return text if more <= 0 else f"{text[:SCHEMA_CHARACTERS]}\n[cut: {more} more characters]"


def _compact(schema: object) -> str:
    return json.dumps(schema, ensure_ascii=False, separators=(",", ":"), default=str)


def _slim(schema: object, without: set[str]) -> object:
    """Return *schema* without some keywords; a field may bear such a name."""
    if isinstance(schema, list):
        return [_slim(each, without) for each in cast("list[object]", schema)]
    if not isinstance(schema, dict):
        return schema
    known = cast("Schema", schema)
    return {
        key: {name: _slim(each, without) for name, each in cast("Schema", value).items()}
        if key in _NAMED and isinstance(value, dict)
        else value
        if key in {"default", "const", "enum", "examples"}
        else _slim(value, without)
        for key, value in known.items()
        if key not in without
    }
