"""docs/conformance.md says what the tests say, and tests name only what exists."""

import pytest

from conformance import ids

PAGES = ids.load_pages()
RULES = [rule for page in PAGES for rule in page.rules]
SOURCE = """
def test_one(): "Proves R2-01."
def helper(): "Mentions R2-02, proves nothing."
class Machine:
    @invariant()
    def holds(self): "I1 holds."
    def other(self): "I2 is not claimed here."
class TestGroup:
    "All about V-01."
    async def test_two(self): "D2-13"
"""


def test_the_page_is_what_the_tests_say() -> None:
    """The committed page equals the rendered one; `make conformance` rewrites it."""
    expected = ids.render(PAGES, ids.collect())

    assert expected == ids.PAGE.read_text(encoding="utf-8"), "run: make conformance"


def test_tests_name_only_listed_ids() -> None:
    """A docstring that names an id which no page lists is a mistake."""
    assert ids.unknown(ids.collect(), PAGES) == []


def test_the_lists_are_well_formed() -> None:
    """Ids are unique and readable as ids, titles short, stages known."""
    keys = [rule.id for rule in RULES]

    assert len(keys) == len(set(keys))
    assert keys == [mentioned for key in keys for mentioned in ids.mentions(key)]
    assert [rule.id for rule in RULES if not 0 < len(rule.title) <= 90 or "|" in rule.title] == []
    assert {rule.due for rule in RULES} == set(ids.STAGES)
    assert {f.stem for f in ids.IDS.iterdir()} == set(ids.PAGES)


def test_numbering_has_no_holes() -> None:
    """Each family counts from one without a gap, so that none was forgotten."""
    families: dict[str, list[int]] = {}
    for rule in RULES:
        prefix = rule.id.rstrip("0123456789")
        families.setdefault(prefix, []).append(int(rule.id.removeprefix(prefix)))

    for prefix, numbers in families.items():
        assert numbers == list(range(1, len(numbers) + 1)), prefix


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("R2-01, R2-03 and `D2-13`", ["R2-01", "R2-03", "D2-13"]),
        ("R2-01..R2-03", ["R2-01", "R2-02", "R2-03"]),
        ("`R2-34`..`R2-36`", ["R2-34", "R2-35", "R2-36"]),
        ("(R2-34..36)", ["R2-34", "R2-35", "R2-36"]),
        ("I1-I3, P9\N{EN DASH}P11.", ["I1", "I2", "I3", "P9", "P10", "P11"]),
        ("D2-10(a) and the D2-15-like", ["D2-10", "D2-15"]),
        ("F7, F38-F41 and F-01", ["F7", "F38", "F39", "F40", "F41", "F-01"]),
        ("UTF-8, SHA-256, F401, I001, p99, XR2-01", []),
        ("R2-03..D2-04", ["R2-03..D2-04"]),
        ("R2-3", ["R2-3"]),
    ],
)
def test_ids_are_read_from_prose(text: str, expected: list[str]) -> None:
    """Lists and ranges are understood; a crooked range or number stays to be refused."""
    assert expected == list(ids.mentions(text))


def test_only_tests_and_machine_steps_claim() -> None:
    """A helper's docstring proves nothing."""
    claims = {name: list(ids.mentions(text)) for name, text in ids.docstrings(SOURCE)}

    assert claims == {
        "test_one": ["R2-01"],
        "Machine::holds": ["I1"],
        "TestGroup": ["V-01"],
        "TestGroup::test_two": ["D2-13"],
    }


def test_an_unlisted_id_is_reported_with_its_test() -> None:
    """The complaint names the test, so that the reader knows where to look."""
    proofs = {"R9-99": (ids.Proof("tests/test_x.py", "test_y"),)}

    assert ids.unknown(proofs, PAGES) == [
        "tests/test_x.py::test_y names R9-99, which no page lists"
    ]


def test_the_page_tells_tested_untested_and_waiting_apart() -> None:
    """A rule without a test is shown, as owed now or as due later."""
    rules = (
        ids.Rule("R2-01", "one", "spine"),
        ids.Rule("R2-02", "two", "steps"),
        ids.Rule("R1-01", "three", "later"),
    )
    page = ids.render([ids.Page("T", rules)], {"R2-01": (ids.Proof("tests/a.py", "test_b"),)})

    assert "3 rules: 1 tested, 1 untested, 1 waiting." in page
    assert "| R2-01 | one | [tests/a.py::test_b](../tests/a.py) |" in page
    assert "| R2-02 | two | **untested** |" in page
    assert "| R1-01 | three | **waiting (later)** |" in page
