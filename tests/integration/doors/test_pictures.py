"""A run's report in four formats, its graph, two runs side by side, waiting, and all runs' events."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from pydantic import JsonValue

from fixtures.dispatchers import Dispatcher, done
from fixtures.libraries import a_flow, agent, code
from fixtures.runs import ended
from fixtures.waiting import until
from flowrunner.client import sse
from flowrunner.definitions.context import Context, Launch, Report, ReportContext
from flowrunner.definitions.flow import Each
from integration.doors.asking import ANA, INBOX, RUNS, asked, asking
from integration.doors.conftest import OpenDoor
from integration.doors.serving import served

pytestmark = pytest.mark.anyio

SARIF: dict[str, JsonValue] = {"version": "2.1.0", "runs": [{"results": []}]}


def never(_launch: Launch) -> bool:
    return False


def two(_ctx: Context) -> list[int]:
    return [1, 2]


def full(_ctx: ReportContext) -> Report:
    return Report("# Found\n\n<script>x</script>", data={"n": 1}, sarif=SARIF, outcome="clean")


REPORTED = a_flow(code("a"), render=full)
DIAMOND = a_flow(
    code("scan", run=two),
    code("each-one", "scan", each=Each("scan", key=str)),
    agent("left", "scan"),
    code("never", gate=never),
    code("end", "each-one", "left"),
    name="diamond",
)


@pytest.mark.parametrize(
    ("accept", "form", "kind", "holds"),
    [
        ("text/markdown", "md", "text/markdown; charset=utf-8", "# Found"),
        ("application/json", "json", "application/json", '"outcome":"clean"'),
        ("application/sarif+json", "sarif", "application/sarif+json", '"2.1.0"'),
        ("text/html", "html", "text/html; charset=utf-8", "<h1>Found</h1>"),
    ],
    ids=["md", "json", "sarif", "html"],
)
async def test_a_report_has_four_formats(
    open_door: OpenDoor, accept: str, form: str, kind: str, holds: str
) -> None:
    """Experience 4.2: by Accept or ?format=, each with a tag of its own and 304 for it."""
    door = await open_door(REPORTED)
    run_id = await door.launch()
    await ended(door.service, run_id)
    path = f"{RUNS}/{run_id}/report"

    by_header = await door.get(path, headers={"Accept": accept})
    by_name = await door.get(path, params={"format": form})
    tag = by_header.headers["etag"]
    again = await door.get(path, headers={"Accept": accept, "If-None-Match": tag})
    others = {
        (await door.get(path, params={"format": each})).headers["etag"]
        for each in ("md", "json", "sarif", "html")
    }

    assert by_header.headers["content-type"] == by_name.headers["content-type"] == kind
    assert holds in by_header.text
    assert by_header.text == by_name.text
    assert (again.status_code, again.content) == (304, b"")
    assert len(others) == 4


async def test_a_page_cannot_run_anything(open_door: OpenDoor) -> None:
    """S10: what an agent wrote is text, and the page's policy forbids the rest."""
    door = await open_door(REPORTED)
    run_id = await door.launch()
    await ended(door.service, run_id)

    page = await door.get(f"{RUNS}/{run_id}/report?format=html")

    assert "&lt;script&gt;" in page.text
    assert "<script" not in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")


async def test_a_graph_shows_how_each_step_stands(
    open_door: OpenDoor, dispatcher: Dispatcher
) -> None:
    """The flow's own steps with their needs and children; its tag changes with every event."""
    door = await open_door(DIAMOND)
    run_id = await door.launch("diamond")
    (task,) = await dispatcher.take(run_id, "left")

    async def counted() -> Any:
        found = await door.get(f"{RUNS}/{run_id}/graph")
        nodes = {node["key"]: node for node in found.json()["nodes"]}
        is_over = nodes["each-one"]["status"] == "completed"
        children = nodes["each-one"]["children"]
        return found if is_over and children.get("completed") == 2 else None

    first = await until(counted)
    graph = first.json()
    tag = {"If-None-Match": first.headers["etag"]}
    same = await door.get(f"{RUNS}/{run_id}/graph", headers=tag)
    picture = await door.get(f"{RUNS}/{run_id}/graph.svg")
    dark = await door.get(f"{RUNS}/{run_id}/graph.svg?theme=dark")
    await door.service.tasks.report(task.task_id, done(task))
    moved = await door.get(f"{RUNS}/{run_id}/graph", headers=tag)

    assert {node["key"]: node["status"] for node in graph["nodes"]} == {
        "scan": "completed",
        "each-one": "completed",
        "left": "running",
        "never": "excluded",
        "end": "pending",
    }
    assert {(edge["source"], edge["target"]) for edge in graph["edges"]} == {
        ("scan", "each-one"),
        ("scan", "left"),
        ("each-one", "end"),
        ("left", "end"),
    }
    assert (same.status_code, moved.status_code) == (304, 200)
    assert ET.fromstring(picture.text).tag.endswith("svg")  # noqa: S314  # our own
    assert picture.headers["content-type"] == "image/svg+xml"
    assert {"#1a7f37", "#0969da"} <= {part for part in picture.text.split('"') if "#" in part}
    assert "completed 2/2" in picture.text
    assert dark.text != picture.text


