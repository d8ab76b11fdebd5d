"""What can be wrong with what an approval step asks for."""

from __future__ import annotations

from collections.abc import Iterator

from flowrunner.core.errors import Problem
from flowrunner.definitions.complaints import choice, complain, count, names, span
from flowrunner.definitions.durations import seconds_of
from flowrunner.definitions.flow import Approval, Step
from flowrunner.definitions.shapes import as_model, as_text, shown, texts_in, unshown

ON_EXPIRY = ("fail", "approve", "continue")
ON_REJECT = ("stop", "continue", "redo")
REDOS = range(1, 101)

_CODE = "bad-approval"


def check_approval(step: Step) -> Iterator[Problem]:
    """Yield what is wrong with `approval=`."""
    if step.approval is not None and step.kind != "approval":
        hint = 'give it kind="approval"'
        yield complain(step, _CODE, "only a step of kind approval has approval=", hint)
    if isinstance(step.approval, Approval):
        for check in (_form, _approvers, _times, _rejection):
            yield from check(step, step.approval)
    elif step.approval is not None:
        message = f"approval must be Approval(...), not {shown(step.approval)}"
        yield complain(step, _CODE, message)


def _form(step: Step, asked: Approval) -> Iterator[Problem]:
    if asked.form is None:
        return
    form = as_model(asked.form)
    if form is None:
        message = f"approval.form must be a pydantic model class, not {shown(asked.form)}"
        yield complain(step, _CODE, message)
    elif wrong := unshown(form):
        message = f"approval.form has no JSON Schema, so nobody can be asked: {wrong}"
        yield complain(step, _CODE, message, "fields are what JSON can hold")
    elif asked.on_expiry == "approve":
        # Nobody fills it in then, and later steps must find values that fit it.
        for name in [n for n, field in form.model_fields.items() if field.is_required()]:
            message = f"approval.form has no default for '{name}', which expiry would approve"
            yield complain(step, _CODE, message, "give it a default, or let the expiry fail")


def _approvers(step: Step, asked: Approval) -> Iterator[Problem]:
    yield from names(step, "approval.approvers", asked.approvers, code=_CODE)
    given = texts_in(asked.approvers)
    if any(not name.strip() for name in given):
        yield complain(step, _CODE, "approval.approvers has an empty name")
    for name in sorted({name for name in given if given.count(name) > 1}):
        yield complain(step, _CODE, f"approval.approvers names '{name}' twice")


def _times(step: Step, asked: Approval) -> Iterator[Problem]:
    yield from span(step, _CODE, "approval.expires", asked.expires)
    yield from span(step, _CODE, "approval.remind", asked.remind)
    yield from choice(step, "approval.on_expiry", asked.on_expiry, ON_EXPIRY, code=_CODE)
    expires, remind = seconds_of(asked.expires), seconds_of(asked.remind)
    if expires is not None and remind is not None and remind >= expires:
        message = f"approval.remind {shown(asked.remind)} is not before it expires"
        hint = f"approval.expires is {shown(asked.expires)}"
        yield complain(step, _CODE, message, hint)
    if asked.expires is None and asked.on_expiry in ("approve", "continue"):
        message = f"approval.on_expiry is '{asked.on_expiry}', but it never expires"
        yield complain(step, _CODE, message, 'give it a time: Approval(expires="24h")')


def _rejection(step: Step, asked: Approval) -> Iterator[Problem]:
    yield from choice(step, "approval.on_reject", asked.on_reject, ON_REJECT, code=_CODE)
    yield from count(step, _CODE, "approval.max_redos", asked.max_redos, REDOS)
    if asked.redo_from is not None and as_text(asked.redo_from) is None:
        message = f"approval.redo_from must be a step's id, not {shown(asked.redo_from)}"
        yield complain(step, _CODE, message)
    elif asked.redo_from is None and asked.on_reject == "redo":
        message = "a rejection asks for a redo, and approval.redo_from does not say of what"
        yield complain(step, _CODE, message, 'give it a step: Approval(redo_from="draft")')
    elif asked.redo_from is not None and asked.on_reject in ("stop", "continue"):
        message = f"approval.redo_from means nothing when on_reject is '{asked.on_reject}'"
        yield complain(step, _CODE, message, 'write on_reject="redo"')
