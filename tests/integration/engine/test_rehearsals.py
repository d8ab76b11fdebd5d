"""A rehearsal is the run: the same flows, once with a database and once without, end the same."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher, done, failed
from fixtures.runs import events, launch, run_row
from fixtures.services import Replicas
from fixtures.steering import ANN, asked, decide
from fixtures.waiting import until
from flowrunner.bootstrap.service import Service
from flowrunner.core.model import RunId
from flowrunner.definitions.library import Library
from flowrunner.testing import Approve, Fails, Told, rehearse, reject

pytestmark = pytest.mark.anyio

FLOWS = {
    "review.py": """
from flowrunner import Each, Flow, StepResult
from pydantic import BaseModel, Field

class Found(BaseModel):
    file: str
    is_real: bool = Field(default=False, alias="isReal")

flow = Flow("review")

@flow.agent(each=Each(lambda: ["a.py", "b.py", "bad.py"], key=str, quorum=0.5), output=list[Found], retry=1)
def look(path: str) -> str:
    return "FAIL" if path == "bad.py" else f'SAY [{{"file": "{path}", "isReal": true}}]'

@flow.code
def flat(look: list[list[Found]]) -> list[Found]:
    return [found for several in look for found in several]

@flow.agent(each=Each(flat, key=lambda found: found.file), output=bool)
def verify(found: Found) -> str:
    return f"SAY {str(found.is_real and found.file == 'a.py').lower()}"

@flow.report
def report(flat: list[Found], verify: list[bool], look: StepResult) -> str:
    return f"{[f.file for f, ok in zip(flat, verify) if ok]} {[c.status for c in look.children]}"
""",
    "loop.py": """
from flowrunner import Flow, Repeat
from pydantic import BaseModel

class Page(BaseModel):
    score: int

flow = Flow("loop")

@flow.agent(output=Page, repeat=Repeat(lambda previous: previous.score >= 3, at_most=5))
def page(previous: Page | None, iteration: int) -> str:
    return f'SAY {{"score": {iteration}}}'

@flow.report
def report(page: Page) -> str:
    return str(page.score)
""",
    "gate.py": """
from flowrunner import Decided, Flow, From
from pydantic import BaseModel
from typing import Annotated, Literal

class Choice(BaseModel):
    channel: Literal["stable", "beta"] = "beta"

flow = Flow("gate")

@flow.agent
def notes(ctx) -> str:
    return f"SAY notes {[each.comment for each in ctx.decided]}"

@flow.approval(form=Choice, on_reject="redo", redo_from=notes)
def ask(notes: str) -> str:
    return f"Release? {notes}"

@flow.code
def ship(ask: Choice, who: Annotated[Decided, From("ask")], notes: str) -> list[str]:
    return [ask.channel, who.actor, notes]

@flow.report
def report(ship: list[str]) -> str:
    return " ".join(ship)
""",
    "mixed.py": """
import asyncio
from flowrunner import Each, Flow, Report, StepResult

flow = Flow("mixed", bands=("small", "large"))

@flow.code
def numbers() -> list[int]:
    return list(range(12))

@flow.code(each=Each(numbers, key=str, max_items=10, overflow="first", parallel=3))
def double(number: int) -> int:
    return 2 * number

@flow.code(on_fail="cascade")
def breaks() -> int:
    raise RuntimeError("it broke")

@flow.code
def below(breaks: int) -> int:
    return breaks

@flow.code(on_fail="tolerate")
async def calls(ctx) -> list[str]:
    answers = [ctx.agent(None, text, key=text) for text in ("SAY one", "FAIL", "SAY three")]
    return [str(each.output) if each.is_ok else each.status for each in await asyncio.gather(*answers)]

@flow.code(bands=["large"])
def deep() -> str:
    return "deep"

@flow.wait(needs=[calls])
def rest() -> float:
    return 0.05

@flow.code(trigger="all_done", needs=[below, rest])
def anyway(calls: list[str], deep: str | None) -> list[str]:
    return [*calls, str(deep)]

@flow.report
def report(double: list[int], anyway: list[str], below: StepResult, ctx) -> Report:
    return Report(f"{sum(double)} {anyway} {below.status} {ctx.census.excluded}", outcome="odd")
""",
    "stops.py": """
from flowrunner import Flow

flow = Flow("stops", siblings="drain")

@flow.agent(retry=1)
def fails() -> str:
    return "FAIL"

@flow.agent
def beside() -> str:
    return "SAY beside"

