"""Values for tests, all pure: graphs in a tiny notation, histories of runs in words.

A step of a graph is `key`, then in this order what is special about it: `()` code, not an agent;
`?` it has a `when`; `!tolerate`, `!skip` or `!cascade`; `*3` at most three attempts; `<-a,b` its
needs. Whatever else a step can be is said by `a_graph`'s *changes*.

A word of a history is `<key> <verb>` or one of those of `_RUN_WORDS`:

  yes no broken       the answer to the step's question: go on, skip it, user code raised
  done failed flaky   its attempt ended: well, fatally, in a way that may heal
  stopped lost due    stopped by hand, lost with its worker, the retry timer fired
  unclaimed           nobody took its task in time
  has:x,y             the list of a step with `each`; `has:` is the empty one
  gathered            the list of its members' results is there
  over again          what the author says of a loop's last iteration
  sleeps awake        a wait begins, and ends
  asks                the question of an approval is there
  approved rejected   a person decides; `rejected:redo` says what that means here
  expired reminded    nobody did so in time
  calls:x             code asks an agent, by that key
  stop                a person ends that step
  retry               a person begins the ended run anew from that step
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from flowrunner.core import inputs as inp
from flowrunner.core.decision import Decision
from flowrunner.core.folding import fold
from flowrunner.core.graph import (
    ApprovalSpec,
    Graph,
    OnFail,
    RetryPolicy,
    Siblings,
    StepKind,
    StepSpec,
)
from flowrunner.core.model import Failure, FailureClass, Ref, RunState, unstarted
from flowrunner.core.readiness import needs_preparing
from flowrunner.core.scheduling import decide
from stories import questions, story

_STEP = re.compile(
    r"(?P<key>[a-z0-9][a-z0-9_-]*)(?P<code>\(\))?(?P<when>\?)?(?:!(?P<on_fail>tolerate|skip|cascade))?"
    r"(?:\*(?P<attempts>\d+))?(?:<-(?P<needs>[a-z0-9_,-]+))?\Z"
)

BROKEN = Failure("definition_error", "the prompt builder raised")
FATAL = Failure("agent_error", "it gave up")
FLAKY = Failure("overloaded", "try again", FailureClass.TRANSIENT)
QUOTA = Failure("quota_exhausted", "used up", FailureClass.QUOTA, provider="acme")


WAIT: Mapping[str, Any] = {"kind": StepKind.WAIT}
APPROVAL: Mapping[str, Any] = {"kind": StepKind.APPROVAL, "approval": ApprovalSpec()}


def a_graph(
    *steps: str,
    deadline: float | None = None,
    base_seconds: float = 2.0,
    siblings: Siblings = Siblings.STOP,
    **changes: Mapping[str, Any],
) -> Graph:
    """Read the notation above; raise ValueError for what it does not know.

    *changes* are fields of steps by their keys.
    """
    found = [_STEP.match(step) for step in steps]
    if None in found:
        raise ValueError(f"not a step: {steps[found.index(None)]!r}")
    matches = [match for match in found if match is not None]
    numbers = {match["key"]: number for number, match in enumerate(matches)}
    specs = tuple(
        replace(_a_step(match, numbers, base_seconds), **changes.get(match["key"], {}))
        for match in matches
    )
    return Graph(specs, deadline, siblings)


def _a_step(match: re.Match[str], numbers: Mapping[str, int], base_seconds: float) -> StepSpec:
    return StepSpec(
        match["key"],
        StepKind.CODE if match["code"] else StepKind.AGENT,
        needs=tuple(numbers[key] for key in match["needs"].split(",")) if match["needs"] else (),
        has_when=match["when"] is not None,
        on_fail=OnFail(match["on_fail"] or OnFail.FAIL),
        retry=RetryPolicy(int(match["attempts"] or 1), base_seconds),
    )


def launched(graph: Graph, *excluded: str) -> inp.Launched:
    reasons = tuple((graph.number_of(key), "gate") for key in excluded)
    return inp.Launched("review", "small", "d0", reasons)


def a_run(graph: Graph, *words: str, excluded: Iterable[str] = ()) -> RunState:
    """Return a launched run to which *words* happened, each committed by itself."""
    return after(told(unstarted(graph), launched(graph, *excluded)), *words)


def after(state: RunState, *words: str) -> RunState:
    """Let *words* happen one by one; a step that has to be prepared first, is."""
    for word in words:
        key, _, verb = word.partition(" ")
        is_answer = verb in _ANSWERS or verb.startswith("has:")
        if verb and not is_answer and _waits_for_answer(state, key):
            state = told(state, a_word(state, f"{key} yes"))
        state = told(state, a_word(state, word))
    return state


_ANSWERS = frozenset({"yes", "no", "broken", "sleeps", "asks", "stop", "retry"})


def _waits_for_answer(state: RunState, key: str) -> bool:
    number = number_of(state, key)
    step = state.steps[number]
    return step.is_ready and needs_preparing(state.spec(number), step)


def number_of(state: RunState, key: str) -> int:
    """Return the number of the latest step of that name, children and all."""
    return max(number for number, spec in enumerate(state.specs()) if spec.key == key)


def told(state: RunState, *given: inp.Input) -> RunState:
    """Commit one decision about *given*."""
    return fold(state, decide(state, given).events)


def decided(state: RunState, *words: str) -> Decision:
    """Decide about *words* as one batch."""
    return decide(state, [a_word(state, word) for word in words])


def what_happens(state: RunState, *words: str) -> list[str]:
    """Tell the decision about *words*, as one batch: its events, then what it asks."""
    decision = decided(state, *words)
    after = fold(state, decision.events)
    return [*story(after, decision.events), *questions(after, decision.asks)]


def an_epoch(step: int, attempt: int) -> int:
    """Return the epoch of the first lease of an attempt, as a test would have it."""
    return attempt * 100_000 + step + 1


def a_word(state: RunState, word: str) -> inp.Input:
    """Return the input that *word* means now; attempts and epochs are the current ones."""
    key, _, verb = word.partition(" ")
    if not verb:
        return _RUN_WORDS[key]
    number = number_of(state, key)
    name, _, rest = verb.partition(":")
    return _an_answer(state, number, name, rest) or _an_end(state, number, name, rest)


def _an_answer(state: RunState, number: int, verb: str, rest: str) -> inp.Input | None:
    spec, step = state.spec(number), state.steps[number]
    match verb:
        case "yes" if spec.kind is StepKind.AGENT and not spec.has_children:
            return inp.PromptBuilt(number, Ref(f"prompt of {spec.key}"))
        case "yes" | "no":
            return inp.GuardEvaluated(number, verb == "yes")
        case "broken":
            return inp.PromptBuilt(number, BROKEN)
        case "has":
            return inp.Expanded(number, tuple(rest.split(",")) if rest else (), Ref("list"))
        case "gathered":
            return inp.Gathered(number, Ref(f"output of {spec.key}"))
        case "over" | "again":
            count = step.family.size if step.family else 0
            return inp.LoopJudged(number, count, verb == "over", Ref(f"output of {spec.key}"))
        case "sleeps":
            return inp.WaitSet(number, float(rest or 60))
        case "asks":
            return inp.ApprovalBuilt(number, Ref("question"), "digest")
        case _:
            return None


def _an_end(state: RunState, number: int, verb: str, rest: str) -> inp.Input:
    key, attempt = state.spec(number).key, state.steps[number].attempt
    epoch = an_epoch(number, attempt)
    match verb:
        case "lost":
            return inp.TaskLost(number, attempt, epoch, "worker died")
        case "calls":
            return inp.CallAsked(number, attempt, epoch, rest, Ref(f"prompt {rest}"), "critic", 2)
        case "approved" | "rejected":
            is_yes = verb == "approved"
            answer = Ref(f"{verb} {key}")
            return inp.ApprovalGiven(number, attempt, is_yes, "ann", answer, "because", rest)
        case "stop":
            return inp.StopRequested(number, "too slow", "ann")
        case "retry":
            return inp.RetryRequested("once more", "ann", number)
        case _ if verb in _TIMERS:
            return inp.TimerFired(_TIMERS[verb], number, int(rest or attempt))
        case _:
            return inp.TaskSettled(number, attempt, epoch, _an_outcome(key, verb, rest))


_TIMERS: Mapping[str, inp.TimerKind] = {
    "due": inp.TimerKind.RETRY,
    "unclaimed": inp.TimerKind.QUEUE,
    "awake": inp.TimerKind.WAKE,
    "expired": inp.TimerKind.EXPIRY,
    "reminded": inp.TimerKind.REMINDER,
}


def _an_outcome(key: str, verb: str, rest: str = "") -> inp.Outcome:
    match verb:
        case "quota":
            return inp.Errored(QUOTA, pause_seconds=float(rest) if rest else None)
        case "done":
            return inp.Succeeded(Ref(f"output of {key}"))
        case "failed":
            return inp.Errored(FATAL)
        case "flaky":
            return inp.Errored(FLAKY)
        case "stopped":
            return inp.Stopped("by hand")
        case _:
            raise ValueError(f"no such verb: {verb}")


_RUN_WORDS: Mapping[str, inp.Input] = {
    "deadline": inp.TimerFired(inp.TimerKind.RUN_DEADLINE, inp.RUN_LEVEL, 0),
    "cancel": inp.CancelRequested("no longer wanted", "ann"),
    "report": inp.ReportRendered(Ref("report"), "ok"),
    "no-report": inp.ReportRendered(Failure("definition_error", "render raised")),
    "stall": inp.StallFound("nothing to wait for"),
    "pause": inp.PauseRequested("wait", "ann"),
    "resume": inp.ResumeRequested("go on", "ann"),
    "retry": inp.RetryRequested("once more", "ann"),
    "rerender": inp.RenderRequested("ann"),
}
