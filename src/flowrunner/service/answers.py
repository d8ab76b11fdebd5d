"""What a person's decision becomes: checked against the form, and written as dependents see it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from pydantic import BaseModel, ValidationError

from flowrunner.core.errors import InvalidInputError, Problem
from flowrunner.definitions.manifest import unknown_fields
from flowrunner.wire.approvals import DecisionBody
from flowrunner.wire.tasks import storable

Values: TypeAlias = dict[str, Any]


def check_decision(body: DecisionBody, *, has_form: bool, may_redo: bool) -> None:
    """Refuse what contradicts itself or the question, all at once. Raises InvalidInputError."""
    problems: list[Problem] = []
    if body.decision == "approve" and body.then is not None:
        message = "only a rejection says what follows"
        problems.append(Problem("unexpected-field", message, pointer="/then"))
    if body.then == "redo" and not may_redo:
        message = "this question names no step to go back to"
        hint = "stop, or continue"
        problems.append(Problem("cannot-redo", message, pointer="/then", hint=hint))
    if body.values and body.decision == "reject":
        message = "a rejection has no values; say why in the comment"
        problems.append(Problem("unexpected-field", message, pointer="/values"))
    if body.values and body.decision == "approve" and not has_form:
        message = "this question has no form"
        problems.append(Problem("unexpected-field", message, pointer="/values"))
    if problems:
        raise InvalidInputError("the decision cannot be accepted", problems)


def fill_form(form: type[BaseModel], values: Values) -> Values:
    """Return the form's values as JSON, defaults included. Raises InvalidInputError."""
    # A misspelt name must not be lost: the default would be approved in its place (P11).
    problems = [
        Problem("unknown-field", f"the form has no '{name}'", pointer=_pointer([name]), hint=hint)
        for name, hint in unknown_fields(form, values)
    ]
    try:
        # As JSON: what arrives as text may mean a date, and never a number.
        filled = form.model_validate_json(json.dumps(values))
    except ValidationError as error:
        told = error.errors(include_url=False, include_context=False, include_input=False)
        problems += [
            Problem(
                str(each["type"]).replace("_", "-"),
                str(each["msg"]).removeprefix("Value error, "),
                pointer=_pointer(each["loc"]),
            )
            for each in told
        ]
        filled = None
    if filled is None or problems:
        raise InvalidInputError("the values do not fit the form", problems)
    return filled.model_dump(mode="json", by_alias=True)


def answer_body(*, approved: bool, actor: str, comment: str, values: Mapping[str, Any]) -> bytes:
    """Write the result of the approval step: what every step that depends on it is given."""
    told = {"approved": approved, "actor": actor, "comment": storable(comment), "values": values}
    return json.dumps(told, ensure_ascii=False).encode()


def _pointer(place: Sequence[str | int]) -> str:
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in place)
    return "".join(("/values", *(f"/{part}" for part in parts)))
