"""One flow, checked and pinned: what a run runs, whatever its files say later (D2-21)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from flowrunner.core.errors import Problem
from flowrunner.core.graph import Graph
from flowrunner.core.validation import first_of
from flowrunner.definitions.checks import check_flow
from flowrunner.definitions.compose import compose
from flowrunner.definitions.flow import Flow
from flowrunner.definitions.graph import build_graph
from flowrunner.definitions.loader import load
from flowrunner.definitions.personas import Persona
from flowrunner.definitions.pin import definition_hash
from flowrunner.definitions.shapes import shown
from flowrunner.definitions.sources import Snapshot
from flowrunner.definitions.yaml.loading import load_yaml


@dataclass(frozen=True, slots=True)
class Definition:
    """*hash* covers graph, *sources* (path below *level* to text) and *personas* (name to text).

    *roles* are all the personas that its code may call, by name; a call stores the text it used.
    """

    name: str
    flow: Flow
    graph: Graph
    graph_json: dict[str, Any]
    hash: str
    sources: dict[str, str]
    personas: dict[str, str]
    level: Path
    file: str
    roles: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Refused:
    """A flow file that gives no definition; *name* is as good as could be told."""

    name: str
    file: str
    problems: tuple[Problem, ...]


def define(snapshot: Snapshot, personas: Mapping[str, Persona]) -> Definition | Refused:
    """Run the module body, check the flow whole, and pin it. No step body runs."""
    name = snapshot.module.replace("_", "-")
    if snapshot.is_yaml:
        return _define_yaml(snapshot, personas, name)
    loaded = load(snapshot)
    if isinstance(loaded, Problem):
        return Refused(name, snapshot.file, (loaded,))
    flow = _flow_in(loaded.module, snapshot)
    if isinstance(flow, Problem):
        return Refused(name, snapshot.file, (flow,))
    composed = compose(flow)
    problems = first_of((*composed.problems, *check_flow(composed.flow, personas.keys())))
    if problems:
        return Refused(str(flow.name), snapshot.file, problems)
    return _pinned(composed.flow, loaded.snapshot, personas)


def _define_yaml(
    snapshot: Snapshot, personas: Mapping[str, Persona], name: str
) -> Definition | Refused:
    read = load_yaml(snapshot.texts[snapshot.entry], snapshot.file, personas.keys())
    if read.flow is None or read.problems:
        return Refused(read.name or name, snapshot.file, read.problems)
    return _pinned(read.flow, snapshot, personas)


def _flow_in(module: ModuleType, snapshot: Snapshot) -> Flow | Problem:
    flow: object = vars(module).get("flow")
    if isinstance(flow, Flow):
        return flow
    if flow is not None:
        message = f"`flow` is {shown(flow)}, not a Flow(...)"
        return Problem("no-flow", message, snapshot.file)
    others = [name for name, value in vars(module).items() if isinstance(value, Flow)]
    hint = f"rename `{others[0]}` to `flow`" if others else None
    hint = hint or "a file that is no flow has a name that begins with '_'"
    return Problem("no-flow", "the file defines no `flow = Flow(...)`", snapshot.file, hint=hint)


def _pinned(flow: Flow, snapshot: Snapshot, personas: Mapping[str, Persona]) -> Definition:
    graph = build_graph(flow)
    used = sorted({step.persona for step in flow.steps if step.persona is not None})
    roles = {name: personas[name].text for name in used}
    graph_json = graph.to_json()
    sources = dict(snapshot.texts)
    return Definition(
        name=flow.name,
        flow=flow,
        graph=graph,
        graph_json=graph_json,
        hash=definition_hash(graph_json, sources, roles),
        sources=sources,
        personas=roles,
        level=snapshot.level,
        file=snapshot.file,
        roles={name: persona.text for name, persona in personas.items()},
    )
