"""Launch again what was launched before: a new run, told apart by the label `rerun_of`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowrunner.core.errors import ConflictError
from flowrunner.core.model import RunId
from flowrunner.db import pages
from flowrunner.db.pool import Pool
from flowrunner.definitions.library import Library
from flowrunner.service.reading import connection, unknown_run
from flowrunner.service.runs import Launched, LaunchRequest, RunService

RERUN_OF = "rerun_of"


class DefinitionChangedError(ConflictError):
    code = "definition-changed"


@dataclass(frozen=True, slots=True)
class Again:
    """What is asked: fields of *patch* win over those of the old input, None takes one away.

    *latest*: as the flow is now, if it is not what the old run was pinned to.
    """

    patch: Mapping[str, Any]
    latest: bool
    title: str | None
    actor: str
    trigger: str
    key: str | None


async def rerun(
    pool: Pool, library: Library, runs: RunService, run_id: RunId, again: Again
) -> Launched:
    """Launch with the old run's input, project, band, agent, model, title and labels.

    Raises DefinitionChangedError unless *latest*, and whatever a launch may raise.
    """
    async with connection(pool) as conn:
        place = await pages.find_run_place(conn, run_id)
        lines = await pages.list_runs(conn, [run_id]) if place else []
    if place is None or not lines:
        raise unknown_run(run_id)
    (line,) = lines
    now = library.get(line.flow).hash
    if now != place.definition and not again.latest:
        message = f"flow '{line.flow}' is not what it was when this run began"
        raise DefinitionChangedError(message, hint="ask for the latest", was=place.definition)
    told = {**json.loads(place.input), **again.patch}
    request = LaunchRequest(
        input={name: value for name, value in told.items() if again.patch.get(name, 0) is not None},
        band=line.band,
        project_root=Path(place.project_root),
        model=place.model,
        agent=place.agent,
        title=line.title if again.title is None else again.title,
        labels={**line.labels, RERUN_OF: str(run_id)},
        launched_by=again.actor,
        trigger=again.trigger,
        idempotency_key=again.key,
    )
    return await runs.launch(line.flow, request)
