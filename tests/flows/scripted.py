"""Agents that do their work well, in every flow: the clean runs from which failures are told."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from flowrunner.core.model import Failure
from flowrunner.dispatch.static.prompt import read_wish
from flows.rehearsal import FLOWS, Rehearsal, rehearse, step_of
from unit.evidence.projects import a_project

CLEAN = {"code-review": "approve", "docs-audit": "accurate", "architecture-analysis": "sound"}
"""The outcome of each shipped flow that says: everything was looked at, and it is well."""

GUARD = "    assert amount > 0"
FILES = {
    "app/__init__.py": "",
    "app/pay.py": f"import asyncio\nimport sqlite3\n\n\nasync def pay(amount):\n{GUARD}\n    return 1 / amount\n",
    "tests/test_pay.py": "def test_pay():\n    assert True\n",
    "README.md": "# Pay\n\nAn amount may be nothing.\n",
    "Dockerfile": "FROM scratch\n",
    "schema.sql": "CREATE TABLE t (id int);\n",
}
"""Small, with a sign for each specialist, and nothing that code would find."""

CLAIMED = {"file": "app/pay.py", "line_start": 7, "quote": "    return 1 / amount"}
Said = Mapping[str, object]


def a_clean_project(root: Path) -> Path:
    return a_project(root, FILES)


def rehearse_well(
    name: str, root: Path, band: str = "large", said: Mapping[str, str | Failure] | None = None
) -> Rehearsal:
    """Run a flow with good agents, of which each has something to say that another refutes.

    What verifiers are asked about is only known once the run is under way: they read their prompt,
    as agents do.
    """
    replaced: dict[str, str | Failure] = dict(said or {})
    run: list[Rehearsal] = []

    def answers(key: str) -> str | Failure:
        for known in (key, step_of(key)):
            if known in replaced:
                return replaced[known]
        return json.dumps(answer_of(name, step_of(key), run[0].prompts[key]))

    return rehearse(root, answers, band=band, name=name, started=run.append)


def answer_of(name: str, step: str, prompt: str) -> Said:
    """Return what a good agent answers to *prompt*."""
    if step in {"verify", "examine"}:
        return _rulings(prompt, step)
    said = _answer(name, step)
    files = read_wish(prompt).files or ()
    if "statements" in said:
        return {
            **said,
            "statements": said["statements"] if "README.md" in files else [],
            "pages_read": files,
        }
    return {**said, "reviewed_files": files} if "findings" in said else said


def agent_steps(name: str) -> list[str]:
    """Return the keys of a flow's agent steps, from its graph."""
    return [step.id for step in FLOWS[name].steps if step.kind == "agent"]


def _answer(name: str, step: str) -> Said:
    match name, step:
        case "docs-audit", "extract":
            said = {"file": "README.md", "line_start": 3, "quote": "An amount may be nothing."}
            stated = [{**said, "says": "an amount may be nothing", "about": "behaviour"}]
            return {"statements": stated, "summary": "Read."}
        case "architecture-analysis", "risk":
            scales = {"likelihood": "high", "impact": "high"}
            risk = {**CLAIMED, **scales, "title": "It divides by nothing"}
            return {"risks": [risk], "summary": "One."}
        case "architecture-analysis", ("architect" | "system"):
            return {"components": [{"name": "app", "role": "pays"}], "summary": "It pays."}
        case "code-review", "security":
            claim = {
                "category": "correctness",
                "severity": "major",
                "title": "It divides by nothing",
            }
            return _looked([{**CLAIMED, **claim, "rule": "division"}])
        case _:
            return _looked([])


def _looked(findings: list[Said]) -> Said:
    return {"findings": findings, "summary": "Looked."}


def _rulings(prompt: str, step: str) -> Said:
    """Refute what reviewers said, and bear out what documents say."""
    asked = re.findall(r'^  "finding": "(\w+)"', prompt, re.MULTILINE)
    counter = {"file": "app/pay.py", "line_start": 6, "quote": GUARD}
    verdict = "refuted" if step == "verify" else "confirmed"
    rulings = [
        {"finding": name, "verdict": verdict, "reason": "The guard.", "counter": counter}
        for name in asked
    ]
    return {"rulings": rulings, "summary": "Looked."}
