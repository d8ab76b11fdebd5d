"""A run's graph as it stands: the flow's own steps; children are counted."""

from __future__ import annotations

from flowrunner.core.model import RunId
from flowrunner.db.pool import Pool
from flowrunner.db.step_pages import StepFilter, list_step_lines
from flowrunner.service import shapes
from flowrunner.service.reading import connection
from flowrunner.service.steps import surroundings
from flowrunner.service.views import Views
from flowrunner.wire.graphs import GraphEdge, GraphNode, RunGraph


class Graphing:
    """Reads a run and lays out nothing: that is for whoever draws it."""

    def __init__(self, pool: Pool, views: Views) -> None:
        self._pool = pool
        self._views = views

    async def graph(self, run_id: RunId) -> RunGraph:
        """Raises NotFoundError."""
        # The run first: its version is never newer than the steps that it labels.
        run = await self._views.get_run(run_id)
        async with connection(self._pool) as conn:
            around = await surroundings(conn, run_id)
            size = len(around.graph.steps)
            lines = await list_step_lines(conn, run_id, StepFilter(), size)
        shown = [shapes.step(line, around) for line in lines]
        edges = [(need, row.key) for row in shown for need in row.needs]
        return RunGraph(
            run_id=run_id,
            flow=run.flow,
            status=run.status,
            version=run.version,
            nodes=tuple(
                GraphNode.model_validate(row.model_dump(include=set(GraphNode.model_fields)))
                for row in shown
            ),
            edges=tuple(GraphEdge(source=source, target=target) for source, target in edges),
        )
