"""What the dispatcher needs of the outside; SQL and REST both give it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol, TypeAlias
from uuid import UUID

from flowrunner.core.graph import Limits
from flowrunner.wire.tasks import Chunk, TaskReport

Receipt: TypeAlias = Literal["settled", "left"]
"""`settled`: whatever it decided, nothing is left to do. `left`: it lies in an inbox."""


class Task(Protocol):
    """One attempt under one lease; *input* is the prompt."""

    @property
    def task_id(self) -> str: ...
    @property
    def run_id(self) -> UUID: ...
    @property
    def step_no(self) -> int: ...
    @property
    def attempt(self) -> int: ...
    @property
    def epoch(self) -> int: ...
    @property
    def step_key(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def project_root(self) -> str: ...
    @property
    def agent(self) -> str: ...
    @property
    def model(self) -> str | None: ...
    @property
    def persona(self) -> str | None: ...
    @property
    def mode_id(self) -> str: ...
    @property
    def limits(self) -> Limits: ...
    @property
    def input(self) -> bytes | None: ...


class TaskPort(Protocol):
    """What concerns one task. Calls may raise UnavailableError; the outcome is then unknown."""

    async def report(self, task: Task, report: TaskReport) -> Receipt:
        """Deliver the result. Repeating it is safe: the receiver knows it by its epoch.

        Raise another FlowRunnerError when this report can never be accepted.
        """
        ...

    async def append(self, task: Task, chunks: Sequence[Chunk]) -> bool:
        """Add to the transcript, a repeated chunk once; False when the lease is not held."""
        ...


class Hints(Protocol):
    """Tell of new tasks and of withdrawn leases, until cancelled. Nobody depends on it."""

    async def __call__(
        self, on_tasks: Callable[[], None], on_losses: Callable[[], None]
    ) -> None: ...
