"""A report as it is stored."""

from __future__ import annotations

import json

from pydantic import BaseModel

from flowrunner.definitions.context import Report
from flowrunner.wire.tasks import storable

MOST_OUTCOME = 64


def report_body(report: Report | str) -> tuple[bytes, str]:
    """Return the stored form and the outcome; plain text is a report, too.

    Raises TypeError or ValueError for what no reader could be given: an outcome stands in the run's
    own events, where a NUL is a commit that can never succeed.
    """
    if isinstance(report, str):
        report = Report(report)
    _check(report)
    body = {
        "outcome": report.outcome,
        "markdown": storable(report.markdown),
        "data": report.data,
        "sarif": report.sarif,
    }
    text = json.dumps(body, ensure_ascii=False, allow_nan=False, default=_model)
    return text.encode(), report.outcome


def _as_given(report: Report) -> tuple[object, object, object]:
    """Return an author's values: what is annotated is hoped for."""
    return report.markdown, report.outcome, report.sarif


def _check(report: Report) -> None:
    markdown, outcome, sarif = _as_given(report)
    if not isinstance(markdown, str):
        raise TypeError(f"a report's markdown is text, not a {type(markdown).__name__}")
    if not isinstance(outcome, str):
        raise TypeError(f"a report's outcome is a word, not a {type(outcome).__name__}")
    if not (outcome.strip() and len(outcome) <= MOST_OUTCOME and outcome.isprintable()):
        shown = repr(outcome[:MOST_OUTCOME])
        message = f"a report's outcome has 1 to {MOST_OUTCOME} printable characters, not {shown}"
        raise ValueError(message)
    if sarif is not None and not isinstance(sarif, dict):
        raise TypeError(f"a report's sarif is an object, not a {type(sarif).__name__}")


def _model(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True)
    raise TypeError(f"a {type(value).__name__} cannot be in a report's data")
