"""What people see: commands at real terminals of 80 and 120 columns, over real runs.

`make screens` stores what is captured here in docs/screens.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from fixtures.dispatchers import Dispatcher, done, failed
from fixtures.libraries import a_flow, a_library, agent, code
from fixtures.services import Replicas
from flowrunner.bootstrap.service import Service
from flowrunner.core.model import RunId
from flowrunner.definitions.context import Context
from flowrunner.definitions.flow import Approval, Each, Retry, Step
from flowrunner.wire.tasks import TaskReport, Usage
from integration.doors.commands import Terminal, a_terminal
from integration.doors.ptys import Tty, at_terminal
from integration.doors.serving import served

pytestmark = pytest.mark.anyio

SCREENS = Path(__file__).parents[3] / "docs/screens"
WIDTHS = (80, 120)
LENSES: tuple[str, ...] = (
    "security",
    "concurrency",
    "tests",
    "naming",
    "日本語のレビュー",
    "performance",
)


def lenses(_ctx: Context) -> list[str]:
    return list(LENSES)


def lens(ctx: Context) -> str:
    return f"Look at {ctx.item} only."


def question(_ctx: Context) -> str:
    return "Publish the report with 3 findings?\n\nIt goes to everybody."


REVIEW = a_flow(
    code("scope", phase="Look", run=lambda _ctx: {"files": ["a.py"] * 14, "base": "main"}),
    Step(
        "lenses",
        needs=("scope",),
        phase="Look",
        run=lens,
        each=Each(over=lenses, key=str, quorum=4),
        retry=Retry(2, base=30),
    ),
    agent("measure", "scope", phase="Look", queue="gpu"),
    agent("verify", "lenses", "measure", phase="Judge"),
    Step("budget", kind="approval", needs=("scope",), phase="Judge", run="Spend another $5?"),
    Step(
        "publish",
        kind="approval",
        needs=("verify",),
        phase="Judge",
        run=question,
        approval=Approval(expires="24h"),
    ),
    name="review-change",
)
QUIET = a_flow(code("count"), agent("think", "count"), name="count")


@pytest.fixture
async def service(replicas: Replicas) -> Service:
    return await replicas.start(a_library(REVIEW, QUIET))


@pytest.fixture
async def terminal(service: Service, tmp_path: Path) -> AsyncIterator[Terminal]:
    """A terminal whose environment names a running server."""
    async with served(service) as url:
        yield a_terminal(tmp_path, FLOWRUNNER_SERVER=url)


@pytest.fixture
async def run(terminal: Terminal, service: Service, dispatcher: Dispatcher) -> str:
    """A run in the middle: a list with every kind of member, a question, and steps that wait."""
    (terminal.folder / "shop").mkdir()
    words = ("--project", str(terminal.folder / "shop"), "--title", "feat/outbox → main")
    run_id = (await terminal.ask("run", "review-change", "-d", *words)).out.strip()
    keys = [f"lenses[{key}]" for key in LENSES]
    tasks = dict(zip(LENSES, await dispatcher.take(_id(run_id), *keys), strict=True))
    spent = Usage(input_tokens=38_000, output_tokens=3_100, cost_microusd=410_000)
    said = '{"findings": [1, 2, 3], "summary": "three"}'
    told: dict[str, TaskReport] = {
        "security": done(tasks["security"], said, spent),
        "naming": failed(tasks["naming"], "refused", message="the model refused to answer"),
        "tests": failed(
            tasks["tests"],
            "overloaded",
            usage=spent,
            message="the provider asks for patience",
            failure_class="transient",
        ),
    }
    for key, report in told.items():
        await service.tasks.report(tasks[key].task_id, report)
    return run_id


def _id(text: str) -> RunId:
    from uuid import UUID  # noqa: PLC0415

    return RunId(UUID(text))


def keep(name: str, tty: Tty, folder: Path) -> list[str]:
    """Hold a screen to what every screen must be, and store it if that is wanted.

    The test's own folder is named as a user's would be.
    """
    lines = [line.replace(str(folder), "/home/ana") for line in tty.screen.lines()]
    assert tty.screen.wrapped == 0, "\n".join(lines)
    assert max(map(len, lines)) <= tty.screen.width
    if os.environ.get("UPDATE_SCREENS"):
        SCREENS.mkdir(exist_ok=True)
        text = "".join(f"{line}\n" for line in lines)
        (SCREENS / f"{name}-{tty.screen.width}.txt").write_text(text, encoding="utf-8")
    return lines


def statuses_of(lines: Sequence[str]) -> set[str]:
    """The signs that stand before something."""
    return {sign for line in lines for sign in line.split() if sign in set("✓✗●◌↻⏸○")}


async def test_a_run_is_watched(terminal: Terminal, run: str) -> None:
    """§3.4, §0.3: members of a list, the retry's countdown, what waits for what, what to type."""
    async with AsyncExitStack() as stack:
        ttys = [
            await stack.enter_async_context(at_terminal(terminal, "watch", run, width=width))
            for width in WIDTHS
        ]
        for tty in ttys:
            await tty.shows("budget waits for you: flowrunner approve")
            text = await tty.shows("no worker has it yet")
            lines = keep("watch", tty, terminal.folder)
            assert statuses_of(lines) == set("✓✗●◌↻⏸○")
            for word in ("1/6 (4 needed)", "try 2 in", "waits for lenses, measure", "$0.41"):
                assert word in text
            assert len([line for line in lines if "lenses" in line and "●" in line]) == 1


