"""What came of a turn: a report. An exit code alone is no answer (P9)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from http import HTTPStatus

from pydantic import JsonValue

from flowrunner.dispatch.acp.messages import Refusal, section, text_at
from flowrunner.dispatch.acp.recording import Tokens
from flowrunner.dispatch.acp.turn import Turn
from flowrunner.dispatch.acp.updates import tokens_of
from flowrunner.dispatch.adapters.adapter import Adapter
from flowrunner.dispatch.adapters.failures import Failure, classify
from flowrunner.dispatch.capture import Captured
from flowrunner.dispatch.outcome import judge
from flowrunner.dispatch.process import ProcessLimits
from flowrunner.evidence.excuses import is_refusal
from flowrunner.wire.tasks import TaskError, TaskReport, Usage

_HTTP = range(400, 600)
_LOGIN_HINT = "log in again, and put what came of it into the agent's settings, under `mcp`"
_AUTHENTICATION_REQUIRED = -32000
_PERSON_NEEDED = -32010
"""Our own agent's: `apiagent.failing` says when."""
_DENIALS_KEPT = 50
_HALVES = frozenset(
    {"stream_cut", "provider_unavailable", "refused", "answer_cut", "gave_up", "ended_oddly"}
)
"""Ends before which something may have been said that is worth keeping, but is no answer."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """*quota_until* is known when the provider said when it will answer again.

    *record* is what is kept with the attempt and shown to people.
    """

    report: TaskReport
    quota_until: datetime | None = None
    record: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])


def judge_turn(
    epoch: int, turn: Turn, adapter: Adapter, limits: ProcessLimits, *, now: datetime
) -> Judgement:
    """Return the report; it is completed only where an answer, tokens and a good end came together.

    *now* is the wall clock, in UTC.
    """
    tokens, record = tokens_used(turn, adapter), record_of(turn, adapter)
    usage = _usage(tokens, turn.ended.seconds)
    failure = _ended_by_us(epoch, turn, limits)
    if failure is None:
        told = _failure(turn, adapter, tokens, now)
        if told is None:
            return Judgement(_completed(epoch, final_answer(turn), usage), record=record)
        failed, message = told
        error = TaskError(
            code=failed.code,
            message=message,
            failure_class=failed.failure_class,
            hint=failed.hint,
        )
        said = _partial(turn, adapter) if failed.code in _HALVES else None
        report = TaskReport(epoch=epoch, outcome="failed", error=error, usage=usage, partial=said)
        return Judgement(report, failed.until, record)
    ended = failure.model_copy(update={"usage": usage, "partial": _partial(turn, adapter)})
    return Judgement(ended, record=record)


def _partial(turn: Turn, adapter: Adapter) -> str | None:
    """What it had said when it ended, where that was the model's."""
    said = final_answer(turn)
    is_error = any(pattern.search(said.text) for pattern in adapter.in_band)
    return said.marked() if said.text and not is_error else None


def record_of(turn: Turn, adapter: Adapter) -> dict[str, JsonValue]:
    """Say which program it was, what it did, and what it was denied."""
    tools = Counter(tool.kind or "other" for tool in turn.recorder.tools.values())
    denials: list[JsonValue] = [
        f"{denial.kind}: {denial.title}" for denial in turn.recorder.denials
    ]
    return {
        "agent": adapter.name,
        "version": turn.agent_version or next((one.version for one in adapter.packages), None),
        "stage": turn.stage,
        "stop_reason": _stop_reason(turn) or None,
        "tools": {**dict(sorted(tools.items()))},
        "tools_not_kept": turn.recorder.untold_tools,
        "denials": denials[:_DENIALS_KEPT],
        "denial_count": len(denials),
    }


def final_answer(turn: Turn) -> Captured:
    """What the agent says is its answer, or else what was heard last."""
    if told := text_at(turn.reply, "result"):
        return replace(turn.recorder.answer(), text=told.strip()[: turn.recorder.cap])
    return turn.recorder.answer()


def tokens_used(turn: Turn, adapter: Adapter) -> Tokens | None:
    """Return what was told of tokens; None where nothing was."""
    if turn.reply.get("type") == "result":  # headless, whatever the agent
        told = section(turn.reply, "usage")
    elif adapter.usage == "chunks":
        return turn.recorder.told_tokens
    elif adapter.usage == "quota":
        told = section(turn.reply, "_meta", "quota", "token_count")
    else:
        told = section(turn.reply, "usage")
    return Tokens(*tokens_of(told)) if told else None


def _usage(tokens: Tokens | None, seconds: float) -> Usage:
    if tokens is None:
        return Usage(seconds=seconds)
    return Usage(
        input_tokens=tokens.input_tokens, output_tokens=tokens.output_tokens, seconds=seconds
    )


