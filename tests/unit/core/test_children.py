"""What a family is in full: its numbers, its window, whose child each one is."""

from __future__ import annotations

from builders import a_graph, a_run, after
from flowrunner.core.beginning import KEYS_PER_EVENT
from flowrunner.core.decision import Gather, Judge, Render
from flowrunner.core.graph import EachSpec, Overflow, RepeatSpec
from flowrunner.core.model import Family, Ref, RunState
from flowrunner.core.readiness import outstanding


def family_of(state: RunState) -> Family:
    family = state.steps[0].family
    assert family is not None
    return family


def children(state: RunState, known: int) -> list[tuple[str, int | None, int | None]]:
    return [(spec.key, spec.parent, spec.item) for spec in list(state.specs())[known:]]


def test_a_list_in_full() -> None:
    """F13, P7: what was cut is not counted; members know their parent and their place."""
    each = EachSpec(max_items=3, overflow=Overflow.FIRST, parallel=2, quorum_count=1)
    state = a_run(a_graph("l()", "o()", l={"each": each}), "l has:x,y,z,w")

    assert family_of(state) == Family(2, 3, live=3, released=2, needed=1, items=Ref("list"))
    assert children(state, 2) == [("l[x]", 0, 0), ("l[y]", 0, 1), ("l[z]", 0, 2)]
    assert [step.waiting for step in list(state.steps)[2:]] == [0, 0, 1]
    later = after(state, "l[x] done")
    assert family_of(later) == Family(
        2, 3, live=2, completed=1, released=3, needed=1, items=Ref("list")
    )
    assert later.steps[4].waiting == 0


def test_a_long_list_is_one_family_in_several_events() -> None:
    """F13, P7: each event adds to what the one before it began, and the window is one."""
    count, window = KEYS_PER_EVENT + 10, KEYS_PER_EVENT + 5
    each = EachSpec(max_items=count, parallel=window)
    keys = ",".join(str(number) for number in range(count))
    state = a_run(a_graph("l()", l={"each": each}), f"l has:{keys}")

    family = family_of(state)
    assert (family.first, family.size, family.live, family.released) == (1, count, count, window)
    assert children(state, 1)[-1] == (f"l[{count - 1}]", 0, count - 1)
    assert sum(step.waiting for step in state.steps) == count - window


def test_a_loop_in_full() -> None:
    """F15, P7: an iteration is a child by its number, and all of them must complete."""
    state = a_run(a_graph("r()", r={"repeat": RepeatSpec(at_most=3)}), "r[1] done", "r again")

    assert family_of(state) == Family(
        size=2, live=1, completed=1, needed=2, calls=(("1", 1), ("2", 2))
    )
    assert children(state, 1) == [("r[1]", 0, 1), ("r[2]", 0, 2)]


def test_calls_in_full() -> None:
    """D2-13, P7: in the order in which they were made, each its code's child."""
    state = a_run(a_graph("a()", "b()"), "a calls:x", "a calls:y", "a/x done")

    assert family_of(state) == Family(size=2, live=1, completed=1, calls=(("x", 2), ("y", 3)))
    assert children(state, 2) == [("a/x", 0, None), ("a/y", 0, None)]


def test_a_restart_asks_for_what_a_family_has_to_say() -> None:
    """P4, I6: a list is gathered and a loop judged once all of its children have ended."""
    graph = a_graph("l()", "r()", l={"each": EachSpec()}, r={"repeat": RepeatSpec(at_most=3)})
    state = a_run(graph, "l has:x,y", "l[x] done")

    assert list(outstanding(state)) == []
    assert list(outstanding(after(state, "l[y] done"))) == [Gather(0)]
    assert list(outstanding(after(state, "r[1] done"))) == [Judge(1, 1)]
    assert list(outstanding(after(state, "l[y] stop"))) == [Render(partial=True)]
