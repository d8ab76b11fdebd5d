"""Reviews a change, some paths or a whole tree: many reviewers, one checked list, one verdict.

    scope -> reviewers[*] -> fold -> verify[*] -> decide -> approve? -> conclude -> report

Every claim is checked against the pinned files by code before anybody counts it, and what a model
claimed, another one tries to refute. Who is asked, and in how many parts, is the band's business.
"""

from __future__ import annotations

from flowrunner import Flow, Step
from flowrunner.definitions.flow import Approval, Each
from flowrunner.wire.findings import Answer, Rulings

from .._shared.ground import Ground
from . import approve, verify
from .decide import Judgement, decide
from .fold import Folded, fold
from .instructions import prompt_for
from .report import render
from .request import Request, check, choose_band
from .roster import KEYS, REVIEWERS, Reviewer, batch_key
from .scope import scope

SOME = 0.01
"""One answer of many is worth keeping; the report names the parts that gave none."""


def _seat(reviewer: Reviewer) -> Step:
    batches = Each(reviewer.members, key=batch_key, max_items=200, quorum=SOME, parallel=8)
    return Step(
        reviewer.key,
        run=prompt_for(reviewer),
        needs=("scope",),
        persona=reviewer.persona,
        bands=reviewer.bands,
        when=reviewer.is_called,
        output=Answer,
        each=batches if reviewer.is_local else None,
        # One silent reviewer must not cost the others' work; the report says so (F-05).
        on_fail="tolerate",
        retry=1,
        timeout="30m",
        idle_timeout="10m",
        phase="review",
    )


flow = Flow(
    "code-review",
    title="Code review",
    description="Reviews a change, some paths or the whole tree, and checks every finding.",
    input=Request,
    check=check,
    choose_band=choose_band,
    # Longer than a person may take to approve.
    deadline="30h",
    steps=[
        Step("scope", kind="code", run=scope, output=Ground, timeout="5m"),
        *(_seat(reviewer) for reviewer in REVIEWERS),
        Step("fold", kind="code", run=fold, needs=("scope", *KEYS), output=Folded, timeout="5m"),
        Step(
            verify.STEP,
            run=verify.prompt,
            needs=("fold",),
            persona="claim-verifier",
            output=Rulings,
            each=Each(verify.members, key=verify.case_key, max_items=400, quorum=SOME, parallel=8),
            # Findings without a ruling stay, unverified: a dead verifier clears nothing (P9).
            on_fail="tolerate",
            retry=1,
            timeout="30m",
            idle_timeout="10m",
            phase="verify",
        ),
        Step(
            "decide",
            kind="code",
            run=decide,
            needs=("scope", "fold", verify.STEP),
            output=Judgement,
            timeout="5m",
        ),
        Step(
            approve.STEP,
            kind="approval",
            run=approve.question,
            needs=("decide",),
            gate=approve.is_wanted,
            approval=Approval(
                form=approve.Choice,
                expires="24h",
                on_expiry="continue",
                remind="4h",
                on_reject="continue",
            ),
        ),
        Step(
            "conclude",
            kind="code",
            run=approve.conclude,
            needs=("scope", "fold", "decide", approve.STEP),
            output=Judgement,
            timeout="1m",
        ),
    ],
    render=render,
)
