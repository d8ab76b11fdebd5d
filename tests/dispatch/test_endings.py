"""However an agent is ended, and whatever it does about it, nothing of it is left."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from dispatch.agents import (
    a_command,
    an_agent,
    is_alive,
    names_in,
    note,
    noted,
    numbers_in,
    parent_of,
)
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


async def test_one_that_was_suspended_is_woken_to_end(tmp_path: Path) -> None:
    """A stopped process would answer no SIGTERM, and be killed for nothing."""
    script = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"

    ended = await stopped_when_up(tmp_path, script, suspended=True, grace_seconds=20)

    assert (ended.cause, ended.exit_code) == ("stopped", 7)


async def test_its_family_is_asked_as_well(tmp_path: Path) -> None:
    """A helper in a session of its own may clean up too, before anything is killed."""
    file, bye = tmp_path / "pids", tmp_path / "bye"
    script = (
        f"if os.fork() == 0:\n os.setsid()\n"
        f" signal.signal(signal.SIGTERM, lambda *_: open({str(bye)!r}, 'w') and sys.exit())\n"
        f"{note(file)}{SLEEP}"
    )
    agent = an_agent(script, tmp_path, limits=ProcessLimits(grace_seconds=20))
    running = asyncio.create_task(agent.run())
    await until(noted(file, 2))

    agent.stop()

    await running
    assert bye.exists()


async def test_whoever_insists_is_not_kept_waiting(tmp_path: Path) -> None:
    """A lease may be lost while an agent has its time to end."""
    file = tmp_path / "pids"
    agent = an_agent(IGNORE_TERM + note(file) + SLEEP, tmp_path, limits=ProcessLimits())
    running = asyncio.create_task(agent.run())
    await until(noted(file, 1))
    agent.stop()
    await asyncio.wait([running], timeout=0.1)

    agent.kill()

    async with asyncio.timeout(2):
        assert (await running).signal == signal.SIGKILL


async def test_a_supervisor_that_does_not_read_holds_nobody_up(tmp_path: Path) -> None:
    """The leash is never waited for, even when it is full."""
    file = tmp_path / "pids"
    script = f"open({str(file)!r}, 'w').write(str(os.getppid()))\n{SLEEP}"
    agent = an_agent(script, tmp_path)
    running = asyncio.create_task(agent.run())
    await until(noted(file, 1))
    (supervisor,) = numbers_in(file)
    os.kill(supervisor, signal.SIGSTOP)

    for _ in range(70_000):
        agent.beat()

    os.kill(supervisor, signal.SIGCONT)
    running.cancel()
    await asyncio.wait([running])


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

    before = time.monotonic()

    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running
    assert not is_alive(numbers_in(file)[0])
    assert time.monotonic() - before < 5.0
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
    """P3: the worker hears of it, and ends the agent's whole group by hand."""
    file = tmp_path / "pids"
    script = f"{note(file)}if os.fork() == 0: {note(file)}{SLEEP}"
    running = asyncio.create_task(an_agent(script, tmp_path).run())
    await until(noted(file, 2))
    agent = numbers_in(file)[0]

    os.kill(parent_of(agent), signal.SIGKILL)

    assert (await running).cause == "supervisor_lost"
    await until(lambda: not any(is_alive(pid) for pid in numbers_in(file)))


async def stopped_when_up(
    tmp_path: Path, script: str, *, suspended: bool = False, grace_seconds: float = 0.3
) -> Ended:
    """Run *script* until it is up, suspend it if asked for, stop it, and return how it ended."""
    file = tmp_path / "pids"
    limits = ProcessLimits(grace_seconds=grace_seconds)
    agent = an_agent(script + note(file) + SLEEP, tmp_path, limits=limits)
    running = asyncio.create_task(agent.run())
    await until(noted(file, 1))
    if suspended:
        os.kill(numbers_in(file)[0], signal.SIGSTOP)
    agent.stop()
    return await running
