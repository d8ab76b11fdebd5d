"""Every agent of every shipped flow fails in turn, in every band and way: nothing stays clean."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from conformance.ids import ROOT
from flows import verdict_table
from flows.failing import (
    BANDS,
    FEW,
    FEW_KINDS,
    KINDS,
    agent_steps,
    asked,
    end_of,
    play,
    seats,
    speaker,
)
from flows.rehearsal import FLOWS, step_of
from flows.scripted import CLEAN, FILES
from unit.evidence.projects import a_project

RUNS = [(name, band) for name in sorted(FLOWS) for band in BANDS]
DEEP = [
    (name, band, kind) for name, band in RUNS for kind in KINDS
    if band == "large" or kind in FEW_KINDS
]  # fmt: skip
MANY = {f"src/a{n:03}/m{n:03}.py": f"import asyncio\nimport sqlite3\nx = {n}\n" for n in range(120)}
PAGES = {f"docs/p{n:03}.md": "# Page\n" for n in range(150)}
BATCHED = {
    "code-review": {"security", "behaviour", "tests", "edge-cases", "concurrency", "data"},
    "docs-audit": {"extract"},
}
PAGE = ROOT / "docs" / "proof" / "verdicts.md"


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    root = tmp_path_factory.mktemp("projects")
    trees = {"signs": FILES, "few": FEW, "many": {**FILES, **MANY, **PAGES}}
    return {name: a_project(root / name, files) for name, files in trees.items()}


@pytest.mark.parametrize("name", sorted(FLOWS))
def test_every_agent_step_is_asked_somewhere(projects: Mapping[str, Path], name: str) -> None:
    """P9: a step that no run below asks would be forgotten by all of them."""
    keys = {step_of(key) for band in BANDS for key, _ in seats(name, band, projects)}

    assert keys == set(agent_steps(name))


@pytest.mark.parametrize(("name", "band", "kind"), DEEP)
def test_no_failure_is_a_clean_verdict(
    projects: Mapping[str, Path], name: str, band: str, kind: str
) -> None:
    """P9, D2-13, F-05, F11: whoever fails, and however, the outcome is not clean and the report
    says who.
    """
    assert list(_hidden(name, band, projects, kind)) == []


def _hidden(name: str, band: str, projects: Mapping[str, Path], kind: str) -> Iterator[str]:
    """Yield who failed without the report's telling it."""
    for seat in seats(name, band, projects):
        ended = end_of(name, band, seat, kind)
        if ended.outcome == CLEAN[name]:
            yield f"{seat[0]}: {ended.outcome}"
        elif step_of(seat[0]) not in ended.reasons:
            yield f"{seat[0]} is not named by {ended.reasons}"


def test_the_table_is_what_was_played(projects: Mapping[str, Path]) -> None:
    """P9: docs/proof/verdicts.md says of each flow, step and kind of failure how the run ends."""
    assert PAGE.read_text(encoding="utf-8") == verdict_table.page(projects), (
        "write it anew: PYTHONPATH=src:tests:. python -m flows.verdict_table"
    )


@pytest.mark.parametrize(("name", "kind", "band"), [
    ("code-review", "exit-1", "large"), ("code-review", "nothing-said", "medium"),
    ("docs-audit", "exit-1", "medium"), ("docs-audit", "nothing-said", "large"),
])  # fmt: skip
def test_no_failed_batch_is_a_clean_verdict(
    projects: Mapping[str, Path], name: str, kind: str, band: str
) -> None:
    """P9: one part of many that nobody looked at is a hole, however well the others went."""
    keys = [key for key in asked(name, band, projects["many"]) if "[" in key]
    counts = Counter(map(step_of, keys))
    parts = [key for key in keys if counts[step_of(key)] > 1]
    assert set(map(step_of, parts)) == BATCHED[name]

    # Which of several parts it is makes no difference that the way of failing could show.
    last = {step_of(key): key for key in parts}
    for key in parts if kind == "exit-1" else last.values():
        ended = end_of(name, band, (key, projects["many"]), kind)
        member = key.partition("[")[2].removesuffix("]")
        assert ended.outcome != CLEAN[name], key
        assert f"'{step_of(key)}' gave no usable answer" in ended.reasons, key
        assert member in ended.reasons, key


@pytest.mark.parametrize(("name", "band"), RUNS)
def test_a_second_try_that_succeeds_is_no_failure(
    projects: Mapping[str, Path], name: str, band: str
) -> None:
    """Else the tests above would hold for flows that distrust everybody."""
    for key in asked(name, band, projects["signs"]):
        good = speaker(name, step_of(key))
        told = play(name, band, projects["signs"], {key: [KINDS["error-as-text"].answer, good]})
        assert (told.outcome, told.steps[key].attempts) == (CLEAN[name], 2), key
