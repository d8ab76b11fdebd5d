"""What steps said, as the values that a flow's functions see; read only when asked for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from flowrunner.core.draft import members
from flowrunner.core.errors import UnavailableError
from flowrunner.core.graph import StepKind
from flowrunner.core.model import Ref, StepStatus
from flowrunner.db.pool import AWAY
from flowrunner.definitions.context import StepResult
from flowrunner.definitions.library import Definition
from flowrunner.definitions.outputs import adapter, is_structured
from flowrunner.engine.answers import read_answer
from flowrunner.engine.bodies import Bodies
from flowrunner.engine.kept import Kept
from flowrunner.engine.views import RunView

_READ_SECONDS = 30
_MANY = 500


class Reader:
    """Lets user code, which runs in a thread of its own, read payloads through the event loop.

    *fresh* bodies are not stored yet: user code may speak before the commit that brings them. While
    the database is away, reading raises UnavailableError: the code that reads is called again.
    """

    def __init__(self, bodies: Bodies, fresh: Mapping[Ref, bytes]) -> None:
        self._bodies = bodies
        self._fresh = fresh
        self._near: Mapping[Ref, bytes] = {}
        self._loop = asyncio.get_running_loop()

    def __call__(self, ref: Ref) -> bytes:
        for known in (self._fresh, self._near):
            if ref in known:
                return known[ref]
        return self._read((ref,))[ref]

    def bring(self, refs: Iterable[Ref]) -> None:
        """Read what is about to be asked for, in one go, and forget what was brought before."""
        self._near = self._read([ref for ref in refs if ref not in self._fresh])

    def _read(self, refs: Sequence[Ref]) -> Mapping[Ref, bytes]:
        reading = asyncio.run_coroutine_threadsafe(self._bodies.get_all(refs), self._loop)
        try:
            return reading.result(timeout=_READ_SECONDS)
        except AWAY as error:
            raise UnavailableError(f"a result cannot be read now: {error!r}") from error


class Results(Mapping[str, object]):
    """Outputs of completed steps by key (R2-16), as the type that the step's `output=` names.

    A step with `each` has a list of them: those of the children that completed, in their order.
    """

    def __init__(self, view: RunView, definition: Definition, read: Reader, kept: Kept) -> None:
        self._view = view
        self._definition = definition
        self._read = read
        self._kept = kept
        self._known: dict[int, object] = {}

    def text(self, key: str) -> str:
        """The output as it was stored. Raises KeyError when the step has none."""
        ref = self._view.output(self._view.state.graph.number_of(key))
        if ref is None:
            raise KeyError(key)
        return self._read(ref).decode()

    def of(self, number: int) -> object:
        """The output of a step or child. Raises KeyError when it has none."""
        if number not in self._known:
            self._known[number] = self._value(number)
        return self._known[number]

    def bring(self, numbers: Sequence[int]) -> None:
        """Read the outputs of these steps in one go: they are about to be asked for."""
        found = (self._view.output(n) for n in numbers if n not in self._known)
        self._read.bring({ref for ref in found if ref is not None})

    def __getitem__(self, key: str) -> object:
        return self.of(self._view.state.graph.number_of(key))

    def _value(self, number: int) -> object:
        ref = self._view.output(number)
        if ref is None:
            raise KeyError(self._view.state.spec(number).key)
        said = self._read(ref)
        kind = self._kind(number)
        return self._kept.value(ref, kind, len(said), lambda: self.parsed(number, said.decode()))

    def parsed(self, number: int, text: str) -> object:
        """What *text*, the output of a step or child, says as a value."""
        spec = self._view.state.spec(number)
        if spec.kind in {StepKind.APPROVAL, StepKind.WAIT}:
            return json.loads(text)
        output = self._kind(number)
        if spec.each is not None:
            values: list[object] = json.loads(text)
            return [adapter(output).validate_python(v) for v in values] if output else values
        if spec.kind is StepKind.CODE:
            return json.loads(text) if output is None else adapter(output).validate_json(text)
        return read_answer(text, output) if is_structured(output) else text

    def _kind(self, number: int) -> Any:
        """The type that a step or child answers by; None for what has none, as calls of code."""
        spec = self._view.state.spec(number)
        at = number if spec.parent is None else spec.parent
        is_call = spec.parent is not None and spec.item is None
        return None if is_call else self._definition.flow.steps[at].output

    def __contains__(self, key: object) -> bool:
        graph = self._view.state.graph
        return key in graph.numbers and self._view.output(graph.numbers[str(key)]) is not None

    def __iter__(self) -> Iterator[str]:
        graph = self._view.state.graph
        return (s.key for n, s in enumerate(graph.steps) if self._view.output(n) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Outcomes(Mapping[str, StepResult]):
    """How every step of the flow stands, by key; a parent's children stand in its own."""

    def __init__(self, view: RunView, results: Results) -> None:
        self._view = view
        self._results = results

    def __getitem__(self, key: str) -> StepResult:
        return self.result(self._view.state.graph.number_of(key))

    def result(self, number: int) -> StepResult:
        """How a step or child stands."""
        state = self._view.state
        step = state.steps[number]
        error = self._view.error(number) if step.status is StepStatus.FAILED else None
        details = None if error is None else {"code": error.code, "message": error.message}
        has_said = self._view.output(number) is not None
        output = self._results.of(number) if has_said else None
        key, status = state.spec(number).key, step.status.value
        children = _Children(self, members(step.family)) if step.family is not None else ()
        return StepResult(key, status, output, details, children)

    def children(self, numbers: Sequence[int]) -> Iterator[StepResult]:
        """How these stand, one after the other; their outputs are read many at a time."""
        for at in range(0, len(numbers), _MANY):
            some = numbers[at : at + _MANY]
            self._results.bring(some)
            yield from (self.result(number) for number in some)

    def __iter__(self) -> Iterator[str]:
        return (step.key for step in self._view.state.graph.steps)

    def __len__(self) -> int:
        return len(self._view.state.graph.steps)


class _Children(Sequence[StepResult]):
    """A parent's children, each read when it is looked at."""

    def __init__(self, outcomes: Outcomes, numbers: Sequence[int]) -> None:
        self._outcomes = outcomes
        self._numbers = numbers

    def __getitem__(self, index: int | slice) -> StepResult | Sequence[StepResult]:  # pyright: ignore[reportIncompatibleMethodOverride]  # the overloads add nothing
        if isinstance(index, slice):
            return _Children(self._outcomes, self._numbers[index])
        return self._outcomes.result(self._numbers[index])

    def __iter__(self) -> Iterator[StepResult]:
        return self._outcomes.children(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)
