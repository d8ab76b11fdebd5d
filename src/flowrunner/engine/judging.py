"""Judge what an agent answered: an exit code alone is no success (P9)."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from flowrunner.core import inputs as inp
from flowrunner.core.model import Failure, FailureClass, Losses, Ref, Usage
from flowrunner.db.payloads import ref_of
from flowrunner.definitions.flow import Step
from flowrunner.definitions.outputs import adapter, is_structured
from flowrunner.engine.letters import Answer
from flowrunner.engine.raising import raised
from flowrunner.wire.tasks import TaskReport, shortened

_FENCED = re.compile(r"^```(?:json)?[ \t]*\n(.*?)^```[ \t]*$", re.DOTALL | re.MULTILINE)
_FENCE = re.compile(r"^```", re.MULTILINE)
_MOST_ERRORS = 5
_MOST_CHARACTERS = 4_000


def judge(report: TaskReport, step: Step | None) -> tuple[inp.Outcome, dict[Ref, bytes]]:
    """Turn a report into an outcome and the payload it needs. *step* names what must fit."""
    usage = Usage(**report.usage.model_dump())
    if report.outcome == "cancelled":
        return inp.Stopped("the dispatcher stopped the agent"), {}
    if report.outcome == "failed":
        error = report.error
        assert error is not None  # noqa: S101  # TaskReport's validator
        of_class = FailureClass(error.failure_class)
        given = Failure(error.code, error.message, of_class, error.hint or "")
        return inp.Errored(given, usage), {}
    text = report.output or ""
    if step is not None and is_structured(step.output):
        answer = parse_answer(text, step.output)
        if isinstance(answer, Failure):
            return inp.Errored(answer, usage), {}
    body = text.encode()
    ref = ref_of(body)
    losses = Losses(report.truncated_bytes, report.replaced_count)
    return inp.Succeeded(ref, usage, losses), {ref: body}


def parse_answer(text: str, output: object) -> object | Failure:
    """Find the JSON an agent was asked for and check it; prose around it is allowed."""
    kind = _json_kind(output)
    found = _json_in(text, kind)
    if found is None:
        message = f"the answer holds no JSON {kind}"
        return Failure("answer_not_json", message, FailureClass.CONTRACT)
    try:
        return adapter(output).validate_json(found)
    except ValidationError as error:
        return Failure("answer_invalid", _told(error), FailureClass.CONTRACT)
    except Exception as error:  # noqa: BLE001  # a validator that raises is the flow's mistake (D2-05)
        return Failure("definition_error", f"checking the answer raised {raised(error)}")


def read_answer(text: str, output: object) -> object:
    """Read an answer that was accepted before. Raises ValueError if it does not fit any more."""
    answer = parse_answer(text, output)
    if isinstance(answer, Failure):
        raise ValueError(answer.message)  # noqa: TRY004  # a value that does not fit
    return answer


_KINDS: dict[str, tuple[str, str, type]] = {
    "object": ("{", "}", dict),
    "array": ("[", "]", list),
}


def _json_kind(output: object) -> str:
    """What the outermost of the answer is: an object, an array, or any value."""
    try:
        return _kind_of(adapter(output))
    except Exception:  # noqa: BLE001  # not every type that can be checked has a schema
        return "value"


@lru_cache(maxsize=256)
def _kind_of(checks: TypeAdapter[Any]) -> str:
    schema = checks.json_schema()
    if "$ref" in schema:
        name = str(schema["$ref"]).rsplit("/", 1)[-1]
        schema = schema.get("$defs", {}).get(name, {})
    kind = str(schema.get("type", "value"))
    return kind if kind in _KINDS else "value"


def _json_in(text: str, kind: str) -> str | None:
    """The whole text, else the last fenced block, else what lies between the outermost brackets.

    Only the last block can be the answer: an earlier one may be quoted, and when the last one was
    cut off nothing else may stand in for it (P9).
    """
    if kind not in _KINDS:
        return _value_in(text)
    opens, closes, expected = _KINDS[kind]
    fenced = _FENCED.findall(text)
    first, last = text.find(opens), text.rfind(closes)
    if not _FENCE.search(text):
        rest = text[first : last + 1] if 0 <= first < last else ""
    else:
        is_closed = len(_FENCE.findall(text)) % 2 == 0
        rest = fenced[-1] if fenced and is_closed else ""
    return next((found for found in (text, rest) if _is_a(expected, found)), None)


def _value_in(text: str) -> str:
    """Text that is no JSON stands for itself: an agent says yes, not "yes"."""
    return text if _is_a(object, text) else json.dumps(text.strip())


def _is_a(expected: type, text: str) -> bool:
    try:
        return isinstance(json.loads(text), expected)
    except (ValueError, RecursionError):
        return False


def _told(error: ValidationError) -> str:
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    shown = [f"{'.'.join(map(str, e['loc'])) or 'answer'}: {e['msg']}" for e in errors]
    rest = len(shown) - _MOST_ERRORS
    told = "; ".join(shown[:_MOST_ERRORS])
    # Keys and messages are the agent's words: they may be long, and hold what no column does.
    return shortened(f"{told}; and {rest} more" if rest > 0 else told, _MOST_CHARACTERS)


class Reported:
    """A dispatcher's report in the mailbox: judged when the run, and so its flow, is at hand."""

    def __init__(self, step: int, attempt: int, report: TaskReport, spec: Step | None) -> None:
        self._step = step
        self._attempt = attempt
        self._report = report
        self._spec = spec

    def read(self, _view: object) -> Answer:
        outcome, bodies = judge(self._report, self._spec)
        return Answer(
            inp.TaskSettled(self._step, self._attempt, self._report.epoch, outcome), bodies
        )
