"""Who may say what the report says: verifiers by proof, and a person by deciding."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from flows.code_review import verify
from flows.code_review.decide import Judgement

from flowrunner.core.model import Failure
from flowrunner.evidence.severity import ORDER
from flows.rehearsal import Decision, Rehearsal, rehearse, step_of
from flows.scripted import CLAIMED, FILES, GUARD, a_clean_project


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return a_clean_project(tmp_path)


def a_review(
    root: Path,
    severities: tuple[str, ...],
    *,
    band: str = "large",
    rulings: Mapping[str, object] | None = None,
    decision: Decision | None = None,
    model_asked: bool = True,
) -> Rehearsal:
    """Review with one finding per severity; *rulings* is what each verifier says of its claims."""
    lines = (FILES["app/pay.py"]).splitlines()
    claims = [
        {"file": "app/pay.py", "line_start": n, "quote": lines[n - 1], "severity": severity,
         "category": "correctness", "rule": f"rule-{n}", "title": f"Finding {n}"}
        for severity, n in zip(severities, (5, 6, 7, 1), strict=False)
    ]  # fmt: skip
    looked = {"reviewed_files": list(FILES), "summary": "Looked.", "model_asked": model_asked}
    started: list[Rehearsal] = []

    def answers(key: str) -> str | Failure:
        if step_of(key) != "verify":
            found = claims if step_of(key) == "security" else []
            return json.dumps({**looked, "findings": found})
        if rulings is None:
            return Failure("agent_failed", "it died")
        asked = started[0].prompts[key].split('"finding": "')[1:]
        return json.dumps(
            {"rulings": [{**rulings, "finding": a.split('"')[0]} for a in asked[:-1]]}
        )

    raw = {"approve": decision is not None}
    if decision == {}:
        decision = None
    return rehearse(root, answers, raw, band=band, started=started.append, decision=decision)


def judgement(run: Rehearsal) -> Judgement:
    found = run.results["conclude"]
    assert isinstance(found, Judgement)
    assert run.report().outcome == found.verdict
    return found


COUNTER = {"file": "app/pay.py", "line_start": 6, "quote": GUARD}
REFUTED = {"verdict": "refuted", "reason": "The guard.", "counter": COUNTER}


@pytest.mark.parametrize(
    ("rulings", "verdict"),
    [
        (REFUTED, "approve"),
        ({"verdict": "refuted", "reason": "It is surely handled elsewhere."}, "comment"),
        ({"verdict": "refuted", "counter": {**COUNTER, "quote": "not in the file"}}, "comment"),
        ({"verdict": "confirmed", "reason": "I ran it in my head."}, "block"),
        ({"verdict": "unverified", "reason": "I could not tell."}, "comment"),
        (None, "comment"),
    ],
    ids=["refuted", "without-proof", "invented-proof", "confirmed", "undecided", "dead"],
)
@pytest.mark.parametrize("band", ["small", "medium", "large"])
def test_what_a_verifier_does_to_a_finding(
    project: Path, band: str, rulings: Mapping[str, object] | None, verdict: str
) -> None:
    """F-03, D2-13: only a refutation with proof clears; a dead verifier clears nothing."""
    run = a_review(project, ("major",), band=band, rulings=rulings)

    found = judgement(run)
    assert found.verdict == verdict
    assert len(found.findings) == 1


def test_a_dead_verifier_leaves_a_marked_finding(project: Path) -> None:
    """The others' rulings count; the one without stays in the list and says why."""
    run = a_review(project, ("major", "minor"), rulings=None)

    found = judgement(run)
    assert found.checked is not None
    assert set(found.checked.unruled) == {finding.id for finding in found.findings}
    text = run.report().markdown
    assert "**not verified: its verifier gave no answer: it died**" in text
    assert "**2 stay unverified**" in text
    assert json.dumps(run.report().sarif).count("2 findings stay unverified") == 1


@pytest.mark.parametrize(
    ("band", "count"), [("small", 1), ("medium", 2), ("large", 5)], ids=["small", "medium", "large"]
)
def test_the_band_says_how_much_is_verified(project: Path, band: str, count: int) -> None:
    """One for all; each that is grave; each, and critical ones twice. Keys are fingerprints."""
    severities = tuple(severity.value for severity in ORDER)

    run = a_review(project, severities, band=band, rulings=REFUTED)

    keys = [key for key in run.prompts if step_of(key) == "verify"]
    assert len(keys) == count
    prints = {finding.fingerprint for finding in judgement(run).findings}
    members = {
        key.removeprefix("verify[").removesuffix("]").removesuffix("-second") for key in keys
    }
    assert members <= (prints if band != "small" else {"all"})


