"""Steps up close: pages, children, attempts, prompts, outputs in parts, transcripts."""

from __future__ import annotations

from typing import Any

import pytest

from fixtures.dispatchers import Dispatcher, done, failed
from fixtures.libraries import a_flow, agent, code
from fixtures.runs import ended
from flowrunner.definitions.context import Context
from flowrunner.definitions.flow import Each, Repeat
from flowrunner.wire.tasks import Usage
from integration.doors.asking import RUNS, step_is
from integration.doors.conftest import OpenDoor

pytestmark = pytest.mark.anyio

FILES = ["src/a.py", "b[0].py", "c~d.py"]


def files(_ctx: Context) -> list[str]:
    return FILES


def same(member: object) -> str:
    return str(member)


def settled(ctx: Context) -> bool:
    return ctx.iteration >= 2


async def ask_twice(ctx: Context) -> str:
    call = await ctx.agent(None, "prove it", key="check/7")
    return str(call.output)


MANY = a_flow(
    code("scan", phase="look", run=files),
    code("review", "scan", phase="look", each=Each("scan", key=same)),
    code("polish", "review", label="Make nice", repeat=Repeat(settled)),
)
TRYING = a_flow(agent("a", retry=1), agent("b", "a"))
CALLING = a_flow(code("verify", run=ask_twice), name="calling")


async def test_children_are_steps_of_their_group(open_door: OpenDoor) -> None:
    """F13, F15: parents count their children; a group is a page of them, in the list's order."""
    door = await open_door(MANY)
    run_id = await door.launch()
    await ended(door.service, run_id)
    path = f"{RUNS}/{run_id}/steps"

    rows = {row["key"]: row for row in (await door.json(path))["items"]}
    group = (await door.json(path, params={"group": "review"}))["items"]

    assert list(rows)[:3] == ["scan", "review", "polish"]
    assert rows["review"]["children"] == {"total": 3, "live": 0, "completed": 3, "failed": 0}
    assert rows["polish"]["children"]["total"] == 2
    assert (rows["scan"]["children"], rows["scan"]["phase"]) == (None, "look")
    assert [(row["key"], row["position"]) for row in group] == [
        (f"review[{name}]", number) for number, name in enumerate(FILES)
    ]
    assert {row["parent"] for row in group} == {"review"}
    assert {(row["phase"], row["label"]) for row in group} == {("look", "Review")}
    assert rows["polish[2]"]["label"] == "Make nice"
    assert (await door.get(path, params={"group": "nobody"})).status_code == 404


async def test_pages_of_steps_lead_on(open_door: OpenDoor) -> None:
    """Every step once, by cursor and by Link, with the filters of the first page."""
    door = await open_door(MANY)
    run_id = await door.launch()
    await ended(door.service, run_id)
    path = f"{RUNS}/{run_id}/steps"
    whole = [row["key"] for row in (await door.json(path))["items"]]

    seen: list[str] = []
    where: str | None = f"{path}?limit=3&status=completed"
    while where is not None:
        response = await door.get(where)
        seen += [row["key"] for row in response.json()["items"]]
        link = response.headers.get("link")
        where = link[1 : link.index(">")] if link else None

    assert seen == whole
    assert len(seen) == 8
    assert (await door.json(f"{path}?status=failed"))["items"] == []


@pytest.mark.parametrize("name", FILES)
async def test_any_key_is_one_part_of_a_path(open_door: OpenDoor, name: str) -> None:
    """Slash is `~1` and tilde `~0`, as in a JSON pointer; brackets are percent-encoded as ever."""
    door = await open_door(MANY)
    run_id = await door.launch()
    await ended(door.service, run_id)
    part = f"review[{name}]".replace("~", "~0").replace("/", "~1")

    row = await door.json(f"{RUNS}/{run_id}/steps/{part}")
    text = (await door.get(f"{RUNS}/{run_id}/steps/{part}/output")).text

    assert row["key"] == f"review[{name}]"
    assert (row["output_preview"], text) == ('"review"', '"review"')
    assert (await door.get(f"{RUNS}/{run_id}/steps/review[x]")).status_code == 404


async def test_calls_are_steps_of_their_code(open_door: OpenDoor, dispatcher: Dispatcher) -> None:
    """F18: a call has a key with a slash, its code step as parent, and a prompt to read."""
    door = await open_door(CALLING)
    run_id = await door.launch("calling")
    await dispatcher.finish(door.service, run_id, lambda _task: "proved")

    row = await door.json(f"{RUNS}/{run_id}/steps/verify~1check~17")
    attempt = await door.json(f"{RUNS}/{run_id}/steps/verify~1check~17/attempts/1")

    assert (row["key"], row["parent"], row["position"]) == ("verify/check/7", "verify", None)
    assert attempt["prompt"] == "prove it"
    parent = await door.json(f"{RUNS}/{run_id}/steps/verify")
    assert parent["children"] == {"total": 1, "live": 0, "completed": 1, "failed": 0}


