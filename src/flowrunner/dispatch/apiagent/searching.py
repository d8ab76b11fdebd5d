"""Search a project by a process that is ended when it takes too long, or nobody waits any more."""

from __future__ import annotations

import asyncio
import json
import math
import re
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress

from flowrunner.dispatch.apiagent.project import DeclinedError, Project
from flowrunner.dispatch.apiagent.search import DONE
from flowrunner.dispatch.gates.gate import program

SECONDS = 20.0
_AT_ONCE = 2
_ORPHAN_SECONDS = 5
_SEARCH = "flowrunner.dispatch.apiagent.search"


class Searcher:
    """Searches one project, a few times at once."""

    def __init__(self, project: Project, seconds: float = SECONDS) -> None:
        self._project = project
        self._seconds = seconds
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def grep(
        self, pattern: str, path: str = ".", glob: str = "", *, ignore_case: bool = False
    ) -> str:
        """Return hits as `path:line: text`, and how many there are in how many files."""
        try:
            re.compile(pattern)
        except (re.error, RecursionError, OverflowError) as exc:
            raise DeclinedError(f"not a regular expression of Python: {exc}") from None
        paths = await asyncio.to_thread(self._project.below, path, glob)
        wish = {
            "root": str(self._project.root),
            "paths": paths,
            "pattern": pattern,
            "ignore_case": ignore_case,
            "seconds": math.ceil(self._seconds) + _ORPHAN_SECONDS,
        }
        async with self._slots:
            return await self._search(json.dumps(wish).encode())

    async def _search(self, wish: bytes) -> str:
        process = await asyncio.create_subprocess_exec(
            *program(_SEARCH), stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env={}
        )
        told = bytearray()
        ended = "ended before all files were searched"
        try:
            async with asyncio.timeout(self._seconds):
                await _hear(process, wish, told)
        except TimeoutError:
            ended = f"stopped after {self._seconds:g} s, before all files were searched"
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        text = told.decode("utf-8", "replace").rstrip("\n")
        if not text.rpartition("\n")[2].startswith(DONE):
            text += f"\n{DONE}{ended}]"
        return text.lstrip("\n")


async def _hear(process: Process, wish: bytes, told: bytearray) -> None:
    stdin, stdout = process.stdin, process.stdout
    if stdin is None or stdout is None:
        return

    async def ask() -> None:
        with suppress(BrokenPipeError, ConnectionResetError):
            stdin.write(wish)
            await stdin.drain()
        stdin.close()

    async with asyncio.TaskGroup() as group:
        group.create_task(ask())
        while piece := await stdout.read(65536):
            told += piece
