"""What people say to a run, and what it then does: approvals, pauses, stops, reports again."""

from __future__ import annotations

from typing import Any

import pytest

from builders import WAIT, a_graph, a_run, a_word, decided, told, what_happens
from flowrunner.core import events as ev
from flowrunner.core import inputs as inp
from flowrunner.core.bodies import EXPIRED_APPROVED, EXPIRED_REJECTED
from flowrunner.core.decision import Render, SetTimer, TimerGuard, Verdict
from flowrunner.core.graph import ApprovalSpec, EachSpec, Expiry, Graph, Rejection, StepKind
from flowrunner.core.model import Failure, Ref, RunState
from flowrunner.core.scheduling import decide
from stories import statuses

REJECTED = ["b cancelled: sibling_failed", "render what there is?"]


def asking(**spec: Any) -> dict[str, Any]:
    return {"kind": StepKind.APPROVAL, "approval": ApprovalSpec(**spec)}


def asked(**spec: Any) -> RunState:
    """A run whose step q has asked; b comes after it."""
    return a_run(a_graph("q", "b()<-q", q=asking(**spec)), "q asks")


def test_a_question_has_its_times() -> None:
    """F43: it is asked once, with the time it has, and what it says is pinned by its digest."""
    graph = a_graph("q", q=asking(expires_seconds=60.0, remind_seconds=10.0))

    decision = decided(a_run(graph), "q asks")

    assert decision.events == (ev.ApprovalRequested(0, 1, Ref("question"), "digest", 60.0),)
    assert decision.timers == (
        SetTimer(inp.TimerKind.EXPIRY, 0, 1, 60.0),
        SetTimer(inp.TimerKind.REMINDER, 0, 1, 10.0),
    )
    assert decided(a_run(a_graph("q", q=asking())), "q asks").timers == ()


@pytest.mark.parametrize(
    ("word", "lines"),
    [
        ("q approved", ["q approved by ann", "q#1 completed", "b#1 dispatched"]),
        ("q rejected", ["q rejected by ann: stop", "q#1 failed: approval_rejected", *REJECTED]),
        (
            "q rejected:continue",
            ["q rejected by ann: continue", "q#1 completed", "b#1 dispatched"],
        ),
        ("q rejected:redo", []),
        ("q rejected:nonsense", []),
        ("q asks", []),
    ],
)
def test_a_person_decides(word: str, lines: list[str]) -> None:
    """F41, F42, D2-10: what it means is in the log; what nobody knows, or offered, means nothing."""
    decision = decided(asked(), word)

    assert what_happens(asked(), word) == lines
    assert decision.verdicts == (Verdict.ACCEPTED if lines else Verdict.LATE,)
    for event in decision.events:
        if isinstance(event, ev.StepCompleted):
            assert event.output == Ref("approved q" if word == "q approved" else "rejected q")


def test_a_rejection_says_who_and_why() -> None:
    """F41, R2-46: the step's error names the person; without a reason it says so."""
    state = asked()
    silent = inp.ApprovalGiven(0, 1, approved=False, actor="ann", answer=Ref("no"))

    events = decide(state, [silent]).events

    message = "rejected by ann: no reason given"
    assert events[:2] == (
        ev.ApprovalDecided(0, approved=False, actor="ann", answer=Ref("no"), then="stop"),
        ev.StepFailed(0, 1, Failure("approval_rejected", message)),
    )


@pytest.mark.parametrize(
    ("graph", "word"),
    [
        (a_graph("a"), "a asks"),
        (a_graph("w", w=WAIT), "w approved"),
        (a_graph("q", q=asking()), "q approved"),
    ],
    ids=["an-agent", "a-wait", "not-asked-yet"],
)
def test_what_asks_nothing_is_not_decided(graph: Graph, word: str) -> None:
    """D2-10: only a question that is open can be answered."""
    state = a_run(graph, *(["w sleeps"] if "w" in graph.numbers else []))

    assert decided(state, word).verdicts == (Verdict.LATE,)
    assert decided(state, word).events == ()


def test_the_first_decision_stands() -> None:
    """D2-10, F42: whoever comes second, or answers an earlier round, is late."""
    state = asked()
    given = a_word(state, "q approved")
    earlier = inp.ApprovalGiven(0, 2, approved=True, actor="ann", answer=Ref("yes"))

    assert decide(told(state, given), [given]).verdicts == (Verdict.LATE,)
    assert decide(state, [earlier]).events == ()


