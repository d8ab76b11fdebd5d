"""What a run can be told at all, and in which order a batch of it is heard."""

from __future__ import annotations

from flowrunner.core import inputs as inp
from flowrunner.core.model import Failure


def is_possible(given: inp.Input, size: int) -> bool:
    """Whether *given* can be meant for a run of *size* steps: it names only steps that exist."""
    match given:
        case inp.Launched(excluded=excluded):
            numbers = [number for number, _reason in excluded]
            return len(set(numbers)) == len(numbers) and all(0 <= n < size for n in numbers)
        case inp.StallFound(missing=missing):
            return all(0 <= number < size for number in missing)
        case inp.TimerFired(step=step):
            return inp.RUN_LEVEL <= step < size
        case inp.RetryRequested(from_step=step):
            return step is None or 0 <= step < size
        case (
            inp.CancelRequested()
            | inp.ReportRendered()
            | inp.PauseRequested()
            | inp.ResumeRequested()
            | inp.RenderRequested()
        ):
            return True
        case _:
            return 0 <= given.step < size


def precedence(given: inp.Input) -> int:
    """Rank *given* within its batch, low first, so that arrival does not choose the run's end.

    An explicit cancel beats a failure, a failure beats an agent stopped by hand (D2-33); a result
    that is there is kept before a failure stops its siblings (D2-32); and a person who decides
    is heard before the time is over.
    """
    match given:
        case inp.Launched():
            return 0
        case inp.CancelRequested():
            return 1
        case inp.PauseRequested() | inp.ResumeRequested():
            return 2
        case inp.TaskSettled(outcome=inp.Stopped()):
            return 6
        case inp.ApprovalGiven():
            return 4
        case inp.TaskSettled(outcome=inp.Errored()) | inp.TaskLost() | inp.StopRequested():
            return 5
        case inp.TimerFired() | inp.StallFound():
            return 5
        case _:
            return 5 if isinstance(getattr(given, "answer", None), Failure) else 3
