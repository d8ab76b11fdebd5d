"""The checker sees what it is for: each law is broken on purpose, past every guard."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from builders import a_graph
from fixtures.by_hand import a_finished_run, by_hand
from fixtures.databases import Database
from flowrunner.core import inputs as inp
from flowrunner.core.graph import ApprovalSpec, EachSpec, Graph, StepKind, StepSpec
from flowrunner.core.model import RunId
from flowrunner.db import laws_of_runs, laws_of_work
from flowrunner.db.invariants import INVARIANTS, Invariant, find_broken
from flowrunner.service.checking import check
from integration.db.plants import LIES, PLANTS, rows

pytestmark = [pytest.mark.anyio, pytest.mark.unsound]


@dataclass(frozen=True, slots=True)
class Scene:
    """Runs that ended (a, then b), that work (c is held, d waits for its retry), and that wait."""

    ended: RunId
    live: RunId
    asking: RunId


async def a_scene(database: Database) -> Scene:
    async with await database.connect() as conn:
        ended = await a_finished_run(conn, a_graph("a", "b<-a"))
        live = await by_hand(conn, a_graph("c", "d*3", "e<-c"))
        await live.hold()
        await live.tell(live.flaky("d"))
        asking = await by_hand(conn, an_asking_graph())
        await asking.ask("ask", "a question")
        await asking.tell(inp.WaitSet(asking.number("nap"), 60))
        await asking.expand("list", "x", "y", body="a list")
        await asking.prepare("list[x]")
        await asking.hold()
    return Scene(ended.run_id, live.run_id, asking.run_id)


def an_asking_graph() -> Graph:
    each = EachSpec(parallel=1)
    return Graph(
        (
            StepSpec("ask", StepKind.APPROVAL, approval=ApprovalSpec()),
            StepSpec("nap", StepKind.WAIT),
            StepSpec("list", StepKind.AGENT, each=each),
        )
    )


@pytest.fixture
def spoilt(request: pytest.FixtureRequest, plant: str) -> Database:
    """A database to spoil; one of its own if the tables are to be changed."""
    is_changed = re.search("ALTER|DROP", plant)
    return request.getfixturevalue("fresh_database" if is_changed else "database")


@pytest.mark.parametrize(("name", "plant", "complaint"), rows(PLANTS))
async def test_each_law_sees_its_breach(
    spoilt: Database, name: str, plant: str, complaint: str
) -> None:
    """P6, P7: what a statement is for, it finds, and the whole check reports it."""
    await spoil(spoilt, plant)

    async with await spoilt.connect() as conn:
        found = await find_broken(conn, law(name))
        reported = await check(conn)

    assert [broken for broken in found if complaint in broken.message] != []
    assert set(found) <= set(reported)


async def spoil(database: Database, plant: str) -> Scene:
    scene = await a_scene(database)
    sql = plant
    for name in ("ended", "live", "asking"):
        sql = sql.replace(f":{name}", f"'{getattr(scene, name)}'")
    await database.sql(sql)
    return scene


def law(name: str) -> Invariant:
    laws = {**vars(laws_of_runs), **vars(laws_of_work)}
    return next(i for i in INVARIANTS if i.find == laws[name])


def test_no_law_is_without_a_breach() -> None:
    """A law that nobody can see broken is decoration: each has a plant."""
    assert {law(name) for name, _, _ in rows(PLANTS)} == set(INVARIANTS)


@pytest.mark.parametrize(("code", "plant", "complaint"), rows(LIES))
async def test_a_log_that_lies_is_found_out(
    spoilt: Database, code: str, plant: str, complaint: str
) -> None:
    """P7: the log is folded and compared, so that neither it nor a row can be false alone."""
    await spoil(spoilt, plant)

    found = await spoilt.violations()

    assert [v for v in found if v.code == code and complaint in v.message] != []


async def test_a_sound_database_has_nothing_to_report(database: Database) -> None:
    """The check is quiet about a run that ended and one that lives, and did look at both."""
    await a_scene(database)

    assert await database.violations() == []
    assert await database.value("SELECT count(*) FROM flow_step_events") >= 10


async def test_what_is_not_listed_is_counted(database: Database) -> None:
    """P11: a long list of breaches is cut with a line that says so."""
    await spoil(database, "DELETE FROM tasks")

    async with await database.connect() as conn:
        found = await find_broken(conn, law("TASKS_MISSING"), most=1)

    assert [broken.message for broken in found][1:] == ["more than 1: the rest is not listed"]
