"""Durable calls: a code step asks an agent, and gets the same answer after any crash (D2-13)."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Protocol

import structlog

from flowrunner.core import inputs as inp
from flowrunner.core.decision import Verdict
from flowrunner.core.errors import NotFoundError, UnavailableError
from flowrunner.core.model import Failure, FailureClass, Ref, RunId, StepStatus
from flowrunner.core.validation import suggest
from flowrunner.db.payloads import ref_of
from flowrunner.db.pool import AWAY
from flowrunner.db.queue import ClaimedTask
from flowrunner.definitions.answer_checks import REPAIRS as MAX_REPAIRS
from flowrunner.definitions.answering import with_form
from flowrunner.definitions.complaints import is_count
from flowrunner.definitions.context import CallRequest, CallResult
from flowrunner.definitions.definition import Definition
from flowrunner.definitions.durations import seconds_of
from flowrunner.definitions.flow import REPAIRS
from flowrunner.definitions.outputs import is_structured
from flowrunner.definitions.prompts import build_prompt
from flowrunner.engine import threads
from flowrunner.engine.answers import Said, read
from flowrunner.engine.letters import Answer, Delivered, Told
from flowrunner.engine.prompting import checked
from flowrunner.engine.repairing import NOT_SENT_BACK, repair_prompt
from flowrunner.wire.tasks import storable

log = structlog.stdlib.get_logger()

MAX_RETRY = 20
_KEY_CHARACTERS = 120


class StepGoneError(threads.UnwindError):
    """The attempt is over while its code still runs: unwind it, whatever it catches."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a call's child stands when it has ended; *output* is there when it completed."""

    status: StepStatus
    output: Ref | None = None
    error: Failure | None = None


class Runs(Protocol):
    """What calls need of the engine."""

    async def deliver(self, run_id: RunId, content: Delivered) -> Verdict: ...
    async def call_end(self, run_id: RunId, step: int, attempt: int, key: str) -> Ended | None: ...
    async def body(self, ref: Ref) -> bytes: ...


