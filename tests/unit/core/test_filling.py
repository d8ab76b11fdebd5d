"""Filling a template: whole outputs, fields, defaults, and what has no value."""

import pytest

from flowrunner.core.substitution import Template, Unresolved, Value, parse

NONCE = "5f3a9c"
FINDINGS = Value('{"findings": [{"file": "a.py", "n": 7, "ok": true, "why": null}], "empty": ""}')
PROSE = Value("Severity: high\nseverity: low\naxb: wild\n  a.b :  dotted \nnote:\nnote: later")


def filled(template: str, **values: Value) -> str | Unresolved:
    """Fill *template*; a step's key may be written with underscores."""
    by_key = {key.replace("_", "-"): value for key, value in values.items()}
    found = parse(template, by_key)
    assert isinstance(found, Template)
    return found.fill(by_key, nonce=NONCE)


def quoted(label: str, text: str) -> str:
    return f"<<{label} {NONCE}>>\n{text}\n<<end {NONCE}>>"


@pytest.mark.parametrize("template", ["$find-bugs.output", '{{ steps["find-bugs"].output }}'])
@pytest.mark.parametrize("text", ["two\nlines", "", "  spaces  ", "äöü \N{SNOWMAN}", "{}", "7"])
def test_without_a_field_the_whole_output_is_meant(template: str, text: str) -> None:
    """R2-54, V-06: the output comes as it is, to the letter, also when it is empty."""
    assert filled(template, find_bugs=Value(text)) == quoted("find-bugs", text)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (".findings[0].file", "a.py"),
        ('["findings"][0]["n"]', "7"),
        (".findings[0].ok", "true"),
        (".findings[0].why", "null"),
        (".empty", ""),
        (".findings[0]", '{"file": "a.py", "n": 7, "ok": true, "why": null}'),
    ],
)
def test_a_field_is_looked_up_as_json(path: str, text: str) -> None:
    """V-05, V-06: the strict form walks the output's JSON; an empty text is a value."""
    assert filled(f"{{{{ steps.scan.json{path} }}}}", scan=FINDINGS) == quoted("scan", text)


def test_the_whole_json_is_the_output_read_once() -> None:
    """V-05: without a path the strict form shows the parsed output, umlauts as they are."""
    given = Value('{ "a":\n "ä" }')

    assert filled("{{ steps.scan.json }}", scan=given) == quoted("scan", '{"a": "ä"}')


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (".nope", "the output has no 'nope'"),
        (".findings[1]", "the output has no 1"),
        (".findings.file", "the output has no 'file'"),
        (".findings[0].file.deep", "the output has no 'deep'"),
        ("[0]", "the output has no 0"),
    ],
)
def test_a_field_that_is_not_there_is_no_value(path: str, reason: str) -> None:
    """V-03, R2-56: the step fails with the reference and the reason; nothing is made empty."""
    source = f"{{{{ steps.scan.json{path} }}}}"

    found = filled(f"x {source}", scan=FINDINGS)

    assert isinstance(found, Unresolved)
    assert (found.reference.source, found.reason) == (source, reason)


@pytest.mark.parametrize("text", ["", "not json", "{", "[" * 100_000, "9" * 10_000])
def test_an_output_that_is_no_json_is_no_value(text: str) -> None:
    """V-03: neither nonsense nor nesting nor size makes the lookup raise."""
    found = filled("{{ steps.scan.json.x }}", scan=Value(text))

    assert isinstance(found, Unresolved)
    assert found.reason == "the output is not JSON"


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ('{{ steps.scan.json.nope | default("none") }}', "none"),
        ('{{ steps.scan.json.nope | default("") }}', ""),
        ('{{ steps.scan.json.empty | default("none") }}', ""),
        ('{{ steps.gone.output | default("none") }}', "none"),
        ('{{ steps.gone.json.x | default("none") }}', "none"),
    ],
)
def test_a_default_stands_in_for_what_has_no_value(template: str, text: str) -> None:
    """V-03, V-04, V-06: a missing field or producer takes the default, an empty one does not."""
    label = "scan" if "scan" in template else "gone"

    assert filled(template, scan=FINDINGS, gone=Value(absent=True)) == quoted(label, text)


@pytest.mark.parametrize(
    "template", ["$gone.output", "$gone.output.x", "{{ steps.gone.output }}", "{{steps.gone.json}}"]
)
def test_a_skipped_producer_gives_nothing(template: str) -> None:
    """V-04: a step that did not run reads as an empty quote, never as its placeholder."""
    assert filled(template, gone=Value(absent=True)) == quoted("gone", "")


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("severity", "high"),
        ("SEVERITY", "high"),
        ("a.b", "dotted"),
        ("axb", "wild"),
        ("note", ""),
    ],
)
def test_a_field_of_prose_is_its_first_line(field: str, text: str) -> None:
    """R2-55, V-05, V-06, D2-15: any case, trimmed, the dot is a dot, an empty line counts."""
    assert filled(f"$scan.output.{field}", scan=PROSE) == quoted("scan", text)


@pytest.mark.parametrize(
    ("output", "text"),
    [
        ('{"a": {"b": [1]}, "a.b": 2}', "[1]"),
        ("a.b: said", "said"),
        ("7\na.b: seven", "seven"),
    ],
)
def test_the_dollar_form_prefers_json(output: str, text: str) -> None:
    """V-05: an object is walked; only what has no fields is read line by line."""
    assert filled("$scan.output.a.b", scan=Value(output)) == quoted("scan", text)


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("nothing here", "no line 'verdict: …'"),
        ("verdict clean", "no line 'verdict: …'"),
        ("my verdict: clean", "no line 'verdict: …'"),
        ("verdict-x: clean", "no line 'verdict: …'"),
        ("", "no line 'verdict: …'"),
        ("7", "no line 'verdict: …'"),
        ('{"x": "\\nverdict: clean\\n"}', "the output has no 'verdict'"),
    ],
)
def test_a_line_that_is_not_there_is_no_value(output: str, reason: str) -> None:
    """R2-56, V-03, D2-15: a missing field is neither left as it stands nor made empty."""
    found = filled("$scan.output.verdict", scan=Value(output))

    assert isinstance(found, Unresolved)
    assert found.reason == reason


@pytest.mark.parametrize("text", ["$scan.output", "{{ steps.scan.output }}", "$scan.output.x: $1"])
def test_inserted_text_is_never_expanded(text: str) -> None:
    """V-02, D2-15: what an agent or a user wrote is text, whatever it looks like."""
    assert filled("$find.output", find=Value(text), scan=Value("SECRET")) == quoted("find", text)


def test_a_default_is_not_expanded() -> None:
    """V-02: a default is text as well."""
    template = '{{ steps.gone.output | default("$scan.output") }}'

    found = filled(template, gone=Value(absent=True), scan=Value("SECRET"))

    assert found == quoted("gone", "$scan.output")


def test_the_first_reference_without_a_value_is_reported() -> None:
    """Nothing is filled halfway: one missing value is the answer for the whole template."""
    found = filled("$scan.output $scan.output.x $scan.output.y", scan=Value("prose"))

    assert isinstance(found, Unresolved)
    assert found.reference.source == "$scan.output.x"


def test_text_around_references_is_kept() -> None:
    """Only the references are replaced."""
    found = filled("a $scan.output, b $scan.output.x.", scan=Value("x: 1"))

    assert found == f"a {quoted('scan', 'x: 1')}, b {quoted('scan', '1')}."
