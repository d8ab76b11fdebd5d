"""Everything that is refused, refused in one shape; and nothing that a caller sends is a 500."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from fixtures.libraries import a_flow, agent, code
from fixtures.runs import ended
from integration.doors.conftest import OpenDoor

pytestmark = pytest.mark.anyio

RUNS = "/api/v1/runs"
LAUNCH = "/api/v1/flows/demo/runs"
# Parametrised tests must have the same names in every process that runs a part of them.
NOBODY = "0190f8a0-0000-7000-8000-000000000000"
TASK = f"/api/v1/tasks/{NOBODY}.0.1"
WORKER = f"/api/v1/workers/{NOBODY}"
JSON = {"Content-Type": "application/json"}
HUGE = 1 << 40


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/nowhere", (404, "not-found")),
        ("GET", "/api/v1/runs/", (404, "not-found")),
        ("GET", "/api/v2/runs", (404, "not-found")),
        ("POST", "/api/v1/runs", (405, "method-not-allowed")),
        ("DELETE", "/api/v1/flows/demo", (405, "method-not-allowed")),
        ("GET", "/api/v1/tasks/claim", (405, "method-not-allowed")),
        ("GET", f"{RUNS}?limit=0", (422, "invalid-input")),
        ("GET", f"{RUNS}?limit=x", (422, "invalid-input")),
        ("GET", f"{RUNS}?status=done", (422, "invalid-input")),
        ("GET", f"{RUNS}?since=yesterday", (422, "invalid-input")),
        ("GET", f"{RUNS}?since=2026-11-20T08:00:00", (422, "invalid-input")),
        ("GET", f"{RUNS}?label=team", (422, "invalid-input")),
        ("GET", f"{RUNS}?statsu=running", (422, "invalid-input")),
        ("GET", f"{RUNS}?flow=%00", (422, "invalid-input")),
        ("GET", f"{RUNS}/%00", (422, "invalid-input")),
        ("GET", f"{RUNS}?cursor=nonsense", (400, "bad-cursor")),
        ("GET", f"{RUNS}?cursor=%C3%A9", (400, "bad-cursor")),
        ("GET", f"{RUNS}/{'a' * 65}", (422, "invalid-input")),
        ("GET", f"{RUNS}/{NOBODY}", (404, "not-found")),
        ("GET", f"{RUNS}/{NOBODY}/steps", (404, "not-found")),
        ("GET", f"{RUNS}/{NOBODY}/events", (404, "not-found")),
        ("GET", f"{RUNS}/{NOBODY}/report", (404, "not-found")),
        ("POST", f"{RUNS}/{NOBODY}/cancel", (404, "not-found")),
        ("GET", "/api/v1/flows/%2e%2e%2fsecret", (404, "not-found")),
        ("POST", f"{WORKER}x/renew", (422, "invalid-input")),
        ("GET", "/healthz/ready?verbose=1", (422, "invalid-input")),
    ],
)
async def test_every_refusal_has_the_same_shape(
    open_door: OpenDoor, method: str, path: str, expected: tuple[int, str]
) -> None:
    """Status, code, words and the request's id, as problem+json."""
    door = await open_door(a_flow(code("a")))
    headers = JSON if method == "POST" else {}

    response = await door.client.request(
        method, path, headers=headers, content=b"{}" if method == "POST" else None
    )

    told = response.json()
    assert (response.status_code, told["code"]) == expected
    assert response.headers["content-type"] == "application/problem+json"
    assert told["status"] == response.status_code
    assert told["request_id"] == response.headers["x-request-id"]
    assert told["title"]
    assert told["detail"]


async def test_a_misspelt_filter_is_named(open_door: OpenDoor) -> None:
    """P11: a filter that does not exist is refused with the one that was perhaps meant."""
    door = await open_door(a_flow(code("a")))

    told = (await door.get(f"{RUNS}?statsu=running&x=1")).json()

    assert [(each["parameter"], each["hint"]) for each in told["errors"]] == [
        ("statsu", "did you mean 'status'?"),
        ("x", "known: cursor, flow, label, launched_by, limit, q, since, status, until, waiting"),
    ]


HEADS = (
    "/api/v1/runs",
    "/api/v1/runs/{run}",
    "/api/v1/runs/{run}/report",
    "/api/v1/runs/{run}/graph.svg",
    "/api/v1/runs/nope",
    "/api/v1/flows/demo",
    "/healthz/live",
)


async def test_a_head_is_what_a_get_would_answer(open_door: OpenDoor) -> None:
    """RFC 9110: status and headers as of GET, no body; of a stream that never ends as well."""
    door = await open_door(a_flow(code("a")))
    run_id = await door.launch()
    await ended(door.service, run_id)

    for path in (each.format(run=run_id) for each in HEADS):
        got = await door.get(path)
        head = await door.client.head(path)
        kept = ("content-type", "content-length", "etag", "vary")
        told = {name: (got.headers.get(name), head.headers.get(name)) for name in kept}
        assert (path, head.status_code, head.content) == (path, got.status_code, b"")
        assert all(of_get == of_head for of_get, of_head in told.values()), (path, told)
    async with asyncio.timeout(20):
        stream = await door.client.head("/api/v1/events", headers={"Accept": "text/event-stream"})
    assert (stream.status_code, stream.content) == (200, b"")
    assert door.app.state.streams.count == 0


