"""What an answer cites and names must be there, or it is sent back (none-has 22, F59)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher
from fixtures.libraries import a_flow, a_library, agent, code
from fixtures.runs import ended, launch, run_row
from fixtures.services import Replicas
from flowrunner import Citations, Produces
from flowrunner.definitions.context import Context
from integration.engine.repairs import answered, prompt_of

pytestmark = pytest.mark.anyio


class Claim(BaseModel):
    file: str
    line: int
    quote: str


class Found(BaseModel):
    claims: list[Claim]


@pytest.mark.parametrize(
    ("citations", "claim", "problem"),
    [
        (True, {"line": 1, "quote": "x = 1"}, ""),
        (True, {"line": 2, "quote": "y = 22222222"}, ""),
        (True, {"line": 1, "quote": "y = 22222222"}, "the quote stands at lines 2 to 2"),
        (Citations(exact=False), {"line": 1, "quote": "y = 22222222"}, ""),
        (True, {"line": 1, "quote": "z = 3"}, "the file does not hold the quote"),
        (True, {"line": 99, "quote": "z = 3"}, "there is no such line, the file has 2"),
        (True, {"file": "b.py", "line": 1, "quote": "x = 1"}, "the project has no such file"),
        (True, {"file": "../a.py", "line": 1, "quote": "x = 1"}, "that is outside the project"),
        (False, {"line": 99, "quote": "z = 3"}, ""),
    ],
)
async def test_what_is_cited_must_be_there(
    replicas: Replicas,
    database: Database,
    dispatcher: Dispatcher,
    tmp_path: Path,
    citations: Any,
    claim: dict[str, object],
    problem: str,
) -> None:
    """None-has 22, F59: file, line and quote of every claim, held against the project by code."""
    (tmp_path / "a.py").write_text("x = 1\ny = 22222222\n")
    step = agent("a", output=Found, produces=Produces(citations=citations), repairs=0)
    service = await replicas.start(a_library(a_flow(step)))
    run_id = await launch(service, project_root=tmp_path)
    claims = [{"file": "a.py", "line": 1, "quote": "x = 1"}, {"file": "a.py", **claim}]

    await answered(service, dispatcher, run_id, json.dumps({"claims": claims}))

    assert await ended(service, run_id) == ("failed" if problem else "completed")
    if problem:
        error = (await run_row(database, run_id))["error"]
        assert error["code"] == "contract_broken"
        assert "/claims/1: " in error["message"]
        assert problem in error["message"]
        assert "/claims/0" not in error["message"]


async def test_every_problem_is_told_to_the_agent_and_mended(
    replicas: Replicas, dispatcher: Dispatcher, tmp_path: Path
) -> None:
    """None-has 22: citations, files and the author's own check, all in one round."""
    (tmp_path / "a.py").write_text("x = 1\n")

    def check(ctx: Context, answer: Found) -> list[str]:
        return [] if len(answer.claims) == 1 else [f"{ctx.band}: one claim is asked for"]

    def files(_ctx: Context, answer: Found) -> list[str]:
        return [claim.file for claim in answer.claims]

    produces = Produces(citations=True, files=files, check=check)
    service = await replicas.start(a_library(a_flow(agent("a", output=Found, produces=produces))))
    run_id = await launch(service, project_root=tmp_path)
    good = {"file": "a.py", "line": 1, "quote": "x = 1"}
    bad = {"file": "no.py", "line": 1, "quote": "x = 1"}
    wrong, right = json.dumps({"claims": [good, bad]}), json.dumps({"claims": [good]})

    _, second = await answered(service, dispatcher, run_id, wrong, right)

    assert await ended(service, run_id) == "completed"
    told_so = [line for line in prompt_of(second).splitlines() if line.startswith("- ")]
    assert told_so == [
        "- /claims/1: no.py, line 1: the project has no such file",
        "- /claims/1/file: no.py: the project has no such file",
        "- small: one claim is asked for",
    ]


async def test_the_agent_is_told_more_than_people_are(
    replicas: Replicas, dispatcher: Dispatcher, tmp_path: Path
) -> None:
    """F7, P11: all problems, up to a bound that is said, one line each; the error names the first."""
    step = agent("a", output=Found, produces=Produces(citations=True))
    service = await replicas.start(a_library(a_flow(step)))
    run_id = await launch(service, project_root=tmp_path)
    bad = [{"file": f"{n}.py", "line": 1, "quote": "x\ny = 1"} for n in range(60)]

    await answered(service, dispatcher, run_id, json.dumps({"claims": bad}))

    (second,) = await dispatcher.take(run_id, "a", attempt=2)
    told_so = [line for line in prompt_of(second).splitlines() if line.startswith("- ")]
    assert told_so[-1] == "- and 10 more"
    assert told_so[-2] == "- /claims/49: 49.py, line 1: the project has no such file"
    assert len(told_so) == 51


def raising(_ctx: Context, _answer: Found) -> Sequence[str]:
    raise LookupError("no idea")


def forgetful(_ctx: Context, _answer: Found) -> Any:
    return None


@pytest.mark.parametrize(
    ("produces", "code_", "words"),
    [
        (Produces(check=raising), "definition_error", "raised LookupError: no idea"),
        (Produces(check=forgetful), "definition_error", "gives a list of texts, not NoneType"),
        (Produces(citations=True), "project_unreadable", "cannot be read by the process"),
        (Produces(files=["a.py"]), "project_unreadable", "cannot be read by the process"),
    ],
    ids=["raises", "returns nothing", "citations unread", "files unread"],
)
async def test_what_cannot_be_checked_does_not_pass(
    replicas: Replicas,
    database: Database,
    dispatcher: Dispatcher,
    tmp_path: Path,
    produces: Produces,
    code_: str,
    words: str,
) -> None:
    """P9, D2-05: no agent is asked to mend the flow's mistake, or a folder that is not there."""
    project = tmp_path / "project"
    project.mkdir()
    service = await replicas.start(a_library(a_flow(agent("a", output=Found, produces=produces))))
    run_id = await launch(service, project_root=project)
    project.rmdir()
    good = {"file": "a.py", "line": 1, "quote": "x = 1"}

    await answered(service, dispatcher, run_id, json.dumps({"claims": [good]}))

    assert await ended(service, run_id) == "failed"
    error = (await run_row(database, run_id))["error"]
    assert error["code"] == code_
    assert words in error["message"]


async def test_pins_say_against_which_bytes_claims_are_held(
    replicas: Replicas, database: Database, dispatcher: Dispatcher, tmp_path: Path
) -> None:
    """F59: a file that changed since a step pinned it supports no claim, though it holds the quote."""
    (tmp_path / "a.py").write_text("x = 1\n")
    flow = a_flow(
        code("pin", run=lambda _ctx: {"a.py": "0" * 64}),
        agent(
            "a",
            "pin",
            output=Found,
            produces=Produces(citations=True, pins=lambda ctx: ctx.results["pin"]),  # pyright: ignore[reportArgumentType]  # what `pin` returned
            repairs=0,
        ),
    )
    service = await replicas.start(a_library(flow))
    run_id = await launch(service, project_root=tmp_path)
    claim = {"file": "a.py", "line": 1, "quote": "x = 1"}

    await answered(service, dispatcher, run_id, json.dumps({"claims": [claim]}))

    assert await ended(service, run_id) == "failed"
    assert (
        "has changed since it was pinned" in (await run_row(database, run_id))["error"]["message"]
    )
