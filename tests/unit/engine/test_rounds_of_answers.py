"""Whatever an agent answers in its rounds, only an answer that fits ends its step well (P9)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from flowrunner import Flow, Produces, Report, ReportContext
from flowrunner.core import events as ev
from flowrunner.definitions.context import Context
from flowrunner.definitions.flow import Step
from flowrunner.engine.answers import parse_answer
from flowrunner.engine.repairing import ANSWER_CHARACTERS, PROBLEM_CHARACTERS, repair_prompt
from flowrunner.testing import Fails, rehearse

HERE = Path(__file__).parent
GOOD = {"count": 3}
ANSWERS: dict[str, object] = {
    "fits": GOOD,
    "fits in a block": f"Here:\n```json\n{json.dumps(GOOD)}\n```\n",
    "out of schema": {"count": "many"},
    "breaks its contract": {"count": 99},
    "no JSON": "I found three.",
    "cut off": '```json\n{"count": 3',
    "two blocks, the last one empty": f"```json\n{json.dumps(GOOD)}\n```\n```json\n{{}}\n```\n",
    "empty": "",
    "refused": Fails("no", "refused", "contract"),
    "overloaded": Fails("later", "overloaded", "transient"),
    "dead": Fails("it died"),
}
FITS = {"fits", "fits in a block"}
SENT_BACK = {"out of schema", "breaks its contract", "no JSON", "cut off", "empty",
             "two blocks, the last one empty"}  # fmt: skip


class Said(BaseModel):
    count: int


def few(_ctx: Context, answer: Said) -> list[str]:
    return [] if answer.count < 10 else ["fewer than ten"]


def report(ctx: ReportContext) -> Report:
    return Report(str(ctx.results.get("a")), outcome="ok")


def expected(names: list[str], repairs: int, retry: int) -> tuple[bool, int]:
    """Whether the step completes, and after how many attempts: the rules, said once more."""
    sent_back = failures = 0
    for attempt, name in enumerate(names, start=1):
        if name in FITS:
            return True, attempt
        if name in SENT_BACK and repairs > 0:
            if sent_back == repairs:
                return False, attempt
            sent_back += 1
            continue
        failures += 1
        if name == "dead" or failures > retry:
            return False, attempt
    raise AssertionError("the last answer goes on for ever")


@given(
    st.lists(st.sampled_from(sorted(ANSWERS)), min_size=1, max_size=7),
    st.integers(0, 3),
    st.integers(0, 2),
    st.sampled_from(["fail", "tolerate"]),
)
def test_a_run_completes_only_with_an_answer_that_fits(
    names: list[str], repairs: int, retry: int, on_fail: Literal["fail", "tolerate"]
) -> None:
    """P9, F7, F30: never more rounds than allowed, none taken from the retries, none for nothing."""
    step = Step(
        "a",
        run="Count.",
        output=Said,
        produces=Produces(check=few),
        repairs=repairs,
        retry=retry,
        on_fail=on_fail,
    )
    flow = Flow("x", [step], report)
    whole = [*names, "dead"]

    told = rehearse(flow, agents={"a": [ANSWERS[name] for name in whole]}, project=HERE)

    completes, attempts = expected(whole, repairs, retry)
    a = told.steps["a"]
    assert (a.status == "completed", a.attempts) == (completes, attempts)
    assert (told.status, told.degraded) == (
        ("completed", not completes) if completes or on_fail == "tolerate" else ("failed", False)
    )
    if completes:
        said = a.output if isinstance(a.output, str) else json.dumps(a.output)
        assert parse_answer(said, Said) == Said(count=3)
    rounds = [e for e in told.events if isinstance(e, ev.StepRetrying) and e.prompt is not None]
    assert len(rounds) <= repairs
    assert len(a.prompts) == attempts


@given(st.text(max_size=200), st.lists(st.text(max_size=80), min_size=1, max_size=60))
def test_a_round_quotes_and_says_all_that_went_before(said: str, problems: list[str]) -> None:
    """F58, V-07: one quote of the problems, one of the answer if there was one, and nothing else."""
    nonce = "n0nce"
    prompt = repair_prompt("Ask {this}.", nonce, said, problems)

    assert prompt is not None
    assert prompt.startswith("Ask {this}.\n")
    assert prompt.lower().count(nonce) == (4 if said.strip() else 2)
    assert prompt.count("\n- ") >= min(len(problems), 50)


@pytest.mark.parametrize(
    ("length", "is_cut"), [(ANSWER_CHARACTERS, False), (ANSWER_CHARACTERS + 1, True)]
)
def test_a_long_answer_is_quoted_in_part(length: int, *, is_cut: bool) -> None:
    """P11, F7: and says how much is missing; so does a long problem."""
    prompt = repair_prompt("Ask.", "n0nce", "x" * length, ["y" * (PROBLEM_CHARACTERS + 1)])

    assert prompt is not None
    assert ("\n[truncated: 1 more characters]\n<<end" in prompt) is is_cut
    assert "y [cut: 1 more characters]" in prompt


def test_what_no_agent_could_be_given_is_not_asked() -> None:
    """F7: a prompt that is as long as one may be is not made longer."""
    assert repair_prompt("x" * 3_999_999, "n0nce", "y", ["z"]) is None
