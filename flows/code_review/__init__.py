"""Reviews a change, some paths or a whole tree: many reviewers, one checked list, one verdict.

    scope -> reviewers (each an agent, side by side) -> fold -> decide -> report

Every claim is checked against the pinned files by code before anybody counts it. Verification of
single findings and an approval take their places between `fold` and `decide`: both read and write
the list of findings that `fold` makes.
"""

from __future__ import annotations

from flowrunner import Flow, Step
from flowrunner.wire.findings import Answer

from .decide import Judgement, decide
from .fold import Folded, fold
from .instructions import prompt_for
from .report import render
from .request import Request, check, choose_band
from .roster import KEYS, REVIEWERS
from .scope import Ground, scope

flow = Flow(
    "code-review",
    title="Code review",
    description="Reviews a change, some paths or the whole tree, and checks every finding.",
    input=Request,
    check=check,
    choose_band=choose_band,
    deadline="2h",
    steps=[
        Step("scope", kind="code", run=scope, output=Ground, timeout="5m"),
        *(
            Step(
                reviewer.key,
                run=prompt_for(reviewer),
                needs=("scope",),
                persona=reviewer.persona,
                bands=reviewer.bands,
                when=reviewer.is_called,
                output=Answer,
                # One silent reviewer must not cost the others' work; the report says so (F-05).
                on_fail="tolerate",
                retry=1,
                timeout="30m",
                idle_timeout="10m",
            )
            for reviewer in REVIEWERS
        ),
        Step("fold", kind="code", run=fold, needs=("scope", *KEYS), output=Folded, timeout="5m"),
        Step(
            "decide",
            kind="code",
            run=decide,
            needs=("scope", "fold"),
            output=Judgement,
            timeout="1m",
        ),
    ],
    render=render,
)