@dataclass(slots=True)
class DurableCaller:
    """Makes the calls of one attempt of a code step; lives in the engine's loop.

    The code runs in a thread with a loop of its own: `call` is awaited there.
    """

    runs: Runs
    task: ClaimedTask
    definition: Definition
    nonce: str
    loop: asyncio.AbstractEventLoop
    _used: set[str] = field(default_factory=set[str])
    _asked: Counter[str] = field(default_factory=Counter[str])

    async def call(self, request: CallRequest) -> CallResult:
        """Ask, and wait for the answer; known keys are answered from what was recorded.

        An answer that does not fit is sent back: the same question, and what was wrong, is a call
        of its own. Raises ValueError for a key that this attempt used before and for a persona
        nobody knows.
        """
        bare = checked(build_prompt(self._role(request), request.prompt))
        formed = with_form(bare, request.output, is_wanted=request.schema_in_prompt)
        prompt = storable(checked(formed))
        key, rounds = self._key(request, storable(bare)), _rounds(request)
        name, sent_back = key, 0
        while True:
            outcome = _outcome(request, *await self._answer(name, request, prompt))
            if isinstance(outcome, CallResult):
                return replace(outcome, key=key)
            again = repair_prompt(prompt, self.nonce, outcome.said, outcome.problems)
            if sent_back == rounds or again is None:
                return _failed(key, outcome.failure, sent_back)
            prompt, sent_back = again, sent_back + 1
            name = f"{key}~{sent_back}-{sha256(prompt.encode()).hexdigest()[:8]}"

    async def _answer(
        self, name: str, request: CallRequest, prompt: str
    ) -> tuple[Ended, str | None]:
        given = self._input(name, request)
        asking = asyncio.run_coroutine_threadsafe(self._ended(name, given, prompt), self.loop)
        return await asyncio.wrap_future(asking)

    def _role(self, request: CallRequest) -> str | None:
        if request.persona is None:
            return None
        known = self.definition.roles
        if request.persona not in known:
            hint = suggest(request.persona, known) or "the flow's level has none"
            raise ValueError(f"there is no persona '{request.persona}'; {hint}")
        return known[request.persona]

    def _key(self, request: CallRequest, prompt: str) -> str:
        if request.key is None:
            named = sha256(f"{request.persona}\0{prompt}".encode()).hexdigest()[:12]
            self._asked[named] += 1
            count = self._asked[named]
            return named if count == 1 else f"{named}#{count}"
        key = request.key
        if not 0 < len(key) <= _KEY_CHARACTERS or not key.isprintable():
            raise ValueError(f"{key!r:.80} is no key: 1 to {_KEY_CHARACTERS} printable characters")
        if key in self._used:
            raise ValueError(f"key '{key}' was used before in this step: give each call its own")
        self._used.add(key)
        return key

    def _input(self, key: str, request: CallRequest) -> inp.CallAsked:
        seconds = 1800.0 if request.timeout is None else seconds_of(request.timeout)
        if seconds is None:
            raise ValueError(f"timeout {request.timeout!r:.80} is no span of time")
        if not 0 <= request.retry <= MAX_RETRY:
            raise ValueError(f"retry is a number from 0 to {MAX_RETRY}, not {request.retry!r:.80}")
        task = self.task
        return inp.CallAsked(
            task.step_no,
            task.attempt,
            task.epoch,
            key,
            Ref(""),
            request.persona,
            1 + request.retry,
            seconds,
        )

    async def _ended(self, key: str, given: inp.CallAsked, prompt: str) -> tuple[Ended, str | None]:
        """In the engine's loop: record the call, then wait for its end however long it takes."""
        body = prompt.encode()
        asked = inp.CallAsked(
            given.step,
            given.attempt,
            given.epoch,
            key,
            ref_of(body),
            given.persona,
            given.max_attempts,
            given.total_seconds,
        )
        verdict = await self._told(Told(Answer(asked, {asked.prompt: body})))
        if verdict is Verdict.LATE:
            raise StepGoneError
        task = self.task
        ended = await self.runs.call_end(task.run_id, task.step_no, task.attempt, key)
        if ended is None:
            raise StepGoneError
        text = None if ended.output is None else (await self._read(ended.output)).decode()
        return ended, text

    async def _told(self, letter: Told) -> Verdict:
        delay = 0.1
        while True:
            try:
                return await self.runs.deliver(self.task.run_id, letter)
            except NotFoundError:
                return Verdict.LATE
            except (*AWAY, UnavailableError) as error:
                log.warning("call.told_again", task=self.task.task_id, error=str(error).strip())
                await asyncio.sleep(delay)
                delay = min(5.0, delay * 2)

    async def _read(self, ref: Ref) -> bytes:
        delay = 0.1
        while True:
            try:
                return await self.runs.body(ref)
            except AWAY as error:
                log.warning("call.read_again", task=self.task.task_id, error=str(error).strip())
                await asyncio.sleep(delay)
                delay = min(5.0, delay * 2)


@dataclass(frozen=True, slots=True)
class _Unfit:
    """An answer that may be sent back."""

    failure: Failure
    said: str = ""
    problems: tuple[str, ...] = ()


def _outcome(request: CallRequest, ended: Ended, text: str | None) -> CallResult | _Unfit:
    """A failed, empty or unfitting answer is a failure: nothing reads it as a good one (P9)."""
    if ended.status is StepStatus.CANCELLED:
        return CallResult("", "cancelled", error={"code": "cancelled", "message": "was stopped"})
    if ended.status is not StepStatus.COMPLETED or text is None:
        error = ended.error or Failure("failed", "for an unknown reason")
        is_broken = error.failure_class is FailureClass.CONTRACT
        may_mend = is_broken and error.code not in NOT_SENT_BACK
        return _Unfit(error, "", (error.message,)) if may_mend else _failed("", error, 0)
    if not is_structured(request.output):
        return CallResult("", "completed", text)
    found = read(text, request.output)
    if isinstance(found, Said):
        return CallResult("", "completed", found.value)
    if not found.problems:
        return _failed("", found.failure, 0)
    return _Unfit(found.failure, text, found.problems)


def _failed(key: str, failure: Failure, sent_back: int) -> CallResult:
    times = "once" if sent_back == 1 else f"{sent_back} times"
    before = f" (it was sent back {times} before)" if sent_back else ""
    error = {"code": failure.code, "message": f"{failure.message}{before}"}
    return CallResult(key, "failed", error=error)


def _rounds(request: CallRequest) -> int:
    rounds: object = request.repairs
    if rounds is None:
        return REPAIRS if is_structured(request.output) else 0
    if not is_count(rounds, MAX_REPAIRS):
        raise ValueError(f"repairs is a number from 0 to {MAX_REPAIRS[-1]}, not {rounds!r:.80}")
    return int(request.repairs or 0)
