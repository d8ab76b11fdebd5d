"""What a launch is told before anything is written: input, band, gates."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import pytest
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from flowrunner.core.errors import InvalidFlowError, InvalidInputError, Problem
from flowrunner.definitions.context import Context, Launch, Project, Report, ReportContext
from flowrunner.definitions.definition import Definition
from flowrunner.definitions.flow import Flow, NoInput, Step
from flowrunner.definitions.graph import build_graph
from flowrunner.definitions.manifest import LaunchPlan, plan_launch

T = TypeVar("T")
PROJECT = Project(1, "demo", Path("/demo"))
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Place(BaseModel):
    line: int


class Asked(BaseModel):
    """The flow's own input; note that it would ignore what it does not know."""

    question: Text
    depth: int = 1
    places: dict[str, Place] = {}
    tags: list[Text] = []


def ask(_ctx: Context) -> str:
    return "why?"


def render(_ctx: ReportContext) -> Report:
    return Report("")


def always(answer: T) -> Callable[[Launch], T]:
    def same(_launch: Launch) -> T:
        return answer

    return same


def deep_enough(launch: Launch) -> bool:
    return launch.given(Asked).depth > 1


def a_definition(*steps: Step, **options: object) -> Definition:
    given = {"input": Asked, "render": render, "steps": steps, **options}
    flow = Flow("demo", **given)  # pyright: ignore[reportArgumentType]  # each test names its own
    graph = build_graph(flow)
    return Definition("demo", flow, graph, graph.to_json(), "0" * 64, {}, {}, Path(), "demo.py")


def refused(definition: Definition, raw: dict[str, object], band: str | None = None) -> list[str]:
    with pytest.raises(InvalidInputError) as error:
        plan_launch(definition, raw, band, PROJECT)
    return [str(problem) for problem in error.value.problems]


def test_excluded_steps_carry_their_reason() -> None:
    """R2-06, R2-15, D2-21, F8, F11: what does not take part is kept, with the gate or band that says so."""
    definition = a_definition(
        Step("always", run=ask),
        Step("deep", run=ask, gate=deep_enough),
        Step("large-only", run=ask, bands=("large",)),
        Step("never", run=ask, gate=lambda launch: launch.band == "none"),
    )

    plan = plan_launch(definition, {"question": "why?"}, "medium", PROJECT)

    assert plan.excluded == {
        1: "gate 'deep_enough' is false",
        2: "not in band medium: only in large",
        3: "gate of the step is false",
    }


def test_a_gate_sees_input_band_and_project() -> None:
    """R2-04, R2-06: all that is known at launch, and the chosen band rather than `auto`."""
    seen: list[Launch] = []

    def look(launch: Launch) -> bool:
        seen.append(launch)
        return True

    definition = a_definition(Step("a", run=ask, gate=look), choose_band=always("large"))

    plan = plan_launch(definition, {"question": " why? ", "depth": 2}, None, PROJECT)

    assert seen == [Launch(Asked(question="why?", depth=2), "large", PROJECT)]
    assert plan == LaunchPlan(seen[0].input, plan.input_json, "large", {})
    assert plan.input_json == {"question": "why?", "depth": 2, "places": {}, "tags": []}


@pytest.mark.parametrize("question", ["", "  \n", 3, None])
def test_a_blank_or_non_text_question_is_refused(question: object) -> None:
    """R2-02, D2-36: each flow's own model says what it must be given."""
    (problem,) = refused(a_definition(), {"question": question})

    assert problem.startswith("/input/question: string-")


def test_a_flow_without_questions_asks_for_none() -> None:
    """D2-36: a flow that takes no input is launched with none, and refuses any."""
    definition = a_definition(input=NoInput)

    assert plan_launch(definition, {}, None, PROJECT).band == "small"
    assert refused(definition, {"question": "why?"}) == [
        "/input/question: unknown-field: the flow takes no 'question'"
    ]


def test_all_input_problems_come_at_once_with_pointers() -> None:
    """F6: every problem has a JSON pointer into the request, with `/` and `~` escaped."""
    raw: dict[str, object] = {
        "depth": "deep",
        "places": {"a/b~c": {"line": "x"}},
        "tags": ["ok", " "],
        "questoin": "why?",
    }

    problems = refused(a_definition(), raw, "hugh")

    assert [problem.partition(": ")[0] for problem in problems] == [
        "/band", "/input/questoin", "/input/question", "/input/depth",
        "/input/places/a~1b~0c/line", "/input/tags/1",
    ]  # fmt: skip
    assert problems[1].endswith("hint: did you mean 'question'?")


