"""Reviewers that invent every fifth citation: the report flags those, and no others (F-02, P9)."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from flowrunner.core.model import Failure
from flowrunner.evidence.citations import locate, relative_name
from flowrunner.evidence.tree import Tree, pin_tree
from flows.rehearsal import Rehearsal, rehearse, step_of
from proof3 import liar
from proof3.inventions import INVENTED
from proof3.reading import SUPPORTED, Tally, complaints, misruled, untold
from proof3.shop import a_shop, this_repository
from proof3.source import Source
from proof3.truths import TRUE
from unit.evidence.projects import a_claim

SEEDS = {"small": 24, "medium": 12, "large": 12}
NO_REVIEWERS = {"verify"}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_shop(tmp_path_factory.mktemp("shop") / "project")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return this_repository(tmp_path_factory.mktemp("repository") / "project")


def review(seed: int, root: Path, band: str) -> Rehearsal:
    """Play a review in which all agents lie, by *seed*."""
    runs: list[Rehearsal] = []

    def answers(key: str) -> str:
        return json.dumps(liar.answer(seed, runs[0].prompts[key], root))

    return rehearse(root, answers, band=band, started=runs.append)


def said_in(run: Rehearsal, seed: int) -> list[liar.Said]:
    """What the reviewers of a run said, told anew."""
    prompts = [text for key, text in run.prompts.items() if step_of(key) not in NO_REVIEWERS]
    return [
        each
        for text in prompts
        for each in liar.review(seed, liar.who_is_asked(text), liar.source_of(text, run.root))
    ]


def report_of(run: Rehearsal) -> Mapping[str, Any]:
    return json.loads(json.dumps(run.report().data))


def judged(band: str, seeds: Iterable[int], root: Path) -> Tally:
    """Play a review per seed, and return the counts; whatever is wrong fails."""
    tally = Tally()
    for seed in seeds:
        run = review(seed, root, band)
        said, report = said_in(run, seed), report_of(run)
        assert sum(each.is_invented for each in said) * 5 == len(said) > 0
        assert list(complaints(report, said, Source(root, ()), tally)) == []
        assert list(untold(report, run.report().markdown)) == []
        assert list(misruled(seed, report, liar.programs_in(root), tally)) == []
    print(f"{band}: {tally}")  # noqa: T201  # the counts are what one wants to see
    return tally


@pytest.mark.parametrize("band", sorted(SEEDS))
def test_exactly_the_invented_citations_are_flagged(shop: Path, band: str) -> None:
    """F-02, F-03, P9: each invented one, whatever it is, and none of those that only differ in
    blanks, in the way that the file is named, or in where the quotation stands.
    """
    tally = judged(band, range(SEEDS[band]), shop)

    assert set(tally.kinds) == {*TRUE, *INVENTED}
    assert len(tally.verdicts) == 4
    assert tally.claims["true"] == tally.claims["invented"] * 4


@pytest.mark.parametrize(("band", "count"), [("small", 3), ("large", 1)])
def test_they_are_flagged_in_this_very_repository(repository: Path, band: str, count: int) -> None:
    """F-02, P9: the same among more than a thousand files, of which many hold the same lines."""
    assert judged(band, range(100, 100 + count), repository).claims["invented"] > 0


@pytest.mark.parametrize("seed", range(20))
def test_statements_that_no_page_makes_are_set_aside(shop: Path, seed: int) -> None:
    """F-02, P9: of what a reader wrote down exactly the invented is examined by nobody."""
    source = Source(shop, ["docs/answers.md", "docs/guide.md"])
    said = liar.review(seed, "reader", source)
    statements = [_of(each, says=each.claim["title"], about="path") for each in said]
    answer = {"statements": statements, "pages_read": source.files, "summary": "Read."}

    run = _with_one_answer("docs-audit", "extract", answer, shop)

    report = report_of(run)
    assert _titles(report["invented"]) == _titles(invented := [e for e in said if e.is_invented])
    assert _titles(report["undecided"]) == _titles(e for e in said if not e.is_invented)
    assert f"{len(invented)} statements of 'extract' have a quotation that no page has" in " ".join(
        report["reasons"]
    )
    asked = [text for key, text in run.prompts.items() if step_of(key) == "examine"]
    assert asked
    assert not any(each.claim["title"] in text for each in invented for text in asked)


@pytest.mark.parametrize("seed", range(20))
def test_risks_with_an_invented_place_do_not_count(shop: Path, seed: int) -> None:
    """F-02, P9: exactly they are flagged, and no verifier is asked about them."""
    source = Source(shop, [file for file in pin_tree(shop).files if file != "web/logo.png"])
    said = liar.review(seed, "analyst", source)
    scales = {"likelihood": "high", "impact": "high"}
    risks = [_of(each, title=each.claim["title"], **scales) for each in said]

    run = _with_one_answer(
        "architecture-analysis", "risk", {"risks": risks, "summary": "Risky."}, shop
    )

    named = [each["finding"] for each in report_of(run)["risks"] if each["source"] == "risk"]
    flagged = [each for each in named if each["citation"] not in SUPPORTED]
    assert _titles(flagged) == _titles(invented := [e for e in said if e.is_invented])
    assert _titles(named) == _titles(said)
    assert f"risks with a quotation that is not there: {len(invented)}" in report_of(run)["reasons"]


def _of(said: liar.Said, **more: str) -> dict[str, Any]:
    place = {name: said.claim[name] for name in ("file", "line_start", "quote")}
    last = {"line_end": said.claim["line_end"]} if "line_end" in said.claim else {}
    return {**place, **last, **more}


def _titles(told: Iterable[Any]) -> list[str]:
    return sorted(
        each.claim["title"] if isinstance(each, liar.Said) else each["claim"]["title"]
        for each in told
    )


def _with_one_answer(name: str, step: str, answer: Mapping[str, Any], root: Path) -> Rehearsal:
    """Play a flow in which one step answers, and nobody else."""

    def answers(key: str) -> str | Failure:
        if step_of(key) == step:
            return json.dumps(answer)
        return Failure("agent_failed", "the agent ended with exit code 1")

    return rehearse(root, answers, band="large", name=name)


@pytest.mark.parametrize("kind", sorted({**TRUE, **INVENTED}))
def test_a_way_to_cite_is_judged_alike_every_time(shop: Path, kind: str) -> None:
    """F-02: forty claims of one kind have one verdict; what has moved is put where it stands."""
    source = Source(shop, [file for file in pin_tree(shop).files if file != "web/logo.png"])
    for seed in range(40):
        cited = {**TRUE, **INVENTED}[kind](random.Random(seed), source)  # noqa: S311  # no secret
        claim = a_claim(cited.file, cited.first, cited.quote, line_end=cited.last)
        name = relative_name(Tree(shop, {}), cited.file)

        found = locate(claim, pin_tree(shop, [] if name is None else [name]))

        assert found.citation in cited.expected.split(" or "), cited
        assert (found.first is None) is (kind in INVENTED)
