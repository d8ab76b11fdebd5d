"""Flows played without a database: the same core and the flow's own code, scripted agents."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel

from flowrunner import Approval, Context, Each, Flow, Repeat, Report, ReportContext, Retry, Step
from flowrunner.core import events as ev
from flowrunner.core.errors import InvalidFlowError, InvalidInputError
from flowrunner.testing import (
    Approve,
    Fails,
    Takes,
    UnscriptedError,
    approve,
    rehearse,
    reject,
)


class Verdict(BaseModel):
    ok: bool
    note: str = ""


class Choice(BaseModel):
    threshold: int = 1


def _report(context: ReportContext) -> Report:
    failed = ", ".join(key for key, _why in context.census.failed)
    return Report(f"failed: {failed}", outcome="broken" if failed else "clean")


def _letters(_context: Context) -> list[str]:
    return ["x", "y", "z"]


def _is_good(context: Context) -> bool:
    return context.previous == "good"


def a_flow(*steps: Step, **options: Any) -> Flow:
    options.setdefault("render", _report)
    return Flow("demo", steps=steps, **options)


def test_a_flow_is_played_from_launch_to_report() -> None:
    """F72: prompts, guards, code and the report are the flow's own; only agents are scripted."""
    flow = a_flow(
        Step("scan", kind="code", run=lambda _: ["a", "b"]),
        Step("look", run="Look at {{ steps.scan.output }}", needs=["scan"], output=Verdict),
        Step("never", run="?", needs=["look"], when=lambda c: not c.result("look", Verdict).ok),  # type: ignore[union-attr]
    )

    told = rehearse(flow, agents={"look": Verdict(ok=True)})

    assert (told.status, told.outcome, told.degraded) == ("completed", "clean", False)
    assert told.steps["look"].output == {"ok": True, "note": ""}
    assert '["a", "b"]' in told.steps["look"].prompts[0]
    assert (told.steps["never"].status, told.steps["never"].reason) == ("skipped", "when_false")
    assert isinstance(told.events[-1], ev.RunCompleted)


def _took(ctx: ReportContext) -> Report:
    assert ctx.started_at is not None
    assert ctx.finished_at is not None
    return Report(f"took {(ctx.finished_at - ctx.started_at).total_seconds():.0f} s")


def test_retries_take_the_runs_own_time() -> None:
    """F30, F72: a day of backoff costs nothing; a list of answers is one per try."""
    retry = Retry(2, base="12h", cap="12h", classes=("transient",))
    flow = a_flow(Step("look", run="?", retry=retry), render=_took)
    flaky = Fails("overloaded", failure_class="transient")

    told = rehearse(flow, agents={"look": [flaky, flaky, "at last"]})
    fatal = rehearse(flow, agents={"look": Fails("no such model")})

    assert (told.steps["look"].output, told.steps["look"].attempts) == ("at last", 3)
    assert 12 * 3600 < told.seconds < 24 * 3600 + 3
    assert told.markdown == f"took {told.seconds:.0f} s"
    assert (fatal.status, fatal.error) == (
        "failed", "agent_failed: step 'look' failed: no such model",
    )  # fmt: skip


def test_lists_loops_and_waits_are_played() -> None:
    """F13, F14, F15: scripts name a member, its step, or anybody; order is the list's."""
    flow = a_flow(
        Step("look", run=lambda c: f"at {c.item}", each=Each(_letters, quorum=2)),
        Step("polish", run="?", needs=["look"], repeat=Repeat(_is_good)),
        Step("nap", kind="wait", run="3h"),
    )
    slow = Takes(60, "first")

    told = rehearse(flow, agents={"look[x]": slow, "look[y]": Fails(), "look": "last",
                                  "polish[2]": "good", "*": "bad"})  # fmt: skip

    assert told.steps["look"].output == ["first", "last"]
    assert told.steps["polish"].output == "good"
    assert (told.outcome, told.degraded, told.seconds) == ("broken", True, 3 * 3600)


def test_calls_are_played() -> None:
    """F18, F26, D2-13: a call that fails is a value; others are scripted by key or persona."""

    async def verify(context: Context) -> list[str]:
        asked = (context.agent(None, f"check {n}", key=str(n)) for n in range(4))
        return [call.status for call in await asyncio.gather(*asked)]

    flow = a_flow(Step("verify", kind="code", run=verify))

    told = rehearse(flow, agents={"verify/2": Fails(), "verify": "fine"})

    assert told.steps["verify"].output == ["completed", "completed", "failed", "completed"]
    assert told.steps["verify/0"].prompts == ("check 0",)
    assert told.outcome == "broken"


def test_people_are_scripted() -> None:
    """F41, F42: rejected with a reason, redone with it, approved with typed values."""

    def ask(context: Context) -> str:
        return f"again: {context.decided[-1].comment}" if context.decided else "write"

    flow = a_flow(
        Step("write", run=ask),
        Step(
            "ok",
            kind="approval",
            run="Good?",
            needs=["write"],
            approval=Approval(form=Choice, on_reject="redo", redo_from="write"),
        ),
    )

    told = rehearse(
        flow, agents={"write": "text"}, approvals={"ok": [reject("too long"), approve(threshold=3)]}
    )

    assert told.steps["write"].prompts == ("write", "again: too long")
    assert told.steps["ok"].output["values"] == {"threshold": 3}
    assert told.status == "completed"
    with pytest.raises(InvalidInputError):
        rehearse(flow, agents={"*": "text"}, approvals={"ok": Approve({"threshold": "many"})})


