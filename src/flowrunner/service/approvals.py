"""Use cases on approvals: what is asked, and the one decision that stands."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from flowrunner.core import inputs as inp
from flowrunner.core.decision import Verdict
from flowrunner.core.errors import ConflictError, FlowRunnerError, NotFoundError
from flowrunner.core.graph import ApprovalSpec, Graph
from flowrunner.core.model import RunId
from flowrunner.db.approvals import (
    START,
    ApprovalFilter,
    ApprovalLine,
    find_approvals,
    list_approvals,
)
from flowrunner.db.pages import find_graph
from flowrunner.db.payloads import ref_of
from flowrunner.db.pool import Pool
from flowrunner.engine.evaluation import Evaluator
from flowrunner.engine.letters import Answer, Told
from flowrunner.engine.residents import Residents
from flowrunner.service import cursors
from flowrunner.service.answers import answer_body, check_decision, fill_form
from flowrunner.service.finding import RunFinder
from flowrunner.service.reading import read_graph
from flowrunner.wire.approvals import Approval, ApprovalPage, DecisionBody, DecisionReply

_ALL = ("open", "approved", "rejected", "expired", "withdrawn")
_ID = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.(\d{1,9})\.(\d{1,9})\Z")
_EXPIRY = "expiry"
_APPROVALS = "approvals"
"""Who decides when nobody did in time, as the core has it."""
_TITLE_CHARACTERS = 200


class AlreadyDecidedError(ConflictError):
    code = "already-decided"


class StaleDigestError(ConflictError):
    code = "stale-digest"


class DefinitionChangedError(ConflictError):
    code = "definition-changed"


class NotApproverError(FlowRunnerError):
    code = "not-approver"


class ExpiredError(FlowRunnerError):
    code = "expired"


class ApprovalService:
    """Lists what people are asked, and tells runs what they decided."""

    def __init__(self, pool: Pool, residents: Residents, evaluator: Evaluator) -> None:
        self._pool = pool
        self._residents = residents
        self._evaluator = evaluator
        self._finder = RunFinder(pool)

    async def list_approvals(
        self, statuses: tuple[str, ...], run_id: RunId | None, limit: int, cursor: str | None
    ) -> ApprovalPage:
        """Return a page, oldest first; no statuses means all of them. Raises BadCursorError."""
        after = START if cursor is None else _place(cursor)
        only = ApprovalFilter(statuses or _ALL, run_id, after=after)
        async with self._pool.connection() as conn:
            lines = await list_approvals(conn, only, limit + 1)
        graphs = {line.run_id: await self._graph(line.run_id) for line in lines[:limit]}
        shown = tuple(_shown(line, graphs[line.run_id]) for line in lines[:limit])
        more = len(lines) > limit
        return ApprovalPage(items=shown, next_cursor=_cursor(lines[limit - 1]) if more else None)

    async def get(self, approval_id: str) -> Approval:
        """Raises NotFoundError."""
        line = await self._find(approval_id)
        return _shown(line, await self._graph(line.run_id))

    async def decide(self, approval_id: str, body: DecisionBody, actor: str) -> DecisionReply:
        """Decide once; the same decision of the same actor again is answered alike.

        Raises NotApproverError, StaleDigestError, InvalidInputError, and, when it is not open any
        more, AlreadyDecidedError or ExpiredError with who and when.
        """
        line = await self._find(approval_id)
        asked = await self._spec(line)
        if asked.approvers and actor not in asked.approvers:
            known = "ask one of: " + ", ".join(asked.approvers)
            raise NotApproverError(f"'{actor}' may not decide this", hint=known)
        if body.digest is not None and body.digest != line.digest:
            hint = "look at what is asked now, and decide on that"
            raise StaleDigestError("the digest is not that of this question", hint=hint)
        if line.status == "open":
            given = await self._given(line, asked, body, actor)
            verdict = await self._residents.deliver(RunId(line.run_id), Told(given))
            line = await self._find(approval_id)
            if verdict is Verdict.ACCEPTED:
                return await self._reply(line, replayed=False)
        _refuse_closed(line, body, actor)
        return await self._reply(line, replayed=True)

    async def _given(
        self, line: ApprovalLine, asked: ApprovalSpec, body: DecisionBody, actor: str
    ) -> Answer:
        has_form = _question(line).get("form") is not None
        check_decision(body, has_form=has_form, may_redo=asked.redo_from is not None)
        approved = body.decision == "approve"
        values: dict[str, Any] = {}
        if approved and has_form:
            values = fill_form(await self._form(line), body.values)
        answer = answer_body(approved=approved, actor=actor, comment=body.comment, values=values)
        ref = ref_of(answer)
        given = inp.ApprovalGiven(
            step=line.step_no,
            attempt=line.attempt,
            approved=approved,
            actor=actor,
            answer=ref,
            comment=body.comment,
            then=body.then or "",
        )
        return Answer(given, {ref: answer})

    async def _form(self, line: ApprovalLine) -> type[BaseModel]:
        """The form as the run's own flow has it. Raises DefinitionChangedError."""
        view = await self._residents.refresh(RunId(line.run_id))
        await self._residents.ensure(view)
        step = self._evaluator.step_of(view, line.step_no)
        if step is None or step.approval is None or step.approval.form is None:
            message = "the flow changed since this run began, and its form cannot be had"
            hint = "put the flow's files back, or reject"
            raise DefinitionChangedError(message, hint=hint)
        return step.approval.form

    async def _find(self, approval_id: str) -> ApprovalLine:
        match = _ID.match(approval_id)
        if match is not None:
            run_id, step_no, round_no = RunId(UUID(match[1])), int(match[2]), int(match[3])
            async with self._pool.connection() as conn:
                for line in await find_approvals(conn, run_id, step_no):
                    if line.attempt == round_no:
                        return line
        raise NotFoundError("there is no such approval", approval_id=approval_id[:100])

    async def _graph(self, run_id: UUID) -> Graph:
        async with self._pool.connection() as conn:
            graph = await find_graph(conn, RunId(run_id))
        if graph is None:
            raise NotFoundError("there is no such run", run_id=str(run_id))
        return read_graph(graph, run_id)

    async def _spec(self, line: ApprovalLine) -> ApprovalSpec:
        return (await self._graph(line.run_id)).steps[line.step_no].approval or ApprovalSpec()

    async def _reply(self, line: ApprovalLine, *, replayed: bool) -> DecisionReply:
        head = await self._finder.head(RunId(line.run_id))
        return DecisionReply.model_validate(
            {
                "id": _id(line),
                "run_id": line.run_id,
                "step": line.step_key,
                "decision": "approve" if line.status == "approved" else "reject",
                "decided_by": line.actor,
                "decided_at": line.decided_at,
                "run_status": head.status.value,
                "replayed": replayed,
            }
        )


