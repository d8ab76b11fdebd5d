"""Values for tests, all pure: graphs in a tiny notation, histories of runs in words.

A step of a graph is `key`, then in this order what is special about it: `()` code, not an agent;
`?` it has a `when`; `!tolerate`; `*3` at most three attempts; `<-a,b` its needs.

A word of a history is `<key> <verb>` or one of `deadline cancel report no-report stall`:

  yes no broken       the answer to the step's question: go on, skip it, user code raised
  done failed flaky   its attempt ended: well, fatally, in a way that may heal
  stopped lost due    stopped by hand, lost with its worker, the retry timer fired
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from flowrunner.core import events as ev
from flowrunner.core import inputs as inp
from flowrunner.core.decision import Ask, Decision, Prepare, Render
from flowrunner.core.folding import fold
from flowrunner.core.graph import Graph, OnFail, RetryPolicy, StepKind, StepSpec
from flowrunner.core.model import Failure, FailureClass, Ref, RunState, unstarted
from flowrunner.core.readiness import needs_preparing
from flowrunner.core.scheduling import decide

_STEP = re.compile(
    r"(?P<key>[a-z0-9][a-z0-9_-]*)(?P<code>\(\))?(?P<when>\?)?(?P<tolerate>!tolerate)?"
    r"(?:\*(?P<attempts>\d+))?(?:<-(?P<needs>[a-z0-9_,-]+))?\Z"
)

BROKEN = Failure("definition_error", "the prompt builder raised")
FATAL = Failure("agent_error", "it gave up")
FLAKY = Failure("overloaded", "try again", FailureClass.TRANSIENT)


def a_graph(*steps: str, deadline: float | None = None, base_seconds: float = 2.0) -> Graph:
    """Read the notation above; raise ValueError for what it does not know."""
    found = [_STEP.match(step) for step in steps]
    if None in found:
        raise ValueError(f"not a step: {steps[found.index(None)]!r}")
    matches = [match for match in found if match is not None]
    numbers = {match["key"]: number for number, match in enumerate(matches)}
    specs = tuple(_a_step(match, numbers, base_seconds) for match in matches)
    return Graph(specs, deadline)


def _a_step(match: re.Match[str], numbers: Mapping[str, int], base_seconds: float) -> StepSpec:
    return StepSpec(
        match["key"],
        StepKind.CODE if match["code"] else StepKind.AGENT,
        needs=tuple(numbers[key] for key in match["needs"].split(",")) if match["needs"] else (),
        has_when=match["when"] is not None,
        on_fail=OnFail.TOLERATE if match["tolerate"] else OnFail.FAIL,
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
        if verb and verb not in _ANSWERS and _waits_for_answer(state, key):
            state = told(state, a_word(state, f"{key} yes"))
        state = told(state, a_word(state, word))
    return state


_ANSWERS = frozenset({"yes", "no", "broken"})


def _waits_for_answer(state: RunState, key: str) -> bool:
    number = state.graph.number_of(key)
    step = state.steps[number]
    return step.is_ready and needs_preparing(state.graph.steps[number], step)


def told(state: RunState, *given: inp.Input) -> RunState:
    """Commit one decision about *given*."""
    return fold(state, decide(state, given).events)


def decided(state: RunState, *words: str) -> Decision:
    """Decide about *words* as one batch."""
    return decide(state, [a_word(state, word) for word in words])


def what_happens(state: RunState, *words: str) -> list[str]:
    """Tell the decision about *words*, as one batch: its events, then what it asks."""
    decision = decided(state, *words)
    return [*story(state.graph, decision.events), *questions(state.graph, decision.asks)]


def an_epoch(step: int, attempt: int) -> int:
    """Return the epoch of the first lease of an attempt, as a test would have it."""
    return attempt * 100_000 + step + 1


def a_word(state: RunState, word: str) -> inp.Input:
    """Return the input that *word* means now; attempts and epochs are the current ones."""
    key, _, verb = word.partition(" ")
    if not verb:
        return _RUN_WORDS[key]
    number = state.graph.number_of(key)
    attempt = state.steps[number].attempt
    epoch = an_epoch(number, attempt)
    match verb:
        case "yes" if state.graph.steps[number].kind is StepKind.AGENT:
            return inp.PromptBuilt(number, Ref(f"prompt of {key}"))
        case "yes" | "no":
            return inp.GuardEvaluated(number, verb == "yes")
        case "broken":
            return inp.PromptBuilt(number, BROKEN)
        case "lost":
            return inp.TaskLost(number, attempt, epoch, "worker died")
        case "due":
            return inp.TimerFired(inp.TimerKind.RETRY, number, attempt)
        case _:
            return inp.TaskSettled(number, attempt, epoch, _an_outcome(key, verb))


def _an_outcome(key: str, verb: str) -> inp.Outcome:
    match verb:
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
}


def story(graph: Graph, events: Iterable[ev.Event]) -> list[str]:
    """Tell *events* in words, one line each, so that a table can be read aloud."""
    return [_sentence(graph, event) for event in events]


def _sentence(graph: Graph, event: ev.Event) -> str:
    match event:
        case ev.RunStarted(excluded=excluded):
            return " ".join(["run started", *(f"-{graph.steps[n].key}" for n, _ in excluded)])
        case ev.RunFailing(error=error) | ev.RunFailed(error=error):
            return f"run {'failed' if isinstance(event, ev.RunFailed) else 'failing'}: {error.code}"
        case ev.RunRepaired():
            return "run repaired"
        case ev.RunCompleted(degraded=degraded):
            return "run completed, degraded" if degraded else "run completed"
        case ev.RunCancelled(reason=reason, actor=actor):
            return f"run cancelled by {actor}: {reason}"
        case _:
            return f"{graph.steps[event.step].key}{_step_sentence(event)}"


def _step_sentence(event: ev.StepEvent | ev.ResultRejected) -> str:
    match event:
        case ev.StepDispatched(attempt=attempt):
            return f"#{attempt} dispatched"
        case ev.StepCompleted(attempt=attempt):
            return f"#{attempt} completed"
        case ev.StepRetrying(attempt=attempt, error=error):
            return f"#{attempt} retrying: {error.code}"
        case ev.StepFailed(attempt=attempt, error=error, tolerated=tolerated):
            return f"#{attempt} failed: {error.code}{', tolerated' * tolerated}"
        case ev.ResultRejected(attempt=attempt, outcome=outcome):
            return f"#{attempt} rejected: {outcome}"
        case ev.StepSkipped(reason=reason):
            return f" skipped: {reason}"
        case ev.StepCancelled(reason=reason):
            return f" cancelled: {reason}"


def questions(graph: Graph, asks: Iterable[Ask]) -> list[str]:
    return [_question(graph, ask) for ask in asks]


def _question(graph: Graph, ask: Ask) -> str:
    match ask:
        case Prepare(step=step):
            return f"prepare {graph.steps[step].key}?"
        case Render(partial=partial):
            return "render what there is?" if partial else "render?"


def statuses(state: RunState) -> dict[str, str]:
    """Return each step's status by key, and the run's under `run`."""
    found = {
        spec.key: str(step.status)
        for spec, step in zip(state.graph.steps, state.steps, strict=True)
    }
    return {"run": str(state.status), **found}
