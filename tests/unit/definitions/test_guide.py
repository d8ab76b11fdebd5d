"""The page for authors is true: its flows load, and its messages are the real ones."""

import re
from pathlib import Path
from typing import Any

import pytest

from flowrunner.definitions.library import Library
from flowrunner.testing import approve, rehearse
from unit.definitions.shelf import PERSONA, a_level

GUIDE = (Path(__file__).parents[3] / "docs" / "authoring.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"^```python\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
FLOWS = {block.partition("\n")[0].removeprefix("# flows/"): block for block in PYTHON}
SAID = re.findall(r"^```text\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


def listed(folder: Path, name: str) -> Library:
    """Load one example, alone on its level."""
    return Library.discover([a_level(folder, {name: FLOWS[name]}, {"newcomer": PERSONA})])


@pytest.mark.parametrize("name", [name for name in FLOWS if name != "wrong.py"])
def test_an_example_is_a_flow(tmp_path: Path, name: str) -> None:
    """D2-26: who copies an example has a flow without problems."""
    library = listed(tmp_path, name)

    assert library.problems == ()
    assert library.names() == (name.removesuffix(".py").replace("_", "-"),)


def test_the_wrong_example_is_told_so(tmp_path: Path) -> None:
    """D2-26: the messages of the page are those that a reader sees."""
    found = listed(tmp_path, "wrong.py").problems

    assert "".join(f"{problem}\n" for problem in found).replace(f"{tmp_path}/flows/", "") == SAID[0]


def test_every_example_says_which_file_it_is() -> None:
    """No example is left out of the tests above."""
    assert len(FLOWS) == len(PYTHON)
    assert all(block.startswith("# flows/") for block in PYTHON)


def test_every_link_of_the_contents_leads_somewhere() -> None:
    """A heading that was renamed does not leave a dead link."""
    headings = re.findall(r"^#+ (.*)$", GUIDE, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}

    assert set(re.findall(r"\]\(#([^)]*)\)", GUIDE)) <= anchors


FINDINGS = '[{"title": "t", "file": "a.py", "line": 1, "severity": "high"}]'
PLAYS: dict[str, tuple[dict[str, Any], object, str]] = {
    "summary.py": ({}, "a text", "# What it is\n\na text\n"),
    "review_change.py": (
        {"paths": ["a.py", "b.md"]},
        FINDINGS,
        "# Review (approved)\n\n- a.py:1 t",
    ),
    "cited.py": (
        {},
        '[{"title": "t", "file": "flows/cited.py", "line": 1, "quote": "# flows/cited.py"}]',
        "- flows/cited.py:1 t",
    ),
    "names.py": ({}, "why", "1: why"),
    "fan_out.py": ({}, "fine", "completed: fine\nfine\nfine"),
    "polish.py": ({}, '{"text": "done", "is_good": true}', "done"),
    "ask.py": ({}, "a draft", "Sent to the team:\n\na draft"),
    "later.py": ({}, "seen", "seen"),
    "verify.py": ({}, "yes", "the cache is never cleared\nthe lock is taken twice"),
    "plain.py": ({}, "judged", "judged\njudged"),
}


@pytest.mark.parametrize("name", PLAYS)
def test_an_example_does_what_the_page_says(tmp_path: Path, name: str) -> None:
    """F1: the examples run to their reports, on the core that runs them for real."""
    given, answer, markdown = PLAYS[name]
    (definition,) = listed(tmp_path, name).definitions.values()
    approvals = {"publish": approve(), "send": approve()}

    told = rehearse(definition, given, agents={"*": answer}, approvals=approvals, project=tmp_path)

    assert (told.status, told.markdown) == ("completed", markdown)


def test_every_sound_example_is_played() -> None:
    """An example that is added to the page is played as well."""
    assert set(PLAYS) == set(FLOWS) - {"wrong.py"}
