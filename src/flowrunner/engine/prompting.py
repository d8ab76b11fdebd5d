"""The text of a step, as its author's function or template says it."""

from __future__ import annotations

from flowrunner.core.model import StepStatus
from flowrunner.core.substitution import Template, Unresolved, Value, parse
from flowrunner.definitions.answering import with_form
from flowrunner.definitions.context import Context
from flowrunner.definitions.flow import Step
from flowrunner.definitions.library import Definition
from flowrunner.definitions.prompts import UnresolvedError, build_prompt
from flowrunner.engine import threads
from flowrunner.engine.results import Results

PROMPT_CHARACTERS = 4_000_000


def prompt_of(step: Step, context: Context, definition: Definition) -> str:
    """The whole prompt: persona, rule, text (R2-29), and the form of the answer.

    Raises for text that nobody could answer.
    """
    persona = definition.personas[step.persona] if step.persona else None
    prompt = build_prompt(persona, text_of(step, context))
    return checked(with_form(prompt, step.output, is_wanted=step.schema_in_prompt))


def checked(prompt: str) -> str:
    """Return *prompt*, if an agent can be given it. Raises ValueError."""
    if len(prompt) > PROMPT_CHARACTERS:
        msg = f"the prompt has {len(prompt)} characters, at most {PROMPT_CHARACTERS} are allowed"
        raise ValueError(msg)
    return prompt


def text_of(step: Step, context: Context) -> str:
    """What the step says: its template filled, or what its function returned."""
    return _filled(step.run, step, context) if isinstance(step.run, str) else _said(step, context)


def _said(step: Step, context: Context) -> str:
    assert callable(step.run)  # noqa: S101  # checked when the flow was loaded
    text = threads.finished(step.run(context))
    if not isinstance(text, str) or not text.strip():
        what = "its question" if step.kind == "approval" else "its prompt"
        msg = f"the `run` of an {step.kind} step returns {what}, not {text!r:.80}"
        raise TypeError(msg)
    return text


def _filled(template: str, step: Step, context: Context) -> str:
    parsed = parse(template, tuple(context.outcomes))
    assert isinstance(parsed, Template)  # noqa: S101  # checked when the flow was loaded
    values: dict[str, Value] = {}
    for key in parsed.references:
        outcome = context.outcomes[key]
        if outcome.status == StepStatus.FAILED:
            raise UnresolvedError(f"step '{step.id}' refers to '{key}', which failed")
        assert isinstance(context.results, Results)  # noqa: S101  # made by `Contexts`
        is_there = key in context.results
        values[key] = Value(context.results.text(key)) if is_there else Value(absent=True)
    nonce = None if step.kind == "approval" else context.nonce
    filled = parsed.fill(values, nonce=nonce)
    if isinstance(filled, Unresolved):
        raise UnresolvedError(f"{filled.reference.source}: {filled.reason}")
    return filled
