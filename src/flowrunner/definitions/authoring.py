"""Steps written as functions: what the decorators of a flow note down, to be composed later.

Nothing is judged here, so that a flow file with three mistakes is told all three.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import CodeType
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    Protocol,
    TypeAlias,
    TypedDict,
    TypeVar,
    Unpack,
    overload,
)

from pydantic import BaseModel

if TYPE_CHECKING:
    from flowrunner.definitions.flow import Duration, Each, Repeat, Retry
    from flowrunner.definitions.produces import Produces

Function = TypeVar("Function", bound=Callable[..., object])
StepRef: TypeAlias = str | Callable[..., object]
"""A step, by its id or by the function that it was written as."""


class Decorator(Protocol):
    """Takes a function down and returns it as it is."""

    def __call__(self, function: Function, /) -> Function: ...


@dataclass(frozen=True, slots=True)
class From:
    """Says which step a parameter comes from: `found: Annotated[list[str], From("find-bugs")]`."""

    step: StepRef


class CommonOptions(TypedDict, total=False):
    """What every step can be told; functions here take parameters by name, as the step's does."""

    name: str
    needs: Sequence[StepRef]
    when: Callable[..., bool]
    gate: Callable[..., bool]
    bands: Sequence[str]
    trigger: Literal["all", "any", "none_failed", "all_done"]
    on_fail: Literal["fail", "tolerate", "skip", "cascade"]
    on_skip: Literal["satisfy", "cascade"]
    label: str
    phase: str


class CodeOptions(CommonOptions, total=False):
    """*output* is what the result must fit; without it the function's return annotation is."""

    each: StepRef | Each
    key: Callable[..., str]
    repeat: Repeat
    output: Any
    retry: int | Retry
    timeout: Duration
    idle_timeout: Duration
    queue_timeout: Duration


class AgentOptions(CodeOptions, total=False):
    """*output* is what the answer must fit; without it the answer is text.

    Functions in *produces* take the context and the answer, as they do in a `Step`.
    """

    persona: str
    agent: str
    queue: str
    schema_in_prompt: bool
    produces: Produces
    repairs: int


class ApprovalOptions(CommonOptions, total=False):
    """What `Approval(...)` takes; *redo_from* may be the step's function."""

    form: type[BaseModel]
    approvers: Sequence[str]
    expires: Duration
    on_expiry: Literal["fail", "approve", "continue"]
    remind: Duration
    on_reject: Literal["stop", "continue", "redo"]
    redo_from: StepRef
    max_redos: int


OPTIONS: Mapping[str, frozenset[str]] = {
    "agent": AgentOptions.__optional_keys__,
    "code": CodeOptions.__optional_keys__,
    "approval": ApprovalOptions.__optional_keys__,
    "wait": CommonOptions.__optional_keys__,
    "report": frozenset(),
}


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One decorated function, at the line of its decorator."""

    kind: Literal["agent", "code", "approval", "wait", "report"]
    function: Callable[..., object]
    options: Mapping[str, object]
    file: str | None
    line: int | None

    @property
    def id(self) -> object:
        """The step's id as given: its `name=`, or the function's own."""
        return self.options.get("name", getattr(self.function, "__name__", "step"))


@dataclass(slots=True)
class Parts:
    """What a flow's module has added so far; nothing can be added once the flow has been read."""

    found: list[Part] = field(default_factory=list[Part])
    is_closed: bool = False

    def add(
        self,
        kind: Literal["agent", "code", "approval", "wait", "report"],
        function: Callable[..., object],
        options: Mapping[str, object],
    ) -> None:
        if self.is_closed:
            raise RuntimeError("steps are added while the flow's module loads, not later")
        self.found.append(Part(kind, function, options, *_place_of(function)))


def _place_of(function: Callable[..., object]) -> tuple[str | None, int | None]:
    """Return where *function* is written, from its first decorator on; else who hands it over."""
    code = getattr(function, "__code__", None)
    if isinstance(code, CodeType):
        return code.co_filename, code.co_firstlineno
    frame = inspect.currentframe()
    while frame is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    return (frame.f_code.co_filename, frame.f_lineno) if frame else (None, None)


class Authoring:
    """The decorators of a flow. Each returns the function as it is, so that tests can call it."""

    __slots__ = ()
    parts: Parts

    @overload
    def agent(self, function: Function, /) -> Function: ...
    @overload
    def agent(self, /, **options: Unpack[AgentOptions]) -> Decorator: ...
    def agent(self, function: Any = None, /, **options: Any) -> Any:
        """Add a step whose function returns the prompt of an agent."""
        return self._added("agent", function, options)

    @overload
    def code(self, function: Function, /) -> Function: ...
    @overload
    def code(self, /, **options: Unpack[CodeOptions]) -> Decorator: ...
    def code(self, function: Any = None, /, **options: Any) -> Any:
        """Add a step whose function computes the result."""
        return self._added("code", function, options)

    @overload
    def approval(self, function: Function, /) -> Function: ...
    @overload
    def approval(self, /, **options: Unpack[ApprovalOptions]) -> Decorator: ...
    def approval(self, function: Any = None, /, **options: Any) -> Any:
        """Add a step whose function returns the question that a person decides."""
        return self._added("approval", function, options)

    @overload
    def wait(self, function: Function, /) -> Function: ...
    @overload
    def wait(self, /, **options: Unpack[CommonOptions]) -> Decorator: ...
    def wait(self, function: Any = None, /, **options: Any) -> Any:
        """Add a step whose function returns how long to wait, or until when."""
        return self._added("wait", function, options)

    def report(self, function: Function) -> Function:
        """Let *function* render the report: Markdown, or a `Report`."""
        self.parts.add("report", function, {})
        return function

    def _added(self, kind: Any, function: Any, options: Mapping[str, object]) -> Any:
        def add(written: Any) -> Any:
            self.parts.add(kind, written, options)
            return written

        return add if function is None else add(function)
