"""The real programs, in the pinned versions: what they say is understood, and nothing of them stays.

They are installed by `make agents`; where one is missing its tests are skipped, one by one. Our own
is never missing.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from dispatch.adapters.real import KEY, LIMITS, a_plan, a_project, play
from dispatch.tasks import AROUND
from flowrunner.dispatch.acp.recording import Piece
from flowrunner.dispatch.adapters.launching import Conversation, Dialect
from flowrunner.dispatch.gates.detection import detect
from flowrunner.dispatch.gates.gate import Gate
from flowrunner.dispatch.gates.policy import choose
from model_server.script import Call, Cut, Fail, Hang, Say
from model_server.server import a_model
from model_server.wire import INPUT_TOKENS, OUTPUT_TOKENS

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("default::ResourceWarning")]

SPOKEN: list[tuple[str, Dialect]] = [
    ("qwen", "acp"),
    ("qwen", "headless"),
    ("codex", "acp"),
    ("claude", "acp"),
    ("claude", "headless"),
    ("gemini", "acp"),
    ("copilot", "acp"),
    ("opencode", "acp"),
    ("api", "acp"),
]
BOTH: list[tuple[str, Dialect]] = [("qwen", "acp"), ("codex", "acp"), ("api", "acp")]
QUICK: list[tuple[str, Dialect]] = [*BOTH, ("claude", "acp"), ("claude", "headless")]


@pytest.mark.parametrize(("agent", "dialect"), SPOKEN)
async def test_it_reads_and_answers(tmp_path: Path, agent: str, dialect: Dialect) -> None:
    """P8, F49, R2-33: a tool call, an answer without the program's own words, and all tokens."""
    project = a_project(tmp_path)
    with a_model(Call("read", str(project / "README.md")), Say("It is all well.")) as model:
        played = await play(a_plan(agent, model, dialect), project, "Which word is it?")

    report = played.judgement.report
    assert (report.outcome, report.output) == ("completed", "It is all well."), report.error
    calls = 1 if agent == "opencode" else 2
    assert report.usage.input_tokens == calls * INPUT_TOKENS
    assert report.usage.output_tokens == calls * OUTPUT_TOKENS
    assert "README.md" in played.told("tool")
    assert "completed read" in played.told("tool")
    assert any("marzipan" in asked.text for asked in model.asked)
    assert all(KEY in key for key in model.keys)


@pytest.mark.parametrize(("agent", "dialect"), [*QUICK, ("qwen", "headless")])
async def test_a_large_prompt_arrives(tmp_path: Path, agent: str, dialect: Dialect) -> None:
    """P11: half a megabyte, more than any argument may hold, to its last word."""
    project = a_project(tmp_path)
    prompt = "word " * 100_000 + "THE-END-OF-IT"
    with a_model(Say("Understood.")) as model:
        played = await play(a_plan(agent, model, dialect), project, prompt)

    assert played.judgement.report.output == "Understood."
    longest = max((asked.text for asked in model.asked), key=len)
    assert longest.count("word ") >= 100_000
    assert "THE-END-OF-IT" in longest


@pytest.mark.parametrize(
    ("status", "code", "failure_class"),
    [
        (400, "request_refused", "fatal"),
        (401, "not_authorized", "fatal"),
        (429, "quota_exhausted", "quota"),
        (500, "provider_unavailable", "transient"),
    ],
)
@pytest.mark.parametrize(("agent", "dialect"), QUICK)
async def test_a_model_that_fails(
    tmp_path: Path, *, agent: str, dialect: Dialect, status: int, code: str, failure_class: str
) -> None:
    """P9, F30: whatever the program makes of an HTTP status, the class of the failure is right."""
    if agent == "qwen" and status in {429, 500}:
        limits = replace(LIMITS, total_seconds=6.0)
        code, failure_class = "timeout_total", "transient"  # It tries again, silently, for minutes.
    else:
        limits = LIMITS
    project = a_project(tmp_path)
    with a_model(Fail(status)) as model:
        played = await play(a_plan(agent, model, dialect), project, "Try.", limits=limits)

    error = played.judgement.report.error
    assert error is not None
    assert (error.code, error.failure_class) == (code, failure_class), error.message


