"""A flow as YAML: its own text, or what can be told of one that is written in Python."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from flowrunner.wire.flows import FlowDetail, FlowStep


def as_yaml(flow: FlowDetail) -> str:
    """Return the text of a YAML flow, or the outline of another."""
    return flow.yaml if flow.yaml is not None else "\n".join(_outline(flow)) + "\n"


def _outline(flow: FlowDetail) -> Iterator[str]:
    yield f"# An outline: this flow is written in Python ({_one_line(flow.file)}),"
    yield "# and what its functions say and decide is not shown."
    yield f"flow: {_told(flow.name)}"
    for name in ("title", "description"):
        if text := getattr(flow, name):
            yield f"{name}: {_told(text)}"
    properties: dict[str, Any] = flow.input_schema.get("properties", {})
    if properties:
        yield "inputs:"
        yield from (f"  {_told(name)}: {_told(schema)}" for name, schema in properties.items())
    yield f"bands: {_told(list(flow.bands))}"
    if flow.deadline_seconds is not None:
        yield f"deadline: {_told(flow.deadline_seconds)}"
    yield f"siblings: {flow.siblings}"
    yield "steps:"
    for step in flow.steps:
        yield from _step(step)


def _step(step: FlowStep) -> Iterator[str]:
    yield f"  - id: {_told(step.key)}"
    yield f"    {step.kind}: (a function)"
    told: dict[str, Any] = {
        "persona": step.persona,
        "phase": step.phase,
        "needs": list(step.needs) or None,
        "bands": list(step.bands) or None,
        "trigger": None if step.trigger == "all" else step.trigger,
        "on_fail": None if step.on_fail == "fail" else step.on_fail,
        "on_skip": None if step.on_skip == "satisfy" else step.on_skip,
        "retry": step.max_attempts - 1 or None,
        "timeout": step.timeout_seconds,
    }
    yield from (f"    {name}: {_told(value)}" for name, value in told.items() if value is not None)
    asked = {
        "gate": step.gated,
        "when": step.has_when,
        "each": step.has_each,
        "repeat": step.has_repeat,
    }
    yield from (f"    {name}: (a function)" for name, is_there in asked.items() if is_there)


def _told(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _one_line(text: str) -> str:
    return " ".join(text.split())
