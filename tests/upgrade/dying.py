"""A migration that dies: killed by SIGKILL before or after its nth statement, commit included.

Run as `python dying.py ADDRESS`, it reads lines of `before N` and `after N` on stdin, forks for
each a child that migrates and dies there, and answers each with the number of statements that the
child began, and whether it died. Forking saves the start of Python for each of many deaths.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass
from typing import Any, NoReturn

from sqlalchemy import Connection, Engine, event

from flowrunner.db import migrations


@dataclass(slots=True)
class Death:
    """Where the process dies."""

    when: str
    number: int
    pipe: int
    begun: int = 0

    def step(self, when: str) -> None:
        if when == "before":
            self.begun += 1
            os.write(self.pipe, b".")
        if when == self.when and self.begun == self.number:
            os.kill(os.getpid(), signal.SIGKILL)


def main(address: str) -> None:
    migrations.head()  # what can be done once is not done in each child
    for line in sys.stdin:
        when, number = line.split()
        sys.stdout.write(f"{died(address, when, int(number))}\n")
        sys.stdout.flush()


def died(address: str, when: str, number: int) -> str:
    """How many statements were begun, and the signal that ended the child, or 0."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        migrate(address, Death(when, number, writing))
    os.close(writing)
    begun = 0
    while read := os.read(reading, 1000):
        begun += len(read)
    os.close(reading)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return f"{begun} {os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0}"


def migrate(address: str, death: Death) -> NoReturn:
    """Migrate and leave; every statement and the commit are steps."""

    def before(*_: Any) -> None:
        death.step("before")

    def after(*_: Any) -> None:
        death.step("after")

    def commit(connection: Connection) -> None:
        # SQLAlchemy tells of a commit before it happens; what is after it is ours to do.
        death.step("before")
        connection.connection.driver_connection.commit()  # pyright: ignore[reportOptionalMemberAccess]
        death.step("after")

    event.listen(Engine, "before_cursor_execute", before)
    event.listen(Engine, "after_cursor_execute", after)
    event.listen(Engine, "commit", commit)
    try:
        migrations.upgrade(address)
    finally:
        sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
