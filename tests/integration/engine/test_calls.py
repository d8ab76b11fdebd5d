"""Durable calls: code asks agents, and an answer is a value, whatever became of it (D2-13)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from pydantic import BaseModel

from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher, done, failed
from fixtures.libraries import a_flow, agent
from fixtures.runs import ended, lapse, launch, run_row, steps
from fixtures.services import Replicas
from fixtures.steering import tasks
from fixtures.waiting import until
from flowrunner.definitions.context import CallFailedError, Context
from flowrunner.definitions.flow import Each
from integration.engine.calls import calling, returned, shelved

pytestmark = pytest.mark.anyio


async def test_a_call_is_a_task_of_its_own_and_its_answer_a_value(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """R2-34..R2-36, D2-13, F18: persona and prompt go to an agent, the whole answer comes back."""

    async def body(ctx: Context) -> object:
        result = await ctx.agent("verifier", "Is it so?", key="one")
        return [result.key, result.status, result.output]

    service = await replicas.start(calling(body))
    run_id = await launch(service)
    (task,) = await dispatcher.take(run_id, "v/one")
    answer = "no\n" * 30_000
    await service.tasks.report(task.task_id, done(task, answer))

    assert await ended(service, run_id) == "completed"
    assert await returned(database, run_id) == ["one", "completed", answer]
    assert (task.persona, task.kind) == ("verifier", "agent")
    prompt = (task.input or b"").decode()
    assert prompt.startswith("You doubt.")
    assert prompt.endswith("Is it so?")


async def test_fifty_calls_at_once_are_fifty_tasks_at_once(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """D2-13, F18: gathered, they run side by side; each gets its own answer, in any order."""

    async def body(ctx: Context) -> object:
        asked = (ctx.agent(None, f"check {n}", key=str(n)) for n in range(50))
        return [result.output for result in await asyncio.gather(*asked)]

    service = await replicas.start(calling(body))
    commits = service.committer.commits
    run_id = await launch(service)
    held = await dispatcher.take(run_id, *(f"v/{n}" for n in range(50)))
    asked_in = service.committer.commits - commits
    for task in reversed(held):
        await service.tasks.report(task.task_id, done(task, f"saw {task.input!r}"))

    assert await ended(service, run_id) == "completed"
    assert await returned(database, run_id) == [f"saw b'check {n}'" for n in range(50)]
    assert asked_in < 25, "calls that are made at once share commits"
    assert service.residents.loads == 0


async def test_a_key_that_is_used_twice_is_refused_where_it_is_used(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """D2-13: the second use is an error at the author's line, not the first one's answer."""

    async def body(ctx: Context) -> object:
        await ctx.agent(None, "first", key="k")
        return await ctx.agent(None, "second", key="k")

    service = await replicas.start(calling(body))
    run_id = await launch(service)
    (task,) = await dispatcher.take(run_id, "v/k")
    await service.tasks.report(task.task_id, done(task))

    assert await ended(service, run_id) == "failed"
    message = (await run_row(database, run_id))["error"]["message"]
    assert "ValueError: key 'k' was used before in this step" in message
    assert "(test_calls.py:" in message


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "persona": ({"persona": "verifer"}, "there is no persona 'verifer'; did you mean 'verifier'?"),
    "empty-key": ({"key": ""}, "'' is no key: 1 to 120 printable characters"),
    "long-key": ({"key": "k" * 121}, "is no key"),
    "timeout": ({"timeout": "soon"}, "timeout 'soon' is no span of time"),
    "retry": ({"retry": 21}, "retry is a number from 0 to 20, not 21"),
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_call_that_cannot_be_made_says_why_at_once(
    replicas: Replicas, database: Database, wrong: str
) -> None:
    """D2-13: a missing persona is not swallowed, and nothing is asked."""
    options, words = WRONG[wrong]

    async def body(ctx: Context) -> object:
        given: dict[str, Any] = {"persona": None, "prompt": "p", **options}
        return await ctx.agent(**given)

    service = await replicas.start(calling(body))
    run_id = await launch(service)

    assert await ended(service, run_id) == "failed"
    assert words in (await run_row(database, run_id))["error"]["message"]
    assert await tasks(database, run_id) == {"v": 1}


async def test_calls_without_keys_are_known_by_what_they_ask_and_how_often(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """D2-13, F27: another prompt is another call, and so is the same one again."""

    async def body(ctx: Context) -> object:
        results = [await ctx.agent(None, text) for text in ("a", "a", "b")]
        return [[result.key, result.output] for result in results]

    service = await replicas.start(calling(body))
    run_id = await launch(service)
    for count in range(3):
        (task,) = await until(dispatcher.claim)
        await service.tasks.report(task.task_id, done(task, f"answer {count}"))

    assert await ended(service, run_id) == "completed"
    (first, one), (again, two), (other, three) = await returned(database, run_id)
    assert (again, other.startswith(first)) == (f"{first}#2", False)
    assert [one, two, three] == ["answer 0", "answer 1", "answer 2"]


async def test_a_failed_call_is_a_value_and_its_output_raises(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """D2-13, P9: never an empty text; the code decides what it means, and the run may complete."""

    async def body(ctx: Context) -> object:
        result = await ctx.agent(None, "p", key="k")
        with pytest.raises(CallFailedError, match="call 'k' failed: too hard"):
            assert result.output == "unreachable"
        return [result.status, result.is_ok, dict(result.error or {})]

    service = await replicas.start(calling(body))
    run_id = await launch(service)
    (task,) = await dispatcher.take(run_id, "v/k")
    await service.tasks.report(task.task_id, failed(task, "agent_error", message="too hard"))

    assert await ended(service, run_id) == "completed"
    told = {"code": "agent_error", "message": "too hard"}
    assert await returned(database, run_id) == ["failed", False, told]
    assert (await steps(database, run_id))["v/k"] == "failed"


async def test_a_call_is_tried_again_as_often_as_it_says(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """F18, F30, D2-13: its own retry, its own timeout; the code waits for the last of them."""

    async def body(ctx: Context) -> object:
        return (await ctx.agent(None, "p", key="k", retry=1, timeout="5m")).output

    service = await replicas.start(calling(body))
    run_id = await launch(service)
    (task,) = await dispatcher.take(run_id, "v/k")
    assert task.limits.total_seconds == 300
    await service.tasks.report(task.task_id, failed(task, failure_class="transient"))
    await lapse(database, service, run_id)
    (task,) = await dispatcher.take(run_id, "v/k", attempt=2)
    await service.tasks.report(task.task_id, done(task, "at last"))

    assert await ended(service, run_id) == "completed"
    assert await returned(database, run_id) == "at last"


class Ruling(BaseModel):
    holds: bool


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ('```json\n{"holds": true}\n```', ["completed", None]),
        ("it holds", ["failed", "answer_not_json"]),
        ('{"holds": "perhaps"}', ["failed", "answer_invalid"]),
    ],
    ids=["fits", "prose", "unfitting"],
)
async def test_an_answer_fits_what_the_call_asked_for_or_is_a_failure(
    replicas: Replicas,
    database: Database,
    dispatcher: Dispatcher,
    answer: str,
    expected: list[str | None],
) -> None:
    """F7, P9: `output=` names a model; what does not fit it is no answer."""

    async def body(ctx: Context) -> object:
        result = await ctx.agent(None, "p", key="k", output=Ruling, repairs=0)
        assert not result.is_ok or result.output == Ruling(holds=True)
        return [result.status, (result.error or {}).get("code")]

    service = await replicas.start(calling(body))
    run_id = await launch(service)
    (task,) = await dispatcher.take(run_id, "v/k")
    await service.tasks.report(task.task_id, done(task, answer))

    assert await ended(service, run_id) == "completed"
    assert await returned(database, run_id) == expected


async def test_agents_and_reports_cannot_call(replicas: Replicas, database: Database) -> None:
    """D2-13: only code steps are journaled; elsewhere the author is told."""

    async def prompt(ctx: Context) -> str:
        return str(await ctx.agent(None, "p"))

    service = await replicas.start(shelved(a_flow(agent("a", run=prompt))))
    run_id = await launch(service)

    assert await ended(service, run_id) == "failed"
    message = (await run_row(database, run_id))["error"]["message"]
    assert "TypeError: only a code step can call an agent" in message


async def test_calls_of_members_belong_to_their_member(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """F13, F18: a list of code steps, each with a call of the same key."""

    async def body(ctx: Context) -> object:
        return (await ctx.agent(None, f"about {ctx.item}", key="k")).output

    service = await replicas.start(calling(body, each=Each(lambda _ctx: ["x", "y"])))
    run_id = await launch(service)
    for task in await dispatcher.take(run_id, "v[x]/k", "v[y]/k"):
        await service.tasks.report(task.task_id, done(task, f"{task.step_key}!"))

    assert await ended(service, run_id) == "completed"
    assert await returned(database, run_id) == ["v[x]/k!", "v[y]/k!"]
    assert json.loads(json.dumps(await tasks(database, run_id)))["v[x]/k"] == 1
