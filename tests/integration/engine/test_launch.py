"""Launching through the service: once per key, whoever asks how often, from wherever."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from pydantic import BaseModel

from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher
from fixtures.libraries import a_flow, a_library, agent
from fixtures.runs import ROOT, launch
from fixtures.services import Replicas
from flowrunner.core.errors import InvalidInputError, NotFoundError
from flowrunner.db.projects import ensure_project
from flowrunner.service.runs import IdempotencyMismatchError, LaunchRequest

pytestmark = pytest.mark.anyio


class Asked(BaseModel):
    question: str


FLOW = a_flow(agent("a"), input=Asked)
GOOD = {"question": "why?"}


async def test_one_key_is_one_run_on_two_replicas_at_once(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """D2-29, F34: twenty requests with one key, all at once: one run, and everybody is told its id."""
    library = a_library(FLOW)
    one, two = await replicas.start(library), await replicas.start(library)
    request = LaunchRequest(input=GOOD, project_root=ROOT, idempotency_key="k")

    told = await asyncio.gather(
        *(service.runs.launch("demo", request) for service in (one, two) * 10)
    )

    assert len({launched.run_id for launched in told}) == 1
    assert sorted(launched.replayed for launched in told) == [False] + [True] * 19
    assert await database.value("SELECT count(*) FROM flow_runs") == 1
    assert await dispatcher.finish(one, told[0].run_id) == "completed"
    assert (await two.runs.launch("demo", request)).status.value == "completed"


async def test_a_key_stands_for_one_request(replicas: Replicas, tmp_path: Path) -> None:
    """D2-29, F34: another body under the same key is refused; another project is another world."""
    service = await replicas.start(a_library(FLOW))
    request = LaunchRequest(input=GOOD, project_root=ROOT, idempotency_key="k")
    first = await service.runs.launch("demo", request)

    other = LaunchRequest(input={"question": "how?"}, project_root=ROOT, idempotency_key="k")
    with pytest.raises(IdempotencyMismatchError):
        await service.runs.launch("demo", other)
    elsewhere = LaunchRequest(input=GOOD, project_root=tmp_path, idempotency_key="k")
    second = await service.runs.launch("demo", elsewhere)

    assert (second.replayed, second.run_id != first.run_id) == (False, True)


async def test_what_is_refused_leaves_nothing(replicas: Replicas, database: Database) -> None:
    """R2-01, R2-02, D2-36: unknown flows, inputs that do not fit, folders that are not there."""
    service = await replicas.start(a_library(FLOW))

    with pytest.raises(NotFoundError):
        await launch(service, "nobody-knows-it", input=GOOD)
    for bad in ({}, {"question": 7}, {"question": "x", "more": 1}):
        with pytest.raises(InvalidInputError):
            await launch(service, input=bad)
    with pytest.raises(InvalidInputError):
        await launch(service, input=GOOD, project_root=Path("/nowhere/at/all"))
    with pytest.raises(InvalidInputError):
        await launch(service, input=GOOD, agent="nobody")

    assert await database.value("SELECT count(*) FROM flow_runs") == 0
    assert await database.value("SELECT count(*) FROM payloads") == 0


async def test_a_tree_and_a_flow_are_made_known_once(
    replicas: Replicas, database: Database, tmp_path: Path
) -> None:
    """P5: everybody who is first names the same project and the same definition."""
    library = a_library(FLOW)
    one, two = await replicas.start(library), await replicas.start(library)

    await asyncio.gather(
        *(launch(s, input=GOOD, project_root=tmp_path) for s in (one, two) for _ in range(8))
    )

    assert await database.value("SELECT count(*) FROM flow_runs") == 16
    assert await database.value("SELECT count(*) FROM projects") == 1
    assert await database.value("SELECT count(*) FROM flow_definitions") == 1


@pytest.mark.parametrize(
    "name", ["_private", "-x", ".hidden", "Ünïcode Ordner", "...", "a" * 200, "with space", "日本"]
)
async def test_any_folder_can_be_a_project(database: Database, name: str) -> None:
    """R2-01: its name is made from the folder's, whatever that is called."""
    async with await database.connect() as conn:
        made = await ensure_project(conn, Path("/some/where") / name)
        again = await ensure_project(conn, Path("/some/where") / name)

    assert made == again
    assert made.root.endswith(name)


async def test_models_and_agents_are_taken_from_the_request_the_project_and_the_settings(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """R2-03, R2-30: the nearest one that is not blank wins, and is what the dispatcher is told."""
    service = await replicas.start(a_library(FLOW), model="from-settings")
    found: list[str | None] = []
    for given in ("  mine  ", "", None):
        run_id = await launch(service, input=GOOD, model=given)
        (task,) = await dispatcher.take(run_id, "a")
        found.append(task.model)
    await database.sql("UPDATE projects SET default_model = 'from-project'")
    later = await replicas.start(a_library(FLOW), model="from-settings")
    run_id = await launch(later, input=GOOD)
    (task,) = await dispatcher.take(run_id, "a")

    assert found == ["mine", "from-settings", "from-settings"]
    assert (task.model, task.agent, task.mode_id) == ("from-project", "static", "plan")
