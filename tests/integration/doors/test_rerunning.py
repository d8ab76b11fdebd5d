"""`rerun`: a new run as an old one was launched, at the door and at the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from fixtures.libraries import a_flow, a_library, code
from fixtures.runs import ended
from fixtures.services import Replicas
from flowrunner.core.model import RunId
from flowrunner.definitions.context import Context
from integration.doors.asking import ANA, BEN, RUNS
from integration.doors.commands import a_terminal
from integration.doors.conftest import Door, OpenDoor, opened
from integration.doors.serving import served

pytestmark = pytest.mark.anyio


class Asked(BaseModel):
    base: str = "main"
    depth: int = 1


def told(ctx: Context) -> object:
    return ctx.input.model_dump()


FLOW = a_flow(code("a", run=told), input=Asked)
CHANGED = a_flow(code("a", run=told), code("b", "a"), input=Asked)


async def first(door: Door, project: Path) -> tuple[RunId, dict[str, Any]]:
    """A run that has ended, with everything that a launch can say."""
    run_id = await door.launch(
        input={"base": "dev", "depth": 3},
        project=str(project),
        band="medium",
        model="large",
        title="nightly",
        labels={"team": "a"},
    )
    await ended(door.service, run_id)
    return run_id, await door.json(f"{RUNS}/{run_id}")


async def test_a_run_is_launched_again_as_it_was(open_door: OpenDoor, tmp_path: Path) -> None:
    """Experience 4.2: all that the launch said is said again; the new run names the old one."""
    door = await open_door(FLOW)
    run_id, old = await first(door, tmp_path)

    response = await door.post(f"{RUNS}/{run_id}/rerun", headers=BEN)
    new = await door.json(response.headers["location"])

    assert (response.status_code, response.json()["id"]) == (201, new["id"])
    assert new["id"] != old["id"]
    same = ("flow", "band", "project_root", "model", "agent", "title", "input", "definition")
    assert {name: new[name] for name in same} == {name: old[name] for name in same}
    assert new["labels"] == {"team": "a", "rerun_of": str(run_id)}
    assert (new["launched_by"], old["launched_by"]) == ("ben", "local")
    found = await door.json(RUNS, params={"label": f"rerun_of:{run_id}"})
    assert [run["id"] for run in found["items"]] == [new["id"]]


async def test_a_part_of_the_input_is_another(open_door: OpenDoor, tmp_path: Path) -> None:
    """A field given wins, null takes one away, and what does not fit is refused with its place."""
    door = await open_door(FLOW)
    run_id, _old = await first(door, tmp_path)
    path = f"{RUNS}/{run_id}/rerun"

    body = {"input_patch": {"base": None, "depth": 5}, "title": "again"}
    new = await door.json((await door.post(path, body)).headers["location"])
    wrong = await door.post(path, {"input_patch": {"depht": 5}})
    misspelt = await door.post(path, {"patch": {}})

    assert (new["input"], new["title"]) == ({"base": "main", "depth": 5}, "again")
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/input/depht")
    assert (misspelt.status_code, misspelt.json()["errors"][0]["pointer"]) == (422, "/patch")


async def test_a_key_reruns_once(open_door: OpenDoor, tmp_path: Path) -> None:
    """As of a launch: the same key is the same run, and another request with it is refused."""
    door = await open_door(FLOW)
    run_id, _old = await first(door, tmp_path)
    path, keyed = f"{RUNS}/{run_id}/rerun", {**ANA, "Idempotency-Key": "again"}

    one = await door.post(path, headers=keyed)
    two = await door.post(path, headers=keyed)
    other = await door.post(path, {"title": "x"}, headers=keyed)

    assert (one.status_code, two.status_code, other.status_code) == (201, 200, 422)
    assert one.json()["id"] == two.json()["id"]
    assert two.headers["idempotency-replayed"] == "true"


async def test_another_flow_is_not_run_by_accident(replicas: Replicas, tmp_path: Path) -> None:
    """D2-21: changed since: refused, unless it is the latest that is wanted; gone: not found."""
    async with opened(await replicas.start(a_library(FLOW))) as before:
        run_id, old = await first(before, tmp_path)
    path = f"{RUNS}/{run_id}/rerun"
    async with opened(await replicas.start(a_library(CHANGED))) as after:
        refused = await after.post(path)
        latest = await after.post(path, {"latest": True})
        new = await after.json(latest.headers["location"])
    async with opened(await replicas.start(a_library(a_flow(code("a"), name="x")))) as without:
        gone = await without.post(path, {"latest": True})

    assert (refused.status_code, refused.json()["code"]) == (409, "definition-changed")
    assert (latest.status_code, new["definition"] == old["definition"]) == (201, False)
    assert (gone.status_code, gone.json()["code"]) == (404, "not-found")


async def test_a_run_is_launched_again_at_the_terminal(replicas: Replicas, tmp_path: Path) -> None:
    """Experience 3.2: `rerun RUN KEY=VALUE`, followed or left; `ls` is `ps`, and finds it."""
    async with served(await replicas.start(a_library(FLOW))) as url:
        terminal = a_terminal(tmp_path, FLOWRUNNER_SERVER=url)
        old = (await terminal.ask("run", "demo", "base=dev", "--title", "by day", "-q", "-d")).out

        left = await terminal.ask("rerun", old.strip(), "depth=2", "--title", "at night")
        followed = await terminal.ask("rerun", "@last", "base:=null", "-w", "--json")
        banded = await terminal.ask("rerun", "@last", "small")
        nobody = await terminal.ask("rerun", "zzzz")
        titled = await terminal.ask("ls", "-q", "--title", "NIGHT")
        mine = await terminal.ask("list", "-q", "--mine", "--until", "0s")

    assert (left.code, followed.code, banded.code, nobody.code) == (0, 0, 2, 6)
    assert followed.json["input"] == {"base": "main", "depth": 2}
    assert followed.json["title"] == "at night"
    assert titled.out.split() == [followed.json["id"], left.out.strip()]
    assert mine.out.split() == [followed.json["id"], left.out.strip(), old.strip()]
