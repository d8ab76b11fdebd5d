"""A flow that is edited between a crash and the restart: what its runs go on with, by policy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher, done
from fixtures.runs import launch, report, run_row, steps
from fixtures.services import Replicas
from fixtures.steering import resume, said, tasks
from fixtures.waiting import until
from flowrunner.bootstrap.service import Service
from flowrunner.core.model import RunId
from flowrunner.definitions.library import Library

pytestmark = pytest.mark.anyio

FLOW = """
from flowrunner import Flow, Report, Step

def ask(ctx):
    return "{word}: what of " + str(ctx.results.get("a"))

def more(ctx):
    return "{word} code"

def render(ctx):
    return Report("#", data={{"word": "{word}", "steps": sorted(ctx.results)}})

flow = Flow("demo", render=render, steps=[
    Step("a", run=ask),
    Step("b", needs=["a"], run=ask),
    Step("c", kind="code", needs=["b"], run=more),{extra}
])
"""
EXTRA = '\n    Step("d", needs=["c"], run=ask),'
EDITS = {"words": ("new", ""), "graph": ("new", EXTRA)}


def write(folder: Path, word: str, extra: str = "") -> Library:
    """The library of a folder with the flow in these words."""
    folder.mkdir(exist_ok=True)
    (folder / "demo.py").write_text(FLOW.format(word=word, extra=extra))
    return Library.discover([folder])


CASES = [
    ("pinned", "words", "old"),
    ("pinned", "graph", "old"),
    ("latest", "words", "new"),
    ("latest", "graph", "old"),
]


@pytest.mark.parametrize(("policy", "edit", "word"), CASES)
async def test_an_edited_flow_goes_on_as_its_policy_says(
    replicas: Replicas,
    database: Database,
    dispatcher: Dispatcher,
    tmp_path: Path,
    policy: str,
    edit: str,
    word: str,
) -> None:
    """R2-14, D2-21, F5: pinned: the text it began with. latest: today's, if the graph is the same; what
    was asked before the crash stands. The steps that are done are not done again.
    """
    run_id, a = await begun(replicas, dispatcher, write(tmp_path / "flows", "old"))
    after = await replicas.start(write(tmp_path / "flows", *EDITS[edit]), on_drift=policy)
    await after.tasks.report(a.task_id, done(a, "A"))

    (b,) = await dispatcher.take(run_id, "b")
    assert b.input == f"{word}: what of A".encode()
    await after.tasks.report(b.task_id, done(b))
    assert await dispatcher.finish(after, run_id) == "completed"
    assert await report(database, run_id) == {"word": word, "steps": ["a", "b", "c"]}
    assert await output(database, run_id, "c") == f"{word} code"
    assert await tasks(database, run_id) == {"a": 1, "b": 1, "c": 1}


@pytest.mark.parametrize("edit", EDITS)
async def test_a_policy_may_ask_people_first(
    replicas: Replicas, database: Database, dispatcher: Dispatcher, tmp_path: Path, edit: str
) -> None:
    """R2-14, D2-21, F5: pause: nothing is done in either text until the old one is back and a person says
    so; a run of the new text is not held up.
    """
    folder = tmp_path / "flows"
    run_id, a = await begun(replicas, dispatcher, write(folder, "old"))
    after = await replicas.start(write(folder, *EDITS[edit]), on_drift="pause")
    await after.tasks.report(a.task_id, done(a, "A"))

    await until(lambda: is_paused(after, run_id))
    (why,) = await said(database, run_id, "run.paused")
    assert why["reason"].startswith("definition_changed: flow 'demo' changed since this run began")
    assert await steps(database, run_id) == {"a": "completed", "b": "pending", "c": "pending"}
    assert await dispatcher.finish(after, await launch(after)) == "completed"
    await replicas.stop(after)

    again = await replicas.start(write(folder, "old"), on_drift="pause")
    await resume(again, run_id)
    assert await dispatcher.finish(again, run_id) == "completed"
    assert (await report(database, run_id))["word"] == "old"
    assert (await run_row(database, run_id))["generation"] == 1


@pytest.mark.parametrize("policy", ["pinned", "latest"])
async def test_a_flow_whose_file_is_gone_goes_on(
    replicas: Replicas, database: Database, dispatcher: Dispatcher, tmp_path: Path, policy: str
) -> None:
    """D2-21: there is no text of today, so the run's own is used, also where it is broken now."""
    for number, text in enumerate((None, "this is no Python")):
        folder = tmp_path / f"flows{number}"
        run_id, a = await begun(replicas, dispatcher, write(folder, "old"))
        (folder / "demo.py").unlink() if text is None else (folder / "demo.py").write_text(text)
        after = await replicas.start(Library.discover([folder]), on_drift=policy)
        await after.tasks.report(a.task_id, done(a, "A"))

        assert await dispatcher.finish(after, run_id) == "completed"
        assert (await report(database, run_id))["word"] == "old"
        await replicas.stop(after)


async def begun(replicas: Replicas, dispatcher: Dispatcher, library: Library) -> tuple[RunId, Any]:
    """A run whose first agent is at work, and whose replica is gone."""
    before = await replicas.start(library)
    run_id = await launch(before)
    (a,) = await dispatcher.take(run_id, "a")
    await replicas.stop(before)
    return run_id, a


async def is_paused(service: Service, run_id: RunId) -> bool:
    return (await service.runs.head(run_id)).status.value == "paused"


async def output(database: Database, run_id: RunId, key: str) -> str:
    body: bytes = await database.value(
        "SELECT p.body FROM flow_steps s JOIN payloads p ON p.ref = s.output_ref"
        " WHERE s.run_id = %s AND s.key = %s",
        (run_id, key),
    )
    return body.decode().strip('"')
