"""What an approval asks: the question, its form, and a digest of what the answer is about."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

from flowrunner.definitions.flow import Step
from flowrunner.engine.views import RunView
from flowrunner.wire.tasks import storable


def request_of(step: Step, number: int, text: str, view: RunView) -> tuple[bytes, str]:
    """Return what is stored of the question, and the digest of all that it is about.

    The digest covers the question, the form and the results that the step needs: an answer to
    another question, or to the same about other results, can be told from this one.
    """
    asked = step.approval
    form: dict[str, Any] | None = None
    if asked is not None and asked.form is not None:
        form = asked.form.model_json_schema()
    spec = view.state.spec(number)
    about = {view.state.spec(need).key: view.output(need) for need in spec.needs}
    request: dict[str, Any] = {
        "title": step.label or spec.label,
        "body": storable(text),
        "form": form,
        "approvers": list(asked.approvers) if asked is not None else [],
        "about": about,
    }
    digest = sha256(json.dumps(request, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
    return json.dumps({**request, "digest": digest}, ensure_ascii=False).encode(), digest
