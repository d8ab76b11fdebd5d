"""Hold an answer against the OpenAPI document: status, media type and every field must be there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import httpx2

Schema: TypeAlias = Mapping[str, Any]

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


class Contract:
    """The document of one app; paths are matched as its router would."""

    def __init__(self, document: Schema) -> None:
        self.document = document
        self._paths = [(_pattern(path), path) for path in document["paths"]]

    def complaints(self, response: httpx2.Response) -> list[str]:
        """Return what the document did not promise; nothing for paths that it does not have."""
        request = response.request
        operation = self.operation(request.method, request.url.path)
        if operation is None:
            return []
        declared = operation["responses"].get(str(response.status_code))
        if declared is None:
            return [f"{request.method} {request.url.path}: {response.status_code} is not declared"]
        content = declared.get("content", {})
        kind = response.headers.get("content-type", "").partition(";")[0]
        if not response.content and not content:
            return []
        if kind not in content:
            return [f"{request.url.path}: {response.status_code} as {kind!r} is not declared"]
        schema = content[kind].get("schema", {})
        value = response.json() if kind.endswith("json") else response.text
        return [f"{request.url.path}: {each}" for each in self.mismatches(value, schema)]

    def operation(self, method: str, path: str) -> Schema | None:
        found = [name for pattern, name in self._paths if pattern.fullmatch(path)]
        exact = path if path in found else (found[0] if found else None)
        if exact is None:
            return None
        return self.document["paths"][exact].get(method.lower())

    def mismatches(self, value: Any, schema: Schema, place: str = "") -> Iterator[str]:
        """Check *value*; a field that the schema does not name is a mismatch too."""
        schema = self._resolved(schema)
        if "anyOf" in schema:
            tries = [list(self.mismatches(value, each, place)) for each in schema["anyOf"]]
            if all(tries):
                yield min(tries, key=len)[0]
            return
        kind = schema.get("type")
        if kind is not None and not _is(value, kind):
            yield f"{place or '/'}: {value!r:.60} is no {kind}"
            return
        if "enum" in schema and value not in schema["enum"]:
            yield f"{place}: {value!r} is none of {schema['enum']}"
        if "const" in schema and value != schema["const"]:
            yield f"{place}: {value!r} is not {schema['const']!r}"
        if kind == "object":
            yield from self._in_object(value, schema, place)
        if kind == "array":
            for number, each in enumerate(value):
                yield from self.mismatches(each, schema.get("items", {}), f"{place}/{number}")

    def _in_object(self, value: dict[str, Any], schema: Schema, place: str) -> Iterator[str]:
        properties = schema.get("properties")
        more: Any = schema.get("additionalProperties", properties is None)
        yield from (f"{place}: no {key}" for key in schema.get("required", ()) if key not in value)
        for key, each in value.items():
            if properties and key in properties:
                yield from self.mismatches(each, properties[key], f"{place}/{key}")
            elif more is False:
                yield f"{place}: {key} is not promised"
            elif more is not True:
                yield from self.mismatches(each, more, f"{place}/{key}")

    def _resolved(self, schema: Schema) -> Schema:
        while "$ref" in schema:
            name = schema["$ref"].removeprefix("#/components/schemas/")
            schema = self.document["components"]["schemas"][name]
        return schema


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES[kind])


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path))
