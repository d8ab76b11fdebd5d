"""`show RUN`: one run with its steps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import click

from flowrunner.cli.connect import Own, connected
from flowrunner.cli.shell import Shell, table, takes_shell
from flowrunner.cli.text import clean, span
from flowrunner.wire.runs import Run, StepRow

_COLUMNS = {
    "step": "STEP",
    "status": "STATUS",
    "try": "TRY",
    "time": "TIME",
    "tokens": "TOKENS",
    "note": "NOTE",
}


@click.command("show")
@click.argument("run", default="@last")
@click.option("--input", "with_input", is_flag=True, help="Show the input too.")
@takes_shell
def command(shell: Shell, *, run: str, with_input: bool) -> None:
    """Show RUN (an id, 4 or more of its characters, @last) with its steps."""
    with connected(shell, Own.READING) as connection:
        found = connection.client.get_run(run)
        steps = connection.client.list_steps(str(found.id)).items
    if shell.as_json:
        told = [step.model_dump(mode="json") for step in steps]
        shell.answer({**found.model_dump(mode="json"), "step_list": told})
        return
    now = datetime.now(UTC)
    for line in _heading(found, now):
        shell.say(clean(line))
    if with_input:
        shell.say(json.dumps(found.input, indent=2, ensure_ascii=True))
    shell.say("")
    columns = dict(_COLUMNS)
    if not any(step.usage.input_tokens or step.usage.output_tokens for step in steps):
        del columns["tokens"]
    for line in table((_row(step, now) for step in steps), columns):
        shell.say(line)
    if found.has_report:
        shell.tell(f"\nreport: flowrunner report {str(found.id)[-8:]}")


def _heading(run: Run, now: datetime) -> Iterator[str]:
    took = span(((run.finished_at or now) - run.created_at).total_seconds())
    outcome = f", outcome {run.outcome}" if run.outcome else ""
    degraded = ", degraded" if run.degraded else ""
    yield f"{run.flow} {run.id}: {run.status}{outcome}{degraded}, {took}"
    if run.title:
        yield f"title    {run.title}"
    yield f"project  {run.project_root}"
    model = f", model {run.model}" if run.model else ""
    yield f"band     {run.band}, agent {run.agent}{model}"
    at = run.created_at.astimezone().isoformat(" ", "seconds")
    yield f"launched {at} by {run.launched_by or 'unknown'} ({run.trigger})"
    if run.labels:
        yield f"labels   {', '.join(f'{key}={value}' for key, value in run.labels.items())}"
    if run.error:
        yield f"error    {run.error.code}: {run.error.message}"


def _row(step: StepRow, now: datetime) -> dict[str, str]:
    begun = step.started_at or step.dispatched_at
    took = span(((step.finished_at or now) - begun).total_seconds()) if begun else ""
    tokens = step.usage.input_tokens + step.usage.output_tokens
    return {
        "step": step.key,
        "status": step.status,
        "try": str(step.attempt) if step.attempt else "",
        "time": took if step.status not in {"excluded", "skipped"} else "",
        "tokens": str(tokens) if tokens else "",
        "note": _note(step),
    }


def _note(step: StepRow) -> str:
    match step.status:
        case "pending" if step.delayed:
            return f"tried again soon: {step.error.message}" if step.error else "tried again soon"
        case "pending":
            return f"waits for {', '.join(step.waiting_for)}" if step.waiting_for else "is prepared"
        case "running":
            return f"on {step.worker}" if step.worker else "offered, no worker has it yet"
        case "failed":
            return f"{step.error.code}: {step.error.message}" if step.error else ""
        case _:
            return step.reason or ""