def _completed(epoch: int, answer: Captured, usage: Usage) -> TaskReport:
    return TaskReport(
        epoch=epoch,
        outcome="completed",
        output=answer.marked(),
        usage=usage,
        truncated_bytes=answer.dropped_bytes,
        replaced_count=answer.replaced_count,
    )


def _ended_by_us(epoch: int, turn: Turn, limits: ProcessLimits) -> TaskReport | None:
    """Return the report where time, flood, the supervisor or an order ended it before it answered.

    An agent that has answered is ended as well, and that is nothing to report.
    """
    has_answered = turn.stage == "answered" and _stop_reason(turn) == "end_turn"
    if has_answered:
        return None
    if turn.why is not None:
        return judge(epoch, replace(turn.ended, cause=turn.why), limits)
    if turn.refusal is not None or turn.stage == "answered" or turn.ended.cause == "ended":
        return None
    return judge(epoch, turn.ended, limits)


def _failure(
    turn: Turn, adapter: Adapter, tokens: Tokens | None, now: datetime
) -> tuple[Failure, str] | None:
    if turn.refusal is not None:
        return _refused(turn, turn.refusal, now)
    if turn.stage != "answered":
        return _silent_end(turn, now)
    answer = final_answer(turn)
    if turn.reply.get("is_error") is True:
        told = text_at(section(turn.reply, "error"), "message") or answer.text
        status = turn.reply.get("api_error_status")
        failure = classify(told, now, status if isinstance(status, int) else None)
        return failure, f"the provider answered with an error: {told}"
    if ended := _ended_early(turn):
        return ended
    if any(pattern.search(answer.text) for pattern in adapter.in_band):
        return classify(answer.text, now), f"the answer is a provider's error: {answer.text}"
    if tokens is None or tokens.output_tokens == 0:
        return _without_tokens(answer.text, now)
    if not answer.text:
        return Failure("contract", "empty_answer"), "the agent ended well but gave no answer"
    if is_refusal(answer.text):
        return Failure("contract", "refused"), f"the model refused to answer: {answer.text}"
    return None


def _refused(turn: Turn, refusal: Refusal, now: datetime) -> tuple[Failure, str]:
    text = f"{refusal.message} {refusal.detail}".strip()
    message = f"the agent failed while {turn.stage}: {text}"
    if refusal.code == _AUTHENTICATION_REQUIRED:
        return classify(text, now, HTTPStatus.UNAUTHORIZED), message
    if refusal.code == _PERSON_NEEDED:
        return Failure("fatal", "login_needed", hint=_LOGIN_HINT), message
    status = refusal.code if refusal.code in _HTTP else None
    return classify(text, now, status), message


def _silent_end(turn: Turn, now: datetime) -> tuple[Failure, str]:
    ended = turn.ended
    how = f"exit code {ended.exit_code}" if ended.signal is None else f"signal {ended.signal}"
    said = f"; it said last: {ended.stderr_tail}" if ended.stderr_tail else ""
    has_given_up = bool(ended.exit_code)  # It says why; who was killed only chatted.
    failure = classify(ended.stderr_tail if has_given_up else "", now)
    if not failure.is_known:
        failure = Failure("transient", "stream_cut")
    return failure, f"the agent ended while {turn.stage}, without an answer ({how}){said}"


def _stop_reason(turn: Turn) -> str:
    if turn.reply.get("type") == "result":
        return "end_turn" if text_at(turn.reply, "subtype") == "success" else "error"
    return text_at(turn.reply, "stopReason")


def _ended_early(turn: Turn) -> tuple[Failure, str] | None:
    match _stop_reason(turn):
        case "end_turn":
            return None
        case "refusal":
            return Failure("contract", "refused"), "the model refused to answer"
        case "max_tokens" | "max_turn_requests" as reason:
            return Failure("contract", "answer_cut"), f"the answer was cut: {reason}"
        case "cancelled":
            denied = ", ".join(denial.title for denial in turn.recorder.denials) or "nothing"
            message = f"the agent gave up; what it was denied: {denied}"
            return Failure("contract", "gave_up"), message
        case reason:
            message = f"the agent ended for a reason of its own: {reason or 'none'}"
            return Failure("contract", "ended_oddly"), message


def _without_tokens(text: str, now: datetime) -> tuple[Failure, str]:
    """Nothing was generated, so what was said is not the model's."""
    failure = classify(text, now)
    if not failure.is_known:
        failure = Failure("transient", "no_output_tokens")
    told = f" and said: {text}" if text else " and said nothing"
    return failure, f"the agent used no output tokens{told}"
