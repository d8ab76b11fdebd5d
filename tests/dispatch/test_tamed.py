"""What a project's own git configuration names is not run because somebody asks for its state."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from dispatch.agents import a_command
from flowrunner.dispatch.process import AgentProcess, ProcessLimits
from flowrunner.evidence.git import tamed

pytestmark = pytest.mark.anyio

ASK = """
say = lambda *words: print(subprocess.run(["git", *words], capture_output=True, text=True).stdout)
say("status", "--porcelain")
say("diff", "--stat")
"""


def a_planted(folder: Path) -> Path:
    """A repository whose monitor, filter and hooks leave a note when they run."""
    project, ran = folder / "project", folder / "ran"
    run = f"sh -c 'echo $0 >> {ran}; cat'"
    subprocess.run(["git", "init", "-q", str(project)], check=True)
    (project / ".gitattributes").write_text("file filter=own\n", encoding="utf-8")
    (project / "file").write_text("kept\n", encoding="utf-8")
    subprocess.run(["git", "-C", str(project), "add", "."], check=True)
    for name, value in {"core.fsmonitor": run, "filter.own.clean": run}.items():
        subprocess.run(["git", "-C", str(project), "config", name, value], check=True)
    (project / "file").write_text("more\n", encoding="utf-8")
    return project


async def test_an_agents_git_runs_nothing(tmp_path: Path) -> None:
    """P8, F55: a monitor and a filter run for whoever asks, with all that is in their environment."""
    project = a_planted(tmp_path)
    command = a_command(ASK, project)
    limits = ProcessLimits(grace_seconds=0.3)

    ended = await AgentProcess(command, limits, tmp_path, lambda _stream, _piece: None).run()

    assert "AM file" in ended.output.text
    assert not (tmp_path / "ran").exists()


async def test_what_an_operator_sets_for_git_stays(tmp_path: Path) -> None:
    """F49: an agent's own variables win."""
    command = a_command("print(os.environ['GIT_CONFIG_COUNT'])", tmp_path)
    command = replace(command, env={**command.env, "GIT_CONFIG_COUNT": "0"})
    limits = ProcessLimits(grace_seconds=0.3)
    ended = await AgentProcess(command, limits, tmp_path, lambda _stream, _piece: None).run()
    assert ended.output.text == "0\n"


def test_a_folder_that_is_no_repository_is_no_problem(tmp_path: Path) -> None:
    """P3: what holds everywhere is said there, too."""
    variables = tamed(tmp_path)
    assert variables["GIT_CONFIG_COUNT"] == str(sum("_KEY_" in name for name in variables))
    assert "core.fsmonitor" in variables.values()
    assert tamed(tmp_path / "none") == variables