@pytest.mark.parametrize(
    ("expiry", "lines", "answer"),
    [
        (Expiry.FAIL, ["q#1 failed: approval_expired", *REJECTED], None),
        (
            Expiry.APPROVE,
            ["q approved by expiry", "q#1 completed", "b#1 dispatched"],
            EXPIRED_APPROVED,
        ),
        (
            Expiry.CONTINUE,
            ["q rejected by expiry: continue", "q#1 completed", "b#1 dispatched"],
            EXPIRED_REJECTED,
        ),
    ],
)
def test_nobody_decides_in_time(expiry: Expiry, lines: list[str], answer: Ref | None) -> None:
    """F43: the question's own time, not that of an earlier round, and by its policy."""
    state = asked(expires_seconds=60.0, on_expiry=expiry)
    decision = decided(state, "q expired")

    assert what_happens(state, "q expired") == lines
    assert decision.guards == (TimerGuard(inp.TimerKind.EXPIRY, 0, 1),)
    assert decided(state, "q expired:7").verdicts == (Verdict.LATE,)
    said = [event for event in decision.events if isinstance(event, ev.ApprovalDecided)]
    assert [(each.actor, each.answer) for each in said] == ([("expiry", answer)] if answer else [])
    ends = [event for event in decision.events if isinstance(event, ev.StepCompleted)]
    assert ends == ([ev.StepCompleted(0, 1, answer)] if answer else [])


def test_an_expired_question_says_so() -> None:
    """F43, R2-46: the step's error is in words that people read."""
    error = Failure("approval_expired", "nobody decided in time")

    assert decided(asked(expires_seconds=1.0), "q expired").events[0] == ev.StepFailed(0, 1, error)


def test_reminders_come_to_an_end() -> None:
    """F43: each sets the next one, twenty in all; an answered question is not repeated."""
    state = asked(remind_seconds=10.0)

    assert what_happens(state, "q reminded:1") == ["q reminded: 1"]
    assert decided(state, "q reminded:19").timers == (
        SetTimer(inp.TimerKind.REMINDER, 0, 20, 10.0),
    )
    assert decided(state, "q reminded:20").timers == ()
    first = decided(state, "q reminded:1")
    assert first.verdicts == (Verdict.ACCEPTED,)
    assert first.guards == (TimerGuard(inp.TimerKind.REMINDER, 0, 1),)
    late = decided(told(state, a_word(state, "q approved")), "q reminded:2")
    assert (late.events, late.verdicts) == ((), (Verdict.LATE,))


def sent_back(*words: str) -> RunState:
    """Draft d is asked about by q; x goes on beside them."""
    redo = asking(on_reject=Rejection.REDO, redo_from=0, max_redos=1)
    return a_run(a_graph("d", "x", "q<-d", q=redo), "d done", "x yes", "q asks", *words)


def test_a_rejection_sends_back_what_leads_to_it() -> None:
    """F41: the draft is made anew and asked about anew; the rest goes on, and it is told why."""
    state = sent_back()

    decision = decided(state, "q rejected")

    assert what_happens(state, "q rejected") == [
        "q rejected by ann: redo",
        "run retried, generation 2: d q",
        "prepare d?",
    ]
    assert decision.events[-1] == ev.RunRetried(2, (0, 2), "because", "ann", "d")
    after = told(state, a_word(state, "q rejected"))
    assert statuses(after) == {"run": "running", "d": "pending", "x": "running", "q": "pending"}


def test_what_is_made_anew_is_stopped_first() -> None:
    """F41, D2-13: what is at work below the draft, its calls as well; and no reason is one too."""
    redo = asking(on_reject=Rejection.REDO, redo_from=0)
    state = a_run(a_graph("d", "m()<-d", "q<-d", q=redo), "d done", "q asks", "m calls:x")
    silent = inp.ApprovalGiven(2, 1, approved=False, actor="ann", answer=Ref("no"))

    events = decide(state, [silent]).events

    assert events[1:4] == (
        ev.StepCancelled(1, "sent_back"),
        ev.StepCancelled(3, "sent_back"),
        ev.RunRetried(2, (0, 1, 2), "rejected", "ann", "d"),
    )


