"""Pause, resume, retry, stop, render at the door: repeated without harm, refused with who and when."""

from __future__ import annotations

from typing import Any

import pytest

from fixtures.dispatchers import Dispatcher, done, failed
from fixtures.libraries import a_flow, agent, code
from fixtures.runs import ended
from fixtures.waiting import until
from flowrunner.core.model import RunId
from integration.doors.asking import ANA, BEN, RUNS, step_is
from integration.doors.conftest import Door, OpenDoor

pytestmark = pytest.mark.anyio

WORKING = a_flow(agent("a"), agent("b", "a"), agent("c", on_fail="tolerate"))
QUICK = a_flow(code("a"), name="quick")


async def fails(door: Door, dispatcher: Dispatcher) -> RunId:
    """A run that failed at its step `b`."""
    run_id = await door.launch()
    (a,) = await dispatcher.take(run_id, "a")
    await door.service.tasks.report(a.task_id, done(a, "first"))
    (b,) = await dispatcher.take(run_id, "b")
    await door.service.tasks.report(b.task_id, failed(b))
    assert await ended(door.service, run_id) == "failed"
    return run_id


async def test_a_paused_run_offers_nothing_until_it_goes_on(
    open_door: OpenDoor, dispatcher: Dispatcher
) -> None:
    """F38: what is at work may end; what follows waits; repeating either changes nothing."""
    door = await open_door(WORKING)
    run_id = await door.launch()
    (a,) = await dispatcher.take(run_id, "a")

    first = (await door.post(f"{RUNS}/{run_id}/pause", {"reason": "lunch"}, headers=ANA)).json()
    again = (await door.post(f"{RUNS}/{run_id}/pause", headers=BEN)).json()
    await door.service.tasks.report(a.task_id, done(a))
    row = await door.json(f"{RUNS}/{run_id}/steps/b")

    assert (first["status"], first["changed"], first["actor"]) == ("paused", True, "ana")
    assert again == {**first, "changed": False}
    assert (row["status"], (await door.json(f"{RUNS}/{run_id}"))["status"]) == ("pending", "paused")

    resumed = (await door.post(f"{RUNS}/{run_id}/resume", headers=BEN)).json()
    repeated = (await door.post(f"{RUNS}/{run_id}/resume", headers=ANA)).json()

    assert (resumed["status"], resumed["changed"], resumed["actor"]) == ("running", True, "ben")
    assert repeated == {**resumed, "changed": False}
    await dispatcher.take(run_id, "b")


async def test_only_what_was_paused_goes_on(open_door: OpenDoor) -> None:
    """F38: a run that nobody paused is not resumed: that would be a misunderstanding."""
    door = await open_door(WORKING)
    run_id = await door.launch()

    response = await door.post(f"{RUNS}/{run_id}/resume")

    assert (response.status_code, response.json()["code"]) == (409, "conflict")
    assert response.json()["context"]["status"] == "running"


@pytest.mark.parametrize("verb", ["pause", "resume", "cancel"])
async def test_an_ended_run_is_not_steered(open_door: OpenDoor, verb: str) -> None:
    """R2-48, F38: 409 with how it ended and when."""
    door = await open_door(QUICK)
    run_id = await door.launch("quick")
    await ended(door.service, run_id)

    told = await door.post(f"{RUNS}/{run_id}/{verb}")

    context = told.json()["context"]
    assert (told.status_code, told.json()["code"]) == (409, "conflict")
    assert (context["status"], bool(context["at"])) == ("completed", True)


async def test_a_cancelled_run_says_by_whom(open_door: OpenDoor) -> None:
    """R2-48, F38: cancelling again is answered alike; pausing then is refused with who and when."""
    door = await open_door(WORKING)
    run_id = await door.launch()

    first = (await door.post(f"{RUNS}/{run_id}/cancel", {"reason": "wrong"}, headers=ANA)).json()
    again = (await door.post(f"{RUNS}/{run_id}/cancel", headers=BEN)).json()
    refused = (await door.post(f"{RUNS}/{run_id}/pause", headers=BEN)).json()

    assert (first["was_live"], first["actor"]) == (True, "ana")
    assert again == {**first, "was_live": False}
    assert refused["context"]["actor"] == "ana"
    assert "was cancelled by ana" in refused["detail"]


async def test_a_failed_run_begins_anew_where_it_failed(
    open_door: OpenDoor, dispatcher: Dispatcher
) -> None:
    """F40: a new generation; finished steps stand, attempts count on, old ones stay readable."""
    door = await open_door(WORKING)
    run_id = await fails(door, dispatcher)

    asked = {"reason": "flaky"}
    response = await door.post(f"{RUNS}/{run_id}/retry", asked, headers=ANA)
    again = (await door.post(f"{RUNS}/{run_id}/retry", asked, headers=ANA)).json()
    other = await door.post(f"{RUNS}/{run_id}/retry", headers=BEN)
    status = await dispatcher.finish(door.service, run_id)

    first = response.json()
    assert (response.status_code, first["status"], first["generation"]) == (202, "running", 2)
    assert again == {**first, "changed": False}
    assert (other.status_code, other.json()["code"]) == (409, "not-retryable")
    assert (other.json()["context"]["status"], other.json()["context"]["actor"]) == (
        "running",
        "ana",
    )
    assert status == "completed"
    tried = (await door.json(f"{RUNS}/{run_id}/steps/b/attempts"))["items"]
    assert [(t["attempt"], t["generation"], t["status"]) for t in tried] == [
        (1, 1, "failed"),
        (2, 2, "completed"),
    ]
    run = await door.json(f"{RUNS}/{run_id}")
    assert (run["generation"], run["status"]) == (2, "completed")
    assert (await door.get(f"{RUNS}/{run_id}/steps/a/output")).text == "first"


