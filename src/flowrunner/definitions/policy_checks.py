"""What can be wrong with when a step begins, how long it may take, and what its failure means."""

from __future__ import annotations

from collections.abc import Iterator

from flowrunner.core.errors import Problem
from flowrunner.core.graph import CODE_QUEUE
from flowrunner.core.validation import suggest
from flowrunner.definitions.complaints import choice, complain, count, is_count, names, span
from flowrunner.definitions.durations import SPAN_HINT, seconds_of
from flowrunner.definitions.flow import Each, Retry, Step
from flowrunner.definitions.shapes import as_text, shown, texts_in, unstorable

TRIGGERS = ("all", "any", "none_failed", "all_done")
ON_FAIL = ("fail", "tolerate", "skip", "cascade")
ON_SKIP = ("satisfy", "cascade")
CLASSES = ("transient", "quota", "contract")
RETRIES = range(21)
WITHOUT_TASK = ("approval", "wait")
"""The kinds that no worker is given, so that queues, time-outs and retries mean nothing."""
LONGEST_TEXT = 200


def check_policy(step: Step) -> Iterator[Problem]:
    """Yield what is wrong with the step's options that every kind has."""
    yield from _trigger(step)
    yield from choice(step, "on_fail", step.on_fail, ON_FAIL)
    yield from choice(step, "on_skip", step.on_skip, ON_SKIP)
    yield from _retry(step)
    for name, value in (("persona", step.persona), ("label", step.label), ("phase", step.phase)):
        yield from _text(step, name, value)
    yield from _spans(step)
    yield from _queue(step)


def _trigger(step: Step) -> Iterator[Problem]:
    yield from choice(step, "trigger", step.trigger, TRIGGERS)
    over = step.each.over if isinstance(step.each, Each) else None
    if step.trigger == "any" and not step.needs and not isinstance(over, str):
        message = "trigger 'any' waits for one of its needs, and there are none"
        yield complain(step, "bad-trigger", message)


def _retry(step: Step) -> Iterator[Problem]:
    if step.kind in WITHOUT_TASK and step.retry != 0:
        message = f"a step of kind {step.kind} has no attempts to retry"
        yield complain(step, "bad-retry", message)
    elif isinstance(step.retry, Retry):
        yield from _retry_policy(step, step.retry)
    elif not is_count(step.retry, RETRIES):
        message = f"retry must be a number from 0 to {RETRIES[-1]}, or Retry(...)"
        yield complain(step, "bad-retry", f"{message}, not {shown(step.retry)}")


def _retry_policy(step: Step, retry: Retry) -> Iterator[Problem]:
    yield from count(step, "bad-retry", "retry.max", retry.max, RETRIES)
    base, cap = seconds_of(retry.base), seconds_of(retry.cap)
    for name, value, seconds in (("base", retry.base, base), ("cap", retry.cap, cap)):
        if seconds is None:
            message = f"retry.{name} {shown(value)} is no span of time"
            yield complain(step, "bad-retry", message, SPAN_HINT)
    if base is not None and cap is not None and cap < base:
        message = f"retry.cap {shown(retry.cap)} is less than retry.base {shown(retry.base)}"
        yield complain(step, "bad-retry", message)
    yield from names(step, "retry.classes", retry.classes, code="bad-retry")
    for name in texts_in(retry.classes):
        if name not in CLASSES:
            message = f"retry.classes names '{name}', which is no class that may heal"
            yield complain(step, "bad-retry", message, suggest(name, CLASSES))


def _text(step: Step, name: str, value: object) -> Iterator[Problem]:
    if value is None:
        return
    if as_text(value) is None:
        yield complain(step, f"bad-{name}", f"{name} must be text, not {shown(value)}")
    elif wrong := unstorable(str(value)):
        yield complain(step, f"bad-{name}", f"{name} {wrong}")
    elif name != "persona" and not 0 < len(str(value).strip()) <= LONGEST_TEXT:
        message = f"{name} must have 1 to {LONGEST_TEXT} characters"
        yield complain(step, f"bad-{name}", message)


def _spans(step: Step) -> Iterator[Problem]:
    limits = {"idle_timeout": step.idle_timeout, "queue_timeout": step.queue_timeout}
    if step.kind in WITHOUT_TASK:
        for name in [name for name, value in limits.items() if value is not None]:
            message = f"a step of kind {step.kind} has no task, so {name} means nothing"
            yield complain(step, "bad-timeout", message)
        return
    if seconds_of(step.timeout) is None:
        message = f"timeout {shown(step.timeout)} is no span of time"
        yield complain(step, "bad-timeout", message, SPAN_HINT)
    for name, value in limits.items():
        yield from span(step, "bad-timeout", name, value)


def _queue(step: Step) -> Iterator[Problem]:
    if step.queue is None:
        return
    if as_text(step.queue) is None or not step.queue:
        yield complain(step, "bad-queue", f"queue must be text, not {shown(step.queue)}")
    elif wrong := unstorable(step.queue):
        yield complain(step, "bad-queue", f"queue {wrong}")
    elif step.kind == "code":
        yield complain(step, "bad-queue", "a code step runs on the engine's own queue")
    elif step.kind in WITHOUT_TASK:
        yield complain(step, "bad-queue", f"a step of kind {step.kind} is on no queue")
    elif step.queue == CODE_QUEUE:
        yield complain(step, "bad-queue", f"queue '{CODE_QUEUE}' is the engine's own")
