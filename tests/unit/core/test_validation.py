"""What is refused before anything runs: every problem at once, each with place and hint."""

import pytest

from flowrunner.core.errors import Problem
from flowrunner.core.graph import StepKind
from flowrunner.core.validation import MAX_STEPS, StepDraft, check_graph, suggest

PERSONAS = ("bug-hunter", "summarizer")


def draft(key: str, *needs: str, refers: tuple[str, ...] = (), line: int | None = 1) -> StepDraft:
    return StepDraft(key, StepKind.AGENT, needs, file="f.py", line=line, references=refers)


def problem(code: str, message: str, hint: str | None = None, *, line: int | None = 1) -> Problem:
    return Problem(code, message, file="f.py", line=line, hint=hint)


def found(*drafts: StepDraft) -> tuple[Problem, ...]:
    return check_graph(drafts, personas=PERSONAS)


def test_a_sound_flow_has_no_problems() -> None:
    """Diamonds, known personas and references to ancestors are fine."""
    hunter = StepDraft("a", StepKind.AGENT, persona="bug-hunter")

    assert (
        found(hunter, draft("b", "a"), draft("c", "a"), draft("d", "b", "c", refers=("a",))) == ()
    )


def test_an_empty_flow_is_sound() -> None:
    """A flow without steps is a report over nothing."""
    assert found() == ()


@pytest.mark.parametrize("key", ["A", "", "-a", "_a", "a b", "a.b", "ä", "a" * 65, "a\n"])
def test_a_bad_step_id_is_refused(key: str) -> None:
    """An id outside the allowed letters is named with the rule for ids (D2-26)."""
    hint = "1 to 64 of a-z, 0-9, '-' and '_', beginning with a letter or digit"

    assert found(draft(key)) == (problem("bad-step-id", f"'{key}' cannot name a step", hint),)


@pytest.mark.parametrize("key", ["a", "0", "find-bugs", "a_b-c", "a" * 64])
def test_a_good_step_id_is_taken(key: str) -> None:
    """Hyphens and underscores may stand inside, 64 characters are allowed."""
    assert found(draft(key)) == ()


def test_a_duplicate_step_names_the_first_one() -> None:
    """The second definition is reported, with the place of the first (D2-26)."""
    assert found(draft("a", line=3), draft("b", line=4), draft("a", line=9)) == (
        problem("duplicate-step", "step 'a' is already defined (f.py:3)", line=9),
    )


def test_a_duplicate_without_a_place_says_earlier() -> None:
    """A file without a line is named alone, and no place at all is said in words."""
    nowhere = StepDraft("a", StepKind.CODE)

    assert found(draft("a", line=None), draft("a")) == (
        problem("duplicate-step", "step 'a' is already defined (f.py)"),
    )
    assert check_graph([nowhere, StepDraft("a", StepKind.CODE)], personas=()) == (
        Problem("duplicate-step", "step 'a' is already defined (earlier)"),
    )


def test_an_unknown_dependency_suggests_the_nearest_name() -> None:
    """A misspelt need is refused when the flow is loaded, with what was probably meant (D2-26)."""
    assert found(draft("find-bugs"), draft("report", "find-bug", line=7)) == (
        problem(
            "unknown-dependency",
            "step 'report' needs 'find-bug', but the flow has no such step",
            "did you mean 'find-bugs'?",
            line=7,
        ),
    )


def test_a_dependency_named_twice_is_refused_once() -> None:
    """A need that is repeated, even more than twice, is one problem."""
    assert found(draft("a"), draft("b", "a", "a", "a")) == (
        problem("duplicate-dependency", "step 'b' needs 'a' twice"),
    )


def test_an_unknown_persona_suggests_the_nearest_name() -> None:
    """A persona that no file defines is refused when the flow is loaded (D2-26)."""
    hunter = StepDraft("a", StepKind.AGENT, persona="bug-huntr", file="f.py", line=2)

    assert found(hunter) == (
        problem(
            "unknown-persona",
            "step 'a' asks for persona 'bug-huntr', which is not known",
            "did you mean 'bug-hunter'?",
            line=2,
        ),
    )


def test_code_has_no_persona() -> None:
    """A persona on a code step would be ignored: refused instead."""
    assert found(StepDraft("a", StepKind.CODE, persona="bug-hunter", file="f.py", line=1)) == (
        problem("persona-without-agent", "step 'a' is of kind code and cannot have a persona"),
    )