@pytest.mark.parametrize(
    ("config", "raw", "known"),
    [
        (ConfigDict(), {"Question": "x"}, "Question"),
        (ConfigDict(populate_by_name=True), {"question": "x"}, "Question"),
        (ConfigDict(extra="allow"), {"Question": "x", "other": 1}, "Question"),
    ],
)
def test_names_are_those_that_the_model_reads(
    config: ConfigDict, raw: dict[str, object], known: str
) -> None:
    """Aliases count, and a model that allows more is given more."""

    class Aliased(BaseModel):
        model_config = config
        question: str = Field(alias=known)

    plan = plan_launch(a_definition(input=Aliased), raw, None, PROJECT)

    assert plan.input_json[known] == "x"
    assert Aliased.model_validate(plan.input_json).question == "x"


def test_an_input_that_would_be_lost_is_refused() -> None:
    """P11, P9: what is written by one name and read by another would silently be its default."""

    class Lost(BaseModel):
        depth: int = Field(default=1, validation_alias="deep")

    with pytest.raises(InvalidInputError) as caught:
        plan_launch(a_definition(input=Lost), {"deep": 5}, None, PROJECT)

    (problem,) = caught.value.problems
    assert problem.message == (
        "the input cannot be stored: 'depth' is written by that name, and not read by it"
    )


def test_a_rule_over_fields_is_told_without_its_wrapping() -> None:
    """A model validator's own words reach the caller."""

    class Pair(BaseModel):
        head: str = ""

        @model_validator(mode="after")
        def _has_base(self) -> "Pair":
            raise ValueError("a head needs a base")

    assert refused(a_definition(input=Pair), {}) == ["/input: value-error: a head needs a base"]


def test_the_band_is_chosen_given_or_the_first() -> None:
    """F8: an unknown band is refused with a suggestion, and `auto` only where the flow can choose."""
    raw: dict[str, object] = {"question": "why?"}
    chooser = a_definition(choose_band=always("medium"))

    assert plan_launch(a_definition(), raw, None, PROJECT).band == "small"
    assert plan_launch(chooser, raw, "auto", PROJECT).band == "medium"
    assert plan_launch(chooser, raw, "large", PROJECT).band == "large"
    assert refused(a_definition(), raw, "auto")[0].startswith("/band: unknown-band: ")
    assert "did you mean 'large'?" in refused(a_definition(), raw, "lage")[0]


def boom(_launch: object) -> bool:
    raise LookupError("lost")


def faults(definition: Definition) -> list[str]:
    with pytest.raises(InvalidFlowError) as error:
        plan_launch(definition, {"question": "why?"}, None, PROJECT)
    return [f"{problem.code}: {problem.message}" for problem in error.value.problems]


def test_a_gate_that_fails_refuses_the_launch() -> None:
    """D2-05, D2-06: every failing gate is told, with its line, before anything is written."""
    definition = a_definition(
        Step("a", run=ask, gate=boom),
        Step("b", run=ask, gate=always("yes")),  # pyright: ignore[reportArgumentType]  # wrong on purpose
        Step("c", run=ask),
    )

    assert faults(definition) == [
        "gate-failed: the gate of step 'a' raised LookupError: lost",
        "gate-failed: the gate of step 'b' answered 'yes', not True or False",
    ]


def test_other_functions_that_fail_refuse_the_launch() -> None:
    """A flow's own mistake is the flow's, not the caller's."""
    assert faults(a_definition(choose_band=boom)) == [
        "launch-failed: choose_band of flow 'demo' raised LookupError: lost"
    ]
    assert faults(a_definition(check=boom)) == [
        "launch-failed: check of flow 'demo' raised LookupError: lost"
    ]
    assert faults(a_definition(choose_band=always("huge"))) == [
        "unknown-band: choose_band of flow 'demo' chose 'huge'"
    ]


def test_a_flow_may_look_at_the_project() -> None:
    """What the model cannot see, the flow's check can; its pointers are below the input."""
    problem = Problem("unknown-revision", "no such commit", pointer="/question")

    def raises(_launch: Launch) -> list[Problem]:
        raise InvalidInputError("no", [problem])

    told = ["/input/question: unknown-revision: no such commit"]
    assert refused(a_definition(check=always([problem])), {"question": "x"}) == told
    assert refused(a_definition(check=raises), {"question": "x"}) == told
    assert refused(a_definition(choose_band=raises), {"question": "x"}) == told
