"""What a flow's own functions are given: at launch, while it runs, and for its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, TypeVar
from uuid import UUID

from pydantic import BaseModel, JsonValue

from flowrunner.core.model import Usage

Given = TypeVar("Given")
NamedText: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Project:
    """What a flow runs against; *root* is absolute."""

    id: int
    name: str
    root: Path


@dataclass(frozen=True, slots=True)
class Launch:
    """All that a gate may know: there are no results yet (R2-06)."""

    input: BaseModel
    band: str
    project: Project

    def given(self, kind: type[Given]) -> Given:
        """Return the input as the flow's own model. Raises TypeError if it is another one."""
        return _expect(self.input, kind, "the input")


@dataclass(frozen=True, slots=True)
class StepResult:
    """How one step stands; *error* has `code` and `message` when it failed.

    *children* are what a step with `each`, `repeat` or calls became, in their order.
    """

    key: str
    status: str
    output: object | None = None
    error: Mapping[str, object] | None = None
    children: Sequence[StepResult] = ()

    @property
    def message(self) -> str:
        """Why it failed, in words, or nothing."""
        return str(self.error.get("message", "")) if self.error else ""


@dataclass(frozen=True, slots=True)
class Decided:
    """What a person said of an approval step; *values* fit its form."""

    step: str
    approved: bool
    actor: str
    comment: str = ""
    values: Mapping[str, object] = field(default_factory=dict[str, object])


class CallFailedError(Exception):
    """The output of a call was asked for that has none; *result* says why."""

    def __init__(self, result: CallResult) -> None:
        told = dict(result.error or {})
        super().__init__(f"call '{result.key}' {result.status}: {told.get('message', '')}")
        self.result = result


@dataclass(frozen=True, slots=True)
class CallResult:
    """How a call ended. A failed one is a value with a status, never an empty text (D2-13)."""

    key: str
    status: Literal["completed", "failed", "cancelled"]
    value: object | None = None
    error: Mapping[str, object] | None = None

    @property
    def is_ok(self) -> bool:
        return self.status == "completed"

    @property
    def output(self) -> object:
        """The answer: text, or what the call's `output=` names. Raises CallFailedError."""
        if not self.is_ok:
            raise CallFailedError(self)
        return self.value


@dataclass(frozen=True, slots=True)
class CallRequest:
    """One durable call: its *key* is unique in its step; the same key has the same answer."""

    key: str | None
    persona: str | None
    prompt: str
    output: Any = None
    timeout: float | str | None = None
    retry: int = 0
    repairs: int | None = None
    schema_in_prompt: bool = True


class Caller(Protocol):
    """Makes durable calls for one attempt of a code step."""

    async def call(self, request: CallRequest) -> CallResult: ...


@dataclass(frozen=True, slots=True)
class Context:
    """What prompts, code steps and `when` see.

    *results* holds completed steps only (R2-16), as the model that `output=` names; *outcomes*
    holds every step. *nonce* is secret from whoever writes the text that it fences. In a step with
    `each`, *item* is the member and *item_key* its name; in one with `repeat`, *iteration* counts
    from 1 and *previous* is the last iteration's result. *decided* is what people said so far, the
    latest last: after a rejection that asks for a redo it holds the reason.
    """

    run_id: UUID
    input: BaseModel
    band: str
    project: Project
    model: str | None
    nonce: str
    results: Mapping[str, object]
    outcomes: Mapping[str, StepResult]
    persona: str | None = None
    item: Any = None
    item_key: str | None = None
    iteration: int = 0
    previous: Any = None
    decided: Sequence[Decided] = ()
    caller: Caller | None = None

    async def agent(
        self,
        persona: str | None,
        prompt: str,
        *,
        key: str | None = None,
        output: Any = None,
        timeout: float | str | None = None,  # noqa: ASYNC109  # the call's own, kept with it
        retry: int = 0,
        repairs: int | None = None,
        schema_in_prompt: bool = True,
    ) -> CallResult:
        """Have an agent answer *prompt*, durably: after a crash a finished call answers at once.

        Only code steps may call. *key* names the call; without one its content does, and how often
        that was asked before. An answer that does not fit *output* is sent back *repairs* times
        (None: as a step's), each time as a call of its own. Raises TypeError outside of a code
        step, ValueError for a key that was used before in this attempt.
        """
        if self.caller is None:
            raise TypeError("only a code step can call an agent")
        request = CallRequest(
            key, persona, prompt, output, timeout, retry, repairs, schema_in_prompt
        )
        return await self.caller.call(request)

    def given(self, kind: type[Given]) -> Given:
        """Return the input as the flow's own model. Raises TypeError if it is another one."""
        return _expect(self.input, kind, "the input")

    def result(self, key: str, kind: type[Given]) -> Given | None:
        """Return a step's output, None if it did not complete. Raises TypeError if not *kind*."""
        found = self.results.get(key)
        return None if found is None else _expect(found, kind, f"the output of '{key}'")


@dataclass(frozen=True, slots=True)
class Census:
    """What became of every step, by key; a reader must be able to see what did not happen."""

    ok: tuple[str, ...] = ()
    failed: tuple[NamedText, ...] = ()
    skipped: tuple[str, ...] = ()
    excluded: tuple[NamedText, ...] = ()
    retried: tuple[tuple[str, int], ...] = ()
    cancelled: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportContext(Context):
    """What `render` sees. *partial*: the run did not complete; render what there is (D2-32)."""

    census: Census
    partial: bool
    flow: str
    commit: str | None
    started_at: datetime
    definition: str
    usage: Usage | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """*outcome* is what the flow found, apart from whether it ran; *data* is for machines."""

    markdown: str
    data: JsonValue = field(default_factory=dict[str, JsonValue])
    sarif: JsonValue | None = None
    outcome: str = "ok"


def _expect(value: object, kind: type[Given], what: str) -> Given:
    if not isinstance(value, kind):
        raise TypeError(f"{what} is a {type(value).__name__}, not a {kind.__name__}")
    return value
