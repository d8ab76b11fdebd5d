"""`diff RUN RUN`: what changed from one run to another."""

from __future__ import annotations

import json
from collections.abc import Iterator

import click

from flowrunner.cli.connect import Own, connected
from flowrunner.cli.exits import CommandError, Exit
from flowrunner.cli.paint import Canvas
from flowrunner.cli.shell import Shell, paper, takes_shell
from flowrunner.cli.tables import Columns
from flowrunner.cli.text import clean, fit, money, span
from flowrunner.wire.comparing import Diff, DiffSide, FindingBrief, StepDiff, StepSide

_SIDES = Columns(
    {
        "side": "",
        "run": "RUN",
        "flow": "FLOW",
        "status": "STATUS",
        "time": "TIME",
        "cost": "COST",
    },
    optional=frozenset({"cost"}),
)
_STEPS = Columns({"step": "STEP", "a": "A", "b": "B", "output": "OUTPUT"})
_INPUT_CELLS = 200


@click.command("diff")
@click.argument("a", metavar="RUN")
@click.argument("b", metavar="RUN")
@click.option("--findings", is_flag=True, help="Only the findings: new, fixed, and the same.")
@click.option("--step", metavar="KEY", help="Only this step.")
@click.option("--all", "whole", is_flag=True, help="Steps that are alike too.")
@takes_shell
def command(shell: Shell, *, a: str, b: str, findings: bool, step: str | None, whole: bool) -> None:
    """Compare two runs: inputs, flow, steps and findings, from the first to the second."""
    with connected(shell, Own.READING) as connection:
        found = connection.client.diff(a, b)
    if findings and found.findings is None:
        told = "these runs cannot be compared by findings: not both reports have SARIF"
        raise CommandError(told, Exit.NOT_FOUND, code="no-report")
    if step is not None:
        steps = tuple(each for each in found.steps if each.key == step)
        if not steps:
            raise CommandError(f"neither run has a step '{step}'", Exit.NOT_FOUND, code="not-found")
        found, whole = found.model_copy(update={"steps": steps}), True
    if shell.as_json:
        shell.answer(found.model_dump(mode="json"))
        return
    canvas = paper(shell)
    shown = _findings(found, canvas) if findings else lines(found, canvas, whole=whole)
    for line in shown:
        shell.say(line)


def lines(diff: Diff, canvas: Canvas, *, whole: bool) -> Iterator[str]:
    """Both runs, what they were given, and which steps did not end alike."""
    sides = (_side("a", diff.a), _side("b", diff.b))
    yield from _SIDES.lines(sides, canvas.width)
    yield ""
    same = "the same" if diff.same_definition else "another version"
    yield f"flow     {same} ({diff.a.definition[:8]}, {diff.b.definition[:8]})"
    if not diff.inputs:
        yield "input    the same"
    for change in diff.inputs:
        before, after = (_json(value) for value in (change.a, change.b))
        what = {"added": after, "removed": before}.get(change.kind, f"{before} -> {after}")
        yield fit(clean(f"input    {change.pointer} {change.kind}: {what}"), canvas.width)
    shown = [step for step in diff.steps if whole or not _is_alike(step)]
    yield ""
    if shown:
        yield from _STEPS.lines(map(_step, shown), canvas.width)
    alike = len(diff.steps) - len(shown)
    if alike:
        yield f"{alike} {'step' if alike == 1 else 'steps'} ended alike"
    if diff.findings is not None:
        yield ""
        yield from _findings(diff, canvas)


def _is_alike(step: StepDiff) -> bool:
    return step.same_status and step.same_output is not False


def _side(name: str, side: DiffSide) -> dict[str, str]:
    outcome = f", outcome {side.outcome}" if side.outcome else ""
    return {
        "side": name,
        "run": str(side.id)[-8:],
        "flow": f"{side.flow}, {side.band}",
        "status": side.status + outcome,
        "time": span(side.seconds) if side.seconds is not None else "",
        "cost": money(side.usage.cost_microusd) if side.usage.cost_microusd else "",
    }


def _step(step: StepDiff) -> dict[str, str]:
    output = {True: "the same", False: "another", None: ""}[step.same_output]
    return {"step": step.key, "a": _brief(step.a), "b": _brief(step.b), "output": output}


def _brief(side: StepSide | None) -> str:
    if side is None:
        return "(no such step)"
    took = f" {span(side.seconds)}" if side.seconds is not None else ""
    tried = f", try {side.attempt}" if side.attempt > 1 else ""
    return f"{side.status}{took}{tried}"


def _findings(diff: Diff, canvas: Canvas) -> Iterator[str]:
    found = diff.findings
    if found is None:
        return
    new, fixed, same = len(found.new), len(found.fixed), len(found.same)
    yield canvas.bold(f"findings: {new} new, {fixed} fixed, {same} the same")
    for sign, status, group in (("+", "failed", found.new), ("-", "completed", found.fixed)):
        for each in group:
            line = fit(clean(f"  {sign} {_finding(each)}"), canvas.width)
            yield canvas.tint(line, status)


def _finding(found: FindingBrief) -> str:
    place = f"{found.file}:{found.line}" if found.line else found.file or ""
    told = f"{found.level}  {found.rule}: {found.message}"
    return f"{place}  {told}" if place else told


def _json(value: object) -> str:
    return fit(json.dumps(value, ensure_ascii=False), _INPUT_CELLS)
