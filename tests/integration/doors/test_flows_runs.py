"""Whole runs of YAML flows: lists, conditions, loops, questions and reports, as their text says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fixtures.dispatchers import Dispatcher, done, failed
from fixtures.services import Replicas
from fixtures.waiting import until
from flowrunner.core.model import RunId
from flowrunner.db.queue import ClaimedTask
from flowrunner.definitions.library import Library
from integration.doors.asking import INBOX, RUNS, asked
from integration.doors.conftest import Door, opened
from unit.definitions.yaml.shop import HUNT

pytestmark = pytest.mark.anyio

PLACES = [{"file": "a.py", "line": 3}, {"file": "b.py", "line": 9}]
LOOP = """\
flow: loop
steps:
  - id: draft
    agent: Try ${iteration}, last was ${previous}
    repeat: {until: "${previous.length > 4}", at_most: 3}
  - {id: late, wait: 1s, needs: [draft]}
  - {id: odd, agent: fail, on_fail: tolerate}
  - {id: judge, agent: "About ${odd}", on_fail: tolerate}
  - {id: count, agent: hi, when: "${odd.length > 3}", on_fail: tolerate}
report: {template: "# ${draft}"}
"""


def a_library(folder: Path, text: str) -> Library:
    """A level with one YAML flow, read from its file."""
    (folder / "flows").mkdir()
    (folder / "flows/x.flow.yaml").write_text(text, encoding="utf-8")
    library = Library.discover([folder / "flows"])
    assert library.problems == ()
    return library


def prompt_of(task: ClaimedTask) -> str:
    """The text that the task's agent is given."""
    return (task.input or b"").decode()


async def steps_of(door: Door, run_id: RunId) -> dict[str, Any]:
    """The steps of a run by key."""
    page = await door.json(f"{RUNS}/{run_id}/steps")
    return {step["key"]: step for step in page["items"]}


async def test_a_hunt_runs_from_its_text_to_its_report(
    replicas: Replicas, dispatcher: Dispatcher, tmp_path: Path
) -> None:
    """F1, F10, F13, F41: a list becomes agents, a condition asks a person, findings become the report."""
    service = await replicas.start(a_library(tmp_path, HUNT))
    prompts: dict[str, str] = {}

    def say(task: ClaimedTask) -> str:
        prompts[task.step_key] = prompt_of(task)
        if task.step_key == "scan":
            return json.dumps(PLACES)
        severity = "high" if "a.py" in task.step_key else "low"
        return json.dumps({"title": f"in {task.step_key}", "severity": severity, "file": "a.py"})

    async with opened(service) as door:
        run_id = await door.launch("find-issues", input={"repo": "here"})

        async def work() -> bool:
            for task in await dispatcher.claim():
                await service.tasks.report(task.task_id, done(task, say(task)))
            return bool((await door.json(INBOX, params={"run": str(run_id)}))["items"])

        await until(work, 20.0)
        question = await asked(door, run_id)
        await door.post(f"{INBOX}/{question['id']}", {"decision": "approve"})
        status = await dispatcher.finish(service, run_id, say)
        report = await door.json(f"{RUNS}/{run_id}/report", params={"format": "json"})

    assert status == "completed"
    assert sorted(prompts) == ["confirm[a.py-3]", "confirm[b.py-9]", "scan"]
    assert prompts["scan"].startswith("List up to 5 suspicious places in here, focus correctness.")
    assert prompts["confirm[b.py-9]"].startswith("Prove or refute <<item ")
    assert question["body_md"] == "Send 2 findings to the team?"
    assert report["outcome"] == "findings"
    assert [found["severity"] for found in report["data"]["findings"]] == ["high", "low"]
    assert "| high | a.py |  | in confirm[a.py-3] |" in report["markdown"]


async def test_nothing_high_asks_nobody(
    replicas: Replicas, dispatcher: Dispatcher, tmp_path: Path
) -> None:
    """F10, V-04: a `when` that is false skips its step; no finding is a clean outcome."""
    service = await replicas.start(a_library(tmp_path, HUNT))

    async with opened(service) as door:
        run_id = await door.launch("find-issues", input={"repo": "here"})
        status = await dispatcher.finish(service, run_id, lambda _task: "[]")
        steps = await steps_of(door, run_id)
        report = await door.json(f"{RUNS}/{run_id}/report", params={"format": "json"})

    assert (status, steps["ok"]["status"]) == ("completed", "skipped")
    assert report["outcome"] == "clean"
    assert "- `ok` was skipped" in report["markdown"]


async def test_a_failed_step_never_reads_as_nothing(
    replicas: Replicas, dispatcher: Dispatcher, tmp_path: Path
) -> None:
    """P9, F15, V-03: loops and waits end; texts and conditions on a failed step fail, typed."""
    service = await replicas.start(a_library(tmp_path, LOOP))
    drafts: list[str] = []

    async with opened(service) as door:
        run_id = await door.launch("loop")

        async def work() -> bool:
            for task in await dispatcher.claim():
                if task.step_key == "odd":
                    await service.tasks.report(task.task_id, failed(task))
                    continue
                drafts.append(prompt_of(task).partition(",")[0])
                text = "long enough" if len(drafts) > 1 else "no"
                await service.tasks.report(task.task_id, done(task, text))
            return (await service.runs.head(run_id)).status.is_terminal

        await until(work, 30.0)
        run = await door.json(f"{RUNS}/{run_id}")
        steps = await steps_of(door, run_id)
        report = await door.json(f"{RUNS}/{run_id}/report", params={"format": "json"})

    assert (run["status"], run["degraded"]) == ("completed", True)
    assert drafts == ["Try 1", "Try 2"]
    assert steps["late"]["status"] == "completed"
    codes = {key: steps[key]["error"]["code"] for key in ("odd", "judge", "count")}
    assert codes == {
        "odd": "agent_error",
        "judge": "unresolved_reference",
        "count": "definition_error",
    }
    assert "line 9:" in steps["count"]["error"]["message"]
    assert report["outcome"] == "incomplete"
    assert report["markdown"].startswith("# long enough\n")
