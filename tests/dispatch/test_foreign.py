"""The contract of docs/dispatcher.md, kept by a program that knows nothing else of us."""

from __future__ import annotations

import ast
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import get_args

import pytest

from dispatch.agents import is_alive, note, noted, numbers_in
from fixtures.databases import Database
from fixtures.libraries import a_flow, a_library, agent
from fixtures.runs import ended, launch, steps
from fixtures.services import Replicas
from fixtures.waiting import until
from flowrunner.dispatch import outcome
from flowrunner.dispatch.gates.changes import CODE as CHANGED
from flowrunner.dispatch.gates.policy import NO_GATE
from flowrunner.wire.tasks import FailureClass

pytestmark = pytest.mark.anyio

PAGE = Path(__file__).resolve().parents[2] / "docs" / "dispatcher.md"
PROGRAM = Path(__file__).with_name("foreign_dispatcher.py")
HEAD = "import os, signal, sys, time\n"

Start = Callable[[str], "subprocess.Popen[bytes]"]


@pytest.fixture
def start(database: Database) -> Generator[Start]:
    """Start the foreign dispatcher with an agent of these lines; it is stopped at the end."""
    started: list[subprocess.Popen[bytes]] = []

    def start(script: str) -> subprocess.Popen[bytes]:
        agent = [sys.executable, "-I", "-S", "-c", HEAD + script]
        argv = [sys.executable, str(PROGRAM), database.address("dispatcher"), *agent]
        started.append(subprocess.Popen(argv))
        return started[-1]

    yield start
    for each in started:
        each.kill()
        each.wait()


async def test_a_foreign_dispatcher_works_off_a_run(
    replicas: Replicas, database: Database, start: Start
) -> None:
    """P1, P2: with the dispatcher's rights it claims, renews and reports through SQL alone."""
    service = await replicas.start(a_library(a_flow(agent("a"), agent("b", "a"))))
    start("print('heard', sys.stdin.read())")

    run_id = await launch(service)

    assert await ended(service, run_id, 20.0) == "completed"
    assert set((await steps(database, run_id, "attempt")).values()) == {"1"}


async def test_an_empty_answer_fails_there_too(
    replicas: Replicas, database: Database, start: Start
) -> None:
    """P9: whoever dispatches, nothing said is not nothing found."""
    service = await replicas.start(a_library(a_flow(agent("a"))))
    start("print()")

    run_id = await launch(service)

    assert await ended(service, run_id, 20.0) == "failed"
    assert "empty_answer" in (await steps(database, run_id, "error"))["a"]


async def test_a_cancel_reaches_a_foreign_agent(
    replicas: Replicas, tmp_path: Path, start: Start
) -> None:
    """P12: the next renewal says so, and the agent is killed."""
    service = await replicas.start(a_library(a_flow(agent("a"))))
    file = tmp_path / "pids"
    start(f"signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{note(file)}time.sleep(600)")
    run_id = await launch(service)
    await until(noted(file, 1), 20.0)

    await service.runs.cancel(run_id, "enough", "test")

    await until(lambda: not is_alive(numbers_in(file)[0]), 5.0)


async def test_a_dead_foreign_dispatcher_is_made_up_for(
    replicas: Replicas, database: Database, tmp_path: Path, start: Start
) -> None:
    """P3: its lease runs out, and the task is given to another."""
    service = await replicas.start(a_library(a_flow(agent("a", retry=1))))
    file = tmp_path / "pids"
    script = f"{note(file)}time.sleep(0 if len(open({str(file)!r}).read().split()) > 1 else 600)"
    first = start(f"{script}\nprint('done')")
    run_id = await launch(service)
    await until(noted(file, 1), 20.0)

    first.send_signal(signal.SIGKILL)
    await database.sql("UPDATE workers SET expires_at = '-infinity' WHERE name = 'foreign'")
    start(f"{script}\nprint('done')")

    assert await ended(service, run_id, 20.0) == "completed"
    # It has no supervisor: what it left behind is for the test to end.
    os.kill(numbers_in(file)[0], signal.SIGKILL)


def test_the_page_shows_the_program_that_was_tested() -> None:
    """An example that nobody runs is wrong within a year."""
    assert PROGRAM.read_text(encoding="utf-8").strip() in PAGE.read_text(encoding="utf-8")


async def test_the_page_names_every_function_a_dispatcher_may_call(database: Database) -> None:
    """And the role may call no other: what is not granted is not part of the contract."""
    granted = await database.sql(  # functions of triggers can be called by nobody
        "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
        " AND prorettype <> 'trigger'::regtype"
        " AND has_function_privilege('flowrunner_dispatcher', oid, 'EXECUTE')"
    )
    named = set(re.findall(r"`(\w+_v[0-9]+)[`(]", PAGE.read_text(encoding="utf-8")))

    assert named == {name for (name,) in granted}


def test_the_page_names_every_code_that_is_reported() -> None:
    """P11: whoever meets a code finds it explained."""
    folder = Path(outcome.__file__).parent
    sources = "".join(file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.py")))
    codes = set(re.findall(r"code=\"([a-z_]+)\"", sources)) | set(outcome.CODES.values())
    codes |= {NO_GATE, CHANGED}
    named = set(re.findall(r"^\| `([a-z_]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))

    assert codes == named - set(get_args(FailureClass))


def test_the_program_knows_nothing_of_ours() -> None:
    """It may serve as a model only if it stands on psycopg and the standard library."""
    tree = ast.parse(PROGRAM.read_text(encoding="utf-8"))
    names = {a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}

    assert {name for name in names if name not in sys.stdlib_module_names} == {"psycopg"}
