"""Check a flow's shape before anything runs: every problem at once, each with its place (D2-26)."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from flowrunner.core.errors import Problem
from flowrunner.core.graph import StepKind

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\Z")
MAX_STEPS = 10_000
MAX_PROBLEMS = 100
"""How many are told of one flow: a hint asks all names, and nobody reads thousands."""
_SHOWN_IN_CYCLE = 12
_MOST_CYCLES = 20


@dataclass(frozen=True, slots=True)
class StepDraft:
    """A step as written, before its names are resolved; *references* come from its template.

    *redo_from* is the step that a rejected approval goes back to.
    """

    key: str
    kind: StepKind
    needs: tuple[str, ...] = ()
    persona: str | None = None
    file: str | None = None
    line: int | None = None
    references: tuple[str, ...] = ()
    redo_from: str | None = None


def check_graph(drafts: Sequence[StepDraft], *, personas: Collection[str]) -> tuple[Problem, ...]:
    """Return everything wrong with the flow's shape; an empty answer means it can be built."""
    by_key = {draft.key: draft for draft in reversed(drafts)}
    found = [*_counts(drafts), *_names(drafts), *_duplicates(drafts)]
    for draft in drafts:
        if len(found) > MAX_PROBLEMS:
            return first_of(found)
        found += _needs(draft, by_key)
        found += _persona(draft, personas)
    found += _cycles(by_key)
    above = _ancestors(by_key) if any(d.references or d.redo_from for d in drafts) else {}
    for draft in drafts:
        if len(found) > MAX_PROBLEMS:
            break
        found += [*_references(draft, above), *_redo(draft, above)]
    return first_of(found)


