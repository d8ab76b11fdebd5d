"""`flowrunner test`: every agent fails in turn, and a report that hides it is found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, Field

from flowrunner import Census, Flow, Report, ReportContext, Step
from flowrunner.cli.main import main
from flowrunner.testing.defining import definition_of
from flowrunner.testing.trial import Plan, try_out

FLOW = """
from pydantic import BaseModel
from flowrunner import Approval, Flow, Report, Step

class Input(BaseModel):
    depth: int

class Note(BaseModel):
    text: str

flow = Flow("small", input=Input, steps=[
    Step("look", run="?", output=Note, on_fail="tolerate"),
    Step("ok", kind="approval", run="Good?", needs=["look"]),
], render=lambda c: Report(REPORT))
"""


class Place(BaseModel):
    file: str = Field(min_length=3)
    line: int = Field(ge=1)


class Found(BaseModel):
    places: list[Place] = Field(min_length=1)
    level: str = Field(json_schema_extra={"enum": ["low", "high"]})


def _cases(report: Any) -> dict[tuple[str, str | None], bool]:
    steps = [Step("look", run="?", output=Found, on_fail="tolerate"), Step("sum", run="?")]
    definition = definition_of(Flow("demo", steps=steps, render=report))
    return {(c.name, c.step): c.hides for c in try_out(Plan(definition, {}, {}, {}))}


def _blind(_context: ReportContext) -> Report:
    return Report("all fine")


def _honest(context: ReportContext) -> Report:
    census: Census = context.census
    return Report(", ".join(key for key, _why in census.failed))


def test_a_hidden_failure_is_found() -> None:
    """P9: a report that says the same whether an agent worked or not is told from one that does."""
    hidden = _cases(_blind)
    told = _cases(_honest)

    assert [key for key, hides in hidden.items() if hides] == [
        ("fails", "look"), ("says nothing", "look"),
    ]  # fmt: skip
    assert not any(told.values())
    assert list(told) == [
        ("as scripted", None), ("fails", "look"), ("says nothing", "look"),
        ("fails", "sum"), ("says nothing", "sum"),
    ]  # fmt: skip


@pytest.fixture
def flows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "flows").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLOWRUNNER_DATA", str(tmp_path / "data"))
    return tmp_path / "flows"


def _write(flows: Path, report: str) -> None:
    (flows / "small.py").write_text(FLOW.replace("REPORT", report), encoding="utf-8")


def test_the_command_tells_each_case(flows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """F67: no server, no database; 0 when every failure is told, 11 when one is hidden."""
    _write(flows, "str(c.census.failed)")
    honest = main(["test", "small", "depth:=1", "--json"])
    cases = json.loads(capsys.readouterr().out)["cases"]
    _write(flows, "'fine'")
    hidden = main(["test", "small", "depth:=1"])
    shown = capsys.readouterr().out

    assert (honest, hidden) == (0, 11)
    assert [case["status"] for case in cases] == ["completed"] * 3
    assert [case["degraded"] for case in cases] == [False, True, True]
    assert shown.count("HIDDEN") == 2


def test_stubs_say_what_agents_and_people_do(
    flows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """F67: a stub file's answers are used; a rejected run ends as it would."""
    _write(flows, "str(c.results['look'].text)")
    stubs = tmp_path / "stubs.json"
    stubs.write_text('{"agents": {"look": {"text": "hello"}}}', encoding="utf-8")
    told = main(["test", "small", "depth:=1", "--once", "--stubs", str(stubs), "--json"])
    report = json.loads(capsys.readouterr().out)["cases"][0]["report"]
    stubs.write_text('{"approvals": {"ok": {"decision": "reject"}}}', encoding="utf-8")
    rejected = main(["test", "small", "depth:=1", "--once", "--stubs", str(stubs)])
    stubs.write_text('{"approvals": {"ok": {"decision": "maybe"}}, "agnts": {}}', encoding="utf-8")
    wrong = main(["test", "small", "depth:=1", "--stubs", str(stubs)])
    problems = capsys.readouterr().err

    assert (told, report, rejected, wrong) == (0, "hello", 3, 2)
    assert "/approvals/ok/decision" in problems
    assert "/agnts" in problems


def test_wrong_words_are_refused(flows: Path) -> None:
    """The same refusals as at a launch: an unknown flow, an input that does not fit."""
    _write(flows, "''")

    assert main(["test", "smal"]) == 6
    assert main(["test", "small", "depth=much"]) == 10
