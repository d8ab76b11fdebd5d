"""Lists, single runs, steps, reports, cancel: what the door says of what is stored."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from pydantic import JsonValue

from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher, done, failed
from fixtures.libraries import a_flow, agent, code
from fixtures.runs import ended
from fixtures.waiting import until
from flowrunner.core.model import RunId
from flowrunner.definitions.context import Launch, Report, ReportContext
from flowrunner.wire.tasks import Usage
from integration.doors.asking import ANA
from integration.doors.conftest import Door, OpenDoor

pytestmark = pytest.mark.anyio


def never(_launch: Launch) -> bool:
    return False


QUICK = a_flow(code("a"))
ASKING = a_flow(
    agent("a"),
    agent("b", "a"),
    agent("c", "a", gate=never),
    name="asking",
)
RUNS = "/api/v1/runs"


async def finish(door: Door, run_id: RunId) -> str:
    return await ended(door.service, run_id)


async def test_pages_hold_every_run_once(open_door: OpenDoor) -> None:
    """Newest first; a cursor leads on exactly where the page ended, also when runs are added."""
    door = await open_door(QUICK)
    launched = [str(await door.launch()) for _ in range(5)]

    first = await door.json(f"{RUNS}?limit=2")
    late = await door.launch()
    second = await door.json(f"{RUNS}?limit=2&cursor={first['next_cursor']}")
    third = await door.json(f"{RUNS}?limit=2&cursor={second['next_cursor']}")

    seen = [run["id"] for page in (first, second, third) for run in page["items"]]
    assert seen == launched[::-1]
    assert third["next_cursor"] is None
    assert (await door.json(RUNS))["items"][0]["id"] == str(late)


async def test_filters_narrow_lists_and_counts_alike(open_door: OpenDoor) -> None:
    """By status, flow, label and time; live runs are found without reading history."""
    door = await open_door(QUICK, ASKING)
    before = datetime.now(UTC)
    quick = await door.launch(labels={"team": "a", "x": "1"})
    await finish(door, quick)
    body = {"labels": {"team": "b"}, "title": "at night"}
    told = await door.post("/api/v1/flows/asking/runs", body, headers=ANA)
    live = RunId(UUID(told.json()["id"]))
    after = (datetime.now(UTC) + timedelta(hours=1)).isoformat()

    async def found(**only: str | list[str]) -> list[UUID]:
        page = await door.json(RUNS, params=only)
        counts = await door.json(f"{RUNS}/counts", params=only)
        assert sum(counts.values()) == len(page["items"])
        return [UUID(run["id"]) for run in page["items"]]

    assert await found() == [live, quick]
    assert await found(status="completed") == [quick]
    assert await found(status=["queued", "running"]) == [live]
    assert await found(status=["running", "completed"]) == [live, quick]
    assert await found(flow="asking") == [live]
    assert await found(flow="asking", status="running") == [live]
    assert await found(flow="nobody") == []
    assert await found(label="team:a") == [quick]
    assert await found(label=["team:a", "x:2"]) == []
    assert await found(label="team:b", status="running") == [live]
    assert await found(label="team:a", status="running") == []
    assert await found(flow="demo", status="running") == []
    assert await found(since=after, status="running") == []
    assert await found(since=before.isoformat()) == [live, quick]
    assert await found(since=after) == []
    assert await found(until=after) == [live, quick]
    assert await found(since=before.isoformat(), until=after, status="running") == [live]
    assert await found(q="NIGHT") == [live]
    assert await found(launched_by="ana") == [live]
    assert await found(since="0001-01-01T00:00:00Z") == [live, quick]
    assert await found(since="9999-12-31T23:59:59Z") == []


async def test_a_row_counts_its_steps(open_door: OpenDoor, dispatcher: Dispatcher) -> None:
    """Excluded steps are not counted; what runs, failed and is done is."""
    door = await open_door(ASKING)
    run_id = await door.launch("asking")
    (task,) = await dispatcher.take(run_id, "a")
    await door.service.tasks.report(task.task_id, done(task, usage=Usage(input_tokens=7)))

    row = (await door.json(RUNS))["items"][0]

    assert row["steps"] == {"total": 2, "done": 1, "failed": 0, "running": 1}
    assert row["usage"] == {"input_tokens": 7, "output_tokens": 0, "cost_microusd": 0}
    assert "input" not in row


async def test_a_run_is_sent_again_only_if_it_moved(
    open_door: OpenDoor, dispatcher: Dispatcher
) -> None:
    """304 while nothing happened; the tag changes with every event."""
    door = await open_door(ASKING)
    run_id = await door.launch("asking")
    (task,) = await dispatcher.take(run_id, "a")
    first = await door.get(f"{RUNS}/{run_id}")
    tag = {"If-None-Match": first.headers["etag"]}

    unmoved = await door.get(f"{RUNS}/{run_id}", headers=tag)
    await door.service.tasks.report(task.task_id, done(task))
    moved = await door.get(f"{RUNS}/{run_id}", headers=tag)

    assert (unmoved.status_code, unmoved.content) == (304, b"")
    assert unmoved.headers["etag"] == first.headers["etag"]
    assert (moved.status_code, moved.json()["version"]) == (200, first.json()["version"] + 2)


async def test_steps_say_why_they_stand(open_door: OpenDoor, dispatcher: Dispatcher) -> None:
    """Every step in flow order: held by whom, waiting for what, left out for which reason."""
    door = await open_door(ASKING)
    run_id = await door.launch("asking")
    offered = (await door.json(f"{RUNS}/{run_id}/steps"))["items"]
    await dispatcher.take(run_id, "a")

    a, b, c = (await door.json(f"{RUNS}/{run_id}/steps"))["items"]

    assert (offered[0]["status"], offered[0]["worker"]) == ("running", None)
    assert (a["status"], a["worker"], a["attempt"]) == ("running", "scripted", 1)
    assert a["started_at"] is not None
    assert (b["status"], b["needs"], b["waiting_for"]) == ("pending", ["a"], ["a"])
    assert c["status"] == "excluded"
    assert "gate" in c["reason"]


async def test_a_failure_is_told(open_door: OpenDoor, dispatcher: Dispatcher) -> None:
    """The run and its step say what went wrong, with the code."""
    door = await open_door(ASKING)
    run_id = await door.launch("asking")
    (task,) = await dispatcher.take(run_id, "a")
    await door.service.tasks.report(task.task_id, failed(task, message="no \x00 luck"))
    await finish(door, run_id)

    run = await door.json(f"{RUNS}/{run_id}")
    steps = (await door.json(f"{RUNS}/{run_id}/steps"))["items"]

    assert run["status"] == "failed"
    assert "no \ufffd luck" in run["error"]["message"]
    assert steps[0]["error"]["code"] == "agent_error"
    assert steps[1]["status"] in {"cancelled", "skipped"}


async def test_runs_are_named_as_people_type(open_door: OpenDoor) -> None:
    """By the end or the beginning of the id, as @last and @-1; an ambiguous part says which."""
    door = await open_door(QUICK)
    first, last = str(await door.launch()), str(await door.launch())

    async def named(text: str) -> str:
        return (await door.json(f"{RUNS}/{text}"))["id"]

    assert [await named(text) for text in (first[-8:], last.upper(), "@last", "@-1")] == [
        first,
        last,
        last,
        first,
    ]
    ambiguous = await door.get(f"{RUNS}/{first[:6]}")
    assert (ambiguous.status_code, ambiguous.json()["code"]) == (409, "ambiguous-id")
    assert ambiguous.json()["context"]["candidates"] == [last, first]
    for unknown in ("zzzz", "abc", "@-9", "0" * 36, "@first"):
        assert (await door.get(f"{RUNS}/{unknown}")).status_code == 404


async def test_a_report_comes_as_it_is_asked_for(open_door: OpenDoor) -> None:
    """Markdown for people, JSON and SARIF for machines, 406 for what cannot be had."""
    sarif: JsonValue = {"version": "2.1.0", "runs": []}

    def render(_ctx: ReportContext) -> Report:
        return Report("# Fine \u2028", data={"n": 1}, sarif=sarif, outcome="good")

    door = await open_door(a_flow(code("a"), render=render))
    run_id = await door.launch()
    await finish(door, run_id)
    path = f"{RUNS}/{run_id}/report"

    text = await door.get(path)
    assert (text.text, text.headers["content-type"]) == (
        "# Fine \u2028",
        "text/markdown; charset=utf-8",
    )
    told = await door.json(path, headers={"Accept": "application/json"})
    assert (told["outcome"], told["data"], told["partial"]) == ("good", {"n": 1}, False)
    machine = await door.get(path, params={"format": "sarif"}, headers={"Accept": "text/html"})
    assert (machine.json(), machine.headers["content-type"]) == (sarif, "application/sarif+json")
    refused = await door.get(path, headers={"Accept": "image/png"})
    assert (refused.status_code, refused.json()["code"]) == (406, "not-acceptable")


async def test_there_may_be_no_report(open_door: OpenDoor) -> None:
    """409 while the run is live, 404 when it left none, or none of that kind."""
    door = await open_door(QUICK, ASKING)
    quick, live = await door.launch(), await door.launch("asking")
    await finish(door, quick)

    async def refusal(path: str) -> tuple[int, str]:
        response = await door.get(f"{RUNS}/{path}")
        return response.status_code, response.json()["code"]

    assert await refusal(f"{live}/report") == (409, "not-finished")
    await door.post(f"{RUNS}/{live}/cancel")
    assert await refusal(f"{live}/report") == (404, "no-report")
    assert await refusal(f"{quick}/report?format=sarif") == (404, "no-report")


async def test_a_cancel_sticks(open_door: OpenDoor, dispatcher: Dispatcher) -> None:
    """R2-48, P12: it is final, may be repeated, and comes too late for a run that has ended."""
    door = await open_door(QUICK, ASKING)
    quick, live = await door.launch(), await door.launch("asking")
    await finish(door, quick)
    (task,) = await dispatcher.take(live, "a")

    first = await door.post(f"{RUNS}/{live}/cancel", {"reason": "enough"})
    again = await door.post(f"{RUNS}/{live}/cancel")
    late = await door.post(f"{RUNS}/{quick}/cancel")

    assert (first.json()["status"], first.json()["was_live"]) == ("cancelled", True)
    assert (again.status_code, again.json()["was_live"]) == (200, False)
    assert (late.status_code, late.json()["code"]) == (409, "conflict")
    assert late.json()["context"]["status"] == "completed"
    assert task.epoch in (await dispatcher.renew()).lost
    events = (await door.json(f"{RUNS}/{live}/events"))["items"]
    assert events[-1]["data"] == {"reason": "enough", "actor": "local"}


async def test_two_cancels_at_once_are_one(open_door: OpenDoor, database: Database) -> None:
    """Exactly one of them was in time; both are answered."""
    door = await open_door(ASKING)
    run_id = await door.launch("asking")

    replies = await asyncio.gather(*(door.post(f"{RUNS}/{run_id}/cancel") for _ in range(8)))

    assert sorted(reply.json()["was_live"] for reply in replies) == [False] * 7 + [True]
    ends = "SELECT count(*) FROM flow_step_events WHERE type = 'run.cancelled'"
    assert await database.value(ends) == 1


async def test_workers_are_listed(open_door: OpenDoor, dispatcher: Dispatcher) -> None:
    """Who is live and how much each of them holds."""
    door = await open_door(ASKING)
    run_id = await door.launch("asking")
    await dispatcher.take(run_id, "a")

    async def scripted() -> dict[str, object]:
        items = (await door.json("/api/v1/workers"))["items"]
        return next(w for w in items if w["name"] == "scripted")

    assert (await scripted())["held"] == 1
    await dispatcher.die()
    await until(lambda: _is_gone(door))


async def _is_gone(door: Door) -> bool:
    items = (await door.json("/api/v1/workers"))["items"]
    return not any(w["is_live"] for w in items if w["name"] == "scripted")


async def test_flows_are_shown(open_door: OpenDoor) -> None:
    """What a flow takes and does, and its tag while it does not change."""
    door = await open_door(ASKING)

    (row,) = (await door.json("/api/v1/flows"))["items"]
    response = await door.get("/api/v1/flows/asking")
    again = await door.get(
        "/api/v1/flows/asking", headers={"If-None-Match": response.headers["etag"]}
    )

    assert (row["name"], row["step_count"], row["valid"]) == ("asking", 3, True)
    steps = response.json()["steps"]
    assert [(s["key"], s["needs"], s["gated"]) for s in steps] == [
        ("a", [], False),
        ("b", ["a"], False),
        ("c", ["a"], True),
    ]
    assert response.json()["input_schema"]["type"] == "object"
    assert again.status_code == 304
