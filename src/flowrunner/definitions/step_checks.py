"""Everything that can be wrong with one step as written, names of other steps aside."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pydantic import PydanticUndefinedAnnotation

from flowrunner.core.errors import Problem
from flowrunner.core.substitution import misread
from flowrunner.core.validation import suggest
from flowrunner.definitions.answer_checks import check_answer
from flowrunner.definitions.approval_checks import check_approval
from flowrunner.definitions.complaints import choice, complain, function, names
from flowrunner.definitions.durations import WAIT_HINT, wrong_wait
from flowrunner.definitions.family_checks import check_family
from flowrunner.definitions.flow import Step
from flowrunner.definitions.graph import TEMPLATED
from flowrunner.definitions.outputs import adapter
from flowrunner.definitions.policy_checks import check_policy
from flowrunner.definitions.shapes import as_text, shown, texts_in, unstorable, wrong_function

KINDS = ("agent", "code", "approval", "wait")
OUTPUT_HINT = "give a model, or a type like list[Finding], dict or Literal['yes', 'no']"

_RUN_HINTS = {
    "agent": "give run= a function that returns the prompt, or a template",
    "code": "give run= a function that returns the result",
    "approval": "give run= a function that returns the question, or a template",
    "wait": WAIT_HINT,
}


@dataclass(frozen=True, slots=True)
class Names:
    """What a step may refer to."""

    steps: Sequence[str]
    bands: Sequence[str]


def check_step(step: Step, known: Names) -> tuple[Problem, ...]:
    """Return every problem of one step."""
    checks: tuple[Callable[[Step], Iterator[Problem]], ...] = (
        _kind,
        _twice,
        _run,
        _functions,
        _needs,
        _output,
        check_policy,
        check_family,
        check_approval,
        check_answer,
    )
    found = [problem for check in checks for problem in check(step)]
    return (*found, *_bands(step, known.bands), *_template(step))


def _kind(step: Step) -> Iterator[Problem]:
    yield from choice(step, "kind", step.kind, KINDS)


def _twice(step: Step) -> Iterator[Problem]:
    for other, name in (("agent", "persona"), ("depends_on", "needs")):
        if getattr(step, other) is not None:
            message = f"{name}= and {other}= mean the same, and both are given"
            yield complain(step, f"bad-{name}", message, f"leave out {other}=")


def _run(step: Step) -> Iterator[Problem]:
    hint = _RUN_HINTS.get(str(step.kind), _RUN_HINTS["agent"])
    if step.run is None or step.run == "":
        yield complain(step, "missing-run", "there is nothing to run", hint)
    elif step.kind == "wait" and not callable(step.run):
        if wrong_wait(step.run):
            yield complain(step, "bad-wait", f"{shown(step.run)} is no time to wait", hint)
    elif isinstance(step.run, str):
        if wrong := unstorable(step.run):
            yield complain(step, "bad-text", f"run {wrong}")
        if step.kind == "code":
            yield complain(step, "template-in-code", "a template is for agents", hint)
    elif wrong := wrong_function(step.run, may_wait=True):
        yield complain(step, "bad-function", f"run {wrong}", hint)


def _functions(step: Step) -> Iterator[Problem]:
    yield from function(step, "bad-function", "gate", step.gate)
    yield from function(step, "bad-function", "when", step.when)


def _needs(step: Step) -> Iterator[Problem]:
    yield from names(step, "needs", step.needs)


def _output(step: Step) -> Iterator[Problem]:
    if step.output is None:
        return
    if step.kind == "approval":
        hint = "what is filled in is approval=Approval(form=Model)"
        yield complain(step, "bad-output", "an approval's result is its decision", hint)
    elif step.kind == "wait":
        yield complain(step, "bad-output", "a wait has no result")
    elif hint := _wrong_type(step.output):
        message = f"output must be a type that pydantic can check, not {shown(step.output)}"
        yield complain(step, "bad-output", message, hint)


def _wrong_type(output: object) -> str | None:
    try:
        adapter(output)
    except PydanticUndefinedAnnotation as error:
        return str(error).splitlines()[0]
    except Exception:  # noqa: BLE001  # pydantic asks an author's types, which may raise
        return OUTPUT_HINT
    return None


def _bands(step: Step, known: Sequence[str]) -> Iterator[Problem]:
    yield from names(step, "bands", step.bands)
    for band in texts_in(step.bands):
        if band not in known:
            message = f"band '{band}' is not one of the flow's"
            yield complain(step, "unknown-band", message, suggest(band, known))


def _template(step: Step) -> Iterator[Problem]:
    text = as_text(step.run)
    if text is None or step.kind not in TEMPLATED:
        return
    for wrong in misread(text):
        message = f"{wrong.message} (line {wrong.line} of the template)"
        yield complain(step, wrong.code, message, wrong.hint)
