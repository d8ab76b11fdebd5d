"""Holds what documents say against the tree: by code where code can tell, by agents for the rest.

    survey -> extract[*] -> compare -> examine[*] -> decide -> report

Links, commands, names, variables and examples are checked by code on every page, whatever the band
and whoever answers. Agents read the pages for statements that take understanding, and others try to
refute those.
"""

from __future__ import annotations

from flowrunner import Flow, Step
from flowrunner.definitions.flow import Each
from flowrunner.evidence.docs.said import Extract
from flowrunner.wire.findings import Rulings

from . import examine, extract
from .compare import Compared, compare
from .decide import Judgement, decide
from .report import render
from .request import Request, check, choose_band
from .survey import Ledger, survey

SOME = 0.01
"""One answer of many is worth keeping; the report names the parts that gave none."""

flow = Flow(
    "docs-audit",
    title="Documentation audit",
    description="Finds what documents say and the project does not bear out.",
    input=Request,
    check=check,
    choose_band=choose_band,
    deadline="4h",
    steps=[
        Step("survey", kind="code", run=survey, output=Ledger, timeout="5m"),
        Step(
            extract.STEP,
            run=extract.prompt,
            needs=("survey",),
            persona=extract.PERSONA,
            when=extract.is_called,
            output=Extract,
            each=Each(extract.members, key=extract.key, max_items=200, quorum=SOME, parallel=8),
            on_fail="tolerate",
            retry=1,
            timeout="30m",
            idle_timeout="10m",
            phase="read",
        ),
        Step(
            "compare",
            kind="code",
            run=compare,
            needs=("survey", extract.STEP),
            output=Compared,
            timeout="5m",
        ),
        Step(
            examine.STEP,
            run=examine.prompt,
            needs=("compare",),
            persona="claim-verifier",
            output=Rulings,
            each=Each(examine.members, key=examine.key, max_items=400, quorum=SOME, parallel=8),
            on_fail="tolerate",
            retry=1,
            timeout="30m",
            idle_timeout="10m",
            phase="examine",
        ),
        Step(
            "decide",
            kind="code",
            run=decide,
            needs=("survey", "compare", examine.STEP),
            output=Judgement,
            timeout="5m",
        ),
    ],
    render=render,
)
