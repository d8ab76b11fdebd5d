"""The language of conditions: what it reads, what it says of values, what it refuses and where."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flowrunner.core.expression_reading import read
from flowrunner.core.expression_types import check
from flowrunner.core.expression_values import evaluate
from flowrunner.core.expressions import Fault, Node, Root, roots_in, steps_in, write
from unit.core.expression_cases import JSON, trees

FINDINGS = [
    {"file": "a.py", "line": 3, "severity": "high"},
    {"file": "b.py", "line": 9, "severity": "low"},
]
VALUES: Mapping[str, Any] = {
    "input": {"focus": "security", "limit": 5, "deep": True, "none": None, "count": 2},
    "band": "small",
    "steps": {"confirm": FINDINGS, "find-bugs": "text", "empty": [], "nothing": None},
    "outcomes": {"confirm": {"status": "completed"}},
    "iteration": 2,
    "item": {"file": "a.py"},
}
SEVERITY = {"type": "string", "enum": ["low", "medium", "high"]}
FINDING = {
    "type": "object",
    "properties": {"file": {"type": "string"}, "line": {"type": "integer"}, "severity": SEVERITY},
}
SCHEMAS: Mapping[str, Any] = {
    "input": {
        "type": "object",
        "properties": {
            "focus": SEVERITY,
            "limit": {"type": "integer"},
            "deep": {"type": "boolean"},
            "maybe": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "open": {"type": "object"},
            "nested": {"$ref": "#/$defs/Nested"},
        },
        "$defs": {"Nested": {"type": "object", "properties": {"name": {"type": "string"}}}},
    },
    "band": {"enum": ["small", "large"]},
    "steps": {
        "type": "object",
        "properties": {"confirm": {"type": "array", "items": FINDING}, "scan": {"type": "string"}},
        "additionalProperties": False,
    },
}


def parsed(text: str) -> Node:
    """Read an expression that is one."""
    node = read(text)
    assert not isinstance(node, Fault), node
    return node


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("confirm.any(severity == 'high')", True),
        ("confirm.all(severity == 'high')", False),
        ("confirm.count(line > 4)", 1),
        ("confirm.count", 2),
        ("confirm.count()", 2),
        ("confirm.length == 2", True),
        ("find-bugs.length", 4),
        ('steps["find-bugs"] == "text"', True),
        ("steps.confirm[1].file", "b.py"),
        ("confirm[7].file", None),
        ("confirm.any(it.file == 'b.py' and line < 10)", True),
        ("confirm.any(file == item.file)", True),
        ("[FINDING].any(it == null)", True),
        ("[[1, 2], [3]].any(it.any(it == 3))", True),
        ("input.focus in ['security', 'speed']", True),
        ("'cur' in input.focus", True),
        ("3 in [1, true, '3']", False),
        ("1 in [true]", False),
        ("band == 'small' and not input.deep", False),
        ("not band == 'large'", True),
        ("input.deep or confirm.any(nonsense > 3)", True),
        ("input.missing == null and input.none == null", True),
        ("input.missing.deeper", None),
        ("nothing.default([]).count", 0),
        ("input.none.default('x')", "x"),
        ("empty.any(severity == 1)", False),
        ("empty.all(severity == 1)", True),
        ("iteration >= 2", True),
        ("-1.5e1 < 0", True),
        ("'it\\'s \"so\"' == \"it's \\\"so\\\"\"", True),
        ("input.count", 2),
        ('input["count"]', 2),
        ("outcomes.confirm.status != 'failed'", True),
        ("item == {}".replace("{}", "item"), True),
        ("1 == 1.0", True),
        ("'b' > 'a'", True),
    ],
    ids=str,
)  # fmt: skip
def test_an_expression_has_one_value(text: str, value: object) -> None:
    """F10, V-06: paths, comparisons, and, or, not, any, all, count on JSON values."""
    found = evaluate(parsed(text), VALUES)

    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "message", "at"),
    [
        ("input.limit == '5'", "a number cannot be compared with a text", 12),
        ("input.focus < 3", "a text cannot be compared with a number", 12),
        ("input.none < 3", "null cannot be compared with a number", 11),
        ("input.deep > input.deep", "true or false cannot be compared with true or false", 11),
        ("input.limit and input.deep", "a number is not true or false", 6),
        ("not input.none", "null is not true or false", 10),
        ("nothing.any(severity == 'high')", "null has no members", 8),
        ("nothing.all(severity == 'high')", "null has no members", 8),
        ("nothing.count == 0", "null has no count", 8),
        ("find-bugs.any(it == 1)", "a text has no members", 10),
        ("find-bugs.file", "a text has no field 'file'", 10),
        ("input[0]", "an object has no member number '0'", 6),
        ("input.limit in 5", "a number cannot be in a number", 12),
        ("find-bugs.count", "a text has no count", 10),
        ("confirm.any(line)", "a number is not true or false", 12),
        ("[1] == 1", "a list cannot be compared with a number", 4),
    ],
    ids=str,
)
def test_what_has_no_answer_is_a_fault_and_never_false(text: str, message: str, at: int) -> None:
    """P9, D2-05: incompatible values, and lists that are not there, are typed failures."""
    found = evaluate(parsed(text), VALUES)

    assert isinstance(found, Fault)
    assert (found.code, found.message, found.at) == ("wrong-value", message, at)


@pytest.mark.parametrize(
    ("text", "message", "at", "hint"),
    [
        ("", "the expression is empty", 0, None),
        ("a ==", "a value is missing at the end", 4, None),
        ("a = 3", "'=' has no meaning here", 2, "write =="),
        ("a && b", "'&&' has no meaning here", 2, "write and"),
        ("!a", "'!' has no meaning here", 0, "write not"),
        ("a == 'x", "a text has no closing quote", 5, None),
        ("a b", "'b' does not follow from what stands before it", 2, None),
        ("a < b < c", "'<' cannot follow a comparison", 6, "join two comparisons with and"),
        ("a.any(b", "')' is missing", 7, None),
        ("a.", "a field's name is missing at the end", 2, None),
        ("a.'b'", "a field's name is wanted here, not \"'b'\"", 2, 'write ["name"] for a field whose name is no word'),
        ("a[b]", "a number or a name in quotes is wanted here, not 'b'", 2, None),
        ("a[-1]", "a number or a name in quotes is wanted here, not '-1'", 2, None),
        ("it.a", "'it' is the member of a list, within any(...), all(...), count(...)", 0, None),
        ("and", "a value is wanted here, not 'and'", 0, None),
        ("a == )", "a value is wanted here, not ')'", 5, None),
        ("'\\x' == a", "'\\x' holds an escape that is none", 0, None),
        ("1e999", "the number is too large", 0, None),
        ("__import__('os')", "'(' does not follow from what stands before it", 10, None),
        ("(" * 41 + "a", "the expression nests deeper than 40", 40, None),
        ("a" + ".b" * 41, "the expression nests deeper than 40", 0, None),
        ("a" * 4001, "an expression has at most 4000 characters, not 4001", 0, None),
    ],
    ids=lambda value: str(value)[:30],
)  # fmt: skip
def test_what_cannot_be_read_is_placed(text: str, message: str, at: int, hint: str | None) -> None:
    """D2-26: a mistake is told with its place in the text."""
    assert read(text) == Fault("bad-expression", message, at, hint)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("input.focsu == 'low'", ["6 unknown-field: there is no field 'focsu' | did you mean 'focus'?"]),
        ("confirm.any(severty == 'high')", ["12 unknown-field: there is no field 'severty' | did you mean 'severity'?"]),
        ("confirm.any(severity == 'hihg')", ["24 unknown-value: it is never \"hihg\": low, medium, high | did you mean 'high'?"]),
        ("confirm.any('urgent' != severity)", ['12 unknown-value: it is never "urgent": low, medium, high | known: high, low, medium']),
        ("confirm.any(severity in ['low', 'hi'])", ["32 unknown-value: it is never \"hi\": low, medium, high | did you mean 'high'?"]),
        ("confrm.count", ["0 unknown-dependency: the flow has no step 'confrm' | did you mean 'confirm'?"]),
        ("zzz", ["0 unknown-dependency: the flow has no step 'zzz' | known: band, confirm, input, scan, steps"]),
        ("item.file == 'x'", ["0 unknown-name: there is no 'item' here | known here: band, input, steps"]),
        ("input.limit == 'x'", ["12 type-mismatch: a number cannot be compared with a text"]),
        ("input.deep < 3", ["11 type-mismatch: true or false cannot be compared with a number"]),
        ("confirm.severity == 'x'", ["8 type-mismatch: a list has no field 'severity'"]),
        ("scan[0]", ["5 type-mismatch: a text has no member number 0"]),
        ("scan.any(it == 1)", ["5 type-mismatch: a text has no members"]),
        ("scan.count > 1", ["5 type-mismatch: a text has no count"]),
        ("confirm and not scan", [
            "0 type-mismatch: a list is not true or false | compare it with something",
            "16 type-mismatch: a text is not true or false | compare it with something",
        ]),
        ("input.limit in input.limit", ["12 type-mismatch: a number cannot be in a number"]),
        ("band == 'medium'", ['8 unknown-value: it is never "medium": small, large | known: large, small']),
        ("input.nested.nam == 'x'", ["13 unknown-field: there is no field 'nam' | did you mean 'name'?"]),
        ("input.nested.name.default(3) == true", ["29 type-mismatch: a number or a text cannot be compared with true or false"]),
        ("input.a.b.c == input.z", [
            "6 unknown-field: there is no field 'a' | known: deep, focus, limit, maybe, nested, open",
            "21 unknown-field: there is no field 'z' | known: deep, focus, limit, maybe, nested, open",
        ]),
    ],
    ids=lambda value: str(value)[:30],
)  # fmt: skip
def test_schemas_tell_mistakes_before_anything_runs(text: str, told: list[str]) -> None:
    """F4, F10, D2-26: unknown fields, steps and words, and types that cannot meet, are told at load."""
    _, faults = check(parsed(text), SCHEMAS)

    shown = [f"{f.at} {f.code}: {f.message}{f' | {f.hint}' if f.hint else ''}" for f in faults]
    assert shown == told


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("input.maybe == 'x' or input.maybe == null", "boolean"),
        ("input.open.any.thing == 3", "boolean"),
        ("confirm[0].line < 3 and confirm != null", "boolean"),
        ("confirm.count(line > 3)", "integer"),
        ("confirm.default([]).any(severity == 'low')", "boolean"),
        ("'x' in scan", "boolean"),
        ("scan.length", "integer"),
        ("input.nested.name", "string"),
    ],
    ids=str,
)
def test_schemas_refuse_nothing_that_may_be(text: str, kind: str) -> None:
    """F10: what schemas allow, or say nothing of, passes; the answer's type is known."""
    schema, faults = check(parsed(text), SCHEMAS)

    assert (schema.get("type"), faults) == (kind, ())


