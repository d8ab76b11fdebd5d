"""Hold a report against what its step asks for, before the run hears of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import structlog

from flowrunner.core import inputs as inp
from flowrunner.core.errors import UnavailableError
from flowrunner.core.model import Failure, FailureClass, Ref
from flowrunner.db.payloads import ref_of
from flowrunner.db.pool import AWAY
from flowrunner.definitions.flow import Step, repairs_of
from flowrunner.definitions.outputs import is_structured
from flowrunner.engine import threads
from flowrunner.engine.answers import Said, Unfit, contract_broken, read
from flowrunner.engine.bodies import Bodies
from flowrunner.engine.committer import OutcomeUnknownError
from flowrunner.engine.contracts import ProjectUnreadableError, broken
from flowrunner.engine.evaluation import Evaluator
from flowrunner.engine.judging import judge
from flowrunner.engine.letters import Answer
from flowrunner.engine.raising import raised
from flowrunner.engine.repairing import NOT_SENT_BACK, repair_prompt
from flowrunner.engine.views import RunView
from flowrunner.wire.tasks import TaskReport

log = structlog.stdlib.get_logger()

T = TypeVar("T")


class Acceptance:
    """Reads answers, checks what they must hold, and words what an agent is asked again.

    Outside any transaction, and with a time limit: all of it runs an author's code or reads files.
    Done again after a crash it comes to the same.
    """

    def __init__(self, evaluator: Evaluator, bodies: Bodies) -> None:
        self._evaluator = evaluator
        self._bodies = bodies

    async def answer(self, view: RunView, step: int, attempt: int, report: TaskReport) -> Answer:
        """Return what the run is to be told. Raises OutcomeUnknownError while the database is away.

        Whatever else goes wrong would go wrong again: it is the attempt's failure (P4).
        """
        try:
            outcome, bodies = await self._judged(view, step, attempt, report)
        except UnavailableError:
            raise
        except AWAY as error:
            raise OutcomeUnknownError(str(error).strip()) from error
        except Exception as error:
            log.exception("report.unjudged", run_id=str(view.meta.run_id))
            failure = Failure("internal_error", f"judging the answer raised {raised(error)}")
            outcome, bodies = inp.Errored(failure), {}
        return Answer(inp.TaskSettled(step, attempt, report.epoch, outcome), bodies)

    async def _judged(
        self, view: RunView, number: int, attempt: int, report: TaskReport
    ) -> tuple[inp.Outcome, dict[Ref, bytes]]:
        outcome, bodies = judge(report)
        is_known = 0 <= number < len(view.state.steps)
        step = self._evaluator.step_of(view, number) if is_known else None
        if step is None or isinstance(outcome, inp.Stopped):
            return outcome, bodies
        said, problems = report.output or report.partial or "", tuple[str, ...]()
        if isinstance(outcome, inp.Succeeded):
            unfit = await self._unfit(view, number, step, said)
            if unfit is None:
                return outcome, bodies
            usage, record = outcome.usage, outcome.record
            # What was said is kept: people may want to read it, but nobody takes it for an answer.
            outcome = inp.Errored(unfit.failure, usage, record, partial=outcome.output)
            problems = unfit.problems
        if not _may_mend(outcome.error, repairs_of(step)):
            return outcome, bodies
        told = problems or (outcome.error.message,)
        prompt = await self._asked_again(view, number, attempt, said, told)
        ref = None if prompt is None else ref_of(prompt)
        more = {} if prompt is None or ref is None else {ref: prompt}
        return replace(outcome, repair=inp.Repair(repairs_of(step), ref)), {**bodies, **more}

    async def _unfit(self, view: RunView, number: int, step: Step, text: str) -> Unfit | None:
        """Why an answer cannot be taken: by its type, or by what its step asks beyond that."""
        what = f"answer of {view.meta.flow}/{view.state.spec(number).key}"
        said: Said | Unfit = Said(text, text)
        if is_structured(step.output):
            said = await self._call(f"the {what}", lambda: read(text, step.output))
        if isinstance(said, Unfit) or step.produces is None:
            return said if isinstance(said, Unfit) else None
        call = await self._evaluator.code_call(number, view)
        if isinstance(call, Failure):
            return Unfit(call)
        produces, fitting = step.produces, said
        problems = await self._call(
            f"what is to be checked of the {what}", lambda: broken(produces, fitting, call.context)
        )
        if isinstance(problems, Unfit):
            return problems
        return contract_broken(problems) if problems else None

    async def _call(self, what: str, function: Callable[[], T]) -> T | Unfit:
        try:
            return await threads.call(what, function, self._evaluator.seconds)
        except threads.HangsError as error:
            return Unfit(Failure("definition_error", str(error)))
        except UnavailableError:
            raise
        except ProjectUnreadableError as error:
            hint = "let the service see the project's folder, or leave out produces="
            failure = Failure("project_unreadable", str(error), FailureClass.TRANSIENT, hint)
            return Unfit(failure)
        except Exception as error:  # noqa: BLE001  # whatever user code raises is its step's failure
            return Unfit(Failure("definition_error", f"{what} raised {raised(error)}"))

    async def _asked_again(
        self, view: RunView, number: int, attempt: int, said: str, problems: tuple[str, ...]
    ) -> bytes | None:
        """Return the prompt of the next round; None for an attempt that is over."""
        now = view.state.steps[number]
        if now.attempt != attempt or now.prompt is None:
            return None
        asked = (await self._bodies.get(now.prompt)).decode()
        prompt = repair_prompt(asked, view.meta.nonce, said, problems)
        return None if prompt is None else prompt.encode()


def _may_mend(failure: Failure, repairs: int) -> bool:
    """Whether the agent is asked again: a matter of its answer, and of one that words may mend."""
    is_broken = failure.failure_class is FailureClass.CONTRACT
    return is_broken and repairs > 0 and failure.code not in NOT_SENT_BACK
