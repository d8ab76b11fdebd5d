"""Ways in which an agent gives no answer, and what a flow makes of each; played by the engine's core.

Who is asked is read off a good run, children included, so that no step can be forgotten.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from flowrunner.core.graph import StepKind
from flowrunner.core.model import Failure, FailureClass
from flowrunner.definitions.definition import Definition
from flowrunner.definitions.library import Library
from flowrunner.dispatch.capture import Captured
from flowrunner.dispatch.outcome import judge
from flowrunner.dispatch.process import Ended, ProcessLimits
from flowrunner.engine.answers import parse_answer
from flowrunner.testing import Fails, Told, rehearse
from flowrunner.testing.scripts import written
from flows.rehearsal import FLOWS, step_of
from flows.scripted import CLEAN, FILES, answer_of

BANDS = ("small", "medium", "large")
OVERLOADED = "API Error: 529 overloaded_error: Overloaded"
QUOTA = "API Error: 429 rate_limit_error: usage limit reached, resets at 3pm"
REFUSAL = "I cannot help with that."
NOTHING: dict[str, Any] = {
    name: [] for name in ("findings", "statements", "risks", "rulings", "components")
}
_EMPTY = json.dumps(NOTHING)
_BLOCK = f"```json\n{_EMPTY}\n```"


@dataclass(frozen=True, slots=True)
class Kind:
    """*told* says in a few words what the agent does, *answer* is its script."""

    told: str
    answer: object


KINDS: Mapping[str, Kind] = {
    "exit-1": Kind("ends with exit code 1", Fails("exit code 1", failure_class="transient")),
    "exit-127": Kind("ends with exit code 127", Fails("exit code 127")),
    "killed": Kind("is killed by a signal", Fails("ended by SIGKILL", "agent_killed", "transient")),
    "stopped": Kind(
        "is ended from outside", Fails("ended from outside", "agent_stopped", "transient")
    ),
    "timeout": Kind("takes too long", Fails("longer than 1800 s", "timeout_total", "transient")),
    "silent": Kind("is silent too long", Fails("silent for 600 s", "timeout_idle", "transient")),
    "flood": Kind("writes without end", Fails("wrote without end", "output_flood")),
    "not-started": Kind("cannot be started", Fails("no such file", "agent_not_started")),
    "empty": Kind("answers nothing", ""),
    "whitespace": Kind("answers blanks", " \n\t\r\n "),
    "prose": Kind("praises, without JSON", "I found no problems, great work!"),
    "refusal": Kind("refuses in a sentence", REFUSAL),
    "refusal-in-form": Kind("refuses in the form asked for", {**NOTHING, "summary": REFUSAL}),
    "error-as-text": Kind("prints a provider's error, exit code 0", OVERLOADED),
    "quota-as-text": Kind("says that its quota is used up, until the end of the run", QUOTA),
    "error-as-object": Kind(
        "prints a provider's error as JSON",
        {"type": "error", "error": {"type": "overloaded_error", "message": OVERLOADED}},
    ),
    "error-before-object": Kind(
        "prints a provider's error and an empty object", f"{OVERLOADED}\n\n```json\n{{}}\n```"
    ),
    "error-in-form": Kind(
        "prints a provider's error in the form asked for", {**NOTHING, "summary": OVERLOADED}
    ),
    "empty-object": Kind("answers an empty object", "{}"),
    "empty-array": Kind("answers an empty array", "[]"),
    "null": Kind("answers null", "null"),
    "nulls": Kind("answers null for every list", dict.fromkeys(NOTHING)),
    "wrong-types": Kind(
        "answers out of schema",
        {"findings": "none", "statements": 3, "risks": {}, "rulings": "ok", "components": 1},
    ),
    "cut-off": Kind("is cut in the middle of a block", '```json\n{"findings": [], "rulings": ['),
    "cut-open": Kind(
        "is cut in the middle, without a block", '{"findings": [], "summary": "I looked at '
    ),
    "block-and-cut": Kind(
        "gives an empty answer and begins another", f"{_BLOCK}\nCorrection:\n```json\n{{"
    ),
    "nothing-said": Kind("answers empty lists, and not a word", NOTHING),
    "second-block": Kind(
        "says afterwards what an empty answer would be",
        f"```json\n{json.dumps({**NOTHING, 'summary': 'Much.'})}\n```\n"
        f"Had there been nothing, I had answered:\n{_BLOCK}",
    ),
    "second-object": Kind(
        "goes on in prose with an empty answer in it", f"{_EMPTY}\nElse I had said {_EMPTY}."
    ),
    "other-ruling": Kind(
        "rules on what nobody asked about",
        {**NOTHING, "rulings": [{"finding": "000000000000", "verdict": "refuted"}]},
    ),
}
FEW_KINDS = ("exit-1", "wrong-types", "error-as-text", "nothing-said", "refusal-in-form")
"""One for each way that the run of an agent can go on; the deepest band is given all."""

FEW = {path: text for path, text in FILES.items() if path != "schema.sql"} | {
    "app/pay.py": FILES["app/pay.py"].replace("import asyncio\nimport sqlite3\n", "\n\n"),
    "app/sell.py": "def sell(amount):\n    return amount\n",
}
"""Without signs of stored data and of things at once: then other specialists have a seat."""


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a run ended in which one agent failed: its outcome, or its status if it has none."""

    outcome: str
    reasons: str


