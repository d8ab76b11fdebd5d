"""What counts as an agent's answer, and what must not pass for one."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from flowrunner.core.model import Failure
from flowrunner.engine.answers import parse_answer


class Said(BaseModel):
    n: int


QUOTED = 'As you asked:\n```json\n{"n": 1}\n```\n'


@pytest.mark.parametrize(
    ("text", "n"),
    [
        ('{"n": 2}', 2),
        ('Here it is: {"n": 2} as asked.', 2),
        (QUOTED + 'And now mine.\n```json\n{"n": 2}\n```\n', 2),
        (QUOTED, 1),
        ('```\n{"n": 2}\n```', 2),
    ],
)
def test_the_last_thing_said_is_the_answer(text: str, n: int) -> None:
    """Prose may stand around the answer, and what was quoted before it does not count."""
    answer = parse_answer(text, Said)

    assert isinstance(answer, Said)
    assert answer.n == n


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("I found nothing.", "answer_not_json"),
        ("[1, 2]", "answer_not_json"),
        (QUOTED + 'And now mine.\n```json\n{"n": ', "answer_not_json"),
        (QUOTED + "And now mine.\n```json\n{]\n```\n", "answer_not_json"),
        ('{"n": "many"}', "answer_invalid"),
        ("[" * 100_000, "answer_not_json"),
    ],
)
def test_what_is_no_answer_is_a_failure(text: str, code: str) -> None:
    """A cut, empty or unfit answer fails its contract; a quotation never stands in for it (P9)."""
    answer = parse_answer(text, Said)

    assert isinstance(answer, Failure)
    assert answer.code == code
