"""What a flow's own code does wrong: a failure that is told, never a run that stands still."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, NoReturn

import pytest
from pydantic import BaseModel, model_validator

from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher, done
from fixtures.libraries import a_flow, a_library, agent, code
from fixtures.runs import ended, launch, run_row, steps, told
from fixtures.services import Replicas
from fixtures.waiting import until
from flowrunner.core.errors import InvalidFlowError
from flowrunner.definitions.context import Context, Report
from flowrunner.definitions.flow import Step

pytestmark = pytest.mark.anyio


class UnspeakableError(Exception):
    """An exception whose own message raises."""

    def __str__(self) -> str:
        raise ValueError("no words")


def raising(error: BaseException) -> Callable[[Any], NoReturn]:
    def body(_ctx: object) -> NoReturn:
        raise error

    return body


def saying(value: object) -> Callable[[Any], Any]:
    return lambda _ctx: value


def waiting_for(gate: threading.Event) -> Callable[[Any], Any]:
    return lambda _ctx: gate.wait(60)


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What hanging user code waits for; the test's end lets it go."""
    event = threading.Event()
    yield event
    event.set()


BROKEN = [
    (agent("b", run=raising(ValueError("bad\0news"))), "ValueError: bad\ufffdnews"),
    (agent("b", run=raising(UnspeakableError())), "UnspeakableError: (its message cannot be read)"),
    (agent("b", run=raising(SystemExit(3))), "SystemExit(3)"),
    (agent("b", run=raising(StopIteration())), "StopIteration"),
    (agent("b", run=raising(ValueError("x" * 10**6))), "cut, "),
    (agent("b", run=saying("")), "returns its prompt, not ''"),
    (agent("b", run=saying(7)), "returns its prompt, not 7"),
    (agent("b", when=raising(KeyError("k"))), "the when of demo/b raised KeyError: 'k'"),
    (code("b", when=raising(KeyError("k"))), "the when of demo/b raised KeyError: 'k'"),
]


@pytest.mark.parametrize(("broken", "message"), BROKEN)
async def test_what_asks_or_guards_a_step_and_raises_fails_that_step(
    replicas: Replicas, database: Database, broken: Step, message: str
) -> None:
    """D2-05: one prompt of a wave raises: its step fails, and nothing is left waiting."""
    service = await replicas.start(a_library(a_flow(agent("a"), broken, agent("c"))))

    run_id = await launch(service)

    assert await ended(service, run_id) == "failed"
    found = await steps(database, run_id)
    assert found == {"a": "cancelled", "b": "failed", "c": "cancelled"}
    error = (await run_row(database, run_id))["error"]
    assert error["code"] == "definition_error"
    assert message in error["message"]
    assert len(error["message"]) < 5_000


