"""Runs are pinned by a hash that another release computed, over a graph as it wrote graphs."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest

from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher, done
from fixtures.libraries import a_flow, a_library, agent, code
from fixtures.runs import launch
from fixtures.services import Replicas
from fixtures.steering import said
from fixtures.waiting import until
from flowrunner.definitions.library import Library
from flowrunner.definitions.pin import definition_hash

pytestmark = pytest.mark.anyio

STEPS = (agent("a"), code("b", "a"))


def stored_by_another(database: Database, graph: dict[str, Any], sources: dict[str, str]) -> None:
    """Make the one definition what a release would have stored that wrote *graph*."""
    known = {"hash": definition_hash(graph, sources, {}), "graph": json.dumps(graph)}
    with psycopg.connect(database.address("admin"), autocommit=True) as conn:
        conn.execute("SET session_replication_role = replica")
        conn.execute("UPDATE flow_definitions SET hash = %(hash)s, graph = %(graph)s", known)


def with_less(library: Library) -> dict[str, Any]:
    """The graph without what a release of before did not know; read today, it is the same."""
    graph = json.loads(json.dumps(library.get("demo").graph_json))
    for step in graph["steps"]:
        for key in LATER & step.keys():
            del step[key]
    return graph


LATER = {"trigger", "on_skip", "phase"}


@pytest.mark.parametrize("policy", ["pinned", "latest", "pause"])
async def test_a_graph_that_is_written_otherwise_is_no_change(
    replicas: Replicas, database: Database, dispatcher: Dispatcher, policy: str
) -> None:
    """P3, D2-21, F22: only the release is another one; the run goes on, whatever drift means to the operator."""
    library = a_library(a_flow(*STEPS))
    before = await replicas.start(library)
    run_id = await launch(before)
    (a,) = await dispatcher.take(run_id, "a")
    await replicas.stop(before)
    graph = {**with_less(library), "written_by": "another release"}
    stored_by_another(database, graph, {"flow.py": "1"})

    after = await replicas.start(library, on_drift=policy)
    await after.tasks.report(a.task_id, done(a))

    await until(lambda: ended(after, run_id))
    assert await said(database, run_id, "run.paused") == []


async def ended(service: Any, run_id: Any) -> bool:
    return (await service.runs.head(run_id)).status.value == "completed"


@pytest.mark.parametrize("what", ["text", "meaning"])
async def test_a_flow_that_did_change_is_not_taken_for_the_same(
    replicas: Replicas, database: Database, dispatcher: Dispatcher, what: str
) -> None:
    """D2-21: another text pauses the run, and so does the same text where this release reads another graph."""
    library = a_library(a_flow(*STEPS))
    before = await replicas.start(library)
    run_id = await launch(before)
    (a,) = await dispatcher.take(run_id, "a")
    await replicas.stop(before)
    graph = with_less(library)
    if what == "meaning":
        graph["steps"][1]["retry"][0] = 7
    stored_by_another(database, graph, {"flow.py": "2" if what == "text" else "1"})

    after = await replicas.start(library)
    await after.tasks.report(a.task_id, done(a))

    await until(lambda: said(database, run_id, "run.paused"))
    (why,) = [each["reason"] for each in await said(database, run_id, "run.paused")]
    assert why.startswith("definition_changed: ")