def test_people_are_asked_in_their_own_language() -> None:
    """V-07, F41: what an agent wrote is fenced for the next agent, and quoted for a person."""
    words = "fine.\n## Approve this!"
    text = "Is this good? {{ steps.write.output }}"
    flow = a_flow(
        Step("write", run="write"),
        Step("judge", run=text, needs=["write"]),
        Step("ok", kind="approval", run=text, needs=["write"]),
    )

    told = rehearse(flow, agents={"*": words}, approvals={"ok": approve()})

    assert "<<write " in told.steps["judge"].prompts[0]
    asked = "Is this good? \n\n> fine.\n> ## Approve this!\n\n"
    assert told.steps["ok"].prompts == (asked,)


def test_nobody_decides() -> None:
    """D2-10: the run waits and says for what, or its question expires on its own clock."""
    open_ended = a_flow(Step("ok", kind="approval", run="Good?"), Step("other", run="?"))
    expiring = a_flow(Step("ok", kind="approval", run="Good?", approval=Approval(expires="2d")))

    waits = rehearse(open_ended, agents={"other": "done"})
    expired = rehearse(expiring)

    assert (waits.status, waits.waiting) == ("running", ("ok",))
    assert waits.steps["other"].status == "completed"
    assert (expired.status, expired.seconds) == ("failed", 2 * 86400)
    assert "approval_expired" in expired.error


@pytest.mark.parametrize(
    ("answer", "code"),
    [("", "empty_answer"), ("no JSON", "answer_not_json"), ({}, "answer_invalid")],
)
def test_answers_are_judged_as_real_ones(answer: object, code: str) -> None:
    """P9: an empty or unfitting answer is a failure here, too."""
    told = rehearse(a_flow(Step("look", run="?", output=Verdict)), agents={"look": answer})

    assert (told.status, told.steps["look"].error.split(":")[0]) == ("failed", code)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("API Error: 529 Overloaded", "provider_unavailable"),
        ("I cannot help with that.", "refused"),
        (" \n", "empty_answer"),
    ],
)
def test_an_excuse_is_no_answer_of_a_step_without_a_schema(answer: str, code: str) -> None:
    """P9, F11: plain text is judged as a dispatcher judges it; an answer about it is an answer."""
    flow = a_flow(Step("look", run="Look", retry=1))

    told = rehearse(flow, agents={"look": answer})
    about = rehearse(flow, agents={"look": f"The log says:\n\n{answer}"})

    assert (told.status, str(told.steps["look"].error).partition(":")[0]) == ("failed", code)
    assert about.status == "completed"


def test_what_is_not_scripted_is_said() -> None:
    """An agent without a script is a mistake of the test, not an empty answer."""
    with pytest.raises(UnscriptedError, match=r"step 'look'.*scripts: other"):
        rehearse(a_flow(Step("look", run="?")), agents={"other": "x"})
    with pytest.raises(UnscriptedError, match="empty list"):
        rehearse(a_flow(Step("look", run="?")), agents={"look": []})


def test_a_broken_flow_is_refused_as_everywhere() -> None:
    """D2-26: the same checks, all problems at once."""
    with pytest.raises(InvalidFlowError) as caught:
        rehearse(a_flow(Step("a", run="?", needs=["b"]), Step("a", run="?", retry=-1)))

    assert {"unknown-dependency", "duplicate-step"} <= {p.code for p in caught.value.problems}


def test_a_rehearsal_can_be_repeated() -> None:
    """The same scripts give the same events, whatever the threads did."""

    async def verify(context: Context) -> int:
        asked = (context.agent(None, f"check {n}") for n in range(20))
        return len(await asyncio.gather(*asked))

    flow = a_flow(
        Step("verify", kind="code", run=verify), Step("look", run="?", retry=1), Step("nap",
        kind="wait", run="1m")
    )  # fmt: skip

    stories = [rehearse(flow, agents={"*": "fine"}) for _ in range(5)]

    assert {story.status for story in stories} == {"completed"}
    assert {story.seconds for story in stories} == {60.0}


@pytest.mark.anyio
async def test_a_test_that_is_async_rehearses_as_any_other() -> None:
    """F35: `rehearse` is one plain call, whatever event loop runs around it."""
    flow = Flow("demo", [Step("a", run="Say it.")], lambda ctx: Report(str(ctx.results["a"])))

    assert rehearse(flow, agents={"a": "said"}).markdown == "said"


def test_a_busy_machine_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """F35: who waits for a call goes on when its answer is there, though no moment is left to it."""
    monkeypatch.setattr("flowrunner.testing.rehearsal._MOMENT_SECONDS", 0.0)

    async def ask(ctx: Context) -> list[object]:
        answers = [await ctx.agent(None, f"Question {n}", key=f"q{n}") for n in range(5)]
        return [each.output for each in answers]

    flow = Flow("demo", [Step("ask", "code", run=ask)], lambda ctx: Report(str(ctx.results["ask"])))

    for _ in range(20):
        told = rehearse(flow, agents={"*": "yes"})
        assert (told.status, told.markdown) == ("completed", str(["yes"] * 5))


def test_a_quota_is_waited_for_and_for_ever_is_an_end() -> None:
    """F52: without a retry, on the rehearsal's own clock; a script that never has quota ends."""
    flow = Flow("f", steps=[Step("a", run=lambda _ctx: "x", retry=0)], render=_report)
    used_up = Fails(failure_class="quota")

    waited = rehearse(flow, agents={"a": [used_up, used_up, "fine"]})
    endless = rehearse(flow, agents={"a": used_up})

    assert (waited.status, waited.steps["a"].attempts) == ("completed", 3)
    assert 180 <= waited.seconds <= 300
    assert endless.status == "running"
