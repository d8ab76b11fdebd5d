"""A worker with a wall: what it runs cannot write, and what changed meanwhile is not hidden."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from dispatch.gates import stage
from dispatch.stage import AGENT, ECHO, Outfit, an_outfit, over_sql
from dispatch.tasks import a_program, a_task
from fixtures.databases import Database
from fixtures.libraries import a_flow, a_library, agent
from fixtures.runs import ended, launch, steps
from fixtures.services import Replicas
from fixtures.waiting import until
from flowrunner.dispatch.agents import StaticAgent
from flowrunner.dispatch.execution import Execution
from flowrunner.dispatch.gates.gate import Gate
from flowrunner.dispatch.gates.policy import Policy
from flowrunner.dispatch.gates.wall import Wall
from flowrunner.wire.tasks import Chunk, TaskReport

pytestmark = pytest.mark.anyio
WRITES = "open('planted', 'w').write('x')\nprint('done')"


@pytest.fixture
def folder() -> Iterator[Path]:
    with stage.ground() as ground:
        yield ground


def walled(
    address: str,
    folder: Path,
    script: str,
    policy: Policy = "strict",
    gates: tuple[Gate, ...] | None = None,
) -> Outfit:
    """A worker whose agents' folders lie outside of /tmp, as people's do."""
    outfit = an_outfit(address, folder, {AGENT: script})
    wall = Wall(policy, outfit.kit.room, "/bin", gates=gates)
    agents = {**outfit.kit.agents, "own": StaticAgent(kind="static")}
    return replace(outfit, kit=replace(outfit.kit, agents=agents, wall=wall))


async def run_of(outfit: Outfit, project: Path, name: str = AGENT) -> TaskReport:
    async def kept(_task: object, _chunks: object) -> bool:
        return True

    task = a_task(agent=name, project_root=str(project))
    return await Execution(task, outfit.kit, kept).run()


@pytest.mark.skipif(not stage.ABI, reason="this kernel has no Landlock")
async def test_a_run_is_gated_and_its_attempt_says_by_what(folder: Path) -> None:
    """P8, F54, F56: an agent that writes fails, its project is kept, the gate is on record."""
    project = stage.a_project(folder)

    report = await run_of(walled("", folder, WRITES), project)

    assert report.error is not None
    assert "planted" in report.error.message
    assert not (project / "planted").exists()
    assert report.record is not None
    wall = report.record["wall"]
    assert isinstance(wall, dict)
    assert wall["policy"] == "strict"
    assert wall["gate"] != "none"
    assert "content" in (wall["proved"] if isinstance(wall["proved"], list) else [])


async def test_without_a_gate_strict_runs_no_command_and_the_static_agent_says_so(
    folder: Path,
) -> None:
    """P8, F68: nothing is started; our own agent, which asks no model, runs and tells."""
    project = stage.a_project(folder)
    outfit = walled("", folder, f"open({str(folder / 'ran')!r}, 'w')", gates=())

    report, own = await run_of(outfit, project), await run_of(outfit, project, "own")

    assert report.error is not None
    assert report.error.code == "no_gate"
    assert not (folder / "ran").exists()
    assert own.record is not None
    wall = own.record["wall"]
    assert isinstance(wall, dict)
    assert (wall["gate"], wall["policy"]) == ("none", "strict")


async def test_what_changes_behind_no_gate_fails_the_attempt(
    folder: Path,
) -> None:
    """P8, F55: the operator trusts the agent's own mode; the look afterwards does not."""
    project = stage.a_project(folder)

    report = await run_of(walled("", folder, WRITES, "tool-level", ()), project)

    assert report.error is not None
    assert report.error.code == "read_only_violated"
    assert "created: planted" in report.error.message
    assert (report.outcome, report.partial) == ("failed", "done\n")
    assert report.record is not None


async def test_a_project_that_is_not_there_is_refused_before_anything_is_started(
    folder: Path,
) -> None:
    """P11: it is told by its name, and no gate is tried on it."""
    project = stage.a_project(folder)
    shutil.rmtree(project)

    report = await run_of(walled("", folder, ECHO), project)

    assert report.error is not None
    assert report.error.code == "agent_not_started"
    assert str(project) in report.error.message


@pytest.mark.parametrize("order", ["stop", "kill"])
async def test_what_is_ended_before_it_begins_is_not_started(folder: Path, order: str) -> None:
    """P12: the order may come while the gate is being proved."""
    project = stage.a_project(folder)
    outfit = walled("", folder, f"open({str(folder / 'ran')!r}, 'w')", "tool-level")

    async def kept(_task: object, _chunks: object) -> bool:
        return True

    execution = Execution(a_task(agent=AGENT, project_root=str(project)), outfit.kit, kept)
    running = asyncio.create_task(execution.run())
    await asyncio.sleep(0)
    getattr(execution, order)()
    report = await running

    assert report.error is not None
    assert report.error.code == "agent_stopped"
    assert not (folder / "ran").exists()


