"""Who is called for which change and band; deeper bands only ever add."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from flows.code_review.roster import KEYS, REVIEWERS

from flowrunner.core.model import Failure
from flowrunner.evidence.scope import MEDIUM_FILES, SMALL_FILES
from flows.rehearsal import Rehearsal, rehearse
from unit.evidence.projects import a_project

ALWAYS = {"newcomer", "security"}
CHANGES = {
    "prose": {"README.md": "# Hi\n"},
    "tests": {"tests/test_a.py": "x = 1\n"},
    "source": {"a.py": "x = 1\n"},
    "broad": {f"docs/{n}.md": "x\n" for n in range(SMALL_FILES + 1)},
    "async": {"a.py": "import asyncio\n"},
    "storage": {"migrations/0001.sql": "CREATE TABLE t ();\n"},
    "deployed": {"Dockerfile": "FROM scratch\n"},
    "nothing": {},
}


def cast(folder: Path, change: str, band: str) -> set[str]:
    """Return who was asked in that band about that change."""
    root = a_project(folder / f"{change}-{band}", CHANGES[change])
    root.mkdir(exist_ok=True)
    return run(root, band).asked


def run(root: Path, band: str | None, paths: Sequence[str] = ()) -> Rehearsal:
    return rehearse(root, lambda _key: Failure("x", "x"), {"paths": list(paths)}, band=band)


@pytest.mark.parametrize("change", CHANGES)
def test_every_band_asks_whom_the_smaller_one_asks(tmp_path: Path, change: str) -> None:
    """F8: a deeper band is a superset of the shallower one, whatever is reviewed."""
    small, medium, large = (cast(tmp_path, change, band) for band in ("small", "medium", "large"))

    assert small <= medium <= large


@pytest.mark.parametrize(
    ("change", "band", "called"),
    [
        ("prose", "small", ALWAYS),
        ("prose", "medium", ALWAYS),
        ("prose", "large", ALWAYS | {"on-call", "docs-impact"}),
        ("tests", "medium", ALWAYS | {"behaviour"}),
        ("source", "small", ALWAYS | {"behaviour"}),
        ("source", "medium", ALWAYS | {"behaviour", "tests", "edge-cases"}),
        ("broad", "small", ALWAYS),
        ("broad", "medium", ALWAYS | {"structure"}),
        ("async", "small", ALWAYS | {"behaviour", "concurrency"}),
        ("storage", "small", ALWAYS | {"behaviour", "data"}),
        ("deployed", "small", ALWAYS | {"operations"}),
        ("nothing", "large", set[str]()),
    ],
)
def test_signs_call_the_specialists(
    tmp_path: Path, change: str, band: str, called: set[str]
) -> None:
    """The table of the roster, line by line; nobody is asked about nothing."""
    assert cast(tmp_path, change, band) == called


def test_the_table_of_the_docstring_is_the_roster() -> None:
    """Every reviewer stands in the table that people read."""
    import flows.code_review.roster as module  # noqa: PLC0415  # the module itself is the subject

    table = (
        (module.__doc__ or "")
        .lower()
        .replace("edge cases", "edge-cases")
        .replace("docs ", "docs-impact ")
    )
    assert [key for key in KEYS if key not in table] == []
    assert len({reviewer.key for reviewer in REVIEWERS}) == len(REVIEWERS) == 11


@pytest.mark.parametrize(
    ("count", "band"),
    [
        (1, "small"), (SMALL_FILES, "small"), (SMALL_FILES + 1, "medium"),
        (MEDIUM_FILES, "medium"), (MEDIUM_FILES + 1, "large"),
    ],
)  # fmt: skip
def test_the_band_follows_the_number_of_files(tmp_path: Path, count: int, band: str) -> None:
    """`auto` counts what the paths name, and only that."""
    a_project(tmp_path, {f"in/{n}.md": "x\n" for n in range(count)})
    a_project(tmp_path, {f"inner/{n}.md": "x\n" for n in range(20)})

    assert run(tmp_path, None, ["in"]).band == run(tmp_path, "auto", ["in/"]).band == band


def test_a_whole_tree_is_small_unless_asked(tmp_path: Path) -> None:
    """The size of a tree is not the risk of a change; who wants the dear run says so."""
    a_project(tmp_path, {f"{n}.md": "x\n" for n in range(MEDIUM_FILES + 1)})

    assert run(tmp_path, None).band == "small"
    assert run(tmp_path, "large").band == "large"
    assert run(tmp_path, None, ["."]).band == "large"
