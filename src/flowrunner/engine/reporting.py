"""A report as it is stored."""

from __future__ import annotations

import json

from pydantic import BaseModel

from flowrunner.definitions.context import Report
from flowrunner.wire.tasks import storable


def report_body(report: Report | str) -> tuple[bytes, str]:
    """Return the stored form and the outcome; plain text is a report, too."""
    if isinstance(report, str):
        report = Report(report)
    body = {
        "outcome": report.outcome,
        "markdown": storable(report.markdown),
        "data": report.data,
        "sarif": report.sarif,
    }
    return json.dumps(body, ensure_ascii=False, default=_model).encode(), report.outcome


def _model(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True)
    raise TypeError(f"a {type(value).__name__} cannot be in a report's data")
