"""What a YAML flow asks of an answer beyond its type is what a Python flow asks (none-has 22)."""

from typing import Any

import pytest

from flowrunner.definitions.flow import Step, repairs_of
from flowrunner.definitions.produces import Citations, Produces
from unit.definitions.yaml.shop import a_context, a_flow

STEP = """\
flow: x
inputs: {{folder: {{type: string, default: docs}}}}
steps:
  - id: look
    agent: Look.
    output:
      type: object
      properties: {{pages: {{type: array, items: {{type: string}}}}, count: {{type: integer}}}}
      required: [pages, count]
    {}
"""


def looking(*options: str) -> Step:
    return a_flow(STEP.format("\n    ".join(options))).steps[0]


def produced(*lines: str) -> Produces:
    made = looking("produces: {" + ", ".join(lines) + "}").produces
    assert made is not None
    return made


@pytest.mark.parametrize(
    ("options", "repairs", "is_told"),
    [((), 2, True), (("repairs: 0",), 0, True), (("schema_in_prompt: false",), 2, False)],
)
def test_rounds_and_the_schema_are_options(
    options: tuple[str, ...], repairs: int, *, is_told: bool
) -> None:
    """F7: as in Python, with the same defaults."""
    step = looking(*options)

    assert (repairs_of(step), step.schema_in_prompt) == (repairs, is_told)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("citations: true", Citations()),
        ("citations: false", None),
        ("citations: {file: path, line: at, exact: false}", Citations(file="path", line="at", exact=False)),
    ],
)  # fmt: skip
def test_citations_are_looked_for_under_the_keys_that_are_said(
    given: str, expected: Citations | None
) -> None:
    """None-has 22, F59: a flag, or the names of the keys."""
    assert produced(given).citing == expected


def files_of(made: Produces, answer: dict[str, Any]) -> list[str]:
    assert callable(made.files)
    given = a_flow(STEP.format("label: x")).input()
    return list(made.files(a_context(given=given), answer))


def test_files_are_named_by_the_answer() -> None:
    """None-has 22: texts with values, and lists for their members; nothing in them is read again."""
    made = produced('files: [README.md, "${input.folder}/x.md", "${previous.pages}"]')

    found = files_of(made, {"pages": ["a.md", "${previous.count}"], "count": 1})

    assert found == ["README.md", "docs/x.md", "a.md", "${previous.count}"]


def test_checks_say_what_is_wrong() -> None:
    """None-has 22: a condition that does not hold gives its sentence."""
    made = produced(
        "check: [{that: '${previous.count == previous.pages.count}', else: count them},"
        " {that: '${previous.count > 0}', else: at least one}]"
    )

    assert made.check is not None
    assert list(made.check(a_context(), {"pages": [], "count": 0})) == ["at least one"]
    assert list(made.check(a_context(), {"pages": [], "count": 3})) == ["count them"]
    assert list(made.check(a_context(), {"pages": ["a"], "count": 1})) == []
