"""Real `flowrunner` processes of one installation: started, frozen, killed, always cleaned up."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaos.waiting import until
from flowrunner.client import Client

HERE = Path(__file__).parent
SOURCES = HERE.parents[1] / "src"
START_SECONDS = 90.0
END_SECONDS = 30.0

# The shortest leases that the settings allow: one slow renewal (5 s) must fit into each.
LEASE_SECONDS = 6.6
REAP_SECONDS = 0.3
QUICK = {
    "FLOWRUNNER_LEASE_SECONDS": str(LEASE_SECONDS),
    "FLOWRUNNER_RENEW_SECONDS": "0.5",
    "FLOWRUNNER_LEASE_MARGIN_SECONDS": "1",
    "FLOWRUNNER_REAP_SECONDS": str(REAP_SECONDS),
    "FLOWRUNNER_START_GRACE_SECONDS": "1",
    "FLOWRUNNER_PATIENCE_SECONDS": "3",
    "FLOWRUNNER_POLL_SECONDS": "0.5",
    "FLOWRUNNER_LOG_LEVEL": "info",
}


@dataclass(slots=True)
class Program:
    """One process that we started; *out* and *err* are files."""

    name: str
    process: subprocess.Popen[bytes]
    out: Path
    err: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def is_over(self) -> bool:
        return self.process.poll() is not None

    def tell(self, number: signal.Signals) -> None:
        if not self.is_over:
            self.process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL: no last word, no clean-up."""
        self.tell(signal.SIGKILL)
        self.process.wait()

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end and return its exit code."""
        self.tell(number)
        return self.process.wait(END_SECONDS)

    def lines(self) -> list[dict[str, Any]]:
        """What it logged."""
        text = self.err.read_text(encoding="utf-8", errors="replace")
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    def complaints(self) -> list[str]:
        """What it logged as an error: something that a person has to look at."""
        return [str(line) for line in self.lines() if line.get("level") in {"error", "critical"}]


@dataclass(slots=True)
class Installation:
    """One configuration of flowrunner: a folder of its own, an environment, and its processes."""

    folder: Path
    settings: dict[str, str]
    programs: list[Program] = field(default_factory=list[Program])
    prefix: tuple[str, ...] = ()
    """What every command begins with: to live on another host, say."""

    @property
    def home(self) -> Path:
        """FLOWRUNNER_DATA."""
        return self.folder / "home"

    @property
    def room(self) -> Path:
        """Where agents have their private folders."""
        return self.home / "agents"

    def environment(self) -> dict[str, str]:
        """Nothing of ours but PATH: a stray setting of the developer's would be a variable."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(self.folder),
            "PYTHONPATH": str(SOURCES),
            "FLOWRUNNER_DATA": str(self.home),
            **self.settings,
        }

    def start(
        self, name: str, *arguments: str, settings: Mapping[str, str] | None = None
    ) -> Program:
        """Start one process; *settings* are further environment variables."""
        number = len(self.programs)
        out, err = (self.folder / f"{number}-{name}.{end}" for end in ("out", "err"))
        with out.open("wb") as told, err.open("wb") as logged:
            process = subprocess.Popen(
                [*self.prefix, sys.executable, "-m", "flowrunner", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=told,
                stderr=logged,
                cwd=self.folder,
                env={**self.environment(), **(settings or {})},
            )
        self.programs.append(Program(name, process, out, err))
        return self.programs[-1]

    def serve(
        self, *options: str, port: int | None = None, settings: Mapping[str, str] | None = None
    ) -> Server:
        """Start a server without waiting for it; *port* None means a free one."""
        chosen = str(port if port is not None else a_free_port())
        words = ("--json", "-v", "serve", "--port", chosen, *options)
        return Server(self.start("serve", *words, settings=settings), int(chosen))

    def worker(self, *options: str, settings: Mapping[str, str] | None = None) -> Program:
        """Start a worker without waiting for it."""
        return self.start("worker", "-v", "worker", *options, settings=settings)

    def finish(self) -> None:
        """Kill what still runs, thaw it first; agents die with their workers."""
        for program in self.programs:
            with suppress(ProcessLookupError):
                program.process.kill()
            program.process.wait()

    def tell(self) -> None:
        """Print every log: shown with a test that fails."""
        for program in self.programs:
            for file in (program.out, program.err):
                sys.stdout.write(
                    f"--- {file.name}\n{file.read_text(errors='replace')[-100_000:]}\n"
                )


@dataclass(frozen=True, slots=True)
class Server:
    """A process that serves, or will; it may be started again on the same port."""

    program: Program
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, patience: float = 30.0) -> Client:
        return Client(self.url, patience_seconds=patience, name="chaos")

    def ready(self) -> Server:
        """Wait until it serves."""
        await_line(self.program, self.program.out, '"url"')
        return self


def ready(worker: Program) -> Program:
    """Wait until the worker holds its first lease."""
    await_line(worker, worker.err, "is ready")
    return worker


def await_line(program: Program, file: Path, words: str) -> None:
    def is_there() -> bool:
        assert not program.is_over, f"{program.name} ended: {program.err.read_text()[-3000:]}"
        return words in file.read_text(encoding="utf-8", errors="replace")

    until(is_there, START_SECONDS)


def a_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def an_installation(folder: Path, **settings: str) -> Installation:
    """A folder with its own flows, agents' log and gates; *settings* are environment variables."""
    for name in ("home", "gates", "project"):
        (folder / name).mkdir(mode=0o700, parents=True)
    shutil.copytree(HERE / "flows", folder / "flows", ignore=shutil.ignore_patterns("__*"))
    watched = [sys.executable, "-I", "-S", str(HERE / "agent.py"), str(folder / "diary")]
    agents = {"watched": {"kind": "command", "argv": [*watched, str(folder / "gates")]}}
    given = {
        **QUICK,
        "FLOWRUNNER_AGENTS": json.dumps(agents),
        # Watched agents write diaries, with the numbers that they have outside of any namespace.
        "FLOWRUNNER_WALL": "tool-level",
        "FLOWRUNNER_GATES": "none",
        "FLOWRUNNER_FLOWS": str(folder / "flows"),
        **settings,
    }
    return Installation(folder, given)
