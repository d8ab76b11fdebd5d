"""An expression has an end: in reading, in checking, and on whatever values it meets."""

import time
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from flowrunner.core.expression_reading import read
from flowrunner.core.expression_types import check
from flowrunner.core.expression_values import MAX_LOOKS, evaluate
from flowrunner.core.expressions import Fault, Node

WORDS = (
    "steps.a", "input", "it", "item", "a", "b-c", ".any(", ".all(", ".count(", ".default(", ".length", ".count", "[0]", "[",
    "]", "(", ")", "and", "or", "not", "in", "==", "!=", "<", ">=", "1", "-2.5", "'x'", '"y"', "null", "true", ",", "steps",
)  # fmt: skip
TOO_MANY = f"it looks at more than {MAX_LOOKS:,} values"
SECONDS = 20.0
NESTED: dict[str, Any] = {
    "steps": {"a": [[1, "x"], [None], [], {"a": [True]}], "b-c": "y"},
    "input": {"a": 1},
}


def parsed(text: str) -> Node:
    node = read(text)
    assert not isinstance(node, Fault)
    return node


def test_a_condition_on_everything_for_everything_ends() -> None:
    """D2-05, F10: members for members for members are refused in a moment, not counted for a day."""
    began = time.process_time()
    roots = {"steps": {"a": list(range(1000))}}

    texts = ("steps.a.all(steps.a.all(steps.a.all(true)))", "steps.a.all(steps.a == steps.a)")
    for text in texts:
        found = evaluate(parsed(text), roots)
        assert isinstance(found, Fault)
        assert found.message == TOO_MANY

    assert time.process_time() - began < SECONDS


def test_long_texts_are_looked_at_as_well() -> None:
    """D2-05: a search through a long text, once per member, is not one look."""
    roots = {"steps": {"a": [0] * 10_000, "b": "x" * 1_000_000}}

    found = evaluate(parsed("steps.a.any('y' in steps.b)"), roots)

    assert isinstance(found, Fault)
    assert found.message == TOO_MANY


def test_an_honest_condition_is_far_from_the_bound() -> None:
    """F10: ten thousand members, each looked at from several sides."""
    roots = {"steps": {"a": [{"n": n, "s": "high"} for n in range(10_000)]}}
    text = "steps.a.all(n >= 0 and s in ['high', 'low'] and not (n == -1) and s != 'none')"

    assert evaluate(parsed(text), roots) is True


def test_alternatives_do_not_double() -> None:
    """D2-26: each default() allows two types; of the same two there are still no more than two."""
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(30):
        schema = {"type": "array", "items": schema}
    text = "true"
    for _ in range(12):
        text = f"it.default(it).default(it).any({text})"
    began = time.process_time()

    _, faults = check(
        parsed(f"steps.a.any({text})"), {"steps": {"type": "object", "properties": {"a": schema}}}
    )

    assert faults == ()
    assert time.process_time() - began < SECONDS


@given(st.lists(st.sampled_from(WORDS), max_size=30))
def test_any_row_of_words_has_an_end(words: list[str]) -> None:
    """D2-05, F10: what reads is checked and evaluated to a value or a fault; nothing raises."""
    node = read(" ".join(words))
    if isinstance(node, Fault):
        return

    check(node, {"steps": {"type": "object"}, "input": {}})
    found = evaluate(node, NESTED)

    assert found is None or isinstance(found, Fault | bool | int | float | str | list | dict)