@pytest.mark.parametrize("width", WIDTHS)
async def test_a_run_is_shown(terminal: Terminal, run: str, width: int) -> None:
    """§3.4: the heading, the question with both commands, the table, and why something failed."""
    async with at_terminal(terminal, "show", run, width=width, height=60) as tty:
        assert await tty.wait() == 0
        lines = keep("show", tty, terminal.folder)

    text = "\n".join(lines)
    assert statuses_of(lines) == set("✓✗●◌↻⏸○")
    assert f"approve: flowrunner approve {run[-8:]}" in text
    assert "14 files" in text
    assert "3 findings" in text
    assert "lenses[naming]: refused: the model refused to answer" in text


@pytest.mark.parametrize("width", WIDTHS)
async def test_runs_are_listed(terminal: Terminal, run: str, width: int) -> None:
    """§3.4: each run's state as sign and word, how far it is, and that a person is waited for."""
    await terminal.ask("cancel", (await terminal.ask("run", "count", "-d")).out.strip())
    await terminal.ask("pause", (await terminal.ask("run", "count", "-d")).out.strip())
    async with at_terminal(terminal, "ps", width=width) as tty:
        assert await tty.wait() == 0
        lines = keep("ps", tty, terminal.folder)

    text = "\n".join(lines)
    assert [line.split()[2:4] for line in lines[1:4]] == [
        ["⏸", "paused"],
        ["■", "cancelled"],
        ["●", "running*"],
    ]
    assert "approval: budget" in text
    assert f"a decision waits: flowrunner approve {run[-8:]}" in text


@pytest.mark.parametrize("width", WIDTHS)
async def test_questions_are_listed(terminal: Terminal, run: str, width: int) -> None:
    """F41: the inbox over all runs, and how to answer."""
    async with at_terminal(terminal, "approvals", width=width) as tty:
        assert await tty.wait() == 0
        lines = keep("approvals", tty, terminal.folder)

    assert lines[1].split()[:2] == [run[-8:], "budget"]
    assert f"approve: flowrunner approve {run[-8:]}" in lines


@pytest.mark.parametrize("file", sorted(SCREENS.glob("*.txt")), ids=lambda file: file.stem)
def test_stored_screens_are_within_their_width(file: Path) -> None:
    """What the documentation shows is what was captured: no wider than its terminal."""
    from flowrunner.cli.text import cells  # noqa: PLC0415

    lines = file.read_text(encoding="utf-8").splitlines()

    assert max(map(cells, lines)) <= int(file.stem.rpartition("-")[2])
    assert len(statuses_of(lines)) >= (0 if file.stem.startswith("approvals") else 2)
