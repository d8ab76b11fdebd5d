"""What a report means as it is: whether its answer can be taken is for `accepting` to say."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

from flowrunner.core import inputs as inp
from flowrunner.core.model import Failure, FailureClass, Losses, Ref, Usage
from flowrunner.db.payloads import ref_of
from flowrunner.engine.letters import Answer
from flowrunner.wire.tasks import TaskReport


def judge(report: TaskReport) -> tuple[inp.Outcome, dict[Ref, bytes]]:
    """Turn a report into an outcome and the payloads it needs."""
    usage = Usage(**report.usage.model_dump())
    if report.outcome == "cancelled":
        return inp.Stopped("the dispatcher stopped the agent"), {}
    kept = _kept(report)
    if report.outcome == "failed":
        error = report.error
        assert error is not None  # noqa: S101  # TaskReport's validator
        of_class = FailureClass(error.failure_class)
        provider = (report.provider or "") if of_class is FailureClass.QUOTA else ""
        given = Failure(error.code, error.message, of_class, error.hint or "", provider)
        return inp.Errored(given, usage, kept.record, kept.partial), kept.bodies
    body = (report.output or "").encode()
    ref = ref_of(body)
    losses = Losses(report.truncated_bytes, report.replaced_count)
    return inp.Succeeded(ref, usage, losses, kept.record), {ref: body, **kept.bodies}


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is kept beside the answer, and its bodies."""

    record: Ref | None = None
    partial: Ref | None = None
    bodies: dict[Ref, bytes] = field(default_factory=dict[Ref, bytes])


def _kept(report: TaskReport) -> _Kept:
    bodies: dict[Ref, bytes] = {}

    def keep(text: str | None) -> Ref | None:
        if not text:
            return None
        ref = ref_of(text.encode())
        bodies[ref] = text.encode()
        return ref

    told = json.dumps(report.record, sort_keys=True) if report.record else None
    partial = report.partial if (report.partial or "").strip() else None
    return _Kept(keep(told), keep(partial), bodies)


def waiting(answer: Answer, pause_seconds: float | None) -> Answer:
    """Say how long the provider answers nobody, by the database's clock; where it was a failure."""
    match answer.given:
        case inp.TaskSettled(outcome=inp.Errored() as errored) if pause_seconds is not None:
            outcome = replace(errored, pause_seconds=pause_seconds)
            return replace(answer, given=replace(answer.given, outcome=outcome))
        case _:
            return answer