def test_what_a_static_check_found_is_not_verified(project: Path) -> None:
    """The same program would say the same again."""
    run = a_review(project, ("critical",), rulings=REFUTED, model_asked=False)

    assert "verify" not in run.asked
    assert judgement(run).verdict == "block"


def test_beyond_the_most_cases_the_rest_is_told(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was not given to a verifier is counted, not forgotten."""
    monkeypatch.setattr(verify, "MAX_CASES", 2)

    run = a_review(project, ("major", "minor", "minor"), rulings=REFUTED)

    assert "1 findings were beyond what is verified" in " ".join(judgement(run).deferred)


YES: Decision = {"approved": True, "actor": "ann", "comment": "", "values": {}}
NO: Decision = {"approved": False, "actor": "ann", "comment": "nonsense", "values": None}
LATE: Decision = {}


def test_nobody_is_asked_unless_the_launch_wants_it(project: Path) -> None:
    """Zero configuration: no approval, no waiting."""
    run = a_review(project, ("major",), rulings=REFUTED)

    assert run.outcomes["approve"].status == "excluded"


def test_a_person_sees_every_finding(project: Path) -> None:
    """The digest covers the question, and so what is approved."""
    run = a_review(project, ("major", "minor"), rulings=None, decision=YES)

    question = run.prompts["approve"]
    assert all(f.id in question and f.claim.title in question for f in judgement(run).findings)


@pytest.mark.parametrize(
    ("decision", "verdict", "reason"),
    [
        (YES, "approve", ""),
        (NO, "rejected", "rejected by ann: nonsense"),
        (LATE, "comment", "nobody has looked at the findings in time"),
    ],
    ids=["approved", "rejected", "expired"],
)
def test_a_decision_is_the_last_word(
    project: Path, decision: Decision, verdict: str, reason: str
) -> None:
    """What nobody has approved in time is not approved."""
    found = judgement(a_review(project, ("major",), rulings=REFUTED, decision=decision))

    assert found.verdict == verdict
    assert reason in " ".join(found.reasons)


@pytest.mark.parametrize("decision", [NO, LATE], ids=["rejected", "expired"])
def test_a_block_stays_one_without_a_person(project: Path, decision: Decision) -> None:
    """Silence of people does not soften what was found."""
    run = a_review(project, ("critical",), rulings=None, decision=decision)

    assert judgement(run).verdict == ("rejected" if decision else "block")


def test_what_is_set_aside_leaves_the_verdict_and_stays_readable(project: Path) -> None:
    """A person may drop findings and list only the graver ones; both are told."""
    before = judgement(a_review(project, ("critical", "minor"), rulings=None))
    critical, minor = (f.id for f in before.findings)
    values = {"drop": [critical, "nothing"], "least": "major"}

    run = a_review(project, ("critical", "minor"), rulings=None, decision={**YES, "values": values})

    found = judgement(run)
    assert (before.verdict, found.verdict) == ("block", "comment")
    assert [f.id for f in found.dropped] == [critical]
    assert ([f.id for f in found.findings], found.shown) == ([minor], ())
    text = run.report().markdown
    assert f"{critical}: Finding 5" in text
    assert "ann looked at the findings and set aside 1" in text
    assert "nothing names no finding" in text


def test_a_claimed_place_is_where_it_is_said() -> None:
    """The script's own quotation is right, or nothing above would be verified."""
    assert FILES["app/pay.py"].splitlines()[int(str(CLAIMED["line_start"])) - 1] == CLAIMED["quote"]


def test_counter_evidence_may_lie_outside_the_scope(project: Path) -> None:
    """The guard is in a file that was not under review: its quotation proves as much."""
    counter = {"file": "README.md", "line_start": 3, "quote": "An amount may be nothing."}
    asked: list[Rehearsal] = []

    def answers(key: str) -> str:
        claim = {**CLAIMED, "category": "correctness", "severity": "major", "title": "It divides"}
        if step_of(key) != "verify":
            found = [claim] if step_of(key) == "security" else []
            return json.dumps({"findings": found, "reviewed_files": ["app/pay.py"]})
        name = asked[0].prompts[key].split('"finding": "')[1].split('"')[0]
        return json.dumps(
            {"rulings": [{"finding": name, "verdict": "refuted", "counter": counter}]}
        )

    run = rehearse(project, answers, {"paths": ["app/pay.py"]}, started=asked.append)

    assert judgement(run).verdict == "approve"
