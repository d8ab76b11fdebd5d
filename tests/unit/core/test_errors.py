"""How a problem reads, and what errors carry."""

import pytest

from flowrunner.core import errors
from flowrunner.core.errors import InvalidFlowError, NotFoundError, Problem


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (Problem("cycle", "a -> a"), "cycle: a -> a"),
        (Problem("cycle", "a -> a", file="f.py"), "f.py: cycle: a -> a"),
        (Problem("cycle", "a -> a", file="f.py", line=3), "f.py:3: cycle: a -> a"),
        (Problem("cycle", "m", file="f.yaml", line=3, column=7), "f.yaml:3:7: cycle: m"),
        (Problem("too-long", "m", pointer="/input/q"), "/input/q: too-long: m"),
        (Problem("cycle", "m", hint="break it"), "cycle: m\n    hint: break it"),
    ],
)
def test_a_problem_reads_place_code_message_hint(problem: Problem, text: str) -> None:
    """What is known of the place stands in front, as compilers write it."""
    assert str(problem) == text


def test_an_error_keeps_what_it_was_given() -> None:
    """Hint and context reach whoever renders the error."""
    error = NotFoundError("no such run", hint="list them", run_id="r1")

    assert (str(error), error.hint, error.context) == (
        "no such run",
        "list them",
        {"run_id": "r1"},
    )


def test_an_invalid_flow_carries_every_problem() -> None:
    """All problems travel with the error, in order."""
    problems = [Problem("cycle", "a"), Problem("bad-step-id", "b")]

    assert InvalidFlowError("2 problems", problems).problems == tuple(problems)


def test_the_page_of_errors_names_them_all() -> None:
    """The module's table lists each class a caller may have to tell apart."""
    kinds = [
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type)
        and issubclass(kind, errors.FlowRunnerError)
        and not name.startswith("_")
    ]

    assert len(kinds) > 5
    assert [name for name in kinds if name not in (errors.__doc__ or "")] == []
    codes = [getattr(errors, name).code for name in kinds]
    assert len(set(codes)) == len(codes)
