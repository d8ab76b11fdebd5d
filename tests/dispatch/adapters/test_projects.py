"""What a project would have programs run is hidden from them; where it cannot be, none is started."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dispatch.adapters.test_starting import ENDPOINT, NOWHERE, start_of
from dispatch.tasks import AROUND, a_task
from flowrunner.dispatch.adapters.launching import Plan, command_of
from flowrunner.dispatch.adapters.projects import CONFIGURES, hidden_from, refuse
from flowrunner.dispatch.adapters.table import ADAPTERS
from flowrunner.dispatch.gates.gate import OPEN, Gate

RUNNING = [(name, folder) for name, known in ADAPTERS.items() for folder in known.hides]
BOX, FLAT = Gate(namespaces=True, hidden=("/srv/data",)), Gate(landlock=6)


def a_part(tmp_path: Path) -> Path:
    """A project that is a part of a repository, itself in somebody's home."""
    project = tmp_path / "repository" / "part"
    project.mkdir(parents=True)
    (tmp_path / "repository" / ".git").mkdir()
    return project


def test_who_runs_something_of_a_project() -> None:
    """P8: seen with the real programs in tests/hostile_agents; the others run nothing."""
    assert set(RUNNING) == {
        ("codex", ".codex"),
        ("opencode", ".opencode"),
        ("copilot", ".github/hooks"),
        ("copilot", ".github/copilot"),
    }


@pytest.mark.parametrize(("name", "folder"), RUNNING)
def test_it_is_hidden_with_all_that_the_wall_hides(name: str, folder: str, tmp_path: Path) -> None:
    """P8: in the project and above it, as programs look for it; and links are followed."""
    project = a_part(tmp_path)
    (project / folder).parent.mkdir(parents=True, exist_ok=True)
    (project / folder).symlink_to(tmp_path / "elsewhere")
    task = a_task(project_root=str(project))
    plan = Plan(adapter=ADAPTERS[name], endpoint=ENDPOINT, site=NOWHERE, gate=BOX)

    hidden = command_of(task, plan, start_of(name), AROUND).gate.hidden

    assert hidden[0] == "/srv/data"
    assert {str(tmp_path / "elsewhere"), str(tmp_path / "repository" / folder)} <= set(hidden)
    assert hidden[1:] == hidden_from(ADAPTERS[name], project)


@pytest.mark.parametrize(("name", "folder"), RUNNING)
@pytest.mark.parametrize("gate", [FLAT, OPEN], ids=["landlock", "none"])
def test_where_it_cannot_be_hidden_nothing_is_started(
    name: str, folder: str, gate: Gate, tmp_path: Path
) -> None:
    """P8: in the project or above it in its repository; a person's own home above that may be."""
    project, adapter = a_part(tmp_path), ADAPTERS[name]
    (tmp_path / folder).mkdir(parents=True)
    assert refuse(adapter, project, gate) is None

    (tmp_path / "repository" / folder).mkdir(parents=True)
    refusal = refuse(adapter, project, gate)
    assert refusal is not None
    assert (refusal.code, refusal.failure_class) == (CONFIGURES, "fatal")
    assert folder in refusal.message
    assert refuse(adapter, project, replace(gate, namespaces=True)) is None


def test_a_folder_that_is_no_repository(tmp_path: Path) -> None:
    """P8: then it is the project's own alone that counts."""
    (tmp_path / ".codex").mkdir()
    project = tmp_path / "project"
    project.mkdir()
    assert refuse(ADAPTERS["codex"], project, FLAT) is None
    (project / ".codex").symlink_to(tmp_path / "nowhere")
    assert refuse(ADAPTERS["codex"], project, FLAT) is not None