async def test_a_run_begins_anew_from_a_step(open_door: OpenDoor, dispatcher: Dispatcher) -> None:
    """F40: that step and what follows; its earlier answer can still be read."""
    door = await open_door(WORKING)
    run_id = await door.launch()
    await dispatcher.finish(door.service, run_id, lambda _task: "first")

    told = await door.post(f"{RUNS}/{run_id}/retry", {"from_step": "b"})
    await dispatcher.finish(door.service, run_id, lambda _task: "second")

    assert told.status_code == 202
    path = f"{RUNS}/{run_id}/steps"
    texts = [
        (await door.get(f"{path}/{step}/output", params=which)).text
        for step, which in (("a", {}), ("b", {}), ("b", {"attempt": 1}), ("b", {"attempt": 2}))
    ]
    assert texts == ["first", "second", "first", "second"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, (409, "not-retryable")),
        ({"from_step": "aa"}, (422, "invalid-input")),
        ({"from_step": ""}, (422, "invalid-input")),
        ({"step": "a"}, (422, "invalid-input")),
    ],
    ids=["nothing-failed", "unknown", "empty", "misspelt"],
)
async def test_what_cannot_begin_anew_is_refused(
    open_door: OpenDoor, body: dict[str, Any], expected: tuple[int, str]
) -> None:
    """F40: a run in which nothing failed needs a step; one that it has, said if it is close."""
    door = await open_door(QUICK)
    run_id = await door.launch("quick")
    await ended(door.service, run_id)

    response = await door.post(f"{RUNS}/{run_id}/retry", body)

    assert (response.status_code, response.json()["code"]) == expected
    if body == {"from_step": "aa"}:
        (problem,) = response.json()["errors"]
        assert (problem["code"], problem["pointer"]) == ("unknown-step", "/from_step")
        assert problem["hint"] == "did you mean 'a'?"


async def test_one_step_is_stopped(open_door: OpenDoor, dispatcher: Dispatcher) -> None:
    """F39, D2-11: that one, not the run; again is alike, and one that ended otherwise is refused."""
    door = await open_door(WORKING)
    run_id = await door.launch()
    a, _c = await dispatcher.take(run_id, "a", "c")
    path = f"{RUNS}/{run_id}/steps/c/stop"

    first = (await door.post(path, {"reason": "too: slow"}, headers=ANA)).json()
    again = (await door.post(path, headers=BEN)).json()
    await door.service.tasks.report(a.task_id, done(a))
    await step_is(door, run_id, "a", "completed")
    late = await door.post(f"{RUNS}/{run_id}/steps/a/stop")

    assert (first["status"], first["run_status"], first["changed"]) == ("failed", "running", True)
    assert again["actor"] == first["actor"] == "ana"
    assert (again["at"], again["changed"]) == (first["at"], False)
    error = (await door.json(f"{RUNS}/{run_id}/steps/c"))["error"]
    assert error == {"code": "stopped", "message": "stopped by ana: too: slow"}
    assert (late.status_code, late.json()["context"]["status"]) == (409, "completed")
    assert late.json()["context"]["at"]
    assert (await door.post(f"{RUNS}/{run_id}/steps/nobody/stop")).status_code == 404


async def test_a_report_is_rendered_again(open_door: OpenDoor, dispatcher: Dispatcher) -> None:
    """F46: of an ended run only, and the log says by whom."""
    door = await open_door(WORKING)
    live = await door.launch()
    refused = await door.post(f"{RUNS}/{live}/render")
    run_id = await fails(door, dispatcher)

    response = await door.post(f"{RUNS}/{run_id}/render", headers=ANA)

    assert (refused.status_code, refused.json()["context"]["status"]) == (409, "running")
    assert (response.status_code, response.json()["status"]) == (202, "failed")

    async def rendered() -> list[dict[str, Any]]:
        page = await door.json(f"{RUNS}/{run_id}/events")
        return [each for each in page["items"] if each["type"] == "run.rendered"]

    (event,) = await until(rendered)
    assert event["data"] == {"outcome": "told", "actor": "ana"}


@pytest.mark.parametrize("verb", ["pause", "resume", "retry", "render", "steps/a/stop"])
async def test_nobodys_run_is_not_steered(open_door: OpenDoor, verb: str) -> None:
    """S7: an id that means nothing is 404 on every one of these."""
    door = await open_door(QUICK)

    response = await door.post(f"{RUNS}/0190f8a0-0000-7000-8000-000000000000/{verb}")

    assert (response.status_code, response.json()["code"]) == (404, "not-found")