def test_an_expression_names_what_it_reads() -> None:
    """F10: dependencies are what an expression mentions, each once, in order."""
    node = parsed("scan.any(steps.b == it.c) or outcomes['x y'].status == band or scan == item")

    assert steps_in(node) == ("scan", "b", "x y")
    assert roots_in(node) == {"steps", "outcomes", "band", "item"}


@given(trees())
@example(Root("input"))
def test_what_is_written_reads_back(tree: Node) -> None:
    """F10: the printed form of a tree is an expression that means the same tree."""
    assert read(write(tree)) == tree


@given(st.text(max_size=60) | st.text(alphabet="ab.[]()'\"=<>!0-9 anyorcount", max_size=40))
def test_reading_is_total(text: str) -> None:
    """D2-05: any text is an expression or a fault within the text, never an exception."""
    found = read(text)

    assert not isinstance(found, Fault) or 0 <= found.at <= len(text)


@given(trees(), st.dictionaries(st.sampled_from(["input", "steps", "item", "band"]), JSON))
def test_evaluating_and_checking_are_total(tree: Node, roots: dict[str, Any]) -> None:
    """D2-05: on any values an expression is JSON or a fault; checking never raises either."""
    found = evaluate(tree, roots)
    check(tree, SCHEMAS)
    check(tree, {"steps": {"type": ["array", "null"]}, "it": {"anyOf": []}})

    assert found is None or isinstance(found, Fault | bool | int | float | str | list | dict)


def test_a_value_deeper_than_the_stack_is_a_fault() -> None:
    """D2-05: what an agent nests without end fails one step, not the engine."""
    one: list[Any] = []
    two: list[Any] = []
    for _ in range(100_000):
        one, two = [one], [two]

    found = evaluate(parsed("input.a == input.b"), {"input": {"a": one, "b": two}})

    assert found == Fault("wrong-value", "a value nests too deep to be looked at", 8)
    while one:
        one, two = one[0], two[0]
