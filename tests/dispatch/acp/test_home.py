"""What an agent finds in its private HOME, and who may read it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dispatch.agents import a_command
from dispatch.tasks import a_room
from flowrunner.dispatch.process import AgentProcess, ProcessLimits
from flowrunner.dispatch.spawning import AgentCommand

pytestmark = pytest.mark.anyio

LOOK = """
import json, stat
found = {}
for here, _, files in os.walk(os.environ["HOME"]):
    for name in files:
        path = os.path.join(here, name)
        mode = stat.S_IMODE(os.stat(path).st_mode)
        found[os.path.relpath(path, os.environ["HOME"])] = [open(path).read(), oct(mode)]
print(json.dumps([found, os.environ["CONFIG"] == os.environ["HOME"] + "/a", sys.argv[1:]]))
"""


async def run(command: AgentCommand, tmp_path: Path) -> str:
    room = a_room(tmp_path)
    process = AgentProcess(command, ProcessLimits(), room, lambda _s, _p: None)
    return (await process.run()).output.text


async def test_files_lie_in_its_home(tmp_path: Path) -> None:
    """P8: settings of ours, in a place of its own, for nobody else's eyes."""
    command = a_command(LOOK, tmp_path)
    told = await run(
        replace(
            command,
            argv=(*command.argv, "{HOME}/a", "{OTHER}"),
            env={**command.env, "CONFIG": "{HOME}/a"},
            home={"a": "{HOME} ä", ".deep/er/b": "2"},
        ),
        tmp_path,
    )

    assert '"a": ["{HOME} \\u00e4", "0o600"]' in told
    assert '".deep/er/b": ["2", "0o600"]' in told
    assert "true" in told
    assert '/home/a", "{OTHER}"]' in told
    assert list(a_room(tmp_path).iterdir()) == []


async def test_without_files_words_stay_as_they_are(tmp_path: Path) -> None:
    """An operator's own command means what it says."""
    command = AgentCommand(
        argv=(sys.executable, "-c", "import sys; print(sys.argv[1])", "{HOME}"),
        env={},
        cwd=tmp_path,
        stdin=b"",
        output_cap=100,
    )

    assert await run(command, tmp_path) == "{HOME}\n"


async def test_all_of_a_stream_is_heard(tmp_path: Path) -> None:
    """P11: what is kept is capped, what is listened to is not."""
    heard: list[bytes] = []
    command = a_command("os.write(1, b'x' * 100_000)", tmp_path, cap=10)
    process = AgentProcess(
        command, ProcessLimits(), a_room(tmp_path), lambda _s, _p: None, on_stream=heard.append
    )
    ended = await process.run()

    assert (len(b"".join(heard)), ended.output.text) == (100_000, "x" * 10)
