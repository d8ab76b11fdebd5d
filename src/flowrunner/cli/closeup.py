"""`show RUN --step KEY[#ATTEMPT]`: one step with its attempts, and what one of them was about."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from flowrunner.cli.exits import CommandError, Exit
from flowrunner.cli.paint import Canvas
from flowrunner.cli.records import told
from flowrunner.cli.shell import Shell, paper
from flowrunner.cli.tables import Columns
from flowrunner.cli.text import clean, clean_text, money, span, tokens_of
from flowrunner.client import Client, NotFoundError
from flowrunner.wire.runs import Attempt, QuotaWait, Run
from flowrunner.wire.steps import AttemptDetail, StepDetail

_COLUMNS = Columns(
    {
        "try": "TRY",
        "status": "STATUS",
        "time": "TIME",
        "tokens": "TOKENS",
        "cost": "COST",
        "worker": "WORKER",
        "error": "ERROR",
    },
    numbers=frozenset({"try", "time", "tokens", "cost"}),
    optional=frozenset({"tokens", "cost"}),
    expendable=("worker", "tokens", "cost"),
)
_PLACE = re.compile(r"(?P<key>.+?)(?:#(?P<attempt>\d+))?\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Closeup:
    """*output* is the chosen attempt's, whole; None when it has none."""

    step: StepDetail
    attempts: tuple[Attempt, ...]
    chosen: AttemptDetail | None
    output: str | None


def show(shell: Shell, client: Client, run: Run, place: str) -> None:
    """Print the step. Raises CommandError when it has no such attempt."""
    found = _look(client, str(run.id), place)
    if shell.as_json:
        step = {**found.step.model_dump(mode="json"), "run_id": str(run.id)}
        attempts = [each.model_dump(mode="json") for each in found.attempts]
        chosen = found.chosen.model_dump(mode="json") if found.chosen else None
        shell.answer({**step, "attempts": attempts, "attempt": chosen, "output": found.output})
        return
    for line in lines(found, paper(shell), datetime.now(UTC)):
        shell.say(line)


def split_place(text: str) -> tuple[str, int | None]:
    """Take `KEY#2` apart; a key may hold a `#` of its own, but not a number after the last."""
    found = _PLACE.match(text)
    assert found is not None  # noqa: S101  # it matches every text but the empty one
    attempt = found["attempt"]
    return found["key"], int(attempt) if attempt else None


def _look(client: Client, run: str, place: str) -> Closeup:
    key, number = split_place(place or "?")
    step = client.get_step(run, key)
    attempts = client.list_attempts(run, key).items
    known = {each.attempt: each for each in attempts}
    if number is not None and number not in known:
        tries = ", ".join(map(str, known)) or "none"
        told, hint = f"step '{key}' has no attempt {number}", f"it has {tries}"
        raise CommandError(told, Exit.NOT_FOUND, code="not-found", hint=hint)
    last = known.get(number if number is not None else max(known, default=0))
    chosen = client.get_attempt(run, key, last.attempt) if last else None
    output = _output(client, run, key, number) if last is None or last.has_output else None
    return Closeup(step, attempts, chosen, output)


def _output(client: Client, run: str, key: str, attempt: int | None) -> str | None:
    try:
        return client.output(run, key, attempt=attempt)
    except NotFoundError:
        return None


def lines(found: Closeup, canvas: Canvas, now: datetime) -> Iterator[str]:
    """For people: how it stands, its attempts, and prompt, error and output of the chosen one."""
    step = found.step
    needs = f"needs {', '.join(step.needs)}" if step.needs else ""
    persona = f"persona {step.persona}" if step.persona else ""
    sign = f"{canvas.sign(step.status)} " if canvas.symbols else ""
    head = canvas.join(clean(step.key), f"{sign}{step.status}", step.kind, persona, needs)
    yield canvas.bold(head)
    why = f"{step.error.code}: {step.error.message}" if step.error else step.reason
    if why:
        yield clean(why)
    if step.quota is not None:
        yield clean(_waiting(step.quota, now))
    if found.attempts:
        yield ""
        yield from _COLUMNS.lines(map(_row, found.attempts), canvas.width)
    chosen = found.chosen
    parts = {
        "Prompt": chosen.prompt if chosen else None,
        "Error": f"{chosen.error.code}: {chosen.error.message}"
        if chosen and chosen.error
        else None,
        "Partial answer (it failed before its end: this is no answer)": chosen.partial
        if chosen
        else None,
        "Output": found.output,
        "Record": "\n".join(told(chosen.record)) if chosen else None,
    }
    which = f" of try {chosen.attempt}" if chosen and len(found.attempts) > 1 else ""
    for heading, text in parts.items():
        if text:
            yield f"\n{canvas.bold(heading + which)}"
            yield clean_text(text).rstrip("\n")


def _waiting(quota: QuotaWait, now: datetime) -> str:
    whose = f"waits for the quota of {quota.provider or 'its provider'}"
    if quota.until is None:
        return f"{whose}, and for the run to go on"
    at, left = quota.until.astimezone(), max((quota.until - now).total_seconds(), 0.0)
    return f"{whose} until {at.strftime('%Y-%m-%d %H:%M:%S')}, in {span(left)}"


def _row(attempt: Attempt) -> dict[str, str]:
    began = attempt.started_at or attempt.dispatched_at
    took = (attempt.finished_at - began).total_seconds() if began and attempt.finished_at else None
    tokens = attempt.usage.input_tokens + attempt.usage.output_tokens
    error = attempt.error
    return {
        "try": str(attempt.attempt),
        "status": attempt.status + ("" if attempt.counted else ", not counted"),
        "time": span(took) if took is not None else "",
        "tokens": tokens_of(tokens).removesuffix(" tok") if tokens else "",
        "cost": money(attempt.usage.cost_microusd) if attempt.usage.cost_microusd else "",
        "worker": attempt.worker or "",
        "error": f"{error.code}: {error.message}" if error else "",
    }
