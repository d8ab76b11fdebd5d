"""How a ready step begins: it is offered, expanded, put to sleep, or a person is asked."""

from __future__ import annotations

from flowrunner.core import events as ev
from flowrunner.core import inputs as inp
from flowrunner.core.bodies import NOTHING
from flowrunner.core.deciding import Deciding
from flowrunner.core.decision import Gather, Judge, Prepare, Verdict
from flowrunner.core.draft import is_decided
from flowrunner.core.graph import Overflow, StepKind
from flowrunner.core.model import Failure, Ref, StepStatus
from flowrunner.core.readiness import needs_preparing

KEYS_PER_EVENT = 1000


def offer(deciding: Deciding, number: int) -> None:
    """Begin a step that became ready, or ask what has to be asked before."""
    if not deciding.step(number).is_ready:
        return
    if deciding.draft.failure is not None:
        deciding.emit(ev.StepCancelled(number, "sibling_failed"))
    elif needs_preparing(deciding.spec(number), deciding.step(number)):
        deciding.asks[Prepare(number)] = None
    else:
        begin(deciding, number)


def begin(deciding: Deciding, number: int, prompt: Ref | None = None) -> None:
    """Offer the step, or its first iteration."""
    if deciding.spec(number).repeat is not None:
        deciding.emit(ev.StepIterated(number, deciding.draft.size, 1))
    else:
        deciding.dispatch(number, prompt)


def prepared(deciding: Deciding, given: inp.GuardEvaluated | inp.PromptBuilt) -> Verdict:
    """The answer of a step's `when`, or its prompt."""
    number = given.step
    if not deciding.step(number).is_ready:
        return Verdict.LATE
    spec = deciding.spec(number)
    match given.answer:
        case Failure() as error:
            deciding.end_failed(number, error)
        case False if spec.has_when:
            deciding.emit(ev.StepSkipped(number, "when_false"))
        case False:
            return Verdict.LATE
        case True:
            # The yes of an agent is its prompt, that of a list its members, and so on.
            if spec.repeat is None and (spec.kind is not StepKind.CODE or spec.each is not None):
                return Verdict.LATE
            begin(deciding, number)
        case prompt:
            if spec.kind is not StepKind.AGENT or spec.has_children:
                return Verdict.LATE
            deciding.dispatch(number, prompt)
    return Verdict.ACCEPTED


def expand(deciding: Deciding, given: inp.Expanded) -> Verdict:
    """Make one child per member, as many as the step allows."""
    number, each = given.step, deciding.spec(given.step).each
    if each is None or not deciding.step(number).is_ready:
        return Verdict.LATE
    total = len(given.keys)
    if total > each.max_items and each.overflow is Overflow.FAIL:
        message = f"the list has {total} members, at most {each.max_items} are allowed"
        deciding.end_failed(number, Failure("too_many_items", message))
        return Verdict.ACCEPTED
    keys = given.keys[: each.max_items]
    needed = each.needed(len(keys))
    if needed > len(keys):
        message = f"the list has {len(keys)} members, but {needed} must complete"
        deciding.end_failed(number, Failure("quorum_missed", message))
        return Verdict.ACCEPTED
    for at in range(0, len(keys) or 1, KEYS_PER_EVENT):
        some, dropped = keys[at : at + KEYS_PER_EVENT], total - len(keys)
        first = deciding.draft.size
        deciding.emit(ev.StepExpanded(number, first, some, given.items, total, needed, dropped))
    return Verdict.ACCEPTED


def sleep(deciding: Deciding, given: inp.WaitSet) -> Verdict:
    """Begin a wait; one that is over already completes at once."""
    number = given.step
    if deciding.spec(number).kind is not StepKind.WAIT or not deciding.step(number).is_ready:
        return Verdict.LATE
    if given.seconds > 0:
        deciding.emit(ev.StepSlept(number, given.seconds))
        token = deciding.step(number).attempt
        deciding.set_timer(inp.TimerKind.WAKE, number, token, given.seconds)
    else:
        deciding.complete(number, NOTHING)
    return Verdict.ACCEPTED


def look_at_family(deciding: Deciding, number: int) -> None:
    """See what the children's ends mean for a parent that waits for them."""
    step, spec = deciding.step(number), deciding.spec(number)
    family = step.family
    if step.status is not StepStatus.BLOCKED or family is None or not is_decided(family):
        return
    if family.size - family.failed < family.needed:
        what = "iteration" if spec.repeat is not None else "member"
        message = f"{family.failed} of {family.size} {what}s failed, {family.needed} must complete"
        deciding.end_failed(number, Failure("children_failed", message))
    elif family.completed + family.failed < family.size:
        # Its other children were stopped while this one drained: half a list is no result.
        deciding.emit(ev.StepCancelled(number, "sibling_failed"))
    elif spec.repeat is not None:
        deciding.asks[Judge(number, family.size)] = None
    else:
        deciding.asks[Gather(number)] = None


def gathered(deciding: Deciding, given: inp.Gathered) -> Verdict:
    """The list of a step's results is there."""
    step = deciding.step(given.step)
    is_due = step.family is not None and step.family.live == 0
    if step.status is not StepStatus.BLOCKED or not is_due:
        return Verdict.LATE
    if deciding.spec(given.step).each is None:
        return Verdict.LATE
    if isinstance(given.answer, Failure):
        deciding.end_failed(given.step, given.answer)
    else:
        deciding.complete(given.step, given.answer)
    return Verdict.ACCEPTED


def judged(deciding: Deciding, given: inp.LoopJudged) -> Verdict:
    """The loop is done, goes on, or has used up its iterations."""
    number, repeat = given.step, deciding.spec(given.step).repeat
    step = deciding.step(number)
    family = step.family
    if step.status is not StepStatus.BLOCKED or repeat is None or family is None:
        return Verdict.LATE
    if family.live > 0 or family.size != given.iteration:
        return Verdict.LATE
    if isinstance(given.answer, Failure):
        deciding.end_failed(number, given.answer)
    elif given.answer or given.iteration >= repeat.at_most:
        _end_loop(deciding, given, fails=not given.answer and repeat.fails_when_exhausted)
    elif deciding.run.failure is not None:
        deciding.emit(ev.StepCancelled(number, "sibling_failed"))
    else:
        deciding.emit(ev.StepIterated(number, deciding.draft.size, given.iteration + 1))
    return Verdict.ACCEPTED


def _end_loop(deciding: Deciding, given: inp.LoopJudged, *, fails: bool) -> None:
    if fails or given.output is None:
        message = f"not done after {given.iteration} iterations"
        deciding.end_failed(given.step, Failure("loop_exhausted", message))
    else:
        deciding.complete(given.step, given.output)
