"""What steps said, as the values that a flow's functions see; read only when asked for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping

from pydantic import BaseModel

from flowrunner.core.errors import UnavailableError
from flowrunner.core.graph import StepKind
from flowrunner.core.model import Ref, StepStatus
from flowrunner.db.pool import AWAY
from flowrunner.definitions.context import StepResult
from flowrunner.definitions.flow import Step
from flowrunner.engine.bodies import Bodies
from flowrunner.engine.judging import read_answer
from flowrunner.engine.views import RunView

Read = Callable[[Ref], bytes]

_READ_SECONDS = 30


def reader(bodies: Bodies, fresh: Mapping[Ref, bytes]) -> Read:
    """Let user code, which runs in a thread of its own, read payloads through the event loop.

    *fresh* bodies are not stored yet: user code may speak before the commit that brings them. While
    the database is away, reading raises UnavailableError: the code that reads is called again.
    """
    loop = asyncio.get_running_loop()

    def read(ref: Ref) -> bytes:
        if ref in fresh:
            return fresh[ref]
        reading = asyncio.run_coroutine_threadsafe(bodies.get(ref), loop)
        try:
            return reading.result(timeout=_READ_SECONDS)
        except AWAY as error:
            raise UnavailableError(f"a result cannot be read now: {error!r}") from error

    return read


class Results(Mapping[str, object]):
    """Outputs of completed steps by key (R2-16), as the model that the step's `output=` names."""

    def __init__(self, view: RunView, steps: Mapping[str, Step], read: Read) -> None:
        self._view = view
        self._steps = steps
        self._read = read
        self._known: dict[str, object] = {}

    def text(self, key: str) -> str:
        """The output as it was stored. Raises KeyError when the step has none."""
        ref = self._view.output(self._view.state.graph.number_of(key))
        if ref is None:
            raise KeyError(key)
        return self._read(ref).decode()

    def __getitem__(self, key: str) -> object:
        if key not in self._known:
            self._known[key] = self._value(key)
        return self._known[key]

    def _value(self, key: str) -> object:
        text = self.text(key)
        model: type[BaseModel] | None = self._steps[key].output
        spec = self._view.state.graph.steps[self._view.state.graph.number_of(key)]
        if spec.kind is StepKind.CODE:
            return json.loads(text) if model is None else model.model_validate_json(text)
        return text if model is None else read_answer(text, model)

    def __contains__(self, key: object) -> bool:
        graph = self._view.state.graph
        return key in graph.numbers and self._view.output(graph.numbers[str(key)]) is not None

    def __iter__(self) -> Iterator[str]:
        graph = self._view.state.graph
        return (s.key for n, s in enumerate(graph.steps) if self._view.output(n) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Outcomes(Mapping[str, StepResult]):
    """How every step stands, by key."""

    def __init__(self, view: RunView, results: Results) -> None:
        self._view = view
        self._results = results

    def __getitem__(self, key: str) -> StepResult:
        number = self._view.state.graph.number_of(key)
        status = self._view.state.steps[number].status
        error = self._view.error(number) if status is StepStatus.FAILED else None
        details = None if error is None else {"code": error.code, "message": error.message}
        return StepResult(key, status.value, self._results.get(key), details)

    def __iter__(self) -> Iterator[str]:
        return (step.key for step in self._view.state.graph.steps)

    def __len__(self) -> int:
        return len(self._view.state.graph.steps)
