"""The same reviews on a real server with a real worker and PostgreSQL: lying agents are processes."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

import pytest

from flowrunner.client import Client
from flowrunner.wire.runs import LaunchBody
from proof3 import liar
from proof3.reading import Tally, complaints, misruled, untold
from proof3.shop import a_shop, this_repository
from proof3.source import Source
from proof3.staging import Stage

VERIFIERS = "verify"


@pytest.mark.parametrize(
    ("seed", "band", "made"), [(1, "small", this_repository), (2, "medium", a_shop), (3, "large", a_shop)]
)  # fmt: skip
def test_a_real_run_flags_exactly_the_invented_citations(
    stage: Stage, seed: int, band: str, made: Callable[[Path], Path]
) -> None:
    """F-02, F-03, P9: from launch to report: those and no others, whatever verifiers say."""
    root = made(stage.folder / band / "project")
    tally = Tally()
    with stage.server.client(patience=120.0) as client:
        body = LaunchBody(project=str(root), agent=f"liar-{seed}", band=band)
        run = str(client.launch("code-review", body).id)
        events = list(client.events(run))
        assert events[-1].type == "run.completed", events[-1]
        report: Mapping[str, Any] = json.loads(client.report(run, "json"))["data"]
        page = client.report(run, "md")
        said = list(_said(client, run, seed, root))

    assert sum(each.is_invented for each in said) * 5 == len(said) > 0
    assert list(complaints(report, said, Source(root, ()), tally)) == []
    assert list(untold(report, page)) == []
    assert list(misruled(seed, report, liar.programs_in(root), tally)) == []
    print(f"{band} {made.__name__}: {tally}")  # noqa: T201  # the counts are what one wants to see


def _said(client: Client, run: str, seed: int, root: Path) -> Generator[liar.Said]:
    """What each reviewer must have said, by the prompt that it was given."""
    for step in client.list_steps(run).items:
        if step.kind != "agent" or step.key.startswith(VERIFIERS) or not step.attempt:
            continue
        prompt = client.get_attempt(run, step.key, step.attempt).prompt
        if prompt:
            yield from liar.review(seed, liar.who_is_asked(prompt), liar.source_of(prompt, root))
