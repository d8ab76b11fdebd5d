"""Every agent of every shipped flow fails in turn, in every band and way: nothing stays clean.

Who is asked is read off a good run, children included, so that no step can be forgotten; the runs
are played by the engine's own core.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from flowrunner.core.graph import StepKind
from flowrunner.definitions.definition import Definition
from flowrunner.definitions.library import Library
from flowrunner.testing import Fails, Told, rehearse
from flows.rehearsal import FLOWS, step_of
from flows.scripted import CLEAN, FILES, answer_of
from unit.evidence.projects import a_project

BANDS = ("small", "medium", "large")
LIMIT = "API Error: 429 rate_limit_error: usage limit reached, resets at 3pm"
KINDS: dict[str, object] = {
    "error": Fails("the agent ended with exit code 1"),
    "timeout": Fails("the agent took longer than 1800 s", "timeout_total", "transient"),
    "stopped": Fails("the agent was ended from outside", "killed"),
    "empty": "",
    "blank": "{}",
    "prose": "I found no problems, great work!",
    "garbage": {"findings": "none", "statements": 3, "risks": {}, "rulings": "ok", "components": 1},
    "cut-off": '```json\n{"findings": [], "rulings": [',
    "limit-as-text": LIMIT,
    "limit-as-json": {"type": "error", "error": {"type": "rate_limit_error", "message": LIMIT}},
    "limit-before-json": f"{LIMIT}\n\n```json\n{{}}\n```",
    "nothing-said": {
        "findings": [],
        "statements": [],
        "risks": [],
        "rulings": [],
        "components": [],
    },
}
RUNS = [(name, band) for name in sorted(FLOWS) for band in BANDS]
DEEP = [
    (name, band, kind) for name, band in RUNS for kind in sorted(KINDS)
    if band == "large" or kind in {"error", "garbage", "limit-as-text", "nothing-said"}
]  # fmt: skip
"""Every kind where everybody is asked; below, one kind for each way that an answer can go wrong."""
FEW = {path: text for path, text in FILES.items() if path != "schema.sql"} | {
    "app/pay.py": FILES["app/pay.py"].replace("import asyncio\nimport sqlite3\n", "\n\n"),
    "app/sell.py": "def sell(amount):\n    return amount\n",
}
"""Without signs of stored data and of things at once: then other specialists have a seat."""
MANY = {f"src/a{n:03}/m{n:03}.py": f"import asyncio\nimport sqlite3\nx = {n}\n" for n in range(120)}

BATCHED = {
    "code-review": {"security", "behaviour", "tests", "edge-cases", "concurrency", "data"},
    "docs-audit": {"extract"},
}
PAGES = {f"docs/p{n:03}.md": "# Page\n" for n in range(150)}


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    root = tmp_path_factory.mktemp("projects")
    trees = {"signs": FILES, "few": FEW, "many": {**FILES, **MANY, **PAGES}}
    return {name: a_project(root / name, files) for name, files in trees.items()}


def play(name: str, band: str, root: Path, changed: Mapping[str, object] | None = None) -> Told:
    """Play a flow with good agents, but for those that are *changed*."""
    agents: dict[str, Any] = {step: _speaker(name, step) for step in agent_steps(name)}
    scripts = {**agents, **(changed or {})}
    return rehearse(definition(name), agents=scripts, band=band, project=root)


def _speaker(name: str, step: str) -> Any:
    def speak(prompt: str) -> object:
        return answer_of(name, step, prompt)

    return speak


@cache
def definition(name: str) -> Definition:
    return Library.shipped().get(name)


@cache
def agent_steps(name: str) -> tuple[str, ...]:
    steps = definition(name).graph.steps
    return tuple(step.key for step in steps if step.kind is StepKind.AGENT)


@cache
def asked(name: str, band: str, root: Path) -> tuple[str, ...]:
    """Return the keys of whoever is asked in a good run, which is clean."""
    told = play(name, band, root)
    assert (told.status, told.outcome, told.degraded) == ("completed", CLEAN[name], False), (
        told.error or told.markdown[:1500]
    )
    return tuple(key for key, step in told.steps.items() if step.prompts)


@pytest.mark.parametrize("name", sorted(FLOWS))
def test_every_agent_step_is_asked_somewhere(projects: Mapping[str, Path], name: str) -> None:
    """P9: a step that no run below asks would be forgotten by all of them."""
    keys = {
        step_of(key) for band in BANDS for tree in ("signs", "few")
        for key in asked(name, band, projects[tree])
    }  # fmt: skip

    assert keys == set(agent_steps(name))


@pytest.mark.parametrize(("name", "band", "kind"), DEEP)
def test_no_failure_is_a_clean_verdict(
    projects: Mapping[str, Path], name: str, band: str, kind: str
) -> None:
    """P9, D2-13, F-05: whoever fails, and however, the outcome is not clean and the report says
    who.
    """
    assert list(_hidden(name, band, projects, kind)) == []


def _hidden(name: str, band: str, projects: Mapping[str, Path], kind: str) -> Iterator[str]:
    """Yield who failed without the report's telling it."""
    usual = [(key, projects["signs"]) for key in asked(name, band, projects["signs"])]
    known = {step_of(key) for key, _ in usual}
    other = [(key, projects["few"]) for key in asked(name, band, projects["few"])]
    for key, root in (*usual, *(each for each in other if step_of(each[0]) not in known)):
        told = play(name, band, root, {key: KINDS[kind]})
        if told.status == "completed" and told.outcome == CLEAN[name]:
            yield f"{key}: {told.outcome}"
        elif step_of(key) not in " ".join(_reasons(told)):
            yield f"{key} is not named by {_reasons(told)}"


def _reasons(told: Told) -> list[str]:
    return [str(reason) for reason in json.loads(json.dumps(told.data))["reasons"]]


@pytest.mark.parametrize("kind", ["error", "nothing-said"])
@pytest.mark.parametrize("band", ["medium", "large"])
@pytest.mark.parametrize("name", sorted(BATCHED))
def test_no_failed_batch_is_a_clean_verdict(
    projects: Mapping[str, Path], name: str, band: str, kind: str
) -> None:
    """P9: one part of many that nobody looked at is a hole, however well the others went."""
    keys = [key for key in asked(name, band, projects["many"]) if "[" in key]
    counts = Counter(map(step_of, keys))
    parts = [key for key in keys if counts[step_of(key)] > 1]
    assert set(map(step_of, parts)) == BATCHED[name]

    for key in parts:
        told = play(name, band, projects["many"], {key: KINDS[kind]})
        member = key.partition("[")[2].removesuffix("]")
        assert told.outcome != CLEAN[name], key
        assert f"'{step_of(key)}' gave no usable answer" in " ".join(_reasons(told)), key
        assert member in " ".join(_reasons(told)), key


@pytest.mark.parametrize(("name", "band"), RUNS)
def test_a_second_try_that_succeeds_is_no_failure(
    projects: Mapping[str, Path], name: str, band: str
) -> None:
    """Else the tests above would hold for flows that distrust everybody."""
    for key in asked(name, band, projects["signs"]):
        good = _speaker(name, step_of(key))
        told = play(name, band, projects["signs"], {key: [KINDS["limit-as-text"], good]})
        assert (told.outcome, told.steps[key].attempts) == (CLEAN[name], 2), key