async def test_a_tolerated_step_may_be_broken(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """D2-05, R2-17: the failure policy of the step decides, whoever it was that failed."""
    broken = agent("b", run=raising(ValueError("no")), on_fail="tolerate")
    service = await replicas.start(a_library(a_flow(agent("a"), broken, agent("c", "a", "b"))))
    run_id = await launch(service)

    assert await dispatcher.finish(service, run_id) == "completed"
    assert (await steps(database, run_id))["b"] == "failed"


@pytest.mark.parametrize("role", ["when", "run"])
async def test_user_code_that_hangs_fails_its_step_in_time(
    replicas: Replicas, database: Database, gate: threading.Event, role: str
) -> None:
    """D2-05: user code has a limit; the thread is left behind, the run goes on to its end."""
    hanging = agent("b", **{role: waiting_for(gate)})
    service = await replicas.start(a_library(a_flow(hanging)), user_code_seconds=0.2)

    run_id = await launch(service)

    assert await ended(service, run_id) == "failed"
    error = (await run_row(database, run_id))["error"]
    assert error["code"] == "definition_error"
    assert "did not end within 0.2 seconds" in error["message"]


async def test_slow_user_code_does_not_hold_up_the_result_it_was_asked_about(
    replicas: Replicas, database: Database, dispatcher: Dispatcher, gate: threading.Event
) -> None:
    """P3: a result is committed at once; the prompt that it makes possible follows."""

    def slow(_ctx: Context) -> str:
        gate.wait(60)
        return "at last"

    service = await replicas.start(a_library(a_flow(agent("a"), agent("b", "a", run=slow))))
    run_id = await launch(service)
    (a,) = await dispatcher.take(run_id, "a")

    reply = await service.tasks.report(a.task_id, done(a))

    assert reply.verdict == "accepted"
    assert await steps(database, run_id) == {"a": "completed", "b": "pending"}
    gate.set()
    assert await dispatcher.finish(service, run_id) == "completed"


async def test_a_code_step_that_raises_is_told_with_its_place(
    replicas: Replicas, database: Database
) -> None:
    """R2-26, D2-08: the step and the run say what was raised, and where."""
    service = await replicas.start(a_library(a_flow(code("a", run=raising(OSError("disk"))))))

    run_id = await launch(service)

    assert await ended(service, run_id) == "failed"
    error = json.loads((await steps(database, run_id, "error"))["a"])
    assert error["code"] == "code_error"
    assert error["message"].startswith("step a raised OSError: disk (test_user_code.py:")


@pytest.mark.parametrize(
    "value",
    [object(), float("nan"), {1: {2}}, chr(0xD800)],
    ids=["object", "nan", "set", "surrogate"],
)
async def test_a_code_step_returns_what_can_be_stored(
    replicas: Replicas, database: Database, value: object
) -> None:
    """A8: anything else is the step's failure, not a commit that is refused."""
    service = await replicas.start(a_library(a_flow(code("a", run=lambda _ctx: value))))

    run_id = await launch(service)

    assert await ended(service, run_id) == "failed"
    assert (await run_row(database, run_id))["error"]["code"] == "code_error"


async def test_a_code_step_that_hangs_times_out_and_holds_up_nobody(
    replicas: Replicas, database: Database, gate: threading.Event
) -> None:
    """D2-14, D2-22, F16, F31: its time is over, siblings have long ended, and a retry may be tried."""
    hanging = code("a", run=waiting_for(gate), timeout=0.2, on_fail="tolerate")
    service = await replicas.start(a_library(a_flow(hanging, code("b"))))

    run_id = await launch(service)

    assert await ended(service, run_id) == "completed"
    lines = await told(database, run_id)
    assert lines.index("b#1 completed") < lines.index("a#1 failed: timeout_total, tolerated")


def unstorable(_ctx: object) -> Report:
    return Report("#", data={"x": object()})  # pyright: ignore[reportArgumentType]  # the point


@pytest.mark.parametrize(
    "render",
    [raising(ZeroDivisionError()), unstorable, saying(None), saying(7)],
    ids=["raises", "unstorable", "none", "number"],
)
async def test_a_report_that_cannot_be_rendered_fails_the_run_and_no_step(
    replicas: Replicas, database: Database, render: Callable[[Any], Any]
) -> None:
    """R2-45, D2-08: the steps stay as they ended; the run says that its report is the trouble."""
    service = await replicas.start(a_library(a_flow(code("a"), render=render)))

    run_id = await launch(service)

    assert await ended(service, run_id) == "failed"
    assert await steps(database, run_id) == {"a": "completed"}
    assert (await run_row(database, run_id))["error"]["code"] == "render_failed"


async def test_a_report_that_hangs_fails_the_run(
    replicas: Replicas, database: Database, gate: threading.Event
) -> None:
    """R2-45: the same limit holds for reports."""
    flow = a_flow(code("a"), render=waiting_for(gate))
    service = await replicas.start(a_library(flow), user_code_seconds=0.2)

    run_id = await launch(service)

    assert await ended(service, run_id) == "failed"
    assert (await run_row(database, run_id))["error"]["code"] == "render_failed"


class Fickle(BaseModel):
    """An input that is good at launch, when it is read twice, and then never again."""

    asked: ClassVar[int] = 0

    @model_validator(mode="after")
    def _check(self) -> Fickle:
        Fickle.asked += 1
        if Fickle.asked > 2:
            raise ValueError("gone")
        return self


@pytest.mark.complains("ask.unanswerable", "code.unprepared")
@pytest.mark.parametrize("step", [agent("a"), code("a")])
async def test_an_input_that_goes_bad_ends_the_run(
    replicas: Replicas, database: Database, step: Step
) -> None:
    """P4: what cannot be read now will not be readable later: the run fails, it does not wait."""
    Fickle.asked = 0
    service = await replicas.start(a_library(a_flow(step, input=Fickle)))

    run_id = await launch(service)

    assert await ended(service, run_id) == "failed"
    error = (await run_row(database, run_id))["error"]
    assert (error["code"], "gone" in error["message"]) == ("internal_error", True)


async def test_a_gate_that_raises_leaves_nothing_behind(
    replicas: Replicas, database: Database
) -> None:
    """D2-06: gates speak before the first write; one that raises is told to who launches."""
    flow = a_flow(code("a", gate=raising(ValueError("closed"))))
    service = await replicas.start(a_library(flow))

    with pytest.raises(InvalidFlowError) as refused:
        await launch(service)

    assert [problem.code for problem in refused.value.problems] == ["gate-failed"]
    assert await database.value("SELECT count(*) FROM flow_runs") == 0


async def test_results_are_read_by_threads_while_the_loop_works(
    replicas: Replicas, database: Database
) -> None:
    """R2-16: code steps side by side read the same result, as often as they like."""
    wide = [
        code(f"w{n}", "a", run=lambda ctx: [ctx.results["a"] for _ in range(20)]) for n in range(8)
    ]
    service = await replicas.start(a_library(a_flow(code("a", run=lambda _ctx: {"n": 1}), *wide)))

    run_id = await launch(service)

    assert await until(lambda: ended(service, run_id)) == "completed"
    assert set((await steps(database, run_id)).values()) == {"completed"}
