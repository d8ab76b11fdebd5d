"""These tests' own eyes: what they never see elsewhere, they see here."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from chaos.diary import Diary
from chaos.programs import HERE
from chaos.waiting import until
from embedded.support import kill


def test_two_attempts_at_once_would_be_seen(tmp_path: Path) -> None:
    """I2: whether the first one, or only a child that it left behind, still lives."""
    diary = Diary(tmp_path)
    with ExitStack() as agents:
        agents.callback(lambda: kill(*(note.shadow for note in diary.living())))
        first = started(agents, tmp_path, 1)
        until(lambda: len(diary.notes("start")) == 1)
        started(agents, tmp_path, 2)
        until(lambda: len(diary.notes("overlap")) == 1)
        first.kill()
        first.wait()
        started(agents, tmp_path, 3)
        until(lambda: len(diary.notes("start")) == 3)
    assert [note.attempt for note in diary.notes("overlap")] == [2, 3]


def test_one_attempt_after_the_other_is_fine(tmp_path: Path) -> None:
    """I2: a dead one holds nothing."""
    diary = Diary(tmp_path)
    with ExitStack() as agents:
        agents.callback(lambda: kill(*(note.shadow for note in diary.living())))
        for attempt in (1, 2):
            agent = started(agents, tmp_path, attempt)
            until(lambda: len(diary.notes("start")) == attempt)  # noqa: B023  # waited for at once
            agent.kill()
            agent.wait()
            kill(*(note.shadow for note in diary.notes("start")))
            until(lambda: diary.living() == [])
    assert diary.notes("overlap") == []


def started(agents: ExitStack, folder: Path, attempt: int) -> subprocess.Popen[bytes]:
    """Start the agent by hand, for some attempt of one step."""
    asked = folder / "orders"
    asked.write_text(json.dumps({"key": "a", "gate": "open", "is_stubborn": False, "heard": []}))
    program = [sys.executable, "-I", "-S", str(HERE / "agent.py"), folder / "diary", folder]
    task = {"FLOWRUNNER_TASK_ID": f"run.1.{attempt}"}
    with asked.open("rb") as orders:
        agent = subprocess.Popen(program, stdin=orders, env=task)
    agents.callback(agent.wait)
    agents.callback(agent.kill)
    return agent
