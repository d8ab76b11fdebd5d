"""How a project hangs together, where that will hurt, and what the smallest remedy is.

    inventory -> analysts -> fold -> risk -> weigh -> verify[*] -> decide -> report
                                     risk -> architect, system -> decide

The inventory is made by code: components, imports, cycles, hot spots, dependencies, each with file
and line. Analysts read around it, one weighs the risks, architects draw the picture, and the risks
at the top are given to somebody who tries to refute them.
"""

from __future__ import annotations

from collections.abc import Callable

from flowrunner import Context, Flow, Step
from flowrunner.definitions.flow import Each
from flowrunner.wire.findings import Answer, Rulings

from . import picture, risk, verify
from .decide import Judgement, decide
from .fold import Folded, fold
from .instructions import prompt_for
from .inventory import Stock, inventory
from .picture import Picture
from .report import render
from .request import Request, check, choose_band
from .risk import Risks
from .roster import ANALYSTS, KEYS, ONLY_LARGE, Analyst, has_source
from .weigh import Scales, weigh

SOME = 0.01


def _judge(
    key: str, persona: str, run: Callable[[Context], str], needs: tuple[str, ...], output: object
) -> Step:
    return Step(
        key,
        run=run,
        needs=needs,
        persona=persona,
        bands=ONLY_LARGE if key == picture.SYSTEM[0] else (),
        when=has_source,
        output=output,
        on_fail="tolerate",
        retry=1,
        timeout="30m",
        idle_timeout="10m",
        phase="judge",
    )


def _analyst(analyst: Analyst) -> Step:
    return Step(
        analyst.key,
        run=prompt_for(analyst),
        needs=("inventory",),
        persona=analyst.persona,
        bands=analyst.bands,
        when=analyst.is_called,
        output=Answer,
        on_fail="tolerate",
        retry=1,
        timeout="30m",
        idle_timeout="10m",
        phase="read",
    )


flow = Flow(
    "architecture-analysis",
    title="Architecture analysis",
    description="Maps a project's parts and imports, and names what will hurt, with its remedy.",
    input=Request,
    check=check,
    choose_band=choose_band,
    deadline="4h",
    steps=[
        Step("inventory", kind="code", run=inventory, output=Stock, timeout="5m"),
        *(_analyst(analyst) for analyst in ANALYSTS),
        Step("fold", kind="code", run=fold, needs=("inventory", *KEYS), output=Folded),
        _judge(risk.STEP, risk.PERSONA, risk.prompt, ("inventory", "fold"), Risks),
        *(
            _judge(key, persona, picture.prompt_for(key), ("inventory", "fold", risk.STEP), Picture)
            for key, persona in (picture.ARCHITECT, picture.SYSTEM)
        ),
        Step("weigh", kind="code", run=weigh, needs=("fold", risk.STEP), output=Scales),
        Step(
            verify.STEP,
            run=verify.prompt,
            needs=("weigh",),
            persona="claim-verifier",
            output=Rulings,
            each=Each(verify.members, key=verify.key, max_items=50, quorum=SOME, parallel=8),
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
            needs=(
                "inventory",
                "fold",
                "weigh",
                verify.STEP,
                picture.ARCHITECT[0],
                picture.SYSTEM[0],
            ),
            output=Judgement,
        ),
    ],
    render=render,
)