async def test_a_cursor_is_good_for_its_own_listing(open_door: OpenDoor) -> None:
    """P11: of other runs' steps, of another listing, empty, or endless: 400, never a wrong page."""
    door = await open_door(a_flow(code("a"), code("b", "a")))
    one, two = str(await door.launch()), str(await door.launch())
    steps = (await door.json(f"{RUNS}/{one}/steps?limit=1"))["next_cursor"]
    runs = (await door.json(f"{RUNS}?limit=1"))["next_cursor"]

    own = await door.json(f"{RUNS}/{one}/steps?cursor={steps}")
    wrong = [
        f"{RUNS}/{two}/steps?cursor={steps}",
        f"{RUNS}/{one}/steps?cursor={runs}",
        f"{RUNS}?cursor={steps}",
        f"/api/v1/approvals?cursor={runs}",
        f"{RUNS}?cursor=",
        f"{RUNS}?cursor={'A' * 5000}",
    ]

    assert [row["key"] for row in own["items"]] == ["b"]
    for path in wrong:
        refused = await door.get(path)
        assert (path, refused.status_code, refused.json()["code"]) == (path, 400, "bad-cursor")


async def test_what_is_allowed_is_said(open_door: OpenDoor) -> None:
    """405 names the methods, as HTTP wants it."""
    door = await open_door(a_flow(code("a")))

    assert (await door.post(RUNS)).headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{", (400, "invalid-json")),
        (b"\xff", (400, "invalid-json")),
        (b'{"input": NaN}', (400, "invalid-json")),
        (b'{"title": "\\u0000"}', (422, "invalid-input")),
        (b'{"labels": {"a": "\\ud800"}}', (422, "invalid-input")),
        (b'{"input": {"\\ud800": 1}}', (422, "invalid-input")),
        (b'{"input": {"a": 1e999}}', (422, "invalid-input")),
        (b'{"input": {"a": ' + b"9" * 5000 + b"}}", (422, "invalid-input")),
        (b'{"input": {"a": ' + b"[" * 40 + b"]" * 40 + b"}}", (422, "invalid-input")),
        (b"[" * 100_000, (422, "invalid-input")),
        (b'{"title": "' + b"x" * 1_000_000 + b'"}', (413, "payload-too-large")),
        (b"", (422, "invalid-input")),
        (b"null", (422, "invalid-input")),
        (b'"text"', (422, "invalid-input")),
    ],
    ids=range(14),
)
async def test_a_body_cannot_break_anything(
    open_door: OpenDoor, body: bytes, expected: tuple[int, str]
) -> None:
    """S8, S9: whatever the bytes, the answer is a refusal with a code."""
    door = await open_door(a_flow(code("a")))

    response = await door.client.post(LAUNCH, content=body, headers=JSON)

    assert (response.status_code, response.json()["code"]) == expected


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/tasks/claim", {"worker_id": NOBODY, "queues": ["\u0000"], "count": 1}),
        ("/api/v1/tasks/claim", {"worker_id": NOBODY, "queues": ["code"], "count": 1}),
        ("/api/v1/tasks/claim", {"worker_id": "x", "queues": [], "count": HUGE}),
        ("/api/v1/tasks/nonsense/result", {"epoch": 1, "outcome": "cancelled"}),
        (f"{TASK}/result", {"epoch": HUGE, "outcome": "cancelled"}),
        (f"{TASK}/result", {"epoch": 1, "outcome": "completed", "output": " "}),
        (f"{TASK}/result", {"epoch": 1, "outcome": "failed"}),
        (f"{TASK}/result", {"epoch": 1 << 70, "outcome": "cancelled"}),
        (f"{TASK}/transcript", {"epoch": 1, "chunks": []}),
        (f"{TASK}/transcript", {"epoch": 1, "chunks": [{"seq": -1, "kind": "x", "text": 1}]}),
        (f"{TASK}/transcript", {"epoch": 1, "chunks": [{"seq": HUGE, "kind": "text", "text": ""}]}),
        (f"{WORKER}/renew", {"lease_seconds": -1, "held": ["x"]}),
        (f"{WORKER}/release", {}),
        ("/api/v1/workers", {"worker_id": NOBODY, "name": "", "queues": [], "slots": 0}),
        (
            "/api/v1/workers",
            {
                "worker_id": NOBODY,
                "name": "w",
                "host": "h",
                "pid": HUGE,
                "queues": ["default"],
                "slots": 1,
            },
        ),
    ],
    ids=range(15),
)
async def test_a_dispatcher_cannot_break_anything(
    open_door: OpenDoor, path: str, body: dict[str, Any]
) -> None:
    """S8: a value that no column could hold is a refusal and not an error of ours."""
    door = await open_door(a_flow(agent("a")))

    response = await door.client.post(path, content=json.dumps(body), headers=JSON)

    assert response.status_code in {404, 422}
    assert response.json()["code"] in {"not-found", "invalid-input"}


async def test_a_large_result_is_taken(open_door: OpenDoor) -> None:
    """S9: results have a bound of their own, twelve megabytes."""
    door = await open_door(a_flow(agent("a")))

    async def status(size: int) -> int:
        body = json.dumps({"epoch": 1, "outcome": "completed", "output": "x" * size})
        return (await door.client.post(f"{TASK}/result", content=body, headers=JSON)).status_code

    assert await status(11_000_000) == 404
    assert await status(12_000_000) == 413


async def test_a_body_without_a_length_is_bounded_too(open_door: OpenDoor) -> None:
    """S9: a body in pieces is counted while it comes; what is never needed is not read."""
    door = await open_door(a_flow(code("a")))
    sent = 0

    async def pieces() -> Any:
        nonlocal sent
        while sent < 100:
            sent += 1
            yield b" " * 100_000

    response = await door.client.post(LAUNCH, content=pieces(), headers=JSON)

    assert response.status_code == 413
    assert sent <= 12
