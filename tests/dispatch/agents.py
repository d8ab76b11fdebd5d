"""Agents for tests: small Python programs, run as an operator's command would be."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from flowrunner.dispatch.process import AgentProcess, ProcessLimits
from flowrunner.dispatch.spawning import AgentCommand

PATH = "/usr/local/bin:/usr/bin:/bin"


def a_command(script: str, cwd: Path, *, stdin: bytes = b"", cap: int = 1 << 20) -> AgentCommand:
    """Run *script* with this Python; it finds `sys, os, time, signal, subprocess` imported."""
    head = "import os, signal, subprocess, sys, time\n"
    return AgentCommand(
        argv=(sys.executable, "-I", "-S", "-c", head + script),
        env={"PATH": PATH, "LANG": "C.UTF-8"},
        cwd=cwd,
        stdin=stdin,
        output_cap=cap,
    )


def an_agent(
    script: str,
    room: Path,
    *,
    limits: ProcessLimits | None = None,
    stdin: bytes = b"",
    cap: int = 1 << 20,
) -> AgentProcess:
    limits = limits or ProcessLimits(grace_seconds=0.3)
    command = a_command(script, room, stdin=stdin, cap=cap)
    return AgentProcess(command, limits, room, lambda _stream, _piece: None)


def is_alive(pid: int) -> bool:
    """Whether it runs; a process that only waits to be reaped does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def parent_of(pid: int) -> int:
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    return int(stat.rpartition(")")[2].split()[1])


def noted(file: Path, count: int) -> Callable[[], bool]:
    """Tell whether *count* processes have noted their number in *file*."""
    return lambda: file.exists() and len(file.read_text(encoding="utf-8").split()) >= count


def numbers_in(file: Path) -> list[int]:
    return [int(word) for word in file.read_text(encoding="utf-8").split()]


def note(file: Path) -> str:
    """A line of script by which an agent notes its process number in *file*."""
    return f"open({os.fspath(file)!r}, 'a').write(f'{{os.getpid()}} ')\n"


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]
