"""The task protocol over REST: a worker that has no way to the database."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from fixtures.databases import Database
from fixtures.libraries import a_flow, agent
from fixtures.runs import ended, steps
from integration.doors.conftest import Door, OpenDoor

pytestmark = pytest.mark.anyio

FLOW = a_flow(agent("a"), agent("b", "a"))
WORKERS, TASKS = "/api/v1/workers", "/api/v1/tasks"


async def register(door: Door, **more: Any) -> str:
    worker = str(uuid4())
    body = {"worker_id": worker, "name": "far", "host": "h", "pid": 1, "queues": ["default"]}
    response = await door.post(WORKERS, {**body, "slots": 4, **more})
    assert response.status_code == 201, response.text
    assert response.json()["lease_seconds"] == door.service.settings.lease_seconds
    return worker


async def claim(door: Door, worker: str, count: int = 10) -> list[dict[str, Any]]:
    body = {"worker_id": worker, "queues": ["default"], "count": count}
    response = await door.post(f"{TASKS}/claim", body)
    assert response.status_code == 200, response.text
    return response.json()["tasks"]


def task_path(task: dict[str, Any]) -> str:
    return f"{TASKS}/{task['run_id']}.{task['step_no']}.{task['attempt']}"


def completed(task: dict[str, Any], output: str = "said") -> dict[str, Any]:
    return {"epoch": task["epoch"], "outcome": "completed", "output": output}


async def test_a_run_is_worked_through_rest_alone(open_door: OpenDoor, database: Database) -> None:
    """Register, claim, renew, stream, report: nothing else is needed to run a flow's agents."""
    door = await open_door(FLOW)
    run_id = await door.launch()
    worker = await register(door)

    (task,) = await claim(door, worker)
    renewed = await door.post(
        f"{WORKERS}/{worker}/renew", {"lease_seconds": 30, "held": [task["epoch"]]}
    )
    chunk = {"seq": 0, "kind": "text", "text": "thinking\u0000"}
    streamed = [
        await door.post(
            f"{task_path(task)}/transcript", {"epoch": task["epoch"], "chunks": [chunk]}
        )
        for _ in range(2)
    ]
    reported = await door.post(f"{task_path(task)}/result", completed(task))
    (second,) = await claim(door, worker)
    await door.post(f"{task_path(second)}/result", completed(second))

    assert (task["mode_id"], task["input"], task["kind"]) == ("plan", "a()", "agent")
    assert renewed.json() == {"known": True, "lost": [], "paused": {}}
    assert [reply.json() for reply in streamed] == [{"kept": True}] * 2
    assert reported.json() == {"verdict": "accepted"}
    assert second["input"] == "b(a=said)"
    assert await ended(door.service, run_id) == "completed"
    kept = "SELECT array_agg(text) FROM transcripts"
    assert await database.value(kept) == ["thinking\ufffd"]


async def test_a_report_is_applied_once(open_door: OpenDoor, database: Database) -> None:
    """P1, P2: repeated it is accepted and changes nothing; from a lost lease it is stale."""
    door = await open_door(FLOW)
    run_id = await door.launch()
    worker = await register(door)
    (task,) = await claim(door, worker)
    path = f"{task_path(task)}/result"

    first = await door.post(path, completed(task, "nasty \u0000 \U0001f600"))
    again = await door.post(path, completed(task, "nasty \u0000 \U0001f600"))
    stale = await door.post(path, completed({**task, "epoch": task["epoch"] + 1000}))

    assert [r.json()["verdict"] for r in (first, again, stale)] == ["accepted", "accepted", "stale"]
    assert (await steps(database, run_id))["a"] == "completed"
    (second,) = await claim(door, worker)
    assert second["input"] == "b(a=nasty \ufffd \U0001f600)"


async def test_leases_are_handed_back(open_door: OpenDoor) -> None:
    """Released or left behind by a worker that goes: offered again under another epoch."""
    door = await open_door(FLOW)
    await door.launch()
    worker = await register(door)
    (task,) = await claim(door, worker)

    released = await door.post(f"{WORKERS}/{worker}/release", {"epochs": [task["epoch"]]})
    (again,) = await claim(door, worker)
    unknown = await door.post(f"{WORKERS}/{worker}/release", {"keep": []})
    (third,) = await claim(door, worker)
    gone = await door.client.delete(f"{WORKERS}/{worker}")
    other = await register(door)
    (fourth,) = await claim(door, other)

    assert (released.json(), unknown.json()) == ({"released": 1}, {"released": 1})
    assert (gone.status_code, gone.content) == (204, b"")
    epochs = [each["epoch"] for each in (task, again, third, fourth)]
    assert epochs == sorted(set(epochs))
    assert {each["attempt"] for each in (task, again, third, fourth)} == {1}
    late = await door.post(f"{WORKERS}/{worker}/renew", {"lease_seconds": 30, "held": epochs})
    assert late.json() == {"known": False, "lost": epochs, "paused": {}}


async def test_a_stranger_gets_nothing(open_door: OpenDoor) -> None:
    """A worker that never registered claims nothing; the code queue is the service's own."""
    door = await open_door(FLOW)
    await door.launch()

    assert await claim(door, str(uuid4())) == []
    body = {"worker_id": str(uuid4()), "name": "x", "host": "h", "pid": 1, "slots": 1}
    refused = await door.post(WORKERS, {**body, "queues": ["code"]})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/queues")


async def test_a_lost_lease_ends_the_transcript(open_door: OpenDoor) -> None:
    """`kept` is false: the agent is to be stopped, and nothing more sent."""
    door = await open_door(FLOW)
    run_id = await door.launch()
    worker = await register(door)
    (task,) = await claim(door, worker)

    await door.post(f"/api/v1/runs/{run_id}/cancel")
    chunk = {"seq": 0, "kind": "text", "text": "too late"}
    reply = await door.post(
        f"{task_path(task)}/transcript", {"epoch": task["epoch"], "chunks": [chunk]}
    )

    assert reply.json() == {"kept": False}