def test_a_run_is_sent_back_so_often_and_no_more() -> None:
    """F41: then a rejection is a rejection, and says how often it was tried."""
    state = sent_back("q rejected", "d done", "q asks")

    events = decided(state, "q rejected").events

    message = "rejected by ann after 1 redos: because"
    assert events[1] == ev.StepFailed(2, 2, Failure("approval_rejected", message))
    assert what_happens(state, "q rejected")[0] == "q rejected by ann: stop"


def test_a_question_that_lost_its_timers_gets_them_again() -> None:
    """P4: the detector names it; without a name an open question is no stall."""
    state = asked(expires_seconds=60.0, remind_seconds=10.0)

    repaired = decide(state, [inp.StallFound("no timer", (0,))])

    assert [(timer.kind, timer.token) for timer in repaired.timers] == [
        (inp.TimerKind.EXPIRY, 1),
        (inp.TimerKind.REMINDER, 1),
    ]
    assert decided(state, "stall").verdicts == (Verdict.LATE,)


def test_a_paused_run_offers_nothing_and_hears_what_ends() -> None:
    """F38: results count, a due retry waits, prompts are asked for again when it goes on."""
    state = a_run(a_graph("a", "b<-a", "c*2"), "a yes", "c flaky")

    paused = told(state, a_word(state, "pause"))
    assert decided(state, "pause").events == (ev.RunPaused("wait", "ann"),)
    assert decided(paused, "pause").verdicts == (Verdict.DUPLICATE,)
    assert what_happens(paused, "c due") == ["c due"]
    assert what_happens(paused, "a done") == ["a#1 completed"]

    ready = told(told(paused, a_word(paused, "c due")), a_word(paused, "a done"))
    assert decided(ready, "b yes").verdicts == (Verdict.LATE,)
    assert what_happens(ready, "resume") == ["run resumed", "c#2 dispatched", "prepare b?"]
    assert decided(ready, "resume").events[0] == ev.RunResumed("go on", "ann")
    assert decided(state, "resume").verdicts == (Verdict.DUPLICATE,)


def test_a_paused_run_that_goes_on_finds_everything_that_may_move() -> None:
    """F38, P4: a step that can never begin, a list whose members ended, the report."""
    graph = a_graph("a()!cascade", "b()<-a", "l()", l={"each": EachSpec()})
    state = a_run(graph, "l has:x", "pause", "a failed", "l[x] done")

    assert what_happens(state, "resume") == ["run resumed", "b skipped: need_cut", "gather l?"]


def test_one_step_is_stopped() -> None:
    """D2-11: that one, by its policy, with who and why; an ended one is late."""
    state = a_run(a_graph("a", "b!tolerate", "c<-b"), "a yes")
    bare = inp.StopRequested(0, "", "ann")

    assert what_happens(state, "b stop") == ["b#0 failed: stopped, tolerated", "prepare c?"]
    assert decide(state, [bare]).events[0] == ev.StepFailed(
        0, 1, Failure("stopped", "stopped by ann")
    )
    ended = told(state, a_word(state, "a done"))
    assert decided(ended, "a stop").verdicts == (Verdict.LATE,)


def test_the_report_of_an_ended_run_is_made_again_on_request() -> None:
    """D2-32: whoever asked is named; an answer that nobody asked for changes nothing."""
    good = a_run(a_graph("a"), "a done", "report")
    bad = a_run(a_graph("a"), "a failed", "report")
    failure = Failure("definition_error", "render raised")

    assert decided(good, "rerender").asks == (Render(partial=False, actor="ann"),)
    assert decided(bad, "rerender").asks == (Render(partial=True, actor="ann"),)
    assert decided(a_run(a_graph("a")), "rerender").verdicts == (Verdict.LATE,)
    again = inp.ReportRendered(Ref("new"), "fine", "ann")
    assert decide(good, [again]).events == (ev.RunRendered("ann", Ref("new"), "fine"),)
    raised = inp.ReportRendered(failure, actor="ann")
    assert decide(good, [raised]).events == (ev.RunRendered("ann", error=failure),)
    assert decided(good, "report").verdicts == (Verdict.LATE,)
