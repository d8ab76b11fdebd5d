"""A definition for a flow that is at hand as an object: checked like a file's, not stored."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from flowrunner.core.errors import InvalidFlowError
from flowrunner.definitions.checks import check_flow
from flowrunner.definitions.compose import compose
from flowrunner.definitions.definition import Definition
from flowrunner.definitions.flow import Flow
from flowrunner.definitions.graph import build_graph
from flowrunner.definitions.library import Library
from flowrunner.definitions.pin import definition_hash


def definition_of(flow: Flow, personas: Mapping[str, str] | None = None) -> Definition:
    """Check *flow* whole. Raises InvalidFlowError with every problem.

    Without *personas* (name to text) each one that a step names is there, with a text of its own.
    """
    composed = compose(flow)
    plain = composed.flow
    named = {step.persona for step in plain.steps if step.persona is not None}
    roles = {name: f"You are the {name}." for name in named} if personas is None else personas
    problems = (*composed.problems, *check_flow(plain, roles.keys()))
    if problems:
        raise InvalidFlowError(f"flow '{flow.name}' cannot be used", problems)
    graph = build_graph(plain)
    graph_json = graph.to_json()
    return Definition(
        name=plain.name,
        flow=plain,
        graph=graph,
        graph_json=graph_json,
        hash=definition_hash(graph_json, {}, dict(roles)),
        sources={},
        personas={name: roles[name] for name in named},
        level=Path(),
        file=plain.file or "",
        roles=dict(roles),
    )


def library_of(definition: Definition) -> Library:
    return Library({definition.name: definition}, {}, (), ())
