"""The other real programs, and every moment at which one may be told to stop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dispatch.adapters.real import LIMITS, Played, a_plan, a_project, play
from model_server.script import Call, Cut, Fail, Hang, Say, Step
from model_server.server import a_model
from model_server.wire import OUTPUT_TOKENS

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("default::ResourceWarning")]

OTHERS = ["gemini", "opencode", "copilot"]
ALL = ["qwen", "codex", "claude", *OTHERS]
IMPATIENT = replace(LIMITS, total_seconds=12.0)


@pytest.mark.parametrize("agent", OTHERS)
async def test_a_large_prompt_arrives(tmp_path: Path, agent: str) -> None:
    """P11: half a megabyte, more than any argument may hold, to its last word."""
    project = a_project(tmp_path)
    with a_model(Say("Understood.")) as model:
        plan = a_plan(agent, model)
        played = await play(plan, project, "word " * 100_000 + "THE-END-OF-IT")

    assert played.judgement.report.output == "Understood."
    assert any("THE-END-OF-IT" in asked.text for asked in model.asked)
    assert max(asked.text.count("word ") for asked in model.asked) >= 100_000


@pytest.mark.parametrize(
    ("step", "code"),
    [
        (Fail(400), "request_refused"),
        (Fail(401), "not_authorized"),
        (Fail(429), "quota_exhausted"),
        (Fail(500), "provider_unavailable"),
        (Cut("There are no bugs. That is"), "provider_unavailable"),
        (Hang(), "timeout_total"),
    ],
    ids=["400", "401", "429", "500", "cut", "hang"],
)
@pytest.mark.parametrize("agent", ["claude", *OTHERS])
async def test_a_model_that_fails(tmp_path: Path, agent: str, step: Step, code: str) -> None:
    """P9, F30, F31: never an answer; who tries again by himself is ended by the clock."""
    project = a_project(tmp_path)
    with a_model(step) as model:
        played = await play(a_plan(agent, model), project, "Any bugs?", limits=IMPATIENT)

    error = played.judgement.report.error
    assert error is not None
    # Starved of time, opencode has been seen to end its turn with not a word of why.
    silent = {"no_output_tokens"} if agent == "opencode" else set[str]()
    assert error.code in {code, "timeout_total", *silent}, error.message


@pytest.mark.parametrize("agent", ["claude", *OTHERS])
async def test_four_at_once(tmp_path: Path, agent: str) -> None:
    """R2-28, R2-33: each has a home of its own, and none hears another's words."""
    projects = [a_project(tmp_path / str(number)) for number in range(4)]
    with a_model(Say("Mine.")) as model:
        plan = a_plan(agent, model)
        played = await asyncio.gather(*(play(plan, project, "Whose?") for project in projects))

    assert [one.judgement.report.output for one in played] == ["Mine."] * 4
    assert {one.judgement.report.usage.output_tokens for one in played} == {OUTPUT_TOKENS}


@pytest.mark.parametrize("seconds", [0.0, 0.7])
@pytest.mark.parametrize("agent", ALL)
async def test_it_is_stopped_while_it_starts(tmp_path: Path, agent: str, seconds: float) -> None:
    """P12, F36: while it greets or opens its session there is no prompt to cancel; it ends at once."""
    due = time.monotonic() + seconds
    played = await _stopped(tmp_path, agent, Hang(), lambda _asked: time.monotonic() >= due)
    assert played.judgement.record["stage"] != "answered" or seconds > 0


@pytest.mark.parametrize("agent", ALL)
async def test_it_is_stopped_before_the_first_word(tmp_path: Path, agent: str) -> None:
    """P12, F36: the model has the prompt, and says nothing yet."""
    played = await _stopped(tmp_path, agent, Hang(), lambda asked: asked > 0)
    assert played.judgement.record["stage"] in {"asking", "answered"}


@pytest.mark.parametrize("agent", ALL)
async def test_it_is_stopped_in_the_middle_of_its_words(tmp_path: Path, agent: str) -> None:
    """P12, F36: what it had said is in the transcript."""
    played = await _stopped(tmp_path, agent, Say("tick " * 600, pause=0.1), None, "text")
    assert "tick" in played.told("text")


@pytest.mark.parametrize("agent", ALL)
async def test_it_is_stopped_while_a_tool_runs(tmp_path: Path, agent: str) -> None:
    """P12, F36: codex sleeps in a command, the others have just begun to read."""
    calls = {"codex": Call("shell", "sleep 60")}
    step = calls.get(agent, Call("read", str(tmp_path / "project" / "README.md")))
    played = await _stopped(tmp_path, agent, step, None, "tool")
    assert "running" in played.told("tool")


async def _stopped(
    tmp_path: Path,
    agent: str,
    step: Step,
    when: Callable[[int], bool] | None,
    kind: str = "",
) -> Played:
    """Stop at the moment that *when* knows, by the number of requests; or at a piece of *kind*."""
    project = a_project(tmp_path)
    with a_model(step, Hang()) as model:
        played = await play(
            a_plan(agent, model),
            project,
            "Count.",
            on_piece=lambda conversation, piece: (
                conversation.stop() if piece.kind == kind else None
            ),
            stop_when=None if when is None else lambda: when(len(model.asked)),
        )
    report = played.judgement.report
    assert report.error is not None
    assert report.error.code == "agent_stopped", report.error.message
    assert report.usage.seconds < 40
    return played
