"""Flows with one list, and a report of what became of it."""

from __future__ import annotations

import json
from typing import Any

from fixtures.libraries import a_flow, agent, code, told
from flowrunner.definitions.context import Context, Report, ReportContext
from flowrunner.definitions.flow import Each, Flow, Step


def a_list(*members: object, **each: Any) -> list[Step]:
    """A step that says *members*, and one that is done for each of them."""
    own = ("on_fail", "retry", "output", "when", "repairs")
    options = {key: each.pop(key) for key in own if key in each}
    return [
        code("files", run=lambda _ctx: list(members)),
        agent("review", "files", run=about, each=Each("files", **each), **options),
    ]


def about(ctx: Context) -> str:
    return f"{ctx.item_key}: {json.dumps(ctx.item)}"


def joined(ctx: ReportContext) -> Report:
    """A report of what the list's step said, and of each of its members."""
    children = [(c.key, c.status, c.message) for c in ctx.outcomes["review"].children]
    listed: Any = ctx.results.get("review")
    census = told(ctx).data
    assert isinstance(census, dict)
    return Report("#", data={**census, "said": listed, "children": [list(c) for c in children]})


def listing(*members: object, **each: Any) -> Flow:
    return a_flow(*a_list(*members, **each), render=joined)