def play(name: str, band: str, root: Path, changed: Mapping[str, object] | None = None) -> Told:
    """Play a flow with good agents, but for those that are *changed*."""
    agents: dict[str, Any] = {step: speaker(name, step) for step in agent_steps(name)}
    scripts = {**agents, **(changed or {})}
    return rehearse(definition(name), agents=scripts, band=band, project=root)


def speaker(name: str, step: str) -> Any:
    """A good agent."""

    def speak(prompt: str) -> object:
        return answer_of(name, step, prompt)

    return speak


@cache
def definition(name: str) -> Definition:
    return Library.shipped().get(name)


@cache
def agent_steps(name: str) -> tuple[str, ...]:
    steps = definition(name).graph.steps
    return tuple(step.key for step in steps if step.kind is StepKind.AGENT)


@cache
def asked(name: str, band: str, root: Path) -> tuple[str, ...]:
    """Return the keys of whoever is asked in a good run, which is clean."""
    told = play(name, band, root)
    assert (told.status, told.outcome, told.degraded) == ("completed", CLEAN[name], False), (
        told.error or told.markdown[:1500]
    )
    return tuple(key for key, step in told.steps.items() if step.prompts)


def seats(name: str, band: str, projects: Mapping[str, Path]) -> Iterator[tuple[str, Path]]:
    """Yield everybody who is asked, and in which project; of specialists those who have a seat."""
    usual = asked(name, band, projects["signs"])
    yield from ((key, projects["signs"]) for key in usual)
    known = {step_of(key) for key in usual}
    other = asked(name, band, projects["few"])
    yield from ((key, projects["few"]) for key in other if step_of(key) not in known)


def end_of(name: str, band: str, seat: tuple[str, Path], kind: str) -> RunEnd:
    """Return how the run ends in which the agent of *seat* fails like *kind*.

    Kinds of which an attempt cannot be told apart, but by its message, are played once.
    """
    return _end_of(name, band, *seat, _alike(name, step_of(seat[0]), kind))


@cache
def _end_of(name: str, band: str, key: str, root: Path, kind: str) -> RunEnd:
    told = play(name, band, root, {key: KINDS[kind].answer})
    if told.status != "completed":
        unfinished = [key for key, step in told.steps.items() if step.status != "completed"]
        return RunEnd(told.status, " ".join(unfinished))
    reasons = json.loads(json.dumps(told.data))["reasons"]
    return RunEnd(told.outcome, " ".join(map(str, reasons)))


@cache
def _alike(name: str, step: str, kind: str) -> str:
    """Return the first kind that ends an attempt as *kind* does."""
    ends = _attempt(name, step, kind)
    return next(other for other in KINDS if _attempt(name, step, other) == ends)


@cache
def _attempt(name: str, step: str, kind: str) -> str:
    """Return how an attempt ends: its failure's class, and code if it said something; or its answer."""
    answer = KINDS[kind].answer
    found = judged(name, step, kind)
    if isinstance(answer, Fails) or not isinstance(found, Failure):
        return repr(found.failure_class if isinstance(found, Failure) else found)
    return f"{found.code} {found.failure_class}"


def judged(name: str, step: str, kind: str) -> object | Failure:
    """Return what is taken for the answer of an attempt, or its failure."""
    answer = KINDS[kind].answer
    if isinstance(answer, Fails):
        return Failure(answer.code, answer.message, FailureClass(answer.failure_class))
    text = written(answer)
    ended = Ended(cause="ended", exit_code=0, output=Captured(text))
    if error := judge(0, ended, ProcessLimits()).error:
        return Failure(error.code, error.message, FailureClass(error.failure_class))
    (output,) = (each.output for each in FLOWS[name].steps if each.id == step)
    return parse_answer(text, output)
