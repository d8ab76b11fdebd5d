"""What an agent's end means: a report, from values to a value."""

from __future__ import annotations

import errno
import signal
from collections.abc import Mapping

from flowrunner.dispatch.adapters.failures import classify
from flowrunner.dispatch.gates.enter import COMPLAINT, NOT_CLOSED
from flowrunner.dispatch.process import Cause, Ended, ProcessLimits
from flowrunner.evidence.excuses import is_excuse, is_refusal
from flowrunner.wire.tasks import FailureClass, TaskError, TaskReport, Usage

_MAY_HEAL = frozenset(
    {
        errno.EAGAIN,
        errno.EINTR,
        errno.EIO,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOMEM,
        errno.ENOSPC,
        errno.ETXTBSY,
    }
)
_HOPELESS = frozenset({64, 77, 78, 126, 127})
"""Exit codes that say "wrong usage, rights, configuration, program": no attempt would differ."""
COME_BACK_LATER = 75
"""The exit code (EX_TEMPFAIL) of a command whose provider wants it to wait, until when its last
words say, or for a while."""


def judge(epoch: int, ended: Ended, limits: ProcessLimits) -> TaskReport:
    """Return the report for how an agent ended; only exit 0 with an answer is a success (P9).

    A provider's error, or a refusal, is no answer where it is all that was said.
    """
    usage = Usage(seconds=ended.seconds)
    has_ended_well = ended.cause == "ended" and ended.exit_code == 0
    if has_ended_well and ended.output.text.strip() and not is_excuse(ended.output.text):
        return TaskReport(
            epoch=epoch,
            outcome="completed",
            output=ended.output.marked(),
            usage=usage,
            truncated_bytes=ended.output.dropped_bytes,
            replaced_count=ended.output.replaced_count,
        )
    said = ended.output.marked() if ended.output.text.strip() else None
    error = _error(ended, limits)
    return TaskReport(epoch=epoch, outcome="failed", error=error, usage=usage, partial=said)


def refused(epoch: int, error: TaskError) -> TaskReport:
    """Return the report for a task that was never started."""
    return TaskReport(epoch=epoch, outcome="failed", error=error)


def _error(ended: Ended, limits: ProcessLimits) -> TaskError:
    match ended.cause:
        case "ended":
            return _ended_badly(ended)
        case "timeout_total":
            return _failed(ended, f"the agent took longer than {limits.total_seconds:g} s")
        case "timeout_idle":
            return _failed(ended, f"the agent was silent for {limits.idle_seconds or 0:g} s")
        case "output_flood":
            seen = f"{len(ended.output.text)} characters and {ended.output.dropped_bytes} bytes"
            return _failed(ended, f"the agent wrote without end: {seen}", "fatal")
        case "worker_silent":
            silent = f"its worker gave no sign for {limits.watchdog_seconds:g} s"
            return _failed(ended, f"the agent was ended because {silent}")
        case "not_started":
            heals: FailureClass = "transient" if ended.errno in _MAY_HEAL else "fatal"
            return _failed(ended, f"the agent could not be started: {ended.detail}", heals)
        case "supervisor_lost":
            return _failed(ended, "the agent's supervisor died, and the agent with it")
        case "stopped" | "killed":
            return _failed(ended, "the agent was ended from outside")


def _ended_badly(ended: Ended) -> TaskError:
    if ended.signal is not None:
        name = signal.Signals(ended.signal).name
        return _failed(ended, f"the agent was ended by {name}", code="agent_killed")
    if ended.exit_code == 0 and ended.output.text.strip():
        return _excuse(ended.output.text.strip())
    if ended.exit_code == 0:
        message = "the agent ended well but gave no answer"
        return _failed(ended, message, "contract", code="empty_answer")
    if ended.exit_code == NOT_CLOSED and COMPLAINT in ended.stderr_tail:
        message = "the gate was proved, and could not be closed for this agent"
        return _failed(ended, message, "fatal", code="gate_not_closed")
    if ended.exit_code == COME_BACK_LATER:
        message = "the agent's provider has no quota left for it"
        return _failed(ended, message, "quota", code="quota_exhausted")
    heals: FailureClass = "fatal" if ended.exit_code in _HOPELESS else "transient"
    message = f"the agent ended with exit code {ended.exit_code}"
    return _failed(ended, message, heals, code="agent_failed")


def _excuse(text: str) -> TaskError:
    if is_refusal(text):
        message = f"the agent refused: {text}"
        return TaskError(code="refused", message=message, failure_class="contract")
    found = classify(text)
    message = f"the answer is a provider's error: {text}"
    return TaskError(
        code=found.code, message=message, failure_class=found.failure_class, hint=found.hint
    )


def _failed(
    ended: Ended, message: str, failure_class: FailureClass = "transient", code: str = ""
) -> TaskError:
    said = f"; it said last: {ended.stderr_tail}" if ended.stderr_tail else ""
    return TaskError(
        code=code or CODES[ended.cause], message=message + said, failure_class=failure_class
    )


CODES: Mapping[Cause, str] = {
    "timeout_total": "timeout_total",
    "timeout_idle": "timeout_idle",
    "output_flood": "output_flood",
    "worker_silent": "worker_silent",
    "not_started": "agent_not_started",
    "supervisor_lost": "supervisor_lost",
    "stopped": "agent_stopped",
    "killed": "agent_stopped",
}
