"""A person looks at the findings before they are reported, if the launch asks for it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from flowrunner import Context, Launch
from flowrunner.evidence.severity import is_security, rank
from flowrunner.evidence.text import inline
from flowrunner.wire.findings import Finding, Severity

from .._shared.ground import Ground
from .._shared.kinds import Kind, kinds_table
from .._shared.verifying import Checked
from .decide import Judgement, Word, judge
from .fold import Folded
from .request import Request

STEP = "approve"


class Choice(BaseModel):
    """What a person may change: what is set aside, and what is listed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    drop: tuple[str, ...] = Field(
        default=(),
        max_length=500,
        description="ids of findings to set aside; they stay in the data",
    )
    least: Severity = Field(
        default=Severity.NOTE, description="list only what is at least this grave, and security"
    )


class Decision(BaseModel):
    """The result of the approval step; without an *actor* nobody has decided."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    approved: bool = False
    actor: str | None = None
    comment: str | None = None
    values: Choice | None = None


def is_wanted(launch: Launch) -> bool:
    return launch.given(Request).approve


def question(ctx: Context) -> str:
    """Return what is asked; the digest of the approval covers it, and so every finding."""
    judgement = ctx.result("decide", Judgement)
    if judgement is None:
        raise ValueError("there is no judgement to approve")
    each = [Kind((finding,)) for finding in judgement.findings]
    reasons = "\n".join(f"- {inline(reason)}" for reason in judgement.reasons)
    return "\n\n".join(
        [
            f"The review of {inline(ctx.project.name)} says **{judgement.verdict}**. Report it so?",
            reasons,
            kinds_table(each, with_ids=True) if each else "There are no findings.",
        ]
    ).strip()


def conclude(ctx: Context) -> Judgement:
    """The last step: what was decided, as a person wants it, or as it is if nobody was asked."""
    ground, folded = ctx.result("scope", Ground), ctx.result("fold", Folded)
    judgement = ctx.result("decide", Judgement)
    if ground is None or folded is None or judgement is None:
        raise ValueError("there is nothing to conclude")
    outcome = ctx.outcomes.get(STEP)
    if outcome is None or outcome.status == "excluded":
        return judgement
    said = Decision.model_validate(ctx.results.get(STEP) or {})
    if not said.actor:
        return _with(judgement, "comment", "nobody has looked at the findings in time")
    if not said.approved:
        why = f"rejected by {said.actor}: {said.comment or 'no reason given'}"
        return _with(judgement, "rejected", why)
    return chosen(judgement, said.values or Choice(), (ground, folded), said.actor)


def chosen(
    judgement: Judgement, choice: Choice, basis: tuple[Ground, Folded], actor: str
) -> Judgement:
    """Set findings aside and judge what is left; it is told who did, and what."""
    dropped = tuple(f for f in judgement.findings if f.id in choice.drop)
    kept = tuple(f for f in judgement.findings if f.id not in choice.drop)
    left = {f.id for f in kept}
    before = judgement.checked or Checked(findings=kept)
    unruled = {name: why for name, why in before.unruled.items() if name in left}
    checked = before.model_copy(update={"findings": kept, "unruled": unruled})
    again = judge(*basis, checked)
    shown = [f.id for f in again.findings if f.id in again.shown and _is_listed(f, choice)]
    notes = [f"{actor} looked at the findings and set aside {len(dropped)}"]
    known = {f.id for f in judgement.findings}
    notes += [f"{name} names no finding" for name in choice.drop if name not in known]
    assumptions = (*again.assumptions, *notes)
    update = {"dropped": dropped, "shown": tuple(shown), "assumptions": assumptions}
    return again.model_copy(update=update)


def _is_listed(finding: Finding, choice: Choice) -> bool:
    return rank(finding.claim.severity) <= rank(choice.least) or is_security(finding.claim)


def _with(judgement: Judgement, verdict: Word, reason: str) -> Judgement:
    kept = judgement.verdict if verdict == "comment" and judgement.verdict != "approve" else verdict
    return judgement.model_copy(update={"verdict": kept, "reasons": (*judgement.reasons, reason)})
