"""What the watched agents noted about themselves, outside of anything the program keeps."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from chaos.waiting import is_alive, until


@dataclass(frozen=True, slots=True)
class Note:
    """*at* is the machine's monotonic clock; *shadow* is the child of an agent that began."""

    at: float
    what: str
    task: str
    key: str
    pid: int
    shadow: int = 0

    @property
    def run(self) -> str:
        return self.task.split(".")[0]

    @property
    def attempt(self) -> int:
        return int(self.task.rpartition(".")[2])

    @property
    def is_alive(self) -> bool:
        """Whether the agent, or its child, still runs."""
        return is_alive(self.pid) or (self.shadow > 0 and is_alive(self.shadow))


@dataclass(frozen=True, slots=True)
class Diary:
    """The agents of one installation, and the gates they wait for."""

    folder: Path

    def notes(self, what: str | None = None, run: str | None = None) -> list[Note]:
        """All notes in order; one that is being written is not there yet."""
        file = self.folder / "diary"
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        whole = text[: text.rfind("\n") + 1].splitlines()
        notes = [Note(**json.loads(line)) for line in whole]
        return [n for n in notes if what in {None, n.what} and run in {None, n.run}]

    def await_starts(self, run: str, *keys: str, attempt: int = 1) -> list[Note]:
        """Wait until agents of these steps have begun in that attempt, or a later one."""

        def found() -> list[Note]:
            starts = {n.key: n for n in self.notes("start", run) if n.attempt >= attempt}
            return [starts[key] for key in keys] if set(keys) <= starts.keys() else []

        return until(found, 40.0)

    def open(self, gate: str = "open") -> None:
        """Let the agents that wait for it end; a step's own gate has its key's name."""
        (self.folder / "gates" / gate).touch()

    def living(self) -> list[Note]:
        return [note for note in self.notes("start") if note.is_alive]
