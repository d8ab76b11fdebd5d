"""Which runs a list or a count is about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, TypeAlias

from fastapi import Depends, Query
from fastapi.exceptions import RequestValidationError
from pydantic import AwareDatetime

from flowrunner.db.pages import RunFilter
from flowrunner.service.views import since as since_when
from flowrunner.service.views import until as until_when
from flowrunner.wire.runs import RunStatus


def _asked(
    *,
    flow: Annotated[str | None, Query(max_length=64)] = None,
    status: Annotated[
        list[RunStatus] | None, Query(description="May be given several times.")
    ] = None,
    label: Annotated[
        list[str] | None, Query(description="As name:value; may be given several times.")
    ] = None,
    q: Annotated[str | None, Query(max_length=200, description="Part of the title.")] = None,
    launched_by: Annotated[
        str | None, Query(max_length=200, description="Who launched it, exactly.")
    ] = None,
    since: Annotated[
        AwareDatetime | None, Query(description="Launched at this time or later.")
    ] = None,
    until: Annotated[AwareDatetime | None, Query(description="Launched before this time.")] = None,
    waiting: Annotated[bool, Query(description="Only those that ask somebody something.")] = False,
) -> RunFilter:
    only = RunFilter(
        flow=flow,
        statuses=tuple(status or ()),
        labels=_labels(label or ()),
        waiting=waiting,
        launched_by=launched_by,
        words=q or None,
    )
    only = only if since is None else since_when(only, since)
    return only if until is None else until_when(only, until)


AskedRuns: TypeAlias = Annotated[RunFilter, Depends(_asked)]


def _labels(given: Sequence[str]) -> dict[str, str]:
    bad = [text for text in given if ":" not in text]
    if bad:
        told = [
            {
                "type": "bad_label",
                "loc": ("query", "label"),
                "msg": f"'{text}' is not name:value",
            }
            for text in bad
        ]
        raise RequestValidationError(told)
    pairs = [text.partition(":") for text in given]
    return {name: value for name, _, value in pairs}
