"""What reviewers are told: all that the answer's form knows, and nothing that it does not."""

import json
import re
from pathlib import Path

import pytest
from flows._shared.wording import ANSWER, SEVERITY
from flows.architecture_analysis.picture import Picture
from flows.architecture_analysis.risk import Risks
from flows.code_review.roster import REVIEWERS

from flowrunner.core.model import Failure
from flowrunner.definitions.folders import shipped_folder
from flowrunner.definitions.library import Library
from flowrunner.definitions.personas import load_personas
from flowrunner.definitions.prompts import build_prompt
from flowrunner.evidence.docs.said import Extract
from flowrunner.wire.findings import Answer, Claim, Rulings, Severity, Verdict
from flows.rehearsal import DEFINITIONS, FLOWS, NONCE, rehearse
from unit.evidence.projects import a_project

PERSONAS = load_personas(shipped_folder("personas"))
NOT_ASKED = {"model_asked"}
"""What an answer may say and a model is not asked: it is true of each of them."""


def prompts(root: Path) -> dict[str, str]:
    a_project(root, {"a.py": "x = 1\n", 'odd "name"<<end>>.md': "x\n"})
    return rehearse(root, lambda _key: Failure("x", "x"), band="large").prompts


def test_the_scope_is_the_first_block_and_plain_json(tmp_path: Path) -> None:
    """The static agent reads it, from a line of its own to a line of its own."""
    for prompt in prompts(tmp_path).values():
        found = re.search(r"^<<(\w+) (\w+)>>\n(.*?)\n<<end \2>>$", prompt, re.MULTILINE | re.DOTALL)
        assert found is not None
        assert (found[1], found[2]) == ("scope", NONCE)
        assert json.loads(found[3]) == {"files": ["a.py", 'odd "name"<<end>>.md']}


def test_every_reviewer_has_a_lens_of_its_own(tmp_path: Path) -> None:
    """Two reviewers with one question would be one reviewer paid twice."""
    told = prompts(tmp_path)

    assert len({reviewer.lens for reviewer in REVIEWERS}) == len(REVIEWERS)
    assert [r.key for r in REVIEWERS if r.key in told and r.lens not in told[r.key]] == []


def test_the_form_of_the_answer_is_the_one_that_is_read() -> None:
    """The example is valid JSON and fits; no field is forgotten, none is invented (F-05)."""
    example = json.loads(ANSWER.partition("```json\n")[2].partition("\n```")[0])

    answer = Answer.model_validate(example)
    (claim,) = example["findings"]
    assert example.keys() == Answer.model_fields.keys() - NOT_ASKED
    assert claim.keys() == Claim.model_fields.keys()
    assert answer.findings[0].severity is Severity.MAJOR


def test_every_severity_is_explained() -> None:
    """And no other word."""
    assert re.findall(r"^- `(\w+)`:", SEVERITY, re.MULTILINE) == [s.value for s in Severity]


def test_shipped_personas_are_sound() -> None:
    """Each loads, is used, and is short enough to be read before the work begins."""
    steps = [step for flow in FLOWS.values() for step in flow.steps if step.kind == "agent"]

    assert PERSONAS.problems == ()
    assert PERSONAS.by_name.keys() == {step.persona for step in steps}
    assert all(20 <= len(p.text.splitlines()) <= 55 for p in PERSONAS.by_name.values())


@pytest.mark.parametrize("name", sorted(PERSONAS.by_name))
def test_a_persona_has_the_rules_of_the_house(name: str) -> None:
    """Scope, limits, evidence by trust class, severity, and the form that the task asks for."""
    persona = PERSONAS.by_name[name]

    headings = re.findall(r"^## (.+)$", persona.body, re.MULTILINE)
    assert headings[-3:] == ["Evidence", "Severity", "How you answer"]
    assert any("not" in heading for heading in headings)
    assert all(word in persona.body.lower() for word in ("(codebase)", "(provided)"))
    assert persona.body.endswith("with nothing else.") or "\nnothing else." in persona.body
    assert "<<" not in persona.text


def test_a_verifier_is_told_every_verdict() -> None:
    """The words of the ruling are those that are read."""
    told = set(re.findall(r"`(\w+)`:", PERSONAS.by_name["claim-verifier"].body))

    assert told == {verdict.value for verdict in Verdict}


def test_shipped_flows_register_cleanly() -> None:
    """What comes with the program has no problem, and every band of it can be launched."""
    library = Library.shipped()

    assert library.problems == ()
    assert library.names() == tuple(sorted(FLOWS))
    assert {d.flow.bands for d in library.definitions.values()} == {("small", "medium", "large")}


def test_every_agent_step_of_a_shipped_flow_has_a_form_to_fit() -> None:
    """An answer that nothing checks could be anything (F-05, P9)."""
    steps = [step for flow in FLOWS.values() for step in flow.steps]
    agents = [step for step in steps if step.kind == "agent"]
    forms = {Answer, Extract, Picture, Risks, Rulings}

    assert [step.id for step in agents if step.output not in forms] == []
    assert [step.id for step in agents if step.on_fail != "tolerate"] == []
    assert [step.id for step in steps if step.kind == "code" and step.on_fail != "fail"] == []


def test_a_whole_prompt_begins_with_the_role(tmp_path: Path) -> None:
    """R2-29: role, rule, task, as the agent gets it."""
    text = prompts(tmp_path)["newcomer"]

    prompt = build_prompt(DEFINITIONS["code-review"].personas["newcomer"], text)

    assert prompt.startswith("# Newcomer\n\nYou joined this project yesterday.")
    assert "with nothing else.\n\n---\n\n# Your task\n\n" in prompt
