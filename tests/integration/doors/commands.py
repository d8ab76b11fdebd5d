"""The command line as a user has it: a process of its own, with an environment of its own."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flowrunner.cli.main import main

FLOWS = """
import time
from pathlib import Path
from pydantic import BaseModel
from flowrunner import Flow, Report, Step

class Asked(BaseModel):
    name: str = "world"
    until: str = ""
    fail: bool = False

def work(ctx):
    asked = ctx.input
    while asked.until and not Path(asked.until).exists():
        time.sleep(0.02)
    if asked.fail:
        raise ValueError("told to fail")
    return asked.name

def render(ctx):
    return Report(f"# Hello {ctx.results.get('work')}", outcome="greeted")

flow = Flow(
    "hello", input=Asked, steps=[Step("work", kind="code", run=work)], render=render
)
"""


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True, slots=True)
class Terminal:
    """A folder to be in, and the settings of the environment."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict[str, str])

    async def ask(self, *words: str) -> Done:
        """Run one command in this process, which is quicker: for those that only ask a server."""
        server = self.environment["FLOWRUNNER_SERVER"]
        return await asyncio.to_thread(_asked, ("--server", server, *words))

    async def run(self, *words: str, stdin: bytes = b"") -> Done:
        """Run one command to its end."""
        process = await self.start(*words)
        out, err = await process.communicate(stdin)
        return Done(process.returncode or 0, out.decode(), err.decode())

    async def start(self, *words: str) -> asyncio.subprocess.Process:
        """Start one command; whoever starts it ends it."""
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "flowrunner",
            *words,
            cwd=self.folder,
            env=self.variables(),
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
        )

    @asynccontextmanager
    async def started(self, *words: str) -> AsyncGenerator[asyncio.subprocess.Process]:
        """Start a command that is killed at the end of the block, if it still runs."""
        process = await self.start(*words)
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)
            await process.communicate()

    def variables(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if _is_kept(name)}
        return {
            **kept,
            "HOME": str(self.folder),
            "FLOWRUNNER_DATA": str(self.folder / "home"),
            "FLOWRUNNER_FLOWS": str(self.folder / "flows"),
            **self.environment,
        }


def _asked(words: tuple[str, ...]) -> Done:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(words)
    return Done(code, out.getvalue(), err.getvalue())


def _is_kept(name: str) -> bool:
    return not name.startswith(("FLOWRUNNER_", "XDG_")) and name != "NO_COLOR"


def a_terminal(folder: Path, **environment: str) -> Terminal:
    """A terminal in a folder that has the flow `hello`."""
    flows = folder / "flows"
    flows.mkdir()
    (flows / "hello.py").write_text(FLOWS, encoding="utf-8")
    return Terminal(folder, environment)
