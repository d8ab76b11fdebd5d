"""Replicas as processes, so that they can be killed, weighed and left alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from flowrunner.bootstrap import Addresses
from suite.stage import Stage

_PROGRAM = Path(__file__).with_name("replica.py")


class Replica:
    """A replica that answers on its standard output."""

    def __init__(self, stage: Stage, addresses: Addresses, **settings: object) -> None:
        given = [f"{name}={value}" for name, value in settings.items()]
        flows = str(stage.folder / "flows")
        command = [sys.executable, str(_PROGRAM), addresses.database, addresses.owner, flows]
        self.process = subprocess.Popen(  # noqa: S603
            [*command, *given], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def hears(self, word: str) -> None:
        """Wait until it says *word*."""
        assert self.process.stdout is not None
        said = self.process.stdout.readline().strip()
        assert said == word, f"wanted {word}, heard {said!r}"

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        """With SIGKILL: nothing is handed back."""
        self.process.kill()
        self.process.wait()


@contextmanager
def replica(stage: Stage, addresses: Addresses, **settings: object) -> Generator[Replica]:
    """A replica that is ready; it is killed at the end if it still lives."""
    one = Replica(stage, addresses, **settings)
    try:
        one.hears("ready")
        yield one
    finally:
        one.kill()
        for pipe in (one.process.stdin, one.process.stdout):
            assert pipe is not None
            pipe.close()