@flow.agent
def never(fails: str) -> str:
    return "SAY never"

@flow.report
def report(ctx, beside: str | None, fails: str | None) -> str:
    return f"{beside} {fails} {ctx.partial} {ctx.census.failed}"
""",
    "words.flow.yaml": """
flow: words
inputs: {class: {type: string, default: c}, paths: {type: array, items: {type: string}, default: [a, b]}}
steps:
  - {id: 2nd, agent: "SAY ${input.class}"}
  - id: look
    each: {over: "${input.paths}", key: "${item}"}
    agent: 'SAY {"n": 1}'
    output: {type: object, properties: {n: {type: integer}}, required: [n]}
  - {id: odd, agent: FAIL, on_fail: tolerate}
  - {id: off, agent: SAY off, when: "${look.any(n > 1)}"}
  - id: input
    needs: [off]
    agent: "SAY end"
    when: "${look.all(n == 1) and outcomes.odd.status == 'failed'}"
report: {template: "${steps[\\"2nd\\"]} ${look.count} ${off.default('none')} ${steps.input}"}
""",
}
SCRIPTS: Mapping[str, Any] = {"ask": [reject("shorter"), Approve({"channel": "stable"}, actor=ANN)]}


def answer(prompt: str) -> str | None:
    """Play the agent: say what the prompt asks for, or nothing when it is to fail."""
    found = re.match(r"SAY (.*)", prompt)
    return None if found is None else found[1]


def scripted(prompt: str) -> object:
    return answer(prompt) or Fails("it gave up", code="agent_failed")


async def play(service: Service, dispatcher: Dispatcher, run_id: RunId) -> None:
    """Answer every agent, and decide every question as SCRIPTS do, until the run has ended."""
    decisions: list[tuple[str, str, dict[str, str]]] = [
        ("reject", "shorter", {}),
        ("approve", "", {"channel": "stable"}),
    ]

    async def look() -> bool:
        for task in await dispatcher.claim():
            text = answer((task.input or b"").decode())
            told = failed(task, "agent_failed") if text is None else done(task, text)
            await service.tasks.report(task.task_id, told)
        if await asked(service, run_id, "open"):
            decision, comment, values = decisions.pop(0)
            await decide(service, run_id, decision=decision, comment=comment, values=values)
        return (await service.runs.head(run_id)).status.is_terminal

    await until(look, 30.0)


async def seen(database: Database, run_id: RunId) -> dict[str, Any]:
    """What there is to compare of a run that is stored."""
    row = await run_row(database, run_id)
    steps = await database.sql(
        "SELECT key, status, attempt FROM flow_steps WHERE run_id = %s", (run_id,)
    )
    body: bytes = await database.value(
        "SELECT body FROM payloads WHERE ref = %s", (row["report_ref"],)
    )
    rows = [each.decoded() for each in await events(database, run_id)]
    return {
        "status": row["status"],
        "steps": {key: (status, attempt) for key, status, attempt in steps},
        "report": json.loads(body),
        "events": Counter(type(each).__name__ for each in rows),
    }


def rehearsed(told: Told) -> dict[str, Any]:
    """The same of a rehearsal."""
    return {
        "status": told.status,
        "steps": {key: (step.status, step.attempts) for key, step in told.steps.items()},
        "report": {"outcome": told.outcome, "markdown": told.markdown, "data": told.data},
        "events": Counter(type(each).__name__ for each in told.events),
    }


@pytest.mark.parametrize("file", sorted(FLOWS))
async def test_a_rehearsal_ends_as_the_run_does(
    replicas: Replicas, database: Database, dispatcher: Dispatcher, tmp_path: Path, file: str
) -> None:
    """F72: status, every step with its attempts, the report and the events are the same."""
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / file).write_text(FLOWS[file].lstrip(), encoding="utf-8")
    library = Library.discover([tmp_path / "flows"])
    assert library.problems == ()
    (name,) = library.names()
    service = await replicas.start(library)

    run_id = await launch(service, name, project_root=tmp_path)
    await play(service, dispatcher, run_id)
    told = rehearse(
        library.get(name),
        agents={"*": scripted},
        approvals=SCRIPTS if name == "gate" else {},
        project=tmp_path,
    )

    real, played = await seen(database, run_id), rehearsed(told)
    real["report"].pop("sarif", None)
    if told.status != "completed":
        played["report"]["outcome"] = real["report"]["outcome"]
    assert played == real
