"""POST /flows/{name}/runs: stored whole or refused whole, once per key."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel, Field

from fixtures.databases import Database
from fixtures.libraries import a_flow, code
from fixtures.runs import ended
from flowrunner.core.model import RunId
from integration.doors.conftest import OpenDoor

pytestmark = pytest.mark.anyio


class Asked(BaseModel):
    question: str = Field(min_length=1)
    depth: int = 1


FLOW = a_flow(code("a"), input=Asked)
PATH = "/api/v1/flows/demo/runs"
FINE = {"input": {"question": "why?"}}


async def test_a_launch_says_where_the_run_is(open_door: OpenDoor) -> None:
    """201, where to look and where to listen; the run then ends by itself."""
    door = await open_door(FLOW)

    response = await door.post(PATH, {**FINE, "title": "T", "labels": {"team": "a"}})

    told = response.json()
    assert response.status_code == 201
    assert response.headers["location"] == told["url"] == f"/api/v1/runs/{told['id']}"
    assert (told["status"], told["replayed"]) == ("running", False)
    assert await ended(door.service, RunId(UUID(told["id"]))) == "completed"
    run = await door.json(told["url"])
    assert (run["title"], run["labels"], run["input"]) == (
        "T",
        {"team": "a"},
        {"question": "why?", "depth": 1},
    )
    assert (run["launched_by"], run["trigger"]) == ("local", "api")
    assert (await door.get(told["events_url"])).status_code == 200


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, [("/input/question", "missing")]),
        ({"input": {"question": ""}}, [("/input/question", "string-too-short")]),
        (
            {"input": {"question": "", "depth": "deep", "quesiton": 1}, "band": "huge"},
            [
                ("/band", "unknown-band"),
                ("/input/quesiton", "unknown-field"),
                ("/input/question", "string-too-short"),
                ("/input/depth", "int-parsing"),
            ],
        ),
        ({**FINE, "colour": "red"}, [("/colour", "extra-forbidden")]),
        (
            {**FINE, "labels": {"bad name": "x"}},
            [("/labels/bad name/[key]", "string-pattern-mismatch")],
        ),
        ({**FINE, "labels": {str(n): "" for n in range(21)}}, [("/labels", "too-long")]),
        ({**FINE, "project": "relative"}, [("/project", "string-pattern-mismatch")]),
        ({**FINE, "project": "/nowhere/at/all"}, [("/project", "no-such-folder")]),
        ({**FINE, "agent": "nobody"}, [("/agent", "unknown-agent")]),
        ({"input": [], "title": 1}, [("/input", "dict-type"), ("/title", "string-type")]),
        ([], [("", "model-attributes-type")]),
    ],
)
async def test_a_bad_launch_is_told_with_every_place(
    open_door: OpenDoor, database: Database, body: Any, expected: list[tuple[str, str]]
) -> None:
    """D2-06: all problems at once with JSON pointers, and nothing is stored."""
    door = await open_door(FLOW)

    response = await door.post(PATH, body)

    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    found = [(each["pointer"], each["code"]) for each in response.json()["errors"]]
    assert found == expected
    assert await database.value("SELECT count(*) FROM flow_run_meta") == 0


async def test_an_unknown_flow_is_not_found(open_door: OpenDoor, database: Database) -> None:
    """R2-01: 404 with the name that was perhaps meant, and nothing is stored."""
    door = await open_door(FLOW)

    response = await door.post("/api/v1/flows/dmeo/runs", FINE)

    assert (response.status_code, response.json()["code"]) == (404, "not-found")
    assert "demo" in response.json()["hint"]
    assert await database.value("SELECT count(*) FROM flow_run_meta") == 0


async def test_a_key_starts_one_run(open_door: OpenDoor, tmp_path: Path) -> None:
    """The same key and body is the same run, and says so; another body is refused."""
    door = await open_door(FLOW)
    keyed = {"headers": {"Idempotency-Key": "k-1"}}
    body = {**FINE, "project": str(tmp_path)}

    first = await door.post(PATH, body, **keyed)
    again = await door.post(PATH, body, **keyed)
    other = await door.post(PATH, {**body, "title": "other"}, **keyed)

    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 422)
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert (again.json()["id"], again.json()["replayed"]) == (first.json()["id"], True)
    assert other.json()["code"] == "idempotency-mismatch"


@pytest.mark.parametrize("key", ["", "two words", "x" * 256, "\u00e9"])
async def test_a_key_is_plain_text(open_door: OpenDoor, key: str) -> None:
    """A key that could not be compared safely is refused by its name."""
    door = await open_door(FLOW)

    response = await door.post(PATH, FINE, headers={"Idempotency-Key": key.encode("latin-1")})

    assert response.status_code == 422
    assert response.json()["errors"][0]["parameter"] == "idempotency-key"


async def test_who_asks_is_kept(open_door: OpenDoor) -> None:
    """The command line's runs say so; nobody else can claim to be anything special."""
    door = await open_door(FLOW)

    triggers: list[str] = []
    for agent in ("flowrunner-cli/1", "flowrunner-client/1", "curl/8", "flowrunner-root/1"):
        reply = await door.post(PATH, FINE, headers={"User-Agent": agent})
        triggers.append((await door.json(reply.json()["url"]))["trigger"])

    assert triggers == ["cli", "client", "api", "api"]
