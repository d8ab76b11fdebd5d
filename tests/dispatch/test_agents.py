"""Which program an agent's name stands for, and what it gets to know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dispatch.tasks import AROUND, RUN, a_task
from flowrunner.core.errors import InvalidInputError
from flowrunner.dispatch.agents import (
    DEFAULT_AGENTS,
    CommandAgent,
    StaticAgent,
    Surroundings,
    agent_for,
    command_for,
    parse_agents,
)
from flowrunner.dispatch.spawning import AgentCommand
from flowrunner.dispatch.static import agent_argv
from flowrunner.wire.tasks import TaskError


def test_the_static_agent_is_isolated_from_what_it_reviews() -> None:
    """P8: its directory is the project, which must not get to be imported from."""
    command = command_for(
        a_task(agent="static", project_root="/p"), StaticAgent(kind="static"), AROUND
    )

    assert isinstance(command, AgentCommand)
    assert command.argv == agent_argv()
    assert (command.cwd, command.stdin) == (Path("/p"), b"prompt")


def test_a_command_is_what_the_operator_said() -> None:
    """R2-30: a task chooses among the operator's agents, and nothing else about them."""
    agents = parse_agents(
        {"mine": {"kind": "command", "argv": ["sh", "-c", "x"], "env": {"KEY": "k", "LANG": "de"}}}
    )
    mine = agents["mine"]
    assert isinstance(mine, CommandAgent)
    command = command_for(a_task(model="m", persona="judge"), mine, AROUND)

    assert isinstance(command, AgentCommand)
    assert command.argv in {("/bin/sh", "-c", "x"), ("/usr/bin/sh", "-c", "x")}
    assert command.env == {
        "PATH": AROUND.path,
        "LANG": "de",
        "KEY": "k",
        "FLOWRUNNER_TASK_ID": f"{RUN}.0.1",
        "FLOWRUNNER_MODE": "plan",
        "FLOWRUNNER_PERSONA": "judge",
        "FLOWRUNNER_MODEL": "m",
    }


def test_only_three_variables_come_from_our_environment() -> None:
    """D3-12: PATH without relative folders, LANG and TZ; no secret can be forgotten here."""
    ours = {"PATH": ".:/bin::rel/bin:/usr/bin", "TZ": "UTC", "SECRET": "s", "PGPASSWORD": "p"}

    assert Surroundings.of(ours).env() == {"PATH": "/bin:/usr/bin", "LANG": "C.UTF-8", "TZ": "UTC"}


@pytest.mark.parametrize(
    ("given", "code", "hint"),
    [
        ({"agent": "stattic"}, "unknown_agent", "did you mean 'static'?"),
        ({"agent": "xyzzy"}, "unknown_agent", "this dispatcher knows: gone, static"),
        ({"agent": "static", "mode_id": "yolo"}, "mode_not_allowed", None),
        ({"agent": "static", "kind": "code"}, "not_an_agent_task", None),
        ({"agent": "static", "project_root": "src"}, "project_not_absolute", None),
        ({"agent": "gone"}, "agent_not_found", "install it, or give its absolute path"),
    ],
)
def test_what_is_not_started_says_why(given: dict[str, Any], code: str, hint: str | None) -> None:
    """P8, P11: a refusal is a failed result with a code, and a hint where there is one."""
    gone = CommandAgent(kind="command", argv=("no-such-program",))
    task = a_task(**given)
    found = agent_for(task, {**DEFAULT_AGENTS, "gone": gone})
    refusal = command_for(task, gone, AROUND) if found is gone else found

    assert isinstance(refusal, TaskError)
    assert (refusal.code, refusal.failure_class) == (code, "fatal")
    assert (refusal.hint or "").startswith(hint or "")
    assert (refusal.hint is None) == (hint is None)


@pytest.mark.parametrize(
    ("settings", "code", "pointer"),
    [
        ({"kind": "magic"}, "invalid-agent", "/agents/mine"),
        ({"kind": "command"}, "invalid-agent", "/agents/mine/argv"),
        ({"kind": "command", "argv": []}, "invalid-agent", "/agents/mine/argv"),
        ({"kind": "command", "argv": ["a", "b\0"]}, "invalid-agent", "/agents/mine/argv/1"),
        ({"kind": "static", "argv": ["a"]}, "invalid-agent", "/agents/mine/argv"),
        ({"kind": "qwen", "options": {"a": 1}}, "invalid-agent", "/agents/mine/options"),
        ({"kind": "api", "options": {"a": 1}}, "invalid-agent", "/agents/mine/options/a"),
        ({"kind": "command", "argv": ["./a"]}, "relative-program", "/agents/mine/argv/0"),
        ({"kind": "command", "argv": ["bin/a"]}, "relative-program", "/agents/mine/argv/0"),
        ({"kind": "command", "argv": [""]}, "relative-program", "/agents/mine/argv/0"),
        ({"env": {"HOME": "/root"}}, "private-variable", "/agents/mine/env/HOME"),
        ({"env": {"A=B": "x"}}, "invalid-variable", "/agents/mine/env/A=B"),
        ({"env": {"PGHOST": "db"}}, "env-holds-database", "/agents/mine/env/PGHOST"),
        (
            {"env": {"FLOWRUNNER_DATABASE_URL": "x"}},
            "env-holds-database",
            "/agents/mine/env/FLOWRUNNER_DATABASE_URL",
        ),
        ({"env": {"X": "postgresql://u:p@h/d"}}, "env-holds-database", "/agents/mine/env/X"),
        ({"env": {"PATH": ".:/bin"}}, "relative-path", "/agents/mine/env/PATH"),
    ],
)
def test_settings_that_cannot_be_accepted(
    settings: dict[str, Any], code: str, pointer: str
) -> None:
    """P8: nothing that lets the reviewed project choose the program, or hands out the database."""
    given = settings if "kind" in settings else {"kind": "command", "argv": ["a"], **settings}

    with pytest.raises(InvalidInputError) as refused:
        parse_agents({"mine": given})

    assert [(p.code, p.pointer) for p in refused.value.problems] == [(code, pointer)]


def test_all_problems_come_at_once() -> None:
    """An operator corrects a table once, not line by line."""
    with pytest.raises(InvalidInputError) as refused:
        parse_agents(
            {
                "a": {"kind": "command", "argv": ["./a"], "env": {"HOME": "/", "PGUSER": "u"}},
                "b": {"kind": "nothing"},
            }
        )

    assert len(refused.value.problems) == 4
