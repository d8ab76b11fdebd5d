"""What stands around the routes: guard, tokens, request ids, probes, and the last resort."""

from __future__ import annotations

import asyncio

import httpx2
import pytest

from fixtures.databases import Database
from fixtures.libraries import a_flow, a_library, code
from fixtures.services import LogLines, Replicas
from flowrunner.api.app import make_app
from integration.doors.conftest import HOST, OpenDoor, opened

pytestmark = pytest.mark.anyio

RUNS = "/api/v1/runs"
LAUNCH = "/api/v1/flows/demo/runs"
JSON = {"Content-Type": "application/json"}
NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Host": "evil.example"}, (421, "bad-host")),
        ({"Origin": "http://evil.example"}, (403, "bad-origin")),
        ({"Sec-Fetch-Site": "cross-site"}, (403, "bad-origin")),
        ({"Content-Type": "text/plain"}, (415, "unsupported-media-type")),
    ],
)
async def test_the_guard_stands_before_everything(
    open_door: OpenDoor, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    """S1, S3: refused in the same shape, before the body is read, also for what is not there."""
    door = await open_door(a_flow(code("a")))

    for path in (LAUNCH, "/nowhere"):
        response = await door.client.post(path, content=b"{", headers={**JSON, **headers})
        assert (response.status_code, response.json()["code"]) == expected
        assert response.json()["request_id"] == response.headers["x-request-id"]


async def test_a_token_is_asked_for_everywhere(open_door: OpenDoor) -> None:
    """S2: every route but the probes needs one; 401 says how."""
    door = await open_door(a_flow(code("a")), tokens="secret-a,secret-b")
    allowed = {"Authorization": "Bearer secret-b"}

    for path in door.contract.document["paths"]:
        response = await door.get(path.replace("{", "").replace("}", ""))
        is_open = path.startswith("/healthz/")
        assert (response.status_code == 401) is not is_open, path
    refused = await door.get(RUNS)
    assert (refused.headers["www-authenticate"], refused.json()["code"]) == (
        "Bearer",
        "unauthorized",
    )
    assert (await door.get(RUNS, headers=allowed)).status_code == 200


async def test_a_request_keeps_a_harmless_id(open_door: OpenDoor, log_lines: LogLines) -> None:
    """The caller's id connects both logs; one that could forge a line is replaced."""
    door = await open_door(a_flow(code("a")))

    ours = await door.get("/version", headers={"X-Request-Id": "abc-1"})
    theirs = await door.get("/version", headers={"X-Request-Id": "a b\x7f"})

    assert ours.headers["x-request-id"] == "abc-1"
    assert theirs.headers["x-request-id"] != "a b\x7f"
    served = [line for line in log_lines if line["event"] == "request.served"]
    assert [line["path"] for line in served] == ["/version", "/version"]


@pytest.mark.complains("request.failed")
async def test_an_error_of_ours_tells_nothing(open_door: OpenDoor, log_lines: LogLines) -> None:
    """500 has the request's id and no internals; the log has the story, under that id."""
    door = await open_door(a_flow(code("a")))

    @door.app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("the password is hunter2")

    response = await door.get("/broken")

    assert (response.status_code, response.json()["code"]) == (500, "internal-error")
    assert "hunter2" not in response.text
    (line,) = [line for line in log_lines if line["event"] == "request.failed"]
    assert line["path"] == "/broken"


async def test_a_database_that_is_away_is_said(replicas: Replicas) -> None:
    """503 with Retry-After on every door that needs it; alive all the same, but not ready."""
    service = replicas.build(a_library(a_flow(code("a"))))

    async with opened(service) as door:
        answers = await asyncio.gather(
            *(door.get(path) for path in (RUNS, f"{RUNS}/@last", "/api/v1/workers")),
            door.post(LAUNCH),
            door.post("/api/v1/tasks/claim", {"worker_id": NOBODY, "queues": ["q"], "count": 1}),
        )
        assert {answer.status_code for answer in answers} == {503}
        assert {answer.json()["code"] for answer in answers} == {"unavailable"}
        assert all(answer.headers["retry-after"] == "1" for answer in answers)
        assert (await door.get("/healthz/live")).status_code == 200
        ready = await door.get("/healthz/ready")
        assert (ready.status_code, ready.json()["ready"]) == (503, False)


async def test_a_database_that_only_reads_is_away(open_door: OpenDoor, database: Database) -> None:
    """P3: a server that was demoted, or is not promoted yet, is waited for, and is no fault of ours."""
    door = await open_door(a_flow(code("a")))

    @door.app.get("/demoted")
    async def demoted() -> None:
        async with await database.connect() as conn:
            await conn.set_read_only(True)
            async with conn.transaction():
                await conn.execute("DELETE FROM workers")

    response = await door.get("/demoted")

    assert (response.status_code, response.json()["code"]) == (503, "unavailable")
    assert response.headers["retry-after"] == "1"


async def test_probes_are_found_beside_the_rest(open_door: OpenDoor, database: Database) -> None:
    """At the root and below /api/v1, with the version and the document."""
    door = await open_door(a_flow(code("a")))
    assert database.name

    for prefix in ("", "/api/v1"):
        assert (await door.json(f"{prefix}/healthz/live"))["status"] == "live"
        assert (await door.json(f"{prefix}/healthz/ready"))["ready"] is True
        assert (await door.json(f"{prefix}/version"))["api"] == "v1"
        assert (await door.json(f"{prefix}/openapi.json"))["openapi"].startswith("3.1")


async def test_an_app_answers_to_its_operators_names(replicas: Replicas) -> None:
    """FLOWRUNNER_HOSTS opens further names; others stay refused."""
    service = replicas.build(a_library(a_flow(code("a"))), hosts="flows.example.org")

    transport = httpx2.ASGITransport(app=make_app(service))
    async with httpx2.AsyncClient(transport=transport, base_url=f"http://{HOST}") as client:
        named = await client.get("/healthz/live", headers={"Host": "flows.example.org"})
        other = await client.get("/healthz/live", headers={"Host": "flows.example.com"})

    assert (named.status_code, other.status_code) == (200, 421)
