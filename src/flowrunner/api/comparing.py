"""Two runs side by side, and one run as a graph."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from flowrunner import __version__
from flowrunner.api.deps import AskedRun, Comparisons, Graphs, Runs
from flowrunner.api.etags import UNCHANGED, IfNoneMatch, matches, unchanged
from flowrunner.api.openapi import refusals
from flowrunner.wire.comparing import Diff
from flowrunner.wire.graphs import RunGraph

router = APIRouter(prefix="/api/v1", tags=["runs"])

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