@pytest.mark.parametrize(
    ("drafts", "path"),
    [
        ((draft("a", "a"),), "a -> a"),
        ((draft("a", "b"), draft("b", "a")), "b -> a -> b"),
        ((draft("a", "b"), draft("b", "a"), draft("x", "a")), "a -> b -> a"),
        ((draft("a"), draft("b", "a", "d"), draft("c", "b"), draft("d", "c")), "d -> c -> b -> d"),
        ((draft("a", "b", "x"), draft("b", "c"), draft("c", "b"), draft("x")), "c -> b -> c"),
    ],
)
def test_a_cycle_is_shown_as_a_path(drafts: tuple[StepDraft, ...], path: str) -> None:
    """The path begins and ends with the same step, and steps outside it stay out (D2-26)."""
    assert found(*drafts) == (problem("cycle", f"steps need each other: {path}"),)


def test_a_shared_need_is_no_cycle() -> None:
    """A step reached on two ways is visited twice and is no cycle."""
    assert found(draft("a", "b", "c"), draft("b", "c"), draft("c")) == ()


def test_a_reference_to_nobody_is_refused() -> None:
    """V-03: a template that names a step the flow does not have is refused at load."""
    assert found(draft("scan"), draft("report", "scan", refers=("scna", "scna"))) == (
        problem(
            "unknown-reference",
            "step 'report' refers to 'scna', but the flow has no such step",
            "did you mean 'scan'?",
        ),
    )


@pytest.mark.parametrize("stranger", ["sibling", "below", "report"])
def test_only_ancestors_can_be_referred_to(stranger: str) -> None:
    """V-08: a sibling, a dependent or the step itself need not have ended before it."""
    drafts = (
        draft("root"),
        draft("sibling"),
        draft("middle", "root"),
        draft("report", "middle", refers=("root", "middle", stranger)),
        draft("below", "report"),
    )

    assert found(*drafts) == (
        problem(
            "reference-not-ancestor",
            f"step 'report' refers to '{stranger}', which need not have ended before it",
            f"add '{stranger}' to the needs of 'report'",
        ),
    )


def test_everything_wrong_is_said_at_once() -> None:
    """One answer holds every problem, even beside a cycle, so that nobody fixes one per try."""
    drafts = (
        draft("Bad"),
        draft("a", "b", "nope"),
        draft("b", "a", refers=("lost",)),
        draft("b"),
        StepDraft("c", StepKind.CODE, persona="bug-hunter"),
        StepDraft("d", StepKind.AGENT, ("a", "a"), persona="nobody", references=("c",)),
    )

    assert [problem.code for problem in found(*drafts)] == [
        "bad-step-id",
        "duplicate-step",
        "unknown-dependency",
        "persona-without-agent",
        "duplicate-dependency",
        "unknown-persona",
        "cycle",
        "unknown-reference",
        "reference-not-ancestor",
    ]


def test_too_many_steps_are_refused() -> None:
    """The bound is allowed and one more is not; the first step beyond it is named."""
    drafts = [draft(f"s{n}", line=n) for n in range(MAX_STEPS + 1)]

    assert found(*drafts[:-1]) == ()
    assert found(*drafts) == (
        problem("too-many-steps", "10001 steps, at most 10000", line=MAX_STEPS),
    )


def test_a_long_chain_is_checked_without_recursion() -> None:
    """Ten thousand steps in a row are deeper than any call stack."""
    chain = [draft("s0"), *(draft(f"s{n}", f"s{n - 1}") for n in range(1, MAX_STEPS))]

    assert found(*reversed(chain)) == ()


@pytest.mark.parametrize(
    ("known", "hint"),
    [
        ([], None),
        (["alpha"], "known: alpha"),
        ([f"k{n}" for n in range(8)], "known: k0, k1, k2, k3, k4, k5, k6, k7"),
        ([f"k{n}" for n in range(9)], "known: k0, k1, k2, k3, k4, k5, k6, k7 and 1 more"),
    ],
)
def test_without_a_close_name_the_known_ones_are_listed(known: list[str], hint: str | None) -> None:
    """A hint stays short: at most eight names, and how many more there are."""
    assert suggest("zzz", known) == hint
