"""An answer that broke its step's contract is sent back to the agent, a bounded number of times."""

from __future__ import annotations

from dataclasses import replace

from flowrunner.core import events as ev
from flowrunner.core.deciding import Deciding
from flowrunner.core.graph import StepKind
from flowrunner.core.inputs import Errored
from flowrunner.core.model import FailureClass


def send_back(deciding: Deciding, number: int, given: Errored, epoch: int) -> bool:
    """Ask again at once, as often as the step allows; after that its failure is final.

    False when this is no matter of the answer, or it cannot be asked: then the policy decides.
    """
    repair, error, step = given.repair, given.error, deciding.step(number)
    is_agent = deciding.spec(number).kind is StepKind.AGENT
    is_broken = error.failure_class is FailureClass.CONTRACT
    if repair is None or repair.most < 1 or not is_agent or not is_broken:
        return False
    if step.redos >= repair.most:
        times = "once" if step.redos == 1 else f"{step.redos} times"
        message = f"{error.message} (it was sent back {times} before)"
        deciding.end_failed(number, replace(given, error=replace(error, message=message)), epoch)
        return True
    if repair.prompt is None or deciding.run.failure is not None:
        return False
    deciding.emit(
        ev.StepRetrying(
            number,
            step.attempt,
            error,
            0,
            epoch,
            given.usage,
            counted=False,
            prompt=repair.prompt,
            record=given.record,
            partial=given.partial,
        )
    )
    return True
