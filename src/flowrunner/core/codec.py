"""Events as rows and back: a type, a step number and a small body that leaves defaults out."""

from __future__ import annotations

from dataclasses import MISSING, Field, fields
from typing import Any, ClassVar, Protocol, TypeAlias

from flowrunner.core import events as ev
from flowrunner.core.model import Failure, FailureClass, Losses, Usage

Body: TypeAlias = dict[str, Any]

TYPES: dict[str, type[ev.Event]] = {
    "run.started": ev.RunStarted,
    "step.dispatched": ev.StepDispatched,
    "step.retrying": ev.StepRetrying,
    "step.completed": ev.StepCompleted,
    "step.failed": ev.StepFailed,
    "step.skipped": ev.StepSkipped,
    "step.cancelled": ev.StepCancelled,
    "result.rejected": ev.ResultRejected,
    "run.failing": ev.RunFailing,
    "run.repaired": ev.RunRepaired,
    "run.completed": ev.RunCompleted,
    "run.failed": ev.RunFailed,
    "run.cancelled": ev.RunCancelled,
    "step.expanded": ev.StepExpanded,
    "step.iterated": ev.StepIterated,
    "step.slept": ev.StepSlept,
    "step.due": ev.StepDue,
    "call.requested": ev.CallRequested,
    "approval.requested": ev.ApprovalRequested,
    "approval.reminded": ev.ApprovalReminded,
    "approval.decided": ev.ApprovalDecided,
    "run.paused": ev.RunPaused,
    "run.resumed": ev.RunResumed,
    "run.retried": ev.RunRetried,
    "run.rendered": ev.RunRendered,
}
_NAMES = {kind: name for name, kind in TYPES.items()}


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


def type_of(event: ev.Event) -> str:
    return _NAMES[type(event)]


def encode(event: ev.Event) -> tuple[str, int | None, Body]:
    """Return the event's type, its step number if it has one, and its body, as JSON reads it back.

    Whether a commit of unknown outcome was ours is told by comparing just that.
    """
    body = _plain(event)
    step: int | None = body.pop("step", None)
    return _NAMES[type(event)], step, body


def decode(name: str, step: int | None, body: Body) -> ev.Event:
    """Invert `encode`. Raises KeyError for a type this version does not know."""
    kind = TYPES[name]
    values = {key: _rich(key, value) for key, value in body.items()}
    if step is not None:
        values["step"] = step
    return kind(**values)


def _plain(value: _Dataclass) -> Body:
    plain: Body = {}
    for field in fields(value):
        given = getattr(value, field.name)
        if field.default is not MISSING and given == field.default:
            continue
        plain[field.name] = _as_json(given)
    return plain


def _as_json(value: Any) -> Any:
    match value:
        case Failure() | Usage() | Losses():
            return _plain(value)
        case tuple():
            return [_as_json(each) for each in value]  # pyright: ignore[reportUnknownVariableType]  # of whatever
        case _:
            return value


def read_failure(stored: Body) -> Failure:
    """A failure as events and rows hold it; what is left out is what it is by default."""
    failure_class = FailureClass(stored.get("failure_class", FailureClass.FATAL))
    more = (stored.get("hint", ""), stored.get("provider", ""))
    return Failure(stored["code"], stored["message"], failure_class, *more)


def _rich(key: str, value: Any) -> Any:
    match key:
        case "error":
            return read_failure(value)
        case "losses":
            return Losses(**value)
        case "usage":
            return Usage(**value)
        case "excluded":
            return tuple((number, reason) for number, reason in value)
        case "keys" | "steps" | "reopened":
            return tuple(value)
        case _:
            return value
