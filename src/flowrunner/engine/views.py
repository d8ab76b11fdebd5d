"""A run as user code may see it: its input, what its steps said, and how they ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from flowrunner.core import events as ev
from flowrunner.core.errors import MEANINGLESS
from flowrunner.core.folding import fold
from flowrunner.core.model import Failure, Ref, RunState, Usage
from flowrunner.db.changes import spent
from flowrunner.db.events import EventRow
from flowrunner.db.runs import LoadedRun, RunMeta


@dataclass(frozen=True, slots=True)
class RunView:
    """State and results at one instant. *ahead* holds what is decided but not committed yet.

    None in it stands for a result that is forgotten, because its step begins anew.
    *fresh* are the bodies that these results refer to: the database does not have them yet.
    """

    meta: RunMeta
    state: RunState
    outputs: dict[int, Ref]
    errors: dict[int, Failure]
    reasons: dict[int, str]
    ahead: dict[int, Ref | Failure | None] = field(
        default_factory=dict[int, "Ref | Failure | None"]
    )
    fresh: Mapping[Ref, bytes] = field(default_factory=dict[Ref, bytes])
    usage: Usage = Usage()
    """What all attempts consumed so far."""
    decided: tuple[ev.ApprovalDecided, ...] = ()
    """What people said so far."""

    @classmethod
    def of(cls, loaded: LoadedRun) -> RunView:
        return cls(
            loaded.meta,
            loaded.state,
            loaded.outputs,
            loaded.errors,
            loaded.reasons,
            usage=loaded.usage,
            decided=loaded.decided,
        )

    def moved(
        self, state: RunState, events: Iterable[ev.Event], fresh: Mapping[Ref, bytes]
    ) -> RunView:
        """The view after *events* that are not committed: this one is left as it was."""
        events = tuple(events)
        ahead = {**self.ahead, **_results(events)}
        usage = _added(self.usage, spent(events))
        decided = self.decided + _decided(events)
        return replace(self, state=state, ahead=ahead, fresh=fresh, usage=usage, decided=decided)

    def committed(self, state: RunState, events: Iterable[ev.Event]) -> RunView:
        """The view after *events* were committed; takes over this view's results."""
        events = tuple(events)
        for step in _begun_anew(events):
            for known in (self.outputs, self.errors, self.reasons):
                known.pop(step, None)
        for step, result in _results(events).items():
            if isinstance(result, Failure):
                self.errors[step] = result
            elif result is not None:
                self.outputs[step] = result
        self.reasons.update(_reasons(events))
        usage = _added(self.usage, spent(events))
        decided = self.decided + _decided(events)
        return replace(self, state=state, ahead={}, fresh={}, usage=usage, decided=decided)

    def caught_up(self, rows: Iterable[EventRow]) -> RunView | None:
        """The view after what others committed; None if only the run's rows say what it means."""
        try:
            events = [row.decoded() for row in rows]
            return self.committed(fold(self.state, events), events)
        except MEANINGLESS:
            return None

    def output(self, step: int) -> Ref | None:
        result = self.ahead[step] if step in self.ahead else self.outputs.get(step)
        return None if isinstance(result, Failure) else result

    def error(self, step: int) -> Failure | None:
        if step in self.ahead and self.ahead[step] is None:
            return None
        result = self.ahead.get(step)
        return result if isinstance(result, Failure) else self.errors.get(step)


def _decided(events: Iterable[ev.Event]) -> tuple[ev.ApprovalDecided, ...]:
    return tuple(event for event in events if isinstance(event, ev.ApprovalDecided))


def _begun_anew(events: Iterable[ev.Event]) -> set[int]:
    """Steps whose earlier results do not count any more."""
    retried = (event for event in events if isinstance(event, ev.RunRetried))
    return {step for event in retried for step in (*event.steps, *event.reopened)}


def _added(so_far: Usage, more: Usage) -> Usage:
    return Usage(
        so_far.input_tokens + more.input_tokens,
        so_far.output_tokens + more.output_tokens,
        so_far.cost_microusd + more.cost_microusd,
    )


def _reasons(events: Iterable[ev.Event]) -> dict[int, str]:
    reasons: dict[int, str] = {}
    for event in events:
        match event:
            case ev.RunStarted(excluded=excluded):
                reasons.update(excluded)
            case (
                ev.StepSkipped(step=step, reason=reason)
                | ev.StepCancelled(step=step, reason=reason)
            ):
                reasons[step] = reason
            case ev.RunRetried(steps=steps, reopened=reopened):
                for step in (*steps, *reopened):
                    reasons.pop(step, None)
            case _:
                pass
    return reasons


def _results(events: Iterable[ev.Event]) -> dict[int, Ref | Failure | None]:
    """The last word on each step; None: it begins anew."""
    results: dict[int, Ref | Failure | None] = {}
    for event in events:
        match event:
            case ev.StepCompleted(step=step, output=output):
                results[step] = output
            case ev.StepFailed(step=step, error=error) | ev.StepRetrying(step=step, error=error):
                results[step] = error
            case ev.RunRetried(steps=steps, reopened=reopened):
                results |= dict.fromkeys((*steps, *reopened))
            case _:
                pass
    return results
