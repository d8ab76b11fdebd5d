"""Two runs side by side, and one run as a graph."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from flowrunner import __version__
from flowrunner.api.deps import AskedRun, Comparisons, Graphs, Runs
from flowrunner.api.etags import UNCHANGED, IfNoneMatch, matches, unchanged
from flowrunner.api.openapi import refusals
from flowrunner.core.drawing import as_svg
from flowrunner.core.layout import Box
from flowrunner.wire.comparing import Diff
from flowrunner.wire.graphs import GraphNode, RunGraph

router = APIRouter(prefix="/api/v1", tags=["runs"])

_SVG = "image/svg+xml"

OneRun = Annotated[str, Query(max_length=64, description="A run, as in paths.")]


@router.get("/diff", operation_id="diff", responses=refusals(404, 409))
async def diff(a: OneRun, b: OneRun, runs: Runs, comparisons: Comparisons) -> Diff:
    """Say what changed from run *a* to run *b*: inputs, flow, steps, findings."""
    return await comparisons.diff(await runs.resolve(a), await runs.resolve(b))


@router.get(
    "/runs/{run_id}/graph",
    operation_id="graph",
    responses={**UNCHANGED, **refusals(404, 409)},
)
async def graph(
    run_id: AskedRun, graphs: Graphs, response: Response, if_none_match: IfNoneMatch = None
) -> RunGraph:
    """Show what depends on what, and how each step stands."""
    found = await graphs.graph(run_id)
    tag = f'W/"{found.run_id}-{found.version}-{__version__}-graph"'
    if matches(if_none_match, tag):
        return unchanged(tag)  # pyright: ignore[reportReturnType]  # FastAPI sends a Response as it is
    response.headers["ETag"] = tag
    return found


@router.get(
    "/runs/{run_id}/graph.svg",
    operation_id="graph_svg",
    response_class=Response,
    responses={
        200: {"content": {_SVG: {"schema": {"type": "string"}}}},
        **UNCHANGED,
        **refusals(404, 409),
    },
)
async def graph_svg(
    run_id: AskedRun,
    graphs: Graphs,
    theme: Literal["light", "dark"] = "light",
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Draw the run's graph: each step with how it stands, in words and as the frame's colour."""
    found = await graphs.graph(run_id)
    tag = f'W/"{found.run_id}-{found.version}-{__version__}-{theme}"'
    if matches(if_none_match, tag):
        return unchanged(tag)
    picture = as_svg(boxes_of(found), title=f"{found.flow}: {found.status}", theme=theme)
    headers = {"ETag": tag, "Content-Security-Policy": "default-src 'none'; sandbox"}
    return Response(picture, headers=headers, media_type=_SVG)


def boxes_of(graph: RunGraph) -> tuple[Box, ...]:
    """What is drawn: the flow's steps, those that were excluded as well."""
    needs: dict[str, list[str]] = {node.key: [] for node in graph.nodes}
    for edge in graph.edges:
        needs[edge.target].append(edge.source)
    return tuple(
        Box(
            node.key,
            _note(node),
            tuple(needs[node.key]),
            node.phase,
            stacked=node.children is not None,
            state=node.status,
        )
        for node in graph.nodes
    )


def _note(node: GraphNode) -> str:
    if node.children is None:
        return node.status
    return f"{node.status} {node.children.completed}/{node.children.total}"
