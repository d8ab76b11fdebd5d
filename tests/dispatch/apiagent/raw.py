"""The program itself, spoken with line by line; whoever starts it here is its client."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeAlias

from flowrunner.dispatch.apiagent import agent_argv
from flowrunner.dispatch.apiagent.settings import KEY

Json: TypeAlias = dict[str, Any]


@dataclass
class Program:
    """A running one."""

    process: subprocess.Popen[bytes]
    stdin: IO[bytes]
    stdout: IO[bytes]

    def tell(self, **message: Any) -> None:
        self.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        self.stdin.flush()

    def hear(self) -> Json:
        return json.loads(self.stdout.readline())

    def answer_to(self, number: int) -> Json:
        """Return the answer, passing by what is told meanwhile."""
        while (heard := self.hear()).get("id") != number:
            pass
        return heard

    def ask(self, number: int, method: str, **params: Any) -> Json:
        self.tell(id=number, method=method, params=params)
        return self.answer_to(number)

    def prompt(self, number: int, text: str = "What is wrong?") -> None:
        prompt = [{"type": "text", "text": text}]
        self.tell(id=number, method="session/prompt", params={"sessionId": "s", "prompt": prompt})


@contextmanager
def a_program(
    folder: Path, address: str, env: Mapping[str, str] | None = None, **options: Any
) -> Generator[Program]:
    """Start it for the project at *folder*; it is gone at the end."""
    settings = folder.parent / "settings.json"
    told = {"model": "scripted", "base_url": address, **options}
    settings.write_text(json.dumps(told), encoding="utf-8")
    process = subprocess.Popen(
        agent_argv(str(settings)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env={"PATH": os.defpath, "HOME": str(folder.parent), KEY: "sk-raw", **(env or {})},
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Program(process, process.stdin, process.stdout)
        finally:
            with suppress(BrokenPipeError, subprocess.TimeoutExpired):
                process.stdin.close()
                process.wait(timeout=5)  # It ends what it had started.
            process.kill()