async def test_attempts_are_kept_with_what_they_cost(
    open_door: OpenDoor, dispatcher: Dispatcher
) -> None:
    """F49: each with its error, usage and prompt; lists have them if they are asked for."""
    door = await open_door(TRYING)
    run_id = await door.launch()
    (first,) = await dispatcher.take(run_id, "a")
    spent = Usage(input_tokens=7, cost_microusd=3)
    error = failed(first, "overloaded", spent, failure_class="transient", message="later")
    await door.service.tasks.report(first.task_id, error)
    row = await step_is(door, run_id, "a", "pending")
    path = f"{RUNS}/{run_id}/steps/a"

    (tried,) = (await door.json(f"{path}/attempts"))["items"]
    page = (await door.json(f"{RUNS}/{run_id}/steps", params={"attempt": "all"}))["items"]

    assert (row["delayed"], row["failures"]) == (True, 1)
    assert (tried["attempt"], tried["generation"], tried["status"]) == (1, 1, "failed")
    assert tried["error"] == {"code": "overloaded", "message": "later"}
    assert tried["usage"] == {"input_tokens": 7, "output_tokens": 0, "cost_microusd": 3}
    assert (tried["has_prompt"], tried["has_output"]) == (True, False)
    assert [row["attempts"] for row in page] == [[tried], []]
    assert (await door.json(f"{path}/attempts/1"))["prompt"] == "a()"
    for missing in ("attempts/2", "output", "output?attempt=1", "transcript?attempt=2"):
        assert (await door.get(f"{path}/{missing}")).status_code == 404, missing
    assert (await door.get(f"{path}/attempts/0")).status_code == 422


async def test_who_holds_an_attempt_is_told(open_door: OpenDoor, dispatcher: Dispatcher) -> None:
    """Offered, then running at a worker, with since when."""
    door = await open_door(TRYING)
    run_id = await door.launch()
    path = f"{RUNS}/{run_id}/steps/a/attempts"
    offered = (await door.json(path))["items"][0]

    await dispatcher.take(run_id, "a")
    running = (await door.json(path))["items"][0]

    assert (offered["status"], offered["worker"], offered["started_at"]) == ("offered", None, None)
    assert (running["status"], running["worker"]) == ("running", "scripted")
    assert running["started_at"] >= running["dispatched_at"]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (None, (200, "0123456789", None)),
        ("bytes=2-4", (206, "234", "bytes 2-4/10")),
        ("bytes=7-", (206, "789", "bytes 7-9/10")),
        ("bytes=7-99", (206, "789", "bytes 7-9/10")),
        ("bytes=-3", (206, "789", "bytes 7-9/10")),
        ("bytes=-99", (206, "0123456789", "bytes 0-9/10")),
        ("bytes=4-2", (200, "0123456789", None)),
        ("bytes=1-2,4-5", (200, "0123456789", None)),
        ("lines=1-2", (200, "0123456789", None)),
    ],
)
async def test_an_output_is_had_in_parts(
    open_door: OpenDoor,
    dispatcher: Dispatcher,
    asked: str | None,
    expected: tuple[int, str, str | None],
) -> None:
    """RFC 9110: one range of bytes, or all of it; what is unclear is answered whole."""
    door = await open_door(TRYING)
    run_id = await door.launch()
    (task,) = await dispatcher.take(run_id, "a")
    await door.service.tasks.report(task.task_id, done(task, "0123456789"))
    headers = {"Range": asked} if asked else {}

    response = await door.get(f"{RUNS}/{run_id}/steps/a/output", headers=headers)

    found = (response.status_code, response.text, response.headers.get("content-range"))
    assert found == expected
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=10-12", "bytes=-0"])
async def test_a_range_behind_the_end_is_refused(
    open_door: OpenDoor, dispatcher: Dispatcher, asked: str
) -> None:
    """RFC 9110: 416 with the size, so that a reader knows where the end is."""
    door = await open_door(TRYING)
    run_id = await door.launch()
    (task,) = await dispatcher.take(run_id, "a")
    await door.service.tasks.report(task.task_id, done(task, "0123456789"))

    response = await door.get(f"{RUNS}/{run_id}/steps/a/output", headers={"Range": asked})

    assert (response.status_code, response.json()["code"]) == (416, "range-not-satisfiable")
    assert response.json()["context"]["size"] == 10
    assert response.headers["content-range"] == "bytes */10"


async def test_an_output_that_is_known_is_not_sent(
    open_door: OpenDoor, dispatcher: Dispatcher
) -> None:
    """304 for the same bytes: an output's tag is the hash of them."""
    door = await open_door(TRYING)
    run_id = await door.launch()
    (task,) = await dispatcher.take(run_id, "a")
    await door.service.tasks.report(task.task_id, done(task))
    path = f"{RUNS}/{run_id}/steps/a/output"
    tag = (await door.get(path)).headers["etag"]

    again = await door.get(path, headers={"If-None-Match": tag})

    assert (again.status_code, again.content) == (304, b"")


async def test_a_transcript_is_read_while_it_grows(
    open_door: OpenDoor, dispatcher: Dispatcher
) -> None:
    """Each piece once and in order across pages; the end is told when the attempt is over."""
    door = await open_door(TRYING)
    run_id = await door.launch()
    (task,) = await dispatcher.take(run_id, "a")
    path = f"{RUNS}/{run_id}/steps/a/transcript"

    async def say(first: int, *texts: str) -> None:
        chunks = [{"seq": first + n, "kind": "text", "text": text} for n, text in enumerate(texts)]
        body = {"epoch": task.epoch, "chunks": chunks}
        assert (await door.post(f"/api/v1/tasks/{task.task_id}/transcript", body)).json()["kept"]

    async def page(cursor: int, limit: int) -> dict[str, Any]:
        return await door.json(path, params={"cursor": cursor, "limit": limit})

    empty = await page(0, 10)
    await say(0, "one", "two", "three")
    first = await page(empty["next_cursor"], 2)
    second = await page(first["next_cursor"], 2)
    await say(3, "four")
    await door.service.tasks.report(task.task_id, done(task))
    third = await page(second["next_cursor"], 2)
    after = await page(third["next_cursor"], 2)

    pages = (empty, first, second, third, after)
    assert [[c["text"] for c in each["items"]] for each in pages] == [
        [],
        ["one", "two"],
        ["three"],
        ["four"],
        [],
    ]
    assert [each["ended"] for each in pages] == [False, False, False, True, True]
