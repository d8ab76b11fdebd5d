"""What a flow's author writes: a list of steps, and how their results become a report.

Nothing is checked here: the library checks a flow whole, so that all its problems show at once.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import ClassVar, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

from flowrunner.core.errors import Problem
from flowrunner.definitions.context import Context, Launch, Report, ReportContext

Duration: TypeAlias = float | str
BANDS = ("small", "medium", "large")


class NoInput(BaseModel):
    """The input of a flow that takes none."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class Step:
    """One step: an agent that gets a prompt, or code that computes.

    *run* returns an agent's prompt, or a code step's result (JSON or a model), and may be async;
    an agent's may be a template instead. *needs* end first. *bands* and *gate* decide at launch
    whether the step takes part, *when* decides once its needs have ended. *output* is what the
    answer must fit. *retries* are further attempts; *timeout* is seconds or text like "30m".
    """

    id: str
    kind: Literal["agent", "code"] = field(default="agent", kw_only=True)
    run: Callable[[Context], object] | str | None = field(default=None, kw_only=True)
    needs: Sequence[str] = field(default=(), kw_only=True)
    persona: str | None = field(default=None, kw_only=True)
    gate: Callable[[Launch], bool] | None = field(default=None, kw_only=True)
    bands: Sequence[str] = field(default=(), kw_only=True)
    when: Callable[[Context], bool] | None = field(default=None, kw_only=True)
    output: type[BaseModel] | None = field(default=None, kw_only=True)
    on_fail: Literal["fail", "tolerate"] = field(default="fail", kw_only=True)
    retries: int = field(default=0, kw_only=True)
    timeout: Duration = field(default=1800.0, kw_only=True)
    idle_timeout: Duration | None = field(default=None, kw_only=True)
    label: str | None = field(default=None, kw_only=True)
    queue: str | None = field(default=None, kw_only=True)
    file: str | None = field(default=None, init=False, compare=False, repr=False)
    line: int | None = field(default=None, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        _note_place(self)


@dataclass(frozen=True, slots=True)
class Flow:
    """A named list of steps, the model of its input, and `render` for the report.

    *choose_band* serves the band "auto". *check* may look at the project at launch and return
    problems that the input model cannot see, with pointers into the input.
    """

    name: str
    steps: Sequence[Step] = field(kw_only=True)
    render: Callable[[ReportContext], Report] = field(kw_only=True)
    input: type[BaseModel] = field(default=NoInput, kw_only=True)
    title: str = field(default="", kw_only=True)
    description: str = field(default="", kw_only=True)
    bands: Sequence[str] = field(default=BANDS, kw_only=True)
    choose_band: Callable[[Launch], str] | None = field(default=None, kw_only=True)
    check: Callable[[Launch], Sequence[Problem]] | None = field(default=None, kw_only=True)
    deadline: Duration | None = field(default=None, kw_only=True)
    file: str | None = field(default=None, init=False, compare=False, repr=False)
    line: int | None = field(default=None, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        _note_place(self)


def keywords(kind: type[Step | Flow]) -> tuple[str, ...]:
    """Return what the constructor accepts, for hints."""
    return tuple(each.name for each in fields(kind) if each.init)


def _note_place(written: Step | Flow) -> None:
    frame = inspect.currentframe()
    # Above this one: __post_init__, the generated __init__, then the line that says Step(...).
    for _ in range(3):
        frame = frame.f_back if frame else None
    if frame is not None:
        object.__setattr__(written, "file", frame.f_code.co_filename)
        object.__setattr__(written, "line", frame.f_lineno)
