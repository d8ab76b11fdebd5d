"""A flow's graph as a picture, from what the wire says of it: the same here and from afar."""

from __future__ import annotations

from typing import Literal, TypeAlias

from flowrunner.core import drawing
from flowrunner.core.layout import Box, lay_out
from flowrunner.wire.flows import FlowDetail, FlowEdge, FlowGraph, FlowNode, FlowStep

Format: TypeAlias = Literal["text", "mermaid", "dot", "svg"]
FORMATS: tuple[Format, ...] = ("text", "mermaid", "dot", "svg")


def draw(flow: FlowDetail, form: Format, *, theme: str = "light") -> str:
    """Return the graph in one of FORMATS."""
    boxes = boxes_of(flow)
    match form:
        case "text":
            return drawing.as_text(boxes)
        case "mermaid":
            return drawing.as_mermaid(boxes)
        case "dot":
            return drawing.as_dot(boxes)
        case "svg":
            return drawing.as_svg(boxes, title=flow.title or flow.name, theme=theme)


def graph_of(flow: FlowDetail) -> FlowGraph:
    """Return the graph with the place of every step."""
    layout = lay_out(boxes_of(flow))
    nodes = (
        FlowNode(
            key=box.key,
            note=box.note,
            phase=box.phase,
            column=layout.spots[box.key].column,
            row=layout.spots[box.key].row,
        )
        for box in layout.boxes
    )
    edges = (
        FlowEdge(need=need, step=box.key)
        for box in layout.boxes
        for need in box.needs
        if need in layout.spots
    )
    return FlowGraph(
        flow=flow.name,
        nodes=tuple(nodes),
        edges=tuple(edges),
        columns=layout.columns,
        rows=layout.rows,
    )


def boxes_of(flow: FlowDetail) -> tuple[Box, ...]:
    """Return a box per step."""
    return tuple(
        Box(step.key, _note(step), step.needs, step.phase, stacked=step.has_each)
        for step in flow.steps
    )


def _note(step: FlowStep) -> str:
    told = (
        step.kind if step.kind != "agent" else "",
        "each" if step.has_each else "",
        "repeat" if step.has_repeat else "",
        "when" if step.has_when else "",
    )
    return ", ".join(filter(None, told))
