"""A smallest answer that fits what a step asks for, made from its JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from flowrunner.core.graph import StepSpec
from flowrunner.definitions.definition import Definition
from flowrunner.definitions.outputs import adapter, is_structured
from flowrunner.testing.told import UnscriptedError

Schema: TypeAlias = Mapping[str, Any]

_DEEPEST = 12


class Samples:
    """Answers for agents that no script names."""

    def __init__(self, definition: Definition) -> None:
        self._outputs = {step.id: step.output for step in definition.flow.steps}
        self._keys = [step.key for step in definition.graph.steps]

    def answer(self, spec: StepSpec) -> object:
        """Return text, or JSON that the step's `output=` accepts.

        Raises UnscriptedError when no such JSON could be made: then the answer must be given.
        """
        key = spec.key if spec.parent is None else self._keys[spec.parent]
        is_call = spec.parent is not None and spec.item is None
        output = None if is_call else self._outputs[key]
        if not is_structured(output):
            return f"A sample answer of {spec.key}."
        fits = adapter(output)
        schema: Schema = fits.json_schema()
        sample = _sample(schema, schema.get("$defs", {}), 0)
        try:
            fits.validate_python(sample)
        except ValueError as error:
            told = f"no sample fits the output of step '{spec.key}': give its answer in the stubs"
            raise UnscriptedError(f"{told} ({error.__class__.__name__})") from error
        return sample


def _sample(schema: Schema, definitions: Mapping[str, Schema], depth: int) -> object:
    if "$ref" in schema:
        name = str(schema["$ref"]).rsplit("/", 1)[-1]
        return _sample(definitions.get(name, {}), definitions, depth + 1)
    for word in ("default", "const"):
        if word in schema:
            return schema[word]
    if schema.get("enum"):
        return schema["enum"][0]
    for word in ("anyOf", "oneOf", "allOf"):
        if schema.get(word):
            return _sample(schema[word][0], definitions, depth + 1)
    return _of_type(schema, definitions, depth)


def _of_type(schema: Schema, definitions: Mapping[str, Schema], depth: int) -> object:
    match schema.get("type"):
        case "object":
            return _object(schema, definitions, depth)
        case "array":
            few = int(schema.get("minItems", 0)) if depth < _DEEPEST else 0
            return [_sample(schema.get("items", {}), definitions, depth + 1) for _ in range(few)]
        case "integer" | "number":
            return schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
        case "boolean":
            return False
        case "string":
            return "sample".ljust(int(schema.get("minLength", 0)), "x")
        case _:
            return None


def _object(schema: Schema, definitions: Mapping[str, Schema], depth: int) -> dict[str, object]:
    if depth >= _DEEPEST:
        return {}
    properties: Mapping[str, Schema] = schema.get("properties", {})
    required: list[str] = schema.get("required", [])
    return {name: _sample(properties.get(name, {}), definitions, depth + 1) for name in required}
