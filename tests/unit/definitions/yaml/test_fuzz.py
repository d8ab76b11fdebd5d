"""Flows in YAML that are nearly right: read in bounded time, told in words, as the schema has it."""

from __future__ import annotations

import copy
import json
import re
import time
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flowrunner.core.validation import MAX_PROBLEMS
from flowrunner.definitions.graph import build_graph
from flowrunner.definitions.yaml.loading import load_yaml
from flowrunner.definitions.yaml.nodes import compose, plain
from unit.definitions.yaml.shop import HUNT
from unit.definitions.yaml.test_schema import BEYOND, FORMAL, is_accepted
from unit.definitions.yaml.test_wrong import told

GUIDE = (Path(__file__).parents[4] / "docs/authoring-yaml.md").read_text(encoding="utf-8")
RIGHT = (HUNT, *re.findall(r"```yaml\n(# flows/.*?)```", GUIDE, re.DOTALL))
SNIPPETS = (
    "\t", "\r\n", "\ufeff", "- ", "  ", ": ", "${", "}", "${scan}", "$${", "'", '"', "|\n", ">-\n", "&a ", "*a", "!!x ",
    "<<: ", "? ", "---\n", "#", "[", "]", "{", "}", "null", "true", "1e999", "-0", ".inf", "\\u0000", '"\\0"', "é", "\u0455",
    "steps:", "each: ", "repeat: ", "approval: ", "$ref: ", "#/types/place", "when: ", "any(it", "default(", "1h",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 10**30, "", " ", "x", "${scan}", "${x.y}", "1h", "a b", "#/types/finding", [], [1], ["a"],
    [None], {}, {"a": 1}, {"type": "string"}, {"$ref": "#/types/place"}, {"max": 2}, {"over": "${scan}"},
)  # fmt: skip
SECONDS = 5.0
"""Far more than any of these takes; without bounds it would be minutes."""


def flow(steps: str, rest: str = "") -> str:
    return f"flow: x\n{rest}steps:\n{steps}"


def chain(count: int, member: str) -> str:
    """Types of which each holds the one before it."""
    references = (f"{{$ref: '#/types/t{n}'}}" for n in range(count - 1))
    held = (f"  t{n}: {member.replace('REF', ref)}\n" for n, ref in enumerate(references, 1))
    return f"types:\n  t0: {{type: string}}\n{''.join(held)}"


ONE = "  - {id: a, agent: hi}\n"
OF_TYPE = "  - {id: a, agent: hi, output: {$ref: '#/types/t300'}}\n"
DEEP = "too-deep: types nest more than 48 deep, every $ref counted"
BOMBS = {
    "aliases": (flow(ONE, chain(2000, "REF")), DEEP),
    "lists": (flow(OF_TYPE, chain(301, "{type: array, items: REF}")), DEEP),
    "objects": (flow(OF_TYPE, chain(301, "{type: object, properties: {a: REF}}")), DEEP),
    "doubling": (flow(OF_TYPE, chain(301, "{type: object, properties: {a: REF, b: REF}}")), DEEP),
    "names": (flow("".join(f"  - {{id: s{n}, agent: '${{z{n}}}'}}\n" for n in range(1000))), "too-many-problems"),
    "texts": (flow(f"  - {{id: a, agent: '{'${b}' * 20_000}'}}\n"), "too-many-problems"),
    "keys": (flow(ONE) + "".join(f"k{n}: 1\n" for n in range(5000)), "too-many-problems"),
    "openings": (flow(f"  - {{id: a, agent: '{'${' * 100_000}'}}\n"), "bad-expression"),
    "quotes": (flow("  - id: a\n    agent: ${" + '"a' * 100_000 + "}\n"), "bad-expression"),
    "pattern": (flow(ONE, "inputs: {a: {type: string, pattern: '^(a+)+$', default: '" + "a" * 60 + "!'}}\n"), "bad-default"),
    "repeats": (flow(ONE, "inputs: {a: {type: string, pattern: '((a{999}){999}){999}'}}\n"), "bad-pattern"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "code"), BOMBS.values(), ids=BOMBS.keys())
def test_a_bomb_is_told_in_bounded_time(text: str, code: str) -> None:
    """F4, D2-26: what holds itself a thousand deep, or is wrong a thousand times, has an end."""
    began = time.process_time()

    problems = told(text)

    assert any(code in problem for problem in problems)
    assert len(problems) <= MAX_PROBLEMS + 1
    assert time.process_time() - began < SECONDS


@given(st.data())
def test_a_flow_with_typing_mistakes_is_read_or_told(data: st.DataObject) -> None:
    """D2-26, F4: after any few edits the text is a flow, or problems within the text; never neither."""
    text = data.draw(st.sampled_from(RIGHT))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.sampled_from([0, 0, 1, 3, 20]))
        text = text[:at] + data.draw(st.sampled_from(SNIPPETS)) + text[at + cut :]

    loaded = load_yaml(text, "x.flow.yaml", ["newcomer"])

    lines = len(re.split(r"\r\n|[\n\r\x85\u2028\u2029]", text)) + 1
    assert all(problem.message and (problem.line or 1) <= lines for problem in loaded.problems)
    if not loaded.problems:
        assert loaded.flow is not None
        assert json.dumps(build_graph(loaded.flow).to_json())


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of everything within *value*."""
    parts: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        parts = list(cast("dict[Any, Any]", value).items())
    elif isinstance(value, list):
        parts = list(enumerate(cast("list[Any]", value)))
    return [path, *(found for key, each in parts for found in places(each, (*path, key)))]


def is_formally_right(text: str) -> bool:
    """Tell whether the checker finds nothing that a schema could see."""
    said = (str(problem) for problem in load_yaml(text, "x.flow.yaml", ["newcomer"]).problems)
    codes = [each.split(": ")[1] for each in said if not any(known in each for known in BEYOND)]
    return not FORMAL & set(codes)


def tree(text: str) -> Any:
    root, _ = compose(text, "x.flow.yaml")
    assert root is not None
    return plain(root)


@given(st.data())
def test_schema_and_checker_agree_on_any_value_anywhere(data: st.DataObject) -> None:
    """F4: whatever stands in place of a part of a right flow, both refuse its form, or neither."""
    whole = copy.deepcopy(tree(data.draw(st.sampled_from(RIGHT))))
    path = data.draw(st.sampled_from(places(whole)[1:]))
    within = whole
    for key in path[:-1]:
        within = within[key]
    within[path[-1]] = data.draw(st.sampled_from(VALUES))
    text = json.dumps(whole, ensure_ascii=False)

    assert is_accepted(text) is is_formally_right(text)


@example("steps: [{id: a, agent: hi}]")
@given(st.sampled_from(RIGHT))
def test_what_is_right_is_right_for_both(text: str) -> None:
    """F4: the property above says something only if some flows are right, and some are not."""
    assert is_accepted(text) is is_formally_right(text) is text.startswith("#")
