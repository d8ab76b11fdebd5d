"""Flows over REST: texts checked before they are stored, graphs, and answers that did not change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fixtures.libraries import a_flow, a_library, code
from fixtures.services import Replicas
from flowrunner.definitions.library import Library
from integration.doors.conftest import OpenDoor, opened
from unit.definitions.yaml.shop import HUNT

pytestmark = pytest.mark.anyio

VALIDATE = "/api/v1/flows/validate"


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """A level with one YAML flow."""
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows/hunt.flow.yaml").write_text(HUNT, encoding="utf-8")
    return Library.discover([tmp_path / "flows"])


async def test_a_text_is_checked(open_door: OpenDoor) -> None:
    """F4: all errors at once, in the one shape; a right one has none."""
    door = await open_door()
    wrong: Any = {"text": "flow: x\nsteps:\n  - id: a\n    agnt: hi\n", "file": "x.flow.yaml"}

    refused = (await door.post(VALIDATE, wrong)).json()
    accepted = (await door.post(VALIDATE, {"text": HUNT})).json()

    assert refused == {
        "valid": False,
        "errors": [
            {
                "file": "x.flow.yaml", "line": 4, "column": 5, "code": "unknown-key",
                "message": "a step has no key 'agnt'", "hint": "did you mean 'agent'?",
            }
        ],
    }  # fmt: skip
    assert accepted == {"valid": True, "errors": []}


async def test_a_list_that_is_known_is_not_sent(replicas: Replicas) -> None:
    """Experience 4.2: the list of flows has an ETag, which is another for other flows."""
    libraries = (a_library(a_flow(code("a"))), a_library(a_flow(code("a"), name="other")))
    tags: list[str] = []
    for library in libraries:
        async with opened(await replicas.start(library)) as door:
            tags.append((await door.get("/api/v1/flows")).headers["etag"])
            for tag in tags:
                again = await door.get("/api/v1/flows", headers={"If-None-Match": tag})
                assert (again.status_code == 304) is (tag == tags[-1])


async def test_a_text_that_is_too_long_is_refused(open_door: OpenDoor) -> None:
    """S8: a body over the door's bound is not read."""
    door = await open_door()

    assert (await door.post(VALIDATE, {"text": "x" * 600_000})).status_code == 422
    assert (await door.post(VALIDATE, {"text": "x" * 1_100_000})).status_code == 413
    assert (await door.post(VALIDATE, {"text": "", "file": "../x"})).status_code == 422


async def test_a_yaml_flow_is_shown_with_its_graph(replicas: Replicas, library: Library) -> None:
    """U7: detail, graph and picture; each has an ETag and answers 304 to it."""
    service = await replicas.start(library)
    async with opened(service) as door:
        shown = (await door.get("/api/v1/flows/find-issues")).json()
        graph = (await door.get("/api/v1/flows/find-issues/graph")).json()
        picture = await door.get("/api/v1/flows/find-issues/graph.svg", params={"theme": "dark"})

        assert (shown["title"], shown["yaml"]) == ("Find issues", HUNT)
        assert [step["has_each"] for step in shown["steps"]] == [False, True, False]
        assert shown["input_schema"]["required"] == ["repo"]
        assert [node["column"] for node in graph["nodes"]] == [0, 1, 2]
        assert graph["edges"][0] == {"need": "scan", "step": "confirm"}
        assert picture.text.startswith("<svg ")
        assert picture.headers["content-type"] == "image/svg+xml"
        for path in ("", "/graph", "/graph.svg"):
            first = await door.get(f"/api/v1/flows/find-issues{path}")
            tag = {"If-None-Match": first.headers["etag"]}
            again = await door.get(f"/api/v1/flows/find-issues{path}", headers=tag)
            assert (again.status_code, again.content) == (304, b"")
            assert (await door.get(f"/api/v1/flows/nope{path}")).status_code == 404