def _shown(line: ApprovalLine, graph: Graph) -> Approval:
    spec = graph.steps[line.step_no]
    asked, question = spec.approval or ApprovalSpec(), _question(line)
    return Approval.model_validate(
        {
            "id": _id(line),
            "run_id": line.run_id,
            "flow": line.flow,
            "run_title": line.title,
            "step": line.step_key,
            "label": spec.label,
            "round": line.attempt,
            "title": _title(question["body"]) or spec.label,
            "body_md": question["body"],
            "form_schema": question.get("form"),
            "digest": line.digest,
            "approvers": asked.approvers,
            "on_reject": asked.on_reject.value,
            "requested_at": line.requested_at,
            "expires_at": line.expires_at,
            "status": line.status,
            "decided_by": line.actor,
            "decided_at": line.decided_at,
            "comment": line.comment or "",
        }
    )


def _refuse_closed(line: ApprovalLine, body: DecisionBody, actor: str) -> None:
    """Let a repetition pass; say who decided otherwise and when, or why nobody may any more."""
    at = None if line.decided_at is None else line.decided_at.isoformat(timespec="seconds")
    if line.status == "expired" or line.actor == _EXPIRY:
        raise ExpiredError(f"nobody decided in time: it expired at {at}", at=at)
    wanted = "approved" if body.decision == "approve" else "rejected"
    if (line.status, line.actor) == (wanted, actor):
        return
    if line.status == "withdrawn":
        hint = "look at the run: it ended, or went back and may ask again"
        raise ConflictError(f"the question was withdrawn at {at}", hint=hint, status=line.status)
    if line.status == "open":
        raise ConflictError("the run did not take the decision", hint="look at the run")
    raise AlreadyDecidedError(
        f"the approval was already {line.status} by {line.actor} at {at}",
        status=line.status,
        actor=line.actor,
        at=at,
    )


def _question(line: ApprovalLine) -> dict[str, Any]:
    return json.loads(line.request)


def _title(text: str) -> str:
    lines = (line.strip(" \t#*_>") for line in text.splitlines())
    return next((line for line in lines if line), "")[:_TITLE_CHARACTERS]


def _id(line: ApprovalLine) -> str:
    return f"{line.run_id}.{line.step_no}.{line.attempt}"


def _cursor(line: ApprovalLine) -> str:
    at, run_id, step = line.place
    return cursors.write(_APPROVALS, at.isoformat(), str(run_id), step)


def _place(cursor: str) -> tuple[datetime, UUID, int]:
    at, run_id, step = cursors.read(cursor, _APPROVALS, str, str, int)
    try:
        place = (datetime.fromisoformat(at), UUID(run_id), step)
    except ValueError:
        raise cursors.bad() from None
    if place[0].tzinfo is None or not 0 <= step < 1 << 31:
        raise cursors.bad()
    return place