@pytest.mark.parametrize(("agent", "dialect"), BOTH)
async def test_a_stream_that_is_cut(tmp_path: Path, agent: str, dialect: Dialect) -> None:
    """P9: half an answer is none."""
    project = a_project(tmp_path)
    with a_model(Cut("There are no bugs. That is")) as model:
        played = await play(a_plan(agent, model, dialect), project, "Any bugs?")

    error = played.judgement.report.error
    assert error is not None
    assert (error.code, error.failure_class) == ("provider_unavailable", "transient")


@pytest.mark.parametrize(("agent", "dialect"), [*QUICK, ("qwen", "headless")])
async def test_a_model_that_says_nothing(tmp_path: Path, agent: str, dialect: Dialect) -> None:
    """F31: an agent that waits for ever is ended."""
    project = a_project(tmp_path)
    limits = replace(LIMITS, total_seconds=8.0)
    with a_model(Hang()) as model:
        played = await play(a_plan(agent, model, dialect), project, "Hello?", limits=limits)

    error = played.judgement.report.error
    assert error is not None
    assert (error.code, error.failure_class) == ("timeout_total", "transient")


@pytest.mark.parametrize(("agent", "dialect"), [*QUICK, ("qwen", "headless")])
async def test_it_is_stopped_in_the_middle(tmp_path: Path, agent: str, dialect: Dialect) -> None:
    """P12, F36: told to stop while it answers it does, and what it had said is in the transcript."""
    project = a_project(tmp_path)

    def stop(conversation: Conversation, piece: Piece) -> None:
        if piece.kind == "text":
            conversation.stop()

    with a_model(Say("tick " * 600, pause=0.1)) as model:
        plan = a_plan(agent, model, dialect)
        played = await play(plan, project, "Count.", on_piece=stop)

    report = played.judgement.report
    assert report.error is not None
    assert report.error.code == "agent_stopped"
    assert report.usage.seconds < 50
    assert "tick" in played.told("text")


@pytest.mark.parametrize(("agent", "dialect"), QUICK)
async def test_it_does_not_write(tmp_path: Path, agent: str, dialect: Dialect) -> None:
    """P8, F54: a model that wants to write gets no file, and the transcript says what it tried."""
    project = a_project(tmp_path)
    with a_model(Call("write", str(project / "planted.txt")), Say("Done.")) as model:
        played = await play(a_plan(agent, model, dialect), project, "Write.")

    assert [file.name for file in project.iterdir()] == ["README.md"]
    assert "failed" in played.told("tool") or played.told("denial")
    if agent == "codex":
        error = played.judgement.report.error
        assert error is not None
        assert (error.code, error.failure_class) == ("gave_up", "contract")


@pytest.mark.parametrize(("agent", "dialect"), BOTH)
async def test_four_at_once(tmp_path: Path, agent: str, dialect: Dialect) -> None:
    """R2-28, R2-33: each has a home of its own, and none hears another's words."""
    projects = [a_project(tmp_path / str(number)) for number in range(4)]
    with a_model(Say("Mine.")) as model:
        plan = a_plan(agent, model, dialect)
        played = await asyncio.gather(
            *(play(plan, project, f"I am {project.parent.name}.") for project in projects)
        )

    assert [one.judgement.report.output for one in played] == ["Mine."] * 4
    assert {one.judgement.report.usage.output_tokens for one in played} == {OUTPUT_TOKENS}


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Gate:
    """The widest gate that holds on this machine."""
    found = choose("strict", detect(tmp_path_factory.mktemp("gates"), AROUND.path))
    if not isinstance(found, Gate):
        pytest.skip("NOT TRIED behind a gate: this machine has none that holds")
    return found


@pytest.mark.parametrize(("agent", "dialect"), QUICK)
async def test_it_works_behind_a_wall(
    tmp_path: Path, gate: Gate, agent: str, dialect: Dialect
) -> None:
    """P8, F54: it reads and answers; what it may write by its own mode is not written either.

    The sandbox of codex cannot be built within ours, so there it is asked for another mode.
    """
    project = a_project(tmp_path)
    steps = (
        Call("read", str(project / "README.md")),
        Call("shell", f"echo written > {project}/planted.txt"),
        Say("Well."),
    )
    with a_model(*steps) as model:
        plan = replace(a_plan(agent, model, dialect), gate=gate)
        played = await play(plan, project, "Which word?")

    assert played.judgement.report.output == "Well.", played.judgement.report.error
    assert any("marzipan" in asked.text for asked in model.asked)
    assert [file.name for file in project.iterdir()] == ["README.md"]
    if agent == "codex":
        assert "Read-only file system" in model.asked[-1].text
