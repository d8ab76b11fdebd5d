"""Steer a run: cancel, pause, resume, retry, render again, stop one of its steps."""

from __future__ import annotations

from fastapi import APIRouter, status

from flowrunner.api.deps import Actor, AskedRun, AskedStep, Control, Runs
from flowrunner.api.openapi import refusals
from flowrunner.service.control import Steered
from flowrunner.wire.control import ControlReply, ReasonBody, RetryBody, RetryReply, StopReply
from flowrunner.wire.runs import CancelBody, CancelReply

router = APIRouter(prefix="/api/v1/runs/{run_id}", tags=["control"], responses=refusals(404, 409))


@router.post("/cancel", operation_id="cancel_run")
async def cancel_run(
    run_id: AskedRun, runs: Runs, actor: Actor, body: CancelBody | None = None
) -> CancelReply:
    """Stop a run for good: its agents are stopped at once. May be repeated."""
    reason = body.reason if body is not None else ""
    done = await runs.cancel(run_id, reason or "cancelled by request", actor)
    return CancelReply(
        id=done.run_id,
        status=done.status.value,
        was_live=done.was_live,
        actor=done.actor,
        at=done.at,
    )


@router.post("/pause", operation_id="pause_run")
async def pause_run(
    run_id: AskedRun, control: Control, actor: Actor, body: ReasonBody | None = None
) -> ControlReply:
    """Let nothing new begin; what is at work goes on. May be repeated."""
    return _reply(await control.pause(run_id, _reason(body), actor))


@router.post("/resume", operation_id="resume_run")
async def resume_run(
    run_id: AskedRun, control: Control, actor: Actor, body: ReasonBody | None = None
) -> ControlReply:
    """Let a paused run go on. May be repeated."""
    return _reply(await control.resume(run_id, _reason(body), actor))


@router.post(
    "/retry",
    operation_id="retry_run",
    status_code=status.HTTP_202_ACCEPTED,
)
async def retry_run(
    run_id: AskedRun, control: Control, actor: Actor, body: RetryBody | None = None
) -> RetryReply:
    """Begin an ended run anew: from a step on, or all that failed. Earlier attempts stay readable.

    May be repeated with the same actor, step and reason while the run that it began is live.
    """
    asked = body or RetryBody()
    steered, generation = await control.retry(run_id, asked.from_step, asked.reason, actor)
    return RetryReply(**_reply(steered).model_dump(), generation=generation)


@router.post("/render", operation_id="render_run", status_code=status.HTTP_202_ACCEPTED)
async def render_run(
    run_id: AskedRun,
    control: Control,
    actor: Actor,
    body: ReasonBody | None = None,  # noqa: ARG001  # other fields are refused
) -> ControlReply:
    """Render an ended run's report again; `run.rendered` tells when it is there."""
    return _reply(await control.render(run_id, actor))


@router.post("/steps/{key}/stop", operation_id="stop_step")
async def stop_step(
    run_id: AskedRun, key: AskedStep, control: Control, actor: Actor, body: ReasonBody | None = None
) -> StopReply:
    """End one step's work, not the run: it fails as `stopped`. May be repeated."""
    done = await control.stop_step(run_id, key, _reason(body), actor)
    return StopReply.model_validate(
        {
            "id": run_id,
            "step": key,
            "status": done.step.status,
            "run_status": done.run.status.value,
            "changed": done.changed,
            "actor": done.actor,
            "at": done.at,
        }
    )


def _reason(body: ReasonBody | None) -> str:
    return body.reason if body is not None else ""


def _reply(steered: Steered) -> ControlReply:
    return ControlReply(
        id=steered.head.run_id,
        status=steered.head.status.value,
        changed=steered.changed,
        actor=steered.actor,
        at=steered.at,
    )
