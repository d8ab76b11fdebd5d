"""What long lists cost: statements, seconds, bytes of WAL."""

from __future__ import annotations

import time

import pytest

from fixtures.by_hand import a_body, by_hand
from fixtures.databases import Database
from flowrunner.core import inputs as inp
from flowrunner.core.graph import EachSpec
from integration.db.lists import a_list, as_stored, offer_at_once

pytestmark = pytest.mark.anyio


async def test_ten_thousand_children_are_bounded_statements(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    """A3: a long list is one statement with ten events; its window of tasks another."""
    keys = tuple(f"src/module_{n}.py" for n in range(10_000))
    async with await database.connect() as conn:
        run = await by_hand(conn, a_list(EachSpec(max_items=10_000, parallel=100)))
        before = await database.value("SELECT pg_current_wal_insert_lsn()")
        started = time.monotonic()
        await run.expand("list", *keys)
        expanded = time.monotonic()
        prompt, bodies = a_body("do it")
        built = [inp.PromptBuilt(number, prompt) for number in range(2, 102)]
        await run.tell(*built, bodies=bodies)
        offered = time.monotonic()
        wal = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), %s)::bigint"
        written = await database.value(wal, (before,))
        await as_stored(run)
        loaded = time.monotonic()
        await run.hold()

    with capsys.disabled():
        print(  # noqa: T201
            f"\n10,000 children: expanded in {expanded - started:.2f} s, 100 offered in"
            f" {offered - expanded:.2f} s, loaded in {loaded - offered:.2f} s, {written:,} bytes of WAL"
        )
    assert len(run.held) == 100
    events = "SELECT count(*) FROM flow_step_events WHERE type = 'step.expanded'"
    assert await database.value(events) == 10
    assert written < 10_000 * 600


async def test_a_member_costs_no_more_wal_than_a_step(
    fresh_database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    """DESIGN section 6: its row, its task, its result and its list's count: 2 KB in batches of 50."""
    if await fresh_database.value("SHOW full_page_writes") == "on":
        pytest.skip("full_page_writes is on: WAL depends on when the last checkpoint was")
    async with await fresh_database.connect() as conn:
        for _ in ("to warm up", "to measure"):
            run = await by_hand(conn, a_list())
            before = await fresh_database.value("SELECT pg_current_wal_insert_lsn()")
            await offer_at_once(run, *(f"k{n}" for n in range(100)))
            await run.hold()
            body = a_body("said")[1]
            for half in (range(50), range(50, 100)):
                await run.tell(*(run.settled(f"list[k{n}]") for n in half), bodies=body)
        wal = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), %s)::bigint"
        written = await fresh_database.value(wal, (before,))

    with capsys.disabled():
        print(f"\nWAL per member of a list: {written // 100} bytes")  # noqa: T201
    assert written / 100 <= 2048
