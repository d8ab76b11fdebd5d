"""Real agents that fail in every way a process can, on a real installation: no review is clean (P9)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from flowrunner.client import Client
from flowrunner.wire.runs import LaunchBody
from proof3.sick import KINDS
from proof3.staging import Stage
from unit.evidence.projects import a_repository

FILES = {"app/pay.py": "def pay(amount):\n    return amount * 2\n", "README.md": "# Pay\n"}
CODES = {
    "exit-1": "exit code 1",
    "exit-77": "exit code 77",
    "sigkill": "SIGKILL",
    "sigsegv": "SIGSEGV",
    "nothing": "gave no answer",
    "blanks": "gave no answer",
    "refusal": "the agent refused",
    "limit": "a provider's error: API Error: 529",
    "limit-object": "a provider's error: ",
    "prose": "no JSON object",
    "out-of-schema": "findings: ",
    "cut": "no JSON object",
    "empty-lists": "without findings, files or a summary",
    "second-block": "without findings, files or a summary",
    "refusal-in-form": "it only said: I cannot help with that.",
    "stderr-only": "gave no answer",
    "binary": "no JSON object",
}
"""What the report says of each kind; two of them are judged as the dispatcher does by itself."""
Reports = Mapping[str, Mapping[str, Any]]


@pytest.fixture(scope="module")
def reports(stage: Stage) -> Reports:
    """All reviews at once, one per kind; their reports, as data."""
    root = a_repository(stage.folder / "sick", FILES)
    with stage.server.client(patience=120.0) as client:
        kinds = ("well", "missing", *KINDS)
        runs = {kind: _launched(client, root, kind) for kind in kinds}
        return {kind: _report(client, run) for kind, run in runs.items()}


def _launched(client: Client, root: Path, kind: str) -> str:
    body = LaunchBody(project=str(root), agent=f"sick-{kind}", band="small")
    return str(client.launch("code-review", body).id)


def _report(client: Client, run: str) -> Mapping[str, Any]:
    assert list(client.events(run))[-1].type == "run.completed"
    return json.loads(client.report(run, "json"))["data"]


def test_agents_that_are_well_approve(reports: Reports) -> None:
    """Else all that follows would hold for a program that distrusts everybody."""
    assert (reports["well"]["verdict"], reports["well"]["reasons"]) == ("approve", [])


@pytest.mark.parametrize("kind", KINDS)
def test_one_that_fails_is_never_a_clean_verdict(reports: Reports, kind: str) -> None:
    """P9, D2-13, F-05, F11: from the end of a process to the verdict, with who failed and how."""
    report = reports[kind]

    (reason,) = [each for each in report["reasons"] if each.startswith("reviewer 'security'")]
    assert report["verdict"] == "comment"
    assert CODES[kind] in reason
    assert report["header"]["degraded"] is True


def test_nobody_there_is_inconclusive(reports: Reports) -> None:
    """P9: a program that does not exist has reviewed nothing."""
    assert reports["missing"]["verdict"] == "inconclusive"
    assert "agent_not_found" in str(reports["missing"]) or "/no/such/program" in str(
        reports["missing"]
    )
