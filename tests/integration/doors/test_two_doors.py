"""One run steered through two replicas: neither answers from what it remembers of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from fixtures.libraries import a_flow, a_library, agent
from fixtures.services import Replicas
from integration.doors.asking import ANA, BEN, RUNS
from integration.doors.conftest import Door, opened

pytestmark = pytest.mark.anyio

Doors = tuple[Door, Door]


@pytest.fixture
async def doors(replicas: Replicas) -> AsyncIterator[Doors]:
    library = a_library(a_flow(agent("a")))
    services = [await replicas.start(library) for _ in range(2)]
    async with AsyncExitStack() as stack:
        left, right = [await stack.enter_async_context(opened(each)) for each in services]
        yield left, right


async def told(door: Door, run_id: object, verb: str, who: dict[str, str]) -> dict[str, Any]:
    response = await door.post(f"{RUNS}/{run_id}/{verb}", headers=who)
    return {"http": response.status_code, **response.json()}


async def test_an_end_is_not_remembered_after_a_retry(doors: Doors) -> None:
    """F40, P5: ended here, begun anew there: what is said here next is heard."""
    left, right = doors
    run_id = await left.launch()
    await told(right, run_id, "cancel", ANA)
    refused = await told(left, run_id, "pause", BEN)
    await told(right, run_id, "retry", ANA)

    cancelled = await told(left, run_id, "cancel", BEN)

    assert (refused["http"], refused["context"]["status"]) == (409, "cancelled")
    assert (cancelled["http"], cancelled["was_live"], cancelled["actor"]) == (200, True, "ben")
    run = await right.json(f"{RUNS}/{run_id}")
    assert (run["status"], run["generation"]) == ("cancelled", 2)


async def test_a_pause_is_not_remembered_after_it_was_lifted(doors: Doors) -> None:
    """F38, P5: paused there, seen here, lifted there: a new pause here is a new pause."""
    left, right = doors
    run_id = await left.launch()
    await told(right, run_id, "pause", ANA)
    seen = await told(left, run_id, "pause", BEN)
    await told(right, run_id, "resume", ANA)

    paused = await told(left, run_id, "pause", BEN)
    again = await told(right, run_id, "pause", ANA)

    assert (seen["changed"], seen["actor"]) == (False, "ana")
    assert (paused["status"], paused["changed"], paused["actor"]) == ("paused", True, "ben")
    assert again == {**paused, "changed": False}
