"""Reading a template: which places want a step's output, in both forms."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.core.errors import Problem
from flowrunner.core.substitution import PathPart, Reference, Template, parse

KNOWN = ("find", "find-bugs", "find-bugs-2", "scan", "a.b")


def parsed(template: str) -> tuple[str | Reference, ...]:
    found = parse(template, KNOWN)
    assert isinstance(found, Template)
    return found.parts


def wanted(template: str) -> list[tuple[str, tuple[PathPart, ...], str | None]]:
    """Return step, path and default of each reference in *template*."""
    return [(p.step, p.path, p.default) for p in parsed(template) if isinstance(p, Reference)]


@pytest.mark.parametrize(
    ("template", "reference"),
    [
        ('{{ steps["find-bugs"].output }}', ("find-bugs", (), None)),
        ("{{ steps['find-bugs'].output }}", ("find-bugs", (), None)),
        ("{{steps.scan.output}}", ("scan", (), None)),
        ("{{\n  steps.scan.output\n}}", ("scan", (), None)),
        ("{{ steps.scan.json }}", ("scan", ("",), None)),
        (
            "{{ steps.scan.json.findings[0].file }}",
            ("scan", ("", "findings", 0, "file"), None),
        ),
        ("{{ steps.scan.json['a b'][\"c-d\"] }}", ("scan", ("", "a b", "c-d"), None)),
        ("{{ steps.scan.json[''] }}", ("scan", ("", ""), None)),
        ('{{ steps.scan.output | default("none") }}', ("scan", (), "none")),
        ("{{ steps.scan.output|default('') }}", ("scan", (), "")),
        ('{{ steps.scan.json.x | default("-") }}', ("scan", ("", "x"), "-")),
    ],
)
def test_the_strict_form_is_read(
    template: str, reference: tuple[str, tuple[PathPart, ...], str | None]
) -> None:
    """V-01: braces take any id in quotes, plain ids after a dot, a path and a default."""
    assert wanted(template) == [reference]


@pytest.mark.parametrize(
    ("template", "step", "path"),
    [
        ("$scan.output", "scan", ()),
        ("$scan.output.severity", "scan", ("severity",)),
        ("$scan.output.a.b", "scan", ("a.b",)),
        ("See $scan.output.", "scan", ()),
        ("See $scan.output.severity.", "scan", ("severity",)),
        ("($scan.output)", "scan", ()),
        ("$$scan.output", "scan", ()),
        ("$find.output", "find", ()),
        ("$find-bugs.output", "find-bugs", ()),
        ("$find-bugs-2.output.x", "find-bugs-2", ("x",)),
        ("$a.b.output", "a.b", ()),
    ],
)
def test_the_dollar_form_takes_the_longest_known_id(
    template: str, step: str, path: tuple[str, ...]
) -> None:
    """V-01, R2-53, D2-15: ids may have hyphens; a full stop may end the sentence."""
    assert wanted(template) == [(step, path, None)]


@pytest.mark.parametrize(
    ("template", "step"),
    [
        ("$a.output.output", "a.output"),
        ("$a.output", "a"),
        ("$c++.output", "c++"),
        ("$f(x.output", "f(x"),
        ("$[a-z].output", "[a-z]"),
    ],
)
def test_known_ids_are_taken_to_the_letter(template: str, step: str) -> None:
    """V-01, D2-15: the longest known id wins, and nothing in an id is a pattern."""
    found = parse(template, ["a", "a.output", "c++", "f(x", "[a-z]"])

    assert isinstance(found, Template)
    assert found.parts == (Reference(step, legacy=True, source=template),)


@pytest.mark.parametrize(
    "text",
    ["$scan", "$scan.outputs", "$scan.output-x", "$ scan.output", "scan.output", "$5.00", "a{b}c"],
)
def test_other_text_is_left_alone(text: str) -> None:
    """What has neither form is text, to the letter."""
    assert parsed(text) == (text,)


@pytest.mark.parametrize(
    ("template", "unknown"),
    [("$scna.output", "scna"), ("$find-bug.output.x", "find-bug"), ("$axb.output", "axb")],
)
def test_an_unknown_id_is_a_reference_too(template: str, unknown: str) -> None:
    """V-03, R2-56, D2-15: a misspelt `$id.output` is left for the graph check to refuse."""
    found = parse(template, KNOWN)

    assert isinstance(found, Template)
    assert found.references == (unknown,)
    assert parse(template, ()) == found


@pytest.mark.parametrize(
    "expression",
    [
        "",
        " ",
        "scan.output",
        "steps.scan",
        "steps.scan.output.x",
        "steps.scan.result",
        "steps.find-bugs.output",
        'steps["scan].output',
        "steps.scan.json[-1]",
        "steps.scan.json[x]",
        "steps.scan.output | default(x)",
        "steps.scan.output | upper",
        "steps.scan.output; 1",
    ],
)
def test_an_unreadable_reference_is_refused(expression: str) -> None:
    """V-01: braces hold a reference or are an error with line and hint, never text."""
    hint = 'write {{ steps["step-id"].output }} or {{ steps.step_id.json.field[0] }}'
    source = "{{" + expression + "}}"

    assert parse(f"one\ntwo {source}", KNOWN) == Problem(
        "bad-reference", f"cannot read the reference {source!r}", line=2, hint=hint
    )


def test_text_and_references_keep_their_order() -> None:
    """The parts are the template, cut at its references."""
    template = "A $scan.output B {{ steps.find.output }}$find.output.x C"

    assert [p if isinstance(p, str) else p.source for p in parsed(template)] == [
        "A ",
        "$scan.output",
        " B ",
        "{{ steps.find.output }}",
        "$find.output.x",
        " C",
    ]


PIECES = (
    *("{{", "}}", "{", "}", " ", "$", ".", "|", "\n", "x"),
    *("steps", ".scan", '["find-bugs"]', ".output", ".json", "[0]", ".x", '| default("-")'),
    *("$find", "-bugs", "-2", "$scan", "$a.b", "{{ steps.scan.output }}"),
)


@given(st.lists(st.sampled_from(PIECES), max_size=20).map("".join), st.sets(st.sampled_from(KNOWN)))
def test_nothing_of_a_template_is_lost(template: str, known: set[str]) -> None:
    """The sources of all parts, joined, are the template; or there is a problem."""
    found = parse(template, known)

    if isinstance(found, Template):
        sources = [part if isinstance(part, str) else part.source for part in found.parts]
        assert "".join(sources) == template
    else:
        assert found.code == "bad-reference"