@pytest.mark.skipif(not stage.ABI, reason="this kernel has no Landlock")
async def test_a_change_by_somebody_else_fails_the_step_and_says_that_it_may_be(
    replicas: Replicas, database: Database, folder: Path
) -> None:
    """P8, F55: the run fails with the change as evidence; the agent is not blamed."""
    service = await replicas.start(a_library(a_flow(agent("a"))))
    project = stage.a_project(folder)
    waits = "print('here', flush=True)\nwhile not os.path.exists('by-hand'): time.sleep(0.02)"

    async with over_sql(walled(database.address("dispatcher"), folder, waits)):
        run_id = await launch(service, project_root=project)
        await until(lambda: database.value("SELECT count(*) FROM transcripts WHERE kind = 'text'"))
        (project / "by-hand").write_text("mine")
        assert await ended(service, run_id) == "failed"

    error = (await steps(database, run_id, "error"))["a"]
    assert "read_only_violated" in error
    assert "created: by-hand" in error
    assert "somebody else has probably changed it" in error


@pytest.mark.skipif(not stage.ABI, reason="this kernel has no Landlock")
async def test_what_git_ignores_may_change_behind_a_proved_gate(
    replicas: Replicas, database: Database, folder: Path
) -> None:
    """P8: caches and builds are written all the time, and are no part of what is reviewed."""
    service = await replicas.start(a_library(a_flow(agent("a"))))
    project = stage.a_project(folder)
    (project / ".gitignore").write_text("cache/\n*.pyc\n")
    waits = "print('here', flush=True)\nwhile not os.path.exists('cache/x'): time.sleep(0.02)"

    async with over_sql(walled(database.address("dispatcher"), folder, waits)):
        run_id = await launch(service, project_root=project)
        await until(lambda: database.value("SELECT count(*) FROM transcripts WHERE kind = 'text'"))
        (project / "b.pyc").write_text("compiled")
        (project / "cache").mkdir()
        (project / "cache" / "x").write_text("cached")
        assert await ended(service, run_id) == "completed", await steps(database, run_id, "error")


@pytest.mark.parametrize("gated", [True, False])
async def test_a_change_may_only_be_noted_where_the_agent_cannot_have_made_it(
    folder: Path, *, gated: bool
) -> None:
    """P8, F55: an answer is kept for an operator who works on; without a gate it never is."""
    if gated and not stage.ABI:
        pytest.skip("this kernel has no Landlock")
    project = stage.a_project(folder)
    waits = (
        "open(os.environ['TMPDIR'] + '/x', 'w')\nprint('here', flush=True)\n"
        "while not os.path.exists('by-hand'): time.sleep(0.02)"
    )
    outfit = walled("", folder, waits, "tool-level", None if gated else ())
    kit = replace(outfit.kit, on_change="note")
    heard = asyncio.Event()

    async def kept(_task: object, _chunks: object) -> bool:
        heard.set()
        return True

    execution = Execution(a_task(agent=AGENT, project_root=str(project)), kit, kept)
    running = asyncio.create_task(execution.run())
    await heard.wait()
    (project / "by-hand").write_text("mine")
    report = await running

    assert report.record is not None
    if gated:
        assert report.outcome == "completed"
        assert "created: by-hand" in str(report.record["changes"])
    else:
        assert report.error is not None
        assert report.error.code == "read_only_violated"


async def test_a_command_that_prints_its_key_prints_a_placeholder(folder: Path) -> None:
    """P8, F57: in the transcript, in the answer, and in the words it failed with; torn or whole."""
    key, project = "hush-hush-0123456789", stage.a_project(folder)
    tells = (
        "key = os.environ['SERVICE_TOKEN']\n"
        "for part in (key[:7], key[7:], ' and ', key): print(part, end='', flush=True)\n"
        "sys.stderr.write(key)\nsys.exit(int(os.environ['HOW']))"
    )
    told: list[str] = []

    async def kept(_task: object, chunks: Sequence[Chunk]) -> bool:
        told.extend(chunk.text for chunk in chunks)
        return True

    for how in ("0", "3"):
        agent = a_program(tells, env={"SERVICE_TOKEN": key, "HOW": how})
        outfit = an_outfit("", folder, {AGENT: agent})
        task = a_task(agent=AGENT, project_root=str(project))
        report = await Execution(task, outfit.kit, kept).run()
        assert key not in report.model_dump_json()
        said = report.output or report.partial
        assert said == "[flowrunner: key] and [flowrunner: key]"

    assert key not in "".join(told)
    assert "".join(told).count("[flowrunner: key]") == 6
