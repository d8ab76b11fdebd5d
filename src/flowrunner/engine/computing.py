"""Run a code step's function once: in a thread of its own, with a time limit."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

from pydantic import BaseModel

from flowrunner.core import inputs as inp
from flowrunner.core.errors import UnavailableError
from flowrunner.core.model import Failure, FailureClass, Ref, Usage
from flowrunner.db.payloads import ref_of
from flowrunner.db.queue import ClaimedTask
from flowrunner.definitions.context import Context
from flowrunner.definitions.flow import Step
from flowrunner.definitions.outputs import adapter
from flowrunner.engine import threads
from flowrunner.engine.calls import DurableCaller, Runs, StepGoneError
from flowrunner.engine.evaluation import CodeCall
from flowrunner.engine.raising import raised


async def compute(
    call: CodeCall, task: ClaimedTask, runs: Runs
) -> tuple[inp.Outcome, dict[Ref, bytes]]:
    """Return how the attempt ended, with the body of its result.

    Raises UnavailableError when a result that it reads cannot be had now, and StepGoneError when
    the attempt was over before its code was.
    """
    nonce = call.context.nonce
    caller = DurableCaller(runs, task, call.definition, nonce, asyncio.get_running_loop())
    context = replace(call.context, caller=caller)
    what = f"step {task.step_key}"
    seconds = task.limits.total_seconds
    try:
        body = await threads.call(what, lambda: _body(call.step, context), seconds)
    except threads.HangsError as error:
        failure = Failure("timeout_total", str(error), FailureClass.TRANSIENT)
        return inp.Errored(failure), {}
    except (UnavailableError, StepGoneError):
        raise
    except Exception as error:  # noqa: BLE001  # whatever a code step raises is its failure (R2-26)
        return inp.Errored(Failure("code_error", f"{what} raised {raised(error)}")), {}
    ref = ref_of(body)
    return inp.Succeeded(ref, Usage()), {ref: body}


def _body(step: Step, context: Context) -> bytes:
    """Run the step and write its result as JSON that fits the step's `output=`."""
    assert callable(step.run)  # noqa: S101  # checked when the flow was loaded
    value = threads.finished(step.run(context))
    if step.output is not None:
        fits = adapter(step.output)
        return fits.dump_json(fits.validate_python(value), by_alias=True)
    return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain).encode()


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True)
    raise TypeError(f"a code step returns JSON or a model, not a {type(value).__name__}")
