"""What a flow's author writes: a list of steps, and how their results become a report.

Nothing is checked here: the library checks a flow whole, so that all its problems show at once.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from types import CodeType
from typing import Any, ClassVar, Literal, Protocol, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict

from flowrunner.core.errors import Problem
from flowrunner.definitions.authoring import Authoring, Parts
from flowrunner.definitions.context import Context, Launch, Report, ReportContext
from flowrunner.definitions.outputs import is_structured
from flowrunner.definitions.produces import Produces

Duration: TypeAlias = float | str
Run: TypeAlias = Callable[[Context], object] | str | float | timedelta | datetime
BANDS = ("small", "medium", "large")
REPAIRS = 2
"""How often an answer that does not fit is sent back, unless its step says so."""


class ByName(Protocol):
    """A function as it is written: beside a decorated step its parameters are names.

    It cannot be called: a type checker then still reads a lambda by the other type given with it.
    """

    @property
    def __name__(self) -> str: ...
    @property
    def __code__(self) -> CodeType: ...


class NoInput(BaseModel):
    """The input of a flow that takes none."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class Retry:
    """How a failed attempt is tried again: *max* further attempts, for failures of *classes*.

    The wait before each doubles from *base* up to *cap*, with jitter. A quota that is used up is
    waited for and counts as no attempt, unless *classes* leave it out.
    """

    max: int = 1
    base: Duration = 2.0
    cap: Duration = 300.0
    classes: Sequence[str] = ("transient", "quota", "contract")


@dataclass(frozen=True, slots=True)
class Each:
    """One child of the step per member of a list.

    *over* is a step whose result is that list, or a function that returns one. *key* names a member
    by what it is, not by where it stands (default: a short hash of it). *quorum* is how many
    children (int) or which share (float up to 1.0) must complete; None: all. *overflow* says what a
    list longer than *max_items* means.
    """

    over: str | Callable[[Any], object] | ByName
    key: Callable[[Any], str] | None = field(default=None, kw_only=True)
    max_items: int = field(default=1000, kw_only=True)
    overflow: Literal["fail", "first"] = field(default="fail", kw_only=True)
    quorum: float | None = field(default=None, kw_only=True)
    parallel: int = field(default=100, kw_only=True)


@dataclass(frozen=True, slots=True)
class Repeat:
    """Do the step again until *until* holds; it sees the iteration's result as `context.previous`.

    After *at_most* iterations the step fails, or with `on_exhausted="complete"` keeps the last.
    """

    until: Callable[[Any], bool] | ByName
    at_most: int = field(default=3, kw_only=True)
    on_exhausted: Literal["fail", "complete"] = field(default="fail", kw_only=True)


@dataclass(frozen=True, slots=True)
class Approval:
    """What an approval step asks for beside its text.

    *form* is a model of typed values to fill in; *approvers* may decide (nobody named: anybody).
    *redo_from* is the step to go back to when `on_reject` is "redo".
    """

    form: type[BaseModel] | None = field(default=None, kw_only=True)
    approvers: Sequence[str] = field(default=(), kw_only=True)
    expires: Duration | None = field(default=None, kw_only=True)
    on_expiry: Literal["fail", "approve", "continue"] = field(default="fail", kw_only=True)
    remind: Duration | None = field(default=None, kw_only=True)
    on_reject: Literal["stop", "continue", "redo"] = field(default="stop", kw_only=True)
    redo_from: str | None = field(default=None, kw_only=True)
    max_redos: int = field(default=3, kw_only=True)


