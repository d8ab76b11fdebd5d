"""The page for authors is true: its flows load, and its messages are the real ones."""

import re
from pathlib import Path

import pytest

from flowrunner.definitions.library import Library
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
