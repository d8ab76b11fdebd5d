"""The flows that schedules play: one for each thing that a run can be about."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from builders import a_graph
from flowrunner.core.graph import (
    CODE_QUEUE,
    ApprovalSpec,
    EachSpec,
    Expiry,
    Graph,
    JsonObject,
    Limits,
    OnSkip,
    Rejection,
    RepeatSpec,
    RetryPolicy,
    Siblings,
    StepKind,
    Trigger,
)

MEMBERS = ("x", "y", "z")
CODE: Mapping[str, Any] = {"kind": StepKind.CODE, "queue": CODE_QUEUE}
WAIT: Mapping[str, Any] = {"kind": StepKind.WAIT}


@dataclass(frozen=True)
class Shape:
    """A flow, what its author's code says, and what people do meanwhile.

    *refused* steps have a `when` that says no; *calls* are those of code steps; *doomed* agents
    fail whatever happens.
    """

    graph: Graph
    acts: tuple[str, ...] = ()
    refused: frozenset[str] = frozenset()
    calls: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, "tuple[str, ...]"])
    doomed: frozenset[str] = frozenset()

    @cached_property
    def has_code(self) -> bool:
        return any(step.kind is StepKind.CODE for step in self.graph.steps)

    @cached_property
    def stored(self) -> JsonObject:
        """As the database gives it back."""
        return json.loads(json.dumps(self.graph.to_json()))


def _asks(**spec: Any) -> Mapping[str, Any]:
    return {"kind": StepKind.APPROVAL, "approval": ApprovalSpec(**spec)}


_AGAIN = RetryPolicy(3, 0.5, 2.0)

SHAPES: Mapping[str, Shape] = {
    "sequence": Shape(a_graph("a", "b<-a", "c<-b")),
    "fan": Shape(a_graph("a", "b<-a", "c<-a", "d?<-a", "e<-b,c,d"), refused=frozenset({"d"})),
    "map": Shape(
        a_graph(
            "plan",
            "each<-plan",
            "sum<-each",
            each={"each": EachSpec(parallel=2, quorum_count=2), "retry": _AGAIN},
        )
    ),
    "loop": Shape(
        a_graph("draft", "polish<-draft", "ship<-polish", polish={"repeat": RepeatSpec(at_most=3)})
    ),
    "approval": Shape(
        a_graph(
            "plan",
            "ask<-plan",
            "aside<-plan",
            "do<-ask",
            ask=_asks(
                on_reject=Rejection.REDO,
                redo_from=0,
                max_redos=1,
                expires_seconds=9.0,
                on_expiry=Expiry.CONTINUE,
                remind_seconds=0.4,
            ),
        ),
        acts=("decide",),
    ),
    "cancel": Shape(a_graph("a", "b", "c<-a", "d<-b"), acts=("cancel",)),
    "pause": Shape(
        a_graph("a*2", "b<-a", "nap<-a", "c<-b,nap", nap=WAIT), acts=("pause", "resume")
    ),
    "retry": Shape(
        a_graph("a", "b*3<-a", "c<-b", "d<-a", b={"retry": _AGAIN}), acts=("retry", "retry")
    ),
    "code": Shape(
        a_graph("read()", "check()*2<-read", "tell<-check", read=CODE, check=CODE),
        calls={"check": ("one", "two", "three")},
    ),
    "timers": Shape(
        a_graph(
            "a",
            "nap<-a",
            "b<-nap",
            "c",
            deadline=25.0,
            nap=WAIT,
            c={"limits": Limits(queue_seconds=6.0)},
        )
    ),
    "drain": Shape(
        a_graph("bad", "a", "list", "b<-a", siblings=Siblings.DRAIN, list={"each": EachSpec()}),
        doomed=frozenset({"bad"}),
        acts=("retry",),
    ),
    "cascade": Shape(
        a_graph(
            "bad!cascade",
            "ok",
            "cut<-bad",
            "late?<-ok",
            "any<-cut,ok",
            "last<-late,any",
            late={"on_skip": OnSkip.CASCADE},
            any={"trigger": Trigger.ANY},
            last={"trigger": Trigger.ALL_DONE},
        ),
        refused=frozenset({"late"}),
        doomed=frozenset({"bad"}),
    ),
    "stop": Shape(a_graph("a", "b!tolerate<-a", "c<-b", "list<-a", list={"each": EachSpec(parallel=1)}),
                  acts=("stop", "stop", "render")),
}  # fmt: skip
