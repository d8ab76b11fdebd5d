"""One agent as a real process: what it gets, what of it is kept, and that it always ends."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from dispatch.agents import an_agent, names_in
from flowrunner.dispatch.process import AgentProcess, ProcessLimits
from flowrunner.dispatch.spawning import AgentCommand

pytestmark = pytest.mark.anyio

IGNORE_TERM = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
SLEEP = "sys.stdout.flush(); time.sleep(600)\n"


async def test_an_answer_comes_back(tmp_path: Path) -> None:
    """Prompt in, answer out, exit code and time beside it."""
    agent = an_agent(
        "print(sys.stdin.read().upper()); sys.exit(3)", tmp_path, stdin=b"pr\xc3\xb6mpt"
    )

    ended = await agent.run()

    assert (ended.cause, ended.exit_code, ended.output.text) == ("ended", 3, "PRÖMPT\n")
    assert 0 < ended.seconds < 20


async def test_nothing_of_our_environment_reaches_an_agent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D3-12: an agent sees what it was given, a private HOME and TMPDIR, and nothing else."""
    monkeypatch.setenv("FLOWRUNNER_DATABASE_URL", "postgresql://secret")
    agent = an_agent("import json; print(json.dumps(dict(os.environ)))", tmp_path)

    seen = json.loads((await agent.run()).output.text)

    assert seen.pop("HOME") != os.environ["HOME"]
    assert seen.pop("TMPDIR").startswith(str(tmp_path))
    beside = {name for name in seen if not name.startswith("GIT_")}
    assert beside - {"LC_CTYPE"} == {"PATH", "LANG"}


async def test_its_folder_is_private_and_goes_with_it(tmp_path: Path) -> None:
    """What it leaves there is gone after it, also what it locked away."""
    script = (
        "home = os.environ['HOME']; deep = home + '/a/b'; os.makedirs(deep)\n"
        "open(deep + '/f', 'w').write('x'); os.symlink('/etc', home + '/etc')\n"
        "os.chmod(deep, 0); os.chmod(home + '/a', 0)\n"
        "print(oct(os.stat(home).st_mode & 0o777), oct(os.stat(home + '/..').st_mode & 0o777))"
    )

    ended = await an_agent(script, tmp_path).run()

    assert ended.output.text.split() == ["0o700", "0o700"]
    assert names_in(tmp_path) == []
    assert "passwd" in names_in(Path("/etc"))


async def test_it_gets_nothing_open_but_its_streams(tmp_path: Path) -> None:
    """Neither the leash nor anybody's connection leaks into an agent."""
    script = "print(sorted(int(n) for n in os.listdir('/proc/self/fd')))"

    ended = await an_agent(script, tmp_path).run()

    # The fourth is the listing itself.
    assert ended.output.text == "[0, 1, 2, 3]\n"


async def test_it_has_a_session_of_its_own(tmp_path: Path) -> None:
    """What is typed at our terminal is for us: neither it nor its supervisor hears it."""
    script = "print(os.getsid(0) == os.getpid(), os.getsid(os.getppid()) == os.getppid())"

    assert (await an_agent(script, tmp_path).run()).output.text == "True True\n"


async def test_it_dies_of_a_closed_pipe(tmp_path: Path) -> None:
    """The signals that Python ignores for itself are not ignored for an agent."""
    argv = ("/bin/sh", "-c", "kill -PIPE $$; echo alive")
    command = AgentCommand(argv=argv, env={}, cwd=tmp_path, stdin=b"", output_cap=10)

    ended = await AgentProcess(command, ProcessLimits(), tmp_path, lambda _s, _p: None).run()

    assert (ended.signal, ended.output.text) == (signal.SIGPIPE, "")


async def test_a_large_prompt_need_not_be_read(tmp_path: Path) -> None:
    """A full pipe would hold up whoever writes it: five megabytes, never read."""
    ended = await an_agent("print('done')", tmp_path, stdin=b"x" * 5_000_000).run()

    assert ended.output.text == "done\n"


async def test_a_large_prompt_arrives_whole(tmp_path: Path) -> None:
    """Every byte, in one go."""
    agent = an_agent("print(len(sys.stdin.buffer.read()))", tmp_path, stdin=b"x" * 5_000_000)

    assert (await agent.run()).output.text == "5000000\n"


async def test_a_hundred_megabytes_are_capped_and_counted(tmp_path: Path) -> None:
    """P11: what is kept is bounded, what is not kept is counted, and the agent is not held up."""
    script = "b = b'x' * 1_000_000\nfor _ in range(100): os.write(1, b)"

    ended = await an_agent(script, tmp_path, cap=1000).run()

    assert (ended.cause, ended.exit_code) == ("ended", 0)
    assert ended.output.text == "x" * 1000
    assert ended.output.dropped_bytes == 100_000_000 - 1000


async def test_endless_output_is_ended(tmp_path: Path) -> None:
    """An agent that only ever prints is stopped long before its time is over."""
    limits = ProcessLimits(flood_bytes=10_000_000)
    agent = an_agent("while True: os.write(1, b'x' * 65536)", tmp_path, limits=limits, cap=10)

    ended = await agent.run()

    assert (ended.cause, ended.output.text) == ("output_flood", "x" * 10)


async def test_the_end_of_stderr_is_kept(tmp_path: Path) -> None:
    """Where an error is; eight kilobytes of it."""
    script = "sys.stderr.write('a' * 100_000 + 'the error'); sys.exit(1)"

    ended = await an_agent(script, tmp_path).run()

    assert ended.stderr_tail.endswith("aathe error")
    assert len(ended.stderr_tail) == 8192


async def test_its_time_is_limited(tmp_path: Path) -> None:
    """D2-22, F31: a hung agent ends, and says of what."""
    limits = ProcessLimits(total_seconds=0.3, grace_seconds=0.2)

    assert (await an_agent(SLEEP, tmp_path, limits=limits).run()).cause == "timeout_total"


async def test_its_silence_is_limited(tmp_path: Path) -> None:
    """D2-22, F31: one that talks goes on, one that falls silent is ended."""
    limits = ProcessLimits(total_seconds=30, idle_seconds=1.2, grace_seconds=0.2)
    script = f"for _ in range(20): os.write(2, b'.'); time.sleep(0.05)\n{SLEEP}"

    ended = await an_agent(script, tmp_path, limits=limits).run()

    assert (ended.cause, ended.stderr_tail) == ("timeout_idle", "." * 20)


@pytest.mark.parametrize(
    ("argv", "cwd", "errno"),
    [
        (("/nowhere/agent",), ".", 2),
        (("/etc/passwd",), ".", 13),
        (("/bin/true",), "missing", 2),
        (("/bin/true", "a\0b"), ".", 22),
    ],
)
async def test_one_that_cannot_start_says_why(
    tmp_path: Path, argv: tuple[str, ...], cwd: str, errno: int
) -> None:
    """P11: a missing program or folder is told, and leaves nothing behind."""
    command = AgentCommand(argv=argv, env={}, cwd=tmp_path / cwd, stdin=b"", output_cap=10)

    ended = await AgentProcess(command, ProcessLimits(), tmp_path, lambda _s, _p: None).run()

    assert (ended.cause, ended.errno) == ("not_started", errno)
    assert any(word in ended.detail for word in (argv[0], "missing", "null byte"))
    assert names_in(tmp_path) == []
