"""Everything that can be wrong with one step as written, names of other steps aside."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pydantic import PydanticUndefinedAnnotation

from flowrunner.core.errors import Problem
from flowrunner.core.graph import CODE_QUEUE
from flowrunner.core.substitution import parse
from flowrunner.core.validation import suggest
from flowrunner.definitions.durations import SPAN_HINT, seconds_of
from flowrunner.definitions.flow import Retry, Step
from flowrunner.definitions.outputs import adapter
from flowrunner.definitions.shapes import (
    as_text,
    shown,
    texts_in,
    wrong_function,
    wrong_texts,
)

KINDS = ("agent", "code", "approval", "wait")
ON_FAIL = ("fail", "tolerate", "skip", "cascade")
MAX_RETRIES = 20
OUTPUT_HINT = "give a model, or a type like list[Finding], dict or Literal['yes', 'no']"

_RUN_HINTS = {
    "agent": "give run= a function that returns the prompt, or a template",
    "code": "give run= a function that returns the result",
    "approval": "give run= a function that returns the question, or a template",
    "wait": "give run= a span of time, a datetime, or a function that returns one",
}


@dataclass(frozen=True, slots=True)
class Names:
    """What a step may refer to."""

    steps: Sequence[str]
    bands: Sequence[str]


def check_step(step: Step, names: Names) -> tuple[Problem, ...]:
    """Return every problem of one step."""
    checks = (_kind, _run, _functions, _needs, _output, _policy, _spans, _queue)
    found = [problem for check in checks for problem in check(step)]
    return (*found, *_bands(step, names.bands), *_template(step))


def _problem(step: Step, code: str, message: str, hint: str | None = None) -> Problem:
    return Problem(code, f"step '{step.id}': {message}", step.file, step.line, hint=hint)


def _kind(step: Step) -> Iterator[Problem]:
    if as_text(step.kind) not in KINDS:
        message = f"kind must be one of {', '.join(KINDS)}, not {shown(step.kind)}"
        yield _problem(step, "bad-kind", message, suggest(str(step.kind), KINDS))


def _run(step: Step) -> Iterator[Problem]:
    hint = _RUN_HINTS.get(str(step.kind), _RUN_HINTS["agent"])
    if step.run is None or step.run == "":
        yield _problem(step, "missing-run", "there is nothing to run", hint)
    elif isinstance(step.run, str):
        if step.kind == "code":
            yield _problem(step, "template-in-code", "a template is for agents", hint)
    elif wrong := wrong_function(step.run, may_wait=True):
        yield _problem(step, "bad-function", f"run {wrong}", hint)


def _functions(step: Step) -> Iterator[Problem]:
    asked: dict[str, Callable[..., bool] | None] = {"gate": step.gate, "when": step.when}
    for name, function in asked.items():
        wrong = None if function is None else wrong_function(function)
        if wrong:
            yield _problem(step, "bad-function", f"{name} {wrong}")


def _needs(step: Step) -> Iterator[Problem]:
    yield from _listed(step, "needs", step.needs)


def _listed(step: Step, name: str, value: object) -> Iterator[Problem]:
    if wrong := wrong_texts(name, value):
        hint = f'write {name}=("{value}",)' if isinstance(value, str) else None
        yield _problem(step, f"bad-{name}", wrong, hint)


def _output(step: Step) -> Iterator[Problem]:
    if step.output is None:
        return
    try:
        adapter(step.output)
    except Exception as error:  # noqa: BLE001  # pydantic asks an author's types, which may raise
        message = f"output must be a type that pydantic can check, not {shown(step.output)}"
        undefined = isinstance(error, PydanticUndefinedAnnotation)
        hint = str(error).splitlines()[0] if undefined else OUTPUT_HINT
        yield _problem(step, "bad-output", message, hint)


def _policy(step: Step) -> Iterator[Problem]:
    if as_text(step.on_fail) not in ON_FAIL:
        message = f"on_fail must be one of {', '.join(ON_FAIL)}, not {shown(step.on_fail)}"
        yield _problem(step, "bad-on-fail", message, suggest(str(step.on_fail), ON_FAIL))
    if not isinstance(step.retry, Retry) and not _is_count(step.retry):
        message = f"retry must be a number from 0 to {MAX_RETRIES}, not {shown(step.retry)}"
        yield _problem(step, "bad-retry", message)
    for name, value in (("persona", step.persona), ("label", step.label)):
        if value is not None and as_text(value) is None:
            yield _problem(step, f"bad-{name}", f"{name} must be text, not {shown(value)}")


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_RETRIES


def _spans(step: Step) -> Iterator[Problem]:
    for name, value in (("timeout", step.timeout), ("idle_timeout", step.idle_timeout)):
        optional = name == "idle_timeout" and value is None
        if not optional and seconds_of(value) is None:
            message = f"{name} {shown(value)} is no span of time"
            yield _problem(step, "bad-timeout", message, SPAN_HINT)


def _queue(step: Step) -> Iterator[Problem]:
    if step.queue is None:
        return
    if as_text(step.queue) is None or not step.queue:
        yield _problem(step, "bad-queue", f"queue must be text, not {shown(step.queue)}")
    elif step.kind == "code":
        yield _problem(step, "bad-queue", "a code step runs on the engine's own queue")
    elif step.queue == CODE_QUEUE:
        yield _problem(step, "bad-queue", f"queue '{CODE_QUEUE}' is the engine's own")


def _bands(step: Step, known: Sequence[str]) -> Iterator[Problem]:
    yield from _listed(step, "bands", step.bands)
    for band in texts_in(step.bands):
        if band not in known:
            message = f"band '{band}' is not one of the flow's"
            yield _problem(step, "unknown-band", message, suggest(band, known))


def _template(step: Step) -> Iterator[Problem]:
    if not isinstance(step.run, str) or step.kind == "code":
        return
    template = parse(step.run, ())
    if isinstance(template, Problem):
        message = f"{template.message} (line {template.line} of the template)"
        yield _problem(step, template.code, message, template.hint)
