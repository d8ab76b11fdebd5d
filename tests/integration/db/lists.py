"""Runs with a list, moved by hand."""

from __future__ import annotations

from fixtures.by_hand import ByHand, a_body
from flowrunner.core import inputs as inp
from flowrunner.core.folding import fold
from flowrunner.core.graph import EachSpec, Graph, StepKind, StepSpec
from flowrunner.core.model import RunState
from flowrunner.core.scheduling import decide
from flowrunner.db.runs import load_run

EACH = EachSpec()


def a_list(each: EachSpec = EACH, **more: object) -> Graph:
    """A list of agents, and a step that needs it."""
    spec = StepSpec("list", StepKind.AGENT, each=each, **more)  # pyright: ignore[reportArgumentType]  # named fields
    return Graph((spec, StepSpec("after", StepKind.CODE, needs=(0,))))


async def as_stored(run: ByHand) -> None:
    """The run's rows say what the log says, and nothing more."""
    loaded = await load_run(run.conn, run.run_id)
    assert loaded is not None
    found = differences(loaded.state, run.state)
    assert not found, found


async def offer_at_once(run: ByHand, *keys: str) -> None:
    """Expand the list and offer all of its members in one decision, as the engine does."""
    ref, bodies = a_body("[]")
    prompt, more = a_body("do it")
    first = run.decide(inp.Expanded(0, keys, ref))
    state = fold(run.state, first.events)
    numbers = range(len(run.state.steps), len(state.steps))
    later = decide(state, [inp.PromptBuilt(number, prompt) for number in numbers])
    await run.commit(run.change(first.then(later), {**bodies, **more}))


def differences(stored: RunState, folded: RunState) -> list[str]:
    """What differs, in words: of the run, and of each step."""
    pairs = [
        (name, getattr(stored, name), getattr(folded, name))
        for name in ("status", "version", "remaining", "ready", "tolerated", "failure", "rejected")
    ]
    pairs += [("generation", stored.generation, folded.generation)]
    pairs += [("children", list(stored.children), list(folded.children))]
    numbers = range(max(len(stored.steps), len(folded.steps)))
    pairs += [(f"step {n}", stored.steps[n], folded.steps[n]) for n in numbers]
    return [f"{name}: the rows say {a}, the log {b}" for name, a, b in pairs if a != b]
