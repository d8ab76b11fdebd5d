"""What can be wrong with a step that becomes many: one per member of a list, or one per round."""

from __future__ import annotations

from collections.abc import Iterator

from flowrunner.core.errors import Problem
from flowrunner.definitions.complaints import choice, complain, count, function, is_count
from flowrunner.definitions.flow import Each, Repeat, Step
from flowrunner.definitions.policy_checks import WITHOUT_TASK
from flowrunner.definitions.shapes import as_text, shown, wrong_function

MEMBERS = range(1, 10_001)
ROUNDS = range(1, 1001)
OVERFLOWS = ("fail", "first")
WHEN_EXHAUSTED = ("fail", "complete")


def check_family(step: Step) -> Iterator[Problem]:
    """Yield what is wrong with `each` and `repeat`."""
    yield from _placed(step)
    if isinstance(step.each, Each):
        yield from _each(step, step.each)
    elif step.each is not None:
        hint = f'write each=Each("{step.each}")' if as_text(step.each) else None
        message = f"each must be Each(...), not {shown(step.each)}"
        yield complain(step, "bad-each", message, hint)
    if isinstance(step.repeat, Repeat):
        yield from _repeat(step, step.repeat)
    elif step.repeat is not None:
        message = f"repeat must be Repeat(...), not {shown(step.repeat)}"
        yield complain(step, "bad-repeat", message)


def _placed(step: Step) -> Iterator[Problem]:
    given = [name for name in ("each", "repeat") if getattr(step, name) is not None]
    if step.kind in WITHOUT_TASK:
        for name in given:
            message = f"a step of kind {step.kind} cannot have {name}="
            yield complain(step, f"bad-{name}", message)
    elif len(given) > 1:
        hint = "let one step repeat, and another have each="
        yield complain(step, "bad-repeat", "each= and repeat= cannot go together", hint)


def _each(step: Step, each: Each) -> Iterator[Problem]:
    if as_text(each.over) is None:
        if each.over is None or not callable(each.over):
            message = f"each.over must be a step's id or a function, not {shown(each.over)}"
            yield complain(step, "bad-each", message)
        elif wrong := wrong_function(each.over, may_wait=True):
            yield complain(step, "bad-each", f"each.over {wrong}")
    yield from function(step, "bad-each", "each.key", each.key)
    yield from count(step, "bad-each", "each.max_items", each.max_items, MEMBERS)
    yield from count(step, "bad-each", "each.parallel", each.parallel, MEMBERS)
    yield from choice(step, "each.overflow", each.overflow, OVERFLOWS, code="bad-each")
    yield from _quorum(step, each)


def _quorum(step: Step, each: Each) -> Iterator[Problem]:
    quorum: object = each.quorum
    if quorum is None or (isinstance(quorum, float) and 0 < quorum <= 1):
        return
    most = each.max_items if is_count(each.max_items, MEMBERS) else MEMBERS[-1]
    if not is_count(quorum, range(1, most + 1)):
        message = f"each.quorum must be a number from 1 to {most:,}, or a share up to 1.0"
        yield complain(step, "bad-each", f"{message}, not {shown(quorum)}")


def _repeat(step: Step, repeat: Repeat) -> Iterator[Problem]:
    if repeat.until is None:  # pyright: ignore[reportUnnecessaryComparison]  # a file may break it
        yield complain(step, "bad-repeat", "repeat.until must be a function, not None")
    yield from function(step, "bad-repeat", "repeat.until", repeat.until)
    yield from count(step, "bad-repeat", "repeat.at_most", repeat.at_most, ROUNDS)
    exhausted = repeat.on_exhausted
    yield from choice(step, "repeat.on_exhausted", exhausted, WHEN_EXHAUSTED, code="bad-repeat")