async def test_two_runs_are_compared(open_door: OpenDoor) -> None:
    """Inputs, definition, steps and findings, from the first run to the second."""
    from pydantic import BaseModel  # noqa: PLC0415  # for this flow only

    class Take(BaseModel):
        n: int = 1

    def clean(ctx: ReportContext) -> Report:
        given = ctx.given(Take)
        found: JsonValue = {"ruleId": "r", "message": {"text": str(given.n)}}
        return Report("#", sarif={"runs": [{"results": [found]}]}, outcome="findings")

    def count(ctx: Context) -> object:
        return ctx.given(Take).n

    flow = a_flow(code("a"), code("b", "a", run=count), input=Take, render=clean)
    door = await open_door(flow)
    one, other = await door.launch(input={"n": 1}), await door.launch(input={"n": 2})
    for run_id in (one, other):
        await ended(door.service, run_id)

    told = await door.json("/api/v1/diff", params={"a": str(one), "b": str(other)})

    assert (told["a"]["id"], told["b"]["id"], told["same_definition"]) == (
        str(one),
        str(other),
        True,
    )
    assert told["inputs"] == [{"pointer": "/n", "kind": "changed", "a": 1, "b": 2}]
    steps = {step["key"]: (step["same_status"], step["same_output"]) for step in told["steps"]}
    assert steps == {"a": (True, True), "b": (True, False)}
    assert told["steps"][0]["a"]["seconds"] >= 0
    assert [f["message"] for f in told["findings"]["new"]] == ["2"]
    assert [f["message"] for f in told["findings"]["fixed"]] == ["1"]
    assert (await door.get("/api/v1/diff", params={"a": str(one)})).status_code == 422
    assert (await door.get("/api/v1/diff", params={"a": str(one), "b": "zzzz"})).status_code == 404


async def test_a_launch_may_wait_for_the_end(open_door: OpenDoor) -> None:
    """RFC 7240: 200 when it has ended, 202 when it has not; without the wish 201 at once."""
    door = await open_door(a_flow(code("a")), a_flow(agent("a"), name="slow"))

    done_now = await door.post("/api/v1/flows/demo/runs", headers={"Prefer": "wait=20"})
    not_yet = await door.post(
        "/api/v1/flows/slow/runs", headers={"Prefer": "respond-async, wait=0"}
    )
    at_once = await door.post("/api/v1/flows/demo/runs", headers={"Prefer": "handling=strict"})

    assert (done_now.status_code, done_now.json()["status"]) == (200, "completed")
    assert done_now.headers["preference-applied"] == "wait=20"
    assert (not_yet.status_code, not_yet.json()["status"]) == (202, "running")
    assert at_once.status_code == 201
    assert "preference-applied" not in at_once.headers


async def test_a_look_may_wait_for_the_end(open_door: OpenDoor, dispatcher: Dispatcher) -> None:
    """The answer comes with the end, not after the whole time; an ended run answers at once."""
    door = await open_door(a_flow(agent("a")))
    run_id = await door.launch()
    wish = {"Prefer": "wait=60"}
    waiting = asyncio.create_task(door.get(f"{RUNS}/{run_id}", headers=wish))
    await until(lambda: door.service.feed.watched)

    await dispatcher.finish(door.service, run_id)

    assert (await waiting).json()["status"] == "completed"
    assert (await door.get(f"{RUNS}/{run_id}", headers=wish)).json()["status"] == "completed"
    assert door.service.feed.watched == 0


async def test_runs_are_watched_all_at_once(open_door: OpenDoor) -> None:
    """Experience 4.2: run.* and approval.* of every run from now on, each once, without ids."""
    door = await open_door(asking())
    before = await door.launch()
    await asked(door, before)
    seen: list[tuple[str, str, str]] = []

    async with served(door.service) as url:
        import httpx2  # noqa: PLC0415  # a real connection: what is streamed in process comes whole

        async def watch() -> None:
            reader = sse.Reader()
            async with httpx2.AsyncClient(base_url=url, timeout=30) as client:
                accept = {"Accept": "text/event-stream"}
                async with client.stream("GET", "/api/v1/events", headers=accept) as answer:
                    async for chunk in answer.aiter_text():
                        for message in reader.feed(chunk):
                            event = json.loads(message.data)
                            seen.append((event["run_id"], event["type"], message.id))

        watching = asyncio.create_task(watch())
        await until(lambda: _watchers(door))
        run_id = await door.launch()
        found = await asked(door, run_id)
        await door.post(f"{INBOX}/{found['id']}", {"decision": "approve"}, headers=ANA)
        await door.post(f"{RUNS}/{before}/cancel")
        await until(lambda: len(seen) >= 4)
        watching.cancel()
        await asyncio.wait([watching])

    assert seen == [
        (str(run_id), "run.started", ""),
        (str(run_id), "approval.requested", ""),
        (str(run_id), "approval.decided", ""),
        (str(before), "run.cancelled", ""),
    ]
    refused = await door.get("/api/v1/events", headers={"Accept": "application/json"})
    assert refused.status_code == 406


def _watchers(door: Any) -> bool:
    return bool(door.service.feed._all._watchers)
