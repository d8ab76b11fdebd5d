"""One flow, checked and pinned: what a run runs, whatever its files say later (D2-21)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from flowrunner.core.errors import Problem
from flowrunner.core.graph import Graph
from flowrunner.definitions.checks import check_flow
from flowrunner.definitions.flow import Flow
from flowrunner.definitions.graph import build_graph
from flowrunner.definitions.loader import load
from flowrunner.definitions.personas import Persona
from flowrunner.definitions.pin import definition_hash
from flowrunner.definitions.shapes import shown
from flowrunner.definitions.sources import Snapshot


@dataclass(frozen=True, slots=True)
class Definition:
    """*hash* covers graph, *sources* (path below *level* to text) and *personas* (name to text)."""

    name: str
    flow: Flow
    graph: Graph
    graph_json: dict[str, Any]
    hash: str
    sources: dict[str, str]
    personas: dict[str, str]
    level: Path
    file: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A flow file that gives no definition; *name* is as good as could be told."""

    name: str
    file: str
    problems: tuple[Problem, ...]


def define(snapshot: Snapshot, personas: Mapping[str, Persona]) -> Definition | Refused:
    """Run the module body, check the flow whole, and pin it. No step body runs."""
    name = snapshot.module.replace("_", "-")
    loaded = load(snapshot)
    if isinstance(loaded, Problem):
        return Refused(name, snapshot.file, (loaded,))
    flow = _flow_in(loaded.module, snapshot)
    if isinstance(flow, Problem):
        return Refused(name, snapshot.file, (flow,))
    problems = check_flow(flow, personas.keys())
    if problems:
        return Refused(str(flow.name), snapshot.file, problems)
    return _pinned(flow, loaded.snapshot, personas)


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
    )