@dataclass(frozen=True, slots=True)
class Step:
    """One step: an agent that gets a prompt, code that computes, a person who decides, or a wait.

    *run* returns an agent's prompt, a code step's result (JSON or a model), an approval's question
    (Markdown), or how long to wait (seconds, text like "30m", a timedelta, or a datetime to wait
    until), and may be async; all but a code step's may be text instead, an agent's and an
    approval's is then a template. *needs* end first, *trigger* says how. *bands* and *gate* decide
    at launch whether the step takes part, *when* decides once its needs have ended. *output* is
    what the answer must fit: a model, or any type that pydantic can check; an agent's prompt then
    ends with its JSON Schema, unless *schema_in_prompt* is false. *produces* is what else code
    checks of an answer. One that does not fit is sent back *repairs* times (None: twice where there
    is something to fit), which are no attempts of *retry*: that is a number of further attempts or
    a `Retry`. Time-outs are seconds or text like "30m". *agent* and *depends_on* are other words
    for *persona* and *needs*.
    """

    id: str
    kind: Literal["agent", "code", "approval", "wait"] = "agent"
    agent: str | None = None
    depends_on: Sequence[str] | None = None
    when: Callable[[Context], bool] | None = None
    run: Run | None = None
    needs: Sequence[str] = field(default=(), kw_only=True)
    persona: str | None = field(default=None, kw_only=True)
    gate: Callable[[Launch], bool] | None = field(default=None, kw_only=True)
    bands: Sequence[str] = field(default=(), kw_only=True)
    trigger: Literal["all", "any", "none_failed", "all_done"] = field(default="all", kw_only=True)
    output: Any = field(default=None, kw_only=True)
    schema_in_prompt: bool = field(default=True, kw_only=True)
    produces: Produces | None = field(default=None, kw_only=True)
    repairs: int | None = field(default=None, kw_only=True)
    on_fail: Literal["fail", "tolerate", "skip", "cascade"] = field(default="fail", kw_only=True)
    on_skip: Literal["satisfy", "cascade"] = field(default="satisfy", kw_only=True)
    retry: int | Retry = field(default=0, kw_only=True)
    timeout: Duration = field(default=1800.0, kw_only=True)
    idle_timeout: Duration | None = field(default=None, kw_only=True)
    queue_timeout: Duration | None = field(default=None, kw_only=True)
    label: str | None = field(default=None, kw_only=True)
    phase: str | None = field(default=None, kw_only=True)
    queue: str | None = field(default=None, kw_only=True)
    each: Each | None = field(default=None, kw_only=True)
    repeat: Repeat | None = field(default=None, kw_only=True)
    approval: Approval | None = field(default=None, kw_only=True)
    file: str | None = field(default=None, init=False, compare=False, repr=False)
    line: int | None = field(default=None, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        _note_place(self)
        _take_over(self, "agent", "persona", None)
        _take_over(self, "depends_on", "needs", ())


def repairs_of(step: Step) -> int:
    """Return how often an answer of *step* is sent back at most."""
    if step.repairs is not None:
        return step.repairs
    return REPAIRS if is_structured(step.output) or step.produces is not None else 0


def no_report(context: ReportContext) -> Report:
    """Stand for a report that nobody wrote; a flow with it is refused."""
    raise LookupError(f"flow '{context.flow}' has no report")


@dataclass(frozen=True, slots=True)
class Flow(Authoring):
    """A named list of steps, the model of its input, and `render` for the report.

    Steps are given as a list, or written as functions under its decorators (`@flow.agent`); what is
    written so is noted in *parts*, and `compose` makes the plain flow of it.

    *choose_band* serves the band "auto". *check* may look at the project at launch and return
    problems that the input model cannot see, with pointers into the input. *siblings*: when a step
    fails the run, the others are stopped, or those at work may end ("drain").
    """

    name: str
    steps: Sequence[Step] = ()
    render: Callable[[ReportContext], Report] = no_report
    input: type[BaseModel] = field(default=NoInput, kw_only=True)
    title: str = field(default="", kw_only=True)
    description: str = field(default="", kw_only=True)
    bands: Sequence[str] = field(default=BANDS, kw_only=True)
    choose_band: Callable[[Launch], str] | None = field(default=None, kw_only=True)
    check: Callable[[Launch], Sequence[Problem]] | None = field(default=None, kw_only=True)
    deadline: Duration | None = field(default=None, kw_only=True)
    siblings: Literal["stop", "drain"] = field(default="stop", kw_only=True)
    parts: Parts = field(default_factory=Parts, init=False, compare=False, repr=False)
    file: str | None = field(default=None, init=False, compare=False, repr=False)
    line: int | None = field(default=None, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        _note_place(self)


Written = TypeVar("Written", Step, Flow)


def placed(written: Written, file: str | None, line: int | None) -> Written:
    """Say where *written* stands, when that is not where its constructor was called."""
    object.__setattr__(written, "file", file)
    object.__setattr__(written, "line", line)
    return written


def keywords(kind: type[Step | Flow | Each | Repeat | Approval | Retry]) -> tuple[str, ...]:
    """Return what the constructor accepts, for hints."""
    return tuple(each.name for each in fields(kind) if each.init)


def _take_over(step: Step, other: str, name: str, default: object) -> None:
    """Let *other* mean *name*; a step that is given both keeps both, which the checks refuse."""
    given: object = getattr(step, other)
    if given is not None and getattr(step, name) == default:
        object.__setattr__(step, name, given)
        object.__setattr__(step, other, None)


def _note_place(written: Step | Flow) -> None:
    frame = inspect.currentframe()
    # Above this one: __post_init__, the generated __init__, then the line that says Step(...).
    for _ in range(3):
        frame = frame.f_back if frame else None
    if frame is not None:
        object.__setattr__(written, "file", frame.f_code.co_filename)
        object.__setattr__(written, "line", frame.f_lineno)
