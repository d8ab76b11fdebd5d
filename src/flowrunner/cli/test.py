"""`test`: play a flow with scripted agents, without a server, a database or any waiting."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from flowrunner.bootstrap.service import find_flows
from flowrunner.cli.arguments import read_arguments
from flowrunner.cli.configure import configure
from flowrunner.cli.exits import CommandError, Exit
from flowrunner.cli.shell import Shell, table, takes_shell
from flowrunner.cli.text import clean
from flowrunner.testing.scripts import Approve, Reject
from flowrunner.testing.trial import Case, Plan, try_out

_COLUMNS = {"case": "CASE", "step": "STEP", "status": "STATUS", "outcome": "OUTCOME", "told": ""}


class _Decision(BaseModel):
    """What a person decides, as a stub file writes it."""

    model_config = ConfigDict(extra="forbid")

    decision: str = Field(default="approve", pattern="^(approve|reject)$")
    values: dict[str, Any] = Field(default_factory=dict[str, Any])
    comment: str = ""
    then: str = Field(default="", pattern="^(|stop|continue|redo)$")


class _Stubs(BaseModel):
    """A stub file: what agents answer and people decide, by step."""

    model_config = ConfigDict(extra="forbid")

    agents: dict[str, Any] = Field(default_factory=dict[str, Any])
    approvals: dict[str, _Decision] = Field(default_factory=dict[str, _Decision])


@click.command("test")
@click.argument("flow")
@click.argument("words", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--stubs", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="JSON: "
              "what agents answer and people decide, by step.")  # fmt: skip
@click.option("--repo", type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="The tree that the flow's own code sees; default: here.")  # fmt: skip
@click.option("-i", "--input", "input_file", metavar="FILE", help="The input, as JSON.")
@click.option("--once", is_flag=True, help="Only as scripted: let no agent fail in turn.")
@takes_shell
def command(
    shell: Shell,
    *,
    flow: str,
    words: tuple[str, ...],
    stubs: Path | None,
    repo: Path | None,
    input_file: str | None,
    once: bool,
) -> None:
    """Play FLOW with scripted agents, then once more with each agent failing in turn.

    Agents that no stub names give a smallest answer that fits. A failure that changes neither the
    outcome nor the report is hidden from its reader: then the command ends with 11.
    """
    given = read_arguments(words, input_file)
    script = _Stubs() if stubs is None else _read(stubs)
    plan = Plan(
        find_flows(configure(shell)).get(flow),
        given.input,
        script.agents,
        {key: _decided(said) for key, said in script.approvals.items()},
        given.band,
        repo,
    )
    cases: list[Case] = []
    for case in try_out(plan):
        cases.append(case)
        if once:
            break
    code = _code(cases)
    _show(shell, cases, code)
    raise click.exceptions.Exit(int(code))


def _read(file: Path) -> _Stubs:
    try:
        return _Stubs.model_validate_json(file.read_bytes())
    except ValidationError as error:
        problems = [
            f"/{'/'.join(map(str, each['loc']))}: {each['msg']}"
            for each in error.errors(include_url=False)
        ]
        raise CommandError(
            f"{file} cannot be read", Exit.USAGE, code="bad-stubs", problems=problems
        ) from None


def _decided(said: _Decision) -> Approve | Reject:
    if said.decision == "approve":
        return Approve(said.values, said.comment)
    return Reject(said.comment, said.then)  # pyright: ignore[reportArgumentType]  # the pattern above


def _code(cases: list[Case]) -> Exit:
    if cases[0].told.status != "completed":
        return Exit.AT_APPROVAL if cases[0].told.waiting else Exit.RUN_FAILED
    return Exit.OUTCOME if any(case.hides for case in cases) else Exit.OK


def _show(shell: Shell, cases: list[Case], code: Exit) -> None:
    if shell.as_json:
        shell.answer({"cases": [_entry(case) for case in cases], "exit_code": int(code)})
        return
    for line in table((_row(case) for case in cases), _COLUMNS):
        shell.say(line)
    first = cases[0].told
    for step in first.steps.values():
        if step.error:
            shell.say(clean(f"  {step.key}: {step.error}"))
    hidden = sum(case.hides for case in cases)
    shell.tell(f"{len(cases)} rehearsals, {hidden} failures hidden from the report's reader")


def _row(case: Case) -> Mapping[str, str]:
    told = case.told
    status = f"{told.status}, degraded" if told.degraded else told.status
    if told.waiting:
        status = f"waits for {', '.join(told.waiting)}"
    said = "HIDDEN: neither outcome nor report tells" if case.hides else told.error
    outcome = told.outcome or "-"
    return {
        "case": case.name,
        "step": case.step or "",
        "status": clean(status),
        "outcome": clean(outcome),
        "told": clean(said),
    }


def _entry(case: Case) -> dict[str, Any]:
    told = case.told
    return {
        "case": case.name,
        "step": case.step,
        "status": told.status,
        "degraded": told.degraded,
        "outcome": told.outcome,
        "error": told.error,
        "waiting": list(told.waiting),
        "hidden": case.hides,
        "seconds": told.seconds,
        "steps": {step.key: step.status for step in told.steps.values()},
        "report": told.markdown,
    }
