"""What must be true when a schedule is over, counted from the tables and from the log alone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from flowrunner.core import events as ev
from flowrunner.core.codec import decode
from flowrunner.core.draft import Draft
from flowrunner.core.graph import StepKind, Trigger
from flowrunner.core.model import Ref, RunId
from flowrunner.db.payloads import ref_of
from flowrunner.service.checking import (
    _Replay,  # pyright: ignore[reportPrivateUsage]  # what `check` does, on the model's rows
)
from simulation.author import REPAIRS, prompt_text
from simulation.dispatcher import agent_text
from simulation.still import loaded_run
from simulation.tables import Json, RunLine, Tables
from simulation.world import World

ENDS = {"step.completed", "step.failed", "step.retrying", "step.cancelled"}
LOST = {"lease_lost", "crash_loop"}


def judge(world: World, runs: Sequence[RunId]) -> None:
    """Complain about everything that is wrong."""
    tables = world.tables
    if len(tables.runs) != world.plan.runs or set(runs) != set(tables.runs):
        world.complain(f"D2-18: {world.plan.runs} launches made {len(tables.runs)} runs")
    for line in tables.runs.values():
        for told in (
            *replayed(tables, line),
            *_left_over(tables, line),
            *_reminded(line),
            *_refused(line),
        ):
            world.complain(told)
    for told in (*_kept(world), *_promised(world), *_amiss(tables)):
        world.complain(told)


def replayed(tables: Tables, line: RunLine) -> Iterator[str]:
    """P1, P7: each event is allowed after the one before, and the log says what the rows say."""
    replay = _Replay(loaded_run(tables, line.id))
    outputs: dict[int, Ref] = {}
    for seq, name, step, body in line.events:
        event = decode(name, step, body)
        yield from _seen(tables, line, event, replay._draft, outputs)  # pyright: ignore[reportPrivateUsage]  # read only
        replay.take(seq, event)
    yield from (f"{broken.code}: {broken.message}" for broken in replay.finish())


def _left_over(tables: Tables, line: RunLine) -> Iterator[str]:
    """P6: nothing is left of a run that has ended; P4: one that has not is seen by the detector."""
    if not line.has_ended:
        if line.id not in tables.live:
            yield "P4: a live run is not in live_runs"
        return
    left = [f"a task of step {step}" for run, step in tables.queue if run == line.id]
    left += [f"a {kind} timer" for run, _, kind in tables.timers if run == line.id]
    left += [
        f"a question of step {step}"
        for (run, step, _), asked in tables.questions.items()
        if run == line.id and asked.status == "open"
    ]
    left += [f"step {step.number}, {step.status}" for step in line.steps if not step.has_ended]
    yield from (f"P6: the run is {line.status}, but there is {what}" for what in left)


def _seen(
    tables: Tables, line: RunLine, event: ev.Event, draft: Draft, outputs: dict[int, Ref]
) -> Iterator[str]:
    """P1: an output is that of the attempt it ended; a prompt saw what the log says it should."""
    match event:
        case ev.RunRetried(steps=steps, reopened=reopened):
            for number in (*steps, *reopened):
                outputs.pop(number, None)
        case ev.StepCompleted(step=number, output=output):
            outputs[number] = output
            yield from _is_said(tables, line, event, draft)
        case ev.StepDispatched(step=number, prompt=prompt) if prompt is not None:
            yield from _is_asked(draft, outputs, number, prompt)
        case ev.StepRetrying(step=number, prompt=prompt) if prompt is not None:
            yield from _is_sent_back(tables, draft, number, prompt)
        case _:
            pass


def _is_said(tables: Tables, line: RunLine, event: ev.StepCompleted, draft: Draft) -> Iterator[str]:
    spec = draft.spec(event.step)
    if not spec.kind.is_offered or spec.has_children or not event.epoch:
        return
    task = f"{line.id}.{event.step}.{event.attempt}"
    if spec.kind is StepKind.AGENT:
        if event.output != ref_of(agent_text(task, event.epoch).encode()):
            yield f"P1: step {event.step} ended with what another attempt said"
        return
    said: Any = json.loads(tables.payloads[event.output])
    if said[:2] != [task, event.epoch]:
        yield f"P1: code step {event.step} ended with what another attempt computed"
    calls = dict(draft.family(event.step).calls)
    for key, answer in said[2].items():
        output = line_output(line, calls[key])
        if answer is not None and output != ref_of(answer.encode()):
            yield f"P1: call {key} of step {event.step} was answered with what its child never said"


def line_output(line: RunLine, number: int) -> str | None:
    """What the log says that a step said last."""
    said = [
        body["output"]
        for _, name, step, body in line.events
        if step == number and name == "step.completed"
    ]
    return said[-1] if said else None


def _is_sent_back(tables: Tables, draft: Draft, number: int, prompt: Ref) -> Iterator[str]:
    """F7: so often and no more, with all that was asked before; the words are there."""
    step = draft.step(number)
    asked = b"" if step.prompt is None else tables.payloads[step.prompt]
    if not tables.payloads.get(prompt, b"").startswith(asked) or step.prompt is None:
        yield f"F7: step {number} is asked something else after its answer was cut"
    if step.redos >= REPAIRS:
        yield f"F7: step {number} is sent back for the {step.redos + 1}th time"


def _is_asked(draft: Draft, outputs: dict[int, Ref], number: int, prompt: Ref) -> Iterator[str]:
    spec = draft.spec(number)
    is_graph = number < len(draft.graph.steps)
    if not is_graph or spec.trigger is not Trigger.ALL or spec.kind is not StepKind.AGENT:
        return
    if draft.step(number).redos:
        if prompt != draft.step(number).prompt:
            yield f"F7: step {number} was not told what was wrong with its answer"
        return
    needs = [(draft.spec(need).key, outputs.get(need)) for need in spec.needs]
    if prompt != ref_of(prompt_text(spec.key, needs)):
        yield f"P1: step {number} was asked about other results than its needs had"


def _kept(world: World) -> Iterator[str]:
    """P3: what was accepted is in the log; what reached the inbox in time was not lost."""
    ends = {
        (run.id, step, body.get("attempt"), body.get("epoch", 0)): body
        for run in world.tables.runs.values()
        for _, name, step, body in run.events
        if name in ENDS
    }
    by_epoch = {(run, step, epoch) for run, step, _, epoch in ends}
    for paid in world.paid:
        if (paid.run, paid.step, paid.epoch) not in by_epoch:
            yield f"P3: the accepted result of step {paid.step} under {paid.epoch} is not in the log"
    ended = {(run, step, attempt): epoch for run, step, attempt, epoch in ends if epoch}
    lost = {key for key, body in ends.items() if _is_lost(body)}
    for left in world.tables.left:
        key = (left.run, left.step, left.attempt)
        is_other = ended.get(key, left.epoch) != left.epoch
        if left.was_held and (is_other or (*key, left.epoch) in lost):
            yield f"P3: step {left.step} lost what was reported under {left.epoch} in time"


def _is_lost(body: Json) -> bool:
    return isinstance(body.get("error"), dict) and body["error"]["code"] in LOST


def _refused(line: RunLine) -> Iterator[str]:
    """P1: a repeated result is answered like the first time, while its attempt is the last."""
    applied: dict[int | None, int] = {}
    for seq, name, step, body in line.events:
        epoch = body.get("epoch", 0)
        if name in ENDS and epoch and not _is_lost(body):
            applied[step] = epoch
        elif name == "result.rejected" and applied.get(step) == epoch:
            yield f"P1: event {seq}: the result of step {step} was applied before under {epoch}"


def _reminded(line: RunLine) -> Iterator[str]:
    """P1: a timer fires once, whoever looks."""
    told: set[tuple[int | None, int]] = set()
    for seq, name, step, body in line.events:
        if name == "approval.requested":
            told = {(of, count) for of, count in told if of != step}
        elif name == "approval.reminded":
            if (step, body["count"]) in told:
                yield f"P1: event {seq}: reminder {body['count']} of step {step} came twice"
            told.add((step, body["count"]))


def _promised(world: World) -> Iterator[str]:
    """P12: what people were told was done, is in the log, and a cancelled run stays so."""
    for run, name, actor in world.acknowledged:
        events = world.tables.runs[run].events
        if not any(n == name and body.get("actor") == actor for _, n, _, body in events):
            yield f"P12: {actor} was promised {name}, and it is not in the log"


def _amiss(tables: Tables) -> Iterator[str]:
    """P2: epochs are given out once, and only grow within a task; usage is counted once."""
    held = Counter(place.epoch for place in tables.queue.values() if place.epoch is not None)
    yield from (f"P2: epoch {epoch} is held twice" for epoch, n in held.items() if n > 1)
    for line in tables.runs.values():
        before: dict[int, int] = {}
        spent = [0, 0, 0]
        for seq, name, step, body in line.events:
            usage = body.get("usage", {})
            for at, part in enumerate(("input_tokens", "output_tokens", "cost_microusd")):
                spent[at] += usage.get(part, 0)
            epoch = body.get("epoch", 0) if name.startswith("step.") else 0
            if epoch and step is not None:
                if epoch <= before.get(step, 0):
                    yield f"P2: event {seq}: epoch {epoch} of step {step} came before"
                before[step] = epoch
        if tuple(spent) != line.spent:
            yield f"P10: the run says it spent {line.spent}, its log {spent}"


def standing(world: World) -> str:
    """Tell of what is still live what there is to tell."""
    told: list[str] = []
    for run in sorted(world.tables.live, key=lambda run: run.int):
        line = world.tables.runs[run]
        steps = [f"{s.key}:{s.status}#{s.attempt}" for s in line.steps if not s.has_ended]
        queue = [
            f"{p.step}#{p.attempt}/{p.epoch}" for p in world.tables.queue.values() if p.run == run
        ]
        timers = [f"{kind} {step}" for of, step, kind in world.tables.timers if of == run]
        told.append(f"{line.status} ready {line.ready} {steps} queue {queue} timers {timers}")
    return "; ".join(told) or "people or the inbox wait"