def first_of(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """Return as many problems as are told of one flow, and that there are more."""
    if len(problems) <= MAX_PROBLEMS:
        return tuple(problems)
    kept = tuple(each for each in problems if each.code != "too-many-problems")[:MAX_PROBLEMS]
    message = f"there are more: these {MAX_PROBLEMS} are what was found first"
    return (*kept, Problem("too-many-problems", message, kept[0].file))


def closest(name: str, known: Collection[str]) -> str | None:
    """Ask whether the closest known word was meant, if one is close."""
    close = difflib.get_close_matches(name, sorted(known), n=1)
    return f"did you mean '{close[0]}'?" if close else None


def suggest(name: str, known: Collection[str]) -> str | None:
    """Name the closest known word, as a hint, or else what is known."""
    if meant := closest(name, known):
        return meant
    shown = sorted(known)
    rest = f" and {len(shown) - 8} more" if len(shown) > 8 else ""  # noqa: PLR2004
    return f"known: {', '.join(shown[:8])}{rest}" if shown else None


def _problem(draft: StepDraft, code: str, message: str, hint: str | None = None) -> Problem:
    return Problem(code, message, file=draft.file, line=draft.line, hint=hint)


def _counts(drafts: Sequence[StepDraft]) -> Iterator[Problem]:
    if len(drafts) > MAX_STEPS:
        first = drafts[MAX_STEPS]
        yield _problem(first, "too-many-steps", f"{len(drafts)} steps, at most {MAX_STEPS}")


def _names(drafts: Sequence[StepDraft]) -> Iterator[Problem]:
    for draft in drafts:
        if not _NAME.match(draft.key):
            hint = "1 to 64 of a-z, 0-9, '-' and '_', beginning with a letter or digit"
            yield _problem(draft, "bad-step-id", f"'{draft.key}' cannot name a step", hint)


def _duplicates(drafts: Sequence[StepDraft]) -> Iterator[Problem]:
    first: dict[str, StepDraft] = {}
    for draft in drafts:
        known = first.setdefault(draft.key, draft)
        if known is not draft:
            parts = (part for part in (known.file, known.line) if part is not None)
            place = ":".join(map(str, parts)) or "earlier"
            message = f"step '{draft.key}' is already defined ({place})"
            yield _problem(draft, "duplicate-step", message)


def _needs(draft: StepDraft, by_key: Mapping[str, StepDraft]) -> Iterator[Problem]:
    unknown = (need for need in draft.needs if need not in by_key)
    for need in islice(unknown, MAX_PROBLEMS + 1):
        message = f"step '{draft.key}' needs '{need}', but the flow has no such step"
        others = by_key.keys() - {draft.key}
        yield _problem(draft, "unknown-dependency", message, suggest(need, others))
    for need in sorted(need for need, count in Counter(draft.needs).items() if count > 1):
        yield _problem(draft, "duplicate-dependency", f"step '{draft.key}' needs '{need}' twice")


def _persona(draft: StepDraft, personas: Collection[str]) -> Iterator[Problem]:
    if draft.persona is None:
        return
    if draft.kind is not StepKind.AGENT:
        message = f"step '{draft.key}' is of kind {draft.kind.value} and cannot have a persona"
        yield _problem(draft, "persona-without-agent", message)
    elif draft.persona not in personas:
        message = f"step '{draft.key}' asks for persona '{draft.persona}', which is not known"
        yield _problem(draft, "unknown-persona", message, suggest(draft.persona, personas))


@dataclass(slots=True)
class _Above:
    """A step's own bit, and the bits of all that ended before it began."""

    bit: int
    bits: int = 0


def _references(draft: StepDraft, above: Mapping[str, _Above]) -> Iterator[Problem]:
    """Allow a step to read only what certainly ended before it began (V-03, V-08)."""
    for name in dict.fromkeys(draft.references):
        if name not in above:
            message = f"step '{draft.key}' refers to '{name}', but the flow has no such step"
            yield _problem(draft, "unknown-reference", message, suggest(name, above.keys()))
        elif not _is_above(name, draft.key, above):
            message = f"step '{draft.key}' refers to '{name}', which need not have ended before it"
            hint = f"add '{name}' to the needs of '{draft.key}'"
            yield _problem(draft, "reference-not-ancestor", message, hint)


def _redo(draft: StepDraft, above: Mapping[str, _Above]) -> Iterator[Problem]:
    name = draft.redo_from
    if name is None:
        return
    if name not in above:
        message = f"step '{draft.key}' is redone from '{name}', but the flow has no such step"
        yield _problem(draft, "unknown-redo", message, suggest(name, above.keys()))
    elif not _is_above(name, draft.key, above):
        message = f"step '{draft.key}' is redone from '{name}', which does not come before it"
        hint = f"add '{name}' to the needs of '{draft.key}', or name a step that leads to it"
        yield _problem(draft, "redo-not-ancestor", message, hint)


def _path(cycle: Sequence[str]) -> str:
    if len(cycle) <= _SHOWN_IN_CYCLE:
        return " -> ".join(cycle)
    rest = f"… {len(cycle) - _SHOWN_IN_CYCLE} more …"
    return " -> ".join([*cycle[: _SHOWN_IN_CYCLE - 2], rest, *cycle[-2:]])


def _is_above(name: str, key: str, above: Mapping[str, _Above]) -> bool:
    return bool(above[key].bits & above[name].bit)


def _ancestors(by_key: Mapping[str, StepDraft]) -> dict[str, _Above]:
    """Find what ends before each step; a set of steps is one number, so that 10,000 are cheap."""
    needs = {key: [n for n in set(by_key[key].needs) if n in by_key] for key in by_key}
    above = {key: _Above(1 << at) for at, key in enumerate(by_key)}
    order = _downwards(needs)
    changed = True
    # Without a cycle the second round finds nothing; with one, turning round takes few.
    while changed:
        changed = False
        for key in order:
            bits = 0
            for name in needs[key]:
                bits |= above[name].bits | above[name].bit
            if bits != above[key].bits:
                above[key].bits = bits
                changed = True
        order.reverse()
    return above


def _downwards(needs: Mapping[str, Sequence[str]]) -> list[str]:
    """Return needs before what needs them; what is in a cycle, or below one, comes last."""
    below: dict[str, list[str]] = {key: [] for key in needs}
    for key, names in needs.items():
        for name in names:
            below[name].append(key)
    missing = {key: len(names) for key, names in needs.items()}
    order = [key for key, count in missing.items() if not count]
    for key in order:
        for name in below[key]:
            missing[name] -= 1
            if not missing[name]:
                order.append(name)  # which the loop then reaches
    return order + [key for key, count in missing.items() if count]


def _cycles(by_key: Mapping[str, StepDraft]) -> Iterator[Problem]:
    """Tell each cycle that shares no step with one that was told."""
    left = dict(by_key)
    for _ in range(_MOST_CYCLES):
        cycle = _cycle(left)
        if not cycle:
            return
        yield _problem(by_key[cycle[0]], "cycle", f"steps need each other: {_path(cycle)}")
        within = set(cycle)
        left = {key: draft for key, draft in left.items() if key not in within}


def _cycle(by_key: Mapping[str, StepDraft]) -> tuple[str, ...]:
    """Find one cycle as a closed path, by depth-first search without recursion."""
    done: set[str] = set()
    for root in by_key:
        path: list[str] = []
        on_path: set[str] = set()
        stack: list[tuple[str, bool]] = [(root, False)]
        while stack:
            name, leaving = stack.pop()
            if leaving:
                path.pop()
                on_path.discard(name)
                done.add(name)
            elif name in on_path:
                return (*path[path.index(name) :], name)
            elif name not in done:
                path.append(name)
                on_path.add(name)
                stack.append((name, True))
                needs = (need for need in reversed(by_key[name].needs) if need in by_key)
                stack += [(need, False) for need in needs]
    return ()
