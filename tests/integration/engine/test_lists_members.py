"""What members are: values with a type and a name, and what is none of it."""

from __future__ import annotations

import json
from typing import cast

import pytest
from pydantic import BaseModel

from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher, done
from fixtures.libraries import a_flow, a_library, agent, code
from fixtures.runs import ended, lapse, launch, report, run_row, steps
from fixtures.services import Replicas
from fixtures.steering import asked
from flowrunner.definitions.context import Context, Report
from flowrunner.definitions.flow import Each
from integration.engine.lists import about, listing

pytestmark = pytest.mark.anyio


class File(BaseModel):
    path: str
    lines: int = 0


class Finding(BaseModel):
    title: str


async def test_members_and_results_are_what_their_steps_name(
    replicas: Replicas, dispatcher: Dispatcher
) -> None:
    """F13, F7: a member is the model that the list's step names, its result the one of its own step."""
    seen: list[object] = []

    def prompt(ctx: Context) -> str:
        seen.append(ctx.item)
        return ctx.item.path

    def join(ctx: Context) -> int:
        seen.append(ctx.results["review"])
        return len(ctx.results)

    flow = a_flow(
        code("files", run=lambda _ctx: [File(path="a", lines=1)], output=list[File]),
        agent("review", "files", run=prompt, output=Finding, each=Each("files", key=named)),
        code("fold", "review", run=join),
    )
    service = await replicas.start(a_library(flow))
    run_id = await launch(service)
    (a,) = await dispatcher.take(run_id, "review[a]")
    await service.tasks.report(a.task_id, done(a, '{"title": "odd"}'))

    assert await ended(service, run_id) == "completed"
    assert seen == [File(path="a", lines=1), [Finding(title="odd")]]


def named(file: File) -> str:
    return file.path


async def test_an_answer_that_does_not_fit_is_its_members_failure(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """P9, F7: a member's answer is judged like a step's, and tried again when it does not fit."""
    flow = listing("a", retry=1, output=Finding, repairs=0)
    service = await replicas.start(a_library(flow))
    run_id = await launch(service)
    (a,) = await dispatcher.take(run_id, "review[a]")
    await service.tasks.report(a.task_id, done(a, "nothing to report"))
    await lapse(database, service, run_id)
    (a,) = await dispatcher.take(run_id, "review[a]", attempt=2)
    await service.tasks.report(a.task_id, done(a, '{"titel": "odd"}'))

    assert await ended(service, run_id) == "failed"
    error = json.loads((await steps(database, run_id, "error"))["review[a]"])
    assert error["code"] == "answer_invalid"


@pytest.mark.parametrize(
    ("each", "code_", "words"),
    [
        (Each(lambda _ctx: "ab"), "not_a_list", "not a str"),
        (Each(lambda _ctx: {"a": 1}), "not_a_list", "not a dict"),
        (Each(lambda _ctx: [1, 2], key=lambda _m: "same"), "duplicate_key", "'same'"),
        (Each(lambda _ctx: [1], key=lambda _m: ""), "bad_key", "member 0"),
        (Each(lambda _ctx: [1], key=lambda m: m), "bad_key", "is 1"),
        (Each(lambda _ctx: [object()]), "definition_error", "list of demo/review raised"),
        (Each(lambda _ctx: 1 / 0), "definition_error", "ZeroDivisionError"),
    ],
    ids=["text", "mapping", "twice", "empty-key", "number-key", "unstorable", "raises"],
)
async def test_what_is_no_list_fails_the_step_and_says_why(
    replicas: Replicas, database: Database, each: Each, code_: str, words: str
) -> None:
    """D2-05, F13: the author's mistake is the step's failure, in words."""
    service = await replicas.start(a_library(a_flow(agent("review", run=about, each=each))))
    run_id = await launch(service)

    assert await ended(service, run_id) == "failed"
    error = (await run_row(database, run_id))["error"]
    assert error["code"] == code_
    assert words in error["message"]


async def test_members_of_code_run_as_well(replicas: Replicas, database: Database) -> None:
    """F13, D2-14: a list of code steps: leased, run and joined like any."""
    flow = a_flow(
        code("double", run=lambda ctx: ctx.item * 2, each=Each(lambda _ctx: list(range(20)))),
        code("sum", "double", run=lambda ctx: sum(cast("list[int]", ctx.results["double"]))),
        render=lambda ctx: Report("", data={"sum": cast("int", ctx.results["sum"])}),
    )
    service = await replicas.start(a_library(flow))
    run_id = await launch(service)

    assert await ended(service, run_id) == "completed"
    assert await report(database, run_id) == {"sum": 380}


async def test_the_longest_keys_are_stored_whole(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """F13: 120 characters of any script; equal members are told apart."""
    long = "\N{GREEK SMALL LETTER ALPHA}/[" * 40
    service = await replicas.start(a_library(listing(long, "x", "x", long + "y")))
    run_id = await launch(service)

    assert await dispatcher.finish(service, run_id) == "completed"
    keys = list(await steps(database, run_id))
    assert keys[2:5] == [f"review[{long}]", "review[x]", "review[x#2]"]
    assert await asked(service, run_id) == []
