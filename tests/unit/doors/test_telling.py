"""Telling a live run something, when others end it and begin it anew meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from flowrunner.core import inputs as inp
from flowrunner.core.decision import Verdict
from flowrunner.core.model import RunId, RunStatus
from flowrunner.db.lookup import RunHead
from flowrunner.engine.residents import Residents
from flowrunner.service.control import ended, tell_live
from flowrunner.service.finding import RunFinder, uuid7

pytestmark = pytest.mark.anyio

LATE, ACCEPTED = Verdict.LATE, Verdict.ACCEPTED
RUNNING, FAILED = RunStatus.RUNNING, RunStatus.FAILED


@dataclass
class World:
    """Answers as told, in turn; it is both who is told and who is asked how the run stands."""

    verdicts: list[Verdict]
    statuses: list[RunStatus]
    told: list[inp.Input] = field(default_factory=list[inp.Input])

    @property
    def status(self) -> RunStatus:
        return self.statuses.pop(0)

    async def tell(self, _run_id: RunId, given: inp.Input) -> Verdict:
        self.told.append(given)
        return self.verdicts.pop(0)

    async def head(self, _run_id: RunId) -> Any:
        return self


@pytest.mark.parametrize(
    ("verdicts", "statuses", "expected", "tells"),
    [
        ([ACCEPTED], [], ACCEPTED, 1),
        ([LATE], [FAILED], LATE, 1),
        ([LATE, ACCEPTED], [RUNNING], ACCEPTED, 2),
        ([LATE, LATE], [RUNNING, FAILED], LATE, 2),
        ([LATE] * 4, [RUNNING] * 4, LATE, 4),
    ],
    ids=["heard", "ended", "begun-anew", "ended-again", "never-ending"],
)
async def test_an_end_that_was_undone_is_no_reason(
    verdicts: list[Verdict], statuses: list[RunStatus], expected: Verdict, tells: int
) -> None:
    """F38, F40: too late for an end that a retry has undone is not too late; it has a bound."""
    world = World(verdicts, statuses)
    residents, finder = cast("Residents", world), cast("RunFinder", world)

    verdict = await tell_live(residents, finder, RunId(uuid7()), inp.PauseRequested("lunch", "ana"))

    assert verdict is expected
    assert len(world.told) == tells


def test_what_lives_is_not_said_to_have_ended() -> None:
    """F36: who lost every race is told how the run stands, and to ask again."""
    head = RunHead(RunId(uuid7()), RUNNING, 7, None)

    told = ended(head, None, "could be paused")

    assert str(told) == "the run ended and began anew before it could be paused"
    assert (told.context, told.hint) == ({"status": "running"}, "ask again")
