"""However an agent is ended, and whatever it does about it, nothing of it is left."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from dispatch.agents import a_command, an_agent, is_alive, names_in, note, noted, numbers_in
from fixtures.waiting import until
from flowrunner.dispatch.process import AgentProcess, Ended, ProcessLimits

pytestmark = pytest.mark.anyio

IGNORE_TERM = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
SLEEP = "sys.stdout.flush(); time.sleep(600)\n"


async def test_a_stopped_agent_may_clean_up(tmp_path: Path) -> None:
    """SIGTERM first, and time to answer it."""
    script = (
        "def bye(*_): print('bye'); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, bye); print('up', flush=True)\n" + SLEEP
    )
    heard: list[bytes] = []
    agent = AgentProcess(
        a_command(script, tmp_path),
        ProcessLimits(grace_seconds=20),
        tmp_path,
        lambda _stream, piece: heard.append(piece),
    )
    running = asyncio.create_task(agent.run())
    await until(lambda: heard == [b"up\n"])

    agent.stop()

    ended = await running
    assert (ended.cause, ended.output.text, ended.exit_code) == ("stopped", "up\nbye\n", 0)


async def test_one_that_ignores_sigterm_dies(tmp_path: Path) -> None:
    """After the grace time nothing is asked any more."""
    ended = await stopped_when_up(tmp_path, IGNORE_TERM)

    assert (ended.cause, ended.signal) == ("stopped", signal.SIGKILL)


async def test_one_that_was_suspended_dies(tmp_path: Path) -> None:
    """A stopped process answers no SIGTERM: it is woken, then killed."""
    ended = await stopped_when_up(tmp_path, "", suspended=True)

    assert ended.cause == "stopped"


async def test_kill_takes_less_than_a_second(tmp_path: Path) -> None:
    """P12: from the order to the end, whatever it ignores."""
    file = tmp_path / "pids"
    agent = an_agent(IGNORE_TERM + note(file) + SLEEP, tmp_path)
    running = asyncio.create_task(agent.run())
    await until(noted(file, 1))
    before = time.monotonic()

    agent.kill()

    assert (await running).cause == "killed"
    assert time.monotonic() - before < 1.0


async def test_cancelling_leaves_nobody(tmp_path: Path) -> None:
    """Whoever awaits the agent may be cancelled; when that is over, so is the agent."""
    file = tmp_path / "pids"
    running = asyncio.create_task(an_agent(IGNORE_TERM + note(file) + SLEEP, tmp_path).run())
    await until(noted(file, 1))

    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running
    assert not is_alive(numbers_in(file)[0])
    assert names_in(tmp_path) == ["pids"]


async def test_cancelling_twice_does_not_tear_the_end(tmp_path: Path) -> None:
    """A lost lease and a shutdown may come together: what ends is ended once, and whole."""
    file = tmp_path / "pids"
    running = asyncio.create_task(an_agent(IGNORE_TERM + note(file) + SLEEP, tmp_path).run())
    await until(noted(file, 1))

    with capture_logs() as lines:
        while not running.done():
            running.cancel()
            await asyncio.sleep(0)

    assert running.cancelled()
    assert (lines, names_in(tmp_path)) == ([], ["pids"])


async def test_an_order_given_early_is_obeyed(tmp_path: Path) -> None:
    """A lease lost while the agent is still being started ends it all the same."""
    agent = an_agent(SLEEP, tmp_path)

    agent.kill()

    assert (await agent.run()).cause == "killed"


@pytest.mark.parametrize("leaves", ["session", "double fork"])
async def test_its_descendants_go_with_it(tmp_path: Path, leaves: str) -> None:
    """One that left its session, and one whose parents are gone, are found all the same."""
    file = tmp_path / "pids"
    leave = "os.setsid()\n" if leaves == "session" else "os.setsid(); os.fork() and os._exit(0)\n"
    script = f"if os.fork() == 0:\n {leave.strip()}\n {note(file)} time.sleep(600)\nprint('done')"
    script = script.replace("print('done')", f"while not os.path.exists({str(file)!r}): pass")

    ended = await an_agent(script, tmp_path).run()

    assert (ended.cause, ended.exit_code) == ("ended", 0)
    assert not is_alive(numbers_in(file)[0])


async def test_descendants_are_killed_with_it(tmp_path: Path) -> None:
    """P12: a cancel reaches those who left the session and ignore SIGTERM."""
    file = tmp_path / "pids"
    script = f"{IGNORE_TERM}if os.fork() == 0: os.setsid()\n{note(file)}{SLEEP}"
    agent = an_agent(script, tmp_path)
    running = asyncio.create_task(agent.run())
    await until(noted(file, 2))

    agent.kill()

    await running
    assert [is_alive(pid) for pid in numbers_in(file)] == [False, False]


async def test_a_killed_supervisor_takes_the_agent_with_it(tmp_path: Path) -> None:
    """P3: whichever process dies, no agent is left, and the worker hears of it."""
    file = tmp_path / "pids"
    script = f"open({str(file)!r}, 'w').write(str(os.getppid()) + ' ' + str(os.getpid()))\n{SLEEP}"
    running = asyncio.create_task(an_agent(script, tmp_path).run())
    await until(noted(file, 2))
    supervisor, agent = numbers_in(file)

    os.kill(supervisor, signal.SIGKILL)

    assert (await running).cause == "supervisor_lost"
    await until(lambda: not is_alive(agent))


async def stopped_when_up(tmp_path: Path, script: str, *, suspended: bool = False) -> Ended:
    """Run *script* until it is up, suspend it if asked for, stop it, and return how it ended."""
    file = tmp_path / "pids"
    agent = an_agent(script + note(file) + SLEEP, tmp_path)
    running = asyncio.create_task(agent.run())
    await until(noted(file, 1))
    if suspended:
        os.kill(numbers_in(file)[0], signal.SIGSTOP)
    agent.stop()
    return await running
