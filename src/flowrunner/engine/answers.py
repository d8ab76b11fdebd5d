"""Find the answer in what an agent said, and hold it against what its step asks for (P9)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from flowrunner.core.model import Failure, FailureClass
from flowrunner.definitions.outputs import adapter
from flowrunner.engine.raising import raised
from flowrunner.wire.tasks import shortened

_FENCED = re.compile(r"^```(?:json)?[ \t]*\n(.*?)^```[ \t]*$", re.DOTALL | re.MULTILINE)
_FENCE = re.compile(r"^```", re.MULTILINE)
_MOST_ERRORS = 5
_MOST_CHARACTERS = 4_000
MOST_PROBLEMS = 50
"""So many problems of one answer are told to its agent; how many more there are is said."""


@dataclass(frozen=True, slots=True)
class Unfit:
    """Why an answer cannot be taken: *failure* for people, every one of *problems* for its agent.

    A flow's own mistake has no problems: no other answer would mend it.
    """

    failure: Failure
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Said:
    """An answer that fits: as its type, and as the JSON that the agent wrote."""

    value: object
    json: object


def read(text: str, output: object) -> Said | Unfit:
    """Find the JSON an agent was asked for and check it; prose around it is allowed."""
    kind = _json_kind(output)
    found = _json_in(text, kind)
    if found is None:
        message = f"the answer holds no JSON {kind}"
        hint = "end with one fenced block that holds it whole, and close the block"
        failure = Failure("answer_not_json", message, FailureClass.CONTRACT)
        return Unfit(failure, (f"{message}: {hint}",))
    try:
        return Said(adapter(output).validate_json(found), json.loads(found))
    except ValidationError as error:
        told = _told(error)
        message = _in_short(told)
        return Unfit(Failure("answer_invalid", message, FailureClass.CONTRACT), told)
    except Exception as error:  # noqa: BLE001  # a validator that raises is the flow's mistake (D2-05)
        return Unfit(Failure("definition_error", f"checking the answer raised {raised(error)}"))


def parse_answer(text: str, output: object) -> object | Failure:
    """Return the answer as its type, or why there is none."""
    found = read(text, output)
    return found.failure if isinstance(found, Unfit) else found.value


def read_answer(text: str, output: object) -> object:
    """Read an answer that was accepted before. Raises ValueError if it does not fit any more."""
    answer = parse_answer(text, output)
    if isinstance(answer, Failure):
        raise ValueError(answer.message)  # noqa: TRY004  # a value that does not fit
    return answer


def contract_broken(problems: tuple[str, ...]) -> Unfit:
    """An answer of the right form that does not hold what its step asks of it."""
    message = _in_short(problems)
    return Unfit(Failure("contract_broken", message, FailureClass.CONTRACT), problems)


_KINDS: dict[str, type] = {"object": dict, "array": list}
_BRACKETS = {"object": "{}", "array": "[]"}


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
    expected = _KINDS.get(kind, object)
    block = _last_block(text) if _FENCE.search(text) else _bracketed(text, kind)
    found = next((each for each in (text, block) if _is_a(expected, each)), None)
    # Text that is no JSON stands for itself: an agent says yes, not "yes".
    return json.dumps(text.strip()) if found is None and kind not in _KINDS else found


def _last_block(text: str) -> str:
    fenced = _FENCED.findall(text)
    is_closed = len(_FENCE.findall(text)) % 2 == 0
    return fenced[-1] if fenced and is_closed else ""


def _bracketed(text: str, kind: str) -> str:
    if kind not in _BRACKETS:
        return ""
    opens, closes = _BRACKETS[kind]
    first, last = text.find(opens), text.rfind(closes)
    return text[first : last + 1] if 0 <= first < last else ""


def _is_a(expected: type, text: str) -> bool:
    try:
        return isinstance(json.loads(text), expected)
    except (ValueError, RecursionError):
        return False


def _told(error: ValidationError) -> tuple[str, ...]:
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    return tuple(f"{'.'.join(map(str, e['loc'])) or 'answer'}: {e['msg']}" for e in errors)


def _in_short(problems: tuple[str, ...]) -> str:
    rest = len(problems) - _MOST_ERRORS
    told = "; ".join(problems[:_MOST_ERRORS])
    # Keys and messages are the agent's words: they may be long, and hold what no column does.
    return shortened(f"{told}; and {rest} more" if rest > 0 else told, _MOST_CHARACTERS)
